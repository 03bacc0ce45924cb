/// <reference path="./wharf-plugin-types.d.ts" />
declare module 'wharf:plugin/handler@0.1.0' {
  /**
   * Called once per attempt, in a fresh instance. What it published and stored becomes durable together with the
   * settlement when it returns `ok`; any failure, trap or timeout leaves nothing behind.
   */
  export function handle(event: Event, delivery: Delivery): void;
  export type Event = import('wharf:plugin/types@0.1.0').Event;
  export type Delivery = import('wharf:plugin/types@0.1.0').Delivery;
  export type Failure = import('wharf:plugin/types@0.1.0').Failure;
}
