/* upgrade: nodes start anew from the executables that stand in their place by now, one after the
 * other; how far it is. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import {
	Button, Card, Chip, Command, Confirm, Duration, Facts, Field, Head, Shown, Table, Time,
	metafed, toast,
} from "../kit/index.ts";
import type { Column } from "../kit/table.tsx";
import { newKey, send } from "../lib/api.ts";
import { useLoad } from "../lib/load.ts";
import { may } from "../lib/me.ts";
import { type Problem, problemOf } from "../lib/problem.ts";
import { ErrorBox } from "../kit/basics.tsx";
import type { Page } from "../page.ts";

interface Step {
	node: string;
	state: string;
	from?: string | null;
	to?: string | null;
	took_ms?: number | null;
	error?: string | null;
}

interface Upgrade {
	id: string | null;
	state: string;
	started_at: string | null;
	ended_at: string | null;
	error?: string | null;
	steps: Step[];
}

const columns: readonly Column<Step>[] = [
	{ key: "node", title: "Node", width: "7rem", render: (s) => s.node },
	{ key: "state", title: "State", width: "7.5rem", render: (s) => <Chip state={s.state} /> },
	{ key: "from", title: "From", width: "minmax(7rem, 1fr)", wide: true,
		render: (s) => <span class="mono">{s.from}</span> },
	{ key: "to", title: "To", width: "minmax(7rem, 1fr)", wide: true,
		render: (s) => <span class="mono">{s.to}</span> },
	{ key: "took", title: "Took", width: "5.5rem", align: "end",
		render: (s) => <Duration ms={s.took_ms} /> },
	{ key: "error", title: "Why not", width: "minmax(6rem, 2fr)", wide: true,
		render: (s) => <span title={s.error ?? ""}>{s.error}</span> },
];

function UpgradePage(): JSX.Element {
	const load = useLoad<Upgrade>("/upgrade", { every: 2000 });
	const [plan, setPlan] = useState<Upgrade | null>(null);
	const [open, setOpen] = useState(false);
	const [nodes, setNodes] = useState("");
	const [error, setError] = useState<Problem | null>(null);
	const key = useRef("");
	const only = nodes.split(/[\s,]+/).filter((n) => n !== "");
	const order = only.length > 0 ? { nodes: only } : {};

	async function look(): Promise<void> {
		setError(null);
		try {
			setPlan((await send<Upgrade>("POST", "/upgrade", { ...order, dry_run: true })).data);
			key.current = newKey();
			setOpen(true);
		} catch (e) {
			setError(problemOf(e));
		}
	}
	return (
		<>
			<Head
				title="Upgrade"
				sub="Put the new executables in place first (rename them over the old ones). No request fails."
			/>
			{may("node.restart") && (
				<Card title="Start anew">
					<div class="row bottom">
						<Field
							label="Only these nodes"
							value={nodes}
							onInput={setNodes}
							placeholder="all whose executable has changed"
						/>
						<Button tone="primary" onClick={() => void look()}>
							See what it would do …
						</Button>
					</div>
					<Command run={metafed("upgrade", ...only, "--dry-run")} />
					{error !== null && <ErrorBox error={error} />}
				</Card>
			)}
			<Shown of={load}>{(u) => <Last of={u} />}</Shown>
			{open && plan !== null && (
				<Confirm
					title="Upgrade the fleet?"
					action={`Start ${renewed(plan).length} anew`}
					disabled={renewed(plan).length === 0}
					command={metafed("upgrade", ...only)}
					onClose={() => setOpen(false)}
					onConfirm={async () => {
						await send("POST", "/upgrade", order, { key: key.current });
						toast("The upgrade runs.");
						load.reload();
					}}
				>
					{renewed(plan).length === 0 ? (
						<p>No node would start anew: each runs from the executable in its place.</p>
					) : (
						<p>
							One after the other: <strong>{renewed(plan).map((s) => s.node).join(", ")}</strong>
							. It stops at the first that does not come back, or when more requests fail.
						</p>
					)}
				</Confirm>
			)}
		</>
	);
}

function renewed(u: Upgrade): Step[] {
	return u.steps.filter((s) => s.state !== "unchanged");
}

function Last({ of: u }: { of: Upgrade }): JSX.Element {
	if (u.state === "none")
		return <p class="empty">There was no upgrade yet.</p>;
	return (
		<Card title="The last one">
			<Facts
				items={[
					["State", <Chip key="s" state={u.state} />],
					["Began", <Time key="b" at={u.started_at} />],
					["Ended", <Time key="e" at={u.ended_at} />],
				]}
			/>
			{u.error !== null && u.error !== undefined && u.error !== "" && (
				<p class="wrong pre-line" role="alert">
					{u.error}
				</p>
			)}
			<Table label="Steps" rows={u.steps} columns={columns} rowKey={(s) => s.node} />
		</Card>
	);
}

export const page: Page = {
	path: "upgrade",
	title: "Upgrade",
	section: "Operations",
	order: 70,
	permission: "node.restart",
	icon: "M8 13V4 M4.5 7.5L8 4l3.5 3.5 M3 1.8h10",
	component: UpgradePage,
};
