/* doc: a measurement as a stranger's document: nothing in it is taken for granted. */
export type Doc = unknown;

export function at(doc: Doc, path: string): Doc {
	let v: Doc = doc;

	for (const name of path.split(".")) {
		if (typeof v !== "object" || v === null || !Object.hasOwn(v, name))
			return undefined;
		v = (v as Record<string, Doc>)[name];
	}
	return v;
}

/* NaN: there is none. */
export function num(doc: Doc, path: string): number {
	const v = at(doc, path);

	return typeof v === "number" ? v : NaN;
}

export function str(doc: Doc, path: string): string {
	const v = at(doc, path);

	return typeof v === "string" ? v : "";
}

export function list(doc: Doc, path: string): Doc[] {
	const v = at(doc, path);

	return Array.isArray(v) ? v.slice(0, 10_000) : [];
}

export function interval(doc: Doc, path: string): [number, number] | null {
	const [lo, hi] = list(doc, path);

	return typeof lo === "number" && typeof hi === "number" ? [lo, hi] : null;
}

/* What is wrong with it; null: it is a measurement. */
export function flaw(doc: Doc): string | null {
	if (str(doc, "format") !== "metafed-reliability")
		return "This is no measurement: “metafed reliability run --json” writes one.";
	if (num(doc, "version") !== 1)
		return `Its version is ${String(at(doc, "version"))}; this page knows 1.`;
	return list(doc, "runs").length === 0 ? "It has no runs." : null;
}
