/* live: the rows of a list of tasks, as events change them. A row never jumps: what is new waits
 * until it is asked for, what is gone stays where it is and says so. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { List } from "../../lib/load.ts";
import { type LiveEvent, useLive } from "../../lib/live.ts";
import type { Filter, Task, TaskEvent } from "./model.ts";

/* So that a thousand events are a few renderings. */
const every = 250;

interface Heard {
	event: TaskEvent;
	at: string;
	gone: boolean;
}

export interface LiveRows {
	rows: Task[];
	/* Tasks that came since the list was read, and may match the filter: an event does not say
	 * all of a task. */
	fresh: number;
	/* Reads the list anew. */
	show(): void;
}

export function useLiveRows(list: List<Task>, filter: Filter): LiveRows {
	const waiting = useRef<LiveEvent<TaskEvent>[]>([]);
	const timer = useRef(0);
	const [heard, setHeard] = useState<ReadonlyMap<string, Heard>>(new Map());
	const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());

	function take(): void {
		const events = waiting.current;
		waiting.current = [];
		timer.current = 0;
		const made = events
			.filter((e) => e.event === "task.created" && mayMatch(e.data, filter))
			.map((e) => e.data.id);
		const rest = events.filter((e) => e.event !== "task.created");
		if (made.length > 0)
			setFresh((was) => new Set([...was, ...made].slice(-10_000)));
		if (rest.length > 0)
			setHeard((was) => merge(was, rest));
	}
	useLive<TaskEvent>(
		"tasks",
		undefined,
		(e) => {
			waiting.current.push(e);
			if (timer.current === 0)
				timer.current = window.setTimeout(take, every);
		},
		list.reload,
	);
	useEffect(() => () => window.clearTimeout(timer.current), []);
	/* What has been read says more than what was heard before. */
	useEffect(() => {
		setHeard(new Map());
		setFresh(new Set());
	}, [list.at === 0, list.items[0]?.id]);
	const rows = useMemo(
		() => (heard.size === 0 ? list.items : list.items.map((t) => changed(t, heard.get(t.id)))),
		[list.items, heard],
	);
	const known = useMemo(() => new Set(list.items.map((t) => t.id)), [list.items]);
	const count = useMemo(
		() => [...fresh].filter((id) => !known.has(id)).length,
		[fresh, known],
	);
	return {
		rows,
		fresh: count,
		show: () => {
			setFresh(new Set());
			list.reload();
		},
	};
}

function mayMatch(e: TaskEvent, filter: Filter): boolean {
	return (["state", "priority", "type"] as const).every(
		(f) => filter[f] === undefined || filter[f] === e[f],
	);
}

function merge(was: ReadonlyMap<string, Heard>, events: LiveEvent<TaskEvent>[]): Map<string, Heard> {
	const now = new Map(was);

	for (const e of events) {
		now.delete(e.data.id);
		now.set(e.data.id, { event: e.data, at: e.at, gone: e.event === "task.deleted" });
	}
	for (const id of now.keys()) {
		if (now.size <= 10_000)
			break;
		now.delete(id);
	}
	return now;
}

function changed(t: Task, h: Heard | undefined): Task {
	if (h === undefined || h.event.version <= t.version)
		return t;
	const { version, state, type, priority } = h.event;

	return { ...t, version, state, type, priority, updated_at: h.at, gone: h.gone };
}
