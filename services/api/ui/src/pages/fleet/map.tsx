/* map: the fleet in its three levels: nodes as buttons, calls as lines between them. */
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { bytes, figure, took } from "../../kit/format.tsx";
import { type Edge, type Fleet, type Node, brokenOf, domains, nodeTone, placeOf } from "./model.ts";

interface Box {
	x: number;
	y: number;
	w: number;
	h: number;
}

interface MapProps {
	fleet: Fleet;
	edges: readonly Edge[];
	selected: string | undefined;
	onSelect: (name: string) => void;
}

export function FleetMap({ fleet, edges, selected, onSelect }: MapProps): JSX.Element {
	const map = useRef<HTMLDivElement>(null);
	const all = [...fleet.apart, ...fleet.nodes];
	const others = all.filter((n) => placeOf(n.name) === undefined);
	const boxes = useBoxes(map, all.map((n) => n.name).join());

	function box(n: Node): JSX.Element {
		return <NodeBox key={n.name} node={n} pressed={n.name === selected} onSelect={onSelect} />;
	}
	function walk(e: KeyboardEvent): void {
		const name = (e.target as HTMLElement).dataset["node"];
		const next = name === undefined ? undefined : neighbour(boxes, name, e.key);

		if (next === undefined)
			return;
		e.preventDefault();
		map.current?.querySelector<HTMLElement>(`[data-node="${next}"]`)?.focus();
	}
	return (
		<div class="map-scroll">
			<div class="map" ref={map} role="group" aria-label="Map of the fleet" onKeyDown={walk}>
				<Lines boxes={boxes} edges={edges} selected={selected} />
				{domains.map((d) => (
					<Domain key={d.name} name={d.name} column={d.column} isolated={fleet.isolated} />
				))}
				{all.filter((n) => placeOf(n.name) !== undefined).map(box)}
				{others.length > 0 && <div class="others">{others.map(box)}</div>}
			</div>
		</div>
	);
}

function Domain(p: { name: string; column: number; isolated: string[] | undefined }): JSX.Element {
	const apart = p.isolated?.includes(p.name) === true;

	return (
		<div
			class={apart ? "domain isolated" : "domain"}
			style={{ gridColumn: `${p.column} / span 3`, gridRow: "2 / span 2" }}
		>
			{p.name}
			{apart && <span class="chip bad">isolated</span>}
		</div>
	);
}

function NodeBox(p: { node: Node; pressed: boolean; onSelect: (name: string) => void }): JSX.Element {
	const n = p.node;
	const at = placeOf(n.name);

	return (
		<button
			type="button"
			class={`node ${nodeTone(n)}`}
			data-node={n.name}
			data-state={n.state}
			aria-pressed={p.pressed}
			style={at === undefined ? {} : { gridColumn: at.column, gridRow: at.row }}
			onClick={() => p.onSelect(n.name)}
		>
			<span class="name">{n.name}</span>
			<span class="state">{stateText(n)}</span>
			<span class="figures" title={loadText(n)}>
				{loadText(n)}
			</span>
			<span class="figures">{sizeText(n)}</span>
		</button>
	);
}

function stateText(n: Node): string {
	const broken = brokenOf(n);

	if (n.state === "READY" && broken.length > 0)
		return broken.length === 1 ? `${broken[0]?.[0]} ${broken[0]?.[1]}` : `${broken.length} breakers open`;
	return n.leads === true ? `${n.state}, leads` : n.state;
}

function loadText(n: Node): string {
	if (n.calls_per_s === undefined)
		return n.in_flight > 0 ? `${n.in_flight} in flight` : "\u00a0";
	const errors = (n.errors_per_s ?? 0) > 0 ? ` ${figure(n.errors_per_s ?? 0)} err` : "";
	const p99 = typeof n.p99_ms === "number" && n.calls_per_s > 0 ? ` ${took(n.p99_ms)}` : "";
	return `${figure(n.calls_per_s)}/s${p99}${errors}`;
}

function sizeText(n: Node): string {
	const restarts = n.restarts_in_window ?? n.restarts;

	return `${bytes(n.rss)}${restarts > 0 ? ` ↻${restarts}` : ""}`;
}

function Lines(p: {
	boxes: Map<string, Box>;
	edges: readonly Edge[];
	selected: string | undefined;
}): JSX.Element {
	return (
		<svg aria-hidden="true">
			{p.edges.map((e) => {
				const a = p.boxes.get(e.from);
				const b = p.boxes.get(e.to);
				if (a === undefined || b === undefined)
					return null;
				const lit = e.from === p.selected || e.to === p.selected;
				const bad = e.errors_per_s > 0 || e.breaker !== "closed";
				const c = curve(a, b, e.from === p.selected ? b : a);
				return (
					<g key={`${e.from} ${e.to}`}>
						<path
							d={c.d}
							class={bad ? "bad" : lit ? "lit" : ""}
							stroke-width={1 + Math.min(4, Math.log10(1 + e.per_s) * 1.5)}
							stroke-dasharray={e.breaker === "closed" ? undefined : "5 4"}
						/>
						{lit && e.per_s > 0 && (
							<text x={c.x} y={c.y}>
								{figure(e.per_s)}/s {took(e.p99_ms)}
							</text>
						)}
					</g>
				);
			})}
		</svg>
	);
}

/* From the lower edge of the upper one to the upper edge of the lower one; of two in a row below both.
 * What is said of it stands near `end`. */
function curve(a: Box, b: Box, end: Box): { d: string; x: number; y: number } {
	const [up, low] = a.y <= b.y ? [a, b] : [b, a];
	const x1 = up.x + up.w / 2;
	const y1 = up.y + up.h;
	const x2 = low.x + low.w / 2;
	const x = end.x + end.w / 2;

	if (Math.abs(a.y - b.y) < 4) {
		const y = y1 + 24;
		return { d: `M${x1} ${y1}C${x1} ${y} ${x2} ${y} ${x2} ${y1}`, x, y: y1 + 14 };
	}
	const y2 = low.y;
	const m = (y1 + y2) / 2;
	return {
		d: `M${x1} ${y1}C${x1} ${m} ${x2} ${m} ${x2} ${y2}`,
		x,
		y: end === low ? y2 - 6 : y1 + 14,
	};
}

/* Where the nodes stand, again whenever the map has another size or other nodes. */
function useBoxes(map: { current: HTMLDivElement | null }, names: string): Map<string, Box> {
	const [boxes, setBoxes] = useState(new Map<string, Box>());

	useLayoutEffect(() => {
		const m = map.current;
		if (m === null)
			return undefined;
		const measure = (): void => {
			const nodes = [...m.querySelectorAll<HTMLElement>("[data-node]")];
			setBoxes(
				new Map(
					nodes.map((e) => [
						e.dataset["node"] ?? "",
						{ x: e.offsetLeft, y: e.offsetTop, w: e.offsetWidth, h: e.offsetHeight },
					]),
				),
			);
		};
		const o = new ResizeObserver(measure);
		o.observe(m);
		measure();
		return () => o.disconnect();
	}, [names]);
	return boxes;
}

const ways: Record<string, [number, number]> = {
	ArrowLeft: [-1, 0],
	ArrowRight: [1, 0],
	ArrowUp: [0, -1],
	ArrowDown: [0, 1],
};

/* The nearest one on that side. */
function neighbour(boxes: Map<string, Box>, name: string, key: string): string | undefined {
	const from = boxes.get(name);
	const way = ways[key];
	let best: string | undefined;
	let least = Infinity;

	if (from === undefined || way === undefined)
		return undefined;
	for (const [other, b] of boxes) {
		const dx = b.x + b.w / 2 - from.x - from.w / 2;
		const dy = b.y - from.y;
		const along = dx * way[0] + dy * way[1];
		const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
		if (other !== name && along > 1 && along + 3 * aside < least) {
			least = along + 3 * aside;
			best = other;
		}
	}
	return best;
}
