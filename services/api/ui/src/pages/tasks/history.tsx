/* history: what the log of events still has of a task, newest first. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Age, Card, Chip, Command, Empty, ErrorBox, Pager, Time, metafed } from "../../kit/index.ts";
import { useList } from "../../lib/load.ts";

interface Happened {
	event: string;
	at: string;
	version: number;
	state: string;
	type: string;
	priority: string;
	changes: Record<string, { from: string | null; to: string | null }>;
}

const words: Record<string, string> = {
	"task.created": "created",
	"task.updated": "changed",
	"task.deleted": "deleted",
};

/* turn: another one, and it is read anew. */
export function History({ id, turn }: { id: string; turn: number }): JSX.Element {
	const list = useList<Happened>(`/tasks/${encodeURIComponent(id)}/history`);

	useEffect(() => {
		if (turn > 0)
			list.reload();
	}, [turn]);
	return (
		<Card title="History">
			<Age of={list} />
			{list.error !== null && list.at === 0 && (
				<ErrorBox error={list.error} retry={list.reload} />
			)}
			{list.at !== 0 && list.items.length === 0 && (
				<Empty>Nothing happened to it as far back as events are kept.</Empty>
			)}
			<ol class="plain-list">
				{list.items.map((h) => (
					<li key={`${h.version} ${h.event}`} class="row">
						<Time at={h.at} />
						<span class="num">version {h.version}</span>
						<strong>{words[h.event] ?? h.event}</strong>
						<Chip state={h.state} />
						<span class="muted">{said(h)}</span>
					</li>
				))}
			</ol>
			{list.items.length > 0 && <Pager list={list} />}
			<Command run={metafed("task", "history", id)} />
			<p class="muted">
				Events are kept for a day. They say state, type and priority; other fields that
				changed are not in them.
			</p>
		</Card>
	);
}

function said(h: Happened): string {
	const changes = Object.entries(h.changes ?? {}).map(
		([name, c]) => `${name} ${c.from ?? "none"} → ${c.to ?? "none"}`,
	);

	return changes.length > 0 ? changes.join(", ") : `${h.type}, ${h.priority}`;
}
