/* factors: one's own second factor (TOTP, RFC 6238): enrolled, confirmed by a code, removed by a code or
 * the password. There is one at most; until it is confirmed no log-in asks for it. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import {
	Action, Age, Button, Card, Check, Chip, Command, Confirm, Copy, Creator, ErrorBox, Facts, Field,
	Time, assignments, metafed, toast,
} from "../../kit/index.ts";
import type { Exact } from "../../kit/exact.ts";
import type { ObjectField } from "../../kit/object.ts";
import { send } from "../../lib/api.ts";
import { type List, useList } from "../../lib/load.ts";
import { type Problem, problemOf } from "../../lib/problem.ts";

interface Factor {
	id: string;
	kind: string;
	confirmed: boolean;
	recovery_left: number;
	created_at: string;
}

/* What is shown this once. */
interface Enrolled {
	id: string;
	secret: string;
	uri: string;
	recovery_codes: string[];
}

const path = "/me/factors";
const fields: readonly ObjectField[] = [
	{ name: "kind", label: "Kind", kind: "select", choices: ["totp"], initial: "totp" },
	{
		name: "password", label: "Your password", kind: "password", autocomplete: "current-password",
		help: "Needed where you logged in more than five minutes ago",
	},
];

export function Factors(): JSX.Element {
	const list = useList<Factor>(path);
	const factor = list.items[0];
	const [confirming, setConfirming] = useState<Factor | null>(null);

	return (
		<Card title="Your second factor">
			<Command run={metafed("factor", "list", "--mine")} />
			<Age of={list} />
			{list.error !== null && list.at === 0 && (
				<ErrorBox error={list.error} retry={list.reload} />
			)}
			{factor !== undefined && <FactorFacts of={factor} />}
			{list.at !== 0 && factor?.confirmed !== true && (
				<p class="muted">
					With one, each log-in of yours asks for your password and a code of an
					authenticator program.
				</p>
			)}
			{list.at !== 0 && (
				<div class="row">
					{factor?.confirmed !== true && <Enrol list={list} again={factor !== undefined} />}
					{factor?.confirmed === false && (
						<span class="action">
							<Button onClick={() => setConfirming(factor)}>Confirm</Button>
							<Command run={confirmation(factor.id)} />
						</span>
					)}
					{factor !== undefined && <Remove key={factor.id} of={factor} onGone={list.reload} />}
				</div>
			)}
			{confirming !== null && (
				<Confirmation
					title="Confirm the second factor"
					id={confirming.id}
					onClose={() => setConfirming(null)}
					onDone={list.reload}
				/>
			)}
		</Card>
	);
}

function FactorFacts({ of: f }: { of: Factor }): JSX.Element {
	return (
		<Facts
			items={[
				["Kind", f.kind],
				[
					"State",
					<Chip
						key="s"
						state={f.confirmed ? "confirmed" : "not confirmed"}
						tone={f.confirmed ? "good" : "warn"}
					/>,
				],
				["Recovery codes left", <span key="r" class="num">{f.recovery_left}</span>],
				["Enrolled", <Time key="t" at={f.created_at} />],
			]}
		/>
	);
}

/* again: one that was never confirmed makes way. */
function Enrol({ list, again }: { list: List<Factor>; again: boolean }): JSX.Element {
	const [open, setOpen] = useState(false);
	const [made, setMade] = useState<Enrolled | null>(null);

	return (
		<span class="action">
			<Button tone="primary" onClick={() => setOpen(true)}>
				{again ? "Begin anew" : "Add a second factor"}
			</Button>
			<Command run={metafed("factor", "add", "kind=totp", "--mine")} />
			{open && (
				<Creator
					title="Add a second factor"
					action="Go on"
					path={path}
					fields={fields}
					command={addition}
					onClose={() => setOpen(false)}
					onDone={(text) => {
						setMade(JSON.parse(text) as Enrolled);
						list.reload();
					}}
				>
					<p>An authenticator program on your phone or computer gets a secret, and makes codes of it.</p>
				</Creator>
			)}
			{made !== null && (
				<Confirmation
					key={made.id}
					title="Give it to your authenticator"
					id={made.id}
					made={made}
					onClose={() => setMade(null)}
					onDone={list.reload}
				/>
			)}
		</span>
	);
}

interface ConfirmationProps {
	title: string;
	id: string;
	/* Just enrolled: what is shown this once comes with it. */
	made?: Enrolled;
	onClose: () => void;
	onDone: () => void;
}

function Confirmation({ title, id, made, onClose, onDone }: ConfirmationProps): JSX.Element {
	const [code, setCode] = useState("");
	const [kept, setKept] = useState(false);
	const [error, setError] = useState<Problem | null>(null);

	/* Where an answer was lost, that it is confirmed is what the try before has done. */
	async function confirm(): Promise<void> {
		setError(null);
		await send("PATCH", `${path}/${id}`, { code: code.trim() }).catch((e: unknown) => {
			const problem = problemOf(e);
			if (problem.reason === "FACTOR_CONFIRMED")
				return;
			setError(problem);
			throw e;
		});
		toast("From now on each log-in of yours asks for a code.");
		onDone();
	}
	return (
		<Confirm
			title={title}
			wide={made !== undefined}
			action="Confirm"
			cancel={made === undefined ? "Cancel" : "Later"}
			command={confirmation(id)}
			disabled={!kept || code.trim() === ""}
			onConfirm={confirm}
			onClose={onClose}
		>
			{made !== undefined && <Shown of={made} />}
			<Check
				label={
					made === undefined
						? "I have kept the recovery codes (who has not begins anew)"
						: "I have kept the recovery codes: they are shown this once"
				}
				checked={kept}
				onInput={setKept}
			/>
			<Field
				label="Code that it shows now"
				value={code}
				onInput={setCode}
				error={error?.of("code")}
				autocomplete="one-time-code"
				inputmode="numeric"
				help="Six digits. Until one was right no log-in asks for it"
			/>
		</Confirm>
	);
}

function Shown(p: { of: Enrolled }): JSX.Element {
	const codes = p.of.recovery_codes.join("\n");

	return (
		<>
			<Once title="Secret" text={p.of.secret} />
			<Once title="The same as an address" text={p.of.uri}>
				<a href={p.of.uri}>Open an authenticator on this device</a>
			</Once>
			<Once title="Recovery codes" text={codes}>
				<span class="muted">Each does once in place of a code, where the authenticator is lost.</span>
			</Once>
		</>
	);
}

function Once(p: { title: string; text: string; children?: JSX.Element }): JSX.Element {
	return (
		<section class="stack tight">
			<h3 tabIndex={-1} data-first>{p.title}</h3>
			<code class="secret">{p.text}</code>
			<div class="row">
				<Copy text={p.text} label={`Copy: ${p.title}`} />
				{p.children}
			</div>
		</section>
	);
}

interface Proof {
	code?: string;
	password?: string;
}

/* What was typed goes with the dialog: who comes after proves it anew. */
function ProofFields({ of }: { of: { current: Proof } }): JSX.Element {
	const [code, setCode] = useState("");
	const [password, setPassword] = useState("");

	of.current = code.trim() !== "" ? { code: code.trim() } : password !== "" ? { password } : {};
	useEffect(
		() => () => {
			of.current = {};
		},
		[],
	);
	return (
		<>
			<p>From then on your password is all that a log-in asks for.</p>
			<Field
				label="Code, or a recovery code"
				value={code}
				onInput={setCode}
				autocomplete="one-time-code"
			/>
			<Field
				label="Or your password"
				kind="password"
				value={password}
				onInput={setPassword}
				autocomplete="current-password"
			/>
		</>
	);
}

/* Of one that was never confirmed nobody asks a proof. */
function Remove({ of: f, onGone }: { of: Factor; onGone: () => void }): JSX.Element {
	const proof = useRef<Proof>({});

	return (
		<Action
			label="Remove"
			permission={null}
			danger
			command={metafed("factor", "rm", f.id, "password=-", "--mine")}
			done="The second factor is removed."
			confirm={
				f.confirmed ? (
					<ProofFields of={proof} />
				) : (
					<p>It was never confirmed: nothing asks for it.</p>
				)
			}
			run={async () => {
				await send("POST", `${path}/${f.id}:remove`, proof.current).catch((e: unknown) => {
					/* Gone by an earlier try whose answer was lost, or from elsewhere. */
					if (problemOf(e).status !== 404)
						throw e;
				});
				onGone();
			}}
		/>
	);
}

function addition(body: Exact): string {
	return metafed("factor", "add", ...assignments(body, ["password"]), "--mine");
}

function confirmation(id: string): string {
	return metafed("factor", "update", id, "code=-", "--mine");
}
