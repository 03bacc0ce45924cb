// Tests of {{name}} on a host in memory: `npm test`.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Host } from "wharf/testing";

import handle from "./plugin.ts";

test("a batch that succeeds is summed up", () => {
  const host = new Host();
  assert.deepEqual(host.runBatch(handle, [1, 20, 300]).map(({ outcome }) => outcome), ["ok", "ok", "ok"]);
  assert.equal(host.kv.default?.total, "321");
});

test("of a batch with a bad event nothing is kept yet", () => {
  const host = new Host();
  assert.deepEqual(host.runBatch(handle, [1, -2, "three"]).map(({ outcome }) => outcome), ["ok", "reject", "reject"]);
  assert.deepEqual(host.kv, {});
});
