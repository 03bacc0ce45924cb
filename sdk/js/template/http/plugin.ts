// {{name}}: answers requests, and greets whoever says a name. `proxy.ts` has what is the same for every such plugin.
import { type Request, type Response, json, path, text } from "./plain.ts";

/** Answers one request. Each has a fresh instance of its own: what is kept in memory is gone with it. */
export function answer(request: Request): Response {
  switch (`${request.method} ${path(request)}`) {
    case "GET /":
      return text(200, "POST a name to /greet");
    case "POST /greet": {
      const name = caller(request.body);
      return name === undefined ? text(400, "that is no caller") : json(200, { greeting: `Hello, ${name}!` });
    }
    default:
      return text(404, "there is nothing here");
  }
}

function caller(body: string): string | undefined {
  try {
    const { name } = JSON.parse(body);
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}
