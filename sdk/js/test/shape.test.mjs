// Payloads are read by shapes, or refused with the place where they do not fit; and text is UTF-8 whatever the engine has.
import assert from "node:assert/strict";
import { test } from "node:test";

import { shape } from "../dist/index.js";
import { decodeText, encodeText } from "../dist/text.js";

const issue = shape.object({
  number: shape.integer,
  labels: shape.optional(shape.list(shape.object({ name: shape.text }))),
  state: shape.optional(shape.oneOf("open", "closed")),
});

const read = (text, into) => shape.decode(text === undefined ? undefined : new TextEncoder().encode(text), into);

test("JSON becomes what the shape says", () => {
  assert.deepEqual(read('{"number":3,"labels":[{"name":"bug"}],"more":true}', issue), { number: 3, labels: [{ name: "bug" }], state: undefined });
  assert.deepEqual(read("[1]", shape.any), [1]);
  assert.equal(read(undefined, shape.any), null);
  assert.equal(read("true", shape.boolean), true);
  assert.deepEqual(read("no JSON", shape.bytes), new TextEncoder().encode("no JSON"));
  assert.deepEqual(read(undefined, shape.bytes), new Uint8Array());
});

test("what does not fit is refused with its place", () => {
  for (const [text, into, said] of [
    ["{}", issue, "at `number`: it is missing"],
    ['{"number":"3"}', issue, 'at `number`: expected an integer, got "3"'],
    ['{"number":1.5}', issue, "at `number`: expected an integer, got 1.5"],
    ['{"number":3,"labels":[{}]}', issue, "at `labels[0].name`: it is missing"],
    ['{"number":3,"state":"lost"}', issue, 'at `state`: expected one of open, closed, got "lost"'],
    ["[1]", issue, "at `.`: expected an object, got [1]"],
    ["1", shape.list(shape.text), "at `.`: expected a list, got 1"],
    ['{"number":', issue, "at `.`: "],
    [undefined, issue, "at `.`: expected an object, got null"],
    ["1", { parse: () => { throw new Error("by another library"); } }, "at `.`: by another library"],
  ]) {
    assert.throws(() => read(text, into), (error) => error.message.startsWith(`the payload is not what this plugin takes: ${said}`) || assert.fail(error.message));
  }
});

test("text is the same without TextEncoder and TextDecoder", () => {
  const { TextEncoder, TextDecoder } = globalThis;
  const texts = ["", "plain", "grüße 世界 🦀", "\ufeffmark", "x".repeat(10_000), "a\ud800b"];
  const broken = [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe4, 0xb8], [0x61, 0xe4, 0x62]];
  const encoded = texts.map((text) => new TextEncoder().encode(text));
  try {
    delete globalThis.TextEncoder;
    delete globalThis.TextDecoder;
    texts.forEach((text, n) => assert.deepEqual(encodeText(text), encoded[n], text));
    encoded.forEach((bytes, n) => assert.equal(decodeText(bytes), texts[n].replace("\ud800", "\ufffd")));
    for (const bytes of broken) assert.match(decodeText(Uint8Array.from(bytes)), /\ufffd/, `${bytes}`);
  } finally {
    Object.assign(globalThis, { TextEncoder, TextDecoder });
  }
});
