/* chaos: harm on purpose, within limits: what is under way, what was, and a new one. For operators. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import {
	Action, Button, Card, Chip, Command, Dialog, ErrorBox, Facts, Field, Head, Shown, Table, Time,
	metafed, toast,
} from "../kit/index.ts";
import type { Column } from "../kit/table.tsx";
import { newKey, send, settled } from "../lib/api.ts";
import { useLoad } from "../lib/load.ts";
import { may } from "../lib/me.ts";
import { type Problem, isAbort, problemOf } from "../lib/problem.ts";
import type { Page } from "../page.ts";

interface Experiment {
	id: string;
	action: string;
	target: string;
	state: string;
	started_at: string;
	ends_at: string;
	by: string;
	effects: string[];
}

/* What each takes besides its target and how long. */
const actions: Record<string, { says: string; needs: readonly Extra[] }> = {
	kill: { says: "SIGKILL, once", needs: [] },
	stop: { says: "SIGSTOP; what is stopped for more than 3 s is killed by the supervisor", needs: [] },
	delay: { says: "calls to it take longer", needs: ["delay_ms", "probability"] },
	drop: { says: "it does its work, and its answers are lost", needs: ["probability"] },
	error: { says: "calls to it fail at once and are not done", needs: ["probability"] },
	partition: { says: "it neither reaches nor hears the other node", needs: ["peer"] },
	store_down: { says: "postgres, redis-docs or redis-cache is ended, and started again at the end", needs: [] },
	disk_full: { says: "the file system of the run-time directory is filled", needs: [] },
	clock_step: { says: "its wall clock is wrong", needs: ["step_ms"] },
};

type Extra = "delay_ms" | "probability" | "peer" | "step_ms";

const extras: Record<Extra, { label: string; option: string; initial: string }> = {
	delay_ms: { label: "Longer by, ms", option: "--delay", initial: "200" },
	probability: { label: "Share of calls, 0 to 1", option: "--probability", initial: "1" },
	peer: { label: "From the node", option: "--peer", initial: "" },
	step_ms: { label: "Wrong by, ms", option: "--step", initial: "1000" },
};

const columns: readonly Column<Experiment>[] = [
	{ key: "state", title: "State", width: "7rem", narrow: "5.5rem", render: (e) => <Chip state={e.state} /> },
	{ key: "what", title: "What", width: "minmax(9rem, 1fr)", narrow: "minmax(7rem, 1fr)",
		render: (e) => `${e.action} ${e.target}` },
	{ key: "effects", title: "What it did", width: "minmax(8rem, 3fr)", wide: true,
		render: (e) => <span title={e.effects.join("\n")}>{e.effects.join("; ")}</span> },
	{ key: "began", title: "Began", width: "6.5rem", wide: true,
		render: (e) => <Time at={e.started_at} ago /> },
	{ key: "ends", title: "Ends", width: "6.5rem", render: (e) => <Time at={e.ends_at} ago /> },
	{ key: "by", title: "By", width: "7rem", wide: true, render: (e) => e.by },
];

function Chaos(): JSX.Element {
	const load = useLoad<{ items: Experiment[] }>("/chaos", { every: 3000 });
	const [open, setOpen] = useState(false);
	const [one, setOne] = useState<Experiment | null>(null);

	return (
		<>
			<Head
				title="Chaos"
				sub="Experiments end by themselves. Refused while the fleet is not whole, for more than one target of a domain, and for more than three at once."
			>
				{may("fault.inject") && (
					<Button tone="danger" onClick={() => setOpen(true)}>
						New experiment …
					</Button>
				)}
			</Head>
			<Command run={metafed("chaos", "list")} />
			<Shown of={load}>
				{({ items }) => (
					<>
						<Running of={items.filter((e) => e.state === "running")} reload={load.reload} />
						<Table
							label="Experiments"
							rows={items}
							columns={columns}
							rowKey={(e) => e.id}
							onOpen={setOne}
							empty="None runs, and none is remembered."
						/>
					</>
				)}
			</Shown>
			{one !== null && <Whole of={one} onClose={() => setOne(null)} />}
			{open && (
				<Start
					onClose={() => setOpen(false)}
					onDone={() => {
						setOpen(false);
						load.reload();
					}}
				/>
			)}
		</>
	);
}

function Running({ of, reload }: { of: Experiment[]; reload: () => void }): JSX.Element {
	return (
		<>
			{of.map((e) => (
				<Card key={e.id} title={`${e.action} ${e.target}`}>
					<p>
						<Chip state="running" tone="warn" /> by {e.by}, ends <Time at={e.ends_at} ago />
					</p>
					<Effects of={e} />
					<Action
						label="End it now"
						permission="fault.inject"
						command={metafed("chaos", "end", e.id)}
						done="The experiment is ended."
						run={async () => {
							await send("DELETE", `/chaos/${e.id}`);
							reload();
						}}
					/>
				</Card>
			))}
		</>
	);
}

function Effects({ of: e }: { of: Experiment }): JSX.Element {
	if (e.effects.length === 0)
		return <p class="muted">Nothing yet.</p>;
	return (
		<ul class="plain-list">
			{e.effects.map((said, i) => (
				<li key={i}>{said}</li>
			))}
		</ul>
	);
}

function Whole({ of: e, onClose }: { of: Experiment; onClose: () => void }): JSX.Element {
	return (
		<Dialog title={`${e.action} ${e.target}`} onClose={onClose}>
			<div class="stack">
				<Facts
					items={[
						["State", <Chip key="s" state={e.state} />],
						["Began", <Time key="b" at={e.started_at} />],
						["Ends", <Time key="e" at={e.ends_at} />],
						["By", e.by],
						["Id", <span key="i" class="mono">{e.id}</span>],
						["What it did", <Effects key="w" of={e} />],
					]}
				/>
			</div>
			<footer>
				<Button onClick={onClose}>Close</Button>
			</footer>
		</Dialog>
	);
}

interface Order {
	action: string;
	target: string;
	seconds: string;
	extra: Record<Extra, string>;
}

const fresh: Order = {
	action: "kill",
	target: "sql",
	seconds: "10",
	extra: {
		delay_ms: extras.delay_ms.initial,
		probability: extras.probability.initial,
		peer: "",
		step_ms: extras.step_ms.initial,
	},
};

function Start({ onClose, onDone }: { onClose: () => void; onDone: () => void }): JSX.Element {
	const [order, setOrder] = useState(fresh);
	const [plan, setPlan] = useState<Experiment | null>(null);
	const [sure, setSure] = useState("");
	const [error, setError] = useState<Problem | null>(null);
	const [busy, setBusy] = useState(false);
	const key = useRef(newKey());
	const change = (o: Order): void => {
		setOrder(o);
		setPlan(null);
		setSure("");
		key.current = newKey();
	};

	async function act(dry: boolean): Promise<void> {
		setBusy(true);
		setError(null);
		try {
			const body = { ...bodyOf(order), ...(dry ? { dry_run: true } : {}) };
			const a = await send<Experiment>("POST", "/chaos", body, dry ? {} : { key: key.current });
			if (dry)
				setPlan(a.data);
			else {
				toast("The experiment runs.", "warn");
				onDone();
				return;
			}
		} catch (e) {
			if (isAbort(e))
				return;
			if (!dry && settled(e))
				key.current = newKey();
			setError(problemOf(e));
			setPlan(null);
		}
		setBusy(false);
	}
	return (
		<Dialog title="New experiment" onClose={onClose} wide>
			<form
				onSubmit={(e) => {
					e.preventDefault();
					void act(plan === null);
				}}
			>
				<div class="stack">
					<OrderFields order={order} onOrder={change} error={error} />
					<Command run={commandOf(order)} />
					{error !== null && <ErrorBox error={error} />}
					{plan !== null && (
						<div class="stack tight" role="status">
							<p>
								<strong>It may be done now.</strong> {plan.effects.join("; ")}
							</p>
							<Field
								label={`Say the target's name, “${order.target}”, to start it`}
								value={sure}
								onInput={setSure}
							/>
						</div>
					)}
				</div>
				<footer>
					<Button onClick={onClose}>Cancel</Button>
					{plan === null ? (
						<Button type="submit" tone="primary" busy={busy}>
							See what it would do
						</Button>
					) : (
						<Button type="submit" tone="danger" busy={busy} disabled={sure !== order.target}>
							Start
						</Button>
					)}
				</footer>
			</form>
		</Dialog>
	);
}

function OrderFields(p: {
	order: Order;
	onOrder: (o: Order) => void;
	error: Problem | null;
}): JSX.Element {
	const { order: o } = p;
	const kind = actions[o.action];

	return (
		<div class="fields">
			<Field
				label="What"
				kind="select"
				value={o.action}
				choices={Object.keys(actions)}
				onInput={(action) =>
					p.onOrder({
						...o,
						action,
						target: action === "store_down" ? "postgres" : o.target,
					})
				}
				help={kind?.says}
			/>
			<Field
				label="To whom"
				value={o.target}
				onInput={(target) => p.onOrder({ ...o, target: target.trim() })}
				error={p.error?.of("target")}
				help="A node, or a store"
			/>
			<Field
				label="For, seconds"
				kind="number"
				value={o.seconds}
				onInput={(seconds) => p.onOrder({ ...o, seconds })}
				error={p.error?.of("for_ms")}
				help="0.1 to 600"
			/>
			{(kind?.needs ?? []).map((name) => (
				<Field
					key={name}
					label={extras[name].label}
					value={o.extra[name]}
					error={p.error?.of(name)}
					onInput={(v) => p.onOrder({ ...o, extra: { ...o.extra, [name]: v.trim() } })}
				/>
			))}
		</div>
	);
}

function bodyOf(o: Order): Record<string, unknown> {
	const given = (actions[o.action]?.needs ?? [])
		.filter((n) => o.extra[n] !== "")
		.map((n): [string, unknown] => [n, n === "peer" ? o.extra[n] : Number(o.extra[n])]);

	return {
		action: o.action,
		target: o.target,
		for_ms: Math.round(Number(o.seconds) * 1000),
		...Object.fromEntries(given),
	};
}

function commandOf(o: Order): string {
	const given = (actions[o.action]?.needs ?? [])
		.filter((n) => o.extra[n] !== "")
		.flatMap((n) => [extras[n].option, o.extra[n]]);

	return metafed(
		"chaos", o.action, o.target, "--for", String(Math.round(Number(o.seconds) * 1000)),
		...given,
	);
}

export const page: Page = {
	path: "chaos",
	title: "Chaos",
	section: "Operations",
	order: 80,
	permission: "fault.inject",
	icon: "M8 1.5v3 M8 11.5v3 M1.5 8h3 M11.5 8h3 M4 4l1.5 1.5 M10.5 10.5L12 12 M12 4l-1.5 1.5 M5.5 10.5L4 12",
	component: Chaos,
};
