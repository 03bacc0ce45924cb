"""What a handler can do besides returning: everything that reaches the host goes through a `Context`.

Invariant: effects are the attempt's; the host keeps them only if the handler returns. (Log lines are kept always.) Nothing here
decides whether a plugin may: grants and limits are the host's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, overload

from . import payload
from .bucket import Bucket
from .event import Delivery, Event
from .port import Port

T = TypeVar("T")
_NOTHING: Any = object()


class PublishError(Exception):
    """An event was not taken."""


class PublishDenied(PublishError):
    """No grant of this plugin covers the event's type."""


class InvalidEvent(PublishError):
    """The event breaks a rule of CloudEvents."""


class ConfigError(ValueError):
    """A configured value that is not what the plugin needs."""


class SecretError(Exception):
    """There is no value of a secret: it is not there, or cannot be opened."""


class SecretDenied(SecretError):
    """No grant of this plugin lets it hold the secret."""


class Context:
    """The attempt that a handler runs in: why it was called, and what it can do."""

    def __init__(self, delivery: Delivery, port: Port) -> None:
        self._delivery = delivery
        self._port = port
        self._buckets: dict[str, Bucket] = {}

    @property
    def attempt(self) -> int:
        """Which attempt this is: 1 is the first."""
        return self._delivery.attempt

    @property
    def max_attempts(self) -> int:
        """How many attempts the target's retry policy allows."""
        return self._delivery.max_attempts

    @property
    def delivery_id(self) -> str:
        """The same for every attempt of this delivery: an idempotency key for effects outside the host."""
        return self._delivery.id

    @property
    def rule(self) -> str:
        """The rule that matched the event."""
        return self._delivery.rule

    @property
    def deadline(self) -> timedelta:
        """How long this attempt may take, counted from its start."""
        return timedelta(milliseconds=self._delivery.deadline_ms)

    def publish(
        self,
        type: str,
        data: Any = _NOTHING,
        *,
        subject: str | None = None,
        source: str | None = None,
        datacontenttype: str | None = None,
        extensions: Mapping[str, str] | None = None,
    ) -> str:
        """Adds an event to the attempt's effects and gives the id that it will have.

        `data` is written as JSON; `bytes` are the payload themselves, and then `datacontenttype` says what they are.
        """
        body = None if data is _NOTHING else payload.encode(data)
        if datacontenttype is None and isinstance(data, bytes | bytearray | memoryview):
            datacontenttype = "application/octet-stream"
        elif datacontenttype is None and body is not None:
            datacontenttype = "application/json"
        draft: Event[bytes | None] = Event(
            id="",
            source=source or "",
            type=type,
            data=body,
            subject=subject,
            datacontenttype=datacontenttype,
            extensions=dict(extensions or {}),
        )
        return self._port.publish(draft)

    @property
    def kv(self) -> Bucket:
        """The plugin's own bucket."""
        return self.bucket("default")

    def bucket(self, name: str) -> Bucket:
        """The bucket of that name."""
        return self._buckets.setdefault(name, Bucket(self._port, name))

    @overload
    def config(self, key: str) -> str | None: ...
    @overload
    def config(self, key: str, into: Callable[[str], T]) -> T | None: ...
    @overload
    def config(self, key: str, into: Callable[[str], T], default: T) -> T: ...

    def config(self, key: str, into: Callable[[str], Any] = str, default: Any = None) -> Any:
        """The value of one key of the plugin's `config` table, read by `into`; `default` if there is none."""
        value = self._port.config(key)
        if value is None:
            return default
        try:
            return _truth(value) if into is bool else into(value)
        except ValueError as error:
            raise ConfigError(f"config `{key}` = `{value}`: {error}") from error

    def secret(self, name: str) -> str:
        """The value of a secret of the tenant, which needs a grant of its own (`hold`), and to be said: `needs(hold=[…])`."""
        return self._port.secret(name)

    def log(self, level: str, message: object, group: str = "") -> None:
        """Writes one line to the plugin's log. Lines of one `group` belong together."""
        self._port.log(level, group, str(message))

    def trace(self, message: object) -> None:
        """Logs values and control flow."""
        self.log("trace", message)

    def debug(self, message: object) -> None:
        """Logs what helps debugging."""
        self.log("debug", message)

    def info(self, message: object) -> None:
        """Logs what is worth knowing."""
        self.log("info", message)

    def warn(self, message: object) -> None:
        """Logs that something is hazardous."""
        self.log("warn", message)

    def error(self, message: object) -> None:
        """Logs that something failed."""
        self.log("error", message)

    def critical(self, message: object) -> None:
        """Logs that nothing can go on."""
        self.log("critical", message)

    def now(self) -> datetime:
        """The time of day."""
        seconds, nanoseconds = self._port.now()
        return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=nanoseconds // 1000)

    def random_bytes(self, length: int) -> bytes:
        """So many random bytes that are fit for cryptography."""
        return self._port.random(length)


def _truth(text: str) -> bool:
    known = {"true": True, "false": False}.get(text.strip())
    if known is None:
        raise ValueError("expected true or false")
    return known
