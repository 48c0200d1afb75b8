/* api: requests to /v1. The token is added here and renewed once when it was refused; what the
 * server refuses is thrown as a Problem. */
import { useEffect, useMemo } from "preact/hooks";
import { renew, token } from "./session.ts";
import { Problem, type ProblemDetails, problemOf } from "./problem.ts";

export { Problem, isAbort, problemOf } from "./problem.ts";

export interface Answer<T> {
	status: number;
	data: T;
	/* As If-Match takes it; null where the resource has none. */
	etag: string | null;
	/* The answer is a store's in degraded mode: it may be older than the newest. */
	degraded: boolean;
}

export type QueryValue = string | number | boolean | null | undefined | readonly string[];

export interface Get {
	/* Empty values are left out, a list is the parameter several times. */
	query?: Record<string, QueryValue>;
	signal?: AbortSignal;
	/* Of the answer; without it JSON. */
	accept?: string;
	/* JSON comes as the text that it is (kit/exact.ts): numbers beyond 2^53 stay what they are. */
	text?: boolean;
}

export interface Send extends Get {
	/* What is changed must still be this one: 412 else. */
	ifMatch?: string | null;
	/* newKey(): the same request under the same key has its effect once. */
	key?: string;
	/* Without it JSON; PATCH: a merge patch. */
	type?: string;
}

export type Method = "POST" | "PATCH" | "PUT" | "DELETE";

/* `path` below /v1: get<Task>("/tasks/" + id). */
export function get<T>(path: string, options: Get = {}): Promise<Answer<T>> {
	return request<T>("GET", path, undefined, options);
}

export function send<T>(
	method: Method,
	path: string,
	body?: unknown,
	options: Send = {},
): Promise<Answer<T>> {
	return request<T>(method, path, body, options);
}

/* One for each thing that is to be done once; a form keeps it over its retries. */
export function newKey(): string {
	const b = crypto.getRandomValues(new Uint8Array(16));

	return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
}

/* Refused, and known to be: what is sent next is something else, under another key. */
export function settled(e: unknown): boolean {
	const p = problemOf(e);

	return p.status >= 400 && p.status < 500 && p.reason !== "IDEMPOTENCY_KEY_IN_USE";
}

export function withQuery(path: string, query: Record<string, QueryValue> = {}): string {
	const q = new URLSearchParams();

	for (const [name, value] of Object.entries(query)) {
		for (const one of Array.isArray(value) ? value : [value])
			if (one !== undefined && one !== null && one !== "")
				q.append(name, String(one));
	}
	const text = q.toString();
	return text === "" ? path : `${path}${path.includes("?") ? "&" : "?"}${text}`;
}

/* Aborted when the component goes. */
export function useAbort(): AbortSignal {
	const controller = useMemo(() => new AbortController(), []);

	useEffect(() => () => controller.abort(), [controller]);
	return controller.signal;
}

async function request<T>(
	method: string,
	path: string,
	body: unknown,
	options: Send,
): Promise<Answer<T>> {
	const used = token();
	let response = await attempt(method, path, body, options, used);

	if (response.status === 401 && (await renew(used)))
		response = await attempt(method, path, body, options, token());
	return answerOf<T>(response, options.text === true);
}

async function attempt(
	method: string,
	path: string,
	body: unknown,
	options: Send,
	bearer: string | null,
): Promise<Response> {
	try {
		return await fetch(withQuery(`/v1${path}`, options.query), {
			method,
			headers: headersOf(method, body, options, bearer),
			body: body === undefined ? null : bodyOf(body),
			signal: options.signal ?? null,
			credentials: "omit",
			cache: "no-store",
			redirect: "error",
		});
	} catch (error) {
		if (options.signal?.aborted === true)
			throw error;
		throw problemOf(error);
	}
}

function headersOf(method: string, body: unknown, options: Send, bearer: string | null): Headers {
	const h = new Headers({ Accept: options.accept ?? "application/json" });

	if (bearer !== null)
		h.set("Authorization", `Bearer ${bearer}`);
	if (body !== undefined)
		h.set("Content-Type", options.type ?? typeOf(method));
	if (options.ifMatch)
		h.set("If-Match", options.ifMatch);
	if (options.key !== undefined)
		h.set("Idempotency-Key", `"${options.key}"`);
	return h;
}

function typeOf(method: string): string {
	return method === "PATCH" ? "application/merge-patch+json" : "application/json";
}

function bodyOf(body: unknown): string {
	return typeof body === "string" ? body : JSON.stringify(body);
}

async function answerOf<T>(r: Response, asText: boolean): Promise<Answer<T>> {
	const type = r.headers.get("Content-Type") ?? "";
	let data: unknown = null;

	if (r.status !== 204 && r.status !== 304)
		data = type.includes("json") && !(asText && r.ok) ? await json(r) : await r.text();
	if (!r.ok)
		throw new Problem(detailsOf(r, data));
	return {
		status: r.status,
		data: data as T,
		etag: r.headers.get("ETag"),
		degraded: r.headers.get("Metafed-Degraded") === "true",
	};
}

async function json(r: Response): Promise<unknown> {
	try {
		return await r.json();
	} catch (error) {
		throw problemOf(error);
	}
}

function detailsOf(r: Response, data: unknown): ProblemDetails {
	const given = typeof data === "object" && data !== null ? (data as ProblemDetails) : null;
	const seconds = Number(r.headers.get("Retry-After"));

	return {
		code: "UNKNOWN",
		title: r.statusText || `HTTP ${r.status}`,
		retry_after_ms: Number.isFinite(seconds) ? seconds * 1000 : 0,
		...given,
		status: r.status,
	};
}
