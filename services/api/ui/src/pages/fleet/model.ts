/* model: the fleet as GET /v1/fleet and GET /v1/fleet/calls tell it, and what follows from that. */
import type { Tone } from "../../kit/basics.tsx";
import { toneOf } from "../../kit/basics.tsx";

export interface Node {
	name: string;
	level: number;
	domain: string;
	pid: number;
	state: string;
	generation: number;
	/* Which process of its name, where there may be several. */
	instance?: string;
	restarts: number;
	/* In seconds. */
	uptime: number;
	breakers: Record<string, string>;
	in_flight: number;
	/* In bytes. */
	rss: number;
	limits?: { memory_max: number; recycle_rss: number; files: number; files_max: number };
	reason?: string;
	leads?: boolean;
	calls_per_s?: number;
	errors_per_s?: number;
	/* null: no call. */
	p50_ms?: number | null;
	p99_ms?: number | null;
	restarts_in_window?: number;
	window_s?: number;
	cpu_percent?: number;
	log_level?: string;
}

export interface Fleet {
	nodes: Node[];
	apart: Node[];
	mode: string;
	stores: string;
	/* Writes that wait for PostgreSQL; undefined: not known. */
	journal_entries?: number;
	isolated?: string[];
}

export interface Call {
	from: string;
	to: string;
	service: string;
	per_s: number;
	errors_per_s: number;
	p50_ms: number | null;
	p99_ms: number | null;
	breaker: string;
}

export interface Calls {
	window_s: number;
	items: Call[];
}

/* All services that one node calls of another, as one. */
export interface Edge {
	from: string;
	to: string;
	per_s: number;
	errors_per_s: number;
	p99_ms: number | null;
	breaker: string;
}

export function edgesOf(calls: readonly Call[]): Edge[] {
	const all = new Map<string, Edge>();

	for (const c of calls) {
		const key = `${c.from} ${c.to}`;
		const e = all.get(key) ?? { from: c.from, to: c.to, per_s: 0, errors_per_s: 0, p99_ms: null, breaker: "closed" };
		e.per_s += c.per_s;
		e.errors_per_s += c.errors_per_s;
		if (c.p99_ms !== null)
			e.p99_ms = Math.max(e.p99_ms ?? 0, c.p99_ms);
		if (c.breaker !== "closed")
			e.breaker = c.breaker;
		all.set(key, e);
	}
	return [...all.values()];
}

export function brokenOf(n: Node): [string, string][] {
	return Object.entries(n.breakers).filter(([, state]) => state !== "closed");
}

/* READY with a breaker open is not well: it can't reach somebody. */
export function nodeTone(n: Node): Tone {
	const tone = toneOf(n.state);

	return tone === "good" && brokenOf(n).length > 0 ? "warn" : tone;
}

/* Where it stands on the map: column 1 to 9, row 1 to 4; undefined: below, with the others. */
export function placeOf(name: string): { column: number; row: number } | undefined {
	return places[name];
}

const places: Record<string, { column: number; row: number }> = {
	guard: { column: 1, row: 1 },
	supervisor: { column: 2, row: 1 },
	meta: { column: 5, row: 1 },
	"meta-2": { column: 6, row: 1 },
	"meta-3": { column: 7, row: 1 },
	api: { column: 2, row: 2 },
	database: { column: 5, row: 2 },
	auth: { column: 8, row: 2 },
	rest: { column: 1, row: 3 },
	graphql: { column: 2, row: 3 },
	websocket: { column: 3, row: 3 },
	sql: { column: 4, row: 3 },
	nosql: { column: 5, row: 3 },
	cache: { column: 6, row: 3 },
	jwt: { column: 7, row: 3 },
	oauth: { column: 8, row: 3 },
	rbac: { column: 9, row: 3 },
	postgres: { column: 4, row: 4 },
	"redis-docs": { column: 5, row: 4 },
	"redis-cache": { column: 6, row: 4 },
};

export const domains = [
	{ name: "api", column: 1 },
	{ name: "database", column: 4 },
	{ name: "auth", column: 7 },
] as const;
