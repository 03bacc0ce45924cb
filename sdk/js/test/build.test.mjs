// What the builder writes around the component that the tools make, and the contract and the types that the package carries.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { customSection, narrowed, sections, widened } from "../bin/build.mjs";

const contract = process.env.WHARF_WIT ?? new URL("../../../wit/", import.meta.url).pathname;

test("a custom section is written as WebAssembly has it", () => {
  const written = Buffer.from(customSection("ab", "x".repeat(200)));
  assert.deepEqual(written, Buffer.concat([Buffer.from([0, 0xcb, 0x01, 2]), Buffer.from(`ab${"x".repeat(200)}`)]));
});

test("what a handler declares is in its sections", () => {
  const said = (options) => sections({ on: [], ...options }).map((section) => Buffer.from(section).subarray(2).toString());
  assert.deepEqual(said({}), []);
  assert.deepEqual(said({ on: ["a"], orderBy: "$.data.n", retry: { attempts: 3 } }), [
    '\rwharf:handler{"on":["a"],"order_by":"$.data.n","retry":{"attempts":3}}',
  ]);
});

test("an import that is left out is not in the contract", () => {
  const wit = "world w {\n    import publisher;\n    import wasi:keyvalue/store@0.2.0-draft;\n}\n";
  assert.equal(narrowed(wit, new Set(["publisher"])), "world w {\n    import wasi:keyvalue/store@0.2.0-draft;\n}\n");
});

test("a secret that is held is imported beside the worlds of handlers, and said", () => {
  const worlds = "world event-handler {\n}\nworld event-batch-handler {\n}\nworld event-transform {\n}\n";
  const held = "    import wharf:secrets/held@0.1.0;\n";
  assert.equal(widened(worlds, ["wharf:secrets/held@0.1.0"]), worlds.replaceAll("handler {\n", `handler {\n${held}`));
  assert.equal(widened(worlds, []), worlds);
  const said = (needs) => Buffer.from(sections({ on: [], needs })[0]).subarray(2).toString();
  assert.equal(said({ hold: ["signing"] }), '\vwharf:needs{"publish":[],"kv":[],"hold":["signing"]}');
  assert.equal(said({ kv: ["a"] }), '\vwharf:needs{"publish":[],"kv":["a"]}');
});

test("the package carries the contract as it is", () => {
  const [here, there] = [new URL("../wit/", import.meta.url).pathname, contract];
  const files = (folder) => readdirSync(folder, { recursive: true }).filter((file) => file.endsWith(".wit")).sort();
  assert.deepEqual(files(here), files(there));
  for (const file of files(there)) assert.deepEqual(readFileSync(join(here, file)), readFileSync(join(there, file)), `cp -r ../../wit/. wit/ (${file})`);
});
