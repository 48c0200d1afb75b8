/* basics: what every page is made of. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Load, List } from "../lib/load.ts";
import { Problem } from "../lib/problem.ts";
import { duration, Time } from "./format.tsx";
import { toast } from "./toast.tsx";

export type Tone = "neutral" | "good" | "busy" | "warn" | "bad";

interface ButtonProps {
	children: ComponentChildren;
	onClick?: () => void;
	type?: "button" | "submit";
	tone?: "plain" | "primary" | "danger";
	small?: boolean;
	disabled?: boolean;
	busy?: boolean;
	/* Where the text says too little by itself. */
	label?: string;
	pressed?: boolean;
	expanded?: boolean;
}

export function Button(p: ButtonProps): JSX.Element {
	return (
		<button
			type={p.type ?? "button"}
			class={`button ${p.tone ?? "plain"}${p.small ? " small" : ""}`}
			disabled={p.disabled === true || p.busy === true}
			aria-busy={p.busy === true}
			aria-label={p.label}
			aria-pressed={p.pressed}
			aria-expanded={p.expanded}
			onClick={p.onClick}
		>
			{p.children}
		</button>
	);
}

const tones: Record<Tone, readonly string[]> = {
	good: [
		"READY", "COMPLETED", "SUCCEEDED", "closed", "up", "normal", "ok", "active", "enabled",
		"done", "allow", "success", "live",
	],
	busy: [
		"STARTING", "RUNNING", "PENDING", "DRAINING", "half-open", "half_open", "running",
		"begun", "planned", "replaying",
	],
	warn: [
		"BACKOFF", "DEGRADED", "throttled", "essential", "degraded", "slow", "PAUSED",
		"RETRYING", "unknown", "pending", "limited", "unfit", "would_open",
	],
	bad: [
		"FAILED", "failed", "open", "down", "isolated", "error", "DEAD", "deny", "failure", "refused",
		"crashed", "SILENT",
	],
	neutral: [],
};

/* The tone of a state, whoever's it is; one place, so that red means the same everywhere. */
export function toneOf(state: string): Tone {
	const all = Object.entries(tones) as [Tone, readonly string[]][];

	return all.find(([, states]) => states.includes(state))?.[0] ?? "neutral";
}

/* A state: its word and a mark, never colour alone. */
export function Chip({ state, tone }: { state: string; tone?: Tone }): JSX.Element {
	return <span class={`chip ${tone ?? toneOf(state)}`}>{state}</span>;
}

/* The head of a page: its title, a line below and its actions at the end. */
export function Head(p: {
	title: ComponentChildren;
	sub?: ComponentChildren;
	children?: ComponentChildren;
}): JSX.Element {
	/* From far down a list one comes to the beginning of another page. */
	useEffect(() => window.scrollTo(0, 0), []);
	return (
		<header class="head">
			<div>
				<h1>{p.title}</h1>
				{p.sub !== undefined && <p class="muted">{p.sub}</p>}
			</div>
			<div class="actions">{p.children}</div>
		</header>
	);
}

/* A part of a page, with its own heading. */
export function Card(p: {
	title?: ComponentChildren;
	actions?: ComponentChildren;
	children: ComponentChildren;
}): JSX.Element {
	return (
		<section class="card">
			{(p.title !== undefined || p.actions !== undefined) && (
				<header>
					{p.title !== undefined && <h2>{p.title}</h2>}
					<div class="actions">{p.actions}</div>
				</header>
			)}
			{p.children}
		</section>
	);
}

/* Names and values, aligned. */
export function Facts({ items }: { items: [string, ComponentChildren][] }): JSX.Element {
	return (
		<dl class="facts">
			{items.map(([name, value]) => (
				<div key={name}>
					<dt>{name}</dt>
					<dd>{value ?? "–"}</dd>
				</div>
			))}
		</dl>
	);
}

export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
	return <p class="empty">{children}</p>;
}

/* What went wrong, in words of the server, with what to do next. */
export function ErrorBox({ error, retry }: { error: Problem; retry?: () => void }): JSX.Element {
	return (
		<div class="error-box" role="alert">
			<p>
				<strong>{error.title}</strong>
				{error.detail !== "" && error.detail !== error.title && <> · {error.detail}</>}
			</p>
			{error.errors.length > 0 && (
				<ul>
					{error.errors.map((e) => (
						<li key={e.pointer ?? e.parameter ?? e.detail}>
							{e.pointer ?? e.parameter} {e.detail}
						</li>
					))}
				</ul>
			)}
			<p class="muted">
				{[error.reason || error.code, error.trace_id && `trace ${error.trace_id}`]
					.filter(Boolean)
					.join(" · ")}
			</p>
			{retry !== undefined && (
				<Button small onClick={retry}>
					Try again
				</Button>
			)}
		</div>
	);
}

/* Of how old what is shown is, and why: nothing while all is well. */
export function Age({ of }: { of: Pick<Load<unknown> | List<unknown>, "error" | "at"> }): JSX.Element {
	if (of.error === null || of.at === 0)
		return <span role="status" class="age" />;
	return (
		<span role="status" class="age" title={of.error.message}>
			as it was <Time at={of.at} ago /> · {of.error.title}
			{of.error.retry_after_ms > 0 && `, again in ${duration(of.error.retry_after_ms)}`}
		</span>
	);
}

/* What is loaded, or why not: <Shown of={load}>{(data) => ...}</Shown>. */
export function Shown<T>({
	of,
	children,
}: {
	of: Load<T>;
	children: (data: T) => ComponentChildren;
}): JSX.Element {
	if (of.data !== undefined)
		return (
			<>
				<Age of={of} />
				{children(of.data)}
			</>
		);
	if (of.error !== null)
		return <ErrorBox error={of.error} retry={of.reload} />;
	return <p class="loading" role="status">Loading …</p>;
}

/* The metafed command that does the same, to be copied. */
export function Command({ run }: { run: string }): JSX.Element {
	return (
		<span class="command">
			<code>{run}</code>
			<Copy text={run} label={`Copy the command ${run}`} />
		</span>
	);
}

export function Copy({ text, label }: { text: string; label: string }): JSX.Element {
	const [done, setDone] = useState(false);

	async function copy(): Promise<void> {
		try {
			await navigator.clipboard.writeText(text);
			setDone(true);
			window.setTimeout(() => setDone(false), 1500);
		} catch {
			toast("The browser did not allow to copy.", "bad");
		}
	}
	return (
		<button type="button" class="copy" aria-label={label} onClick={() => void copy()}>
			{done ? "copied" : "copy"}
		</button>
	);
}
