/**
 * What a handler can do besides returning: everything that reaches the host goes through a `Context`.
 *
 * Invariant: effects are the attempt's; the host keeps them only if the handler returns. (Log lines are kept always.) Nothing here
 * decides whether a plugin may: grants and limits are the host's.
 */

import { Bucket } from "./bucket.js";
import type { Delivery } from "./event.js";
import type { Port } from "./port.js";
import { encodeText } from "./text.js";

/** How much a log line matters. */
export type Level = "trace" | "debug" | "info" | "warn" | "error" | "critical";

/** An event was not taken. */
export class PublishError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** No grant of this plugin covers the event's type. */
export class PublishDenied extends PublishError {}

/** The event breaks a rule of CloudEvents. */
export class InvalidEvent extends PublishError {}

/** There is no value of a secret: it is not there, or cannot be opened. */
export class SecretError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** No grant of this plugin lets it hold the secret. */
export class SecretDenied extends SecretError {}

/** A configured value that is not what the plugin needs. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
  }
}

/** What may be said of an event to be published, beside its type and its payload. */
export interface Draft {
  /** What in the source the event is about. */
  subject?: string;
  /** Where it happened; by default `plugin/<name of the plugin>`. */
  source?: string;
  /** The media type of the payload; by default that of JSON, or of bytes. */
  datacontenttype?: string;
  /** Further attributes: names of lower-case letters and digits, at most 20 of them. */
  extensions?: Record<string, string>;
}

/** The attempt that a handler runs in: why it was called, and what it can do. */
export class Context {
  readonly #delivery: Delivery;
  readonly #port: Port;
  readonly #buckets = new Map<string, Bucket>();

  constructor(delivery: Delivery, port: Port) {
    this.#delivery = delivery;
    this.#port = port;
  }

  /** Which attempt this is: 1 is the first. */
  get attempt(): number {
    return this.#delivery.attempt;
  }

  /** How many attempts the target's retry policy allows. */
  get maxAttempts(): number {
    return this.#delivery.maxAttempts;
  }

  /** The same for every attempt of this delivery: an idempotency key for effects outside the host. */
  get deliveryId(): string {
    return this.#delivery.id;
  }

  /** The rule that matched the event. */
  get rule(): string {
    return this.#delivery.rule;
  }

  /** How many milliseconds this attempt may take, counted from its start. */
  get deadlineMs(): number {
    return this.#delivery.deadlineMs;
  }

  /**
   * Adds an event to the attempt's effects and gives the id that it will have. `data` is written as JSON; a `Uint8Array` is the payload
   * itself, and then `datacontenttype` says what it is.
   */
  publish(type: string, data?: unknown, draft: Draft = {}): string {
    const isBytes = data instanceof Uint8Array;
    const payload = data === undefined ? undefined : isBytes ? data : encodeText(JSON.stringify(data));
    const kind = payload === undefined ? undefined : isBytes ? "application/octet-stream" : "application/json";
    return this.#port.publish({
      id: "",
      source: draft.source ?? "",
      type,
      subject: draft.subject,
      datacontenttype: draft.datacontenttype ?? kind,
      extensions: draft.extensions ?? {},
      data: payload,
    });
  }

  /** The plugin's own bucket. */
  get kv(): Bucket {
    return this.bucket("default");
  }

  /** The bucket of that name. */
  bucket(name: string): Bucket {
    const known = this.#buckets.get(name) ?? new Bucket(this.#port, name);
    this.#buckets.set(name, known);
    return known;
  }

  /** The value of one key of the plugin's `config` table. */
  config(key: string): string | undefined {
    return this.#port.config(key);
  }

  /** The value of one key of the plugin's `config` table, read as a number. */
  configNumber(key: string): number | undefined {
    const value = this.config(key);
    if (value === undefined) return undefined;
    const read = value.trim() === "" ? Number.NaN : Number(value);
    if (Number.isNaN(read)) throw new ConfigError(`config \`${key}\` = \`${value}\`: expected a number`);
    return read;
  }

  /** The value of one key of the plugin's `config` table, read as `true` or `false`. */
  configBoolean(key: string): boolean | undefined {
    const value = this.config(key)?.trim();
    if (value === undefined) return undefined;
    if (value !== "true" && value !== "false") {
      throw new ConfigError(`config \`${key}\` = \`${value}\`: expected true or false`);
    }
    return value === "true";
  }

  /** The value of a secret of the tenant, which needs a grant of its own (`hold`), and to be said: `needs: { hold: […] }`. */
  secret(name: string): string {
    return this.#port.secret(name);
  }

  /** Writes one line to the plugin's log. Lines of one `group` belong together. */
  log(level: Level, message: unknown, group = ""): void {
    this.#port.log(level, group, String(message));
  }

  /** Logs values and control flow. */
  trace(message: unknown): void {
    this.log("trace", message);
  }

  /** Logs what helps debugging. */
  debug(message: unknown): void {
    this.log("debug", message);
  }

  /** Logs what is worth knowing. */
  info(message: unknown): void {
    this.log("info", message);
  }

  /** Logs that something is hazardous. */
  warn(message: unknown): void {
    this.log("warn", message);
  }

  /** Logs that something failed. */
  error(message: unknown): void {
    this.log("error", message);
  }

  /** Logs that nothing can go on. */
  critical(message: unknown): void {
    this.log("critical", message);
  }

  /** The time of day. */
  now(): Date {
    const { seconds, nanoseconds } = this.#port.now();
    return new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6));
  }

  /** So many random bytes that are fit for cryptography. */
  randomBytes(length: number): Uint8Array {
    return this.#port.random(length);
  }
}
