"""The probe's batch handler in Python; what it does is in ../README.md."""

from wharf import Context, Item, Reject, Retry, RetryAfter, batch_handler, needs

needs(publish=["probe.*"], kv=["default"])


@batch_handler()
def probe(batch: list[Item[int]], cx: Context) -> None:
    kinds = {item.event.type for item in batch}
    if "probe.uncaught" in kinds:
        raise RuntimeError("uncaught as asked")
    if "probe.fail-all" in kinds:
        raise Retry("all fail as asked")
    for item in batch:
        event = item.event
        cx.kv.add(f"sum/{event.source}", event.data)
        cx.kv.add(f"seen/{event.id}", 1)
        if event.type == "probe.append":
            key = f"line/{event.extensions['partitionkey']}"
            cx.kv.set(key, (cx.kv.get(key) or b"") + f"{event.data},".encode())
        if event.type == "probe.reject":
            item.fail(Reject("rejected as asked"))
        if event.type == "probe.retry":
            item.fail(RetryAfter(0.001, "again as asked"))
    if "probe.publish" in kinds:
        cx.publish("probe.batched", len(batch))
