"""Tests of {{name}} on a host in memory: `pytest`."""

from plugin import handle
from wharf.testing import Host


def test_an_order_is_counted_and_accepted() -> None:
    host = Host()
    assert host.run(handle, {"number": 7, "cents": 990}).ok
    assert host.kv["default"]["orders"] == b"1"
    assert [(event.type, event.subject) for event in host.published] == [("order.accepted", "order/7")]


def test_what_is_no_order_is_rejected_and_leaves_nothing() -> None:
    host = Host()
    assert host.run(handle, {"number": 7}).outcome == "reject"
    assert host.run(handle, {"number": 7, "cents": -1}).reason == "an order cannot cost less than nothing"
    assert (host.kv, host.published) == ({}, [])
