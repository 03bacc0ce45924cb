"""From wasi:http to plain values and back: what the component exports. It is imported inside of a component only."""

import traceback

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import types
from wit_world.imports.streams import StreamError_Closed

from plain import Request, Response
from plugin import answer

#: Bytes of a stream at a time: no more are written at once.
CHUNK = 4_096


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: types.IncomingRequest, response_out: types.ResponseOutparam) -> None:
        try:
            response = answer(read(request))
        except Exception:
            # It goes to the plugin's log, and not to whoever asked.
            traceback.print_exc()
            response = Response.text(500, "that went wrong here")
        write(response, response_out)


def read(request: types.IncomingRequest) -> Request:
    method = request.method()
    name = method.value if isinstance(method, types.Method_Other) else type(method).__name__.removeprefix("Method_").upper()
    fields = {name.lower(): value.decode("latin-1") for name, value in request.headers().entries()}
    body = bytearray()
    with request.consume() as incoming, incoming.stream() as stream:
        while True:
            try:
                body += stream.blocking_read(1 << 16)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    break
                raise
    return Request(name, request.path_with_query() or "", bytes(body), fields)


def write(response: Response, out: types.ResponseOutparam) -> None:
    outgoing = types.OutgoingResponse(types.Fields.from_list([("content-type", response.content_type.encode())]))
    outgoing.set_status_code(response.status)
    body = outgoing.body()
    types.ResponseOutparam.set(out, Ok(outgoing))
    try:
        with body.write() as stream:
            for at in range(0, len(response.body), CHUNK):
                stream.blocking_write_and_flush(response.body[at : at + CHUNK])
        types.OutgoingBody.finish(body, None)
    except Err:
        # Nobody waits for it any more.
        pass
