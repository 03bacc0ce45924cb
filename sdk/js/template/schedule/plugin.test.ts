// Tests of {{name}} on a host in memory: `npm test`.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Host } from "wharf/testing";

import report from "./plugin.ts";

test("reports are numbered and named by their day", () => {
  const host = new Host({ kv: { default: { reports: "2" } } });
  assert.equal(host.run(report, undefined, { time: "2026-01-01T03:00:00Z" }).outcome, "ok");
  assert.equal(host.kv.default?.reports, "3");
  assert.deepEqual(host.published[0]?.data, { number: 3, title: "Report 3 of 2026-01-01" });
});
