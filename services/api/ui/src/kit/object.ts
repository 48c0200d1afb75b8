/* object: an object of the API as the fields of a form. A field is a text while somebody types;
 * what is sent is made of what he changed. */
import { Problem } from "../lib/problem.ts";
import { type Exact, flawOf, isObject, mergePatch, read, write } from "./exact.ts";
import type { Choice } from "./form.tsx";

export interface ObjectField {
	name: string;
	label: string;
	/* list: a text on each line. labels: NAME or NAME=VALUE on each. flag: a box. */
	kind:
		| "text" | "area" | "password" | "select" | "flag" | "list" | "labels" | "json" | "time"
		| "number";
	choices?: readonly Choice[];
	suggest?: readonly string[];
	help?: string;
	required?: boolean;
	rows?: number;
	/* Of a password; by default a new one. */
	autocomplete?: string;
	/* Only when one is made, or only when one is changed. */
	only?: "create" | "edit";
	/* Of a new one. */
	initial?: string;
}

/* By the field's name. */
export type Texts = Record<string, string>;

export function fieldsFor(fields: readonly ObjectField[], mode: "create" | "edit"): ObjectField[] {
	return fields.filter((f) => f.only === undefined || f.only === mode);
}

/* null: of one that is to be made. */
export function textsOf(fields: readonly ObjectField[], object: Exact | null): Texts {
	return Object.fromEntries(
		fields.map((f) => {
			const v = isObject(object ?? undefined) ? (object as Record<string, Exact>)[f.name] : null;
			return [f.name, object === null ? (f.initial ?? "") : textOf(f, v)];
		}),
	);
}

/* The body that makes one of it: what is not empty. */
export function creation(fields: readonly ObjectField[], texts: Texts): Exact {
	const out: [string, Exact][] = [];

	for (const f of fields) {
		const text = texts[f.name] ?? "";
		if (text.trim() !== "")
			out.push([f.name, checked(f, text, () => valueOf(f, text))]);
	}
	return Object.fromEntries(out);
}

/* The merge patch that makes what was typed of `was`: what is the same is not in it. */
export function patchOf(fields: readonly ObjectField[], texts: Texts, was: Exact): Exact {
	const before = textsOf(fields, was);
	const out: [string, Exact][] = [];

	for (const f of fields) {
		const text = texts[f.name] ?? "";
		if (text === (before[f.name] ?? ""))
			continue;
		const patch = checked(f, text, () => {
			const from = isObject(was) ? was[f.name] : undefined;
			const to = valueOf(f, text, from);
			return f.kind === "json" || f.kind === "labels" ? mergePatch(from, to) : to;
		});
		if (patch !== undefined)
			out.push([f.name, patch]);
	}
	return Object.fromEntries(out);
}

export function textOf(f: ObjectField, v: Exact | undefined): string {
	if (v === undefined || v === null)
		return "";
	switch (f.kind) {
	case "json":
		return write(v, 2);
	case "labels":
		return labelLines(v).join("\n");
	case "list":
		return Array.isArray(v) ? v.map(plain).join("\n") : plain(v);
	case "flag":
		return v === true ? "true" : "";
	case "time":
		return localInput(plain(v));
	default:
		return plain(v);
	}
}

function valueOf(f: ObjectField, text: string, was?: Exact): Exact {
	const lines = text.split("\n").map((l) => l.trim()).filter((l) => l !== "");

	switch (f.kind) {
	case "flag":
		return text === "true";
	case "list":
		return lines.map((l) => `'${l}`);
	case "labels":
		return labelsOf(lines, was);
	case "json":
		return text.trim() === "" ? null : json(text);
	case "number":
		return text.trim() === "" ? null : `#${numberOf(text.trim())}`;
	case "time":
		return text === "" ? null : `'${new Date(text).toISOString()}`;
	default:
		return text === "" ? null : `'${text}`;
	}
}

/* Names alone stay a list, where they were one. */
function labelsOf(lines: readonly string[], was: Exact | undefined): Exact {
	if (Array.isArray(was) && lines.every((l) => !l.includes("=")))
		return lines.map((l) => `'${l}`);
	return Object.fromEntries(
		lines.map((l): [string, Exact] => {
			const at = l.indexOf("=");
			return at < 0 ? [l, "'"] : [l.slice(0, at), `'${l.slice(at + 1)}`];
		}),
	);
}

function labelLines(v: Exact): string[] {
	if (Array.isArray(v))
		return v.map(plain);
	if (!isObject(v))
		return [];
	return Object.entries(v).map(([k, x]) => (plain(x) === "" ? k : `${k}=${plain(x)}`));
}

function plain(v: Exact): string {
	return typeof v === "string" ? v.slice(1) : write(v);
}

function json(text: string): Exact {
	const flaw = flawOf(text);

	if (flaw !== null)
		throw new Error(`is no JSON: ${flaw}`);
	return read(text);
}

function numberOf(text: string): string {
	if (!/^-?\d+(\.\d+)?$/.test(text))
		throw new Error("is no number");
	return text;
}

/* As a datetime-local field has it. */
function localInput(at: string): string {
	const d = new Date(at);

	if (Number.isNaN(d.getTime()))
		return "";
	return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/* What is wrong with a field before it is sent is said as the server would. */
function checked<T>(f: ObjectField, text: string, make: () => T): T {
	try {
		if (f.required === true && text.trim() === "")
			throw new Error("is needed");
		return make();
	} catch (error) {
		throw new Problem({
			status: 422,
			title: "Not sent",
			detail: `${f.label} ${error instanceof Error ? error.message : ""}`,
			code: "INVALID_ARGUMENT",
			reason: "VALIDATION",
			errors: [
				{ pointer: `#/${f.name}`, detail: error instanceof Error ? error.message : "" },
			],
		});
	}
}
