/**
 * Makes a component of a module whose default export is a handler: `wharf-js charge.ts -o charge.wasm`.
 *
 * Invariant: the component imports what the plugin's `needs` say and no capability beyond; what was declared is in its custom sections. The
 * output appears whole or not at all.
 *
 * It is run on the author's machine, and never in a component. rolldown and componentize-qjs (or componentize-js) do the work.
 */

// Node's own types are not needed for what is used here of it, and so no author has to install them.
// @ts-ignore
import { cpSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
// @ts-ignore
import { tmpdir } from "node:os";
// @ts-ignore
import { basename, dirname, join, resolve } from "node:path";
// @ts-ignore
import { fileURLToPath, pathToFileURL } from "node:url";

import type { Plugin } from "./declare.js";
import { encodeText } from "./text.js";

declare const process: { stdout: { write(text: string): void }; stderr: { write(text: string): void } };

/** The engines that a component can have. */
export type Engine = "quickjs" | "spidermonkey";

const PACKAGE = dirname(dirname(fileURLToPath((import.meta as unknown as { url: string }).url)));

const WORLDS = { handler: "event-handler", "batch-handler": "event-batch-handler", transform: "event-transform" };
const EXPORTS = { handler: "handler", "batch-handler": "batchHandler", transform: "transformer" };

/** The interfaces of a handler's world: their names in `Imports`, and the kind of need that a capability stands for. */
const INTERFACES: [name: string, wit: string, need?: "publish" | "kv"][] = [
  ["publisher", "wharf:plugin/publisher@0.1.0", "publish"],
  ["counters", "wharf:plugin/counters@0.1.0", "kv"],
  ["store", "wasi:keyvalue/store@0.2.0-draft", "kv"],
  ["atomics", "wasi:keyvalue/atomics@0.2.0-draft", "kv"],
  ["config", "wasi:config/store@0.2.0-rc.1"],
  ["logging", "wasi:logging/logging@0.1.0-draft"],
  ["clock", "wasi:clocks/wall-clock@0.2.0"],
  ["random", "wasi:random/random@0.2.0"],
];

/** Why there is no component, for the author to read. */
export class BuildError extends Error {}

/** Builds the component of a module. */
export async function build(module: string, output: string, engine: Engine = "quickjs"): Promise<void> {
  const work: string = mkdtempSync(join(tmpdir(), "wharf-"));
  try {
    const plugin = await declaredBy(module, work);
    const imports = INTERFACES.filter(([, , need]) => plugin.kind !== "transform" && isNeeded(plugin, need));
    const wit = join(work, "wit");
    cpSync(join(PACKAGE, "wit"), wit, { recursive: true });
    const left = new Set(INTERFACES.filter((one) => !imports.includes(one)).map(([, name]) => name.replace(/^wharf:plugin\/(.*)@.*$/, "$1")));
    for (const file of readdirSync(wit, { recursive: true }).filter((file: string) => file.endsWith(".wit"))) {
      const path = join(wit, file);
      writeFileSync(path, narrowed(readFileSync(path, "utf8"), left));
    }
    const source = await bundled(entry(module, plugin, imports, engine), work);
    const component = await componentized(source, wit, WORLDS[plugin.kind], engine, work);
    const half = `${output}.half`;
    writeFileSync(half, joined([component, ...sections(plugin)]));
    renameSync(half, output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The contract without the imports that are left out. */
export function narrowed(wit: string, left: Set<string>): string {
  return wit.replace(/^ {4}import ([^;]+);\n/gm, (line, name: string) => (left.has(name) ? "" : line));
}

/** A custom section, as it stands at the end of a component (WebAssembly, "Custom Section": id 0, size, name, bytes). */
export function customSection(name: string, content: string): Uint8Array {
  const said = joined([leb128(name.length), encodeText(name), encodeText(content)]);
  return joined([Uint8Array.of(0), leb128(said.length), said]);
}

function leb128(number: number): Uint8Array {
  const bytes: number[] = [];
  for (; number > 0x7f; number = Math.floor(number / 128)) bytes.push((number & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, number]);
}

function joined(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function sections(plugin: Plugin): Uint8Array[] {
  const said: Uint8Array[] = [];
  const { needs, on } = plugin;
  if (needs !== undefined) {
    said.push(customSection("wharf:needs", JSON.stringify({ publish: needs.publish ?? [], kv: needs.kv ?? [] })));
  }
  if (on.length > 0) said.push(customSection("wharf:handler", JSON.stringify({ on })));
  return said;
}

function isNeeded(plugin: Plugin, need: "publish" | "kv" | undefined): boolean {
  return need === undefined || plugin.needs === undefined || (plugin.needs[need] ?? []).length > 0;
}

/** The default export of the author's module, which is run for that. */
async function declaredBy(module: string, work: string): Promise<Plugin> {
  const file = join(work, "declared.mjs");
  writeFileSync(file, await bundled(`export { default } from ${JSON.stringify(module)};\n`, work));
  const plugin = (await import(pathToFileURL(file).href)).default as Plugin | undefined;
  if (plugin === undefined || !Object.hasOwn(WORLDS, plugin.kind)) {
    throw new BuildError(`${basename(module)}: its default export is no handler: write \`export default handler({ on: "…" }, (event, cx) => { … })\``);
  }
  return plugin;
}

/** What is componentized: the author's module between the interfaces that it imports and the one that it exports. */
function entry(module: string, plugin: Plugin, imports: typeof INTERFACES, engine: Engine): string {
  const lines = imports.map(([name, wit]) => `import * as ${name}_ from ${JSON.stringify(wit)};`);
  // One engine gives an interface as its default export, the other as its named ones.
  const names = imports.map(([name]) => `${name}: ${name}_.default ?? ${name}_`).join(", ");
  return [
    ...lines,
    `import plugin from ${JSON.stringify(module)};`,
    `import { exported } from ${JSON.stringify(join(PACKAGE, "dist/component.js"))};`,
    `export const ${EXPORTS[plugin.kind]} = exported(plugin, { ${names} }, ${engine === "spidermonkey"});`,
    "",
  ].join("\n");
}

async function bundled(entry: string, work: string): Promise<string> {
  const { rolldown } = await tool("rolldown");
  const input = join(work, "entry.mjs");
  writeFileSync(input, entry);
  const alias = { wharf: join(PACKAGE, "dist/index.js"), "wharf/component": join(PACKAGE, "dist/component.js") };
  const bundle = await rolldown({ input, external: /^(wasi|wharf):/, resolve: { alias }, logLevel: "silent" });
  const { output } = await bundle.generate({ format: "esm" });
  return output[0].code;
}

async function componentized(source: string, wit: string, world: string, engine: Engine, work: string): Promise<Uint8Array> {
  if (engine === "quickjs") {
    const { componentize } = await tool("componentize-qjs");
    // A transform is pure, so it gets nothing of WASI. Elsewhere the engine's own imports are inert in the host; stubbed, the clock and the
    // random numbers of the contract would be stubbed with them.
    const stubWasi = world === WORLDS.transform;
    const done = await componentize({ jsSource: source, witPath: wit, world, sync: true, optSize: true, stubWasi });
    return done.component;
  }
  const { componentize } = await tool("@bytecodealliance/componentize-js");
  const file = join(work, "bundled.js");
  writeFileSync(file, source);
  const disableFeatures = ["random", "stdio", "clocks", "http", "fetch-event"];
  const done = await componentize({ sourcePath: file, witPath: wit, worldName: world, disableFeatures });
  return done.component;
}

async function tool(name: string): Promise<any> {
  try {
    return await import(name);
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new BuildError(`${name} is not installed: npm install --save-dev ${name}`);
  }
}

const USAGE = "usage: wharf-js MODULE [-o FILE] [--engine quickjs|spidermonkey]\n";

/** The command line. */
export async function main(args: string[]): Promise<number> {
  let [module, output, engine]: [string | undefined, string | undefined, string] = [undefined, undefined, "quickjs"];
  for (let n = 0; n < args.length; n += 1) {
    const arg = args[n] as string;
    if (arg === "-o" || arg === "--output") output = args[(n += 1)];
    else if (arg === "--engine") engine = args[(n += 1)] ?? "";
    else if (arg.startsWith("-") || module !== undefined) module = output = undefined;
    else module = arg;
  }
  if (module === undefined || (engine !== "quickjs" && engine !== "spidermonkey")) {
    process.stderr.write(USAGE);
    return 2;
  }
  const from = resolve(module);
  const to = resolve(output ?? from.replace(/\.[cm]?[jt]s$/, ".wasm"));
  try {
    await build(from, to, engine);
  } catch (error) {
    const said = error instanceof BuildError ? error.message : ((error as Error).stack ?? String(error));
    process.stderr.write(`error: ${said}\n`);
    return 1;
  }
  process.stdout.write(`${to}\n`);
  return 0;
}
