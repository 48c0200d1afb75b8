/* table: rows in columns. Over `windowFrom` rows only those that are seen are in the document, so
 * that 100,000 scroll as 100 do. Up, Down, Page, Home, End walk the rows; Enter opens, Space selects. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "./format.tsx";

const rowHeight = 36;
const windowFrom = 200;
const beyond = 12;

export interface Column<T> {
	key: string;
	title: string;
	render: (row: T) => ComponentChildren;
	/* Of a grid: "8rem", "minmax(10rem, 2fr)". */
	width?: string;
	/* Numbers stand at the end. */
	align?: "start" | "end";
	/* The field that the API sorts by. */
	sort?: string;
	/* Left out on a phone. */
	wide?: boolean;
	/* Its width on a phone: all columns are to be in sight at 360 px. */
	narrow?: string;
}

interface TableProps<T> {
	/* What the rows are: for screen readers. */
	label: string;
	rows: readonly T[];
	columns: readonly Column<T>[];
	rowKey: (row: T) => string;
	/* A row was opened: by a click on it, or Enter. */
	onOpen?: (row: T) => void;
	/* Of the row whose details stand beside or below. */
	current?: string | undefined;
	/* Of keys; with onSelect rows have a box. */
	selected?: ReadonlySet<string>;
	onSelect?: (selected: Set<string>) => void;
	/* "-created_at" */
	sort?: string;
	onSort?: (sort: string) => void;
	/* The end comes into view. */
	onEnd?: () => void;
	/* Shown instead of no rows. */
	empty?: ComponentChildren;
}

export function Table<T>(p: TableProps<T>): JSX.Element {
	const box = useRef<HTMLDivElement>(null);
	const [top, setTop] = useState(0);
	const [height, setHeight] = useState(800);
	const [at, setAt] = useState(0);
	const n = p.rows.length;
	const windowed = n > windowFrom;
	const first = windowed ? Math.max(0, Math.floor(top / rowHeight) - beyond) : 0;
	const end = windowed
		? Math.min(n, Math.ceil((top + height) / rowHeight) + beyond)
		: n;
	const narrow = useNarrow();
	const columns = p.columns.filter((c) => !(narrow && c.wide === true));
	const tracks = columns.map(
		(c) => (narrow ? (c.narrow ?? c.width) : c.width) ?? "minmax(6rem, 1fr)",
	);
	const grid = (p.onSelect === undefined ? tracks : ["2.25rem", ...tracks]).join(" ");
	const least = leastOf(grid);
	const active = Math.min(at, Math.max(0, n - 1));

	useEffect(() => {
		const b = box.current;
		if (b === null || !windowed)
			return undefined;
		const o = new ResizeObserver(() => setHeight(b.clientHeight));
		o.observe(b);
		return () => o.disconnect();
	}, [windowed]);
	useEffect(() => {
		if (p.onEnd !== undefined && end >= n && n > 0 && windowed)
			p.onEnd();
	}, [end, n, windowed]);

	function walk(e: KeyboardEvent): void {
		const row = p.rows[active];
		const page = Math.max(1, Math.floor(height / rowHeight) - 1);
		const to: Record<string, number> = {
			ArrowDown: active + 1,
			ArrowUp: active - 1,
			PageDown: active + page,
			PageUp: active - page,
			Home: 0,
			End: n - 1,
		};
		const next = to[e.key];

		if ((e.target as HTMLElement).getAttribute("role") !== "row")
			return;
		if (next !== undefined) {
			e.preventDefault();
			focus(Math.max(0, Math.min(n - 1, next)));
		} else if (e.key === "Enter" && row !== undefined && p.onOpen !== undefined) {
			e.preventDefault();
			p.onOpen(row);
		} else if (e.key === " " && row !== undefined && p.onSelect !== undefined) {
			e.preventDefault();
			toggle(p.rowKey(row));
		}
	}
	function focus(i: number): void {
		const b = box.current;

		setAt(i);
		if (b !== null && windowed) {
			const y = i * rowHeight;
			if (y < b.scrollTop)
				b.scrollTop = y;
			else if (y + 2 * rowHeight > b.scrollTop + b.clientHeight)
				b.scrollTop = y + 2 * rowHeight - b.clientHeight;
			setTop(b.scrollTop);
		}
		requestAnimationFrame(() =>
			b?.querySelector<HTMLElement>(`[aria-rowindex="${i + 2}"]`)?.focus(),
		);
	}
	function toggle(key: string): void {
		const s = new Set(p.selected);

		if (!s.delete(key))
			s.add(key);
		p.onSelect?.(s);
	}
	if (n === 0)
		return <div class="empty">{p.empty ?? "There are none."}</div>;
	return (
		<div
			class={windowed ? "table windowed" : "table"}
			role="grid"
			aria-label={p.label}
			aria-rowcount={n + 1}
			aria-multiselectable={p.onSelect === undefined ? undefined : true}
			ref={box}
			onScroll={windowed ? (e) => setTop(e.currentTarget.scrollTop) : undefined}
			onKeyDown={walk}
		>
			<div
				class="tr th"
				role="row"
				aria-rowindex={1}
				style={{ gridTemplateColumns: grid, minWidth: least }}
			>
				{p.onSelect !== undefined && (
					<span role="columnheader">
						<input
							type="checkbox"
							aria-label={`Select all ${count(n)} shown`}
							checked={n > 0 && p.selected?.size === n}
							onInput={(e) =>
								p.onSelect?.(
									new Set(e.currentTarget.checked ? p.rows.map(p.rowKey) : []),
								)
							}
						/>
					</span>
				)}
				{columns.map((c) => (
					<HeadCell key={c.key} column={c} sort={p.sort} onSort={p.onSort} />
				))}
			</div>
			<div
				role="rowgroup"
				class="tbody"
				style={{ minWidth: least, ...(windowed ? { height: `${n * rowHeight}px` } : {}) }}
			>
				{p.rows.slice(first, end).map((row, k) => {
					const i = first + k;
					const key = p.rowKey(row);
					return (
						<div
							key={key}
							class={p.onOpen === undefined ? "tr" : "tr opens"}
							role="row"
							aria-rowindex={i + 2}
							aria-current={key === p.current ? "true" : undefined}
							aria-selected={
								p.onSelect === undefined ? undefined : p.selected?.has(key) === true
							}
							tabIndex={i === active ? 0 : -1}
							style={{
								gridTemplateColumns: grid,
								...(windowed ? { top: `${i * rowHeight}px` } : {}),
							}}
							onFocus={() => setAt(i)}
							onClick={(e) => {
								/* Who marks a text wants to copy it. */
								const marked = getSelection()?.isCollapsed === false;
								if (!marked && !(e.target as HTMLElement).closest("a, button, input, select"))
									p.onOpen?.(row);
							}}
						>
							{p.onSelect !== undefined && (
								<span role="gridcell">
									<input
										type="checkbox"
										tabIndex={-1}
										aria-label={`Select ${key}`}
										checked={p.selected?.has(key) === true}
										onInput={() => toggle(key)}
									/>
								</span>
							)}
							{columns.map((c) => (
								<span key={c.key} role="gridcell" class={c.align === "end" ? "end" : ""}>
									{c.render(row)}
								</span>
							))}
						</div>
					);
				})}
			</div>
		</div>
	);
}

/* Rows are grids of their own: the least of each column, the same for all of them, keeps columns in
 * line where the table is wider than the screen. */
function leastOf(grid: string): string {
	const tracks = grid.match(/minmax\([^)]*\)|\S+/g) ?? [];
	const each = tracks.map((t) => /^minmax\(([^,]+),/.exec(t)?.[1] ?? t);

	return `calc(${each.join(" + ")} + ${(tracks.length - 1) * 0.75 + 1.8}rem)`;
}

function HeadCell<T>({
	column: c,
	sort,
	onSort,
}: {
	column: Column<T>;
	sort: string | undefined;
	onSort: ((sort: string) => void) | undefined;
}): JSX.Element {
	const cls = c.align === "end" ? "end" : "";
	const up = sort === c.sort;
	const down = sort === `-${c.sort}`;

	if (c.sort === undefined || onSort === undefined)
		return (
			<span role="columnheader" class={cls}>
				{c.title}
			</span>
		);
	return (
		<span
			role="columnheader"
			class={cls}
			aria-sort={up ? "ascending" : down ? "descending" : "none"}
		>
			<button type="button" onClick={() => onSort(up ? `-${c.sort}` : (c.sort ?? ""))}>
				{c.title}
				<span aria-hidden="true">{up ? " ↑" : down ? " ↓" : ""}</span>
			</button>
		</span>
	);
}

const phone = window.matchMedia("(max-width: 42rem)");

export function useNarrow(): boolean {
	const [narrow, setNarrow] = useState(phone.matches);

	useEffect(() => {
		const changed = (): void => setNarrow(phone.matches);
		phone.addEventListener("change", changed);
		return () => phone.removeEventListener("change", changed);
	}, []);
	return narrow;
}

/* How many there are, and more of them. */
export function Pager({
	list,
}: {
	list: { items: readonly unknown[]; hasMore: boolean; loading: boolean; more(): void };
}): JSX.Element {
	return (
		<div class="pager">
			<span class="muted num" role="status">
				{count(list.items.length)} shown{list.hasMore ? ", there are more" : ""}
			</span>
			{list.hasMore && (
				<button
					type="button"
					class="button plain small"
					disabled={list.loading}
					onClick={list.more}
				>
					Show more
				</button>
			)}
		</div>
	);
}
