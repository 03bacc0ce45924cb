/**
 * A host in memory, so that a test runs a handler as a plain function.
 *
 * Invariant: it keeps the contract's promise: what a handler published and stored is kept only if it succeeded. Payloads go through bytes
 * as they do in the real host, so what does not fit is rejected here too.
 *
 * It has no limits, and grants everything but what `denied` names. It does not match rules.
 */

import { AccessDenied, KvError } from "./bucket.js";
import { InvalidEvent, PublishDenied, SecretDenied, SecretError, type Level } from "./context.js";
import type { Plugin } from "./declare.js";
import type { Delivery, Event, Received } from "./event.js";
import { Failure, Reject, RetryAfter } from "./failure.js";
import type { Port, PortBucket } from "./port.js";
import * as run from "./run.js";
import { decodeText, encodeText } from "./text.js";

/** An event that a handler published. */
export interface Published {
  id: string;
  type: string;
  source: string;
  subject: string | undefined;
  datacontenttype: string | undefined;
  extensions: Record<string, string>;
  /** The payload: as JSON where it is that, and else its bytes. */
  data: unknown;
}

/** How an attempt ended. */
export interface Result {
  outcome: "ok" | "retry" | "reject";
  reason: string;
  /** Seconds, if the handler asked for a time. */
  after?: number;
}

/** What may be said of the event beside its payload. */
export type About = Partial<Omit<Event, "data">> & { attempt?: number; maxAttempts?: number; deadlineMs?: number };

/** How a host is set up. */
export interface Setup {
  kv?: Record<string, Record<string, Uint8Array | string>>;
  config?: Record<string, string>;
  /** What the plugin may hold. */
  secrets?: Record<string, string>;
  /** Buckets, event types and secrets that are refused. */
  denied?: string[];
  /** Where the clock stands still. */
  now?: Date;
}

/** Any declared handler; what its payload is does not matter here. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Any = Plugin<any, any>;

/** A host in memory. */
export class Host {
  /** What is stored, by bucket and key, as text. */
  kv: Record<string, Record<string, string>> = {};
  readonly published: Published[] = [];
  readonly log: { level: Level; message: string }[] = [];
  readonly config: Record<string, string>;
  readonly secrets: Map<string, string>;
  readonly denied: Set<string>;
  readonly now: Date;
  /** @internal */
  draws = 0;
  /** @internal */
  stored = new Map<string, Map<string, Uint8Array>>();

  constructor(setup: Setup = {}) {
    this.config = setup.config ?? {};
    this.secrets = new Map(Object.entries(setup.secrets ?? {}));
    this.denied = new Set(setup.denied);
    this.now = setup.now ?? new Date("2026-01-01T00:00:00Z");
    for (const [bucket, keys] of Object.entries(setup.kv ?? {})) {
      this.stored.set(bucket, new Map(Object.entries(keys).map(([key, value]) => [key, typeof value === "string" ? encodeText(value) : value])));
    }
    this.#show();
  }

  /** Lets a handler handle one event with this payload. */
  run(plugin: Any, data?: unknown, about: About = {}): Result {
    const attempt = new Attempt(this);
    const failure = run.attempt(kind(plugin, "handler"), event(plugin, data, about), delivery(about), attempt);
    return this.#end(attempt, [failure])[0] as Result;
  }

  /** Lets a batch handler handle events with these payloads, and gives each one's outcome. */
  runBatch(plugin: Any, batch: unknown[], about: About = {}): Result[] {
    const attempt = new Attempt(this);
    const items = batch.map((data, n): [Received, Delivery] => [event(plugin, data, { id: `${n}`, ...about }), delivery({ id: `${n}`, ...about })]);
    const outcomes = run.batch(kind(plugin, "batch-handler"), items, attempt);
    return this.#end(attempt, outcomes instanceof Failure ? items.map(() => outcomes) : outcomes);
  }

  /** Lets a transform change one event, and gives what goes on, its payload as text. Its failure is thrown. */
  transform(plugin: Any, data?: unknown, about: About = {}): Event<string | undefined> | undefined {
    const result = run.transform(kind(plugin, "transform"), event(plugin, data, about));
    if (result instanceof Failure) throw result;
    return result === undefined ? undefined : { ...result, data: result.data === undefined ? undefined : decodeText(result.data) };
  }

  #end(attempt: Attempt, failures: (Failure | undefined)[]): Result[] {
    if (failures.every((failure) => failure === undefined)) {
      attempt.commit();
      this.#show();
    }
    return failures.map(result);
  }

  #show(): void {
    const shown = [...this.stored].map(([name, keys]) => [name, Object.fromEntries([...keys].map(([key, value]) => [key, decodeText(value)]))]);
    this.kv = Object.fromEntries(shown);
  }
}

class Attempt implements Port {
  readonly #host: Host;
  readonly #kv: Map<string, Map<string, Uint8Array>>;
  readonly #drafts: Published[] = [];
  readonly #added: [string, string, number][] = [];

  constructor(host: Host) {
    this.#host = host;
    this.#kv = new Map([...host.stored].map(([name, keys]) => [name, new Map(keys)]));
  }

  commit(): void {
    for (const [bucket, key, delta] of this.#added) {
      const keys = this.#keys(bucket);
      keys.set(key, encodeText(String(whole(keys.get(key)) + delta)));
    }
    this.#host.stored = this.#kv;
    this.#host.published.push(...this.#drafts);
  }

  publish(draft: Received): string {
    if (this.#host.denied.has(draft.type)) throw new PublishDenied(`publishing this event is not granted: ${draft.type}`);
    const bad = Object.keys(draft.extensions).find((name) => !/^[a-z0-9]{1,20}$/.test(name));
    if (draft.type === "" || bad !== undefined) {
      throw new InvalidEvent(`this event is against the rules of CloudEvents: the attribute \`${bad ?? "type"}\``);
    }
    const id = `published-${this.#host.published.length + this.#drafts.length}`;
    const { type, source, subject, datacontenttype, extensions, data } = draft;
    const isJson = datacontenttype === "application/json" && data !== undefined;
    this.#drafts.push({ id, type, source: source || "plugin/test", subject, datacontenttype, extensions, data: isJson ? JSON.parse(decodeText(data)) : data });
    return id;
  }

  open(bucket: string): PortBucket {
    if (this.#host.denied.has(bucket)) throw new AccessDenied(`bucket \`${bucket}\` is not granted to this plugin`);
    const keys = this.#keys(bucket);
    return {
      get: (key) => keys.get(key),
      set: (key, value) => void keys.set(key, value),
      delete: (key) => void keys.delete(key),
      exists: (key) => keys.has(key),
      keys: () => [...keys.keys()].sort(),
      add: (key, delta) => void this.#added.push([bucket, key, delta]),
      increment: (key, delta) => {
        const sum = whole(keys.get(key)) + delta;
        keys.set(key, encodeText(String(sum)));
        return sum;
      },
    };
  }

  config(key: string): string | undefined {
    return this.#host.config[key];
  }

  secret(name: string): string {
    if (this.#host.denied.has(name)) throw new SecretDenied(`holding the secret \`${name}\` is not granted to this plugin`);
    const value = this.#host.secrets.get(name);
    if (value === undefined) throw new SecretError(`there is no secret \`${name}\``);
    return value;
  }

  log(level: Level, _group: string, message: string): void {
    this.#host.log.push({ level, message });
  }

  now(): { seconds: number; nanoseconds: number } {
    const ms = this.#host.now.getTime();
    return { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1e6 };
  }

  random(length: number): Uint8Array {
    // The same draws in every run of a test, and another one each time: a step of a linear congruential generator a byte.
    let state = (this.#host.draws += 1);
    return Uint8Array.from({ length }, () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24);
  }

  #keys(bucket: string): Map<string, Uint8Array> {
    const keys = this.#kv.get(bucket) ?? new Map<string, Uint8Array>();
    this.#kv.set(bucket, keys);
    return keys;
  }
}

function whole(value: Uint8Array | undefined): number {
  const number = Number(value === undefined ? "0" : decodeText(value));
  if (!Number.isInteger(number)) throw new KvError("the value is no number");
  return number;
}

function kind(plugin: Any, wanted: Plugin["kind"]): Plugin {
  if (plugin?.kind !== wanted) throw new TypeError(`this is no ${wanted}: it is ${plugin?.kind ?? "not declared"}`);
  return plugin as Plugin;
}

function delivery(about: About): Delivery {
  const attempt = about.attempt ?? 1;
  const maxAttempts = about.maxAttempts ?? Math.max(attempt, 3);
  return { id: `delivery-of-${about.id ?? "1"}`, rule: "test", attempt, maxAttempts, deadlineMs: about.deadlineMs ?? 30_000 };
}

function event(plugin: Any, data: unknown, about: About): Received {
  const { attempt: _attempt, maxAttempts: _max, deadlineMs: _deadline, ...attributes } = about;
  const payload = data === undefined || data instanceof Uint8Array ? data : encodeText(JSON.stringify(data));
  // A type that ends in `*` stands for many, of which this is one.
  const type = (plugin.on[0] ?? "test").replace(/\*$/, "");
  return { id: "1", source: "test", type, extensions: {}, ...attributes, data: payload };
}

function result(failure: Failure | undefined): Result {
  if (failure === undefined) return { outcome: "ok", reason: "" };
  const after = failure instanceof RetryAfter ? { after: failure.seconds } : {};
  return { outcome: failure instanceof Reject ? "reject" : "retry", reason: failure.message, ...after };
}
