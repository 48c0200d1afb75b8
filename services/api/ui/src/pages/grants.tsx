/* grants: what is allowed or denied to somebody, somewhere, for some time. */
import { Chip } from "../kit/index.ts";
import type { Page, PageProps } from "../page.ts";
import { Value, cell } from "./access/facts.tsx";
import { type Resource, ResourcePage } from "./access/resource.tsx";

const grants: Resource = {
	path: "/grants",
	page: "grants",
	title: "Grants",
	one: "grant",
	sub: "Beside roles: a deny counts more than any allow",
	model: "grant",
	cli: "grant",
	columns: [
		{ key: "effect", title: "Effect", width: "6rem", narrow: "4.5rem",
			render: (r) => <Chip state={String(r["effect"])} /> },
		{ key: "subject", title: "To whom", width: "minmax(8rem, 1fr)",
			render: (r) => {
				const whom = `${String(r["subject_kind"])} ${String(r["subject"])}`;
				return <span title={whom}>{whom}</span>;
			} },
		{ key: "permissions", title: "Permissions", width: "minmax(7rem, 2fr)", render: cell("permissions") },
		{ key: "roles", title: "Roles", width: "minmax(5rem, 1fr)", wide: true, render: cell("roles") },
		{ key: "where", title: "Where", width: "minmax(6rem, 1fr)", wide: true,
			render: (r) => <Value name="where" value={r["resource"] ?? r["namespace"] ?? "everywhere"} /> },
		{ key: "expires_at", title: "Ends", width: "11.5rem", wide: true, render: cell("expires_at") },
	],
	filters: [
		{ name: "effect", label: "Effect", choices: ["allow", "deny"] },
		{ name: "subject_kind", label: "To a", choices: ["user", "group", "role", "everyone"] },
		{ name: "subject", label: "Called" },
	],
	fields: [
		{ name: "effect", label: "Effect", kind: "select", choices: ["allow", "deny"], initial: "allow" },
		{
			name: "subject_kind", label: "To a", kind: "select", only: "create", initial: "user",
			choices: ["user", "group", "role", "everyone"],
		},
		{
			name: "subject", label: "Called", kind: "text", required: true, only: "create",
			help: "A user's id, a group's or role's name; “*” of everyone",
		},
		{ name: "permissions", label: "Permissions", kind: "list", help: "One on each line" },
		{ name: "roles", label: "Roles", kind: "list", help: "One on each line" },
		{ name: "namespace", label: "Only in the namespace", kind: "text" },
		{ name: "resource", label: "Only of the resource", kind: "text", help: "task/ID, doc.notes/*" },
		{ name: "conditions", label: "Conditions", kind: "json", rows: 4 },
		{ name: "description", label: "Why", kind: "text" },
		{ name: "expires_at", label: "Ends", kind: "time" },
	],
	remove: {
		label: "Delete",
		says: "the grant is deleted, and what it says counts no more.",
		done: "The grant is deleted.",
	},
};

export const page: Page = {
	path: "grants",
	title: "Grants",
	section: "Access",
	order: 40,
	permission: "grant.read",
	icon: "M3 8.5l3 3 7-7 M2 2.5h6",
	component: ({ rest }: PageProps) => <ResourcePage of={grants} rest={rest} />,
};
