// A request that came whole, and an answer that leaves whole, as plain values.

/** A request. Its method is in capital letters, the names of its fields in small ones. */
export interface Request {
  method: string;
  /** What it asks for, as it was sent. */
  pathWithQuery: string;
  fields: Record<string, string>;
  body: string;
}

/** An answer. */
export interface Response {
  status: number;
  contentType: string;
  body: string;
}

/** What a request asks for without the query. */
export function path(request: Request): string {
  return request.pathWithQuery.split("?")[0] ?? "";
}

export function text(status: number, body: string): Response {
  return { status, contentType: "text/plain; charset=utf-8", body };
}

export function json(status: number, value: unknown): Response {
  return { status, contentType: "application/json", body: JSON.stringify(value) };
}
