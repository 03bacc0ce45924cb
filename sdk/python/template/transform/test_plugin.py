"""Tests of {{name}} on a host in memory: `pytest`."""

import json

from plugin import change
from wharf.testing import Host


def test_the_price_in_euros_is_added() -> None:
    event = Host().transform(change, {"cents": 990})
    assert event is not None and json.loads(event.data or b"") == {"cents": 990, "euros": 9.9}


def test_what_has_no_price_is_left_out() -> None:
    assert Host().transform(change, {"number": 7}) is None
