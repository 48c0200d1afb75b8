/* load: what a page shows, read and kept fresh. A failed reading keeps what was there, with its
 * age; nothing is read while the tab is hidden, and at once when it is seen again. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type QueryValue, get, isAbort, problemOf, withQuery } from "./api.ts";
import type { Problem } from "./problem.ts";

export interface Load<T> {
	/* undefined: never read yet. */
	data: T | undefined;
	etag: string | null;
	/* Of the last reading; `data` is then of `at`. */
	error: Problem | null;
	/* When `data` was read, in ms; 0: never. */
	at: number;
	loading: boolean;
	degraded: boolean;
	reload(): void;
}

export interface LoadOptions {
	query?: Record<string, QueryValue>;
	/* Read again after so many ms. */
	every?: number;
	/* Keep showing the last data while another path is read. */
	keep?: boolean;
	/* JSON comes as the text that it is. */
	text?: boolean;
}

interface State<T> {
	path: string | null;
	data: T | undefined;
	etag: string | null;
	error: Problem | null;
	at: number;
	degraded: boolean;
}

const nothing = { data: undefined, etag: null, error: null, at: 0, degraded: false };

/* `path` below /v1; null: nothing is read. */
export function useLoad<T>(path: string | null, options: LoadOptions = {}): Load<T> {
	const whole = path === null ? null : withQuery(path, options.query);
	const { every = 0, keep = false, text = false } = options;
	const [state, setState] = useState<State<T>>({ path: whole, ...nothing });
	const [turn, setTurn] = useState(0);
	const [busy, setBusy] = useState(false);
	const reload = useCallback(() => setTurn((n) => n + 1), []);

	useEffect(() => {
		if (whole === null)
			return undefined;
		return repeat(every, async (signal) => {
			setBusy(true);
			try {
				const a = await get<T>(whole, { signal, text });
				setState({
					path: whole,
					data: a.data,
					etag: a.etag,
					error: null,
					at: Date.now(),
					degraded: a.degraded,
				});
			} catch (error) {
				if (isAbort(error))
					return 0;
				const problem = problemOf(error);
				setState((was) =>
					was.path === whole || keep
						? { ...was, path: whole, error: problem }
						: { path: whole, ...nothing, error: problem },
				);
				return againAfter(problem);
			} finally {
				if (!signal.aborted)
					setBusy(false);
			}
			return 0;
		});
	}, [whole, every, turn, keep, text]);
	const shown = state.path === whole || keep ? state : nothing;
	return {
		data: shown.data,
		etag: shown.etag,
		error: shown.error,
		at: shown.at,
		degraded: shown.degraded,
		loading: busy,
		reload,
	};
}

export interface List<T> {
	items: T[];
	/* More can be had. */
	hasMore: boolean;
	more(): void;
	error: Problem | null;
	at: number;
	/* When its first page was read. */
	begun: number;
	/* The last page says that not all stores were there. */
	degraded: boolean;
	loading: boolean;
	/* From the first page on, keeping as many as there were, up to 1000. */
	reload(): void;
}

interface Page<T> {
	items: T[];
	next_cursor?: string | null;
	degraded?: boolean;
}

const noItems = { items: [], next: null, error: null, at: 0, begun: 0, degraded: false };

/* A list by cursor, page after page. */
export function useList<T>(
	path: string | null,
	query: Record<string, QueryValue> = {},
	limit = 100,
): List<T> {
	const whole = path === null ? null : withQuery(path, query);
	const [state, setState] = useState<{
		path: string | null;
		items: T[];
		next: string | null;
		error: Problem | null;
		at: number;
		begun: number;
		degraded: boolean;
	}>({ path: null, ...noItems });
	const [turn, setTurn] = useState(0);
	const [busy, setBusy] = useState(false);
	const current = useRef<AbortController | null>(null);
	const shown = state.path === whole ? state : null;
	const count = useRef(0);
	count.current = shown?.items.length ?? 0;
	const read = useCallback(
		async (cursor: string | null, n: number) => {
			if (whole === null)
				return;
			current.current?.abort();
			const controller = new AbortController();
			current.current = controller;
			setBusy(true);
			try {
				const a = await get<Page<T>>(whole, {
					query: { limit: n, cursor },
					signal: controller.signal,
				});
				setState((was) => ({
					path: whole,
					items:
						cursor === null ? a.data.items : [...was.items, ...a.data.items],
					next: a.data.next_cursor ?? null,
					error: null,
					at: Date.now(),
					begun: cursor === null ? Date.now() : was.begun,
					degraded: a.degraded || a.data.degraded === true,
				}));
			} catch (error) {
				if (isAbort(error))
					return;
				const problem = problemOf(error);
				setState((was) =>
					was.path === whole
						? { ...was, error: problem }
						: { path: whole, ...noItems, error: problem },
				);
			} finally {
				if (current.current === controller)
					setBusy(false);
			}
		},
		[whole],
	);

	useEffect(() => {
		void read(null, Math.min(1000, Math.max(limit, count.current)));
		return () => current.current?.abort();
	}, [read, turn, limit]);
	const next = shown?.next ?? null;
	return {
		items: shown?.items ?? [],
		hasMore: next !== null,
		more: () => {
			if (next !== null && !busy)
				void read(next, limit);
		},
		error: shown?.error ?? null,
		at: shown?.at ?? 0,
		begun: shown?.begun ?? 0,
		degraded: shown?.degraded ?? false,
		loading: busy,
		reload: useCallback(() => setTurn((n) => n + 1), []),
	};
}

/* What may pass by itself is read again, also where nothing else is read again. */
function againAfter(p: Problem): number {
	const passing = p.status === 0 || p.status === 429 || p.status >= 500;

	return passing ? Math.max(2000, p.retry_after_ms) : 0;
}

/* Does it now and then each `every` ms (0: once) while the tab is seen; what it returns, in ms,
 * is waited at least. Returns what ends it. */
export function repeat(every: number, work: (signal: AbortSignal) => Promise<number>): () => void {
	const controller = new AbortController();
	let timer = 0;
	let due = 0;
	let running = false;

	async function turn(): Promise<void> {
		window.clearTimeout(timer);
		if (running || document.hidden || controller.signal.aborted)
			return;
		running = true;
		const wait = await work(controller.signal);
		running = false;
		if (controller.signal.aborted || (every === 0 && wait === 0))
			return void (due = Infinity);
		const ms = Math.max(every, wait, 1000);
		due = Date.now() + ms;
		timer = window.setTimeout(() => void turn(), ms);
	}
	function seen(): void {
		window.clearTimeout(timer);
		if (!document.hidden && due !== Infinity)
			timer = window.setTimeout(() => void turn(), Math.max(0, due - Date.now()));
	}
	document.addEventListener("visibilitychange", seen);
	void turn();
	return () => {
		controller.abort();
		window.clearTimeout(timer);
		document.removeEventListener("visibilitychange", seen);
	};
}
