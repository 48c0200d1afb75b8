/* now: one clock for all that says how long ago something was; it stands while the tab is hidden. */
import { useEffect, useState } from "preact/hooks";

const step = 5000;
const listeners = new Set<(now: number) => void>();
let timer = 0;

function tick(): void {
	if (!document.hidden)
		for (const l of listeners)
			l(Date.now());
}

export function useNow(): number {
	const [now, setNow] = useState(Date.now());

	useEffect(() => {
		listeners.add(setNow);
		if (timer === 0)
			timer = window.setInterval(tick, step);
		return () => {
			listeners.delete(setNow);
			if (listeners.size === 0) {
				window.clearInterval(timer);
				timer = 0;
			}
		};
	}, []);
	return now;
}

document.addEventListener("visibilitychange", tick);
