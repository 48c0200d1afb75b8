/* tabs: one of some views; which one stands in the address as ?tab=. Left and Right walk them. */
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import { useQuery } from "../lib/route.tsx";

export interface Tab {
	name: string;
	title: string;
	render: () => ComponentChildren;
}

export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }): JSX.Element {
	const id = useId();
	const [query, change] = useQuery();
	const shown = tabs.find((t) => t.name === query["tab"]) ?? tabs[0];

	function walk(e: KeyboardEvent): void {
		const step = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
		const i = tabs.findIndex((t) => t === shown);
		const next = tabs[(i + step + tabs.length) % tabs.length];

		if (step === 0 || next === undefined)
			return;
		e.preventDefault();
		change({ tab: next.name });
		document.getElementById(`${id}-${next.name}`)?.focus();
	}
	if (shown === undefined)
		return <></>;
	return (
		<>
			<div class="tabs" role="tablist" aria-label={label} onKeyDown={walk}>
				{tabs.map((t) => (
					<button
						key={t.name}
						id={`${id}-${t.name}`}
						type="button"
						role="tab"
						aria-selected={t === shown}
						aria-controls={`${id}-panel`}
						tabIndex={t === shown ? 0 : -1}
						onClick={() => change({ tab: t.name })}
					>
						{t.title}
					</button>
				))}
			</div>
			<div
				class="stack"
				role="tabpanel"
				id={`${id}-panel`}
				aria-labelledby={`${id}-${shown.name}`}
			>
				{shown.render()}
			</div>
		</>
	);
}
