/* session: who is signed in here. Code flow with PKCE at the fleet's own authorization server.
 * Tokens live in this module's memory alone: a page that is loaded anew asks the server again, which
 * answers without a word while the browser is signed in there. What must outlive the way there and
 * back (the verifier, of no use without the code) stands in sessionStorage until it is used. */
import { setMe } from "./me.ts";
import { Problem } from "./problem.ts";

const client = "metafed-ui";
const flowKey = "metafed.flow";
const signedOut = "signed-out";
/* Less than the server's refresh_repeat (15 s). */
const repeatFor = 12_000;

interface Flow {
	state: string;
	verifier: string;
	/* Where the user was. */
	back: string;
}

interface Tokens {
	access_token: string;
	refresh_token: string;
	expires_in: number;
	id_token?: string;
}

export type Arrival =
	| { kind: "in" }
	/* To be signed in by a click; what happened, in words. */
	| { kind: "out"; said: string }
	/* The browser is on its way to the authorization server. */
	| { kind: "away" };

let access: string | null = null;
let refresh: string | null = null;
let idToken: string | null = null;
let renewing: Promise<boolean> | null = null;
let timer = 0;
const lost = new Set<() => void>();

export function token(): string | null {
	return access;
}

/* Called when the session has ended and can't be renewed. */
export function onLost(f: () => void): () => void {
	lost.add(f);
	return () => void lost.delete(f);
}

/* What to do when the page has come: take the code that came along, or go and ask for one. */
export async function arrive(): Promise<Arrival> {
	const q = new URLSearchParams(location.search);
	const flow = takeFlow();
	const state = q.get("state");

	/* Pages may have a filter of this name. */
	if (state !== null && (q.has("code") || q.has("error") || state === signedOut)) {
		const ours = flow !== null && flow.state === state;
		history.replaceState(null, "", ours ? flow.back : "/ui/");
		if (ours)
			return returned(q, flow);
		if (state === signedOut)
			return { kind: "out", said: "You are signed out." };
	}
	return signIn();
}

/* To the authorization server, and back here. */
export async function signIn(): Promise<Arrival> {
	/* Hashing is there only where the page came by https, or from this machine. */
	if (!window.isSecureContext)
		return { kind: "out", said: "Signing in needs https, or an address on this machine." };
	const flow: Flow = {
		state: random(),
		verifier: random(),
		back: location.pathname + location.search,
	};
	const q = new URLSearchParams({
		response_type: "code",
		client_id: client,
		redirect_uri: redirectUri(),
		scope: "openid",
		state: flow.state,
		code_challenge: await challenge(flow.verifier),
		code_challenge_method: "S256",
	});

	try {
		sessionStorage.setItem(flowKey, JSON.stringify(flow));
	} catch {
		return { kind: "out", said: "Signing in needs the browser's session storage." };
	}
	location.assign(`/oauth/authorize?${q}`);
	return { kind: "away" };
}

/* The session ends, here, in the browser, and in its other tabs. */
export async function signOut(): Promise<void> {
	const q = new URLSearchParams({
		client_id: client,
		post_logout_redirect_uri: redirectUri(),
		state: signedOut,
	});

	if (idToken !== null)
		q.set("id_token_hint", idToken);
	tabs.postMessage(signedOut);
	await fetch("/oauth/revoke", revocation()).catch(() => {});
	forget();
	location.assign(`/oauth/logout?${q}`);
}

/* A token that is not `used`, which was refused. False: there is none to be had. */
export function renew(used: string | null): Promise<boolean> {
	if (access !== null && access !== used)
		return Promise.resolve(true);
	renewing ??= refreshed(refresh ?? "").finally(() => (renewing = null));
	return renewing;
}

/* No answer is no refusal, but it may have used the token up: the same is asked again while the server
 * takes that for a repeat. Later it would be a token used twice. */
async function refreshed(used: string): Promise<boolean> {
	const until = Date.now() + repeatFor;

	for (let pause = 500; ; pause *= 2) {
		try {
			return await exchange({ grant_type: "refresh_token", refresh_token: used });
		} catch (error) {
			if (refresh !== used)
				return false;
			if (error instanceof Problem && (error.status === 400 || error.status === 401)) {
				lose();
				return false;
			}
		}
		if (Date.now() + pause > until)
			return false;
		await new Promise<void>((done) => window.setTimeout(done, pause));
	}
}

async function returned(q: URLSearchParams, flow: Flow): Promise<Arrival> {
	const code = q.get("code");

	if (code === null)
		return { kind: "out", said: q.get("error_description") ?? q.get("error") ?? "" };
	try {
		await exchange({
			grant_type: "authorization_code",
			code,
			code_verifier: flow.verifier,
			redirect_uri: redirectUri(),
		});
		return { kind: "in" };
	} catch (error) {
		return { kind: "out", said: error instanceof Error ? error.message : "" };
	}
}

async function exchange(form: Record<string, string>): Promise<boolean> {
	if (form["refresh_token"] === "")
		return false;
	const r = await fetch("/oauth/token", {
		method: "POST",
		headers: { Accept: "application/json" },
		body: new URLSearchParams({ ...form, client_id: client }),
		credentials: "omit",
		cache: "no-store",
		redirect: "error",
		signal: AbortSignal.timeout(form["refresh_token"] === undefined ? 30_000 : 5_000),
	});
	const answer = (await r.json()) as Tokens & { error?: string; error_description?: string };

	if (!r.ok)
		throw new Problem({
			status: r.status,
			title: "Not signed in",
			detail: answer.error_description ?? answer.error ?? "",
			code: r.status >= 500 ? "UNAVAILABLE" : "UNAUTHENTICATED",
		});
	/* Signed out meanwhile: what came ends at once. */
	if (form["refresh_token"] !== undefined && form["refresh_token"] !== refresh) {
		void fetch("/oauth/revoke", revocation(answer.refresh_token)).catch(() => {});
		return false;
	}
	access = answer.access_token;
	refresh = answer.refresh_token;
	/* The first one names the browser's session, which a log-out is to end. */
	idToken ??= answer.id_token ?? null;
	/* A minute before it ends; a sleeping machine finds out by a 401. */
	window.clearTimeout(timer);
	timer = window.setTimeout(() => void renew(access), Math.max(5, answer.expires_in - 60) * 1000);
	return true;
}

function forget(): void {
	window.clearTimeout(timer);
	access = refresh = null;
	setMe(null);
}

function lose(): void {
	forget();
	for (const f of lost)
		f();
}

function revocation(token = refresh ?? ""): RequestInit {
	return {
		method: "POST",
		body: new URLSearchParams({ token, client_id: client }),
		credentials: "omit",
		keepalive: true,
	};
}

/* A page that is left for good ends its session: the next one begins its own. */
window.addEventListener("pagehide", (e) => {
	if (!e.persisted && refresh !== null)
		void fetch("/oauth/revoke", revocation()).catch(() => {});
});

const tabs = new BroadcastChannel("metafed");
tabs.onmessage = () => {
	if (refresh !== null)
		void fetch("/oauth/revoke", revocation()).catch(() => {});
	if (access !== null)
		lose();
};

function takeFlow(): Flow | null {
	try {
		const text = sessionStorage.getItem(flowKey);
		sessionStorage.removeItem(flowKey);
		return text === null ? null : (JSON.parse(text) as Flow);
	} catch {
		return null;
	}
}

function redirectUri(): string {
	return `${location.origin}/ui/`;
}

function random(): string {
	return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challenge(verifier: string): Promise<string> {
	const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));

	return base64url(new Uint8Array(hash));
}

function base64url(bytes: Uint8Array): string {
	return btoa(String.fromCharCode(...bytes))
		.replaceAll("+", "-")
		.replaceAll("/", "_")
		.replaceAll("=", "");
}
