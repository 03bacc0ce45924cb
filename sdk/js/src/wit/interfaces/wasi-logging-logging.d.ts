declare module 'wasi:logging/logging@0.1.0-draft' {
  /**
   * Writes one line. `context` groups lines that belong together.
   */
  export function log(level: Level, context: string, message: string): void;
  /**
   * How much a line matters.
   * # Variants
   * 
   * ## `"trace"`
   * 
   * Values and control flow.
   * ## `"debug"`
   * 
   * For debugging.
   * ## `"info"`
   * 
   * For monitoring.
   * ## `"warn"`
   * 
   * Something is hazardous.
   * ## `"error"`
   * 
   * Something failed.
   * ## `"critical"`
   * 
   * Nothing can go on.
   */
  export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'critical';
}
