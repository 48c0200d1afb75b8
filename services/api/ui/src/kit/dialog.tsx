/* dialog: a question over the page. The browser's own <dialog> keeps the focus inside, gives it back
 * and closes on Escape. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { isAbort, problemOf } from "../lib/problem.ts";
import type { Problem } from "../lib/problem.ts";
import { Button, Command, ErrorBox } from "./basics.tsx";
import { may } from "../lib/me.ts";
import { toast } from "./toast.tsx";

interface DialogProps {
	title: string;
	onClose: () => void;
	children: ComponentChildren;
	wide?: boolean;
}

/* data-first: what is to be read before anything is filled in. */
const fillable = "[data-first], input:not([type=checkbox]), select, textarea";

/* There while it is open: {open && <Dialog ...>}. One begins in its first field. */
export function Dialog({ title, onClose, children, wide = false }: DialogProps): JSX.Element {
	const ref = useRef<HTMLDialogElement>(null);
	const id = useId();

	useEffect(() => {
		const d = ref.current;
		d?.showModal();
		/* Not on a phone: its keys would hide what is asked. */
		if (window.matchMedia("(pointer: fine)").matches)
			d?.querySelector<HTMLElement>(fillable)?.focus({ preventScroll: true });
		return () => d?.close();
	}, []);
	return (
		<dialog
			ref={ref}
			class={wide ? "dialog wide" : "dialog"}
			aria-labelledby={id}
			onCancel={(e) => {
				e.preventDefault();
				onClose();
			}}
		>
			<header>
				<h2 id={id}>{title}</h2>
				<button type="button" class="close" aria-label="Close" onClick={onClose}>
					×
				</button>
			</header>
			{children}
		</dialog>
	);
}

interface ConfirmProps {
	title: string;
	/* What will happen, to what: read before the button. */
	children: ComponentChildren;
	/* On the button: "Delete 12 tasks". */
	action: string;
	cancel?: string;
	wide?: boolean;
	danger?: boolean;
	command?: string;
	/* May throw a Problem: it is shown, and the dialog stays. */
	onConfirm: () => Promise<void>;
	onClose: () => void;
	disabled?: boolean;
}

export function Confirm(p: ConfirmProps): JSX.Element {
	const [busy, setBusy] = useState(false);
	const [error, setError] = useState<Problem | null>(null);

	async function confirm(): Promise<void> {
		setBusy(true);
		setError(null);
		try {
			await p.onConfirm();
			p.onClose();
		} catch (e) {
			setBusy(false);
			if (!isAbort(e))
				setError(problemOf(e));
		}
	}
	return (
		<Dialog title={p.title} onClose={p.onClose} wide={p.wide === true}>
			<form
				onSubmit={(e) => {
					e.preventDefault();
					void confirm();
				}}
			>
				<div class="stack">
					{p.children}
					{p.command !== undefined && <Command run={p.command} />}
					{error !== null && <ErrorBox error={error} />}
				</div>
				<footer>
					<Button onClick={p.onClose}>{p.cancel ?? "Cancel"}</Button>
					<Button
						type="submit"
						tone={p.danger ? "danger" : "primary"}
						busy={busy}
						disabled={p.disabled === true}
					>
						{p.action}
					</Button>
				</footer>
			</form>
		</Dialog>
	);
}

interface ActionProps {
	label: string;
	/* null: one's own, which needs none. */
	permission: string | null;
	/* The command that does the same. */
	command: string;
	run: () => Promise<void>;
	/* Said when it is done. */
	done?: string;
	/* Asked before; what stands in the dialog. Without it the button does it at once. */
	confirm?: ComponentChildren;
	danger?: boolean;
	disabled?: boolean;
}

/* A button that does something to the fleet, with its command; not there for who may not. */
export function Action(p: ActionProps): JSX.Element | null {
	const [open, setOpen] = useState(false);
	const [busy, setBusy] = useState(false);

	if (!may(p.permission))
		return null;
	async function run(): Promise<void> {
		await p.run();
		toast(p.done ?? `${p.label}: done`);
	}
	async function now(): Promise<void> {
		setBusy(true);
		try {
			await run();
		} catch (e) {
			if (!isAbort(e))
				toast(`${p.label}: ${problemOf(e).message}`, "bad");
		} finally {
			setBusy(false);
		}
	}
	return (
		<span class="action" data-action={p.permission ?? undefined}>
			<Button
				tone={p.danger ? "danger" : "plain"}
				busy={busy}
				disabled={p.disabled === true}
				onClick={() => (p.confirm === undefined ? void now() : setOpen(true))}
			>
				{p.label}
			</Button>
			<Command run={p.command} />
			{open && (
				<Confirm
					title={`${p.label}?`}
					action={p.label}
					danger={p.danger === true}
					onConfirm={run}
					onClose={() => setOpen(false)}
				>
					{p.confirm}
				</Confirm>
			)}
		</span>
	);
}
