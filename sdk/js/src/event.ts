/**
 * The event that a handler or a transform gets: the attributes of CloudEvents 1.0 and a payload of the author's own type.
 *
 * Invariant: attributes are as the host sent them; only the payload is decoded.
 */

/** A received event whose payload is a `T`. */
export interface Event<T = unknown> {
  /** Unique among the events of its source. */
  id: string;
  /** A URI reference that names where the event happened. */
  source: string;
  /** What kind of occurrence this is, such as `order.created`. */
  type: string;
  /** What in the source the event is about. */
  subject?: string | undefined;
  /** When it happened, RFC 3339. */
  time?: string | undefined;
  /** The media type of the payload. */
  datacontenttype?: string | undefined;
  /** The schema that the payload adheres to. */
  dataschema?: string | undefined;
  /** The extension attributes, in the canonical string form of CloudEvents: `correlationid`, for one. */
  extensions: Record<string, string>;
  /** The payload. */
  data: T;
}

/** An event as it crosses the border to the host. */
export type Received = Event<Uint8Array | undefined>;

/** Why and how an event reached this handler. */
export interface Delivery {
  id: string;
  rule: string;
  attempt: number;
  maxAttempts: number;
  deadlineMs: number;
}
