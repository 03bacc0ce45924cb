"""Tests of {{name}} as a function: `pytest`."""

import json

from plain import Request
from plugin import answer


def test_whoever_says_a_name_is_greeted() -> None:
    response = answer(Request("POST", "/greet?loudly", b'{"name": "Ada"}'))
    assert (response.status, json.loads(response.body)) == (200, {"greeting": "Hello, Ada!"})


def test_what_is_no_caller_is_refused() -> None:
    assert answer(Request("POST", "/greet", b"Ada")).status == 400
    assert answer(Request("POST", "/greet", b"[]")).status == 400
    assert answer(Request("GET", "/elsewhere")).status == 404
