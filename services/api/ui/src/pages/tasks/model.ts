/* model: tasks, what they are listed by, and what can be changed of one. */
import { type Exact, isObject, write as writeOf } from "../../kit/exact.ts";
import type { FilterField } from "../../kit/form.tsx";
import { instant } from "../../kit/format.tsx";
import type { ObjectField } from "../../kit/object.ts";
import { metafed } from "../../kit/shell.ts";
import type { QueryValue } from "../../lib/api.ts";

export const states = [
	"SCHEDULED", "QUEUED", "RUNNING", "RETRYING", "COMPLETED", "FAILED", "CANCELLED",
] as const;
export const priorities = ["CRITICAL", "HIGH", "MEDIUM", "LOW"] as const;

/* As a list has it: payload and description stay where they are. */
export interface Task {
	id: string;
	title: string;
	type: string;
	priority: string;
	state: string;
	labels: Record<string, string> | string[];
	version: number;
	created_at: string;
	updated_at: string;
	/* Heard of, not read. */
	gone?: boolean;
}

export const listed = "title,type,priority,state,labels,version,created_at,updated_at";

/* What a task.* event tells. */
export interface TaskEvent {
	id: string;
	namespace: string;
	version: number;
	state: string;
	type: string;
	priority: string;
	created_by: string | null;
}

export const filterFields: readonly FilterField[] = [
	{ name: "q", label: "Words", placeholder: "sign* -not" },
	{ name: "state", label: "State", choices: states },
	{ name: "priority", label: "Priority", choices: priorities },
	{ name: "type", label: "Type" },
	{ name: "label", label: "Labels", placeholder: "team=a" },
	{ name: "payload", label: "Payload", placeholder: "/team/id=7", rare: true },
	{ name: "created_after", label: "Created after", kind: "datetime-local", rare: true },
	{ name: "created_before", label: "Created before", kind: "datetime-local", rare: true },
];

export type Filter = Record<string, string | string[]>;

/* The parameters of the API for what stands in the address. */
export function filterOf(query: Record<string, string>): Filter {
	const out: Filter = {};

	for (const { name } of filterFields) {
		const value = query[name] ?? "";
		const at = name.startsWith("created_") ? instant(value) : value;
		if (name === "label" && value !== "")
			out[name] = value.split(",").map((s) => s.trim()).filter((s) => s !== "");
		else if (name === "payload" && value !== "")
			out[name] = [value];
		else if (at !== "")
			out[name] = at;
	}
	return out;
}

export function queryOf(query: Record<string, string>): Record<string, QueryValue> {
	return { ...filterOf(query), sort: query["sort"] ?? "-created_at", fields: listed };
}

/* The options of `metafed task list` and `task apply`. */
export function optionsOf(filter: Filter): string[] {
	return Object.entries(filter).flatMap(([name, value]) =>
		(Array.isArray(value) ? value : [value]).flatMap((v) => [
			`--${name.replaceAll("_", "-")}`,
			v,
		]),
	);
}

/* The command line knows no times. */
export function listCommand(filter: Filter, sort: string): string {
	const { created_after: _a, created_before: _b, ...known } = filter;

	return metafed("task", "list", ...optionsOf(known), "--sort", sort);
}

export const taskFields: readonly ObjectField[] = [
	{ name: "title", label: "Title", kind: "text", required: true },
	{ name: "description", label: "Description", kind: "area", rows: 3 },
	{ name: "type", label: "Type", kind: "text", initial: "manual" },
	{ name: "priority", label: "Priority", kind: "select", choices: priorities, initial: "MEDIUM" },
	{ name: "state", label: "State", kind: "select", choices: states, only: "edit" },
	{ name: "labels", label: "Labels", kind: "labels", help: "A name, or name=value, on each line" },
	{
		name: "payload",
		label: "Payload",
		kind: "json",
		rows: 8,
		help: "Any JSON; numbers are kept as they are written",
	},
];

/* More than 256 KiB: kept as a blob. */
export function blobOf(payload: Exact | undefined): string | null {
	const blob = isObject(payload) ? payload["$blob"] : undefined;
	const id = isObject(blob) ? blob["id"] : undefined;

	return typeof id === "string" ? id.slice(1) : null;
}

export function addCommand(body: Exact): string {
	const b = isObject(body) ? body : {};
	const text = (name: string): string => {
		const v = b[name];
		return typeof v === "string" ? v.slice(1) : "";
	};
	const option = (name: string): string[] =>
		text(name) === "" ? [] : [`--${name}`, text(name)];
	const labels = isObject(b["labels"])
		? Object.entries(b["labels"]).flatMap(([k, v]) => ["--label", `${k}=${String(v).slice(1)}`])
		: [];
	const payload = b["payload"] === undefined ? [] : ["--payload", writeOf(b["payload"])];

	return metafed(
		"task", "add", text("title") || "TITLE", ...option("type"), ...option("priority"),
		...labels, ...payload, ...option("description"),
	);
}

export function labelsOf(labels: Task["labels"]): string[] {
	if (Array.isArray(labels))
		return labels;
	return Object.entries(labels).map(([k, v]) => (v === "" ? k : `${k}=${v}`));
}
