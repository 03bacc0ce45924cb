// Writes src/wit/*.d.ts from the contract: `node tools/types.mjs node_modules`. With `--check` it writes nothing and fails where a file differs.
//
// The generator comes with @bytecodealliance/componentize-js, which authors need not have; so what it gives is kept.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const contract = join(here, "../../../wit");

/** The contract as one text: its own package, and those that it depends on as packages within. */
function whole() {
  const nested = readdirSync(join(contract, "deps")).map((name) => {
    const folder = join(contract, "deps", name);
    const text = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
    return text.replace(/^package ([^;]+);$/m, "package $1 {") + "\n}\n";
  });
  return [readFileSync(join(contract, "plugin.wit"), "utf8"), ...nested].join("\n");
}

const modules = process.argv[2] ?? "node_modules";
const generator = join(modules, "@bytecodealliance/jco-transpile/vendor/js-component-bindgen-component.js");
const { generateTypes, $init } = await import(pathToFileURL(resolve(generator)));
await $init;

const options = { wit: { tag: "source", val: whole() }, features: { tag: "list", val: [] }, guest: true };
const files = new Map();
for (const world of ["event-handler", "event-batch-handler", "event-transform"]) {
  for (const [name, bytes] of generateTypes(world, { ...options, world })) {
    files.set(name, Buffer.from(bytes).toString());
  }
}
let differ = 0;
for (const [name, text] of files) {
  const path = join(here, "../src/wit", name);
  if (process.argv.includes("--check")) {
    let kept = "";
    try {
      kept = readFileSync(path, "utf8");
    } catch {}
    if (kept !== text) {
      console.error(`${name} is not what the contract gives: node tools/types.mjs`);
      differ += 1;
    }
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}
process.exit(differ === 0 ? 0 : 1);
