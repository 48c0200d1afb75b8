/* tasks: the list by filter, and one of them. */
import type { JSX } from "preact";
import type { Page, PageProps } from "../page.ts";
import { TaskDetail } from "./tasks/detail.tsx";
import { TaskList } from "./tasks/list.tsx";

function Tasks({ rest }: PageProps): JSX.Element {
	const id = rest[0];

	return id === undefined ? <TaskList /> : <TaskDetail id={id} />;
}

export const page: Page = {
	path: "tasks",
	title: "Tasks",
	section: "Work",
	order: 10,
	permission: "task.read",
	icon: "M3 4h2M3 8h2M3 12h2M7 4h6M7 8h6M7 12h6",
	component: Tasks,
};
