/* users: accounts of people and services. */
import type { JSX } from "preact";
import { Card, Chip, Time } from "../kit/index.ts";
import { may } from "../lib/me.ts";
import { Link, href } from "../lib/route.tsx";
import type { Page, PageProps } from "../page.ts";
import { cell } from "./access/facts.tsx";
import { Owned, factorColumns, keyColumns, sessionColumns } from "./access/owned.tsx";
import { type Resource, ResourcePage, type Row } from "./access/resource.tsx";

const users: Resource = {
	path: "/users",
	page: "users",
	title: "Users",
	one: "user",
	model: "user",
	cli: "user",
	named: "username",
	columns: [
		{ key: "username", title: "Name", width: "minmax(8rem, 2fr)", render: cell("username") },
		{ key: "kind", title: "Kind", width: "6rem", wide: true, render: cell("kind") },
		{ key: "roles", title: "Roles", width: "minmax(6rem, 2fr)", render: cell("roles") },
		{ key: "groups", title: "Groups", width: "minmax(6rem, 2fr)", wide: true, render: cell("groups") },
		{ key: "disabled", title: "State", width: "7rem", narrow: "6rem",
			render: (r) =>
				r["disabled"] === true ? (
					<Chip state="disabled" tone="warn" />
				) : (
					<Chip state="enabled" />
				) },
		{ key: "created", title: "Created", width: "7rem", wide: true,
			render: (r) => <Time at={String(r["created_at"])} ago /> },
	],
	filters: [
		{ name: "username", label: "Name" },
		{ name: "disabled", label: "Disabled", choices: ["true", "false"] },
	],
	fields: [
		{ name: "username", label: "User name", kind: "text", required: true },
		{
			name: "kind", label: "Kind", kind: "select", choices: ["person", "service"],
			initial: "person", only: "create",
			help: "A service has no password: it has API keys, or a client that acts for it",
		},
		{
			name: "password", label: "Password", kind: "password",
			help: "10 characters or more; empty: as it is, or no log-in by password. A new one ends the sessions",
		},
		{ name: "display_name", label: "Display name", kind: "text" },
		{ name: "email", label: "E-mail", kind: "text" },
		{ name: "roles", label: "Roles", kind: "list", help: "One on each line" },
		{ name: "groups", label: "Groups", kind: "list", help: "One on each line" },
		{ name: "disabled", label: "Disabled: no log-in, and every session ends", kind: "flag" },
	],
	remove: {
		label: "Delete",
		says: "the account is deleted, and every session of it ends.",
		done: "The user is deleted.",
	},
	more: (row) => <More row={row} />,
};

function More({ row }: { row: Row }): JSX.Element {
	const query = { user_id: row.id };
	const asked = new URLSearchParams({ user: String(row["username"]) });

	return (
		<>
			{may("policy.read") && (
				<Card title="What they may">
					<Link to={`${href("decisions")}?${asked}`}>Explain a decision about this user</Link>
				</Card>
			)}
			<Owned
				title="Sessions" path="/sessions" query={query} columns={sessionColumns}
				model="session" cli="session" verb="End" says="Who uses this session is logged out."
			/>
			<Owned
				title="API keys" path="/api-keys" query={query} columns={keyColumns}
				model="api_key" cli="api-key" verb="Delete" says="Programs that use this key are refused at once."
			/>
			<Owned
				title="Second factors" path="/factors" query={query} columns={factorColumns}
				model="factor" cli="factor" verb="Remove" says="The account is no longer asked for this factor."
			/>
		</>
	);
}

export const page: Page = {
	path: "users",
	title: "Users",
	section: "Access",
	order: 10,
	permission: "user.read",
	icon: "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8z M2.5 14c.6-3 2.8-4 5.5-4s4.9 1 5.5 4",
	component: ({ rest }: PageProps) => <ResourcePage of={users} rest={rest} />,
};
