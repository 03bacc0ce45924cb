// Handlers, batch handlers and transforms on the host in memory: outcomes, effects, and what is kept of them.
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  AccessDenied, InvalidEvent, KvError, PublishDenied, Reject, Retry, RetryAfter, SecretDenied, SecretError, batchHandler, handler, shape, transform,
} from "../dist/index.js";
import { Host } from "../dist/testing.js";

const order = shape.object({ number: shape.integer, cents: shape.integer });

const charge = handler({ on: "order.created", payload: order }, (event, cx) => {
  cx.kv.add("orders");
  cx.publish("order.charged", { cents: event.data.cents }, { subject: `order/${event.data.number}` });
  if (event.data.cents === 0) throw new Reject("for nothing");
  if (event.data.cents === 1) throw new RetryAfter(0.0011, "later");
  if (event.data.cents === 2) throw new Retry("again");
  if (event.data.cents === 3) throw new RangeError("three");
  if (event.data.cents === 4) throw "four";
});

test("what a handler did is kept when it succeeds", () => {
  const host = new Host();
  assert.deepEqual(host.run(charge, { number: 7, cents: 990 }), { outcome: "ok", reason: "" });
  assert.deepEqual(host.kv, { default: { orders: "1" } });
  const [event] = host.published;
  assert.deepEqual([event.type, event.subject, event.data, event.datacontenttype], ["order.charged", "order/7", { cents: 990 }, "application/json"]);
});

test("nothing is kept of a failure", () => {
  for (const [cents, outcome, reason] of [
    [0, "reject", /^for nothing$/], [1, "retry", /^later$/], [2, "retry", /^again$/],
    [3, "retry", /^RangeError: three \(.*handlers\.test\.mjs/], [4, "retry", /^thrown: four$/],
  ]) {
    const host = new Host();
    const result = host.run(charge, { number: 7, cents });
    assert.equal(result.outcome, outcome);
    assert.match(result.reason, reason);
    assert.deepEqual([host.published, host.kv], [[], {}]);
  }
});

test("an uncaught error leaves its stack in the log", () => {
  const host = new Host();
  host.run(charge, { number: 7, cents: 3 });
  assert.equal(host.log[0].level, "error");
  assert.match(host.log[0].message, /^RangeError: three\n {4}at .*handlers\.test\.mjs/);
});

test("a wait is rounded up to whole milliseconds", () => {
  assert.deepEqual([0, 0.0011, 1.5, -1].map((seconds) => new RetryAfter(seconds).afterMs), [0, 2, 1500, 0]);
});

test("a payload that does not fit is rejected and the handler not called", () => {
  const result = new Host().run(charge, { number: 7 });
  assert.deepEqual(result, { outcome: "reject", reason: "the payload is not what this plugin takes: at `cents`: it is missing" });
});

test("a context tells why the handler was called", () => {
  const look = handler({}, (event, cx) => {
    cx.kv.setJson("seen", [cx.attempt, cx.maxAttempts, cx.rule, cx.deliveryId, cx.deadlineMs, event.extensions]);
    cx.info(cx.config("greeting"));
    assert.equal(cx.configNumber("every"), undefined);
    assert.equal(cx.configBoolean("on"), true);
    assert.equal(cx.now().getUTCFullYear(), 2026);
    assert.notDeepEqual(cx.randomBytes(4), cx.randomBytes(4));
  });
  const host = new Host({ config: { greeting: "hi", on: "true" } });
  assert.equal(host.run(look, null, { attempt: 2, extensions: { shop: "berlin" } }).reason, "");
  assert.equal(host.kv.default.seen, '[2,3,"test","delivery-of-1",30000,{"shop":"berlin"}]');
  assert.deepEqual(host.log, [{ level: "info", message: "hi" }]);
});

test("a secret is held where the test keeps one", () => {
  const sign = handler({}, (_, cx) => cx.kv.set("bytes", `${cx.secret("signing").length}`));
  const host = new Host({ secrets: { signing: "whsec_1" } });
  assert.equal(host.run(sign).outcome, "ok");
  assert.equal(host.kv.default.bytes, "7");
  assert.match(new Host().run(sign).reason, /^SecretError: there is no secret `signing`/);
  assert.match(new Host({ secrets: { signing: "x" }, denied: ["signing"] }).run(sign).reason, /^SecretDenied: holding the secret `signing` is not granted/);
  assert.ok(SecretDenied.prototype instanceof SecretError);
});

test("a wrong configured value is named", () => {
  const host = new Host({ config: { every: "often", on: "yes" } });
  assert.match(host.run(handler({}, (_, cx) => cx.configNumber("every"))).reason, /config `every` = `often`: expected a number/);
  assert.match(host.run(handler({}, (_, cx) => cx.configBoolean("on"))).reason, /config `on` = `yes`: expected true or false/);
});

test("buckets do what the host does", () => {
  const use = handler({}, (_, cx) => {
    const kv = cx.bucket("orders");
    assert.deepEqual([kv.getText("a"), kv.get("b"), kv.getJson("a")], ["1", undefined, 1]);
    assert.deepEqual([kv.increment("a", 2), kv.exists("a"), kv.exists("b")], [3, true, false]);
    assert.deepEqual([kv.compareAndSwap("b", undefined, "x"), kv.compareAndSwap("b", "y", "z")], [true, false]);
    kv.set("c/2", new Uint8Array());
    kv.set("c/1", "");
    assert.deepEqual(kv.keys("c/"), ["c/1", "c/2"]);
    kv.delete("c/1");
    kv.delete("nowhere");
    kv.add("n", 5);
    kv.add("n", -2);
    assert.equal(kv.get("n"), undefined, "the sum is known when the attempt commits");
    assert.throws(() => kv.increment("b"), KvError);
    assert.throws(() => kv.getJson("b"), /key `b`/);
    assert.throws(() => cx.bucket("vault").get("a"), AccessDenied);
    assert.throws(() => cx.publish("secret.event"), PublishDenied);
    assert.throws(() => cx.publish("a", 1, { extensions: { "Not A Name": "x" } }), InvalidEvent);
    cx.publish("bytes", Uint8Array.of(0));
  });
  const host = new Host({ kv: { orders: { a: "1" } }, denied: ["vault", "secret.event"] });
  assert.equal(host.run(use).reason, "");
  assert.deepEqual(host.kv, { orders: { a: "3", b: "x", "c/2": "", n: "3" } });
  assert.deepEqual([host.published[0].datacontenttype, host.published[0].data], ["application/octet-stream", Uint8Array.of(0)]);
});

test("a batch has an outcome for each event", () => {
  const total = batchHandler({ payload: shape.integer }, (batch, cx) => {
    cx.kv.add("total", batch.reduce((sum, item) => sum + item.event.data, 0));
    for (const item of batch) {
      if (item.event.data === 99) throw new Error("all");
      if (item.event.data < 0) item.fail(new Reject("negative"));
      if (item.event.data === 13) item.fail(new Error("unlucky"));
    }
  });
  for (const [batch, outcomes, kept] of [
    [[1, 2], ["ok", "ok"], true],
    [[1, -2, 3], ["ok", "reject", "ok"], false],
    [[1, "two", 13], ["ok", "reject", "retry"], false],
    [["one"], ["reject"], false],
    [[1, 99], ["retry", "retry"], false],
  ]) {
    const host = new Host();
    assert.deepEqual(host.runBatch(total, batch).map((result) => result.outcome), outcomes);
    assert.equal(host.kv.default !== undefined, kept);
  }
});

test("a transform's event goes on or is left out", () => {
  const halve = transform({ payload: shape.integer }, (event) => {
    if (event.data === 0) return undefined;
    if (event.data === 1) throw new Reject("odd");
    if (event.data === 5) return { ...event, subject: "looked at" };
    return { ...event, data: event.data / 2, extensions: { halved: "yes" } };
  });
  const host = new Host();
  const sent = host.transform(halve, 8);
  assert.deepEqual([sent.data, sent.datacontenttype, sent.extensions], ["4", "application/json", { halved: "yes" }]);
  assert.equal(host.transform(halve, 0), undefined);
  const kept = host.transform(halve, new TextEncoder().encode(" 5 "), { datacontenttype: "text/plain" });
  assert.deepEqual([kept.data, kept.datacontenttype, kept.subject], [" 5 ", "text/plain", "looked at"]);
  assert.throws(() => host.transform(halve, 1), /odd/);
  assert.throws(() => host.transform(halve, "x"), /expected an integer, got "x"/);
});

test("what cannot be a handler is refused in words", () => {
  assert.throws(() => handler({}, async () => {}), /not `async`/);
  assert.throws(() => handler({}), /is a function/);
  assert.throws(() => new Host().transform(charge, 1), /this is no transform: it is handler/);
  assert.match(new Host().run(handler({}, () => Promise.resolve())).reason, /gave a promise/);
});

test("a text is decoded as it is encoded, and no half of a character leaves", async (t) => {
  const { decodeText, encodeText, wholeText } = await import("../dist/text.js");
  // As in an engine that has neither.
  const { TextDecoder, TextEncoder } = globalThis;
  Object.assign(globalThis, { TextDecoder: undefined, TextEncoder: undefined });
  t.after(() => Object.assign(globalThis, { TextDecoder, TextEncoder }));
  for (const text of ["", "x".repeat(10_000), "a\u00e9\u8bed\u{1f980}b".repeat(2_000), "\u{1f980}".repeat(3_000), `${"x".repeat(63)}\u{1f980}`]) {
    assert.equal(decodeText(encodeText(text)), text);
  }
  assert.equal(decodeText(Uint8Array.of(0x61, 0xff, 0xc3, 0x28, 0xe2, 0x82, 0x62)), "a\ufffd\ufffd(\ufffdb");
  assert.equal(wholeText("a\ud83eb\u{1f980}\udd80"), "a\ufffdb\u{1f980}\ufffd");
  const { reason } = new Host().run(charge, "\u{1f980}".repeat(99));
  assert.ok(!/[\ud800-\udfff]/u.test(reason), reason);
});
