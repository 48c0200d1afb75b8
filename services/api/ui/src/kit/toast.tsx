/* toast: what was done, or was not, for some seconds; said to screen readers, too. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Tone } from "./basics.tsx";

interface Item {
	id: number;
	text: string;
	tone: Tone;
}

const shownFor = 6000;
let items: Item[] = [];
let last = 0;
let changed: () => void = () => {};

export function toast(text: string, tone: Tone = "good"): void {
	const id = ++last;

	items = [...items.slice(-3), { id, text, tone }];
	changed();
	window.setTimeout(() => dismiss(id), shownFor);
}

export function Toasts(): JSX.Element {
	const [, again] = useState(0);

	useEffect(() => {
		changed = () => again((n) => n + 1);
		return () => {
			changed = () => {};
		};
	}, []);
	return (
		<div class="toasts" role="status" aria-live="polite">
			{items.map((i) => (
				<p key={i.id} class={`toast ${i.tone}`}>
					{i.text}
					<button type="button" aria-label="Dismiss" onClick={() => dismiss(i.id)}>
						×
					</button>
				</p>
			))}
		</div>
	);
}

function dismiss(id: number): void {
	items = items.filter((i) => i.id !== id);
	changed();
}
