"""The probe's batch handler in Python, from `wit/` alone; what it does is in ../README.md."""

import json

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import counters, publisher
from wit_world.imports import keyvalue as store
from wit_world.imports.types import Failure_Reject, Failure_Retry, RetryRequest


class BatchHandler(exports.BatchHandler):
    def handle_batch(self, batch):
        kinds = {item.event.type for item in batch}
        if "probe.uncaught" in kinds:
            raise RuntimeError("uncaught as asked")
        if "probe.fail-all" in kinds:
            raise Err(Failure_Retry(RetryRequest(None, "all fail as asked")))
        kv = store.open("default")
        outcomes = [handle(kv, item.event) for item in batch]
        if "probe.publish" in kinds:
            body = str(len(batch)).encode()
            publisher.publish(publisher.Draft("probe.batched", None, None, None, [], body))
        return outcomes


def handle(kv, event):
    try:
        number = json.loads(event.data or b"null")
    except ValueError:
        number = None
    if type(number) is not int:
        return Err(Failure_Reject("the payload is no integer"))
    counters.add(kv, f"sum/{event.source}", number)
    counters.add(kv, f"seen/{event.id}", 1)
    match event.type:
        case "probe.append":
            key = next(f"line/{it.value}" for it in event.extensions if it.name == "partitionkey")
            kv.set(key, bytes(kv.get(key) or b"") + f"{number},".encode())
        case "probe.reject":
            return Err(Failure_Reject("rejected as asked"))
        case "probe.retry":
            return Err(Failure_Retry(RetryRequest(1, "again as asked")))
    return Ok(None)
