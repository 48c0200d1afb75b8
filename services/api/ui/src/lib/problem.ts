/* problem: what went wrong with a request, as one type: the problem details of the API (RFC 9457),
 * or what never got there. */
export interface FieldProblem {
	pointer?: string;
	parameter?: string;
	detail: string;
}

export interface ProblemDetails {
	status: number;
	title: string;
	detail?: string;
	code: string;
	reason?: string;
	retry_after_ms?: number;
	trace_id?: string;
	errors?: FieldProblem[];
}

export class Problem extends Error implements ProblemDetails {
	/* 0: no answer came. */
	readonly status: number;
	readonly title: string;
	readonly detail: string;
	readonly code: string;
	readonly reason: string;
	readonly retry_after_ms: number;
	readonly trace_id: string;
	readonly errors: FieldProblem[];

	constructor(p: ProblemDetails) {
		super(p.detail ?? p.title);
		this.name = "Problem";
		this.status = p.status;
		this.title = p.title;
		this.detail = p.detail ?? "";
		this.code = p.code;
		this.reason = p.reason ?? "";
		this.retry_after_ms = p.retry_after_ms ?? 0;
		this.trace_id = p.trace_id ?? "";
		this.errors = p.errors ?? [];
	}

	/* What is said of the field: "title" of "#/title", or of the parameter "title". */
	of(field: string): string | undefined {
		return this.errors.find((e) => e.pointer === `#/${field}` || e.parameter === field)
			?.detail;
	}
}

export function problemOf(error: unknown): Problem {
	if (error instanceof Problem)
		return error;
	return new Problem({
		status: 0,
		title: "No answer",
		detail: error instanceof Error ? error.message : String(error),
		code: "UNAVAILABLE",
		reason: "NO_ANSWER",
	});
}

/* A request that was given up because its page is gone is nobody's problem. */
export function isAbort(error: unknown): boolean {
	return error instanceof DOMException && error.name === "AbortError";
}
