"""Payloads become the handler's own type, or are refused with the place where they do not fit."""

import enum
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, Optional, TypedDict

import pytest

from wharf import Unfit
from wharf.payload import decode, encode


class Size(enum.Enum):
    SMALL = "small"


@dataclass
class Label:
    name: str


@dataclass
class Issue:
    number: int
    labels: list[Label] = field(default_factory=list)
    ratio: float = 0.5


class Row(TypedDict):
    name: str
    count: NotRequired[int]


@pytest.mark.parametrize(
    ("text", "into", "value"),
    [
        (b'{"number": 3, "labels": [{"name": "bug"}], "more": true}', Issue, Issue(3, [Label("bug")])),
        (b'{"number": 3, "ratio": 1}', Issue, Issue(3, ratio=1.0)),
        (b'{"name": "a", "more": 1}', Row, {"name": "a", "more": 1}),
        (b"[1, null]", list[int | None], [1, None]),
        (b'{"a": [1]}', dict[str, list[int]], {"a": [1]}),
        (b'[1, "x"]', tuple[int, str], (1, "x")),
        (b'"small"', Size, Size.SMALL),
        (b'"a"', Literal["a", "b"], "a"),
        (b'"a"', str, "a"),
        (b"{}", Any, {}),
        (None, Optional[Issue], None),
        (None, None, None),
        (None, bytes, b""),
        (b"no JSON", bytes, b"no JSON"),
    ],
)
def test_json_becomes_the_handlers_own_type(text: bytes | None, into: Any, value: Any) -> None:
    assert decode(text, into) == value


@pytest.mark.parametrize(
    ("text", "into", "said"),
    [
        (b"{}", Issue, "at `number`: it is missing"),
        (b'{"number": "3"}', Issue, 'at `number`: expected int, got "3"'),
        (b'{"number": true}', Issue, "at `number`: expected int, got true"),
        (b'{"number": 3, "labels": [{}]}', Issue, "at `labels[0].name`: it is missing"),
        (b'{"number": 3', Issue, "at `.`: Expecting"),
        (b'{"count": 1}', Row, "at `name`: it is missing"),
        (b'{"name": "a", "count": "1"}', Row, "at `count`: expected int"),
        (b'{"a": "x"}', dict[str, int], "at `a`: expected int"),
        (b"[1]", tuple[int, str], "at `.`: expected a list of 2, got one of 1"),
        (b'"large"', Size, "at `.`: 'large' is not a valid Size"),
        (b'"c"', Literal["a", "b"], "at `.`: expected one of 'a', 'b'"),
        (b"1", str | None, "at `.`: expected str, got 1"),
        (b"1", str | list[int], "at `.`: expected str or list"),
        (None, Issue, "at `.`: expected an object, got null"),
        (b"\xff", Issue, "at `.`: "),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(text: bytes | None, into: Any, said: str) -> None:
    with pytest.raises(Unfit) as refused:
        decode(text, into)
    assert f"the payload is not what this plugin takes: {said}" in str(refused.value)


def test_a_type_that_no_payload_can_be_is_the_authors_mistake() -> None:
    with pytest.raises(TypeError, match="cannot be read as"):
        decode(b"1", complex)


def test_what_is_published_is_json_or_the_bytes_themselves() -> None:
    assert encode(Issue(3, [Label("ü")])) == '{"number":3,"labels":[{"name":"ü"}],"ratio":0.5}'.encode()
    assert encode(Size.SMALL) == b'"small"'
    assert encode(b"\x00\xff") == b"\x00\xff"
    with pytest.raises(TypeError, match="object has no JSON form"):
        encode(object())


def test_bytes_that_are_no_utf_8_are_no_payload_whatever_json_would_guess() -> None:
    for data in [bytes(range(256)), "[1]".encode("utf-16"), "[1]".encode("utf-32-be"), b"\xff"]:
        with pytest.raises(Unfit):
            decode(data, list[int])
