/* settings: how each node is configured, as it is in force, and where that came from. */
import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import {
	Button, Chip, Command, Copy, Dialog, Facts, Filters, Head, Shown, Table, count, metafed,
} from "../kit/index.ts";
import type { Column } from "../kit/table.tsx";
import { useLoad } from "../lib/load.ts";
import { useQuery } from "../lib/route.tsx";
import type { Page } from "../page.ts";

interface Setting {
	node: string;
	key: string;
	/* null: it is secret. */
	value: string | null;
	default: string | null;
	source: string;
	help: string;
	secret?: boolean;
	/* A reload can't change it. */
	needs_restart?: boolean;
}

const sources = ["default", "file", "environment", "command line"];

const columns: readonly Column<Setting>[] = [
	{ key: "node", title: "Node", width: "6.5rem", narrow: "5rem", render: (s) => s.node },
	{ key: "key", title: "Key", width: "minmax(8rem, 1fr)",
		render: (s) => <span class="mono" title={s.help}>{s.key}</span> },
	{ key: "value", title: "Value", width: "minmax(7rem, 1fr)", render: (s) => <Value of={s} /> },
	{ key: "source", title: "From", width: "8rem", wide: true,
		render: (s) =>
			s.source === "default" ? (
				<span class="muted">default</span>
			) : (
				<Chip state={s.source} tone="busy" />
			) },
	{ key: "default", title: "Default", width: "minmax(5rem, 1fr)", wide: true,
		render: (s) => <span class="mono muted">{s.default ?? ""}</span> },
	{ key: "takes", title: "Changes by", width: "6rem", wide: true,
		render: (s) => (
			<span class="muted">{s.needs_restart === true ? "restart" : "reload"}</span>
		) },
	{ key: "help", title: "What it is", width: "minmax(8rem, 3fr)", wide: true,
		render: (s) => <span class="muted" title={s.help}>{s.help}</span> },
];

function Value({ of: s }: { of: Setting }): JSX.Element {
	if (s.secret === true)
		return <span class="muted">secret</span>;
	if (s.value === null || s.value === "")
		return <span class="muted">none</span>;
	return (
		<span class="row tight nowrap">
			<span class="mono" title={s.value}>
				{s.value}
			</span>
			<Copy text={s.value} label={`Copy the value of ${s.key}`} />
		</span>
	);
}

function Settings(): JSX.Element {
	const load = useLoad<{ items: Setting[]; unanswered?: string[] }>("/settings");
	const nodes = useMemo(
		() => [...new Set((load.data?.items ?? []).map((s) => s.node))],
		[load.data],
	);
	const [query] = useQuery();

	return (
		<>
			<Head
				title="Settings"
				sub="As they are in force, said by the nodes themselves. They are changed in files, by who runs the fleet."
			/>
			<Filters
				fields={[
					{ name: "find", label: "Find", placeholder: "words" },
					{ name: "node", label: "Node", choices: nodes },
					{ name: "source", label: "From", choices: sources },
				]}
			/>
			<Command
				run={metafed("settings", query["node"])}
			/>
			<Shown of={load}>
				{({ items, unanswered }) => <View items={items} unanswered={unanswered ?? []} />}
			</Shown>
		</>
	);
}

function View({ items, unanswered }: { items: Setting[]; unanswered: string[] }): JSX.Element {
	const [query] = useQuery();
	const rows = useMemo(() => found(items, query), [items, JSON.stringify(query)]);
	const [open, setOpen] = useState<Setting | null>(null);

	return (
		<>
			{unanswered.length > 0 && (
				<p class="age" role="status">
					Not answered by {unanswered.join(", ")}: theirs are missing.
				</p>
			)}
			<Table
				label="Settings"
				rows={rows}
				columns={columns}
				rowKey={(s) => `${s.node} ${s.key}`}
				onOpen={setOpen}
				empty="No setting matches."
			/>
			<p class="muted num" role="status">
				{count(rows.length)} of {count(items.length)}
			</p>
			{open !== null && <Whole of={open} onClose={() => setOpen(null)} />}
		</>
	);
}

/* A row has one line, and on a phone three columns. */
function Whole({ of: s, onClose }: { of: Setting; onClose: () => void }): JSX.Element {
	return (
		<Dialog title={`${s.node}: ${s.key}`} onClose={onClose}>
			<div class="stack">
				<p>{s.help}</p>
				<Facts
					items={[
						["Value", <Value key="v" of={s} />],
						["From", s.source],
						["Default", <span key="d" class="mono">{s.default === "" ? "none" : (s.default ?? "–")}</span>],
						["Changes by", s.needs_restart === true ? "a restart of the node" : "a reload"],
					]}
				/>
			</div>
			<footer>
				<Button onClick={onClose}>Close</Button>
			</footer>
		</Dialog>
	);
}

function found(items: Setting[], query: Record<string, string>): Setting[] {
	const words = (query["find"] ?? "").toLowerCase().split(/\s+/).filter((w) => w !== "");

	return items.filter((s) => {
		const text = `${s.node} ${s.key} ${s.value ?? ""} ${s.help}`.toLowerCase();
		return (
			(!query["node"] || s.node === query["node"]) &&
			(!query["source"] || s.source === query["source"]) &&
			words.every((w) => text.includes(w))
		);
	});
}

export const page: Page = {
	path: "settings",
	title: "Settings",
	section: "Operations",
	order: 60,
	permission: "settings.read",
	icon: "M2 4h7 M12 4h2 M2 12h2 M7 12h7 M9.5 2.5v3 M5.5 10.5v3 M2 8h3 M8 8h6 M6.5 6.5v3",
	component: Settings,
};
