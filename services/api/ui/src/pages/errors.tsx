/* errors: failures of the fleet by pattern, those that a stand-in masked among them. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import {
	Card, Chip, Command, Empty, Facts, Filters, Head, Shown, Table, Time, count, figure, metafed,
} from "../kit/index.ts";
import type { FilterField } from "../kit/form.tsx";
import type { Column } from "../kit/table.tsx";
import { useLive } from "../lib/live.ts";
import { useLoad } from "../lib/load.ts";
import { may } from "../lib/me.ts";
import { Link, go, href, useQuery } from "../lib/route.tsx";
import type { Page, PageProps } from "../page.ts";

interface Pattern {
	fingerprint: string;
	node: string;
	/* "Sql.Read": of a call; "mf.Sql": of a breaker towards it; "process": the node ended. */
	method: string;
	status: string;
	cause: string;
	message?: string;
	count: number;
	rate: number;
	first_at: string;
	last_at: string;
	in_1m: number;
	in_1h: number;
	in_24h: number;
	with: { fingerprint: string; share: number }[];
	/* Of the last one, where it was kept. */
	trace_id?: string | null;
}

const statuses = [
	"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "ABORTED", "DATA_LOSS",
	"UNKNOWN", "CANCELLED",
];

const fields: readonly FilterField[] = [
	{ name: "node", label: "Node", placeholder: "sql" },
	{ name: "status", label: "Status", choices: statuses },
	{ name: "window", label: "Seen within", choices: ["1m", "1h", "24h"] },
];

const columns: readonly Column<Pattern>[] = [
	{ key: "node", title: "Node", width: "5.5rem", narrow: "4.2rem", render: (p) => p.node },
	{ key: "method", title: "Method", width: "minmax(7rem, 1fr)", narrow: "minmax(5rem, 1fr)",
		render: (p) => <span class="mono">{p.method}</span> },
	{ key: "status", title: "Status", width: "minmax(9rem, 1fr)", wide: true,
		render: (p) => <Chip state={p.status} tone="bad" /> },
	{ key: "cause", title: "Cause", width: "minmax(7rem, 2fr)", narrow: "minmax(6rem, 2fr)",
		render: (p) => <span title={p.cause}>{p.cause}</span> },
	{ key: "rate", title: "Per s", width: "4.5rem", align: "end", wide: true,
		render: (p) => <span class="num">{figure(p.rate)}</span> },
	{ key: "in_1m", title: "1 min", width: "4.5rem", narrow: "3.4rem", align: "end",
		render: (p) => <span class="num">{count(p.in_1m)}</span> },
	{ key: "in_1h", title: "1 h", width: "4.5rem", align: "end", wide: true,
		render: (p) => <span class="num">{count(p.in_1h)}</span> },
	{ key: "in_24h", title: "24 h", width: "5rem", align: "end", wide: true,
		render: (p) => <span class="num">{count(p.in_24h)}</span> },
	{ key: "last", title: "Last", width: "6.5rem", wide: true, render: (p) => <Time at={p.last_at} ago /> },
];

function Errors({ rest }: PageProps): JSX.Element {
	const [query] = useQuery();
	const { node, status, window: within } = query;
	const load = useLoad<{ items: Pattern[] }>("/errors", {
		query: { node, status, window: within, limit: 500 },
		every: 10_000,
		keep: true,
	});
	const soon = useRef(0);
	const again = (): void => {
		window.clearTimeout(soon.current);
		soon.current = window.setTimeout(load.reload, 500);
	};
	const chosen = rest[0];
	const command = metafed(
		"errors",
		...options({ node, status, window: within }),
	);

	useLive("fleet", { kind: "error.pattern" }, again, again);
	return (
		<>
			<Head
				title="Errors"
				sub="By pattern, the most frequent of late first. What a stand-in masked is here, too: nobody outside saw it."
			/>
			<Filters fields={fields} />
			<Command run={command} />
			<Shown of={load}>
				{({ items }) => <View items={items} fingerprint={chosen} />}
			</Shown>
		</>
	);
}

function View(p: { items: Pattern[]; fingerprint: string | undefined }): JSX.Element {
	const { items, fingerprint } = p;
	const chosen = items.find((x) => x.fingerprint === fingerprint);
	const here = location.search;

	return (
		<div class={fingerprint === undefined ? "stack" : "split"}>
			<Table
				label="Error patterns"
				rows={items}
				columns={fingerprint === undefined ? columns : columns.filter((c) => c.wide !== true)}
				rowKey={(x) => x.fingerprint}
				current={fingerprint}
				onOpen={(x) => go(href("errors", x.fingerprint) + here)}
				empty={
					location.search === ""
						? "No failures: neither what users saw nor what a stand-in masked."
						: "No failures match these filters."
				}
			/>
			{chosen !== undefined && (
				<Detail key={chosen.fingerprint} pattern={chosen} all={items} />
			)}
			{chosen === undefined && fingerprint !== undefined && (
				<Empty>
					The pattern <span class="mono">{fingerprint}</span> is not among these.{" "}
					<Link to={href("errors") + here}>Close</Link>
				</Empty>
			)}
		</div>
	);
}

function Detail({ pattern: p, all }: { pattern: Pattern; all: Pattern[] }): JSX.Element {
	/* Also those that ended well: a stand-in may have masked it. */
	const traces = new URLSearchParams({ node: p.node });
	const box = useRef<HTMLDivElement>(null);

	/* On a phone it stands below the list. */
	useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), []);
	return (
		<div ref={box}>
			<Card
				title={`${p.node}: ${p.cause || p.status}`}
				actions={<Link to={href("errors") + location.search}>Close</Link>}
			>
				<Facts
					items={[
						["Method", <span key="m" class="mono">{p.method}</span>],
						["Status", <Chip key="s" state={p.status} tone="bad" />],
						["Cause", p.cause],
						["Last message", p.message ?? "–"],
						["Rate", `${figure(p.rate)} per second, over the last minute`],
						["In all", <span key="c" class="num">{count(p.count)}</span>],
						["1\u00a0min, 1\u00a0h, 24\u00a0h", `${count(p.in_1m)}, ${count(p.in_1h)}, ${count(p.in_24h)}`],
						["First", <Time key="f" at={p.first_at} />],
						["Last", <Time key="l" at={p.last_at} />],
						["Fingerprint", <span key="p" class="mono">{p.fingerprint}</span>],
					]}
				/>
				{p.with.length > 0 && (
					<div class="stack tight">
						<h3>Comes with</h3>
						<ul class="plain-list">
							{p.with.map((w) => (
								<li key={w.fingerprint}>
									<Companion with={w} of={all.find((x) => x.fingerprint === w.fingerprint)} />
								</li>
							))}
						</ul>
					</div>
				)}
				{may("trace.read") && (
					<p class="row">
						{p.trace_id !== undefined && p.trace_id !== null && p.trace_id !== "" && (
							<Link to={href("requests", p.trace_id)}>Trace of the last one</Link>
						)}
						<Link to={`${href("requests")}?${traces}`}>Kept requests through {p.node}</Link>
					</p>
				)}
			</Card>
		</div>
	);
}

function Companion(p: {
	with: { fingerprint: string; share: number };
	of: Pattern | undefined;
}): JSX.Element {
	const share = `in ${Math.round(p.with.share * 100)} % of its seconds`;

	if (p.of === undefined)
		return (
			<>
				<span class="mono">{p.with.fingerprint}</span> <span class="muted">{share}</span>
			</>
		);
	return (
		<>
			<Link to={href("errors", p.of.fingerprint) + location.search}>
				{p.of.node} {p.of.method} {p.of.cause || p.of.status}
			</Link>{" "}
			<span class="muted">{share}</span>
		</>
	);
}

function options(of: Record<string, string | undefined>): string[] {
	return Object.entries(of).flatMap(([name, v]) => (v ? [`--${name}`, v] : []));
}

export const page: Page = {
	path: "errors",
	title: "Errors",
	section: "Operations",
	order: 10,
	permission: "fleet.read",
	icon: "M8 2 L14.5 13.5 H1.5 Z M8 6.5 V9.5 M8 11.4 V11.6",
	component: Errors,
};
