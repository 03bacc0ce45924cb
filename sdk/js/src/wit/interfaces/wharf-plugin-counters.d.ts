/// <reference path="./wasi-keyvalue-store.d.ts" />
declare module 'wharf:plugin/counters@0.1.0' {
  /**
   * Adds `delta` to the decimal integer stored under `key` (absent = 0) when the attempt commits. Two attempts that add
   * to one key never conflict, since neither learns the sum; use `wasi:keyvalue/atomics.increment` where the sum is needed.
   */
  export function add(bucket: Bucket, key: string, delta: bigint): void;
  export type Bucket = import('wasi:keyvalue/store@0.2.0-draft').Bucket;
  export type Error = import('wasi:keyvalue/store@0.2.0-draft').Error;
}
