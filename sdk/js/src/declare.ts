/**
 * What a module's default export says: which function handles events, and what it needs for that.
 *
 * Invariant: a component has one handler, or one batch handler, or one transform.
 */

import type { Item } from "./batch.js";
import type { Context } from "./context.js";
import type { Event } from "./event.js";
import { any, type Shape } from "./shape.js";

/** What a plugin asks its host for; the component then imports nothing beyond. */
export interface Needs {
  /** The event types that it publishes; one that ends in `*` stands for all that begin so. */
  publish?: string[];
  /** The buckets that it opens, `:read` behind the name of one that it only reads. */
  kv?: string[];
  /** The secrets that it holds. A plugin that does not say it holds none. */
  hold?: string[];
}

/** How often a handler wants to be tried, as in a rule's target. */
export interface Retries {
  attempts?: number;
  first?: string;
  max?: string;
  age?: string;
}

/** How a handler is declared. `wharf deploy FILE.wasm` makes the plugin's rule of `on`, `orderBy` and `retry`. */
export interface Options<T> {
  /** The event types that it handles; one that ends in `*` stands for all that begin so. */
  on?: string | string[];
  /** What its events are ordered by: a path into the event, such as `$.data.customer`. */
  orderBy?: string;
  /** How often it is tried; times as `"2s"` or `"5m"`. */
  retry?: Retries;
  /** What it needs; where nothing is said it may ask for everything. */
  needs?: Needs;
  /** What its payload has to look like; what does not fit is rejected before the function is called. */
  payload?: Shape<T>;
}

/** A declared handler: the default export of a plugin's module. */
export interface Plugin<T = unknown, F = Function> {
  readonly kind: "handler" | "batch-handler" | "transform";
  readonly on: string[];
  readonly orderBy: string | undefined;
  readonly retry: Retries | undefined;
  readonly needs: Needs | undefined;
  readonly payload: Shape<T>;
  readonly run: F;
}

/** Makes a function the handler that this component exports. */
export function handler<T = unknown>(
  options: Options<T>,
  run: (event: Event<T>, cx: Context) => void,
): Plugin<T, (event: Event<T>, cx: Context) => void> {
  return declared("handler", options, run);
}

/** Makes a function the batch handler that this component exports: it consumes a queue. */
export function batchHandler<T = unknown>(
  options: Options<T>,
  run: (batch: Item<T>[], cx: Context) => void,
): Plugin<T, (batch: Item<T>[], cx: Context) => void> {
  return declared("batch-handler", options, run);
}

/** Makes a function the transform that this component exports: it changes events on their way, or leaves them out. */
export function transform<T = unknown>(
  options: Options<T>,
  run: (event: Event<T>) => Event | undefined,
): Plugin<T, (event: Event<T>) => Event | undefined> {
  return declared("transform", options, run);
}

function declared<T, F extends Function>(kind: Plugin["kind"], options: Options<T>, run: F): Plugin<T, F> {
  if (typeof run !== "function") throw new TypeError(`a ${kind} is a function: write ${kind}({ … }, (event, cx) => { … })`);
  if (run.constructor.name === "AsyncFunction") throw new TypeError(`a ${kind} is not \`async\`: nothing that it can do has to be waited for`);
  const on = typeof options.on === "string" ? [options.on] : (options.on ?? []);
  return { kind, on, orderBy: options.orderBy, retry: options.retry, needs: options.needs, payload: options.payload ?? (any as Shape<T>), run };
}
