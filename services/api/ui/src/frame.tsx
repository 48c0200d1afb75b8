/* frame: what stands around every page: where one can go, who one is, and whether what is shown is live. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button, Empty, Head } from "./kit/basics.tsx";
import { Toasts } from "./kit/toast.tsx";
import { may, useMe } from "./lib/me.ts";
import { type Connection, useConnection } from "./lib/live.ts";
import { href, Link, useRoute } from "./lib/route.tsx";
import { signOut } from "./lib/session.ts";
import { type Page, type Section, pages } from "./page.ts";
import { useTheme } from "./theme.ts";

export function Frame(): JSX.Element {
	const { segments } = useRoute();
	const [open, setOpen] = useState(false);
	const main = useRef<HTMLElement>(null);
	const first = useRef(true);
	const mine = pages.filter((p) => may(p.permission));
	const page = mine.find((p) => p.path === (segments[0] ?? ""));
	const path = segments.join("/");

	useMe();
	useEffect(() => {
		document.title = page === undefined ? "metafed" : `${page.title} - metafed`;
		setOpen(false);
		if (!first.current)
			main.current?.focus();
		first.current = false;
	}, [path]);
	return (
		<div class="frame" onKeyDown={(e) => e.key === "Escape" && setOpen(false)}>
			<a class="skip" href="#main">
				To the page
			</a>
			<header class="bar">
				<Button label="Menu" expanded={open} onClick={() => setOpen(!open)}>
					<Icon path="M2 4h12M2 8h12M2 12h12" />
				</Button>
				<strong>metafed</strong>
				<Live />
			</header>
			<nav class={open ? "nav open" : "nav"} aria-label="Pages">
				<Link to={href()} class="brand">
					<Icon path="M8 3.5 3.5 12h9zM8 3.5v0M3.5 12v0M12.5 12v0" />
					metafed
				</Link>
				<Sections pages={mine} current={page} />
				<Account />
			</nav>
			<main id="main" tabIndex={-1} ref={main}>
				{page === undefined ? (
					<Missing path={path} />
				) : (
					<page.component key={page.path} rest={segments.slice(1)} />
				)}
			</main>
			<Toasts />
		</div>
	);
}

function Sections({ pages: all, current }: { pages: Page[]; current: Page | undefined }): JSX.Element {
	const sections = [...new Set<Section>(all.map((p) => p.section))];

	return (
		<div class="sections">
			{sections.map((s) => (
				<section key={s} aria-label={s}>
					<h2>{s}</h2>
					<ul>
						{all
							.filter((p) => p.section === s)
							.map((p) => (
								<li key={p.path}>
									<Link to={href(p.path)} current={p === current}>
										<Icon path={p.icon} />
										{p.title}
									</Link>
								</li>
							))}
					</ul>
				</section>
			))}
		</div>
	);
}

function Account(): JSX.Element {
	const me = useMe();
	const [theme, setTheme] = useTheme();

	return (
		<div class="account">
			<Live />
			<label>
				<span class="muted">Colours</span>
				<select
					value={theme}
					onInput={(e) => setTheme(e.currentTarget.value as typeof theme)}
				>
					<option value="system">system</option>
					<option value="light">light</option>
					<option value="dark">dark</option>
				</select>
			</label>
			<div class="who">
				<span title={me?.roles.join(", ") ?? ""}>
					{me?.name} <span class="muted">{me?.roles.join(", ")}</span>
				</span>
				<Button small onClick={() => void signOut()}>
					Sign out
				</Button>
			</div>
		</div>
	);
}

const words: Record<Connection, string> = {
	off: "",
	paused: "paused",
	connecting: "connecting",
	live: "live",
	broken: "reconnecting",
};

/* Whether events come; without them pages are read every few seconds all the same. */
function Live(): JSX.Element {
	const now = useConnection();

	return (
		<span class={`connection ${now}`} role="status">
			{words[now]}
		</span>
	);
}

export function Icon({ path }: { path: string }): JSX.Element {
	return (
		<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
			<path d={path} />
		</svg>
	);
}

function Missing({ path }: { path: string }): JSX.Element {
	return (
		<>
			<Head title="Nothing here" />
			<Empty>
				There is no page {path}, or you may not see it. <Link to={href()}>To the start</Link>
			</Empty>
		</>
	);
}
