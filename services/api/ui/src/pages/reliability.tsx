/* reliability: how requests ended, lately; and a measurement opened from a file. */
import type { JSX } from "preact";
import { Head, Tabs } from "../kit/index.ts";
import type { Page } from "../page.ts";
import { Report } from "./reliability/report.tsx";
import { Running } from "./reliability/running.tsx";

function Reliability(): JSX.Element {
	return (
		<>
			<Head title="Reliability" />
			<Tabs
				label="Parts of reliability"
				tabs={[
					{ name: "running", title: "Running figures", render: () => <Running /> },
					{ name: "report", title: "A measurement", render: () => <Report /> },
				]}
			/>
		</>
	);
}

export const page: Page = {
	path: "reliability",
	title: "Reliability",
	section: "Operations",
	order: 30,
	permission: "fleet.read",
	icon: "M2 13V3 M2 13h12 M4 10.5l3-3.5 2.5 2L13.5 4",
	component: Reliability,
};
