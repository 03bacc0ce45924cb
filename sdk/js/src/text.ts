/**
 * Text as UTF-8 and back.
 *
 * Invariant: it is the same with and without `TextEncoder` and `TextDecoder`, which not every engine has. What is no UTF-8 becomes
 * U+FFFD.
 */

/** A text without halves of characters, which no host takes: they become U+FFFD. */
export function wholeText(text: string): string {
  return text.replace(/[\ud800-\udfff]/gu, "\ufffd");
}

/** A text's bytes. */
export function encodeText(text: string): Uint8Array {
  if (typeof TextEncoder !== "undefined") return new TextEncoder().encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    // A surrogate alone is no character.
    const point = code >= 0xd800 && code < 0xe000 ? 0xfffd : code;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 0x3f));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
    else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 0x3f), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
  }
  return Uint8Array.from(bytes);
}

/** The text of bytes. */
export function decodeText(bytes: Uint8Array): string {
  if (typeof TextDecoder !== "undefined") return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const parts: string[] = [];
  let size = 64;
  for (let at = 0; at < bytes.length; ) {
    // An engine that interprets is slow byte by byte, so what is ASCII is taken many at a time.
    const ahead = String.fromCharCode.apply(null, bytes.subarray(at, at + size) as unknown as number[]);
    const end = ahead.search(/[\x80-\xff]/);
    parts.push(end < 0 ? ahead : ahead.slice(0, end));
    at += end < 0 ? ahead.length : end;
    // Engines limit the arguments of one call.
    size = end < 0 ? Math.min(size * 2, 4096) : 32;
    const units: number[] = [];
    while ((bytes[at] ?? 0) >= 0x80 && units.length < 4096) {
      const [point, length] = characterAt(bytes, at);
      at += length;
      if (point < 0x10000) units.push(point);
      else units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
    }
    parts.push(String.fromCharCode(...units));
  }
  return parts.join("");
}

function characterAt(bytes: Uint8Array, at: number): [number, number] {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return [first, 1];
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  let point = first & (0x7f >> length);
  for (let n = 1; n < length; n += 1) {
    const byte = bytes[at + n] ?? 0;
    if ((byte & 0xc0) !== 0x80) return [0xfffd, n];
    point = (point << 6) | (byte & 0x3f);
  }
  const least = [0, 0, 0x80, 0x800, 0x10000][length] ?? 0;
  const isNone = first < 0xc2 || first > 0xf4 || point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000);
  return isNone ? [0xfffd, 1] : [point, length];
}

declare class TextEncoder {
  encode(text: string): Uint8Array;
}
declare class TextDecoder {
  constructor(label: string, options: { ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}
