/// <reference path="./wharf-plugin-types.d.ts" />
declare module 'wharf:plugin/transformer@0.1.0' {
  /**
   * Called once per attempt before the target's handler, in a fresh instance. Gives the event that the next transform of
   * the rule gets, and after the last one the handler; `none` settles the delivery as filtered, and the handler is not
   * called. The archive keeps the event as it was received, so the next attempt transforms it again, and what the handler
   * publishes has the correlation and the causation of that one.
   * 
   * A failure, a trap, a timeout, or an event that breaks a rule of CloudEvents fails the attempt.
   */
  export function transform(event: Event): Event | undefined;
  export type Event = import('wharf:plugin/types@0.1.0').Event;
  export type Failure = import('wharf:plugin/types@0.1.0').Failure;
}
