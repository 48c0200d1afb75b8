/* list: the traces that were kept. */
import type { JSX } from "preact";
import {
	Age, Button, Chip, Command, Duration, Filters, Head, Listed, Table, Time, instant, metafed,
} from "../../kit/index.ts";
import type { FilterField } from "../../kit/form.tsx";
import { type Column, useNarrow } from "../../kit/table.tsx";
import type { QueryValue } from "../../lib/api.ts";
import { useList } from "../../lib/load.ts";
import { Link, go, href, useQuery } from "../../lib/route.tsx";
import type { Trace } from "./model.ts";

const fields: readonly FilterField[] = [
	{ name: "status", label: "Status", choices: ["error", "ok"] },
	{ name: "route", label: "Route", placeholder: "/v1/tasks" },
	{ name: "node", label: "Node", placeholder: "sql" },
	{ name: "method", label: "Method", choices: ["GET", "POST", "PATCH", "PUT", "DELETE"], rare: true },
	{ name: "min_ms", label: "At least, ms", kind: "number" },
	{ name: "max_ms", label: "At most, ms", kind: "number", rare: true },
	{ name: "since", label: "Since", kind: "datetime-local", rare: true },
	{ name: "until", label: "Until", kind: "datetime-local", rare: true },
	{ name: "trace_id", label: "Trace id", rare: true },
];

const reasons: Record<string, string> = {
	error: "it failed",
	slow: "it was slow",
	sampled: "drawn",
	asked: "asked for",
};

function endOf(t: Trace): string {
	return t.code === "OK" ? "" : t.code;
}

/* One that succeeded although a try failed: a stand-in masked it. */
function said(t: Trace): string {
	return t.why === "error" && t.status === "ok" ? "masked" : (reasons[t.why] ?? t.why);
}

/* On a phone only how it failed is said. */
function Name({ of: t }: { of: Trace }): JSX.Element {
	return (
		<span title={t.name}>
			{useNarrow() && t.status === "error" && <Chip state="error" />} {t.name}
		</span>
	);
}

const columns: readonly Column<Trace>[] = [
	{ key: "at", title: "When", width: "7rem", narrow: "6rem", render: (t) => <Time at={t.at} ago /> },
	{ key: "name", title: "Request", width: "minmax(9rem, 3fr)", narrow: "minmax(6rem, 3fr)",
		render: (t) => <Name of={t} /> },
	{
		key: "status",
		title: "Ended",
		width: "minmax(5.5rem, 1fr)",
		wide: true,
		render: (t) => (
			<>
				<Chip state={t.status} /> <span class="muted">{t.reason || endOf(t)}</span>
			</>
		),
	},
	{
		key: "took",
		title: "Took",
		width: "5.5rem",
		narrow: "4.5rem",
		align: "end",
		render: (t) => <Duration ms={t.duration_us / 1000} />,
	},
	{ key: "spans", title: "Calls", width: "4.5rem", align: "end", wide: true,
		render: (t) => <span class="num">{t.spans}</span> },
	{ key: "why", title: "Kept as", width: "7rem", wide: true,
		render: (t) => said(t) },
	{ key: "id", title: "Trace", width: "minmax(6rem, 1fr)", wide: true,
		render: (t) => <span class="mono muted">{t.trace_id}</span> },
];

export function TraceList(): JSX.Element {
	const [query] = useQuery();
	const list = useList<Trace>("/traces", queryOf(query), 100);

	return (
		<>
			<Head
				title="Requests"
				sub={
					<>
						<Age of={list} />
						<span role="status" class="age">
							{list.degraded && "PostgreSQL is away: only those of the last moments"}
						</span>
					</>
				}
			>
				<Button small busy={list.loading && list.at !== 0} onClick={list.reload}>
					Reload
				</Button>
				<Link class="button plain" to={href("requests", "try")}>
					Try a request
				</Link>
			</Head>
			<Filters fields={fields} />
			<Command run={metafed("trace", "list", ...optionsOf(query))} />
			<Listed of={list}>
				<Table
					label="Traces"
					rows={list.items}
					columns={columns}
					rowKey={(t) => t.trace_id}
					onOpen={(t) => go(href("requests", t.trace_id))}
					onEnd={list.more}
					empty="No kept trace matches. Requests that fail or are slow are always kept, of the others a share."
				/>
			</Listed>
		</>
	);
}

function queryOf(query: Record<string, string>): Record<string, QueryValue> {
	return Object.fromEntries(
		fields.map(({ name, kind }) => {
			const value = query[name] ?? "";
			return [name, kind === "datetime-local" ? instant(value) : value];
		}),
	);
}

function optionsOf(query: Record<string, string>): string[] {
	return Object.entries(queryOf(query))
		.filter(([, v]) => v !== undefined && v !== "")
		.flatMap(([name, v]) => [`--${name.replaceAll("_", "-")}`, String(v)]);
}
