/**
 * Many events of a queue in one call: what a batch handler gets, and how it says which of them failed.
 *
 * Invariant: there is one outcome per event, in the order of the events.
 */

import type { Delivery, Event } from "./event.js";
import { ofError, type Failure } from "./failure.js";

/** A message of the queue that the plugin consumes. It succeeded unless `fail` says otherwise. */
export class Item<T> {
  /** Why it did not succeed, if it did not. */
  failure: Failure | undefined;
  readonly #delivery: Delivery;

  constructor(
    readonly event: Event<T>,
    delivery: Delivery,
  ) {
    this.#delivery = delivery;
  }

  /** Says that this event did not succeed: `Reject`, `Retry`, `RetryAfter`, or any error, which is a retry. */
  fail(why: unknown): void {
    this.failure = ofError(why);
  }

  /** How often the message was received, this time included. */
  get attempt(): number {
    return this.#delivery.attempt;
  }

  /** How often it may be received. */
  get maxAttempts(): number {
    return this.#delivery.maxAttempts;
  }

  /** The same for every attempt of this message: an idempotency key for effects outside the host. */
  get deliveryId(): string {
    return this.#delivery.id;
  }

  /** The rule that sent the event to the queue; the queue's name where it was sent straight there. */
  get rule(): string {
    return this.#delivery.rule;
  }
}
