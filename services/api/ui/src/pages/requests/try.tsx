/* try: a console for raw requests: what one would do (explain), and what it does, with its trace. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import {
	Button, Card, Chip, Command, ErrorBox, Facts, Field, Head, count, duration, metafed,
} from "../../kit/index.ts";
import { flawOf, member, pretty } from "../../kit/exact.ts";
import { newKey, send, useAbort } from "../../lib/api.ts";
import { Problem, isAbort, problemOf } from "../../lib/problem.ts";
import { may } from "../../lib/me.ts";
import { Link, href } from "../../lib/route.tsx";
import { type TaskResponse, spansOf, templates } from "./model.ts";
import { type Strategy, StrategyCard } from "./strategy.tsx";
import { Spans } from "./trace.tsx";

const names = Object.keys(templates);

function bodyOf(name: string): string {
	return JSON.stringify(templates[name]?.(`ui-${newKey().slice(0, 12)}`), null, 2);
}

interface Answered {
	/* The text as it came, and what stands in it. */
	text: string;
	response: TaskResponse | null;
	took: number;
}

export function TryRequest(): JSX.Element {
	const [name, setName] = useState(names[0] ?? "");
	const [body, setBody] = useState(() => bodyOf(name));
	const [answer, setAnswer] = useState<Answered | null>(null);
	const [strategy, setStrategy] = useState<Strategy | null>(null);
	const [error, setError] = useState<Problem | null>(null);
	const [busy, setBusy] = useState("");
	const gone = useAbort();
	const flaw = flawOf(body);

	async function run(what: "send" | "explain"): Promise<void> {
		setBusy(what);
		setError(null);
		setAnswer(null);
		setStrategy(null);
		const begun = performance.now();
		try {
			if (what === "explain")
				setStrategy((await send<Strategy>("POST", "/requests:explain", body, { signal: gone })).data);
			else {
				const a = await send<string>("POST", "/requests", body, { signal: gone, text: true });
				setAnswer({ ...answered(a.data), took: performance.now() - begun });
			}
		} catch (e) {
			if (isAbort(e))
				return;
			setError(problemOf(e));
		} finally {
			setBusy("");
		}
	}
	return (
		<>
			<Head
				title="Try a request"
				sub={<Link to={href("requests")}>Requests</Link>}
			/>
			<div class="split even">
				<Card title="Request">
					<Field
						label="Begin with"
						kind="select"
						value={name}
						choices={names}
						onInput={(v) => {
							setName(v);
							setBody(bodyOf(v));
						}}
					/>
					<Field
						label="TaskRequest"
						kind="area"
						rows={16}
						value={body}
						onInput={setBody}
						help="The same task_id again answers the first result: nothing is done twice."
						{...(flaw === null ? {} : { error: `is no JSON: ${flaw}` })}
					/>
					<div class="row">
						<Button
							tone="primary"
							disabled={flaw !== null}
							busy={busy === "send"}
							onClick={() => void run("send")}
						>
							Send
						</Button>
						{may("fleet.read") && (
							<Button
								disabled={flaw !== null}
								busy={busy === "explain"}
								onClick={() => void run("explain")}
							>
								Explain, run nothing
							</Button>
						)}
						<Button onClick={() => setBody(withNewId(body))} disabled={flaw !== null}>
							Another task_id
						</Button>
					</div>
					<Command run={metafed("request", "request.json")} />
					<Command run={metafed("explain", "request", "request.json")} />
				</Card>
				<div class="stack">
					{error !== null && <Refused error={error} />}
					{strategy !== null && <StrategyCard strategy={strategy} />}
					{answer !== null && <Answer answer={answer} />}
					{error === null && strategy === null && answer === null && (
						<p class="empty" role="status">
							{busy === "" ? "What it answers comes here, with its trace." : "Under way …"}
						</p>
					)}
				</div>
			</div>
		</>
	);
}

function answered(text: string): Omit<Answered, "took"> {
	try {
		return { text, response: JSON.parse(text) as TaskResponse };
	} catch {
		return { text, response: null };
	}
}

function withNewId(body: string): string {
	const id = member(body, "task_id");
	const fresh = JSON.stringify(`ui-${newKey().slice(0, 12)}`);

	return id === null ? body : body.replace(id, fresh);
}

function Refused({ error }: { error: Problem }): JSX.Element {
	return (
		<>
			<ErrorBox error={error} />
			{error.trace_id !== "" && may("trace.read") && (
				<Link to={href("requests", error.trace_id)}>Its trace</Link>
			)}
		</>
	);
}

function Answer({ answer: { text, response: r, took } }: { answer: Answered }): JSX.Element {
	return (
		<>
			{r !== null && Array.isArray(r.execution_trace) && (
				<>
					<Card title="Answer">
						<Facts
							items={[
								["Ended", <Chip key="s" state={r.status} tone={r.success ? "good" : "bad"} />],
								["Took", `${duration(took)}, seen from here`],
								["Domains", list(r.successful_domains)],
								["Failed domains", list(r.failed_domains)],
								["Agents", list(r.agents_used)],
								["Failed agents", list(r.failed_agents)],
								["Degraded", r.degraded ? "yes" : "no"],
							]}
						/>
					</Card>
					<Spans spans={spansOf(r)} title="Calls" />
				</>
			)}
			<Card title="As it came">
				<p class="muted num">{count(text.length)} characters</p>
				<pre class="pre" tabIndex={0} aria-label="The answer as JSON">
					{pretty(text)}
				</pre>
			</Card>
		</>
	);
}

function list(names: readonly string[]): string {
	return names.length === 0 ? "–" : names.join(", ");
}
