// Sends events by the CloudEvents SDK of npm, in every mode that it has, and reads each back by the same SDK.
//
// Usage: node npm.mjs SDK URL, where SDK is the folder of the package. An event that comes back as another one is an error.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [sdk, url] = process.argv.slice(2);
const { CloudEvent, HTTP, Mode, emitterFor } = createRequire(import.meta.url)(sdk);

const PAYLOADS = [
  ["object", "application/json", { text: 'ü "quoted"', list: [1, null, true, 2.5] }],
  ["nothing", undefined, undefined],
  ["text", "text/plain", "plain, with a line\nbreak"],
  ["bytes", "application/octet-stream", Uint8Array.from({ length: 256 }, (_, n) => n)],
];

function events(mode) {
  return PAYLOADS.map(([name, datacontenttype, data]) => new CloudEvent({
    id: `npm/${mode} ${name}`,
    source: "/strangers/npm",
    type: "stranger.sent",
    subject: "a subject with spaces",
    time: "2026-01-31T23:59:59.123Z",
    dataschema: "https://example.com/schema#1",
    stranger: "npm",
    ...(datacontenttype && { datacontenttype }),
    ...(data !== undefined && { data }),
  }));
}

async function ask(path, headers, body) {
  const response = await fetch(url + path, body === undefined ? {} : { method: "POST", headers, body });
  const answer = await response.json();
  assert(response.ok, JSON.stringify(answer));
  return answer;
}

async function transport(message) {
  // What is no text or bytes is for whoever sends it to write, says the SDK's own transport.
  return ask("/events", message.headers, message.body ?? "");
}

// Text that came in binary mode is bytes to the host, which does not guess: so bytes are compared.
function plain(event) {
  const { data_base64, data, ...attributes } = event.toJSON();
  const bytes = typeof data === "string" || data instanceof Uint8Array ? Buffer.from(data).toString("base64") : data;
  return { ...attributes, data: data_base64 ?? bytes };
}

const views = async (event) => (await ask(`/v1/tenants/acme/events/${encodeURIComponent(event.id)}`)).event.event;

function read(type, value) {
  return HTTP.toEvent({ headers: { "content-type": type }, body: JSON.stringify(value) });
}

let checked = 0;
for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
  const emit = emitterFor(transport, { mode });
  for (const event of events(mode)) {
    const answer = await emit(event);
    assert.equal(answer.id, event.id);
    const back = read("application/cloudevents+json", await views(event));
    // In binary mode the SDK gives a content type also to what has none.
    const given = mode === Mode.BINARY ? { datacontenttype: event.datacontenttype ?? back.datacontenttype } : {};
    assert.deepEqual(plain(back), { ...plain(event), ...given });
    checked += 1;
  }
}

// The SDK reads batches and writes none: what it wrote one by one is put into one by hand, and is read as one.
const batch = events("batched");
const body = `[${batch.map((event) => HTTP.structured(event).body).join(",")}]`;
const answer = await ask("/events", { "content-type": "application/cloudevents-batch+json" }, body);
assert.deepEqual(answer.map((one) => one.id), batch.map((event) => event.id));
const stored = await Promise.all(batch.map(views));
const back = read("application/cloudevents-batch+json", stored);
back.forEach((event, n) => assert.deepEqual(plain(event), plain(batch[n])));
checked += back.length;
console.log(`${checked} events came back as they were sent`);
