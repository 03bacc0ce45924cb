"""Handlers, batch handlers and transforms on the host in memory: outcomes, effects, and what is kept of them."""

import doctest
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from wharf import (
    AccessDenied,
    Context,
    Event,
    InvalidEvent,
    Item,
    KvError,
    PublishDenied,
    Reject,
    Retry,
    RetryAfter,
    SecretDenied,
    SecretError,
    batch_handler,
    handler,
    transform,
)
from wharf import testing
from wharf.testing import Host


@dataclass
class Order:
    number: int
    cents: int


@handler(on="order.created")
def charge(event: Event[Order], cx: Context) -> None:
    cx.kv.add("orders")
    cx.publish("order.charged", {"cents": event.data.cents}, subject=f"order/{event.data.number}")
    match event.data.cents:
        case 0:
            raise Reject("for nothing")
        case 1:
            raise RetryAfter(timedelta(milliseconds=1.2), "later")
        case 2:
            raise Retry("again")
        case 3:
            raise ValueError("three")


def test_what_a_handler_did_is_kept_when_it_succeeds() -> None:
    host = Host()
    result = host.run(charge, Order(7, 990))
    assert result.ok and result.published == host.published
    (event,) = host.published
    assert (event.type, event.subject, event.data) == ("order.charged", "order/7", {"cents": 990})
    assert event.datacontenttype == "application/json"
    assert host.kv == {"default": {"orders": b"1"}}


@pytest.mark.parametrize(
    ("cents", "outcome", "reason"),
    [(0, "reject", "for nothing"), (1, "retry", "later"), (2, "retry", "again"), (3, "retry", "ValueError: three (test_")],
)
def test_nothing_is_kept_of_a_failure(cents: int, outcome: str, reason: str) -> None:
    host = Host()
    result = host.run(charge, {"number": 7, "cents": cents})
    assert result.outcome == outcome and result.reason.startswith(reason)
    assert (host.published, host.kv) == ([], {})


def test_an_uncaught_error_names_its_place_and_logs_its_traceback() -> None:
    host = Host()
    assert host.run(charge, {"number": 7, "cents": 3}).reason.endswith(" in charge)")
    ((level, message),) = host.log
    assert level == "error" and message.startswith("Traceback") and message.endswith("ValueError: three")


def test_a_traceback_begins_with_what_the_error_came_of() -> None:
    @handler()
    def fails(event: Event[Any], cx: Context) -> None:
        try:
            int("x")
        except ValueError as error:
            raise RuntimeError("no number") from error

    host = Host()
    assert host.run(fails).outcome == "retry"
    first, _, second = host.log[0][1].partition("and then:")
    assert "ValueError: invalid literal" in first and "int(\"x\")" in first and "RuntimeError: no number" in second


def test_a_wait_is_rounded_up_to_whole_milliseconds() -> None:
    assert [RetryAfter(seconds).after_ms for seconds in (0, 0.0011, 1.5, -1)] == [0, 2, 1500, 0]
    assert RetryAfter(timedelta(milliseconds=1.2)).after_ms == 2


def test_a_payload_that_does_not_fit_is_rejected_and_the_handler_not_called() -> None:
    host = Host()
    result = host.run(charge, {"number": 7})
    assert (result.outcome, result.reason) == (
        "reject",
        "the payload is not what this plugin takes: at `cents`: it is missing",
    )


@handler()
def look(event: Event[Any], cx: Context) -> None:
    cx.kv.set_json(
        "seen", [cx.attempt, cx.max_attempts, cx.rule, cx.delivery_id, cx.deadline.total_seconds(), event.extensions]
    )
    cx.info(cx.config("greeting"))
    cx.kv.set("every", str(cx.config("every", int, 10) + int(cx.config("on", bool, False))))
    assert cx.now().year == 2026 and cx.random_bytes(4) != cx.random_bytes(4)


def test_a_context_tells_why_the_handler_was_called() -> None:
    host = Host(config={"greeting": "hi", "on": "true"})
    assert host.run(look, None, attempt=2, extensions={"shop": "berlin"}).ok
    assert host.kv["default"]["seen"] == b'[2,3,"test","delivery-of-1",30.0,{"shop":"berlin"}]'
    assert (host.log, host.kv["default"]["every"]) == ([("info", "hi")], b"11")


def test_a_wrong_configured_value_is_named() -> None:
    result = Host(config={"every": "often"}).run(look)
    assert "ConfigError: config `every` = `often`: invalid literal" in result.reason


@handler()
def buckets(event: Event[Any], cx: Context) -> None:
    kv = cx.bucket("orders")
    assert kv.get("a") == b"1" and kv.get("b") is None and kv.get_json("a", int) == 1
    assert kv.increment("a", 2) == 3 and kv.exists("a") and not kv.exists("b")
    assert kv.compare_and_swap("b", None, "x") and not kv.compare_and_swap("b", "y", "z")
    kv.set("c/2", b"")
    kv.set("c/1", "")
    assert kv.keys("c/") == ["c/1", "c/2"]
    kv.delete("c/1")
    kv.delete("nowhere")
    kv.add("n", 5)
    kv.add("n", -2)
    assert kv.get("n") is None, "the sum is known when the attempt commits"
    with pytest.raises(KvError, match="no number"):
        kv.increment("b")
    with pytest.raises(KvError, match="key `b`"):
        kv.get_json("b")
    with pytest.raises(AccessDenied):
        cx.bucket("vault").get("a")
    with pytest.raises(PublishDenied):
        cx.publish("secret.event")
    with pytest.raises(InvalidEvent):
        cx.publish("")
    cx.publish("bytes", b"\x00")


def test_buckets_do_what_the_host_does() -> None:
    host = Host(kv={"orders": {"a": "1"}}, denied=["vault", "secret.event"])
    assert host.run(buckets).reason == ""
    assert host.kv["orders"] == {"a": b"3", "b": b"x", "c/2": b"", "n": b"3"}
    assert [(one.datacontenttype, one.body) for one in host.published] == [("application/octet-stream", b"\x00")]


@batch_handler()
def total(batch: list[Item[int]], cx: Context) -> None:
    cx.kv.add("total", sum(item.event.data for item in batch))
    for item in batch:
        if item.event.data == 99:
            raise RuntimeError("all")
        if item.event.data < 0:
            item.fail(Reject("negative"))
        if item.event.data == 13:
            item.fail(ValueError("unlucky"))


@pytest.mark.parametrize(
    ("batch", "outcomes", "kept"),
    [
        ([1, 2], ["ok", "ok"], True),
        ([1, -2, 3], ["ok", "reject", "ok"], False),
        ([1, "two", 13], ["ok", "reject", "retry"], False),
        (["one"], ["reject"], False),
        ([1, 99], ["retry", "retry"], False),
    ],
)
def test_a_batch_has_an_outcome_for_each_event(batch: list[Any], outcomes: list[str], kept: bool) -> None:
    host = Host()
    assert [result.outcome for result in host.run_batch(total, batch)] == outcomes
    assert bool(host.kv) == kept


@transform()
def halve(event: Event[int]) -> Event[int] | None:
    match event.data:
        case 0:
            return None
        case 1:
            raise Reject("odd")
        case 3:
            return 1  # type: ignore[return-value]
        case 5:
            event.subject = "looked at"
            return event
    return event.replace(data=event.data // 2, extensions={"halved": "yes"})


def test_a_transforms_event_goes_on_or_is_left_out() -> None:
    host = Host()
    sent = host.transform(halve, 8)
    assert sent is not None
    assert (sent.data, sent.datacontenttype, sent.extensions) == (b"4", "application/json", {"halved": "yes"})
    assert host.transform(halve, 0) is None
    kept = host.transform(halve, b" 5 ", datacontenttype="text/plain")
    assert kept is not None
    assert (kept.data, kept.datacontenttype, kept.subject) == (b" 5 ", "text/plain", "looked at")
    for data, said in [(1, "odd"), ("x", "expected int"), (3, "gives an event or None, not int")]:
        with pytest.raises(Exception, match=said):
            host.transform(halve, data)


@transform()
def decided(event: Event[Any]) -> Event[Any]:
    return event.replace(data=bool(event.data))


def test_what_is_equal_to_python_and_not_to_json_is_a_change() -> None:
    sent = Host().transform(decided, 1)
    assert sent is not None and sent.data == b"true"


@dataclass
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number <= 0:
            raise ValueError("not positive")


@batch_handler()
def counted(batch: list[Item[Positive]], cx: Context) -> None:
    for item in batch:
        cx.kv.add("all", item.event.data.number)


def test_a_payload_that_its_own_type_refuses_fails_alone() -> None:
    results = Host().run_batch(counted, [{"number": 1}, {"number": 0}])
    assert [result.outcome for result in results] == ["ok", "retry"]
    assert "not positive" in results[1].reason


@pytest.mark.parametrize("after", [float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused_where_it_is_said(after: float) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        RetryAfter(after)
    assert RetryAfter(1e300).after_ms == 2**53


def test_what_cannot_be_a_handler_is_refused_in_words() -> None:
    async def coroutine(event: Event[Any], cx: Context) -> None: ...

    def no_context(event: Event[Any]) -> None: ...

    def a_number(event: int, cx: Context) -> None: ...

    for function, said in [(coroutine, "not `async`"), (no_context, "takes the event and the context"), (a_number, "takes")]:
        with pytest.raises(TypeError, match=said):
            handler()(function)
    with pytest.raises(TypeError, match="with parentheses"):
        handler(no_context)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is no transform"):
        Host().transform(charge, 1)


def test_the_examples_of_the_documentation_run() -> None:
    failed, tried = doctest.testmod(testing)
    assert tried > 3 and not failed


@handler()
def sign(event: Event[Any], cx: Context) -> None:
    cx.kv.set("bytes", str(len(cx.secret("signing"))))


def test_a_secret_is_held_where_the_test_keeps_one() -> None:
    host = Host(secrets={"signing": "whsec_1"})
    assert host.run(sign, None).ok and host.kv["default"]["bytes"] == b"7"
    assert issubclass(SecretDenied, SecretError)
    assert "SecretError: there is no secret `signing`" in Host().run(sign, None).reason
    assert "SecretDenied: holding" in Host(secrets={"signing": "x"}, denied=["signing"]).run(sign, None).reason
