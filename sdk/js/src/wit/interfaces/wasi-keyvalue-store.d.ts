declare module 'wasi:keyvalue/store@0.2.0-draft' {
  /**
   * Opens a bucket. An empty name or `default` is the bucket named like the plugin.
   */
  export function open(identifier: string): Bucket;
  /**
   * Why a call did not succeed.
   */
  export type Error = ErrorNoSuchStore | ErrorAccessDenied | ErrorOther;
  /**
   * There is no bucket of that name.
   */
  export interface ErrorNoSuchStore {
    tag: 'no-such-store',
  }
  /**
   * No grant of this plugin names the bucket.
   */
  export interface ErrorAccessDenied {
    tag: 'access-denied',
  }
  /**
   * Anything else, in words.
   */
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
  /**
   * One page of a bucket's keys.
   */
  export interface KeyResponse {
    /**
     * The keys of this page, in order.
     */
    keys: Array<string>,
    /**
     * Where the next page begins; absent on the last one.
     */
    cursor?: bigint,
  }
  
  export class Bucket implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
    * The value under `key`, if there is one.
    */
    get(key: string): Uint8Array | undefined;
    /**
    * Stores `value` under `key`.
    */
    set(key: string, value: Uint8Array): void;
    /**
    * Removes `key`; it need not be there.
    */
    'delete'(key: string): void;
    /**
    * Whether there is a value under `key`.
    */
    exists(key: string): boolean;
    /**
    * One page of keys.
    */
    listKeys(cursor: bigint | undefined): KeyResponse;
    [Symbol.dispose](): void;
  }
}
