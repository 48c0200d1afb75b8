/* roles: names for permissions. */
import type { Page, PageProps } from "../page.ts";
import { cell } from "./access/facts.tsx";
import { type Resource, ResourcePage } from "./access/resource.tsx";

const roles: Resource = {
	path: "/roles",
	page: "roles",
	title: "Roles",
	one: "role",
	model: "role",
	cli: "role",
	named: "id",
	columns: [
		{ key: "id", title: "Role", width: "minmax(7rem, 1fr)", render: cell("id") },
		{ key: "inherits", title: "Inherits", width: "minmax(6rem, 1fr)", narrow: "minmax(5rem, 1fr)", render: cell("inherits") },
		{ key: "permissions", title: "Permissions", width: "minmax(8rem, 3fr)", render: cell("permissions") },
	],
	fields: [
		{ name: "id", label: "Name", kind: "text", required: true, only: "create" },
		{
			name: "permissions", label: "Permissions", kind: "list", rows: 6,
			help: "One on each line: task.read, task.*, *.read, *",
		},
		{ name: "inherits", label: "Inherits", kind: "list", help: "Other roles, one on each line" },
	],
	remove: {
		label: "Delete",
		says: "the role is deleted. Who has it loses what it permits; its name stays where it is given, and permits nothing.",
		done: "The role is deleted.",
	},
};

export const page: Page = {
	path: "roles",
	title: "Roles",
	section: "Access",
	order: 20,
	permission: "role.read",
	icon: "M8 1.5l5.5 2v4c0 3.5-2.3 5.8-5.5 7-3.2-1.2-5.5-3.5-5.5-7v-4z",
	component: ({ rest }: PageProps) => <ResourcePage of={roles} rest={rest} />,
};
