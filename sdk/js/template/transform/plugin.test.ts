// Tests of {{name}} on a host in memory: `npm test`.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Host } from "wharf/testing";

import change from "./plugin.ts";

test("the price in euros is added", () => {
  assert.deepEqual(JSON.parse(new Host().transform(change, { cents: 990 })?.data ?? "null"), { cents: 990, euros: 9.9 });
});

test("what has no price is left out", () => {
  assert.equal(new Host().transform(change, { number: 7 }), undefined);
});
