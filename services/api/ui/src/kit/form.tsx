/* form: fields with their names and what is wrong with them; filters that stand in the address. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { useQuery } from "../lib/route.tsx";
import { Button } from "./basics.tsx";

export type Choice = string | { value: string; label: string };

interface FieldProps {
	label: string;
	value: string;
	onInput: (value: string) => void;
	kind?: "text" | "password" | "number" | "area" | "select" | "datetime-local" | "date" | "search";
	choices?: readonly Choice[];
	help?: ComponentChildren;
	/* problem.of("title") */
	error?: string | undefined;
	required?: boolean;
	disabled?: boolean;
	placeholder?: string;
	rows?: number;
	autocomplete?: string;
	/* The keys that a phone shows. */
	inputmode?: "numeric";
	/* Completions as one types. */
	suggest?: readonly string[];
}

/* What the controls have in common. */
interface Common {
	id: string;
	value: string;
	required: boolean;
	disabled: boolean;
	placeholder: string | undefined;
	autocomplete: string;
	"aria-invalid": boolean;
	"aria-describedby": string | undefined;
	onInput: (e: { currentTarget: { value: string } }) => void;
}

export function Field(p: FieldProps): JSX.Element {
	const id = useId();
	const help = p.help !== undefined ? `${id}-help` : "";
	const error = p.error !== undefined ? `${id}-error` : "";
	const common: Common = {
		id,
		value: p.value,
		required: p.required === true,
		disabled: p.disabled === true,
		placeholder: p.placeholder,
		autocomplete: p.autocomplete ?? "off",
		"aria-invalid": p.error !== undefined,
		"aria-describedby": `${help} ${error}`.trim() || undefined,
		onInput: (e: { currentTarget: { value: string } }) => p.onInput(e.currentTarget.value),
	};

	return (
		<div class={p.kind === "datetime-local" ? "field clock" : "field"}>
			<label for={id}>{p.label}</label>
			<Control p={p} common={common} list={`${id}-list`} />
			{p.help !== undefined && (
				<p id={help} class="muted">
					{p.help}
				</p>
			)}
			{p.error !== undefined && (
				<p id={error} class="wrong">
					{p.error}
				</p>
			)}
		</div>
	);
}

function Control({
	p,
	common,
	list,
}: {
	p: FieldProps;
	common: Common;
	list: string;
}): JSX.Element {
	if (p.kind === "area")
		return <textarea {...common} rows={p.rows ?? 6} />;
	if (p.kind === "select")
		return (
			<select {...common}>
				<Choices of={p.choices ?? []} />
			</select>
		);
	return (
		<>
			<input
				{...common}
				type={(p.kind ?? "text") as "text"}
				list={p.suggest === undefined ? undefined : list}
				inputmode={p.inputmode}
				spellcheck={false}
			/>
			{p.suggest !== undefined && (
				<datalist id={list}>
					{p.suggest.map((s) => (
						<option key={s} value={s} />
					))}
				</datalist>
			)}
		</>
	);
}

function Choices({ of }: { of: readonly Choice[] }): JSX.Element {
	return (
		<>
			{of.map((c) => {
				const { value, label } = typeof c === "string" ? { value: c, label: c } : c;
				return (
					<option key={value} value={value}>
						{label}
					</option>
				);
			})}
		</>
	);
}

export function Check(p: {
	label: ComponentChildren;
	checked: boolean;
	onInput: (checked: boolean) => void;
	disabled?: boolean;
}): JSX.Element {
	return (
		<label class="check">
			<input
				type="checkbox"
				checked={p.checked}
				disabled={p.disabled === true}
				onInput={(e) => p.onInput(e.currentTarget.checked)}
			/>
			{p.label}
		</label>
	);
}

export interface FilterField {
	/* The parameter of the address, usually that of the API, too. */
	name: string;
	label: string;
	/* With choices a select (the first is "any"), else text. */
	choices?: readonly Choice[];
	suggest?: readonly string[];
	placeholder?: string;
	kind?: "text" | "number" | "datetime-local" | "date" | "search";
	/* Behind "More filters", unless it is used. */
	rare?: boolean;
}

/* Fields that change the query of the address, texts 300 ms after the last key. Read them with
 * useQuery(). */
export function Filters({
	fields,
	children,
}: {
	fields: readonly FilterField[];
	children?: ComponentChildren;
}): JSX.Element {
	const [query, change] = useQuery();
	const [all, setAll] = useState(false);
	const used = fields.filter((f) => (query[f.name] ?? "") !== "");
	const shown = fields.filter((f) => all || f.rare !== true || used.includes(f));

	return (
		<form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
			{shown.map((f) => (
				<Filter
					key={f.name}
					field={f}
					value={query[f.name] ?? ""}
					onChange={(v) => change({ [f.name]: v })}
				/>
			))}
			{children}
			{(all || shown.length < fields.length) && (
				<Button small expanded={all} onClick={() => setAll(!all)}>
					{all ? "Fewer filters" : "More filters"}
				</Button>
			)}
			{used.length > 0 && (
				<Button
					small
					onClick={() => change(Object.fromEntries(used.map((f) => [f.name, ""])))}
				>
					Clear
				</Button>
			)}
		</form>
	);
}

function Filter({
	field: f,
	value,
	onChange,
}: {
	field: FilterField;
	value: string;
	onChange: (v: string) => void;
}): JSX.Element {
	const [text, setText] = useState(value);
	const timer = useRef(0);

	/* What is being typed stays as it is, with the blank before the next word. */
	useEffect(() => setText((was) => (was.trim() === value ? was : value)), [value]);
	useEffect(() => () => window.clearTimeout(timer.current), []);
	if (f.choices !== undefined)
		return (
			<Field
				label={f.label}
				kind="select"
				value={value}
				choices={[{ value: "", label: "any" }, ...f.choices]}
				onInput={onChange}
			/>
		);
	return (
		<Field
			label={f.label}
			kind={f.kind ?? "search"}
			value={text}
			{...(f.suggest === undefined ? {} : { suggest: f.suggest })}
			{...(f.placeholder === undefined ? {} : { placeholder: f.placeholder })}
			onInput={(v) => {
				setText(v);
				window.clearTimeout(timer.current);
				timer.current = window.setTimeout(() => onChange(v.trim()), 300);
			}}
		/>
	);
}
