/* app: who is here, and what he sees: the frame, or the way in. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Frame } from "./frame.tsx";
import { Button, ErrorBox } from "./kit/basics.tsx";
import { get } from "./lib/api.ts";
import { type Me, setMe } from "./lib/me.ts";
import { type Problem, problemOf } from "./lib/problem.ts";
import { arrive, onLost, signIn } from "./lib/session.ts";

type State =
	| { kind: "arriving" }
	| { kind: "in" }
	| { kind: "out"; said: string }
	| { kind: "failed"; error: Problem };

export function App(): JSX.Element {
	const [state, setState] = useState<State>({ kind: "arriving" });

	useEffect(() => {
		void enter().then(setState);
		return onLost(() => setState({ kind: "out", said: "Your session has ended." }));
	}, []);
	if (state.kind === "in")
		return <Frame />;
	if (state.kind === "failed")
		return (
			<Door>
				<ErrorBox error={state.error} retry={() => void whoAmI().then(setState)} />
			</Door>
		);
	if (state.kind === "out")
		return (
			<Door>
				{state.said !== "" && <p role="status">{state.said}</p>}
				<Button
					tone="primary"
					onClick={() => void signIn().then((a) => a.kind === "out" && setState(a))}
				>
					Sign in
				</Button>
			</Door>
		);
	return <p class="loading" role="status">Signing in …</p>;
}

function Door({ children }: { children: JSX.Element | (JSX.Element | false)[] }): JSX.Element {
	return (
		<main class="door">
			<h1>metafed</h1>
			{children}
		</main>
	);
}

async function enter(): Promise<State> {
	const arrival = await arrive();

	if (arrival.kind === "in")
		return whoAmI();
	return arrival.kind === "out" ? arrival : { kind: "arriving" };
}

async function whoAmI(): Promise<State> {
	try {
		setMe((await get<Me>("/me")).data);
		return { kind: "in" };
	} catch (error) {
		return { kind: "failed", error: problemOf(error) };
	}
}
