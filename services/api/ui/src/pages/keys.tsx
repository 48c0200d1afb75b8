/* keys: API keys of all accounts. One's own stand with one's account. */
import { Time } from "../kit/index.ts";
import type { Page, PageProps } from "../page.ts";
import { cell } from "./access/facts.tsx";
import { type Resource, ResourcePage } from "./access/resource.tsx";

const keys: Resource = {
	path: "/api-keys",
	page: "keys",
	title: "API keys",
	one: "API key",
	model: "api_key",
	cli: "api-key",
	named: "name",
	secret: "key",
	fixed: true,
	columns: [
		{ key: "name", title: "Name", width: "minmax(7rem, 2fr)", render: cell("name") },
		{ key: "user_id", title: "Of", width: "minmax(6rem, 2fr)", wide: true, render: cell("user_id") },
		{ key: "scopes", title: "Scopes", width: "minmax(6rem, 2fr)", render: cell("scopes") },
		{ key: "used_at", title: "Last used", width: "7rem",
			render: (r) => <Time at={r["used_at"] as string | null} ago /> },
		{ key: "expires_at", title: "Ends", width: "11.5rem", wide: true, render: cell("expires_at") },
	],
	filters: [{ name: "user_id", label: "Of the user (id)" }],
	fields: [
		{
			name: "user_id", label: "Of the user (id)", kind: "text", required: true,
			help: "A service account, or your own",
		},
		{ name: "name", label: "Name", kind: "text", required: true },
		{
			name: "scopes", label: "Scopes", kind: "list",
			help: "Permissions, one on each line: what it may be used for, besides what its owner may. Without them it is not limited",
		},
		{ name: "expires_at", label: "Ends", kind: "time" },
	],
	remove: {
		label: "Delete",
		says: "programs that use this key are refused at once.",
		done: "The API key is deleted.",
	},
};

export const page: Page = {
	path: "keys",
	title: "API keys",
	section: "Access",
	order: 50,
	permission: "api_key.read",
	icon: "M10.5 9a3.5 3.5 0 1 0-3.3-2.3L1.5 12.5v2H4V13h1.5v-1.5l2.8-2.7",
	component: ({ rest }: PageProps) => <ResourcePage of={keys} rest={rest} />,
};
