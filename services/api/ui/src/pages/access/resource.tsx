/* resource: a collection of the API as a page: its list, one of it, and what can be done with it. What
 * differs from one collection to another stands in a table (`Resource`). */
import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import {
	Action, Age, Button, Command, Copy, Creator, Dialog, Editor, Facts, Filters, Head,
	Listed, Shown, Table, assignments, metafed, toast,
} from "../../kit/index.ts";
import { Card } from "../../kit/basics.tsx";
import { type Exact, isObject } from "../../kit/exact.ts";
import type { FilterField } from "../../kit/form.tsx";
import type { ObjectField } from "../../kit/object.ts";
import type { Column } from "../../kit/table.tsx";
import { newKey, send, settled } from "../../lib/api.ts";
import { type Load, useList, useLoad } from "../../lib/load.ts";
import { may } from "../../lib/me.ts";
import { Link, go, href, useQuery } from "../../lib/route.tsx";
import { factsOf } from "./facts.tsx";

export interface Row {
	id: string;
	[member: string]: unknown;
}

export interface Resource {
	/* Below /v1, and below /ui. */
	path: string;
	page: string;
	/* "Users", "user" */
	title: string;
	one: string;
	sub?: string;
	/* "api_key" of "api_key.create"; "api-key" of `metafed api-key`. */
	model: string;
	cli: string;
	/* The member that a bare NAME of the command line is, and that one is called by. */
	named?: string;
	columns: readonly Column<Row>[];
	filters?: readonly FilterField[];
	/* None: they can't be made or changed, only deleted. */
	fields?: readonly ObjectField[];
	/* They can be made, not changed. */
	fixed?: boolean;
	/* The member of an answer that is shown once. */
	secret?: string;
	/* On the button that deletes one, and what follows from it. */
	remove: { label: string; says: string; done: string };
	/* More of one, below it. */
	more?: (row: Row) => ComponentChildren;
	actions?: (row: Row, reload: () => void) => ComponentChildren;
}

export function ResourcePage({ of, rest }: { of: Resource; rest: string[] }): JSX.Element {
	const id = rest[0];

	return id === undefined ? <List of={of} /> : <Detail key={id} of={of} id={id} />;
}

function List({ of }: { of: Resource }): JSX.Element {
	const [query] = useQuery();
	const wanted = Object.fromEntries((of.filters ?? []).map((f) => [f.name, query[f.name] ?? ""]));
	const list = useList<Row>(of.path, wanted, 200);
	const given = Object.entries(wanted).filter(([, v]) => v !== "");

	return (
		<>
			<Head title={of.title} sub={list.error === null ? of.sub : <Age of={list} />}>
				<New of={of} />
			</Head>
			{of.filters !== undefined && <Filters fields={of.filters} />}
			<Command run={metafed(of.cli, "list", ...given.map(([k, v]) => `${k}=${v}`))} />
			<Listed of={list}>
				<Table
					label={of.title}
					rows={list.items}
					columns={of.columns}
					rowKey={(r) => r.id}
					onOpen={(r) => go(href(of.page, r.id))}
					onEnd={list.more}
					empty={given.length > 0 ? "None matches." : "There are none."}
				/>
			</Listed>
		</>
	);
}

function New({ of }: { of: Resource }): JSX.Element | null {
	const [open, setOpen] = useState(false);
	const [made, setMade] = useState<{ secret: string; id: string } | null>(null);

	if (of.fields === undefined || !may(`${of.model}.create`))
		return null;
	return (
		<>
			<Button tone="primary" onClick={() => setOpen(true)}>
				New {of.one}
			</Button>
			{open && (
				<Creator
					title={`New ${of.one}`}
					action="Create"
					path={of.path}
					fields={of.fields}
					command={(body) => addCommand(of, body)}
					onClose={() => setOpen(false)}
					onDone={(text) => {
						const answer = JSON.parse(text) as Row;
						const secret = of.secret === undefined ? undefined : answer[of.secret];
						toast(`The ${of.one} is stored.`);
						if (typeof secret === "string")
							setMade({ secret, id: answer.id });
						else
							go(href(of.page, answer.id));
					}}
				/>
			)}
			{made !== null && (
				<Once
					secret={made.secret}
					onClose={() => {
						setMade(null);
						go(href(of.page, made.id));
					}}
				/>
			)}
		</>
	);
}

/* What is shown of a secret is shown this once. */
export function Once({ secret, onClose }: { secret: string; onClose: () => void }): JSX.Element {
	return (
		<Dialog title="Shown this once" onClose={onClose}>
			<div class="stack">
				<p>Keep it now: the fleet stores only a hash of it and can't show it again.</p>
				<code class="secret">{secret}</code>
				<div class="row">
					<Copy text={secret} label="Copy the secret" />
				</div>
			</div>
			<footer>
				<Button tone="primary" onClick={onClose}>
					I have kept it
				</Button>
			</footer>
		</Dialog>
	);
}

function Detail({ of, id }: { of: Resource; id: string }): JSX.Element {
	const load = useLoad<string>(`${of.path}/${encodeURIComponent(id)}`, { text: true });

	return <Shown of={load}>{(text) => <Whole of={of} id={id} text={text} load={load} />}</Shown>;
}

function Whole(p: { of: Resource; id: string; text: string; load: Load<string> }): JSX.Element {
	const { of } = p;
	const row = JSON.parse(p.text) as Row;
	const name = nameOf(of, row);

	return (
		<>
			<Head title={name} sub={<Link to={href(of.page)}>{of.title}</Link>}>
				{of.actions?.(row, p.load.reload)}
				<Edit of={of} text={p.text} load={p.load} id={p.id} />
				<Remove of={of} id={p.id} name={name} etag={p.load.etag} />
			</Head>
			<Card>
				<Facts items={factsOf(row, of.fields ?? [])} />
			</Card>
			{of.more?.(row)}
		</>
	);
}

function Edit(p: { of: Resource; text: string; load: Load<string>; id: string }): JSX.Element | null {
	const [open, setOpen] = useState<{ text: string; etag: string | null } | null>(null);
	const { of } = p;

	if (of.fields === undefined || of.fixed === true || !may(`${of.model}.update`))
		return null;
	return (
		<>
			<Button onClick={() => setOpen({ text: p.text, etag: p.load.etag })}>Edit</Button>
			{open !== null && (
				<Editor
					title={`Edit the ${of.one}`}
					path={`${of.path}/${encodeURIComponent(p.id)}`}
					fields={of.fields}
					text={open.text}
					etag={open.etag}
					command={(patch) =>
						metafed(of.cli, "update", p.id, ...assignments(patch, secretsOf(of)))
					}
					onClose={() => setOpen(null)}
					onDone={() => {
						toast(`The ${of.one} is changed.`);
						p.load.reload();
					}}
				/>
			)}
		</>
	);
}

function Remove(p: {
	of: Resource;
	id: string;
	name: string;
	etag: string | null;
}): JSX.Element {
	const key = useRef(newKey());
	const { remove, cli, model, path, page } = p.of;

	return (
		<Action
			label={remove.label}
			permission={`${model}.delete`}
			danger
			command={metafed(cli, "rm", p.id)}
			done={remove.done}
			confirm={
				<p>
					<strong>{p.name}</strong>: {remove.says}
				</p>
			}
			run={async () => {
				await send("DELETE", `${path}/${encodeURIComponent(p.id)}`, undefined, {
					ifMatch: p.etag,
					key: key.current,
				}).catch((e: unknown) => {
					if (settled(e))
						key.current = newKey();
					throw e;
				});
				go(href(page));
			}}
		/>
	);
}

export function nameOf(of: Pick<Resource, "named">, row: Row): string {
	const name = of.named === undefined ? undefined : row[of.named];

	return typeof name === "string" ? name : row.id;
}

function addCommand(of: Resource, body: Exact): string {
	const { named = "" } = of;
	const all = isObject(body) ? body : {};
	const name = all[named];
	const rest = Object.fromEntries(Object.entries(all).filter(([k]) => k !== named));

	return metafed(
		of.cli, "add", typeof name === "string" ? name.slice(1) : "",
		...assignments(rest, secretsOf(of)),
	);
}

function secretsOf(of: Resource): string[] {
	return (of.fields ?? []).filter((f) => f.kind === "password").map((f) => f.name);
}

