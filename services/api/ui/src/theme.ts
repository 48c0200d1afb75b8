/* theme: light, dark, or as the system has it; kept in this browser. */
import { useEffect, useState } from "preact/hooks";

type Theme = "system" | "light" | "dark";

const key = "metafed.theme";

function stored(): Theme {
	try {
		const s = localStorage.getItem(key);
		return s === "light" || s === "dark" ? s : "system";
	} catch {
		return "system";
	}
}

function apply(theme: Theme): void {
	if (theme === "system")
		delete document.documentElement.dataset["theme"];
	else
		document.documentElement.dataset["theme"] = theme;
	window.dispatchEvent(new Event("metafed:theme"));
}

export function useTheme(): [Theme, (theme: Theme) => void] {
	const [theme, setTheme] = useState<Theme>(stored);

	useEffect(() => {
		apply(theme);
		try {
			localStorage.setItem(key, theme);
		} catch {
			/* it holds until the page is left */
		}
	}, [theme]);
	return [theme, setTheme];
}

apply(stored());
