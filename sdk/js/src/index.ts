/**
 * Write event handlers for Wharf in TypeScript and JavaScript.
 *
 * A handler is one function. What it publishes and stores becomes durable in one commit with the settlement of its event when it
 * returns, and none of it does when it throws or takes too long. Whatever is thrown that is neither `Reject` nor `RetryAfter` is a
 * wish to be tried again.
 *
 * @module
 */

export { Item } from "./batch.js";
export { AccessDenied, Bucket, KvError, NoSuchBucket } from "./bucket.js";
export { ConfigError, Context, InvalidEvent, PublishDenied, PublishError, SecretDenied, SecretError, type Draft, type Level } from "./context.js";
export { batchHandler, handler, transform, type Needs, type Options, type Plugin, type Retries } from "./declare.js";
export type { Delivery, Event } from "./event.js";
export { Failure, Reject, Retry, RetryAfter } from "./failure.js";
export * as shape from "./shape.js";
export { Unfit, type Shape } from "./shape.js";
