/**
 * Key-value buckets: what an attempt reads and writes.
 *
 * Invariant: a bucket is opened in the host at its first use, so that is where a missing grant shows. It does not commit: the host
 * does, when the handler returns.
 */

import type { Port, PortBucket } from "./port.js";
import { decodeText, encodeText } from "./text.js";

/** A bucket refused a call: a limit, or a value that is no number where one is needed. */
export class KvError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** There is no bucket of that name. */
export class NoSuchBucket extends KvError {}

/** No grant of this plugin names the bucket. */
export class AccessDenied extends KvError {}

/**
 * A bucket of keys and values.
 *
 * Reads see what was committed before the attempt plus the attempt's own writes. Writes become durable together with the settlement
 * of the event. If what an attempt read has changed by then, the host runs the handler again; blind writes (`set`, `delete`) and `add`
 * never conflict.
 */
export class Bucket {
  readonly #port: Port;
  readonly #name: string;
  #opened: PortBucket | undefined;

  constructor(port: Port, name: string) {
    this.#port = port;
    this.#name = name;
  }

  /** The value under `key`, if there is one. */
  get(key: string): Uint8Array | undefined {
    return this.#bucket.get(key);
  }

  /** The value under `key` as text. */
  getText(key: string): string | undefined {
    const value = this.get(key);
    return value === undefined ? undefined : decodeText(value);
  }

  /** The value under `key`, read as JSON. */
  getJson<T = unknown>(key: string): T | undefined {
    const text = this.getText(key);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new KvError(`bucket \`${this.#name}\`, key \`${key}\`: ${(error as Error).message}`);
    }
  }

  /** Stores `value` under `key`; a text as UTF-8. */
  set(key: string, value: Uint8Array | string): void {
    this.#bucket.set(key, typeof value === "string" ? encodeText(value) : value);
  }

  /** Stores `value` under `key`, as JSON. */
  setJson(key: string, value: unknown): void {
    this.set(key, JSON.stringify(value) ?? "null");
  }

  /** Removes `key`; it need not be there. */
  delete(key: string): void {
    this.#bucket.delete(key);
  }

  /** Whether there is a value under `key`. */
  exists(key: string): boolean {
    return this.#bucket.exists(key);
  }

  /** All keys that begin with `prefix`, in order. */
  keys(prefix = ""): string[] {
    return this.#bucket.keys().filter((key) => key.startsWith(prefix));
  }

  /** Adds to the decimal integer under `key` (absent = 0) when the attempt commits. Attempts that add never conflict. */
  add(key: string, delta = 1): void {
    this.#bucket.add(key, delta);
  }

  /** Adds to the decimal integer under `key` (absent = 0) and gives the sum. */
  increment(key: string, delta = 1): number {
    return this.#bucket.increment(key, delta);
  }

  /**
   * Stores `value` under `key` if what is there is `old` (`undefined` = nothing), and says whether it did.
   *
   * It is atomic: the host checks at the commit what was read, and runs the handler again if it has changed.
   */
  compareAndSwap(key: string, old: Uint8Array | string | undefined, value: Uint8Array | string): boolean {
    const found = this.get(key);
    const wanted = typeof old === "string" ? encodeText(old) : old;
    if (!same(found, wanted)) return false;
    this.set(key, value);
    return true;
  }

  get #bucket(): PortBucket {
    this.#opened ??= this.#port.open(this.#name);
    return this.#opened;
  }
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((byte, n) => byte === b[n]);
}
