/* exact: JSON as text, without reading its numbers: what a task carries is shown and sent back as it
 * is stored, also where JavaScript's numbers can't hold it. */

/* A string, a mark, or anything else up to the next of those. */
const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/* A value: texts begin with "'", numbers are as they were written, behind a "#". */
export type Exact = string | boolean | null | Exact[] | { [name: string]: Exact };

/* Why it is no JSON; null: it is. */
export function flawOf(text: string): string | null {
	try {
		JSON.parse(text);
		return null;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}

export function read(text: string): Exact {
	JSON.parse(text);
	const all = Array.from(text.matchAll(tokens), ([t]) => t);

	return JSON.parse(
		all
			.map((t, i) => {
				if (t.startsWith('"'))
					return all[i + 1] === ":" ? t : `"'${t.slice(1)}`;
				return /^[-\d]/.test(t) ? `"#${t}"` : t;
			})
			.join(""),
	) as Exact;
}

/* The other way. indent: with line breaks. */
export function write(v: Exact, indent = 0, depth = 0): string {
	if (typeof v === "string")
		return v.startsWith("#") ? v.slice(1) : JSON.stringify(v.slice(1));
	if (typeof v !== "object" || v === null)
		return String(v);
	const list = Array.isArray(v);
	const space = indent > 0 ? " " : "";
	const parts = list
		? v.map((x) => write(x, indent, depth + 1))
		: Object.entries(v).map(
				([k, x]) => `${JSON.stringify(k)}:${space}${write(x, indent, depth + 1)}`,
			);
	const [open, close] = list ? ["[", "]"] : ["{", "}"];
	if (parts.length === 0 || indent === 0)
		return open + parts.join(",") + close;
	const line = (n: number): string => `\n${" ".repeat(indent * n)}`;
	return open + line(depth + 1) + parts.join(`,${line(depth + 1)}`) + line(depth) + close;
}

/* The same, indented. What is no JSON comes back as it is. */
export function pretty(text: string): string {
	return flawOf(text) === null ? write(read(text), 2) : text;
}

export function isObject(v: Exact | undefined): v is { [name: string]: Exact } {
	return typeof v === "object" && v !== null && !Array.isArray(v);
}

/* The text of a member of the object that `text` is; null: it has none of that name. */
export function member(text: string, name: string): string | null {
	const v = read(text);

	return isObject(v) && Object.hasOwn(v, name) ? write(v[name] ?? null) : null;
}

/* The merge patch (RFC 7396) that makes `to` of `from`; undefined: they are the same. A member
 * that is null can't be made by one: throws. */
export function mergePatch(from: Exact | undefined, to: Exact): Exact | undefined {
	if (!isObject(to) || !isObject(from)) {
		if (from !== undefined && write(from) === write(to))
			return undefined;
		refuseNulls(to, "");
		return to;
	}
	const gone = Object.keys(from).filter((k) => !Object.hasOwn(to, k));
	const changed = Object.entries(to).map(([k, v]): [string, Exact | undefined] => {
		const was = Object.hasOwn(from, k) ? from[k] : undefined;
		if (v === null && was !== null)
			refuseNulls({ [k]: v }, "");
		return [k, mergePatch(was, v)];
	});
	const patch = [
		...gone.map((k): [string, Exact] => [k, null]),
		...changed.filter((c): c is [string, Exact] => c[1] !== undefined),
	];
	return patch.length === 0 ? undefined : Object.fromEntries(patch);
}

function refuseNulls(v: Exact, path: string): void {
	if (!isObject(v))
		return;
	for (const [k, x] of Object.entries(v)) {
		if (x === null)
			throw new Error(`${path}/${k}: a merge patch can't set a member to null`);
		refuseNulls(x, `${path}/${k}`);
	}
}
