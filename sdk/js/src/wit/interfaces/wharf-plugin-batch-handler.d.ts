/// <reference path="./wharf-plugin-types.d.ts" />
declare module 'wharf:plugin/batch-handler@0.1.0' {
  /**
   * Called with the next events of a queue, in a fresh instance. Gives an outcome for each of them, in their order; a list
   * of another length fails all of them, as an outer failure, a trap or a timeout does.
   * 
   * What it published and stored becomes durable together with the settlement of all events, and only if each of them
   * ended `ok`. If some failed nothing of the call is kept: those are settled as failed, and the others are handed over
   * again at once, in another instance. So what is kept comes from a call in which all events succeeded.
   */
  export function handleBatch(batch: Array<Item>): Array<Result<void, Failure>>;
  export type Event = import('wharf:plugin/types@0.1.0').Event;
  export type Delivery = import('wharf:plugin/types@0.1.0').Delivery;
  export type Failure = import('wharf:plugin/types@0.1.0').Failure;
  /**
   * A message of the queue that the plugin consumes.
   */
  export interface Item {
    /**
     * The event.
     */
    event: Event,
    /**
     * Why and how it reached this handler. Its `rule` is the queue's name where it was sent straight to the queue.
     */
    delivery: Delivery,
  }
  export type Result<T, E> = { tag: 'ok', val: T } | { tag: 'err', val: E };
}
