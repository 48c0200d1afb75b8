/* bulk: change or delete many tasks: what will be hit is counted and shown before, what failed after. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import {
	Button, Command, Dialog, ErrorBox, Field, assignments, count, metafed, toast,
} from "../../kit/index.ts";
import { type Exact, isObject } from "../../kit/exact.ts";
import { useAbort } from "../../lib/api.ts";
import { may } from "../../lib/me.ts";
import { type Problem, isAbort, problemOf } from "../../lib/problem.ts";
import { type Kind, type Preview, type Progress, type Scope, apply, preview } from "./apply.ts";
import { type Filter, type Task, optionsOf, priorities, states } from "./model.ts";

interface BulkProps {
	rows: Task[];
	filter: Filter;
	selected: ReadonlySet<string>;
	more: boolean;
	onDone: () => void;
}

export function Bulk(p: BulkProps): JSX.Element {
	const [open, setOpen] = useState<{ action: Kind; scope: Scope } | null>(null);
	const [all, setAll] = useState(false);
	const some = p.selected.size > 0;
	const scope = (): Scope =>
		all
			? { kind: "all", filter: p.filter }
			: { kind: "selected", tasks: p.rows.filter((t) => p.selected.has(t.id)) };

	return (
		<div class="row" role="group" aria-label="Actions on many tasks">
			<span class="muted num" role="status">
				{all
					? "All that match the filters"
					: some
						? `${count(p.selected.size)} selected`
						: "None selected"}
			</span>
			<Button small pressed={all} onClick={() => setAll(!all)}>
				All that match
			</Button>
			{may("task.update") && (
				<Button
					small
					disabled={!all && !some}
					onClick={() => setOpen({ action: "update", scope: scope() })}
				>
					Change …
				</Button>
			)}
			{may("task.delete") && (
				<Button
					small
					tone="danger"
					disabled={!all && !some}
					onClick={() => setOpen({ action: "delete", scope: scope() })}
				>
					Delete …
				</Button>
			)}
			{open !== null && (
				<BulkDialog
					{...open}
					onClose={() => setOpen(null)}
					onDone={() => {
						setAll(false);
						p.onDone();
					}}
				/>
			)}
		</div>
	);
}

interface Changes {
	state: string;
	priority: string;
	type: string;
	labels: string;
}

const unchanged = { value: "", label: "as it is" };

/* name=value sets a label, -name takes it away. */
function patchOf(c: Changes): Exact {
	const labels = c.labels
		.split("\n")
		.map((l) => l.trim())
		.filter((l) => l !== "")
		.map((l): [string, Exact] => {
			const at = l.indexOf("=");
			if (at < 0)
				return l.startsWith("-") ? [l.slice(1), null] : [l, "'"];
			return [l.slice(0, at), `'${l.slice(at + 1)}`];
		});
	const fields = (["state", "priority", "type"] as const)
		.filter((f) => c[f].trim() !== "")
		.map((f): [string, Exact] => [f, `'${c[f].trim()}`]);

	return Object.fromEntries([
		...fields,
		...(labels.length > 0 ? [["labels", Object.fromEntries(labels)] as [string, Exact]] : []),
	]);
}

function BulkDialog(p: {
	action: Kind;
	scope: Scope;
	onClose: () => void;
	onDone: () => void;
}): JSX.Element {
	const [changes, setChanges] = useState<Changes>({ state: "", priority: "", type: "", labels: "" });
	const patch = patchOf(changes);
	const nothing = p.action === "update" && isObject(patch) && Object.keys(patch).length === 0;
	const [seen, setSeen] = useState<Preview | null>(null);
	const [progress, setProgress] = useState<Progress | null>(null);
	const [busy, setBusy] = useState(false);
	const [error, setError] = useState<Problem | null>(null);
	const gone = useAbort();

	async function look(): Promise<void> {
		try {
			setSeen(await preview(p.scope, p.action, nothing ? neutral : patch, gone));
		} catch (e) {
			if (!isAbort(e))
				setError(problemOf(e));
		}
	}
	const ready = useRef(look);
	ready.current = look;
	useEffect(() => void ready.current(), []);

	async function run(): Promise<void> {
		if (seen === null)
			return;
		setBusy(true);
		setError(null);
		try {
			const end = await apply(p.scope, p.action, patch, seen.matched, setProgress, gone);
			finish(end);
		} catch (e) {
			setBusy(false);
			if (isAbort(e))
				return;
			setError(problemOf(e));
			if (problemOf(e).reason === "MORE_THAN_EXPECTED")
				void look();
		}
	}
	function finish(end: Progress): void {
		const what = p.action === "delete" ? "deleted" : "changed";

		setBusy(false);
		toast(`${count(end.done)} ${what}`, end.failed.length > 0 ? "warn" : "good");
		p.onDone();
		if (end.failed.length === 0)
			p.onClose();
		else
			setProgress({ ...end });
	}
	const over = progress !== null && !busy;
	const verb = p.action === "delete" ? "Delete" : "Change";
	return (
		<Dialog title={`${verb} many tasks`} onClose={p.onClose} wide>
			<form
				onSubmit={(e) => {
					e.preventDefault();
					void run();
				}}
			>
				<div class="stack">
					{p.action === "update" && !over && (
						<ChangeFields changes={changes} onChanges={setChanges} />
					)}
					{error !== null && <ErrorBox error={error} retry={() => {
							setError(null);
							void look();
						}} />}
					{seen === null && error === null && <p role="status">Counting …</p>}
					{seen !== null && progress === null && (
						<Sample of={seen} scope={p.scope} />
					)}
					{progress !== null && <Said progress={progress} busy={busy} />}
					<Command run={commandOf(p.scope, p.action, patch, seen?.matched ?? null)} />
				</div>
				<footer>
					<Button onClick={p.onClose}>{over ? "Close" : "Cancel"}</Button>
					{!over && (
						<Button
							type="submit"
							tone={p.action === "delete" ? "danger" : "primary"}
							busy={busy}
							disabled={seen === null || seen.matched === 0 || nothing}
						>
							{seen === null ? verb : `${verb} ${count(seen.matched)}`}
						</Button>
					)}
				</footer>
			</form>
		</Dialog>
	);
}

/* For the preview while nothing is chosen yet: what is counted does not depend on it. */
const neutral: Exact = { priority: "'MEDIUM" };

function ChangeFields(p: { changes: Changes; onChanges: (c: Changes) => void }): JSX.Element {
	const set = (name: keyof Changes) => (v: string) => p.onChanges({ ...p.changes, [name]: v });

	return (
		<div class="fields">
			<Field
				label="State"
				kind="select"
				value={p.changes.state}
				choices={[unchanged, ...states]}
				onInput={set("state")}
			/>
			<Field
				label="Priority"
				kind="select"
				value={p.changes.priority}
				choices={[unchanged, ...priorities]}
				onInput={set("priority")}
			/>
			<Field
				label="Type"
				value={p.changes.type}
				placeholder="as it is"
				onInput={set("type")}
			/>
			<Field
				label="Labels"
				kind="area"
				rows={2}
				value={p.changes.labels}
				help="name=value sets one, -name takes it away"
				onInput={set("labels")}
			/>
		</div>
	);
}

function Sample({ of, scope }: { of: Preview; scope: Scope }): JSX.Element {
	const rest = of.matched - of.sample.length;

	return (
		<div class="stack tight">
			<p role="status">
				<strong class="num">
					{of.matched > 1_000_000 ? "More than 1,000,000" : count(of.matched)}{" "}
					{of.matched === 1 ? "task" : "tasks"}
				</strong>{" "}
				{scope.kind === "all" ? "match the filters now" : "are selected"}
				{of.matched > 0 && ", among them:"}
			</p>
			<ul class="plain-list">
				{of.sample.map((t) => (
					<li key={t.id}>
						{t.title} <span class="muted">{`${t.state}, ${t.priority}`}</span>
					</li>
				))}
				{rest > 0 && <li class="muted">and {count(rest)} more</li>}
			</ul>
		</div>
	);
}

function Said({ progress: p, busy }: { progress: Progress; busy: boolean }): JSX.Element {
	return (
		<div class="stack tight" role="status">
			<p>
				<span class="num">
					{count(p.done)} of {count(p.of)}
				</span>{" "}
				done{p.failed.length > 0 && `, ${count(p.failed.length)} not`}
			</p>
			<progress max={Math.max(p.of, 1)} value={p.done + p.failed.length}>
				{count(p.done)}
			</progress>
			{!busy && p.failed.length > 0 && (
				<ul class="plain-list">
					{p.failed.slice(0, 100).map((f, i) => (
						<li key={i}>
							<span class="mono">{f.id}</span> {f.problem.title}
							{f.problem.detail !== "" && <>: {f.problem.detail}</>}
						</li>
					))}
				</ul>
			)}
		</div>
	);
}

function commandOf(scope: Scope, action: Kind, patch: Exact, expected: number | null): string {
	const words = action === "delete" ? ["delete"] : ["update", ...assignments(patch)];

	if (scope.kind === "all")
		return metafed(
			"task", "apply", ...words, ...optionsOf(scope.filter),
			...(expected === null ? ["--dry-run"] : ["--expected", String(expected)]),
		);
	const t = scope.tasks[0];
	const version = ["--if-version", String(t?.version ?? 1)];
	return action === "delete"
		? metafed("task", "rm", t?.id ?? "ID", ...version)
		: metafed("task", "update", t?.id ?? "ID", ...assignments(patch), ...version);
}
