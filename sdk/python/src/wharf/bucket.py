"""Key-value buckets: what an attempt reads and writes.

Invariant: a bucket is opened in the host at its first use, so that is where a missing grant shows. It does not commit: the host
does, when the handler returns.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import payload

if TYPE_CHECKING:
    from .port import Port, PortBucket


class KvError(Exception):
    """A bucket refused a call: a limit, or a value that is no number where one is needed."""


class NoSuchBucket(KvError):
    """There is no bucket of that name."""


class AccessDenied(KvError):
    """No grant of this plugin names the bucket."""


class Bucket:
    """A bucket of keys and values.

    Reads see what was committed before the attempt plus the attempt's own writes. Writes become durable together with the
    settlement of the event. If what an attempt read has changed by then, the host runs the handler again; blind writes (`set`,
    `delete`) and `add` never conflict.
    """

    def __init__(self, port: Port, name: str) -> None:
        self._port = port
        self._name = name
        self._opened: PortBucket | None = None

    def get(self, key: str) -> bytes | None:
        """The value under `key`, if there is one."""
        return self._bucket.get(key)

    def get_json(self, key: str, into: Any = Any, default: Any = None) -> Any:
        """The value under `key`, read as JSON of that type; `default` if there is none."""
        value = self.get(key)
        if value is None:
            return default
        try:
            return payload.fit(json.loads(str(value, "utf-8")), into, "")
        except ValueError as error:
            raise KvError(f"bucket `{self._name}`, key `{key}`: {error}") from error

    def set(self, key: str, value: bytes | str) -> None:
        """Stores `value` under `key`; a text as UTF-8."""
        self._bucket.set(key, value.encode() if isinstance(value, str) else bytes(value))

    def set_json(self, key: str, value: Any) -> None:
        """Stores `value` under `key`, as JSON."""
        self.set(key, payload.encode(value))

    def delete(self, key: str) -> None:
        """Removes `key`; it need not be there."""
        self._bucket.delete(key)

    def exists(self, key: str) -> bool:
        """Whether there is a value under `key`."""
        return self._bucket.exists(key)

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that begin with `prefix`, in order."""
        return [key for key in self._bucket.keys() if key.startswith(prefix)]

    def add(self, key: str, delta: int = 1) -> None:
        """Adds to the decimal integer under `key` (absent = 0) when the attempt commits. Attempts that add never conflict."""
        self._bucket.add(key, delta)

    def increment(self, key: str, delta: int = 1) -> int:
        """Adds to the decimal integer under `key` (absent = 0) and gives the sum."""
        return self._bucket.increment(key, delta)

    def compare_and_swap(self, key: str, old: bytes | str | None, new: bytes | str) -> bool:
        """Stores `new` if the value is `old` (`None` = there is none), and says whether it did.

        It is atomic: the host checks at the commit what was read, and runs the handler again if it has changed.
        """
        if self.get(key) != (old.encode() if isinstance(old, str) else old):
            return False
        self.set(key, new)
        return True

    @property
    def _bucket(self) -> PortBucket:
        if self._opened is None:
            self._opened = self._port.open(self._name)
        return self._opened
