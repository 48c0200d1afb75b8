/* model: kept traces, raw requests and what they answer. */
import type { Span } from "../../kit/waterfall.tsx";

export interface Trace {
	trace_id: string;
	at: string;
	duration_us: number;
	/* "ok"; "error": by a fault of the fleet */
	status: string;
	/* How it ended. */
	code: string;
	/* 0: it did not come by HTTP. */
	http_status: number;
	reason?: string | null;
	/* "POST /v1/tasks" */
	name: string;
	/* The node where it came in. */
	entry: string;
	spans: number;
	why: string;
}

export interface WholeTrace extends Omit<Trace, "spans"> {
	spans: Span[];
}

interface Hop {
	node: string;
	method: string;
	attempt: number;
	start_us: number;
	duration_us: number;
	outcome: string;
	code: string;
	reason?: string;
}

export interface TaskResponse {
	task_id: string;
	status: string;
	success: boolean;
	partial_success: boolean;
	successful_domains: string[];
	failed_domains: string[];
	cascade_prevented: boolean;
	degraded: boolean;
	agents_used: string[];
	failed_agents: string[];
	meta_failure: boolean;
	execution_trace: { level: number; hops: Hop[] }[];
}

/* The hops of an answer as spans: each below the one of the level above that was under way when it
 * began. */
export function spansOf(r: TaskResponse): Span[] {
	const all = r.execution_trace.flatMap(({ level, hops }) =>
		hops.map((h, i) => ({ ...h, level, span_id: `${level}-${i}` })),
	);

	return all.map((h) => {
		const above = all.filter(
			(p) =>
				p.level === h.level - 1 &&
				p.start_us <= h.start_us &&
				p.start_us + p.duration_us >= h.start_us + h.duration_us,
		);
		const parent = above.sort((a, b) => a.duration_us - b.duration_us)[0];
		return { ...h, parent_id: parent?.span_id ?? null };
	});
}

export interface Remarks {
	/* Second and later tries of the same call. */
	retries: number;
	/* Members that were not asked. */
	passedOver: number;
	/* "websocket for rest": who did what another one should have done. */
	standIns: string[];
	failed: number;
}

/* What is worth saying of a trace before one looks at it. Tries of one call have one parent and one
 * method; whom it would have gone to comes first. */
export function remarksOf(spans: readonly Span[]): Remarks {
	const meant = new Map<string, string>();
	const standIns = new Set<string>();

	for (const s of [...spans].sort((a, b) => a.start_us - b.start_us || a.attempt - b.attempt)) {
		const call = `${s.parent_id ?? ""} ${s.method}`;
		const first = meant.get(call);
		if (first !== undefined && first !== s.node && s.attempt > 0)
			standIns.add(`${s.node} for ${first}`);
		else if (first === undefined && (s.attempt === 0 || s.code !== "OK"))
			meant.set(call, s.node);
	}
	return {
		retries: spans.filter((s) => s.attempt > 1).length,
		passedOver: spans.filter((s) => s.attempt === 0).length,
		standIns: [...standIns],
		failed: spans.filter((s) => s.attempt > 0 && s.code !== "OK").length,
	};
}

export const templates: Record<string, (id: string) => unknown> = {
	"Read some tasks": (id) => ({
		task_id: id,
		requirements: {
			database: { operation: "query", model: "task", limit: 3 },
			auth: { require_permission: "task.read" },
		},
		deadline_ms: 5000,
	}),
	"Create a task": (id) => ({
		task_id: id,
		priority: "HIGH",
		requirements: {
			database: { operation: "create", model: "task", data: { title: "From the dashboard" } },
			auth: { require_permission: "task.create" },
		},
		deadline_ms: 5000,
	}),
	"How the fleet is": (id) => ({
		task_id: id,
		requirements: { meta: { operation: "health" } },
		deadline_ms: 5000,
	}),
	"All three domains, in order": (id) => ({
		task_id: id,
		requirements: {
			api: { method: "GET", endpoint: "/tasks?limit=1", format: "json" },
			database: { operation: "query", model: "task", limit: 1 },
			auth: { require_permission: "task.read" },
		},
		depends_on: [{ domain: "database", on: "auth" }],
		deadline_ms: 5000,
	}),
};
