/**
 * How a handler says that an attempt did not succeed.
 *
 * Invariant: whatever is thrown without a word about it is a wish to be tried again; only the author can say that an event is
 * hopeless.
 */

/** An attempt that did not succeed, for this reason. Throw one of its kinds: `Retry`, `RetryAfter`, `Reject`. */
export class Failure extends Error {
  constructor(reason = "") {
    super(reason);
    this.name = new.target.name;
  }
}

/** Try this event again, when the target's retry policy says. */
export class Retry extends Failure {}

/** Try this event again, but not before so many seconds have passed. */
export class RetryAfter extends Failure {
  constructor(
    readonly seconds: number,
    reason = "",
  ) {
    super(reason);
  }

  /** The wait in whole milliseconds, rounded up: it is never shorter than what was asked for. */
  get afterMs(): number {
    const ms = Math.ceil(Number((this.seconds * 1000).toFixed(6)));
    return ms > 0 ? Math.min(ms, Number.MAX_SAFE_INTEGER) : 0;
  }
}

/** This event can never succeed here: it goes to the dead-letter queue now. */
export class Reject extends Failure {}

/** What something that was thrown means: itself if it is a failure, and else a retry that names it and the place where it was thrown. */
export function ofError(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (!(error instanceof Error)) return new Retry(`thrown: ${String(error)}`);
  const place = frames(error)[0];
  return new Retry(place === undefined ? `${error.name}: ${error.message}` : `${error.name}: ${error.message} (${place})`);
}

/** The error with its stack, for the attempt's log. */
export function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return [`${error.name}: ${error.message}`, ...frames(error).map((frame) => `    at ${frame}`)].join("\n");
}

/** The places on the stack, innermost first. Engines write them differently: `    at f (file:1:2)`, `f@file:1:2`. */
function frames(error: Error): string[] {
  const lines = (error.stack ?? "").split("\n").map((line) => line.trim());
  const places = lines.filter((line) => line.startsWith("at ") || /^[^ ]*@.*:\d+/.test(line));
  return places.map((line) => line.replace(/^at /, ""));
}
