/* plot: pictures of a measurement: rows of dots with their intervals, and lines. What they show stands
 * in tables, too. */
import type { JSX } from "preact";
import { Card } from "../../kit/basics.tsx";
import { useNarrow } from "../../kit/table.tsx";

export interface Mark {
	/* 1 to 4, of the palette; a shape goes with each, so that it is not colour alone. */
	sort: 1 | 2 | 3 | 4;
	value: number;
	interval?: [number, number] | null;
}

export interface DotRow {
	name: string;
	marks: Mark[];
}

interface DotsProps {
	title: string;
	legend: string[];
	rows: DotRow[];
	format: (n: number) => string;
	/* At the axis; by default as the values. */
	tick?: (n: number) => string;
	log?: boolean;
	/* Where the axis begins; by default below the least. */
	from?: number;
	to?: number;
}

const rowHeight = 44;
const margin = 12;

/* Letters have their size in the picture's own measure: on a phone it is as narrow. */
function useWidth(): number {
	return useNarrow() ? 310 : 640;
}

/* Names stand above their row, so that it is the same on a phone. */
export function Dots(p: DotsProps): JSX.Element {
	const width = useWidth();
	const all = p.rows.flatMap((r) => r.marks.flatMap((m) => [m.value, ...(m.interval ?? [])]))
		.filter((v) => Number.isFinite(v) && (p.log !== true || v > 0));
	const low = p.from ?? Math.min(...all);
	const high = p.to ?? Math.max(...all);
	const scale = (v: number): number => (p.log === true ? Math.log10(Math.max(v, low)) : v);
	const span = scale(high) - scale(low) || 1;
	const x = (v: number): number =>
		margin + ((scale(v) - scale(low)) / span) * (width - 2 * margin);
	const height = p.rows.length * rowHeight + 8;

	if (all.length === 0)
		return <></>;
	return (
		<Card>
			<figure class="plot">
				<Caption title={p.title} legend={p.legend} />
				<svg viewBox={`0 0 ${width} ${height + 20}`} role="img" aria-label={saidOf(p)}>
					{ticks(low, high, p.log === true, width).map((t) => (
						<g key={t}>
							<line class="rule" x1={x(t)} x2={x(t)} y1={0} y2={height} />
							<text
								class="axis"
								x={x(t)}
								y={height + 15}
								text-anchor={anchor(x(t), width)}
							>
								{(p.tick ?? p.format)(t)}
							</text>
						</g>
					))}
					{p.rows.map((r, i) => (
						<g key={i} transform={`translate(0 ${i * rowHeight})`}>
							<text class="name" x={margin} y={14}>
								{r.name}
							</text>
							{r.marks
								.filter((m) => Number.isFinite(m.value))
								.map((m, k) => (
									<DotMark key={k} mark={m} x={x} y={22 + 8 * k} />
								))}
						</g>
					))}
				</svg>
			</figure>
		</Card>
	);
}

function DotMark({ mark: m, x, y }: { mark: Mark; x: (v: number) => number; y: number }): JSX.Element {
	return (
		<g class={`m${m.sort}`}>
			{m.interval !== null && m.interval !== undefined && (
				<line x1={x(m.interval[0])} x2={x(m.interval[1])} y1={y} y2={y} />
			)}
			<path d={shapes[m.sort]} transform={`translate(${x(m.value)} ${y})`} />
		</g>
	);
}

const shapes = {
	1: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
	2: "M0 -5L5 0L0 5L-5 0Z",
	3: "M-4 -4H4V4H-4Z",
	4: "M0 -5L5 4H-5Z",
} as const;

export interface Line {
	sort: 1 | 2 | 3 | 4;
	points: [number, number][];
}

interface LinesProps {
	title: string;
	note?: string;
	legend: string[];
	lines: Line[];
	formatX: (n: number) => string;
	formatY: (n: number) => string;
	/* A time that is marked, as that of a fault. */
	band?: [number, number];
	log?: boolean;
}

export function Lines(p: LinesProps): JSX.Element {
	const width = useWidth();
	const points = p.lines.flatMap((l) => l.points).filter(([a, b]) => Number.isFinite(a + b));
	const [left, top, height] = [52, 10, 190];
	const xs = points.map(([a]) => a);
	const [low, high] = [Math.min(...xs), Math.max(...xs)];
	const most = Math.max(...points.map(([, b]) => b), 0) || 1;
	const scale = (v: number): number => (p.log === true ? Math.log10(v) : v);
	const x = (v: number): number =>
		left + ((scale(v) - scale(low)) / (scale(high) - scale(low) || 1)) * (width - left - margin);
	const y = (v: number): number => top + (1 - v / (most * 1.05)) * (height - top);

	if (points.length === 0)
		return <></>;
	return (
		<Card>
			<figure class="plot">
				<Caption title={p.title} legend={p.legend} lines />
				{p.note !== undefined && <p class="muted">{p.note}</p>}
				<svg
					viewBox={`0 0 ${width} ${height + 22}`}
					role="img"
					aria-label={`${p.title}: ${p.legend.join(", ")}; at most ${p.formatY(most)}`}
				>
					{p.band !== undefined && (
						<rect
							class="band"
							x={x(Math.max(p.band[0], low))}
							width={Math.max(0, x(Math.min(p.band[1], high)) - x(Math.max(p.band[0], low)))}
							y={top}
							height={height - top}
						/>
					)}
					{ticks(0, most, false, width).map((t) => (
						<g key={t}>
							<line class="rule" x1={left} x2={width - margin} y1={y(t)} y2={y(t)} />
							<text class="axis" x={left - 6} y={y(t) + 4} text-anchor="end">
								{p.formatY(t)}
							</text>
						</g>
					))}
					{ticks(low, high, p.log === true, width).map((t) => (
						<text
							key={t}
							class="axis"
							x={x(t)}
							y={height + 16}
							text-anchor={anchor(x(t), width)}
						>
							{p.formatX(t)}
						</text>
					))}
					{p.lines.map((l, i) => (
						<polyline
							key={i}
							class={`m${l.sort}`}
							points={l.points
								.filter(([a, b]) => Number.isFinite(a + b))
								.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`)
								.join(" ")}
						/>
					))}
				</svg>
			</figure>
		</Card>
	);
}

function Caption(p: { title: string; legend: string[]; lines?: boolean }): JSX.Element {
	return (
		<figcaption class="row">
			<strong>{p.title}</strong>
			{p.legend.map((l, i) => {
				const sort = (i + 1) as Mark["sort"];
				return (
					<span key={l} class="row tight">
						<svg class={`key m${sort}`} viewBox="-7 -7 14 14" aria-hidden="true">
							{p.lines === true ? (
								<polyline class={`m${sort}`} points="-7,0 7,0" />
							) : (
								<path d={shapes[sort]} />
							)}
						</svg>
						{l}
					</span>
				);
			})}
		</figcaption>
	);
}

function saidOf(p: DotsProps): string {
	const rows = p.rows.map((r) => {
		const values = r.marks.map((m, i) => `${p.legend[i] ?? ""} ${p.format(m.value)}`);
		return `${r.name}: ${values.join(", ")}`;
	});

	return `${p.title}. ${rows.join("; ")}`;
}

/* Nothing goes beyond the picture's edge. */
function anchor(x: number, width: number): "start" | "middle" | "end" {
	if (x < width * 0.1)
		return "start";
	return x > width * 0.9 ? "end" : "middle";
}

/* Some round numbers; decades on a log axis. */
function ticks(low: number, high: number, log: boolean, width: number): number[] {
	if (log) {
		const from = Math.ceil(Math.log10(low));
		const to = Math.floor(Math.log10(high));
		const all = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => 10 ** (from + i));
		return all.length > 1 ? all : [low, high];
	}
	const rough = (high - low) / (width < 400 ? 2 : 4) || 1;
	const unit = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 5, 10].map((n) => n * unit).find((s) => s >= rough) ?? rough;
	const first = Math.ceil(low / step);
	const n = Math.floor(high / step + 1e-9) - first + 1;

	return n > 1 ? Array.from({ length: n }, (_, i) => (first + i) * step) : [low, high];
}
