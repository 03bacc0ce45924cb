declare module 'wharf:plugin/types@0.1.0' {
  /**
   * One CloudEvents attribute or extension that the specification does not require, in its canonical string form
   * (CloudEvents 1.0.2, section "Type System").
   */
  export interface Attribute {
    /**
     * Lower-case letters and digits, at most 20 of them.
     */
    name: string,
    /**
     * The value's canonical string.
     */
    value: string,
  }
  /**
   * An event, as CloudEvents 1.0 defines it.
   */
  export interface Event {
    /**
     * Unique among the events of its source.
     */
    id: string,
    /**
     * A URI reference that names where the event happened.
     */
    source: string,
    /**
     * What kind of occurrence this is, such as `order.created`.
     */
    type: string,
    /**
     * What in the source the event is about.
     */
    subject?: string,
    /**
     * When it happened, RFC 3339.
     */
    time?: string,
    /**
     * The media type of `data`.
     */
    datacontenttype?: string,
    /**
     * The schema that `data` adheres to.
     */
    dataschema?: string,
    /**
     * Extension attributes, the host's own (`correlationid`, `causationid`, `wharfhops`) among them.
     */
    extensions: Array<Attribute>,
    /**
     * The payload, byte for byte as it was received.
     */
    data?: Uint8Array,
  }
  /**
   * Why and how this event reached this handler.
   */
  export interface Delivery {
    /**
     * The same for every attempt of this delivery: an idempotency key for effects outside the host.
     */
    id: string,
    /**
     * The rule that matched.
     */
    rule: string,
    /**
     * 1 for the first attempt.
     */
    attempt: number,
    /**
     * How many attempts the retry policy allows.
     */
    maxAttempts: number,
    /**
     * Wall time that this attempt may take, in milliseconds from its start.
     */
    deadlineMs: number,
  }
  /**
   * A wish to be tried again.
   */
  export interface RetryRequest {
    /**
     * Not before so many milliseconds from now; absent = by the target's retry policy.
     */
    afterMs?: bigint,
    /**
     * For the people who read the attempt's record.
     */
    reason: string,
  }
  /**
   * How an attempt ends when it does not succeed. None of its effects are kept.
   */
  export type Failure = FailureRetry | FailureReject;
  /**
   * Try again later, until the retry policy is spent.
   */
  export interface FailureRetry {
    tag: 'retry',
    val: RetryRequest,
  }
  /**
   * This event can never succeed here: dead-letter it now, for this reason.
   */
  export interface FailureReject {
    tag: 'reject',
    val: string,
  }
}
