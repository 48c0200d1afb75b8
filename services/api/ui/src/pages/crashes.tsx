/* crashes: processes that ended as they should not have, and what they left. */
import type { JSX } from "preact";
import {
	Card, Command, Facts, Filters, Head, Shown, Table, Time, duration, metafed,
} from "../kit/index.ts";
import type { Column } from "../kit/table.tsx";
import { useLive } from "../lib/live.ts";
import { useLoad } from "../lib/load.ts";
import { Link, go, href, useQuery } from "../lib/route.tsx";
import type { Page, PageProps } from "../page.ts";

interface Crash {
	id: string;
	node: string;
	generation: number;
	pid: number;
	at: string;
	how: string;
	signal?: number;
	thread?: string;
	address?: string;
	sender?: number;
	uptime?: number | null;
	backtrace?: string[];
	log?: string[];
	calls?: string[];
	core?: string | null;
}

const columns: readonly Column<Crash>[] = [
	{ key: "at", title: "When", width: "6rem", render: (c) => <Time at={c.at} ago /> },
	{ key: "node", title: "Node", width: "5rem", render: (c) => c.node },
	{ key: "how", title: "How", width: "minmax(7rem, 2fr)", render: (c) => c.how },
	{ key: "uptime", title: "After", width: "7rem", align: "end", wide: true,
		render: (c) => <span class="num">{lived(c)}</span> },
	{ key: "generation", title: "Generation", width: "6rem", align: "end", wide: true,
		render: (c) => <span class="num">{c.generation}</span> },
	{ key: "pid", title: "Process", width: "6rem", align: "end", wide: true,
		render: (c) => <span class="num">{c.pid}</span> },
];

function Crashes({ rest }: PageProps): JSX.Element {
	const id = rest[0];

	return id === undefined ? <CrashList /> : <CrashDetail key={id} id={id} />;
}

function CrashList(): JSX.Element {
	const [query] = useQuery();
	const load = useLoad<{ items: Crash[] }>("/crashes", {
		query: { node: query["node"], limit: 500 },
		every: 15_000,
		keep: true,
	});

	useLive("fleet", { kind: "fleet.node", state: ["BACKOFF", "FAILED", "STARTING"] }, load.reload, load.reload);
	return (
		<>
			<Head title="Crashes" sub="How processes ended that should not have, the last first" />
			<Filters fields={[{ name: "node", label: "Node", placeholder: "sql" }]} />
			<Command
				run={metafed("crashes", ...(query["node"] ? ["--node", query["node"]] : []))}
			/>
			<Shown of={load}>
				{({ items }) => (
					<Table
						label="Crashes"
						rows={items}
						columns={columns}
						rowKey={(c) => c.id}
						onOpen={(c) => go(href("crashes", c.id))}
						empty="No process has crashed, as far back as records are kept."
					/>
				)}
			</Shown>
		</>
	);
}

function CrashDetail({ id }: { id: string }): JSX.Element {
	const load = useLoad<Crash>(`/crashes/${encodeURIComponent(id)}`);

	return (
		<>
			<Head title={id} sub={<Link to={href("crashes")}>Crashes</Link>} />
			<Command run={metafed("crashes", id)} />
			<Shown of={load}>
				{(c) => (
					<div class="split">
						<div class="stack">
							<Lines title="Backtrace" lines={c.backtrace} none="It left no backtrace." />
							<Lines
								title="Calls"
								lines={c.calls}
								none="It was serving nothing that is known of."
							/>
							<Lines title="End of its log" lines={c.log} none="Its log was not kept." />
						</div>
						<Card title="Process">
							<CrashFacts of={c} />
						</Card>
					</div>
				)}
			</Shown>
		</>
	);
}

function CrashFacts({ of: c }: { of: Crash }): JSX.Element {
	const num = (n: number | undefined): JSX.Element => <span class="num">{n ?? "–"}</span>;

	return (
		<Facts
			items={[
				["How", c.how],
				["When", <Time key="a" at={c.at} />],
				["Node", <Link key="n" to={`${href("")}?${new URLSearchParams({ node: c.node })}`}>{c.node}</Link>],
				["Lived", lived(c)],
				["Generation", num(c.generation)],
				["Process", num(c.pid)],
				["Thread", c.thread ?? "–"],
				["Signal", num(c.signal)],
				["Sent by process", num(c.sender)],
				["Address", <span key="d" class="mono">{c.address ?? "–"}</span>],
				["Core file", <span key="o" class="mono">{c.core ?? "none"}</span>],
			]}
		/>
	);
}

function Lines(p: { title: string; lines: string[] | undefined; none: string }): JSX.Element {
	return (
		<Card title={p.title}>
			{p.lines === undefined || p.lines.length === 0 ? (
				<p class="muted">{p.none}</p>
			) : (
				<pre class="pre" tabIndex={0} aria-label={p.title}>
					{p.lines.join("\n")}
				</pre>
			)}
		</Card>
	);
}

function lived(c: Crash): string {
	return c.uptime === null || c.uptime === undefined ? "–" : duration(c.uptime * 1000);
}

export const page: Page = {
	path: "crashes",
	title: "Crashes",
	section: "Operations",
	order: 20,
	permission: "crash.read",
	icon: "M9 1.5 L3 9 H7.5 L6.5 14.5 L13 6.5 H8.5 Z",
	component: Crashes,
};
