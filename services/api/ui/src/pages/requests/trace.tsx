/* trace: one request through the three levels. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import {
	Card, Chip, Command, Copy, Duration, Facts, Head, Shown, Time, Waterfall, duration, metafed,
} from "../../kit/index.ts";
import type { Span } from "../../kit/waterfall.tsx";
import { useLoad } from "../../lib/load.ts";
import { may } from "../../lib/me.ts";
import { Link, href } from "../../lib/route.tsx";
import { type WholeTrace, remarksOf } from "./model.ts";

export function TraceDetail({ id }: { id: string }): JSX.Element {
	const load = useLoad<WholeTrace>(`/traces/${encodeURIComponent(id)}`);

	return (
		<>
			<Head
				title={load.data?.name ?? "Trace"}
				sub={
					<>
						<Link to={href("requests")}>Requests</Link> / <span class="mono">{id}</span>{" "}
						<Copy text={id} label="Copy the trace id" />
					</>
				}
			/>
			<Shown of={load}>{(trace) => <Whole trace={trace} />}</Shown>
		</>
	);
}

function Whole({ trace }: { trace: WholeTrace }): JSX.Element {
	return (
		<>
			<Card>
				<Facts
					items={[
						["Ended", <Ended key="e" trace={trace} />],
						["Began", <Time key="a" at={trace.at} />],
						["Took", <Duration key="d" ms={trace.duration_us / 1000} />],
						["Came in at", trace.entry],
						["Answer", answerOf(trace)],
					]}
				/>
				<Command run={metafed("trace", "show", trace.trace_id)} />
				<Command run={metafed("logs", "--trace", trace.trace_id)} />
			</Card>
			<Spans spans={trace.spans} title="Calls" />
		</>
	);
}

function answerOf(t: WholeTrace): string {
	return t.http_status > 0 ? `HTTP ${t.http_status}, ${t.code}` : t.code;
}

function Ended({ trace }: { trace: WholeTrace }): JSX.Element {
	const failed = trace.spans.find((s) => s.attempt > 0 && s.code !== "OK");

	return (
		<span class="row tight">
			<Chip state={trace.status} />
			{trace.reason !== null && trace.reason !== undefined && trace.reason !== "" && (
				<span>{trace.reason}</span>
			)}
			{trace.status === "error" && failed !== undefined && may("fleet.read") && (
				<Link to={`${href("errors")}?${new URLSearchParams({ node: failed.node })}`}>
					Errors of {failed.node}
				</Link>
			)}
		</span>
	);
}

/* A waterfall, what stands out in it, and all of the span that was chosen. */
export function Spans({ spans, title }: { spans: readonly Span[]; title: string }): JSX.Element {
	const [selected, setSelected] = useState("");
	const remarks = remarksOf(spans);
	const span = spans.find((s) => s.span_id === selected);

	if (spans.length === 0)
		return (
			<Card title={title}>
				<p class="muted">It has no calls.</p>
			</Card>
		);
	return (
		<Card title={title}>
			<p class="row">
				<span class="num">{spans.length} calls</span>
				{remarks.failed > 0 && <Chip state={`${remarks.failed} failed`} tone="bad" />}
				{remarks.passedOver > 0 && <Chip state={`${remarks.passedOver} passed over`} />}
				{remarks.retries > 0 && (
					<Chip
						state={remarks.retries === 1 ? "1 retry" : `${remarks.retries} retries`}
						tone="warn"
					/>
				)}
				{remarks.standIns.map((s) => (
					<Chip key={s} state={`stand-in: ${s}`} tone="warn" />
				))}
			</p>
			<Waterfall
				spans={spans}
				selected={selected}
				onSelect={(s) => setSelected(s.span_id === selected ? "" : s.span_id)}
			/>
			{span !== undefined && <SpanFacts span={span} />}
		</Card>
	);
}

const levels: Record<number, string> = {
	[-1]: "outside",
	0: "0 (meta)",
	1: "1 (domain)",
	2: "2 (agent)",
};

function SpanFacts({ span: s }: { span: Span }): JSX.Element {
	return (
		<div role="status">
			<Facts
				items={[
					["Call", <span key="m" class="mono">{s.method}</span>],
					["Node", s.node],
					["Level", levels[s.level] ?? String(s.level)],
					[
						"Attempt",
						<span key="t" class="num">
							{s.attempt === 0 ? "none: passed over" : s.attempt}
						</span>,
					],
					["Began after", duration(s.start_us / 1000)],
					["Took", s.attempt === 0 ? "–" : duration(s.duration_us / 1000)],
					[
						"Ended",
						<Chip
							key="c"
							state={s.code}
							tone={s.code === "OK" ? "good" : s.attempt === 0 ? "neutral" : "bad"}
						/>,
					],
					["Reason", s.reason === "" ? "–" : (s.reason ?? "–")],
				]}
			/>
		</div>
	);
}
