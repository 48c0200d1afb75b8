/* sessions: who is logged in, from where. */
import { Time } from "../kit/index.ts";
import { may } from "../lib/me.ts";
import { Link, href } from "../lib/route.tsx";
import type { Page, PageProps } from "../page.ts";
import { cell } from "./access/facts.tsx";
import { type Resource, ResourcePage } from "./access/resource.tsx";

const sessions: Resource = {
	path: "/sessions",
	page: "sessions",
	title: "Sessions",
	one: "session",
	model: "session",
	cli: "session",
	columns: [
		{ key: "user_id", title: "User", width: "minmax(8rem, 2fr)", narrow: "minmax(6rem, 2fr)",
			render: (r) => {
				const id = String(r["user_id"]);
				return may("user.read") ? (
					<Link to={href("users", id)}>
						<span class="mono">{id}</span>
					</Link>
				) : (
					<span class="mono">{id}</span>
				);
			} },
		{ key: "kind", title: "Kind", width: "6rem", wide: true, render: cell("kind") },
		{ key: "client_id", title: "Client", width: "minmax(6rem, 1fr)", wide: true, render: cell("client_id") },
		{ key: "client_address", title: "Address", width: "8.5rem", narrow: "7.5rem", render: cell("client_address") },
		{ key: "user_agent", title: "Program", width: "minmax(7rem, 2fr)", wide: true, render: cell("user_agent") },
		{ key: "refreshed_at", title: "Last used", width: "7rem", narrow: "5.5rem",
			render: (r) => <Time at={r["refreshed_at"] as string} ago /> },
		{ key: "expires_at", title: "Ends", width: "11.5rem", wide: true, render: cell("expires_at") },
	],
	filters: [{ name: "user_id", label: "Of the user (id)" }],
	remove: {
		label: "End",
		says: "who uses this session is logged out.",
		done: "The session is ended.",
	},
};

export const page: Page = {
	path: "sessions",
	title: "Sessions",
	section: "Access",
	order: 70,
	permission: "session.read",
	icon: "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z M8 4.5V8l2.5 2",
	component: ({ rest }: PageProps) => <ResourcePage of={sessions} rest={rest} />,
};
