/* format: numbers, sizes, durations and times, each in one way everywhere. */
import type { JSX } from "preact";
import { useNow } from "./now.ts";

/* 1234567 -> "1,234,567" */
export function count(n: number): string {
	return n.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

/* As many decimals as mean something: 0.04, 3.1, 42, 1,234. */
export function figure(n: number): string {
	const a = Math.abs(n);

	if (a > 0 && a < 0.01)
		return "<0.01";
	return n.toLocaleString("en-US", { maximumFractionDigits: a < 1 ? 2 : a < 20 ? 1 : 0 });
}

/* Rounded before its unit is chosen: 999.7 ms are "1.0 s", not "1000 ms". */
export function duration(ms: number): string {
	const a = Math.abs(ms);
	const s = Math.round(ms / 1000);

	if (a < 0.9995)
		return `${Math.round(ms * 1000)} µs`;
	if (a < 999.5)
		return `${a < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
	if (a < 59_500)
		return `${a < 9950 ? (ms / 1000).toFixed(1) : s} s`;
	if (s < 3600)
		return inTwo(Math.floor(s / 60), "min", s % 60, "s");
	if (s < 86_400)
		return inTwo(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
	return inTwo(Math.floor(s / 86_400), "d", Math.floor((s % 86_400) / 3600), "h");
}

/* 1 min 5 s; 1 min */
function inTwo(large: number, unit: string, small: number, below: string): string {
	return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${below}`;
}

/* null: there was nothing to measure. */
export function took(ms: number | null | undefined): string {
	return ms === null || ms === undefined ? "–" : duration(ms);
}

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(n: number): string {
	let i = 0;
	let v = n;

	while (Math.abs(v) >= (i === 0 ? 1024 : 1023.5) && i < units.length - 1) {
		v /= 1024;
		i++;
	}
	return `${i === 0 || v >= 99.95 ? Math.round(v) : v.toFixed(1)} ${units[i]}`;
}

export function Duration({ ms }: { ms: number | null | undefined }): JSX.Element {
	return <span class="num">{took(ms)}</span>;
}

export function Bytes({ n }: { n: number | null | undefined }): JSX.Element {
	if (n === null || n === undefined)
		return <span class="num">–</span>;
	return (
		<span class="num" title={`${count(n)} bytes`}>
			{bytes(n)}
		</span>
	);
}

interface TimeProps {
	/* RFC 3339, or ms since 1970. */
	at: string | number | null | undefined;
	/* "3 min ago" instead of the clock's time; moves on by itself. */
	ago?: boolean;
}

/* Local time; UTC on hover. */
export function Time({ at, ago = false }: TimeProps): JSX.Element {
	if (at === null || at === undefined || at === "")
		return <span class="num muted">–</span>;
	const d = new Date(at);
	if (Number.isNaN(d.getTime()))
		return <span class="num">{String(at)}</span>;
	const both = `${local(d)} local time\n${d.toISOString()} UTC`;
	return (
		<time class="num" dateTime={d.toISOString()} title={both}>
			{ago ? <Ago at={d.getTime()} /> : local(d)}
		</time>
	);
}

function Ago({ at }: { at: number }): JSX.Element {
	const now = useNow();

	return <>{agoOf(now - at)}</>;
}

export function agoOf(ms: number): string {
	if (ms < 0)
		return `in ${duration(-ms)}`;
	if (ms < 1000)
		return "just now";
	return `${coarse(ms)} ago`;
}

function coarse(ms: number): string {
	const steps: [number, string][] = [
		[86_400_000, "d"],
		[3_600_000, "h"],
		[60_000, "min"],
		[1000, "s"],
	];
	const [size, unit] = steps.find(([s]) => ms >= s) ?? [1000, "s"];

	return `${Math.floor(ms / size)} ${unit}`;
}

/* What a datetime-local field has, as the API takes it; "" where it has none. */
export function instant(input: string | undefined): string {
	const d = new Date(input ?? "");

	return Number.isNaN(d.getTime()) ? "" : d.toISOString();
}

/* 2026-11-22 09:30:05, in the reader's zone. */
export function local(d: Date): string {
	const p = (n: number): string => String(n).padStart(2, "0");

	return (
		`${d.getFullYear()}-${p(d.getMonth() + 1)}-${p(d.getDate())} ` +
		`${p(d.getHours())}:${p(d.getMinutes())}:${p(d.getSeconds())}`
	);
}
