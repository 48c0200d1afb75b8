/* kit: what pages are made of, in one place. */
export * from "./basics.tsx";
export * from "./chart.tsx";
export * from "./dialog.tsx";
export * from "./editor.tsx";
export * from "./form.tsx";
export * from "./format.tsx";
export * from "./listed.tsx";
export * from "./now.ts";
export * from "./object.ts";
export * from "./shell.ts";
export * from "./table.tsx";
export * from "./tabs.tsx";
export * from "./toast.tsx";
export * from "./waterfall.tsx";
