/* groups: accounts that have roles in common. */
import type { Page, PageProps } from "../page.ts";
import { cell } from "./access/facts.tsx";
import { type Resource, ResourcePage } from "./access/resource.tsx";

const groups: Resource = {
	path: "/groups",
	page: "groups",
	title: "Groups",
	one: "group",
	sub: "Who belongs to one stands with the user",
	model: "group",
	cli: "group",
	named: "id",
	columns: [
		{ key: "id", title: "Group", width: "minmax(7rem, 1fr)", render: cell("id") },
		{ key: "roles", title: "Roles", width: "minmax(6rem, 1fr)", render: cell("roles") },
		{ key: "description", title: "Description", width: "minmax(8rem, 3fr)", wide: true, render: cell("description") },
	],
	fields: [
		{ name: "id", label: "Name", kind: "text", required: true, only: "create" },
		{ name: "description", label: "Description", kind: "text" },
		{ name: "roles", label: "Roles", kind: "list", help: "One on each line" },
	],
	remove: {
		label: "Delete",
		says: "the group is deleted. Who is in it loses its roles.",
		done: "The group is deleted.",
	},
};

export const page: Page = {
	path: "groups",
	title: "Groups",
	section: "Access",
	order: 30,
	permission: "group.read",
	icon: "M5.5 7.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4z M1.5 13c.4-2.6 2-3.6 4-3.6s3.6 1 4 3.6 M11 7.3a1.9 1.9 0 1 0 0-3.8 M11.5 9.5c1.7.2 2.7 1.3 3 3.5",
	component: ({ rest }: PageProps) => <ResourcePage of={groups} rest={rest} />,
};
