"""{{name}}: handles orders."""

from dataclasses import dataclass

from wharf import Context, Event, Reject, handler, needs

needs(publish=["order.accepted"], kv=["default"])


@dataclass
class Order:
    number: int
    cents: int


@handler(on="order.created")
def handle(event: Event[Order], cx: Context) -> None:
    order = event.data
    if order.cents < 0:
        raise Reject("an order cannot cost less than nothing")
    cx.kv.add("orders")
    cx.publish("order.accepted", {"number": order.number}, subject=f"order/{order.number}")
    cx.info(f"order {order.number} accepted")
