// The probe's handler in TypeScript; what it does is in ../README.md.
import { AccessDenied, InvalidEvent, PublishDenied, Reject, Retry, RetryAfter, Unfit, handler, shape } from "wharf";
import type { Context, Draft, Event } from "wharf";

type Probed = Event<Uint8Array>;
type Scenario = (event: Probed, cx: Context) => string | Uint8Array | number | void;

let counter = 0;

const order = shape.object({ number: shape.integer, cents: shape.integer, note: shape.optional(shape.text) });

export default handler<Uint8Array>(
  { on: "probe.*", needs: { publish: ["probe.*"], kv: ["default", "ledger"] }, payload: shape.bytes },
  (event, cx) => {
    const answer = scenarios[event.type.replace("probe.", "")]?.(event, cx);
    if (answer !== undefined) cx.kv.set(event.id, answer instanceof Uint8Array ? answer : String(answer));
  },
);

function published(cx: Context, type: string, draft: Draft = {}): string {
  try {
    cx.publish(type, undefined, draft);
    return "taken";
  } catch (error) {
    if (error instanceof PublishDenied) return "denied";
    if (error instanceof InvalidEvent) return "invalid";
    throw error;
  }
}

/** The payload's text; a probe's own way, since what is not JSON is no payload of another shape. */
function plain(event: Probed): string {
  return decodeURIComponent(Array.from(event.data, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""));
}

const scenarios: Record<string, Scenario> = {
  echo: (event) => event.data,
  attributes: (event) => {
    const { id, source, type, subject, time, datacontenttype, dataschema, extensions } = event;
    return JSON.stringify({ id, source, type, subject, time, datacontenttype, dataschema, extensions });
  },
  delivery: (_, cx) =>
    JSON.stringify({ id: cx.deliveryId, rule: cx.rule, attempt: cx.attempt, max_attempts: cx.maxAttempts, deadline_ms: cx.deadlineMs }),
  order: (event, cx) => {
    // The other scenarios take bytes, so this one asks for its shape itself.
    try {
      const { number, cents, note } = shape.decode(event.data.length === 0 ? undefined : event.data, order);
      cx.publish("probe.ordered", { number, cents, note: note ?? null }, { subject: `order/${number}` });
    } catch (error) {
      throw error instanceof Unfit ? new Reject(error.message) : error;
    }
  },
  publish: (event, cx) => {
    const first = cx.publish("probe.published", { n: 1 }, { subject: "first", extensions: { mark: "a" } });
    return `${first} ${cx.publish("probe.published", event.data, { source: "elsewhere" })}`;
  },
  "publish-again": (_, cx) => {
    const id = cx.publish("probe.published");
    if (cx.attempt === 1) throw new Retry(id);
    return id;
  },
  "publish-denied": (_, cx) => published(cx, "elsewhere.event"),
  "publish-invalid": (_, cx) => published(cx, "probe.published", { extensions: { "Not A Name": "x" } }),
  "publish-flood": (_, cx) => {
    for (let n = 0; n < 101; n += 1) cx.publish("probe.published");
  },
  half: (event, cx) => {
    cx.publish("probe.published");
    cx.kv.set(event.id, "half");
    throw new Reject("half done");
  },
  "kv-set-get": (event, cx) => {
    cx.kv.set(`${event.id}/a`, "1");
    return `${cx.kv.getText(`${event.id}/a`) ?? "none"} ${cx.kv.getText(`${event.id}/b`) ?? "none"}`;
  },
  "kv-delete": (event, cx) => {
    const key = `${event.id}/a`;
    cx.kv.set(key, "1");
    cx.kv.delete(key);
    return `${cx.kv.exists(key)} ${cx.kv.getText(key) ?? "none"}`;
  },
  "kv-list": (event, cx) => {
    cx.kv.set(`${event.id}/b`, "1");
    cx.kv.set(`${event.id}/a`, "1");
    return cx.kv.keys(`${event.id}/`).join(" ");
  },
  "kv-binary": (event, cx) => {
    cx.kv.set(`${event.id}/bytes`, event.data);
    return cx.kv.get(`${event.id}/bytes`) ?? "none";
  },
  "kv-add": (event, cx) => {
    cx.kv.add(`${event.id}/n`, 5);
    cx.kv.add(`${event.id}/n`, -2);
  },
  "kv-increment": (event, cx) => {
    cx.kv.increment(`${event.id}/n`, 2);
    return cx.kv.increment(`${event.id}/n`, 3);
  },
  "kv-swap": (event, cx) => {
    const steps: [string | undefined, string][] = [[undefined, "one"], ["zero", "two"], ["one", "three"]];
    return steps.map(([old, value]) => cx.kv.compareAndSwap(`${event.id}/s`, old, value)).join(" ");
  },
  "kv-conflict": (_, cx) => void cx.kv.increment("conflicts"),
  "kv-named": (event, cx) => cx.bucket("ledger").set(event.id, "kept"),
  "kv-denied": (event, cx) => {
    try {
      cx.bucket("vault").set(event.id, "x");
      return "taken";
    } catch (error) {
      return error instanceof AccessDenied ? "denied" : "taken";
    }
  },
  retry: (_, cx) => {
    if (cx.attempt === 1) throw new Retry(`again: ${cx.deliveryId}`);
    return `${cx.attempt} ${cx.deliveryId}`;
  },
  "retry-after": (_, cx) => {
    if (cx.attempt === 1) throw new RetryAfter(1.5, "later");
    return cx.attempt;
  },
  "retry-always": (_, cx) => {
    throw new Retry(`attempt ${cx.attempt} as asked`);
  },
  reject: (event) => {
    throw new Reject(plain(event));
  },
  uncaught: (event, cx) => {
    cx.kv.set(event.id, "half");
    deep();
  },
  loop: () => {
    for (;;);
  },
  memory: () => {
    const hoard: Uint8Array[] = [];
    for (;;) hoard.push(new Uint8Array(1 << 20).fill(1));
  },
  log: (event, cx) => {
    for (const level of ["trace", "debug", "info", "warn", "error", "critical"] as const) cx[level](`${level} ${plain(event)}`);
  },
  config: (_, cx) => `${cx.config("greeting")} ${cx.config("absent") ?? "none"}`,
  clock: (_, cx) => Math.floor(cx.now().getTime() / 1000),
  random: (_, cx) => Array.from(cx.randomBytes(16), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  counter: () => (counter += 1),
};

function deep(): void {
  throw new Error("uncaught as asked");
}
