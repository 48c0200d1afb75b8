/* report: a measurement (`metafed reliability run --json`), opened from this machine's disk and shown. It
 * does not leave the browser. */
import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import {
	Card, Chip, Command, Facts, count, duration, figure, local, metafed,
} from "../../kit/index.ts";
import { type Doc, at, flaw, interval, list, num, str } from "./doc.ts";
import { type DotRow, Dots, Lines } from "./plot.tsx";
import { percent } from "./running.tsx";

const most = 32 << 20;

export function Report(): JSX.Element {
	const [doc, setDoc] = useState<Doc>(null);
	const [name, setName] = useState("");
	const [wrong, setWrong] = useState<string | null>(null);
	const id = useId();

	async function open(file: File | undefined): Promise<void> {
		if (file === undefined)
			return;
		setName(file.name);
		try {
			if (file.size > most)
				throw new Error("It has more than 32 MiB.");
			const read = JSON.parse(await file.text()) as Doc;
			const why = flaw(read);
			setDoc(why === null ? read : null);
			setWrong(why);
		} catch (error) {
			setDoc(null);
			setWrong(error instanceof Error ? error.message : String(error));
		}
	}
	return (
		<>
			<Card title="Open a measurement">
				<div class="field">
					<label for={id}>File</label>
					<input
						id={id}
						type="file"
						accept=".json,application/json"
						aria-describedby={`${id}-help`}
						onInput={(e) => void open(e.currentTarget.files?.[0])}
					/>
					<p id={`${id}-help`} class="muted">
						It is read here, in the browser, and sent nowhere.
					</p>
				</div>
				<Command run={`${metafed("reliability", "run", "--json")} >reliability.json`} />
				{wrong !== null && (
					<p class="wrong" role="alert">
						{name}: {wrong}
					</p>
				)}
			</Card>
			{doc !== null && <Shown key={name} doc={doc} name={name} />}
		</>
	);
}

function Shown({ doc, name }: { doc: Doc; name: string }): JSX.Element {
	return (
		<>
			<Summary doc={doc} name={name} />
			<Goals goals={list(doc, "goals")} />
			<Runs runs={list(doc, "runs")} />
			<Kinds kinds={list(doc, "by_kind")} />
			<Theory runs={list(doc, "runs")} />
			<Latency of={doc} title="Latency of the requests, with faults" />
			<Recoveries doc={doc} />
			{list(doc, "timelines").map((t, i) => (
				<Timeline key={i} of={t} />
			))}
			<Shapes shapes={list(doc, "shapes")} />
			<NotMeasured of={list(doc, "not_measured")} />
		</>
	);
}

function Summary({ doc, name }: { doc: Doc; name: string }): JSX.Element {
	const ci = interval(doc, "federation.ci99");
	const facts = at(doc, "settings.facts");
	const began = new Date(str(doc, "started_at"));

	return (
		<Card title={name}>
			<p class="big num">{percent(known(num(doc, "federation.reliability")))}</p>
			<Facts
				items={[
					["Full successes, 99 % interval", ci === null ? "–" : `${percent(ci[0])} to ${percent(ci[1])}`],
					["Single process", percent(known(num(doc, "baseline.reliability")))],
					["Theory", percent(known(num(doc, "theory.value")))],
					["Scenarios", <span key="s" class="num">{number(num(doc, "scenarios"))}</span>],
					["Seed", <span key="e" class="num">{String(at(doc, "seed") ?? "–")}</span>],
					["Fleet", str(doc, "settings.fleet") || "private"],
					["Cascades", <span key="c" class="num">{number(num(doc, "federation.cascades"))}</span>],
					["Began", Number.isNaN(began.getTime()) ? "–" : local(began)],
					["Took", ms(num(doc, "took_ms"))],
					...(typeof facts === "object" && facts !== null
						? Object.entries(facts)
								.slice(0, 40)
								.map(([k, v]): [string, string] => [k, String(v)])
						: []),
				]}
			/>
		</Card>
	);
}

function Goals({ goals }: { goals: Doc[] }): JSX.Element {
	if (goals.length === 0)
		return <></>;
	return (
		<Card title="Goals">
			<PlainTable label="Goals" head={["Goal", "Is", "Must be", "Met"]} numbers={[1, 2]}>
				{goals.map((g, i) => (
					<tr key={i}>
						<th scope="row">{str(g, "name")}</th>
						<td class="num end">{measured(num(g, "value"), str(g, "unit"))}</td>
						<td class="num end">
							{str(g, "must_be")} {measured(num(g, "must"), str(g, "unit"))}
						</td>
						<td>
							<Chip
								state={at(g, "met") === true ? "met" : "not met"}
								tone={at(g, "met") === true ? "good" : "bad"}
							/>
						</td>
					</tr>
				))}
			</PlainTable>
		</Card>
	);
}

function Runs({ runs }: { runs: Doc[] }): JSX.Element {
	const head = ["Run", "Full successes", "99 % interval", "Single process", "p50", "p99", "Cascades"];

	return (
		<Card title="Runs">
			<PlainTable label="Runs" head={head} numbers={[1, 2, 3, 4, 5, 6]}>
				{runs.map((r, i) => {
					const ci = interval(r, "federation.ci99");
					return (
						<tr key={i}>
							<th scope="row">{str(r, "name")}</th>
							<td class="num end">{percent(known(num(r, "federation.reliability")))}</td>
							<td class="num end">
								{ci === null ? "–" : `${percent(ci[0])} to ${percent(ci[1])}`}
							</td>
							<td class="num end">{percent(known(num(r, "baseline.reliability")))}</td>
							<td class="num end">{ms(num(r, "federation.p50_ms"))}</td>
							<td class="num end">{ms(num(r, "federation.p99_ms"))}</td>
							<td class="num end">{number(num(r, "federation.cascades"))}</td>
						</tr>
					);
				})}
			</PlainTable>
		</Card>
	);
}

function Kinds({ kinds }: { kinds: Doc[] }): JSX.Element {
	const rows = kinds.slice(0, 24).map((k): DotRow => ({
		name: str(k, "kind"),
		marks: [
			{ sort: 1, value: num(k, "federation.reliability"), interval: interval(k, "federation.ci99") },
			{ sort: 2, value: num(k, "baseline.reliability"), interval: interval(k, "baseline.ci99") },
		],
	}));

	return (
		<Dots
			title="Full successes by kind of request"
			legend={["federation", "single process"]}
			rows={rows}
			format={percent}
			tick={percentShort}
			to={1}
		/>
	);
}

function Theory({ runs }: { runs: Doc[] }): JSX.Element {
	const rows = runs
		.filter((r) => Number.isFinite(num(r, "theory.value")))
		.slice(0, 24)
		.map((r): DotRow => ({
			name: str(r, "name"),
			marks: [
				{ sort: 1, value: num(r, "federation.reliability"), interval: interval(r, "federation.ci99") },
				{ sort: 2, value: num(r, "theory.value") },
				{ sort: 3, value: num(r, "theory.measured.value") },
			],
		}));

	return (
		<Dots
			title="Theory against measurement"
			legend={["measured", "theory, injected rates", "theory, measured rates"]}
			rows={rows}
			format={percent}
			tick={percentShort}
			to={1}
		/>
	);
}

/* The share of requests that were done within so long. */
function Latency({ of, title }: { of: Doc; title: string }): JSX.Element {
	const curve = (name: string): [number, number][] => {
		const counts = list(of, `${name}.latency.counts`).map((n) => (typeof n === "number" ? n : 0));
		const all = counts.reduce((a, b) => a + b, 0);
		const from = num(of, `${name}.latency.from_ms`);
		const per = num(of, `${name}.latency.per_decade`);
		const first = counts.findIndex((n) => n > 0);
		let seen = 0;
		if (all === 0 || !(from > 0) || !(per > 0))
			return [];
		return counts
			.map((n, i): [number, number] => {
				seen += n;
				return [from * 10 ** ((i + 1) / per), seen / all];
			})
			.filter(([, share], i) => i >= first - 1 && (share < 1 || (counts[i] ?? 0) > 0));
	};

	return (
		<Lines
			title={title}
			legend={["federation", "single process"]}
			lines={[
				{ sort: 1, points: curve("federation") },
				{ sort: 2, points: curve("baseline") },
			]}
			formatX={duration}
			formatY={percentRound}
			log
		/>
	);
}

function Recoveries({ doc }: { doc: Doc }): JSX.Element {
	const all = list(doc, "recoveries");
	const names = [...new Set(all.map((r) => str(r, "of")))];
	const rows = names.map((name): DotRow => ({
		name,
		marks: [
			{ sort: 1, value: num(doc, `recovery_ms.${name}`), interval: range(all, name, "served_ms") },
			{ sort: 2, value: num(doc, `recovery_ms.back.${name}`), interval: range(all, name, "back_ms") },
		],
	}));

	return (
		<Dots
			title="After a kill -9: median and range"
			legend={["served again", "process back"]}
			rows={rows}
			format={duration}
			log
		/>
	);
}

function range(all: Doc[], name: string, key: string): [number, number] | null {
	const times = all
		.filter((r) => str(r, "of") === name)
		.map((r) => num(r, key))
		.filter((t) => Number.isFinite(t));

	return times.length === 0 ? null : [Math.min(...times), Math.max(...times)];
}

function Timeline({ of: t }: { of: Doc }): JSX.Element {
	const line = (key: string): [number, number][] =>
		list(t, "moments").map((m) => [num(m, "at_s"), num(m, key)]);

	return (
		<Lines
			title={`${str(t, "name")}, ${at(t, "prevention") === true ? "with" : "without"} prevention`}
			note={str(t, "note")}
			legend={["successes", "failures", "refused before work"]}
			lines={[
				{ sort: 1, points: line("success_per_s") },
				{ sort: 2, points: line("failed_per_s") },
				{ sort: 3, points: line("shed_per_s") },
			]}
			band={[num(t, "fault_from_s"), num(t, "fault_until_s")]}
			formatX={(s) => `${figure(s)} s`}
			formatY={(n) => `${figure(n)}/s`}
		/>
	);
}

function Shapes({ shapes }: { shapes: Doc[] }): JSX.Element {
	if (shapes.length === 0)
		return <></>;
	return (
		<Card title="Depth and breadth">
			<PlainTable
				label="Shapes"
				head={["Levels", "Wide", "Closed form", "Drawn", "Measured"]}
				numbers={[0, 1, 2, 3, 4]}
			>
				{shapes.slice(0, 100).map((s, i) => (
					<tr key={i}>
						<td class="num end">{number(num(s, "depth"))}</td>
						<td class="num end">{number(num(s, "breadth"))}</td>
						<td class="num end">{percent(known(num(s, "closed")))}</td>
						<td class="num end">{share(s, "simulated")}</td>
						<td class="num end">{share(s, "real") || str(s, "real.why_not") || "–"}</td>
					</tr>
				))}
			</PlainTable>
		</Card>
	);
}

function share(s: Doc, of: string): string {
	const n = num(s, `${of}.requests`);

	return n > 0 ? percent(num(s, `${of}.success`) / n) : "";
}

function NotMeasured({ of }: { of: Doc[] }): JSX.Element {
	if (of.length === 0)
		return <></>;
	return (
		<Card title="Not measured">
			<ul class="plain-list">
				{of.map((n, i) => (
					<li key={i}>{typeof n === "string" ? n : `${str(n, "part") || str(n, "name")}: ${str(n, "why")}`}</li>
				))}
			</ul>
		</Card>
	);
}

function PlainTable(p: {
	label: string;
	head: string[];
	/* The columns of numbers: those stand at the end. */
	numbers: readonly number[];
	children: JSX.Element[];
}): JSX.Element {
	return (
		<div class="scroll" tabIndex={0} role="region" aria-label={p.label}>
			<table class="plain-table">
				<thead>
					<tr>
						{p.head.map((h, i) => (
							<th key={h} scope="col" class={p.numbers.includes(i) ? "end" : ""}>
								{h}
							</th>
						))}
					</tr>
				</thead>
				<tbody>{p.children}</tbody>
			</table>
		</div>
	);
}

function known(n: number): number | null {
	return Number.isFinite(n) ? n : null;
}

function number(n: number): string {
	return Number.isFinite(n) ? count(n) : "–";
}

function ms(n: number): string {
	return Number.isFinite(n) ? duration(n) : "–";
}

/* 60 %, 99.95 % */
function percentShort(n: number): string {
	return `${Number((n * 100).toFixed(4))} %`;
}

function percentRound(n: number): string {
	return `${Math.round(n * 100)} %`;
}

function measured(n: number, unit: string): string {
	if (!Number.isFinite(n))
		return "–";
	if (unit === "share")
		return percent(n);
	return unit === "ms" ? duration(n) : `${figure(n)} ${unit}`;
}
