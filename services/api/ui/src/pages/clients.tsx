/* clients: programs that people log in to, or that act for a service account (OAuth 2.1). */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Action, Chip, metafed } from "../kit/index.ts";
import { newKey, send } from "../lib/api.ts";
import type { Page, PageProps } from "../page.ts";
import { cell } from "./access/facts.tsx";
import { Once, type Resource, ResourcePage, type Row } from "./access/resource.tsx";

const methods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

const clients: Resource = {
	path: "/clients",
	page: "clients",
	title: "OAuth clients",
	one: "client",
	model: "client",
	cli: "client",
	named: "name",
	secret: "client_secret",
	columns: [
		{ key: "name", title: "Name", width: "minmax(7rem, 2fr)", render: cell("name") },
		{ key: "id", title: "Id", width: "minmax(6rem, 2fr)", wide: true, render: cell("id") },
		{ key: "auth_method", title: "Proves itself by", width: "minmax(7rem, 1fr)", wide: true, render: cell("auth_method") },
		{ key: "grant_types", title: "Grants", width: "minmax(7rem, 2fr)", render: cell("grant_types") },
		{ key: "disabled", title: "State", width: "7rem", narrow: "6rem",
			render: (r) =>
				r["disabled"] === true ? (
					<Chip state="disabled" tone="warn" />
				) : (
					<Chip state="enabled" />
				) },
	],
	filters: [{ name: "disabled", label: "Disabled", choices: ["true", "false"] }],
	fields: [
		{ name: "name", label: "Name", kind: "text", required: true },
		{
			name: "auth_method", label: "Proves itself by", kind: "select", choices: methods,
			initial: "none", help: "none: an app on somebody's device; a secret is shown once",
		},
		{
			name: "grant_types", label: "Grant types", kind: "list",
			initial: "authorization_code\nrefresh_token",
			help: "authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:device_code",
		},
		{ name: "redirect_uris", label: "Redirect URIs", kind: "list", help: "One on each line; compared byte for byte" },
		{ name: "logout_uris", label: "Log-out URIs", kind: "list" },
		{ name: "scopes", label: "Scopes", kind: "list", initial: "openid", help: "The most that it may ask for" },
		{ name: "user_id", label: "Acts for the service account (id)", kind: "text" },
		{ name: "jwks", label: "Public keys (JWK set)", kind: "json", rows: 4 },
		{ name: "proof_required", label: "Proof of possession is needed (DPoP)", kind: "flag" },
		{ name: "pushed_required", label: "Requests must be pushed (PAR)", kind: "flag" },
		{ name: "trusted", label: "Trusted: users are not asked for consent", kind: "flag" },
		{ name: "disabled", label: "Disabled", kind: "flag", only: "edit" },
	],
	remove: {
		label: "Delete",
		says: "nobody can log in to it any more, and its sessions end.",
		done: "The client is deleted.",
	},
	actions: (row) => <Rotate row={row} />,
};

function Rotate({ row }: { row: Row }): JSX.Element | null {
	const [secret, setSecret] = useState<string | null>(null);
	const key = useRef(newKey());

	if (!String(row["auth_method"]).startsWith("client_secret_"))
		return null;
	return (
		<>
			<Action
				label="New secret"
				permission="client.update"
				danger
				command={metafed("client", "update", row.id, "rotate_secret=true")}
				confirm={<p>The secret that it has now does not count any more, from this moment.</p>}
				run={async () => {
					const a = await send<Row>(
						"PATCH",
						`/clients/${encodeURIComponent(row.id)}`,
						{ rotate_secret: true },
						{ key: key.current },
					);
					key.current = newKey();
					setSecret(String(a.data["client_secret"]));
				}}
			/>
			{secret !== null && <Once secret={secret} onClose={() => setSecret(null)} />}
		</>
	);
}

export const page: Page = {
	path: "clients",
	title: "OAuth clients",
	section: "Access",
	order: 60,
	permission: "client.read",
	icon: "M2 3h12v8H2z M6 14h4 M8 11v3",
	component: ({ rest }: PageProps) => <ResourcePage of={clients} rest={rest} />,
};
