/* facts: an object of the API as names and values. */
import type { ComponentChildren, JSX } from "preact";
import { Chip, Time } from "../../kit/index.ts";
import type { ObjectField } from "../../kit/object.ts";
import type { Row } from "./resource.tsx";

const labels: Record<string, string> = {
	id: "Id",
	version: "Version",
	created_at: "Created",
	updated_at: "Changed",
	refreshed_at: "Last used",
	used_at: "Last used",
	expires_at: "Ends",
	authenticated_at: "Logged in",
	user_id: "User",
	client_id: "Client",
	client_address: "Address",
	user_agent: "Program",
	created_by: "Created by",
};

export function factsOf(row: Row, fields: readonly ObjectField[]): [string, ComponentChildren][] {
	/* A box's label says what follows from it, behind a colon. */
	const known = Object.fromEntries(fields.map((f) => [f.name, f.label.split(":")[0]]));

	return Object.entries(row).map(([name, value]) => [
		known[name] ?? labels[name] ?? said(name),
		<Value key={name} name={name} value={value} row={row} />,
	]);
}

export function Value({
	name,
	value,
	row,
}: {
	name: string;
	value: unknown;
	row?: Row;
}): JSX.Element {
	/* A credential without scopes may do whatever its owner may. */
	if (name === "scopes" && row?.["limited"] === false)
		return <span class="muted">not limited</span>;
	if (value === null || value === undefined || value === "")
		return <span class="muted">–</span>;
	if (typeof value === "boolean")
		return value ? <Chip state="yes" tone="busy" /> : <span class="muted">no</span>;
	if (name.endsWith("_at") && typeof value === "string")
		return <Time at={value} />;
	if (Array.isArray(value))
		return <Words of={value.map(String)} />;
	if (typeof value === "object")
		return (
			<pre class="pre" tabIndex={0} aria-label={name}>
				{JSON.stringify(value, null, 2)}
			</pre>
		);
	return <span class={/(^|_)id$|^created_by$/.test(name) ? "mono" : ""}>{String(value)}</span>;
}

export function Words({ of }: { of: readonly string[] }): JSX.Element {
	if (of.length === 0)
		return <span class="muted">none</span>;
	return (
		<span class="row tight">
			{of.map((w) => (
				<span key={w} class="mono">
					{w}
				</span>
			))}
		</span>
	);
}

/* "proof_required" -> "Proof required" */
function said(name: string): string {
	const words = name.replaceAll("_", " ");

	return words.charAt(0).toUpperCase() + words.slice(1);
}

export function cell(name: string) {
	return (row: Row): JSX.Element => {
		const v = row[name];
		return Array.isArray(v) && v.length > 0 ? (
			<span title={v.join(", ")}>{v.join(", ")}</span>
		) : (
			<Value name={name} value={v} row={row} />
		);
	};
}
