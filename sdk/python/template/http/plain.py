"""A request that came whole, and an answer that leaves whole, as plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """A request. `method` is in capital letters, names of `fields` in small ones."""

    method: str
    path_with_query: str
    body: bytes = b""
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """What it asks for without the query."""
        return self.path_with_query.partition("?")[0]


@dataclass
class Response:
    """An answer."""

    status: int
    content_type: str
    body: bytes

    @classmethod
    def text(cls, status: int, text: str) -> Response:
        return cls(status, "text/plain; charset=utf-8", text.encode())

    @classmethod
    def json(cls, status: int, value: Any) -> Response:
        return cls(status, "application/json", json.dumps(value).encode())
