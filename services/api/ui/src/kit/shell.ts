/* shell: the words of a `metafed` command, so that what is copied runs as it stands. */
import { type Exact, flawOf, isObject, write } from "./exact.ts";

/* One word of a shell. */
export function quote(word: string): string {
	/* A terminal would take them for keys. */
	if (/[\x00-\x1f\x7f-\x9f]/.test(word))
		return `$'${word
			.replace(/[\\']/g, "\\$&")
			.replace(
				/[\x00-\x1f\x7f-\x9f]/g,
				(c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
			)}'`;
	return /^[\w.,:/@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/* metafed("task", "rm", id) */
export function metafed(...words: (string | null | undefined | false)[]): string {
	const said = words.filter((w): w is string => typeof w === "string" && w !== "");

	return ["metafed", ...said.map(quote)].join(" ");
}

/* The members of an object as NAME=VALUE, where VALUE is JSON or a text; what is secret is asked
 * for. */
export function assignments(body: Exact, secret: readonly string[] = []): string[] {
	if (!isObject(body))
		return [];
	return Object.entries(body).map(([name, v]) =>
		secret.includes(name) ? `${name}=-` : `${name}=${valueOf(v)}`,
	);
}

/* A text that would be read as JSON, or as a file's name, is said as JSON. */
function valueOf(v: Exact): string {
	if (typeof v !== "string" || v.startsWith("#"))
		return write(v);
	const text = v.slice(1);

	return flawOf(text) === null || /^[@-]/.test(text) || text === "" ? write(v) : text;
}
