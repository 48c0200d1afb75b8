/* editor: dialogs that make and change objects of the API. Who changes one sees what somebody else
 * has changed meanwhile, beside his own, and says which of them counts. */
import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { get, newKey, send, settled } from "../lib/api.ts";
import { type Problem, isAbort, problemOf } from "../lib/problem.ts";
import { Button, Command, ErrorBox } from "./basics.tsx";
import { Dialog } from "./dialog.tsx";
import { type Exact, read, write } from "./exact.ts";
import { Check, Field } from "./form.tsx";
import { type ObjectField, type Texts, creation, fieldsFor, patchOf, textsOf } from "./object.ts";
import { toast } from "./toast.tsx";

interface FieldsProps {
	fields: readonly ObjectField[];
	texts: Texts;
	onTexts: (texts: Texts) => void;
	error: Problem | null;
}

export function Fields({ fields, texts, onTexts, error }: FieldsProps): JSX.Element {
	return (
		<>
			{fields.map((f) => (
				<OneField
					key={f.name}
					field={f}
					text={texts[f.name] ?? ""}
					error={error?.of(f.name)}
					onText={(text) => onTexts({ ...texts, [f.name]: text })}
				/>
			))}
		</>
	);
}

const areas: readonly ObjectField["kind"][] = ["area", "list", "labels", "json"];
const inputs = {
	text: "text",
	password: "password",
	number: "number",
	time: "datetime-local",
	select: "select",
} as const;

function OneField(p: {
	field: ObjectField;
	text: string;
	error: string | undefined;
	onText: (text: string) => void;
}): JSX.Element {
	const f = p.field;

	if (f.kind === "flag")
		return (
			<Check
				label={f.label}
				checked={p.text === "true"}
				onInput={(on) => p.onText(on ? "true" : "")}
			/>
		);
	return (
		<Field
			label={f.label}
			value={p.text}
			onInput={p.onText}
			error={p.error}
			kind={areas.includes(f.kind) ? "area" : inputs[f.kind as keyof typeof inputs]}
			rows={f.rows ?? 3}
			required={f.required === true}
			{...(f.choices === undefined ? {} : { choices: f.choices })}
			{...(f.suggest === undefined ? {} : { suggest: f.suggest })}
			{...(f.help === undefined ? {} : { help: f.help })}
			{...(f.kind === "password" ? { autocomplete: f.autocomplete ?? "new-password" } : {})}
		/>
	);
}

interface CreatorProps {
	title: string;
	/* On the button. */
	action: string;
	path: string;
	fields: readonly ObjectField[];
	command: (body: Exact) => string;
	children?: ComponentChildren;
	/* The answer as it came. May show something more before it closes. */
	onDone: (answer: string) => void;
	onClose: () => void;
}

export function Creator(p: CreatorProps): JSX.Element {
	const fields = fieldsFor(p.fields, "create");
	const [texts, setTexts] = useState<Texts>(() => textsOf(fields, null));
	const key = useRef(newKey());

	function typed(now: Texts): void {
		if (otherPassword(fields, texts, now))
			key.current = newKey();
		setTexts(now);
	}
	return (
		<Sheet
			title={p.title}
			action={p.action}
			command={() => p.command(creation(fields, texts))}
			onClose={p.onClose}
			onSave={async () => {
				const body = write(creation(fields, texts));
				const a = await send<string>("POST", p.path, body, { key: key.current, text: true });
				p.onClose();
				p.onDone(a.data);
			}}
			onFailed={(e) => {
				/* Refused: what is sent next is something else. Unknown: it is the same again. */
				if (settled(e))
					key.current = newKey();
			}}
		>
			{(error) => (
				<>
					{p.children}
					<Fields fields={fields} texts={texts} onTexts={typed} error={error} />
				</>
			)}
		</Sheet>
	);
}

interface EditorProps {
	title: string;
	path: string;
	fields: readonly ObjectField[];
	/* As it was read. */
	text: string;
	etag: string | null;
	command: (patch: Exact) => string;
	onDone: (answer: string) => void;
	onClose: () => void;
}

interface Base {
	object: Exact;
	etag: string | null;
}

export function Editor(p: EditorProps): JSX.Element {
	const fields = fieldsFor(p.fields, "edit");
	const [base, setBase] = useState<Base>(() => ({ object: read(p.text), etag: p.etag }));
	const [theirs, setTheirs] = useState<Base | null>(null);
	const [texts, setTexts] = useState<Texts>(() => textsOf(fields, base.object));
	const key = useRef(newKey());

	function typed(now: Texts): void {
		if (otherPassword(fields, texts, now))
			key.current = newKey();
		setTexts(now);
	}
	async function save(): Promise<void> {
		const patch = patchOf(fields, texts, base.object);
		if (Object.keys(patch as object).length === 0) {
			toast("Nothing was changed.", "neutral");
			p.onClose();
			return;
		}
		const a = await send<string>("PATCH", p.path, write(patch), {
			ifMatch: base.etag,
			key: key.current,
			text: true,
		});
		p.onClose();
		p.onDone(a.data);
	}
	async function failed(e: Problem): Promise<void> {
		if (settled(e))
			key.current = newKey();
		if (!isConflict(e))
			return;
		const a = await get<string>(p.path, { text: true });
		setTheirs({ object: read(a.data), etag: a.etag });
	}
	function settle(mine: boolean): void {
		if (theirs === null)
			return;
		setTexts(mine ? merged(fields, texts, base, theirs) : textsOf(fields, theirs.object));
		setBase(theirs);
		setTheirs(null);
	}
	return (
		<Sheet
			title={p.title}
			action="Save"
			command={() => p.command(patchOf(fields, texts, base.object))}
			disabled={theirs !== null}
			settles
			onClose={p.onClose}
			onSave={save}
			onFailed={failed}
		>
			{(error) =>
				theirs === null ? (
					<Fields fields={fields} texts={texts} onTexts={typed} error={error} />
				) : (
					<Conflict
						fields={fields}
						base={textsOf(fields, base.object)}
						theirs={textsOf(fields, theirs.object)}
						mine={texts}
						onSettle={settle}
					/>
				)
			}
		</Sheet>
	);
}

/* The server compares all that comes under one key, but for passwords: another is another request. */
function otherPassword(fields: readonly ObjectField[], was: Texts, now: Texts): boolean {
	return fields.some((f) => f.kind === "password" && now[f.name] !== was[f.name]);
}

export function isConflict(e: Problem): boolean {
	return e.status === 412 || (e.status === 409 && e.reason === "VERSION_CONFLICT");
}

/* What I changed is mine, the rest theirs. */
function merged(fields: readonly ObjectField[], mine: Texts, base: Base, theirs: Base): Texts {
	const before = textsOf(fields, base.object);
	const now = textsOf(fields, theirs.object);
	const kept = fields.filter((f) => mine[f.name] !== before[f.name]);

	return { ...now, ...Object.fromEntries(kept.map((f) => [f.name, mine[f.name] ?? ""])) };
}

function Conflict(p: {
	fields: readonly ObjectField[];
	base: Texts;
	theirs: Texts;
	mine: Texts;
	onSettle: (mine: boolean) => void;
}): JSX.Element {
	const moved = p.fields.filter(
		(f) => p.theirs[f.name] !== p.base[f.name] || p.mine[f.name] !== p.base[f.name],
	);

	return (
		<div class="stack" role="alert">
			<p>
				<strong>Somebody else changed it while you did.</strong> Nothing of yours was stored.
			</p>
			<div class="scroll">
				<table class="plain-table">
					<thead>
						<tr>
							<th scope="col">Field</th>
							<th scope="col">Was</th>
							<th scope="col">Theirs</th>
							<th scope="col">Yours</th>
						</tr>
					</thead>
					<tbody>
						{moved.map((f) => (
							<tr key={f.name}>
								<th scope="row">{f.label}</th>
								{[p.base, p.theirs, p.mine].map((t, i) => (
									<td key={i} class="pre-line">
										{t[f.name] === "" ? "–" : t[f.name]}
									</td>
								))}
							</tr>
						))}
					</tbody>
				</table>
			</div>
			<div class="row">
				<Button onClick={() => p.onSettle(true)}>Put my changes onto theirs</Button>
				<Button onClick={() => p.onSettle(false)}>Take theirs</Button>
			</div>
		</div>
	);
}

interface SheetProps {
	title: string;
	action: string;
	/* May throw while what was typed is nothing yet. */
	command: () => string;
	disabled?: boolean;
	/* onFailed shows what somebody else has changed meanwhile. */
	settles?: boolean;
	children: (error: Problem | null) => ComponentChildren;
	onSave: () => Promise<void>;
	onFailed: (e: Problem) => void | Promise<void>;
	onClose: () => void;
}

/* A form in a dialog, with the command that does the same as one types. */
function Sheet(p: SheetProps): JSX.Element {
	const [busy, setBusy] = useState(false);
	const [error, setError] = useState<Problem | null>(null);

	async function save(): Promise<void> {
		setBusy(true);
		setError(null);
		try {
			await p.onSave();
		} catch (e) {
			if (isAbort(e))
				return;
			const problem = problemOf(e);
			setError(p.settles === true && isConflict(problem) ? null : problem);
			await Promise.resolve(p.onFailed(problem)).catch((x: unknown) =>
				setError(problemOf(x)),
			);
			setBusy(false);
		}
	}
	return (
		<Dialog title={p.title} onClose={p.onClose} wide>
			<form
				noValidate
				onSubmit={(e) => {
					e.preventDefault();
					void save();
				}}
			>
				<div class="stack">
					{p.children(error)}
					<Command run={saidOr(p.command)} />
					{error !== null && <ErrorBox error={error} />}
				</div>
				<footer>
					<Button onClick={p.onClose}>Cancel</Button>
					<Button type="submit" tone="primary" busy={busy} disabled={p.disabled === true}>
						{p.action}
					</Button>
				</footer>
			</form>
		</Dialog>
	);
}

function saidOr(command: () => string): string {
	try {
		return command();
	} catch {
		return "metafed …";
	}
}
