/* live: one WebSocket (metafed.v1) for all pages. It is open while a page wants events and the tab
 * is seen; after a break each subscription goes on behind the last event that it had. */
import { useEffect, useRef, useState } from "preact/hooks";
import { renew, token } from "./session.ts";

export type Topic = "tasks" | "fleet";
export type Filter = Record<string, string | string[]>;

export interface LiveEvent<T = Record<string, unknown>> {
	position: string;
	/* "task.updated", "fleet.node", "error.pattern" */
	event: string;
	at: string;
	data: T;
}

export interface Handler<T> {
	event(e: LiveEvent<T>): void;
	/* Events were lost: what is shown must be read anew. */
	gap(): void;
}

/* off: nobody wants events. paused: the tab is hidden. */
export type Connection = "off" | "paused" | "connecting" | "live" | "broken";

interface Subscription {
	id: string;
	topic: Topic;
	filter: Filter | undefined;
	handler: Handler<never>;
	position: string | undefined;
	/* Events may have been missed before it began. */
	late: boolean;
}

interface Message {
	type: string;
	id?: string;
	subscription?: string;
	position?: string;
	error?: { status?: number; reason?: string; detail?: string };
}

const slowest = 15_000;
/* Without a word from us a session of ten minutes would end; without one from there it is gone. */
const pingEvery = 25_000;

const subscriptions = new Map<string, Subscription>();
const watchers = new Set<() => void>();
let socket: WebSocket | null = null;
let state: Connection = "off";
let failures = 0;
let retry = 0;
let ping = 0;
let heard = 0;
let last = 0;
/* The token that the session has; another one may have come since. */
let introduced: string | null = null;

/* Events from now on; returns what ends it. A filter that names `kind` is for that one alone. */
export function subscribe<T>(
	topic: Topic,
	filter: Filter | undefined,
	handler: Handler<T>,
): () => void {
	const s: Subscription = {
		id: `s${++last}`,
		topic,
		filter,
		handler: handler as Handler<never>,
		position: undefined,
		late: false,
	};

	subscriptions.set(s.id, s);
	if (state === "live")
		ask(s);
	else
		settle();
	return () => {
		subscriptions.delete(s.id);
		if (state === "live")
			say({ type: "unsubscribe", id: s.id });
		settle();
	};
}

/* The same for as long as the component is there; the handlers of the last rendering are called. */
export function useLive<T>(
	topic: Topic,
	filter: Filter | undefined,
	event: (e: LiveEvent<T>) => void,
	gap: () => void,
): void {
	const latest = useRef({ event, gap });
	const key = JSON.stringify(filter ?? null);

	latest.current = { event, gap };
	useEffect(
		() =>
			subscribe<T>(topic, filter, {
				event: (e) => latest.current.event(e),
				gap: () => latest.current.gap(),
			}),
		[topic, key],
	);
}

export function useConnection(): Connection {
	const [now, setNow] = useState(state);

	useEffect(() => {
		const changed = (): void => setNow(state);
		watchers.add(changed);
		changed();
		return () => void watchers.delete(changed);
	}, []);
	return now;
}

/* What the connection should be, made so. */
function settle(): void {
	if (subscriptions.size === 0 || token() === null)
		close("off");
	else if (document.hidden)
		close("paused");
	else if (socket === null && retry === 0)
		open();
}

function open(): void {
	const url = new URL("/v1/ws", location.href);

	url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
	become(failures === 0 ? "connecting" : state);
	const ws = new WebSocket(url, "metafed.v1");
	socket = ws;
	ws.onopen = introduce;
	ws.onmessage = (e) => {
		if (socket === ws)
			hear(JSON.parse(String(e.data)) as Message);
	};
	ws.onclose = (e) => {
		if (socket === ws)
			void ended(e.code);
	};
	heard = Date.now();
	window.clearInterval(ping);
	ping = window.setInterval(beat, pingEvery);
}

function hear(m: Message): void {
	const s = subscriptions.get(m.subscription ?? m.id ?? "");

	heard = Date.now();
	switch (m.type) {
	case "authenticated":
		failures = 0;
		if (state === "live")
			return;
		become("live");
		subscriptions.forEach(ask);
		return;
	case "reauthenticate":
		if (token() !== introduced)
			introduce();
		else
			void renew(introduced).then((ok) => {
				if (ok)
					introduce();
			});
		return;
	case "subscribed":
		if (s !== undefined && s.position === undefined) {
			s.position = m.position;
			if (s.late)
				s.handler.gap();
			s.late = false;
		}
		return;
	case "event":
		if (s !== undefined) {
			s.position = m.position;
			s.handler.event(m as unknown as LiveEvent<never>);
		}
		return;
	case "gap":
		if (s !== undefined) {
			s.position = m.position;
			s.handler.gap();
		}
		return;
	case "error":
		/* Nobody could say whether he may: asked again. A position that is none: from now on. Refused: it
		 * is not to be had; the page's own readings say why. */
		if (s === undefined)
			return;
		if ((m.error?.status ?? 0) >= 500) {
			s.late = true;
			window.setTimeout(() => {
				if (state === "live" && subscriptions.get(s.id) === s)
					ask(s);
			}, 2000);
		} else if (m.error?.status === 422 && s.position !== undefined) {
			s.position = undefined;
			s.late = true;
			ask(s);
		}
		return;
	default:
	}
}

async function ended(code: number): Promise<void> {
	socket = null;
	window.clearInterval(ping);
	failures++;
	if (code === 4401)
		await renew(token());
	/* Opened again meanwhile. */
	if (socket !== null)
		return;
	if (subscriptions.size === 0 || document.hidden || token() === null) {
		settle();
		return;
	}
	become("broken");
	/* The first time soon, as a process that died is back within a second; all pages of all
	 * users would otherwise come at the same time. */
	const most = Math.min(slowest, 250 * 2 ** Math.min(failures, 8));
	retry = window.setTimeout(
		() => {
			retry = 0;
			settle();
		},
		most / 2 + (Math.random() * most) / 2,
	);
}

function introduce(): void {
	introduced = token();
	say({ type: "auth", id: "auth", token: introduced });
}

function ask(s: Subscription): void {
	say({
		type: "subscribe",
		id: s.id,
		topic: s.topic,
		...(s.filter === undefined ? {} : { filter: s.filter }),
		...(s.position === undefined ? {} : { after: s.position }),
	});
}

function say(m: unknown): void {
	if (socket?.readyState === WebSocket.OPEN)
		socket.send(JSON.stringify(m));
}

function beat(): void {
	if (Date.now() - heard > 2 * pingEvery)
		socket?.close();
	else
		say({ type: "ping" });
}

function close(as: Connection): void {
	const ws = socket;

	socket = null;
	failures = 0;
	window.clearInterval(ping);
	window.clearTimeout(retry);
	retry = 0;
	ws?.close(1000);
	become(as);
}

function become(now: Connection): void {
	if (now === state)
		return;
	state = now;
	for (const w of watchers)
		w();
}

document.addEventListener("visibilitychange", settle);
window.addEventListener("online", () => {
	window.clearTimeout(retry);
	retry = 0;
	settle();
});
