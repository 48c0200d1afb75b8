import { defineConfig } from "vite";

export default defineConfig({
	base: "/ui/",
	esbuild: { jsx: "automatic", jsxImportSource: "preact" },
	build: {
		outDir: "../../../build/ui/dist",
		emptyOutDir: true,
		target: "es2022",
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
		chunkSizeWarningLimit: 400,
	},
});
