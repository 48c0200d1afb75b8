/* owned: what belongs to an account: sessions, keys, second factors, consents; each can be ended. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Age, Button, Card, Command, Confirm, Empty, ErrorBox, metafed, toast } from "../../kit/index.ts";
import { newKey, send } from "../../lib/api.ts";
import { useList } from "../../lib/load.ts";
import { may } from "../../lib/me.ts";
import { Value } from "./facts.tsx";
import type { Row } from "./resource.tsx";

interface OwnedProps {
	title: string;
	path: string;
	query?: Record<string, string>;
	/* Of the table: member and heading. */
	columns: readonly [string, string][];
	/* null: one's own. */
	model: string | null;
	cli: string;
	verb: string;
	says: string;
	/* Another one: it is read anew. */
	turn?: number;
	/* What is more than this answers itself. */
	onGone?: (row: Row) => void;
}

export function Owned(p: OwnedProps): JSX.Element | null {
	const readable = p.model === null || may(`${p.model}.read`);
	const list = useList<Row>(readable ? p.path : null, { ...p.query, turn: undefined }, 100);
	const [open, setOpen] = useState<{ row: Row; key: string } | null>(null);
	const [turn, setTurn] = useState(p.turn ?? 0);
	const deletes = p.model === null || may(`${p.model}.delete`);
	const mine = p.model === null ? "--mine" : "";

	if (p.turn !== undefined && p.turn !== turn) {
		setTurn(p.turn);
		list.reload();
	}
	if (!readable)
		return null;
	return (
		<Card title={p.title}>
			<Command
				run={metafed(
					p.cli, "list", ...Object.entries(p.query ?? {}).map(([k, v]) => `${k}=${v}`), mine,
				)}
			/>
			<Age of={list} />
			{list.error !== null && list.at === 0 && (
				<ErrorBox error={list.error} retry={list.reload} />
			)}
			{list.at !== 0 && list.items.length === 0 && <Empty>None.</Empty>}
			{list.items.length > 0 && (
				<div class="scroll" tabIndex={0} role="region" aria-label={p.title}>
					<table class="plain-table">
						<thead>
							<tr>
								{p.columns.map(([, title]) => (
									<th key={title} scope="col">
										{title}
									</th>
								))}
								{deletes && (
									<th scope="col">
										<span class="visually-hidden">Actions</span>
									</th>
								)}
							</tr>
						</thead>
						<tbody>
							{list.items.map((row) => (
								<tr key={row.id}>
									{p.columns.map(([name]) => (
										<td key={name}>
											<Value name={name} value={row[name]} row={row} />
										</td>
									))}
									{deletes && (
										<td>
											<Button
												small
												label={`${p.verb} ${row.id}`}
												onClick={() => setOpen({ row, key: newKey() })}
											>
												{p.verb}
											</Button>
										</td>
									)}
								</tr>
							))}
						</tbody>
					</table>
				</div>
			)}
			{list.hasMore && (
				<Button small onClick={list.more}>
					Show more
				</Button>
			)}
			{open !== null && (
				<Confirm
					title={`${p.verb}?`}
					action={p.verb}
					danger
					command={metafed(p.cli, "rm", open.row.id, mine)}
					onClose={() => setOpen(null)}
					onConfirm={async () => {
						await send("DELETE", `${p.path}/${encodeURIComponent(open.row.id)}`, undefined, { key: open.key });
						toast("Done.");
						if (p.onGone !== undefined)
							p.onGone(open.row);
						else
							list.reload();
					}}
				>
					<p>{p.says}</p>
					<p class="mono">{open.row.id}</p>
				</Confirm>
			)}
		</Card>
	);
}

export const sessionColumns: readonly [string, string][] = [
	["client_address", "Address"],
	["user_agent", "Program"],
	["refreshed_at", "Last used"],
	["expires_at", "Ends"],
	["current", "This one"],
];

export const keyColumns: readonly [string, string][] = [
	["name", "Name"],
	["scopes", "Scopes"],
	["used_at", "Last used"],
	["expires_at", "Ends"],
];

export const factorColumns: readonly [string, string][] = [
	["kind", "Kind"],
	["confirmed", "Confirmed"],
	["recovery_left", "Recovery codes left"],
	["created_at", "Enrolled"],
];
