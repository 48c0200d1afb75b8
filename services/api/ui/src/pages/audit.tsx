/* audit: who logged in, who changed what, who was refused; and how to prove that nothing was altered. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import {
	Age, Button, Card, Chip, Command, Dialog, Facts, Filters, Head, Listed, Table, Time, instant,
	metafed,
} from "../kit/index.ts";
import type { FilterField } from "../kit/form.tsx";
import { type Column, useNarrow } from "../kit/table.tsx";
import type { QueryValue } from "../lib/api.ts";
import { useList } from "../lib/load.ts";
import { useQuery } from "../lib/route.tsx";
import type { Page } from "../page.ts";

interface Entry {
	/* 16 digits, without a gap. */
	id: string;
	kind: string;
	outcome: string;
	actor: string | null;
	subject: string | null;
	address: string | null;
	record: unknown;
	hash: string;
	created_at: string;
}

const kinds = [
	"login", "logout", "refresh", "write", "check", "elevated", "sighting", "decisions",
	"checkpoint",
];
const outcomes = ["ok", "begun", "refused", "limited", "failed", "seen"];

const fields: readonly FilterField[] = [
	{ name: "kind", label: "Kind", choices: kinds },
	{ name: "outcome", label: "Outcome", choices: outcomes },
	{ name: "actor", label: "Actor" },
	{ name: "since", label: "Since", kind: "datetime-local", rare: true },
	{ name: "until", label: "Until", kind: "datetime-local", rare: true },
];

const columns: readonly Column<Entry>[] = [
	{ key: "at", title: "When", width: "11.5rem", narrow: "6rem",
		render: (r) => <When at={r.created_at} /> },
	{ key: "kind", title: "Kind", width: "6.5rem", render: (r) => r.kind },
	{ key: "outcome", title: "Outcome", width: "7rem", render: (r) => <Chip state={r.outcome} /> },
	{ key: "actor", title: "Actor", width: "minmax(6rem, 2fr)", wide: true,
		render: (r) => <span class="mono">{r.actor}</span> },
	{ key: "subject", title: "Subject", width: "minmax(6rem, 2fr)", wide: true,
		render: (r) => <span class="mono">{r.subject}</span> },
	{ key: "address", title: "Address", width: "8rem", wide: true,
		render: (r) => <span class="mono">{r.address}</span> },
	{ key: "id", title: "Number", width: "6rem", align: "end", wide: true,
		render: (r) => <span class="num muted">{numberOf(r)}</span> },
];

function When({ at }: { at: string }): JSX.Element {
	return <Time at={at} ago={useNarrow()} />;
}

function Audit(): JSX.Element {
	const [query] = useQuery();
	const since = instant(query["since"]);
	const until = instant(query["until"]);
	const { kind, outcome, actor } = query;
	const wanted: Record<string, QueryValue> = {
		kind, outcome, actor, created_after: since, created_before: until, sort: "-created_at",
	};
	const list = useList<Entry>("/audit", wanted, 200);
	const [open, setOpen] = useState<Entry | null>(null);

	return (
		<>
			<Head title="Audit" sub={<Age of={list} />}>
				<Button small busy={list.loading && list.at !== 0} onClick={list.reload}>
					Reload
				</Button>
			</Head>
			<Filters fields={fields} />
			<Command run={searchCommand({ kind, outcome, actor, since, until })} />
			<Listed of={list}>
				<Table
					label="Audit records"
					rows={list.items}
					columns={columns}
					rowKey={(r) => r.id}
					onOpen={setOpen}
					onEnd={list.more}
					empty="No record matches."
				/>
			</Listed>
			<Proof since={since} until={until} />
			{open !== null && <Detail record={open} onClose={() => setOpen(null)} />}
		</>
	);
}

function Proof({ since, until }: { since: string; until: string }): JSX.Element {
	const times = [
		...(since === "" ? [] : ["--since", since]),
		...(until === "" ? [] : ["--until", until]),
	];

	return (
		<Card title="Prove it, take it along">
			<p class="muted">
				Each record has the hash of the one before, and checkpoints are signed. The proof is
				made where you are, not by the fleet: keep the line that it ends with elsewhere.
			</p>
			<Command run={metafed("audit", "verify")} />
			<Command run={metafed("audit", "export", "-o", "audit.jsonl", ...times)} />
			<Command run={metafed("audit", "verify", "audit.jsonl")} />
		</Card>
	);
}

function Detail({ record: r, onClose }: { record: Entry; onClose: () => void }): JSX.Element {
	return (
		<Dialog title={`Record ${numberOf(r)}`} onClose={onClose} wide>
			<div class="stack">
				<Facts
					items={[
						["Kind", r.kind],
						["Outcome", <Chip key="o" state={r.outcome} />],
						["When", <Time key="t" at={r.created_at} />],
						["Actor", <span key="a" class="mono">{r.actor ?? "–"}</span>],
						["Subject", <span key="s" class="mono">{r.subject ?? "–"}</span>],
						["Address", <span key="d" class="mono">{r.address ?? "–"}</span>],
						["Hash", <span key="h" class="mono">{r.hash}</span>],
					]}
				/>
				<pre class="pre" tabIndex={0} aria-label="The record as JSON">
					{JSON.stringify(r.record, null, 2)}
				</pre>
			</div>
			<footer>
				<Button onClick={onClose}>Close</Button>
			</footer>
		</Dialog>
	);
}

function numberOf(r: Entry): string {
	return r.id.replace(/^0+(?=\d)/, "");
}

function searchCommand(of: Record<string, string | undefined>): string {
	return metafed(
		"audit", "search",
		...Object.entries(of).flatMap(([name, v]) => (v ? [`--${name}`, v] : [])),
	);
}

export const page: Page = {
	path: "audit",
	title: "Audit",
	section: "Operations",
	order: 40,
	permission: "audit.read",
	icon: "M4 1.5h8v13H4z M6 5h4 M6 8h4 M6 11h2",
	component: Audit,
};
