/* chart: lines over time (uPlot), with what they say in words and as a table, too. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { figure, local } from "./format.tsx";

export interface Series {
	label: string;
	/* null: nothing was measured. */
	values: readonly (number | null)[];
	/* Of the palette; by default its place. */
	color?: 1 | 2 | 3 | 4;
}

interface ChartProps {
	title: string;
	/* In ms, ascending; as many as each series has values. */
	times: readonly number[];
	series: readonly Series[];
	format?: (n: number) => string;
	height?: number;
}

export function Chart({ title, times, series, format = figure, height = 160 }: ChartProps): JSX.Element {
	const box = useRef<HTMLDivElement>(null);
	const plot = useRef<uPlot | null>(null);
	const shape = series.map((s) => s.label).join("\n");

	useEffect(() => {
		const b = box.current;
		if (b === null)
			return undefined;
		const make = (): void => {
			plot.current?.destroy();
			plot.current = new uPlot(
				optionsOf(b.clientWidth, height, series, format),
				dataOf(times, series),
				b,
			);
		};
		const resized = new ResizeObserver(() =>
			plot.current?.setSize({ width: b.clientWidth, height }),
		);
		const scheme = window.matchMedia("(prefers-color-scheme: dark)");
		make();
		resized.observe(b);
		scheme.addEventListener("change", make);
		window.addEventListener("metafed:theme", make);
		return () => {
			resized.disconnect();
			scheme.removeEventListener("change", make);
			window.removeEventListener("metafed:theme", make);
			plot.current?.destroy();
			plot.current = null;
		};
	}, [shape, height]);
	useEffect(() => plot.current?.setData(dataOf(times, series)), [times, series]);
	return (
		<figure class="chart">
			<figcaption>
				<strong>{title}</strong>
				{series.map((s, i) => (
					<span key={s.label} class={`legend c${s.color ?? (i % 4) + 1}`}>
						{s.label} <b class="num">{said(s.values.at(-1), format)}</b>
					</span>
				))}
			</figcaption>
			<div ref={box} role="img" aria-label={`${title}: ${summary(series, format)}`} />
			<details>
				<summary>as a table</summary>
				<table>
					<thead>
						<tr>
							<th scope="col">Time</th>
							{series.map((s) => (
								<th key={s.label} scope="col">
									{s.label}
								</th>
							))}
						</tr>
					</thead>
					<tbody>
						{times
							.map((t, i) => ({ t, i }))
							.slice(-20)
							.map(({ t, i }) => (
								<tr key={t}>
									<td class="num">{local(new Date(t))}</td>
									{series.map((s) => (
										<td key={s.label} class="num end">
											{said(s.values[i], format)}
										</td>
									))}
								</tr>
							))}
					</tbody>
				</table>
			</details>
		</figure>
	);
}

/* 09:30:05 */
function clock(seconds: number): string {
	return local(new Date(seconds * 1000)).slice(11);
}

function said(n: number | null | undefined, format: (n: number) => string): string {
	return n === null || n === undefined ? "–" : format(n);
}

function summary(series: readonly Series[], format: (n: number) => string): string {
	return series
		.map((s) => {
			const known = s.values.filter((v) => v !== null);
			if (known.length === 0)
				return `${s.label}: nothing measured`;
			const low = format(Math.min(...known));
			const high = format(Math.max(...known));
			return `${s.label}: now ${said(s.values.at(-1), format)}, from ${low} to ${high}`;
		})
		.join("; ");
}

function dataOf(times: readonly number[], series: readonly Series[]): uPlot.AlignedData {
	return [times.map((t) => t / 1000), ...series.map((s) => [...s.values])];
}

/* A custom property as a canvas takes it: not "light-dark(...)", but what that is now. */
function resolver(): (name: string) => string {
	return (name) => {
		const probe = document.createElement("span");
		probe.style.color = `var(${name})`;
		document.body.append(probe);
		const color = getComputedStyle(probe).color;
		probe.remove();
		return color;
	};
}

/* "1 min 40 s" needs more of it than "5". */
function roomOf(_u: uPlot, values: string[] | null): number {
	return Math.max(44, 16 + 6.5 * Math.max(0, ...(values ?? []).map((v) => v.length)));
}

function optionsOf(
	width: number,
	height: number,
	series: readonly Series[],
	format: (n: number) => string,
): uPlot.Options {
	const color = resolver();
	const axis: uPlot.Axis = {
		stroke: color("--muted"),
		grid: { stroke: color("--line"), width: 1 },
		ticks: { show: false },
		font: `11px ${getComputedStyle(document.body).fontFamily}`,
	};

	return {
		width,
		height,
		legend: { show: false },
		/* Half of the last time. */
		padding: [null, 28, null, null],
		cursor: { y: false, points: { size: 6 } },
		scales: { y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
		axes: [{ ...axis, space: 90, values: (_u, v) => v.map(clock) }, { ...axis, size: roomOf, values: (_u, v) => v.map((n) => (n === 0 ? "0" : format(n))) }],
		series: [
			{},
			...series.map((s, i) => ({
				label: s.label,
				stroke: color(`--c${s.color ?? (i % 4) + 1}`),
				width: 1.5,
				points: { show: false },
			})),
		],
	};
}
