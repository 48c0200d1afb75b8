/* fleet: the home page: the processes, what they do, and who calls whom. */
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { Chip, Head, Shown } from "../kit/basics.tsx";
import { bytes, count, duration, figure, took } from "../kit/format.tsx";
import { Tabs } from "../kit/tabs.tsx";
import { type Column, Table, useNarrow } from "../kit/table.tsx";
import { useLive } from "../lib/live.ts";
import { useLoad } from "../lib/load.ts";
import { useQuery } from "../lib/route.tsx";
import type { Page } from "../page.ts";
import { Detail } from "./fleet/detail.tsx";
import { History } from "./fleet/history.tsx";
import { FleetMap } from "./fleet/map.tsx";
import { type Calls, type Edge, type Fleet, type Node, edgesOf, nodeTone } from "./fleet/model.ts";

const every = 3000;

function FleetPage(): JSX.Element {
	const fleet = useLoad<Fleet>("/fleet", { every });
	const calls = useLoad<Calls>("/fleet/calls", { every });
	const again = useSoon(fleet.reload);

	useLive("fleet", undefined, again, again);
	return (
		<>
			<Head title="Fleet" sub="Every process of the fleet, and the calls between them" />
			<Shown of={fleet}>
				{(f) => (
					<>
						<View fleet={f} edges={edgesOf(calls.data?.items ?? [])} onChanged={fleet.reload} />
						<History fleet={f} at={fleet.at} />
					</>
				)}
			</Shown>
		</>
	);
}

/* Several events at once are one reading. */
function useSoon(f: () => void): () => void {
	const timer = useRef(0);

	return () => {
		window.clearTimeout(timer.current);
		timer.current = window.setTimeout(f, 100);
	};
}

function View(p: { fleet: Fleet; edges: Edge[]; onChanged: () => void }): JSX.Element {
	const [query, change] = useQuery();
	const narrow = useNarrow();
	const all = [...p.fleet.nodes, ...p.fleet.apart];
	const selected = all.find((n) => n.name === query["node"]);
	const select = (name: string): void => change({ node: name === query["node"] ? "" : name });
	const map = {
		name: "map",
		title: "Map",
		render: () => (
			<FleetMap fleet={p.fleet} edges={p.edges} selected={selected?.name} onSelect={select} />
		),
	};
	const table = { name: "table", title: "Table", render: () => <NodeTable nodes={all} onOpen={select} /> };

	return (
		<>
			<Summary fleet={p.fleet} />
			{narrow ? table.render() : <Tabs label="View of the fleet" tabs={[map, table]} />}
			{selected !== undefined && (
				<Detail
					key={selected.name}
					node={selected}
					edges={p.edges}
					onClose={() => change({ node: "" })}
					onChanged={p.onChanged}
				/>
			)}
		</>
	);
}

function Summary({ fleet: f }: { fleet: Fleet }): JSX.Element {
	const ready = f.nodes.filter((n) => n.state === "READY").length;
	const edge = f.nodes.find((n) => n.name === "api");

	return (
		<div class="status-line">
			<span>
				<b class="num">
					{ready} of {f.nodes.length}
				</b>{" "}
				nodes ready
			</span>
			<span>
				Work taken on <Chip state={f.mode} />
			</span>
			<span>
				Stores <Chip state={f.stores} />
			</span>
			{(f.journal_entries ?? 0) > 0 && (
				<span>
					<b class="num">{count(f.journal_entries ?? 0)}</b> writes wait for PostgreSQL
				</span>
			)}
			{(f.isolated ?? []).map((d) => (
				<Chip key={d} state={`${d} isolated`} tone="bad" />
			))}
			{edge?.calls_per_s !== undefined && (
				<span>
					<b class="num">{figure(edge.calls_per_s)}/s</b> requests, p99{" "}
					<b class="num">{took(edge.p99_ms)}</b>
				</span>
			)}
		</div>
	);
}

const columns: Column<Node>[] = [
	{ key: "name", title: "Node", render: (n) => <b>{n.name}</b>, width: "minmax(6.5rem, 1fr)" },
	{ key: "state", title: "State", render: (n) => <Chip state={n.state} tone={nodeTone(n)} />, width: "7.5rem" },
	{ key: "level", title: "Level", render: (n) => (n.domain === "store" ? "–" : n.level), width: "3.5rem", align: "end", wide: true },
	{
		key: "rate",
		title: "Calls",
		render: (n) => (n.calls_per_s === undefined ? "–" : `${figure(n.calls_per_s)}/s`),
		width: "5rem",
		align: "end",
	},
	{
		key: "errors",
		title: "Errors",
		render: (n) => (n.errors_per_s === undefined ? "–" : `${figure(n.errors_per_s)}/s`),
		width: "5rem",
		align: "end",
		wide: true,
	},
	{
		key: "p99",
		title: "p99",
		render: (n) => took(n.p99_ms),
		width: "5rem",
		align: "end",
		wide: true,
	},
	{ key: "rss", title: "Memory", render: (n) => bytes(n.rss), width: "5.5rem", align: "end", wide: true },
	{
		key: "restarts",
		title: "Restarts",
		render: (n) => n.restarts_in_window ?? n.restarts,
		width: "5rem",
		align: "end",
		wide: true,
	},
	{ key: "up", title: "Up for", render: (n) => duration(n.uptime * 1000), width: "7rem", align: "end", wide: true },
	{ key: "pid", title: "Process", render: (n) => n.pid, width: "5rem", align: "end", wide: true },
];

function NodeTable({ nodes, onOpen }: { nodes: Node[]; onOpen: (name: string) => void }): JSX.Element {
	return (
		<Table
			label="Nodes"
			rows={nodes}
			columns={columns}
			rowKey={(n) => n.name}
			onOpen={(n) => onOpen(n.name)}
		/>
	);
}

export const page: Page = {
	path: "",
	title: "Fleet",
	section: "Fleet",
	order: 0,
	icon: "M8 2v3M8 5 3.5 11M8 5l4.5 6M2 11h3v3H2zM11 11h3v3h-3zM6.5 11h3v3h-3zM8 5v6",
	permission: "fleet.read",
	component: FleetPage,
};
