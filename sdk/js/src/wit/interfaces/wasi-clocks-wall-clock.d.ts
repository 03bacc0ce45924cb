declare module 'wasi:clocks/wall-clock@0.2.0' {
  /**
   * The clock's current value.
   */
  export function now(): Datetime;
  /**
   * How long one tick of the clock is.
   */
  export function resolution(): Datetime;
  /**
   * Time since 1970-01-01T00:00:00Z.
   */
  export interface Datetime {
    /**
     * Whole seconds.
     */
    seconds: bigint,
    /**
     * The rest, under 1,000,000,000.
     */
    nanoseconds: number,
  }
}
