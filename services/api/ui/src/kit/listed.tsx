/* listed: a list by cursor on its page: being read, not to be had, or there with what comes after it. */
import type { ComponentChildren, JSX } from "preact";
import type { List } from "../lib/load.ts";
import { ErrorBox } from "./basics.tsx";
import { Pager } from "./table.tsx";

/* What was read before stays while it is read anew; how old it is says the Head (Age). */
export function Listed<T>({
	of: list,
	children,
}: {
	of: List<T>;
	children: ComponentChildren;
}): JSX.Element {
	if (list.at === 0 && list.error !== null)
		return <ErrorBox error={list.error} retry={list.reload} />;
	if (list.at === 0)
		return (
			<p class="loading" role="status">
				Loading …
			</p>
		);
	return (
		<>
			{children}
			<Pager list={list} />
		</>
	);
}
