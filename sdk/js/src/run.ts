/**
 * One attempt, from the host's call to the author's function and back.
 *
 * Invariant: nothing that the function throws gets out: a failure is a value here, so a component never traps by an exception. An event
 * whose payload does not fit is rejected without calling the function, since no retry can mend it.
 */

import { Item } from "./batch.js";
import { Context } from "./context.js";
import type { Plugin } from "./declare.js";
import type { Delivery, Event, Received } from "./event.js";
import { Failure, Reject, ofError, traceOf } from "./failure.js";
import type { Port } from "./port.js";
import { Unfit, decode } from "./shape.js";
import { encodeText } from "./text.js";

/** Calls the handler, and says why the attempt did not succeed, if it did not. */
export function attempt(plugin: Plugin, event: Received, delivery: Delivery, port: Port): Failure | undefined {
  try {
    finished(plugin.run(typed(plugin, event), new Context(delivery, port)));
    return undefined;
  } catch (error) {
    return failed(error, port);
  }
}

/** Calls the batch handler with the events that fit, and gives each one's outcome, or the failure of all. */
export function batch(plugin: Plugin, items: [Received, Delivery][], port: Port): (Failure | undefined)[] | Failure {
  const outcomes: (Failure | undefined)[] = items.map(() => undefined);
  const fitting: [number, Item<unknown>][] = [];
  items.forEach(([event, delivery], n) => {
    try {
      fitting.push([n, new Item(typed(plugin, event), delivery)]);
    } catch (unfit) {
      outcomes[n] = ofError(unfit);
    }
  });
  const first = fitting[0];
  if (first === undefined) return outcomes;
  try {
    const delivery = (items[first[0]] as [Received, Delivery])[1];
    finished(plugin.run(fitting.map(([, item]) => item), new Context(delivery, port)));
  } catch (error) {
    return failed(error, port);
  }
  for (const [n, item] of fitting) outcomes[n] = item.failure;
  return outcomes;
}

/** Calls the transform, and gives the event that goes on, none, or the failure. */
export function transform(plugin: Plugin, event: Received): Received | undefined | Failure {
  try {
    const result = finished(plugin.run(typed(plugin, event))) as Event | undefined | null;
    return result === undefined || result === null ? undefined : sent(plugin, event, result);
  } catch (error) {
    return ofError(error);
  }
}

function typed(plugin: Plugin, event: Received): Event {
  try {
    return { ...event, extensions: { ...event.extensions }, data: decode(event.data, plugin.payload) };
  } catch (error) {
    throw error instanceof Unfit ? new Reject(error.message) : error;
  }
}

/** A promise would be dropped with all that is in it. */
function finished(result: unknown): unknown {
  if (result instanceof Promise) throw new TypeError("the function gave a promise: nothing that it can do has to be waited for");
  return result;
}

function sent(plugin: Plugin, received: Received, result: Event): Received {
  const data = result.data;
  if (data instanceof Uint8Array) return { ...result, data: data.length === 0 ? undefined : data };
  // A payload that is equal to the one that came goes on byte for byte: reading it may have lost what its shape lacks.
  const text = JSON.stringify(data) ?? "null";
  if (text === (JSON.stringify(decode(received.data, plugin.payload)) ?? "null")) return { ...result, data: received.data };
  const isJson = result.datacontenttype?.includes("json") ?? false;
  return { ...result, datacontenttype: isJson ? result.datacontenttype : "application/json", data: encodeText(text) };
}

function failed(error: unknown, port: Port): Failure {
  const failure = ofError(error);
  if (failure !== error) {
    try {
      port.log("error", "uncaught", traceOf(error));
    } catch {
      // The log is a courtesy: the failure itself has to reach the host, whatever the log says.
    }
  }
  return failure;
}
