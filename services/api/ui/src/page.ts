/* page: what a page of the dashboard is. One file per page, src/pages/NAME.tsx, that exports `page`;
 * nothing else has to be told of it. */
import type { ComponentType } from "preact";

export type Section = "Fleet" | "Work" | "Operations" | "Access";

export interface PageProps {
	/* The path below the page's own, in segments: /ui/tasks/ID/history -> ["ID", "history"]. */
	rest: string[];
}

export interface Page {
	/* Below /ui: "tasks". "" is the home page. */
	path: string;
	title: string;
	section: Section;
	/* Within its section; small ones come first. */
	order: number;
	/* The `d` of one stroked path in a box of 16 by 16. */
	icon: string;
	/* Without it the page is neither in the navigation nor shown. null: for everybody signed in. */
	permission: string | null;
	component: ComponentType<PageProps>;
}

const sections: Section[] = ["Fleet", "Work", "Operations", "Access"];

function collect(): Page[] {
	const files = import.meta.glob<{ page?: Page }>("./pages/*.tsx", { eager: true });
	const found = Object.entries(files).map(([file, module]) => {
		if (module.page === undefined)
			throw new Error(`${file} exports no page`);
		return module.page;
	});

	return found.sort(
		(a, b) =>
			sections.indexOf(a.section) - sections.indexOf(b.section) || a.order - b.order,
	);
}

export const pages: Page[] = collect();
