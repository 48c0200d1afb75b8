/* detail: one task: all of it, what happened to it, and what can be done with it. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import {
	Action, Button, Card, Chip, Copy, Editor, Facts, Head, Shown, Tabs, Time, assignments,
	metafed, toast,
} from "../../kit/index.ts";
import { type Exact, isObject, read, write } from "../../kit/exact.ts";
import { newKey, send, settled } from "../../lib/api.ts";
import { type Load, useLoad } from "../../lib/load.ts";
import { useLive } from "../../lib/live.ts";
import { may } from "../../lib/me.ts";
import { Link, go, href } from "../../lib/route.tsx";
import { History } from "./history.tsx";
import { type TaskEvent, blobOf, taskFields } from "./model.ts";

export function TaskDetail({ id }: { id: string }): JSX.Element {
	const load = useLoad<string>(`/tasks/${encodeURIComponent(id)}`, { text: true });
	const [turn, setTurn] = useState(0);
	const soon = useRef(0);
	const again = (): void => {
		if (soon.current !== 0)
			return;
		soon.current = window.setTimeout(() => {
			soon.current = 0;
			load.reload();
			setTurn((n) => n + 1);
		}, 300);
	};

	useLive<TaskEvent>("tasks", { id }, again, again);
	return (
		<Shown of={load}>
			{(text) => <Whole key={id} id={id} text={text} load={load} turn={turn} />}
		</Shown>
	);
}

function Whole(p: { id: string; text: string; load: Load<string>; turn: number }): JSX.Element {
	const task = read(p.text);
	const of = (name: string): string => textOf(task, name);

	return (
		<>
			<Head
				title={of("title")}
				sub={
					<>
						<Link to={href("tasks")}>Tasks</Link> / <span class="mono">{p.id}</span>{" "}
						<Copy text={p.id} label="Copy the id" />
					</>
				}
			>
				<Edit id={p.id} text={p.text} load={p.load} />
				<Delete id={p.id} etag={p.load.etag} title={of("title")} />
			</Head>
			<div class="split">
				<div class="stack">
					<Tabs
						label="Parts of the task"
						tabs={[
							{ name: "payload", title: "Payload", render: () => <Payload of={task} /> },
							{
								name: "history",
								title: "History",
								render: () => <History id={p.id} turn={p.turn} />,
							},
							{ name: "json", title: "JSON", render: () => <Json of={task} /> },
						]}
					/>
				</div>
				<Card title="Task">
					<TaskFacts of={task} />
				</Card>
			</div>
		</>
	);
}

function TaskFacts({ of: task }: { of: Exact }): JSX.Element {
	const of = (name: string): string => textOf(task, name);
	const trace = of("trace_id") || traceOf(task);

	return (
		<Facts
			items={[
				["State", <Chip key="s" state={of("state")} />],
				["Priority", of("priority")],
				["Type", of("type")],
				["Labels", <Labels key="l" of={isObject(task) ? task["labels"] : null} />],
				["Namespace", of("namespace")],
				["Version", <span key="v" class="num">{of("version")}</span>],
				["Created", <Time key="c" at={of("created_at")} />],
				["Changed", <Time key="u" at={of("updated_at")} />],
				["Created by", <Creator key="b" id={of("created_by")} />],
				...(trace === ""
					? []
					: [
							[
								"Trace",
								<Link key="t" to={href("requests", trace)}>
									<span class="mono">{trace}</span>
								</Link>,
							] as [string, JSX.Element],
						]),
				...(of("description") === ""
					? []
					: [
							[
								"Description",
								<p key="d" class="pre-line">
									{of("description")}
								</p>,
							] as [string, JSX.Element],
						]),
			]}
		/>
	);
}

/* The trace in which it was stored, where that is kept with it. */
function traceOf(task: Exact): string {
	const parent = textOf(task, "traceparent").split("-")[1] ?? "";

	return /^[0-9a-f]{32}$/.test(parent) ? parent : "";
}

function Creator({ id }: { id: string }): JSX.Element {
	if (id === "")
		return <span class="muted">–</span>;
	if (!may("user.read"))
		return <span class="mono">{id}</span>;
	return (
		<Link to={href("users", id)}>
			<span class="mono">{id}</span>
		</Link>
	);
}

function Labels({ of }: { of: Exact | undefined }): JSX.Element {
	const all: [string, string][] = Array.isArray(of)
		? of.map((l) => [String(l).slice(1), ""])
		: isObject(of)
			? Object.entries(of).map(([k, v]) => [k, String(v).slice(1)])
			: [];

	if (all.length === 0)
		return <span class="muted">–</span>;
	return (
		<span class="row tight">
			{all.map(([k, v]) => {
				const label = v === "" ? k : `${k}=${v}`;
				return (
					<Link key={k} to={`${href("tasks")}?${new URLSearchParams({ label })}`}>
						{label}
					</Link>
				);
			})}
		</span>
	);
}

function Payload({ of: task }: { of: Exact }): JSX.Element {
	const payload = isObject(task) ? task["payload"] : undefined;
	const blob = blobOf(payload);
	const text = payload === undefined ? "null" : write(payload, 2);

	return (
		<Card title="Payload" actions={<Copy text={text} label="Copy the payload" />}>
			{blob !== null && (
				<p>
					It is larger than 256 KiB and kept as the blob <span class="mono">{blob}</span>:{" "}
					<code>{metafed("blob", "get", blob)}</code>
				</p>
			)}
			<pre class="pre" tabIndex={0} aria-label="Payload as JSON">
				{text}
			</pre>
		</Card>
	);
}

function Json({ of: task }: { of: Exact }): JSX.Element {
	const text = write(task, 2);

	return (
		<Card title="As the API has it" actions={<Copy text={text} label="Copy the task" />}>
			<pre class="pre" tabIndex={0} aria-label="The task as JSON">
				{text}
			</pre>
		</Card>
	);
}

function Edit(p: { id: string; text: string; load: Load<string> }): JSX.Element | null {
	/* As it was when the editor was opened: events do not take what is typed away. */
	const [open, setOpen] = useState<{ text: string; etag: string | null } | null>(null);

	if (!may("task.update"))
		return null;
	return (
		<>
			<Button onClick={() => setOpen({ text: p.text, etag: p.load.etag })}>Edit</Button>
			{open !== null && (
				<Editor
					title="Edit the task"
					path={`/tasks/${p.id}`}
					fields={editable(open.text)}
					text={open.text}
					etag={open.etag}
					command={(patch) => metafed("task", "update", p.id, ...assignments(patch))}
					onClose={() => setOpen(null)}
					onDone={() => {
						toast("The task is changed.");
						p.load.reload();
					}}
				/>
			)}
		</>
	);
}

/* What is kept as a blob is replaced as a whole, not here. */
function editable(text: string): typeof taskFields {
	const task = read(text);
	const blob = isObject(task) ? blobOf(task["payload"]) : null;

	return blob === null ? taskFields : taskFields.filter((f) => f.name !== "payload");
}

function Delete(p: { id: string; etag: string | null; title: string }): JSX.Element {
	const key = useRef(newKey());

	return (
		<Action
			label="Delete"
			permission="task.delete"
			danger
			command={metafed("task", "rm", p.id)}
			done="The task is deleted."
			confirm={<p>“{p.title}” is deleted for good.</p>}
			run={async () => {
				await send("DELETE", `/tasks/${p.id}`, undefined, {
					ifMatch: p.etag,
					key: key.current,
				}).catch((e: unknown) => {
					if (settled(e))
						key.current = newKey();
					throw e;
				});
				go(href("tasks"));
			}}
		/>
	);
}

function textOf(task: Exact, name: string): string {
	const v = isObject(task) ? task[name] : null;

	return typeof v === "string" ? v.slice(1) : "";
}
