/* list: tasks by filter, with what can be done to many of them at once. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import {
	Age, Button, Chip, Command, Creator, Filters, Head, Listed, Table, Time, count,
	toast,
} from "../../kit/index.ts";
import type { Column } from "../../kit/table.tsx";
import { useList, useLoad } from "../../lib/load.ts";
import { may } from "../../lib/me.ts";
import { go, href, useQuery } from "../../lib/route.tsx";
import { Bulk } from "./bulk.tsx";
import { useLiveRows } from "./live.ts";
import {
	type Filter, type Task, addCommand, filterFields, filterOf, labelsOf, listCommand, queryOf, taskFields,
} from "./model.ts";

const page = 250;
const byDefault = "-created_at";

const columns: readonly Column<Task>[] = [
	{
		key: "state",
		title: "State",
		width: "8rem",
		sort: "state",
		render: (t) => <Chip state={t.gone === true ? "deleted" : t.state} />,
	},
	{
		key: "title",
		title: "Title",
		width: "minmax(8rem, 3fr)",
		render: (t) => (t.gone === true ? <s>{t.title}</s> : t.title),
	},
	{ key: "priority", title: "Priority", width: "6.5rem", sort: "priority", wide: true,
		render: (t) => t.priority },
	{ key: "type", title: "Type", width: "minmax(5rem, 1fr)", sort: "type", wide: true,
		render: (t) => t.type },
	{
		key: "labels",
		title: "Labels",
		width: "minmax(6rem, 2fr)",
		wide: true,
		render: (t) => <span class="muted">{labelsOf(t.labels).join(", ")}</span>,
	},
	{ key: "created_at", title: "Created", width: "7rem", sort: "created_at", wide: true,
		render: (t) => <Time at={t.created_at} ago /> },
	{ key: "updated_at", title: "Changed", width: "7rem", sort: "updated_at", wide: true,
		render: (t) => <Time at={t.updated_at} ago /> },
];

export function TaskList(): JSX.Element {
	const [query, change] = useQuery();
	const filter = filterOf(query);
	const sort = query["sort"] ?? byDefault;
	const list = useList<Task>("/tasks", queryOf(query), page);
	const live = useLiveRows(list, filter);
	const [selected, setSelected] = useState<Set<string>>(new Set());
	const acts = may("task.update") || may("task.delete");

	useEffect(() => setSelected(new Set()), [JSON.stringify(filter)]);

	return (
		<>
			<Head title="Tasks" sub={<Age of={list} />}>
				{live.fresh > 0 && (
					<Button onClick={live.show}>Show {count(live.fresh)} new</Button>
				)}
				<NewTask />
			</Head>
			<Filters fields={filterFields} />
			<Command run={listCommand(filter, sort)} />
			<Counts filter={filter} at={list.begun} onState={(state) => change({ state })} />
			<Listed of={list}>
				{acts && list.items.length > 0 && (
					<Bulk
						rows={live.rows}
						filter={filter}
						selected={selected}
						more={list.hasMore}
						onDone={() => {
							setSelected(new Set());
							list.reload();
						}}
					/>
				)}
				<Table
					label="Tasks"
					rows={live.rows}
					columns={columns}
					rowKey={(t) => t.id}
					onOpen={(t) => go(href("tasks", t.id))}
					{...(acts ? { selected, onSelect: setSelected } : {})}
					sort={sort}
					onSort={(s) => change({ sort: s === byDefault ? "" : s })}
					onEnd={list.more}
					empty={
						Object.keys(filter).length === 0
							? "There are no tasks yet."
							: "No task matches these filters."
					}
				/>
			</Listed>
		</>
	);
}

interface Count {
	by_state: Record<string, number>;
	count: number;
	/* There are more than were counted. */
	more: boolean;
}

/* How many match, by state; counted when the list is read from its begin. */
function Counts(p: {
	filter: Filter;
	at: number;
	onState: (state: string) => void;
}): JSX.Element | null {
	const load = useLoad<Count>("/tasks:count", { query: p.filter, keep: true });
	const before = useRef(p.at);

	useEffect(() => {
		if (before.current !== 0 && before.current !== p.at)
			load.reload();
		before.current = p.at;
	}, [p.at]);
	if (load.data === undefined)
		return null;
	return (
		<div class="row tight" role="group" aria-label="Matching tasks by state">
			<span class="num">
				{load.data.more && "more than "}
				{count(load.data.count)} {load.data.count === 1 ? "task" : "tasks"}
			</span>
			{Object.entries(load.data.by_state)
				.filter(([, n]) => n > 0)
				.map(([state, n]) => (
					<button
						key={state}
						type="button"
						class="link tally"
						aria-pressed={p.filter["state"] === state}
						onClick={() => p.onState(p.filter["state"] === state ? "" : state)}
					>
						<Chip state={state} /> <span class="num">{count(n)}</span>
					</button>
				))}
		</div>
	);
}

function NewTask(): JSX.Element | null {
	const [open, setOpen] = useState(false);

	if (!may("task.create"))
		return null;
	return (
		<>
			<Button tone="primary" onClick={() => setOpen(true)}>
				New task
			</Button>
			{open && (
				<Creator
					title="New task"
					action="Create"
					path="/tasks"
					fields={taskFields}
					command={addCommand}
					onClose={() => setOpen(false)}
					onDone={(text) => {
						toast("The task is stored.");
						go(href("tasks", (JSON.parse(text) as Task).id));
					}}
				/>
			)}
		</>
	);
}
