/* waterfall: the spans of a trace, each below who called it, on one axis of time. */
import type { JSX } from "preact";
import { duration } from "./format.tsx";
import { Chip } from "./basics.tsx";

/* As GET /v1/traces/{trace_id} has them. */
export interface Span {
	span_id: string;
	parent_id: string | null;
	node: string;
	level: number;
	method: string;
	/* 0: it was passed over, and `reason` says why. */
	attempt: number;
	start_us: number;
	duration_us: number;
	code: string;
	reason?: string | null;
}

interface Row {
	span: Span;
	depth: number;
}

/* With the colours of style.css. */
const levels = [
	["orchestrator", "c1"],
	["domain", "c4"],
	["agent", "c3"],
] as const;

export function Waterfall({
	spans,
	selected,
	onSelect,
}: {
	spans: readonly Span[];
	selected?: string;
	onSelect?: (span: Span) => void;
}): JSX.Element {
	const rows = rowsOf(spans);
	const from = Math.min(...spans.map((s) => s.start_us));
	const to = Math.max(...spans.map((s) => s.start_us + s.duration_us), from + 1);

	return (
		<>
			<p class="row muted">
				{levels.map(([name, color]) => (
					<span key={name} class={`legend ${color}`}>
						{name}
					</span>
				))}
			</p>
			<div class="waterfall" role="table" aria-label="Spans of the trace">
				<div role="row" class="wf-row wf-head">
					<span role="columnheader">Call</span>
					<span role="columnheader" class="end">
						Took
					</span>
					<span role="columnheader" class="wf-scale num">
						{[0, 1, 2, 3].map((n) => (
							<span key={n}>{n === 0 ? "0" : duration(((to - from) * n) / 4000)}</span>
						))}
					</span>
				</div>
				{rows.map(({ span, depth }) => (
					<div
						key={span.span_id}
						role="row"
						class={`wf-row level${span.level}${span.span_id === selected ? " selected" : ""}`}
					>
						<span role="cell" style={{ paddingInlineStart: `${depth * 0.9}rem` }}>
							<Name span={span} onSelect={onSelect} pressed={span.span_id === selected} />
						</span>
						<span role="cell" class="num end">
							{span.attempt === 0 ? "–" : duration(span.duration_us / 1000)}
						</span>
						<span role="cell" class="wf-track">
							<span
								class={`wf-bar ${toneOf(span)}`}
								title={`begins after ${duration((span.start_us - from) / 1000)}`}
								style={{
									left: `${((span.start_us - from) / (to - from)) * 100}%`,
									width: `max(2px, ${(span.duration_us / (to - from)) * 100}%)`,
								}}
							/>
						</span>
					</div>
				))}
			</div>
		</>
	);
}

/* Who was passed over has not failed in it. */
function toneOf(span: Span): string {
	if (span.attempt === 0)
		return "over";
	return span.code === "OK" ? "" : "bad";
}

function Name({
	span,
	onSelect,
	pressed,
}: {
	span: Span;
	onSelect: ((span: Span) => void) | undefined;
	pressed: boolean;
}): JSX.Element {
	const text = (
		<>
			<b>{span.node}</b> {span.method}
			{span.attempt > 1 && <span class="muted"> attempt {span.attempt}</span>}{" "}
			{span.attempt === 0 && <span class="muted">passed over </span>}
			{span.code !== "OK" && (
				<Chip state={span.code} tone={span.attempt === 0 ? "neutral" : "bad"} />
			)}
		</>
	);

	if (onSelect === undefined)
		return text;
	return (
		<button type="button" class="link" aria-pressed={pressed} onClick={() => onSelect(span)}>
			{text}
		</button>
	);
}

/* Children after their parent, by time; a span whose parent is unknown is a root. */
function rowsOf(spans: readonly Span[]): Row[] {
	const known = new Set(spans.map((s) => s.span_id));
	const children = new Map<string, Span[]>();
	const rows: Row[] = [];

	for (const s of spans) {
		const parent = s.parent_id !== null && known.has(s.parent_id) ? s.parent_id : "";
		const list = children.get(parent) ?? [];
		list.push(s);
		children.set(parent, list);
	}
	const visit = (parent: string, depth: number): void => {
		const list = children.get(parent) ?? [];
		children.delete(parent);
		for (const s of list.sort((a, b) => a.start_us - b.start_us)) {
			rows.push({ span: s, depth });
			visit(s.span_id, depth + 1);
		}
	};
	visit("", 0);
	return rows;
}
