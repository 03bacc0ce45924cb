declare module 'wasi:clocks/monotonic-clock@0.2.0' {
  /**
   * The clock's current value.
   */
  export function now(): Instant;
  /**
   * How long one tick of the clock is.
   */
  export function resolution(): Duration;
  /**
   * A point in time, in nanoseconds from an arbitrary origin.
   */
  export type Instant = bigint;
  /**
   * A length of time, in nanoseconds.
   */
  export type Duration = bigint;
}
