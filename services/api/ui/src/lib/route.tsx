/* route: where we are below /ui, and how to get elsewhere without loading anew. What a page
 * filters by stands in the address, so that it can be sent to somebody. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

const base = "/ui/";
const listeners = new Set<() => void>();

export interface Route {
	/* Segments below /ui. */
	segments: string[];
	query: Record<string, string>;
}

export function here(): Route {
	const path = location.pathname.startsWith(base) ? location.pathname.slice(base.length) : "";

	return {
		segments: path
			.split("/")
			.filter((s) => s !== "")
			.map(decoded),
		query: Object.fromEntries(new URLSearchParams(location.search)),
	};
}

/* A path below /ui: href("tasks", id). Segments are escaped. */
export function href(...segments: string[]): string {
	return base + segments.filter((s) => s !== "").map(encodeURIComponent).join("/");
}

export function go(to: string, replace = false): void {
	if (to === location.pathname + location.search)
		return;
	if (replace)
		history.replaceState(null, "", to);
	else
		history.pushState(null, "", to);
	for (const l of listeners)
		l();
}

export function useRoute(): Route {
	const [route, setRoute] = useState(here);

	useEffect(() => {
		const changed = (): void => setRoute(here());
		listeners.add(changed);
		window.addEventListener("popstate", changed);
		return () => {
			listeners.delete(changed);
			window.removeEventListener("popstate", changed);
		};
	}, []);
	return route;
}

/* The query of the address, and how to change some of it (an empty value takes it out). */
export function useQuery(): [Record<string, string>, (change: Record<string, string>) => void] {
	const { query } = useRoute();

	return [query, changeQuery];
}

function changeQuery(change: Record<string, string>): void {
	const q = new URLSearchParams(location.search);

	for (const [name, value] of Object.entries(change)) {
		if (value === "")
			q.delete(name);
		else
			q.set(name, value);
	}
	const text = q.toString();
	go(location.pathname + (text === "" ? "" : `?${text}`), true);
}

interface LinkProps {
	to: string;
	children: ComponentChildren;
	class?: string;
	label?: string;
	title?: string;
	/* The page that is shown. */
	current?: boolean;
}

/* <Link to={href("tasks", id)}>: a link as any other, followed within the page. */
export function Link({ to, children, label, current, ...more }: LinkProps): JSX.Element {
	return (
		<a
			{...more}
			href={to}
			aria-label={label}
			aria-current={current === true ? "page" : undefined}
			onClick={(e) => {
				if (e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey)
					return;
				e.preventDefault();
				go(to);
			}}
		>
			{children}
		</a>
	);
}

function decoded(segment: string): string {
	try {
		return decodeURIComponent(segment);
	} catch {
		return segment;
	}
}
