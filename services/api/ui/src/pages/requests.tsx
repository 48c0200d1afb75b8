/* requests: what went through the fleet, call by call, and a console to send one. */
import type { JSX } from "preact";
import type { Page, PageProps } from "../page.ts";
import { TraceList } from "./requests/list.tsx";
import { TraceDetail } from "./requests/trace.tsx";
import { TryRequest } from "./requests/try.tsx";

function Requests({ rest }: PageProps): JSX.Element {
	const [id] = rest;

	if (id === undefined)
		return <TraceList />;
	return id === "try" ? <TryRequest /> : <TraceDetail key={id} id={id} />;
}

export const page: Page = {
	path: "requests",
	title: "Requests",
	section: "Work",
	order: 20,
	permission: "trace.read",
	icon: "M2 4h6M5 8h7M8 12h6",
	component: Requests,
};
