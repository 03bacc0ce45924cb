/**
 * Makes a component of a module whose default export is a handler: `wharf-js charge.ts -o charge.wasm`.
 *
 * Invariant: the component imports what the plugin's `needs` say and no capability beyond; what was declared is in its custom sections. The
 * output appears whole or not at all.
 *
 * It is run on the author's machine, and never in a component. rolldown and componentize-qjs (or componentize-js) do the work. It is
 * written in JavaScript, so that it runs where the package is its sources and nothing has compiled them.
 */

import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const PACKAGE = dirname(dirname(fileURLToPath(import.meta.url)));

const encoder = new TextEncoder();

/** A module of the SDK: compiled in the package as it is published, in TypeScript where it is vendored. */
function ours(name) {
  const compiled = join(PACKAGE, "dist", `${name}.js`);
  return existsSync(compiled) ? compiled : join(PACKAGE, "src", `${name}.ts`);
}

const WORLDS = { handler: "event-handler", "batch-handler": "event-batch-handler", transform: "event-transform" };
const EXPORTS = { handler: "handler", "batch-handler": "batchHandler", transform: "transformer" };

/** The interfaces of a handler's world: their names in `Imports`, and the kind of need that a capability stands for. */
const INTERFACES = [
  ["publisher", "wharf:plugin/publisher@0.1.0", "publish"],
  ["counters", "wharf:plugin/counters@0.1.0", "kv"],
  ["store", "wasi:keyvalue/store@0.2.0-draft", "kv"],
  ["atomics", "wasi:keyvalue/atomics@0.2.0-draft", "kv"],
  ["config", "wasi:config/store@0.2.0-rc.1"],
  ["logging", "wasi:logging/logging@0.1.0-draft"],
  ["clock", "wasi:clocks/wall-clock@0.2.0"],
  ["random", "wasi:random/random@0.2.0"],
];

/** What a plugin imports beside its world, where it says that it needs it: as above. */
const BESIDE = [["held", "wharf:secrets/held@0.1.0", "hold"]];

/** Why there is no component, for the author to read. */
export class BuildError extends Error {}

/** Builds the component of a module. The engine is `quickjs` or `spidermonkey`. */
export async function build(module, output, engine = "quickjs") {
  const work = mkdtempSync(join(tmpdir(), "wharf-"));
  try {
    const plugin = await declaredBy(module, work);
    const isPure = plugin.kind === "transform";
    const beside = BESIDE.filter(([, , need]) => !isPure && (plugin.needs?.[need] ?? []).length > 0);
    const imports = INTERFACES.filter(([, , need]) => !isPure && isNeeded(plugin, need));
    const wit = join(work, "wit");
    cpSync(join(PACKAGE, "wit"), wit, { recursive: true });
    const left = new Set(INTERFACES.filter((one) => !imports.includes(one)).map(([, name]) => name.replace(/^wharf:plugin\/(.*)@.*$/, "$1")));
    for (const file of readdirSync(wit, { recursive: true }).filter((file) => file.endsWith(".wit"))) {
      const path = join(wit, file);
      writeFileSync(path, widened(narrowed(readFileSync(path, "utf8"), left), beside.map(([, name]) => name)));
    }
    const source = await bundled(entry(module, plugin, [...imports, ...beside], engine), work);
    const component = await componentized(source, wit, WORLDS[plugin.kind], engine, work);
    const half = `${output}.half`;
    writeFileSync(half, joined([component, ...sections(plugin)]));
    renameSync(half, output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The contract without the imports that are left out. */
export function narrowed(wit, left) {
  return wit.replace(/^ {4}import ([^;]+);\n/gm, (line, name) => (left.has(name) ? "" : line));
}

/** The contract with these imports beside those of the worlds of handlers. */
export function widened(wit, names) {
  const imports = names.map((name) => `    import ${name};\n`).join("");
  return wit.replace(/^world event-(?:batch-)?handler \{\n/gm, (line) => line + imports);
}

/** A custom section, as it stands at the end of a component (WebAssembly, "Custom Section": id 0, size, name, bytes). */
export function customSection(name, content) {
  const said = joined([leb128(name.length), encoder.encode(name), encoder.encode(content)]);
  return joined([Uint8Array.of(0), leb128(said.length), said]);
}

function leb128(number) {
  const bytes = [];
  for (; number > 0x7f; number = Math.floor(number / 128)) bytes.push((number & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, number]);
}

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The custom sections of what a plugin declares. */
export function sections(plugin) {
  const said = [];
  const { needs, on, orderBy, retry } = plugin;
  if (needs !== undefined) {
    said.push(customSection("wharf:needs", JSON.stringify({ publish: needs.publish ?? [], kv: needs.kv ?? [], hold: needs.hold })));
  }
  if (on.length > 0 || orderBy !== undefined || retry !== undefined) {
    said.push(customSection("wharf:handler", JSON.stringify({ on, order_by: orderBy, retry })));
  }
  return said;
}

function isNeeded(plugin, need) {
  return need === undefined || plugin.needs === undefined || (plugin.needs[need] ?? []).length > 0;
}

/** The default export of the author's module, which is run for that. */
async function declaredBy(module, work) {
  const file = join(work, "declared.mjs");
  writeFileSync(file, await bundled(`export { default } from ${JSON.stringify(module)};\n`, work));
  const plugin = (await import(pathToFileURL(file).href)).default;
  if (plugin === undefined || !Object.hasOwn(WORLDS, plugin.kind)) {
    throw new BuildError(`${basename(module)}: its default export is no handler: write \`export default handler({ on: "…" }, (event, cx) => { … })\``);
  }
  return plugin;
}

/** What is componentized: the author's module between the interfaces that it imports and the one that it exports. */
function entry(module, plugin, imports, engine) {
  const lines = imports.map(([name, wit]) => `import * as ${name}_ from ${JSON.stringify(wit)};`);
  // One engine gives an interface as its default export, the other as its named ones.
  const names = imports.map(([name]) => `${name}: ${name}_.default ?? ${name}_`).join(", ");
  return [
    ...lines,
    `import plugin from ${JSON.stringify(module)};`,
    `import { exported } from ${JSON.stringify(ours("component"))};`,
    `export const ${EXPORTS[plugin.kind]} = exported(plugin, { ${names} }, ${engine === "spidermonkey"});`,
    "",
  ].join("\n");
}

async function bundled(entry, work) {
  const { rolldown } = await tool("rolldown");
  const input = join(work, "entry.mjs");
  writeFileSync(input, entry);
  const alias = { wharf: ours("index"), "wharf/component": ours("component") };
  const bundle = await rolldown({ input, external: /^(wasi|wharf):/, resolve: { alias }, logLevel: "silent" });
  const { output } = await bundle.generate({ format: "esm" });
  return output[0].code;
}

async function componentized(source, wit, world, engine, work) {
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

async function tool(name) {
  try {
    return await import(name);
  } catch (error) {
    if (error?.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new BuildError(`${name} is not installed: npm install --save-dev ${name}`);
  }
}

const USAGE = "usage: wharf-js MODULE [-o FILE] [--engine quickjs|spidermonkey]\n";

/** The command line. */
export async function main(args) {
  let [module, output, engine] = [undefined, undefined, "quickjs"];
  for (let n = 0; n < args.length; n += 1) {
    const arg = args[n];
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
    const said = error instanceof BuildError ? error.message : (error?.stack ?? String(error));
    process.stderr.write(`error: ${said}\n`);
    return 1;
  }
  process.stdout.write(`${to}\n`);
  return 0;
}
