/* detail: one node: its figures, whom it calls and who calls it, and what can be done to it. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Card, Chip, Facts } from "../../kit/basics.tsx";
import { Action } from "../../kit/dialog.tsx";
import { Field } from "../../kit/form.tsx";
import { Bytes, Duration, count, duration, figure, took } from "../../kit/format.tsx";
import { newKey, send } from "../../lib/api.ts";
import { may } from "../../lib/me.ts";
import { type Edge, type Node, nodeTone } from "./model.ts";

interface DetailProps {
	node: Node;
	edges: readonly Edge[];
	onClose: () => void;
	onChanged: () => void;
}

export function Detail({ node: n, edges, onClose, onChanged }: DetailProps): JSX.Element {
	const box = useRef<HTMLDivElement>(null);

	useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), []);
	return (
		<div ref={box}>
			<Card
				title={n.name}
				actions={
					<button type="button" class="close" aria-label="Close the details" onClick={onClose}>
						×
					</button>
				}
			>
				<div class="columns">
					<Facts items={factsOf(n)} />
					<div class="stack">
						<Calls title="Calls" edges={edges.filter((e) => e.from === n.name)} end="to" />
						<Calls title="Called by" edges={edges.filter((e) => e.to === n.name)} end="from" />
					</div>
					<div class="stack">
						<Breakers breakers={n.breakers} />
						<Doings node={n} onChanged={onChanged} />
					</div>
				</div>
			</Card>
		</div>
	);
}

function factsOf(n: Node): [string, JSX.Element | string][] {
	const all: [string, JSX.Element | string | undefined][] = [
		["State", <Chip state={n.state} tone={nodeTone(n)} />],
		["Why", n.reason],
		["Instance", n.instance === n.name ? undefined : n.instance],
		["Process", n.pid === 0 ? undefined : <span class="num">{n.pid}, generation {n.generation}</span>],
		["Up for", <Duration ms={n.uptime * 1000} />],
		["Restarts", restartsOf(n)],
		["Memory", <Memory node={n} />],
		["CPU", n.cpu_percent === undefined ? undefined : `${figure(n.cpu_percent)} %`],
		["Files", n.limits === undefined ? undefined : `${count(n.limits.files)} of ${count(n.limits.files_max)}`],
		["In flight", String(n.in_flight)],
		["Calls", n.calls_per_s === undefined ? undefined : `${figure(n.calls_per_s)}/s`],
		["Errors", n.errors_per_s === undefined ? undefined : `${figure(n.errors_per_s)}/s`],
		["Latency", typeof n.p50_ms === "number" ? `median ${duration(n.p50_ms)}, p99 ${took(n.p99_ms)}` : undefined],
		["Logs", n.log_level],
	];

	return all.filter((f): f is [string, JSX.Element | string] => f[1] !== undefined && f[1] !== "");
}

function restartsOf(n: Node): string {
	if (n.restarts_in_window === undefined || n.window_s === undefined)
		return count(n.restarts);
	return `${count(n.restarts_in_window)} in ${duration(n.window_s * 1000)}, ${count(n.restarts)} in all`;
}

function Memory({ node: n }: { node: Node }): JSX.Element {
	const most = n.limits?.recycle_rss || n.limits?.memory_max || 0;

	return (
		<>
			<Bytes n={n.rss} />
			{most > 0 && (
				<>
					{" "}
					of <Bytes n={most} />
				</>
			)}
		</>
	);
}

/* Those that are not closed by name: there are as many as targets. */
function Breakers({ breakers }: { breakers: Record<string, string> }): JSX.Element | null {
	const all = Object.entries(breakers);
	const closed = all.filter(([, state]) => state === "closed").length;
	const other = all.filter(([, state]) => state !== "closed");

	if (all.length === 0)
		return null;
	return (
		<section class="stack tight">
			<h3>Breakers</h3>
			<Facts
				items={[
					...other.map(([to, state]): [string, JSX.Element] => [to, <Chip state={state} />]),
					["Closed", `${closed} of ${all.length}`],
				]}
			/>
		</section>
	);
}

function Calls(p: { title: string; edges: readonly Edge[]; end: "to" | "from" }): JSX.Element | null {
	const edges = p.edges.filter((e) => e.per_s > 0 || e.breaker !== "closed");

	if (edges.length === 0)
		return null;
	return (
		<section class="stack tight">
			<h3>{p.title}</h3>
			<table class="plain-table">
				<thead>
					<tr>
						<th scope="col">Node</th>
						<th scope="col" class="end">
							Rate
						</th>
						<th scope="col" class="end">
							Errors
						</th>
						<th scope="col" class="end">
							p99
						</th>
					</tr>
				</thead>
				<tbody>
					{edges
						.sort((a, b) => b.per_s - a.per_s)
						.map((e) => (
							<tr key={e[p.end]}>
								<td>
									{e[p.end]} {e.breaker !== "closed" && <Chip state={e.breaker} />}
								</td>
								<td class="num end">{figure(e.per_s)}/s</td>
								<td class="num end">{figure(e.errors_per_s)}/s</td>
								<td class="num end">{took(e.p99_ms)}</td>
							</tr>
						))}
				</tbody>
			</table>
		</section>
	);
}

/* Guard, supervisor and stores are nobody's to restart from here. */
function Doings({ node: n, onChanged }: { node: Node; onChanged: () => void }): JSX.Element | null {
	if (n.domain === "store" || n.name === "guard" || n.name === "supervisor")
		return null;
	return (
		<div class="stack tight">
			<LogLevel node={n} onChanged={onChanged} />
			<Action
				label={`Restart ${n.name}`}
				permission="node.restart"
				command={`metafed restart ${n.name}`}
				done={`${n.name} was restarted`}
				danger
				confirm={
					<p>
						The process of <b>{n.name}</b> (pid {n.pid}) finishes what it has begun, then a new one
						takes its place. No request of others fails.
					</p>
				}
				run={async () => {
					await send("POST", `/fleet/${n.name}:restart`, undefined, { key: newKey() });
					onChanged();
				}}
			/>
		</div>
	);
}

const levels = ["debug", "info", "warn", "error"];

function LogLevel({ node: n, onChanged }: { node: Node; onChanged: () => void }): JSX.Element | null {
	const [level, setLevel] = useState(n.log_level ?? "info");

	if (!may("node.log_level"))
		return null;
	return (
		<div class="row end-aligned">
			<Field
				label="Log level"
				kind="select"
				value={level}
				choices={levels}
				onInput={setLevel}
			/>
			<Action
				label="Set"
				permission="node.log_level"
				command={`metafed log-level ${n.name} ${level}`}
				done={`${n.name} logs from ${level} on`}
				run={async () => {
					await send("POST", `/fleet/${n.name}:log-level`, { level });
					onChanged();
				}}
			/>
		</div>
	);
}

