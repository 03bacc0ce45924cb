/**
 * The SDK's side of the contract: the interfaces that a component exports, over those that it imports. The builder's entry calls it.
 *
 * Invariant: engines differ in what they give for nothing (`null`, `undefined`), for 64 bits (`number`, `bigint`) and for an error
 * (itself, or wrapped), and only this file knows. What the component does not import is denied with a word about it.
 */

/// <reference path="./wit/event-handler.d.ts" />
/// <reference path="./wit/event-batch-handler.d.ts" />
/// <reference path="./wit/event-transform.d.ts" />
import type * as Store from "wasi:keyvalue/store@0.2.0-draft";
import type * as Atomics from "wasi:keyvalue/atomics@0.2.0-draft";
import type * as Config from "wasi:config/store@0.2.0-rc.1";
import type * as Logging from "wasi:logging/logging@0.1.0-draft";
import type * as Clock from "wasi:clocks/wall-clock@0.2.0";
import type * as Random from "wasi:random/random@0.2.0";
import type * as Publisher from "wharf:plugin/publisher@0.1.0";
import type * as Counters from "wharf:plugin/counters@0.1.0";
import type * as Wit from "wharf:plugin/types@0.1.0";

import { AccessDenied, KvError, NoSuchBucket } from "./bucket.js";
import { InvalidEvent, PublishDenied, SecretDenied, SecretError, type Level } from "./context.js";
import type { Plugin } from "./declare.js";
import type { Delivery, Received } from "./event.js";
import { Failure, Reject, RetryAfter } from "./failure.js";
import type { Port, PortBucket } from "./port.js";
import * as run from "./run.js";
import { wholeText } from "./text.js";

/** `wharf:secrets/held@0.1.0`, which no world of the contract has: a plugin imports it beside its world. */
interface Held {
  get(name: string): string;
}

/** Why there is no value of a secret. */
interface NotHeld {
  tag: "denied" | "unknown" | "unavailable";
  val: string;
}

/** What a component imports; absent where its plugin does without. */
export interface Imports {
  publisher?: typeof Publisher;
  counters?: typeof Counters;
  store?: typeof Store;
  atomics?: typeof Atomics;
  config?: typeof Config;
  logging?: typeof Logging;
  clock?: typeof Clock;
  random?: typeof Random;
  held?: Held;
}

/** Makes the export of a plugin. `bigints`: whether the engine has 64-bit integers as `bigint`. */
export function exported(plugin: Plugin, imports: Imports, bigints: boolean): Record<string, Function> {
  const host = new Host(imports, bigints);
  host.begin();
  switch (plugin.kind) {
    case "handler":
      return {
        handle(event: Wit.Event, delivery: Wit.Delivery): void {
          const failure = run.attempt(plugin, received(event), delivered(delivery), host);
          if (failure !== undefined) throw host.refusal(failure);
        },
      };
    case "batch-handler":
      return {
        handleBatch(batch: { event: Wit.Event; delivery: Wit.Delivery }[]): object[] {
          const items = batch.map((item): [Received, Delivery] => [received(item.event), delivered(item.delivery)]);
          const outcomes = run.batch(plugin, items, host);
          if (outcomes instanceof Failure) throw host.refusal(outcomes);
          return outcomes.map((failure) => (failure === undefined ? { tag: "ok" } : { tag: "err", val: host.refusal(failure) }));
        },
      };
    case "transform":
      return {
        transform(event: Wit.Event): object | undefined {
          const result = run.transform(plugin, received(event));
          if (result instanceof Failure) throw host.refusal(result);
          if (result === undefined) return undefined;
          return { ...result, extensions: attributes(result.extensions) };
        },
      };
  }
}

class Host implements Port {
  readonly #imports: Imports;
  readonly #bigints: boolean;

  constructor(imports: Imports, bigints: boolean) {
    this.#imports = imports;
    this.#bigints = bigints;
  }

  /** Lets what the language has of its own reach the host. The component is a snapshot: its own random numbers would be the same in every attempt. */
  begin(): void {
    const { random, logging } = this.#imports;
    if (random !== undefined) Math.random = () => Number(BigInt(random.getRandomU64()) >> 11n) / 2 ** 53;
    if (logging === undefined) return;
    const line =
      (level: Level) =>
      (...parts: unknown[]) =>
        this.log(level, "console", parts.map((part) => (typeof part === "string" ? part : (JSON.stringify(part) ?? String(part)))).join(" "));
    const lines = { trace: line("trace"), debug: line("debug"), log: line("info"), info: line("info"), warn: line("warn"), error: line("error") };
    Object.assign(globalThis, { console: lines });
  }

  publish(draft: Received): string {
    const { publisher } = this.#imports;
    if (publisher === undefined) throw new PublishDenied("this plugin does not say that it publishes: `needs: { publish: […] }`");
    try {
      return publisher.publish({
        type: wholeText(draft.type),
        extensions: attributes(draft.extensions),
        ...(draft.source !== "" && { source: wholeText(draft.source) }),
        ...(draft.subject !== undefined && { subject: wholeText(draft.subject) }),
        ...(draft.datacontenttype !== undefined && { datacontenttype: wholeText(draft.datacontenttype) }),
        ...(draft.data !== undefined && { data: draft.data }),
      });
    } catch (error) {
      const reason = unwrapped<Publisher.PublishError>(error);
      if (reason.tag === "denied") throw new PublishDenied(`publishing this event is not granted: ${reason.val}`);
      if (reason.tag === "invalid") throw new InvalidEvent(`this event is against the rules of CloudEvents: ${reason.val}`);
      throw error;
    }
  }

  open(bucket: string): PortBucket {
    return new OpenBucket(bucket, this.#imports, this.#bigints);
  }

  config(key: string): string | undefined {
    return this.#imports.config?.get(wholeText(key)) ?? undefined;
  }

  secret(name: string): string {
    const { held } = this.#imports;
    if (held === undefined) throw new SecretDenied(`secret \`${name}\`: this plugin does not say that it holds it: \`needs: { hold: […] }\``);
    try {
      return held.get(wholeText(name));
    } catch (error) {
      const { tag, val } = unwrapped<NotHeld>(error);
      if (tag === "denied") throw new SecretDenied(val);
      if (tag === "unknown" || tag === "unavailable") throw new SecretError(val);
      throw error;
    }
  }

  log(level: Level, group: string, message: string): void {
    this.#imports.logging?.log(level, wholeText(group), wholeText(message));
  }

  now(): { seconds: number; nanoseconds: number } {
    const now = this.#imports.clock?.now();
    return { seconds: Number(now?.seconds ?? 0), nanoseconds: now?.nanoseconds ?? 0 };
  }

  random(length: number): Uint8Array {
    const { random } = this.#imports;
    if (random === undefined) throw new Error("this plugin imports no random numbers");
    return Uint8Array.from(random.getRandomBytes(wide(length, this.#bigints)));
  }

  /** A failure as the contract has it. */
  refusal(failure: Failure): object {
    const reason = wholeText(failure.message);
    if (failure instanceof Reject) return { tag: "reject", val: reason };
    const afterMs = failure instanceof RetryAfter ? wide(failure.afterMs, this.#bigints) : undefined;
    return { tag: "retry", val: { afterMs, reason } };
  }
}

class OpenBucket implements PortBucket {
  readonly #name: string;
  readonly #imports: Imports;
  readonly #bigints: boolean;
  readonly #handle: Store.Bucket;

  constructor(name: string, imports: Imports, bigints: boolean) {
    const { store } = imports;
    if (store === undefined) throw new AccessDenied(`bucket \`${name}\`: this plugin does not say that it needs it: \`needs: { kv: […] }\``);
    this.#name = name;
    this.#imports = imports;
    this.#bigints = bigints;
    this.#handle = this.#call(() => store.open(wholeText(name)));
  }

  get(key: string): Uint8Array | undefined {
    const value = this.#call(() => this.#handle.get(wholeText(key)));
    return value === undefined || value === null ? undefined : Uint8Array.from(value);
  }

  set(key: string, value: Uint8Array): void {
    this.#call(() => this.#handle.set(wholeText(key), value));
  }

  delete(key: string): void {
    this.#call(() => this.#handle.delete(wholeText(key)));
  }

  exists(key: string): boolean {
    return this.#call(() => this.#handle.exists(wholeText(key)));
  }

  keys(): string[] {
    const keys: string[] = [];
    let cursor: bigint | undefined;
    do {
      const page = this.#call(() => this.#handle.listKeys(cursor));
      keys.push(...page.keys);
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    return keys;
  }

  add(key: string, delta: number): void {
    this.#call(() => this.#imports.counters?.add(this.#handle, wholeText(key), wide(delta, this.#bigints)));
  }

  increment(key: string, delta: number): number {
    return Number(this.#call(() => this.#imports.atomics?.increment(this.#handle, wholeText(key), wide(delta, this.#bigints))));
  }

  #call<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      const reason = unwrapped<Store.Error>(error);
      switch (reason.tag) {
        case "access-denied":
          throw new AccessDenied(`bucket \`${this.#name}\` is not granted to this plugin`);
        case "no-such-store":
          throw new NoSuchBucket(`there is no bucket \`${this.#name}\``);
        case "other":
          throw new KvError(`bucket \`${this.#name}\`: ${reason.val}`);
        default:
          throw error;
      }
    }
  }
}

/** The error's own value: one engine throws it as it is, another puts it into an error of its own. */
function unwrapped<T>(error: unknown): T {
  const inner = (error as { payload?: T } | null)?.payload ?? error;
  return (typeof inner === "object" && inner !== null ? inner : { tag: "" }) as T;
}

/** An integer of 64 bits, as the engine takes it. What is none would be a trap there. */
function wide(number: number, bigints: boolean): bigint {
  if (!Number.isSafeInteger(number)) throw new RangeError(`${number} is no integer of at most 53 bits`);
  return (bigints ? BigInt(number) : number) as bigint;
}

function attributes(extensions: Record<string, string>): Wit.Attribute[] {
  return Object.entries(extensions).map(([name, value]) => ({ name: wholeText(name), value: wholeText(value) }));
}

function received(event: Wit.Event): Received {
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.subject ?? undefined,
    time: event.time ?? undefined,
    datacontenttype: event.datacontenttype ?? undefined,
    dataschema: event.dataschema ?? undefined,
    extensions: Object.fromEntries(event.extensions.map(({ name, value }) => [name, value])),
    data: event.data === undefined || event.data === null ? undefined : Uint8Array.from(event.data),
  };
}

function delivered(delivery: Wit.Delivery): Delivery {
  const { id, rule, attempt, maxAttempts, deadlineMs } = delivery;
  return { id, rule, attempt, maxAttempts, deadlineMs };
}
