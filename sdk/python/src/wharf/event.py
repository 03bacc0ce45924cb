"""The event that a handler or a transform gets: the attributes of CloudEvents 1.0 and a payload of the author's own type.

Invariant: attributes are as the host sent them; only the payload is decoded.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass
class Event(Generic[T]):
    """A received event whose payload is a `T`.

    `T` is a dataclass, a TypedDict, a type of JSON (`dict`, `list`, `str`, `int`, `float`, `bool`, `None`), any of these in
    `list[…]`, `dict[str, …]`, `Optional[…]` or a union, `Any`, or `bytes` for the payload as it was received. An event whose
    payload is no `T` is rejected before the handler is called.
    """

    id: str
    source: str
    #: What kind of occurrence this is, such as `order.created`.
    type: str
    data: T
    subject: str | None = None
    #: When it happened, RFC 3339.
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    #: The extension attributes, in the canonical string form of CloudEvents: `correlationid`, for one.
    extensions: dict[str, str] = field(default_factory=dict)

    def replace(self, **changes: Any) -> Event[Any]:
        """The same event with other attributes or another payload."""
        return dataclasses.replace(self, **changes)


#: An event as it crosses the border to the host: no payload is `None`, and every other is bytes.
Received = Event[bytes | None]


@dataclass(frozen=True)
class Delivery:
    """Why and how an event reached this handler."""

    id: str
    rule: str
    attempt: int = 1
    max_attempts: int = 1
    deadline_ms: int = 30_000
