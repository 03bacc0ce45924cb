// The probe's batch handler in JavaScript, from `wit/` alone; what it does is in ../README.md.
import store from "wasi:keyvalue/store@0.2.0-draft";
import counters from "wharf:plugin/counters@0.1.0";
import publisher from "wharf:plugin/publisher@0.1.0";

const encode = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const decode = (bytes) => String.fromCharCode(...bytes);

export const batchHandler = {
  handleBatch(batch) {
    const has = (type) => batch.some((item) => item.event.type === type);
    if (has("probe.uncaught")) throw new Error("uncaught as asked");
    if (has("probe.fail-all")) throw { tag: "retry", val: { afterMs: null, reason: "all fail as asked" } };
    const kv = store.open("default");
    const outcomes = batch.map((item) => handle(kv, item.event));
    if (has("probe.publish")) {
      const data = encode(String(batch.length));
      publisher.publish({ type: "probe.batched", source: null, subject: null, datacontenttype: null, extensions: [], data });
    }
    return outcomes.map((failure) => (failure === null ? { tag: "ok" } : { tag: "err", val: failure }));
  },
};

function handle(kv, event) {
  let number;
  try {
    number = JSON.parse(decode(event.data ?? []));
  } catch {}
  if (!Number.isInteger(number)) return { tag: "reject", val: "the payload is no integer" };
  counters.add(kv, `sum/${event.source}`, number);
  counters.add(kv, `seen/${event.id}`, 1);
  if (event.type === "probe.append") {
    const key = `line/${event.extensions.find(({ name }) => name === "partitionkey").value}`;
    kv.set(key, encode(`${decode(kv.get(key) ?? [])}${number},`));
  }
  if (event.type === "probe.reject") return { tag: "reject", val: "rejected as asked" };
  if (event.type === "probe.retry") return { tag: "retry", val: { afterMs: 1, reason: "again as asked" } };
  return null;
}
