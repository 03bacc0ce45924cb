declare module 'wasi:random/random@0.2.0' {
  /**
   * So many fresh random bytes.
   */
  export function getRandomBytes(len: bigint): Uint8Array;
  /**
   * A fresh random number.
   */
  export function getRandomU64(): bigint;
}
