"""{{name}}: sums up what a queue brings."""

from wharf import Context, Item, Reject, batch_handler, needs

needs(kv=["default"])


@batch_handler()
def handle(batch: list[Item[int]], cx: Context) -> None:
    cx.kv.add("total", sum(item.event.data for item in batch))
    for item in batch:
        if item.event.data < 0:
            item.fail(Reject("less than nothing"))
