/* apply: one action on many tasks: those that were selected, each at the version that was seen, or all
 * that a filter matches, which the fleet does by itself. */
import { type Exact, write } from "../../kit/exact.ts";
import { newKey, send } from "../../lib/api.ts";
import { type Problem, isAbort, problemOf } from "../../lib/problem.ts";
import type { Filter, Task } from "./model.ts";

export type Kind = "update" | "delete";

export type Scope =
	| { kind: "selected"; tasks: Task[] }
	| { kind: "all"; filter: Filter };

export interface Failed {
	id: string;
	problem: Pick<Problem, "title" | "detail" | "reason">;
}

export interface Progress {
	done: number;
	failed: Failed[];
	of: number;
}

interface Applied {
	matched: number;
	sample: Task[];
	done: number;
	failed: Failed[];
	more: boolean;
	cursor: string | null;
	problem?: Failed["problem"];
}

export interface Preview {
	matched: number;
	sample: Task[];
}

/* How many and which; nothing is done. */
export async function preview(
	scope: Scope,
	action: Kind,
	changes: Exact,
	signal: AbortSignal,
): Promise<Preview> {
	if (scope.kind === "selected")
		return { matched: scope.tasks.length, sample: scope.tasks.slice(0, 5) };
	const a = await send<Applied>(
		"POST",
		"/tasks:apply",
		bodyOf(scope.filter, action, changes, { dry_run: true }),
		{ signal },
	);
	return { matched: a.data.matched, sample: a.data.sample };
}

export async function apply(
	scope: Scope,
	action: Kind,
	changes: Exact,
	expected: number,
	told: (p: Progress) => void,
	signal: AbortSignal,
): Promise<Progress> {
	const p: Progress = { done: 0, failed: [], of: expected };

	if (scope.kind === "selected")
		await oneByOne(scope.tasks, action, write(changes), p, told, signal);
	else
		await all(scope.filter, action, changes, p, told, signal);
	return p;
}

const sideBySide = 6;

async function oneByOne(
	tasks: Task[],
	action: Kind,
	changes: string,
	p: Progress,
	told: (p: Progress) => void,
	signal: AbortSignal,
): Promise<void> {
	const waiting = [...tasks];

	async function work(): Promise<void> {
		for (let t = waiting.shift(); t !== undefined; t = waiting.shift()) {
			try {
				await single(t, action, changes, signal);
				p.done++;
			} catch (e) {
				if (isAbort(e))
					throw e;
				p.failed.push({ id: t.id, problem: problemOf(e) });
			}
			told({ ...p });
		}
	}
	await Promise.all(Array.from({ length: sideBySide }, work));
}

/* What got no answer is sent again under the same key: it is not done twice. */
async function single(t: Task, action: Kind, changes: string, signal: AbortSignal): Promise<void> {
	const options = { ifMatch: `"${t.version}"`, key: newKey(), signal };

	for (let attempt = 1; ; attempt++) {
		try {
			if (action === "delete")
				await send("DELETE", `/tasks/${t.id}`, undefined, options);
			else
				await send("PATCH", `/tasks/${t.id}`, changes, options);
			return;
		} catch (e) {
			const problem = problemOf(e);
			/* Who died with it holds the key until its time is over: 30 s. */
			const held = problem.reason === "IDEMPOTENCY_KEY_IN_USE";
			const passing = held || problem.status === 0 || problem.status === 503;
			if (isAbort(e) || attempt >= (held ? 35 : 4) || !passing)
				throw e;
			await pause(problem.retry_after_ms || attempt * 300);
		}
	}
}

async function all(
	filter: Filter,
	action: Kind,
	changes: Exact,
	p: Progress,
	told: (p: Progress) => void,
	signal: AbortSignal,
): Promise<void> {
	for (let cursor: string | null = null; ; ) {
		const rest = p.of - p.done - p.failed.length;
		const more: Record<string, unknown> = { expected: Math.max(rest, 0) };
		if (cursor !== null)
			more["cursor"] = cursor;
		const a: { data: Applied } = await send<Applied>(
			"POST",
			"/tasks:apply",
			bodyOf(filter, action, changes, more),
			{ key: newKey(), signal },
		);
		p.done += a.data.done;
		p.failed = [...p.failed, ...a.data.failed];
		told({ ...p });
		if (!a.data.more || a.data.cursor === null)
			return;
		/* Where it stopped for a reason, who looks at it decides whether it goes on. */
		if (a.data.problem !== undefined) {
			p.failed = [...p.failed, { id: "stopped", problem: a.data.problem }];
			return;
		}
		cursor = a.data.cursor;
	}
}

/* As text: numbers in the changes stay what they are. */
function bodyOf(filter: Filter, action: Kind, changes: Exact, more: object): string {
	const rest = JSON.stringify({ filter, action, ...more });

	return action === "update" ? `${rest.slice(0, -1)},"changes":${write(changes)}}` : rest;
}

function pause(ms: number): Promise<void> {
	return new Promise((done) => window.setTimeout(done, ms));
}
