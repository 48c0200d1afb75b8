/* history: what the last readings said, for as long as this page is open: ten minutes at most. */
import type { JSX } from "preact";
import { Card } from "../../kit/basics.tsx";
import { Chart } from "../../kit/chart.tsx";
import { duration, figure } from "../../kit/format.tsx";
import type { Fleet } from "./model.ts";

interface Point {
	at: number;
	rate: number;
	errors: number;
	p50: number | null;
	p99: number | null;
}

const most = 200;
const points: Point[] = [];

/* Of the edge: what comes in there is what the fleet is asked. */
function remember(fleet: Fleet, at: number): void {
	const edge = fleet.nodes.find((n) => n.name === "api");

	if (edge?.calls_per_s === undefined || at === points.at(-1)?.at)
		return;
	points.push({
		at,
		rate: edge.calls_per_s,
		errors: edge.errors_per_s ?? 0,
		p50: edge.calls_per_s > 0 ? (edge.p50_ms ?? null) : null,
		p99: edge.calls_per_s > 0 ? (edge.p99_ms ?? null) : null,
	});
	points.splice(0, points.length - most);
}

export function History({ fleet, at }: { fleet: Fleet; at: number }): JSX.Element | null {
	remember(fleet, at);
	if (points.length === 0)
		return null;
	const times = points.map((p) => p.at);
	return (
		<div class="columns">
			<Card>
				<Chart
					title="Requests a second"
					times={times}
					series={[
						{ label: "all", values: points.map((p) => p.rate) },
						{ label: "errors", values: points.map((p) => p.errors), color: 2 },
					]}
					format={figure}
				/>
			</Card>
			<Card>
				<Chart
					title="Latency"
					times={times}
					series={[
						{ label: "median", values: points.map((p) => p.p50) },
						{ label: "p99", values: points.map((p) => p.p99), color: 4 },
					]}
					format={duration}
				/>
			</Card>
		</div>
	);
}
