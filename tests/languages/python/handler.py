"""The probe's handler in Python; what it does is in ../README.md."""

import json
from dataclasses import dataclass
from typing import Any

from wharf import AccessDenied, Context, Event, InvalidEvent, PublishDenied, Reject, Retry, RetryAfter, handler, needs
from wharf.payload import Unfit, decode

needs(publish=["probe.*"], kv=["default", "ledger"])

counter = 0


@dataclass
class Order:
    number: int
    cents: int
    note: str | None = None


@handler(on="probe.*")
def probe(event: Event[bytes], cx: Context) -> None:
    def answer(value: Any) -> None:
        cx.kv.set(event.id, value if isinstance(value, bytes) else str(value))

    scenarios[event.type.removeprefix("probe.")](event, cx, answer)


def shown(value: bytes | None) -> str:
    return "none" if value is None else value.decode()


def echo(event, cx, answer):
    answer(event.data)


def attributes(event, cx, answer):
    names = ["id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "extensions"]
    answer(json.dumps({name: getattr(event, name) for name in names}))


def delivery(event, cx, answer):
    told = {"id": cx.delivery_id, "rule": cx.rule, "attempt": cx.attempt, "max_attempts": cx.max_attempts}
    answer(json.dumps(told | {"deadline_ms": round(cx.deadline.total_seconds() * 1000)}))


def order(event, cx, answer):
    # The other scenarios take bytes, so this one asks for its type itself.
    try:
        taken = decode(event.data or None, Order)
    except Unfit as unfit:
        raise Reject(str(unfit)) from None
    cx.publish("probe.ordered", taken, subject=f"order/{taken.number}")


def publish(event, cx, answer):
    first = cx.publish("probe.published", {"n": 1}, subject="first", extensions={"mark": "a"})
    second = cx.publish("probe.published", event.data, source="elsewhere")
    answer(f"{first} {second}")


def publish_again(event, cx, answer):
    name = cx.publish("probe.published")
    if cx.attempt == 1:
        raise Retry(name)
    answer(name)


def refusal(type, **extensions):
    def attempt(event, cx, answer):
        try:
            cx.publish(type, extensions=extensions)
        except PublishDenied:
            answer("denied")
        except InvalidEvent:
            answer("invalid")
        else:
            answer("taken")

    return attempt


def publish_flood(event, cx, answer):
    for _ in range(101):
        cx.publish("probe.published")


def half(event, cx, answer):
    cx.publish("probe.published")
    answer("half")
    raise Reject("half done")


def kv_set_get(event, cx, answer):
    cx.kv.set(f"{event.id}/a", "1")
    answer(f"{shown(cx.kv.get(f'{event.id}/a'))} {shown(cx.kv.get(f'{event.id}/b'))}")


def kv_delete(event, cx, answer):
    key = f"{event.id}/a"
    cx.kv.set(key, "1")
    cx.kv.delete(key)
    answer(f"{str(cx.kv.exists(key)).lower()} {shown(cx.kv.get(key))}")


def kv_list(event, cx, answer):
    cx.kv.set(f"{event.id}/b", "1")
    cx.kv.set(f"{event.id}/a", "1")
    answer(" ".join(cx.kv.keys(f"{event.id}/")))


def kv_binary(event, cx, answer):
    cx.kv.set(f"{event.id}/bytes", event.data)
    answer(cx.kv.get(f"{event.id}/bytes"))


def kv_add(event, cx, answer):
    cx.kv.add(f"{event.id}/n", 5)
    cx.kv.add(f"{event.id}/n", -2)


def kv_increment(event, cx, answer):
    cx.kv.increment(f"{event.id}/n", 2)
    answer(cx.kv.increment(f"{event.id}/n", 3))


def kv_swap(event, cx, answer):
    swap = cx.kv.compare_and_swap
    steps = [(None, "one"), ("zero", "two"), ("one", "three")]
    answer(" ".join(str(swap(f"{event.id}/s", old, new)).lower() for old, new in steps))


def kv_conflict(event, cx, answer):
    cx.kv.increment("conflicts")


def kv_named(event, cx, answer):
    cx.bucket("ledger").set(event.id, "kept")


def kv_denied(event, cx, answer):
    try:
        cx.bucket("vault").set(event.id, "x")
    except AccessDenied:
        answer("denied")
    else:
        answer("taken")


def retry(event, cx, answer):
    if cx.attempt == 1:
        raise Retry(f"again: {cx.delivery_id}")
    answer(f"{cx.attempt} {cx.delivery_id}")


def retry_after(event, cx, answer):
    if cx.attempt == 1:
        raise RetryAfter(1.5, "later")
    answer(cx.attempt)


def retry_always(event, cx, answer):
    raise Retry(f"attempt {cx.attempt} as asked")


def reject(event, cx, answer):
    raise Reject(event.data.decode())


def uncaught(event, cx, answer):
    def deep():
        raise RuntimeError("uncaught as asked")

    answer("half")
    deep()


def loop(event, cx, answer):
    while True:
        pass


def memory(event, cx, answer):
    hoard = []
    while True:
        hoard.append(bytearray(b"x") * (1 << 20))


def log(event, cx, answer):
    for level in ["trace", "debug", "info", "warn", "error", "critical"]:
        getattr(cx, level)(f"{level} {event.data.decode()}")


def config(event, cx, answer):
    answer(f"{cx.config('greeting')} {cx.config('absent', str, 'none')}")


def clock(event, cx, answer):
    answer(int(cx.now().timestamp()))


def random(event, cx, answer):
    answer(cx.random_bytes(16).hex())


def count(event, cx, answer):
    global counter
    counter += 1
    answer(counter)


scenarios = {
    "echo": echo,
    "attributes": attributes,
    "delivery": delivery,
    "order": order,
    "publish": publish,
    "publish-again": publish_again,
    "publish-denied": refusal("elsewhere.event"),
    "publish-invalid": refusal("probe.published", **{"Not A Name": "x"}),
    "publish-flood": publish_flood,
    "half": half,
    "kv-set-get": kv_set_get,
    "kv-delete": kv_delete,
    "kv-list": kv_list,
    "kv-binary": kv_binary,
    "kv-add": kv_add,
    "kv-increment": kv_increment,
    "kv-swap": kv_swap,
    "kv-conflict": kv_conflict,
    "kv-named": kv_named,
    "kv-denied": kv_denied,
    "retry": retry,
    "retry-after": retry_after,
    "retry-always": retry_always,
    "reject": reject,
    "uncaught": uncaught,
    "loop": loop,
    "memory": memory,
    "log": log,
    "config": config,
    "clock": clock,
    "random": random,
    "counter": count,
}
