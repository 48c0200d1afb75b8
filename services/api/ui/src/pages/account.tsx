/* account: one's own: who one is here, one's second factor, sessions, keys and consents. Needs no permission. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Button, Card, Command, Creator, Facts, Head, Time, assignments, metafed, toast } from "../kit/index.ts";
import { type Exact, isObject } from "../kit/exact.ts";
import type { ObjectField } from "../kit/object.ts";
import { useMe } from "../lib/me.ts";
import type { Page } from "../page.ts";
import { Words } from "./access/facts.tsx";
import { Factors } from "./access/factors.tsx";
import { Owned, keyColumns, sessionColumns } from "./access/owned.tsx";
import { Once, type Row } from "./access/resource.tsx";

const keyFields: readonly ObjectField[] = [
	{ name: "name", label: "Name", kind: "text", required: true },
	{
		name: "scopes", label: "Scopes", kind: "list",
		help: "Permissions, one on each line: what it may be used for, of what you may. Without them it is not limited",
	},
	{ name: "expires_at", label: "Ends", kind: "time" },
];

function Account(): JSX.Element {
	const me = useMe();
	const [turn, setTurn] = useState(0);

	if (me === null)
		return <></>;
	return (
		<>
			<Head title="Your account">
				<NewKey onDone={() => setTurn((n) => n + 1)} />
			</Head>
			<Card title={me.name}>
				<Facts
					items={[
						["Id", <span key="i" class="mono">{me.id}</span>],
						["Kind", me.kind],
						["Roles", <Words key="r" of={me.roles} />],
						["Groups", <Words key="g" of={me.groups} />],
						["You may", <Words key="p" of={me.permissions} />],
						["Logged in", <Time key="t" at={me.authenticated_at} />],
					]}
				/>
				<Command run={metafed("whoami")} />
				<NewPassword onDone={() => setTurn((n) => n + 1)} />
			</Card>
			<Factors />
			<Owned
				title="Your sessions" path="/me/sessions" columns={sessionColumns} model={null} turn={turn}
				cli="session" verb="End" says="Who uses this session is logged out."
			/>
			<Owned
				title="Your API keys" path="/me/api-keys" columns={keyColumns} model={null} turn={turn}
				cli="api-key" verb="Delete" says="Programs that use this key are refused at once."
			/>
			<Owned
				title="Programs that you let in" path="/me/consents" model={null} cli="consent"
				columns={[["client_id", "Program"], ["scopes", "Scopes"], ["created_at", "Since"]]}
				verb="Take back" says="The program's sessions of yours end, and you are asked again."
			/>
		</>
	);
}

const passwordFields: readonly ObjectField[] = [
	{
		name: "current", label: "Your password", kind: "password", required: true,
		autocomplete: "current-password",
	},
	{
		name: "password", label: "New password", kind: "password", required: true,
		help: "10 characters or more",
	},
];

function NewPassword({ onDone }: { onDone: () => void }): JSX.Element {
	const [open, setOpen] = useState(false);

	return (
		<span class="action">
			<Button onClick={() => setOpen(true)}>Change your password</Button>
			<Command run={metafed("password")} />
			{open && (
				<Creator
					title="Change your password"
					action="Change"
					path="/me/password"
					fields={passwordFields}
					command={() => metafed("password")}
					onClose={() => setOpen(false)}
					onDone={() => {
						toast("It is the new one. Your other sessions have ended.");
						onDone();
					}}
				>
					<p>Every other session of yours ends. Where no answer came it may be the new one already.</p>
				</Creator>
			)}
		</span>
	);
}

function NewKey({ onDone }: { onDone: () => void }): JSX.Element {
	const [open, setOpen] = useState(false);
	const [key, setKey] = useState<string | null>(null);

	return (
		<>
			<Button tone="primary" onClick={() => setOpen(true)}>
				New API key
			</Button>
			{open && (
				<Creator
					title="New API key of yours"
					action="Create"
					path="/me/api-keys"
					fields={keyFields}
					command={commandOf}
					onClose={() => setOpen(false)}
					onDone={(text) => {
						setKey(String((JSON.parse(text) as Row)["key"]));
						toast("The API key is stored.");
						onDone();
					}}
				/>
			)}
			{key !== null && <Once secret={key} onClose={() => setKey(null)} />}
		</>
	);
}

function commandOf(body: Exact): string {
	const { name, ...rest } = isObject(body) ? body : {};

	return metafed(
		"api-key", "add", typeof name === "string" ? name.slice(1) : "", ...assignments(rest),
		"--mine",
	);
}

export const page: Page = {
	path: "account",
	title: "Your account",
	section: "Access",
	order: 5,
	permission: null,
	icon: "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z M8 8.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4z M4 12.8c.8-1.9 2.2-2.6 4-2.6s3.2.7 4 2.6",
	component: Account,
};
