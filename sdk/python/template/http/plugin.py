"""{{name}}: answers requests, and greets whoever says a name. `proxy.py` has what is the same for every such plugin."""

import json

from plain import Request, Response


def answer(request: Request) -> Response:
    """Answers one request. Each has a fresh instance of its own: what is kept in memory is gone with it."""
    match request.method, request.path:
        case "GET", "/":
            return Response.text(200, "POST a name to /greet")
        case "POST", "/greet":
            try:
                name = json.loads(request.body)["name"]
            except (ValueError, TypeError, KeyError):
                return Response.text(400, "that is no caller")
            return Response.json(200, {"greeting": f"Hello, {name}!"})
    return Response.text(404, "there is nothing here")
