// Bundles the page into dist/, which is what the tests serve to the browsers.
import { build } from "esbuild";
import { copyFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await build({
  entryPoints: [here("src/main.js")],
  outfile: here("dist/main.js"),
  bundle: true,
  format: "iife",
  target: ["chrome111", "firefox120"],
  sourcemap: "inline",
  logLevel: "warning",
});
await copyFile(here("src/index.html"), here("dist/index.html"));
