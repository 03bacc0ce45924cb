declare module 'wasi:config/store@0.2.0-rc.1' {
  /**
   * The value of one key.
   */
  export function get(key: string): string | undefined;
  /**
   * All keys with their values.
   */
  export function getAll(): Array<[string, string]>;
  /**
   * Why a value could not be had. Wharf's never fails.
   */
  export type Error = ErrorUpstream | ErrorIo;
  /**
   * The source of the configuration failed.
   */
  export interface ErrorUpstream {
    tag: 'upstream',
    val: string,
  }
  /**
   * Reading it failed.
   */
  export interface ErrorIo {
    tag: 'io',
    val: string,
  }
}
