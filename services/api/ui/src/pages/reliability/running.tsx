/* running: the last minute, hour and day, as the fleet counts them itself. */
import type { JSX } from "preact";
import {
	Card, Command, Duration, Facts, Shown, count, metafed,
} from "../../kit/index.ts";
import { useLoad } from "../../lib/load.ts";

interface Part {
	calls: number;
	failed: number;
}

interface Window {
	window: string;
	requests: number;
	success: number;
	partial: number;
	failed: number;
	refused: number;
	rejected: number;
	cancelled: number;
	reliability: number | null;
	ci99: [number, number] | null;
	p50_ms: number | null;
	p99_ms: number | null;
	domains: Record<string, Part>;
	agents: Record<string, Part>;
	failovers: { from: string; to: string; count: number }[];
}

const names: Record<string, string> = { "1m": "Last minute", "1h": "Last hour", "24h": "Last day" };

export function Running(): JSX.Element {
	const load = useLoad<{ windows: Window[] }>("/reliability", { every: 5000 });

	return (
		<>
			<Command run={metafed("reliability", "show")} />
			<Shown of={load}>
				{({ windows }) => (
					<>
						<div class="grid">
							{windows.map((w) => (
								<Card key={w.window} title={names[w.window] ?? w.window}>
									<Figures of={w} />
								</Card>
							))}
						</div>
						<Parts windows={windows} title="Domains" of={(w) => w.domains} />
						<Parts windows={windows} title="Agents" of={(w) => w.agents} />
						<Failovers windows={windows} />
					</>
				)}
			</Shown>
		</>
	);
}

function Figures({ of: w }: { of: Window }): JSX.Element {
	const num = (n: number): JSX.Element => <span class="num">{count(n)}</span>;

	return (
		<>
			<p class="big num">{percent(w.reliability)}</p>
			<Facts
				items={[
					[
						"Full successes, 99 % interval",
						w.ci99 === null ? "–" : `${percent(w.ci99[0])} to ${percent(w.ci99[1])}`,
					],
					["Requests", num(w.requests)],
					["Success", num(w.success)],
					["Partial", num(w.partial)],
					["Failed", num(w.failed)],
					["Refused", num(w.refused)],
					["Rejected", num(w.rejected)],
					["Cancelled", num(w.cancelled)],
					["Median", <Duration key="50" ms={w.p50_ms} />],
					["99 of 100 within", <Duration key="99" ms={w.p99_ms} />],
				]}
			/>
		</>
	);
}

function Parts(p: {
	windows: Window[];
	title: string;
	of: (w: Window) => Record<string, Part>;
}): JSX.Element {
	const all = [...new Set(p.windows.flatMap((w) => Object.keys(p.of(w))))].sort();

	if (all.length === 0)
		return <></>;
	return (
		<Card title={p.title}>
			<div class="scroll" tabIndex={0} role="region" aria-label={p.title}>
				<table class="plain-table">
					<thead>
						<tr>
							<th scope="col">Name</th>
							{p.windows.map((w) => (
								<th key={w.window} scope="col" class="end">
									{w.window}: failed of calls
								</th>
							))}
						</tr>
					</thead>
					<tbody>
						{all.map((name) => (
							<tr key={name}>
								<th scope="row">{name}</th>
								{p.windows.map((w) => (
									<td key={w.window} class="num end">
										<Failed of={p.of(w)[name]} />
									</td>
								))}
							</tr>
						))}
					</tbody>
				</table>
			</div>
		</Card>
	);
}

function Failed({ of }: { of: Part | undefined }): JSX.Element {
	if (of === undefined || of.calls === 0)
		return <span class="muted">–</span>;
	return (
		<>
			{of.failed > 0 ? <strong>{count(of.failed)}</strong> : "0"} of {count(of.calls)}
			{of.failed > 0 && <span class="muted"> ({percent(of.failed / of.calls)})</span>}
		</>
	);
}

function Failovers({ windows }: { windows: Window[] }): JSX.Element {
	const all = windows.flatMap((w) => w.failovers);
	const pairs = [...new Set(all.map((f) => `${f.to} for ${f.from}`))].sort();
	const counted = (w: Window, pair: string): number =>
		w.failovers.find((f) => `${f.to} for ${f.from}` === pair)?.count ?? 0;

	return (
		<Card title="Who took over from whom">
			{pairs.length === 0 ? (
				<p class="muted">Nobody had to.</p>
			) : (
				<div class="scroll" tabIndex={0} role="region" aria-label="Stand-ins">
					<table class="plain-table">
						<thead>
							<tr>
								<th scope="col">Who for whom</th>
								{windows.map((w) => (
									<th key={w.window} scope="col" class="end">
										{w.window}: calls
									</th>
								))}
							</tr>
						</thead>
						<tbody>
							{pairs.map((pair) => (
								<tr key={pair}>
									<th scope="row">{pair}</th>
									{windows.map((w) => (
										<td key={w.window} class="num end">
											{count(counted(w, pair))}
										</td>
									))}
								</tr>
							))}
						</tbody>
					</table>
				</div>
			)}
		</Card>
	);
}

/* Nines are not rounded away. */
export function percent(share: number | null | undefined): string {
	if (share === null || share === undefined)
		return "–";
	const p = share * 100;
	if (p === 0 || p === 100)
		return `${p} %`;
	return `${p > 99.99 || p < 0.01 ? p.toFixed(4) : p.toFixed(2)} %`;
}
