// Has the parser of AsyncAPI read the description of a tenant, and looks for the schemas in what it made of it.
//
// Usage: node asyncapi.mjs PARSER URL, where PARSER is the folder of the package. An error or a warning of the parser is an error.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [parser, url] = process.argv.slice(2);
const { Parser } = createRequire(import.meta.url)(parser);

const text = await (await fetch(`${url}/v1/tenants/acme/asyncapi.json`)).text();
const { document, diagnostics } = await new Parser().parse(text);

// Severities: 0 is an error, 1 a warning; below that is advice.
for (const { path, message } of diagnostics.filter(({ severity }) => severity < 2)) {
  console.log(`${path.join("/")}: ${message}`);
  process.exitCode = 1;
}
assert(document, "the parser gives no document");
const operations = document.operations().all();
assert(operations.length > 0 && operations.every((operation) => operation.action() === "receive"));
const messages = document.allMessages().all();
assert.deepEqual(messages.map((message) => message.id()).sort(), ["new", "seven"]);
for (const message of messages) {
  // Its references lead to what they name: the parser follows them.
  const child = message.payload().property("child");
  assert.equal(child.property("n").type(), "integer", message.id());
}
console.log(`AsyncAPI ${document.version()}: ${operations.length} operations, ${messages.length} messages`);
