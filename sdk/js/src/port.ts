/**
 * What the host does for an attempt: the seam between the SDK and whoever is behind it.
 *
 * Invariant: there are two of them, `component.ts` over the contract's imports and `testing.ts` in memory; nothing else of the SDK
 * knows which.
 */

import type { Level } from "./context.js";
import type { Received } from "./event.js";

/** An open bucket. Whatever goes wrong is a `KvError`. */
export interface PortBucket {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array): void;
  delete(key: string): void;
  exists(key: string): boolean;
  keys(): string[];
  add(key: string, delta: number): void;
  increment(key: string, delta: number): number;
}

/** A host. */
export interface Port {
  publish(draft: Received): string;
  open(bucket: string): PortBucket;
  config(key: string): string | undefined;
  secret(name: string): string;
  log(level: Level, group: string, message: string): void;
  now(): { seconds: number; nanoseconds: number };
  random(length: number): Uint8Array;
}
