/**
 * What a payload has to look like: a shape reads a value of JSON as a type, or says where it does not fit.
 *
 * Invariant: a type of TypeScript is gone when the plugin runs, so a payload is checked by a shape or not at all. Anything else with a
 * method `parse` will do as a shape, such as a schema of a validation library.
 *
 * ```ts
 * const order = shape.object({ number: shape.integer, note: shape.optional(shape.text) });
 * ```
 */

import { decodeText, wholeText } from "./text.js";

/** Reads a value as a `T`, or throws. */
export interface Shape<T> {
  parse(value: unknown): T;
}

/** The type that a shape gives. */
export type Of<S> = S extends Shape<infer T> ? T : never;

/** A payload that is not what the handler takes. */
export class Unfit extends Error {
  constructor(
    /** Where in the payload, such as `items[0].name`; empty for the payload itself. */
    readonly path: string,
    readonly problem: string,
  ) {
    super(`the payload is not what this plugin takes: at \`${path || "."}\`: ${problem}`);
    this.name = "Unfit";
  }
}

/** The payload's bytes as they were received, and not as JSON. */
export const bytes: Shape<Uint8Array> = { parse: (value) => value as Uint8Array };

/** Any JSON. */
export const any: Shape<unknown> = { parse: (value) => value };

/** A string. */
export const text = primitive("a string", (value): value is string => typeof value === "string");

/** A number. */
export const number = primitive("a number", (value): value is number => typeof value === "number");

/** A number without a fraction. */
export const integer = primitive("an integer", (value): value is number => Number.isInteger(value));

/** `true` or `false`. */
export const boolean = primitive("true or false", (value): value is boolean => typeof value === "boolean");

/** One of these strings. */
export function oneOf<const T extends string>(...values: T[]): Shape<T> {
  return primitive(`one of ${values.join(", ")}`, (value): value is T => values.includes(value as T));
}

/** A list of such. */
export function list<T>(item: Shape<T>): Shape<T[]> {
  return {
    parse(value) {
      if (!Array.isArray(value)) throw new Unfit("", `expected a list, got ${shown(value)}`);
      return value.map((one, n) => within(`[${n}]`, () => item.parse(one)));
    },
  };
}

/** Such, or nothing: absent or `null`. */
export function optional<T>(inner: Shape<T>): Shape<T | undefined> {
  return { parse: (value) => (value === undefined || value === null ? undefined : inner.parse(value)) };
}

/** An object with these members; others are left out. */
export function object<S extends Record<string, Shape<unknown>>>(members: S): Shape<{ [K in keyof S]: Of<S[K]> }> {
  return {
    parse(value) {
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new Unfit("", `expected an object, got ${shown(value)}`);
      }
      const read = Object.entries(members).map(([name, member]) => {
        const given = (value as Record<string, unknown>)[name];
        return [name, within(name, () => member.parse(given))];
      });
      return Object.fromEntries(read);
    },
  };
}

/** Reads a payload. No payload is JSON's `null`, and no bytes. */
export function decode<T>(data: Uint8Array | undefined, into: Shape<T>): T {
  if ((into as unknown) === bytes) return (data ?? new Uint8Array()) as T;
  let value: unknown = null;
  try {
    if (data !== undefined) value = JSON.parse(decodeText(data));
  } catch (error) {
    throw new Unfit("", (error as Error).message);
  }
  try {
    return into.parse(value);
  } catch (error) {
    throw error instanceof Unfit ? error : new Unfit("", (error as Error).message);
  }
}

function primitive<T>(what: string, is: (value: unknown) => value is T): Shape<T> {
  return {
    parse(value) {
      if (is(value)) return value;
      throw new Unfit("", value === undefined ? "it is missing" : `expected ${what}, got ${shown(value)}`);
    },
  };
}

function within<T>(step: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    const joint = error.path === "" || error.path.startsWith("[") ? "" : ".";
    throw new Unfit(`${step}${joint}${error.path}`, error.problem);
  }
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 64 ? `${wholeText(text.slice(0, 64))}…` : text;
}
