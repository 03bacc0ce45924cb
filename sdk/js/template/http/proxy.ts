// From wasi:http to plain values and back: what the component exports. It runs inside of a component only.
// @ts-nocheck: the interface is there where the component is made.
import types from "wasi:http/types@0.2.0";
import { decodeText, encodeText } from "wharf/text";

import type { Request, Response } from "./plain.ts";
import { answer } from "./plugin.ts";

/** Bytes of a stream at a time: no more are written at once. */
const CHUNK = 4096;

export const incomingHandler = {
  handle(request, out) {
    write(answer(read(request)), out);
  },
};

function read(request): Request {
  const { tag, val } = request.method();
  const fields = Object.fromEntries(request.headers().entries().map(([name, value]) => [name.toLowerCase(), decodeText(Uint8Array.from(value))]));
  const body = request.consume();
  const stream = body.stream();
  const parts = [];
  try {
    for (;;) parts.push(Uint8Array.from(stream.blockingRead(65536)));
  } catch (error) {
    if ((error?.payload ?? error)?.tag !== "closed") throw error;
  }
  stream[Symbol.dispose]();
  body[Symbol.dispose]();
  return { method: tag === "other" ? val : tag.toUpperCase(), pathWithQuery: request.pathWithQuery() ?? "", fields, body: decodeText(joined(parts)) };
}

function joined(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function write(response: Response, out): void {
  const outgoing = new types.OutgoingResponse(types.Fields.fromList([["content-type", encodeText(response.contentType)]]));
  outgoing.setStatusCode(response.status);
  const body = outgoing.body();
  types.ResponseOutparam.set(out, { tag: "ok", val: outgoing });
  const bytes = encodeText(response.body);
  try {
    const stream = body.write();
    for (let at = 0; at < bytes.length; at += CHUNK) stream.blockingWriteAndFlush(bytes.subarray(at, at + CHUNK));
    stream[Symbol.dispose]();
    types.OutgoingBody.finish(body, undefined);
  } catch (error) {
    // Nobody waits for it any more.
    if ((error?.payload ?? error)?.tag === undefined) throw error;
  }
}
