// Tests of {{name}} on a host in memory: `npm test`.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Host } from "wharf/testing";

import handle from "./plugin.ts";

test("an order is counted and accepted", () => {
  const host = new Host();
  assert.equal(host.run(handle, { number: 7, cents: 990 }).outcome, "ok");
  assert.equal(host.kv.default?.orders, "1");
  assert.deepEqual(host.published.map(({ type, subject }) => [type, subject]), [["order.accepted", "order/7"]]);
});

test("what is no order is rejected and leaves nothing", () => {
  const host = new Host();
  assert.equal(host.run(handle, { number: 7 }).outcome, "reject");
  assert.equal(host.run(handle, { number: 7, cents: -1 }).reason, "an order cannot cost less than nothing");
  assert.deepEqual([host.kv, host.published], [{}, []]);
});
