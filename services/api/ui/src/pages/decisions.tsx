/* decisions: may somebody do something, and which rule decides. */
import type { JSX } from "preact";
import { Card, Chip, Command, Facts, Filters, Head, Shown, metafed } from "../kit/index.ts";
import { useLoad } from "../lib/load.ts";
import { Link, href, useQuery } from "../lib/route.tsx";
import type { Page } from "../page.ts";

interface Considered {
	kind: string;
	id?: string;
	text: string;
	effect?: string;
	matches: boolean;
	why?: string;
}

interface Decision {
	user: { id: string; username: string } | null;
	permission: string;
	allowed: boolean;
	/* It depends on the time or the address: it holds for one request. */
	once: boolean;
	rule: { kind: string; id?: string; text?: string } | null;
	considered: Considered[];
	roles: { id: string; path: string[]; from: string }[];
}

const asked = ["user", "permission", "resource", "namespace", "address"];

function Decisions(): JSX.Element {
	const [query] = useQuery();
	const { user = "", permission = "", resource = "", namespace = "", address = "" } = query;
	const ready = user !== "" && permission !== "";
	const load = useLoad<{ items: Decision[] }>(ready ? "/decisions" : null, {
		query: { user, permission, resource, namespace, address },
		keep: true,
	});
	const more = asked.slice(2).flatMap((name) => (query[name] ? [`${name}=${query[name]}`] : []));

	return (
		<>
			<Head title="Explain a decision" sub="May they, why, why not" />
			<Filters
				fields={[
					{ name: "user", label: "User", placeholder: "name or id" },
					{ name: "permission", label: "Permission", placeholder: "task.delete" },
					{ name: "resource", label: "Resource", placeholder: "task/ID" },
					{ name: "namespace", label: "Namespace", placeholder: "default" },
					{ name: "address", label: "Address", placeholder: "192.0.2.7" },
				]}
			/>
			<Command
				run={metafed("policy", "explain", user || "USER", permission || "PERMISSION", ...more)}
			/>
			{ready ? (
				<Shown of={load}>
					{({ items }) => (
						<>
							{items.map((d, i) => (
								<Explained key={i} of={d} />
							))}
						</>
					)}
				</Shown>
			) : (
				<p class="empty">Say who, and which permission.</p>
			)}
		</>
	);
}

function Explained({ of: d }: { of: Decision }): JSX.Element {
	return (
		<>
			<Card title={`${d.user?.username ?? "Anonymous"}, ${d.permission}`}>
				<p>
					<Chip
						state={d.allowed ? "allowed" : "not allowed"}
						tone={d.allowed ? "good" : "bad"}
					/>{" "}
					{d.once && <span class="muted">for this one request: it depends on time or address</span>}
				</p>
				<Facts
					items={[
						["Decided by", <Rule key="r" of={d.rule} />],
						...(d.user === null
							? []
							: [
									[
										"User",
										<Link key="u" to={href("users", d.user.id)}>
											{d.user.username}
										</Link>,
									] as [string, JSX.Element],
								]),
					]}
				/>
			</Card>
			<Card title="Considered">
				{d.considered.length === 0 ? (
					<p class="muted">No rule says anything about it.</p>
				) : (
					<ul class="plain-list">
						{d.considered.map((c, i) => (
							<li key={i} class="row tight">
								<Chip
									state={c.matches ? "holds" : "does not hold"}
									tone={c.matches ? (c.effect === "deny" ? "bad" : "good") : "neutral"}
								/>
								<span>
									{c.kind} {c.kind === "grant" ? "" : c.id} <span class="mono">{c.text}</span>
								</span>
								<span class="muted">{c.why}</span>
							</li>
						))}
					</ul>
				)}
			</Card>
			<Card title="Roles">
				{d.roles.length === 0 ? (
					<p class="muted">None.</p>
				) : (
					<ul class="plain-list">
						{d.roles.map((r) => (
							<li key={r.path.join(" ")}>
								<Link to={href("roles", r.id)}>{r.id}</Link>{" "}
								<span class="muted">
									from {r.from}
									{r.path.length > 1 && `, by way of ${r.path.join(" → ")}`}
								</span>
							</li>
						))}
					</ul>
				)}
			</Card>
		</>
	);
}

function Rule({ of }: { of: Decision["rule"] }): JSX.Element {
	if (of === null || of.kind === "none")
		return <>no rule: what nothing permits is refused</>;
	const to = of.kind === "grant" ? "grants" : "roles";
	const name = of.kind === "grant" ? "grant" : `${of.kind} ${of.id ?? ""}`;

	return (
		<>
			{of.id === undefined ? name : <Link to={href(to, of.id)}>{name}</Link>}{" "}
			<span class="mono">{of.text}</span>
		</>
	);
}

export const page: Page = {
	path: "decisions",
	title: "Decisions",
	section: "Access",
	order: 80,
	permission: "policy.read",
	icon: "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z M6.3 6.2a1.8 1.8 0 1 1 2.5 1.7c-.6.3-.8.7-.8 1.3 M8 11.3v.2",
	component: Decisions,
};
