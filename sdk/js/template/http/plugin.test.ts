// Tests of {{name}} as a function: `npm test`.
import assert from "node:assert/strict";
import { test } from "node:test";

import { answer } from "./plugin.ts";

const ask = (method: string, pathWithQuery: string, body = "") => answer({ method, pathWithQuery, body, fields: {} });

test("whoever says a name is greeted", () => {
  const { status, body } = ask("POST", "/greet?loudly", '{"name": "Ada"}');
  assert.deepEqual([status, JSON.parse(body)], [200, { greeting: "Hello, Ada!" }]);
});

test("what is no caller is refused", () => {
  assert.equal(ask("POST", "/greet", "Ada").status, 400);
  assert.equal(ask("POST", "/greet", "null").status, 400);
  assert.equal(ask("GET", "/elsewhere").status, 404);
});
