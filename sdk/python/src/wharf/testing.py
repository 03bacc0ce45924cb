"""A host in memory, so that a test runs a handler as a plain function.

Invariant: it keeps the contract's promise: what a handler published and stored is kept only if it succeeded. Payloads go through bytes as they
do in the real host, so what does not fit is rejected here too.

It has no limits, and grants everything but what `denied` names. It does not match rules.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import declare, payload, run
from .bucket import AccessDenied, KvError
from .context import InvalidEvent, PublishDenied, SecretDenied, SecretError
from .event import Delivery, Event, Received
from .failure import Failure, Reject, RetryAfter

_NOTHING: Any = object()


@dataclass
class Published:
    """An event that a handler published."""

    id: str
    type: str
    source: str
    subject: str | None
    datacontenttype: str | None
    extensions: dict[str, str]
    body: bytes | None

    @property
    def data(self) -> Any:
        """The payload, read as JSON."""
        return payload.decode(self.body, Any)


@dataclass
class Result:
    """How an attempt ended: `ok`, `retry` or `reject`."""

    outcome: str
    reason: str = ""
    #: Seconds, if the handler asked for a time.
    after: float | None = None
    published: list[Published] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.outcome == "ok"


class Host:
    """A host in memory.

    >>> from wharf import handler, Context, Event
    >>> @handler(on="order.created")
    ... def count(event: Event[dict], cx: Context) -> None:
    ...     cx.kv.add("orders", 1)
    >>> host = Host()
    >>> host.run(count, {"number": 7}).outcome
    'ok'
    >>> host.kv["default"]["orders"]
    b'1'
    """

    def __init__(
        self,
        *,
        kv: Mapping[str, Mapping[str, bytes | str]] | None = None,
        config: Mapping[str, str] | None = None,
        denied: Iterable[str] = (),
        secrets: Mapping[str, str] | None = None,
        now: float = 1_767_225_600.0,
    ) -> None:
        encoded = {bucket: {key: _bytes(value) for key, value in keys.items()} for bucket, keys in (kv or {}).items()}
        self.kv: dict[str, dict[str, bytes]] = encoded
        self.config = dict(config or {})
        #: What the plugin may hold.
        self.secrets = dict(secrets or {})
        #: Buckets, event types and secrets that are refused.
        self.denied = set(denied)
        #: The clock stands still.
        self.now = now
        self.published: list[Published] = []
        self.log: list[tuple[str, str]] = []
        self._draws = 0

    def run(self, function: Callable[..., Any], data: Any = _NOTHING, **event: Any) -> Result:
        """Lets a handler handle one event. `data` is its payload; `type`, `subject`, `attempt` and the like may follow."""
        one = _declared(function, "handler")
        delivery = _delivery(event)
        port = _Attempt(self)
        failure = run.attempt(one, _received(one, data, event), delivery, port)
        return self._end(port, [failure])[0]

    def run_batch(self, function: Callable[..., Any], batch: Iterable[Any], **event: Any) -> list[Result]:
        """Lets a batch handler handle events with these payloads, and gives each one's outcome."""
        one = _declared(function, "batch_handler")
        items = [(_received(one, data, dict(event, id=str(n))), _delivery({"id": str(n)})) for n, data in enumerate(batch)]
        port = _Attempt(self)
        outcomes = run.batch(one, items, port)
        return self._end(port, [outcomes] * len(items) if isinstance(outcomes, Failure) else outcomes)

    def transform(self, function: Callable[..., Any], data: Any = _NOTHING, **event: Any) -> Received | None:
        """Lets a transform change one event, and gives what goes on. Its failure is raised."""
        one = _declared(function, "transform")
        result = run.transform(one, _received(one, data, event))
        if isinstance(result, Failure):
            raise result
        return result

    def _end(self, port: _Attempt, failures: list[Failure | None]) -> list[Result]:
        kept = all(failure is None for failure in failures)
        if kept:
            port.commit()
        return [_result(failure, port.drafts if kept else []) for failure in failures]


class _Attempt:
    """What one attempt sees and does."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.drafts: list[Published] = []
        self._kv = copy.deepcopy(host.kv)
        self._added: list[tuple[str, str, int]] = []

    def commit(self) -> None:
        for bucket, key, delta in self._added:
            keys = self._kv.setdefault(bucket, {})
            keys[key] = str(_number(keys.get(key)) + delta).encode()
        self._host.kv = self._kv
        self._host.published.extend(self.drafts)

    def publish(self, draft: Received) -> str:
        if draft.type in self._host.denied:
            raise PublishDenied(f"publishing this event is not granted: {draft.type}")
        if not draft.type:
            raise InvalidEvent("this event is against the rules of CloudEvents: the attribute `type` is empty")
        number = len(self._host.published) + len(self.drafts)
        name = f"published-{number}"
        self.drafts.append(
            Published(
                name, draft.type, draft.source or "plugin/test", draft.subject, draft.datacontenttype, draft.extensions, draft.data
            )
        )
        return name

    def open(self, bucket: str) -> _OpenBucket:
        if bucket in self._host.denied:
            raise AccessDenied(f"bucket `{bucket}` is not granted to this plugin")
        return _OpenBucket(bucket, self._kv.setdefault(bucket, {}), self._added)

    def config(self, key: str) -> str | None:
        return self._host.config.get(key)

    def secret(self, name: str) -> str:
        if name in self._host.denied:
            raise SecretDenied(f"holding the secret `{name}` is not granted to this plugin")
        if name not in self._host.secrets:
            raise SecretError(f"there is no secret `{name}`")
        return self._host.secrets[name]

    def log(self, level: str, group: str, message: str) -> None:
        self._host.log.append((level, message))

    def now(self) -> tuple[int, int]:
        return int(self._host.now), int(self._host.now % 1 * 1e9)

    def random(self, length: int) -> bytes:
        # The same draws in every run of a test, and another one each time.
        self._host._draws += 1
        return hashlib.shake_128(str(self._host._draws).encode()).digest(length)


class _OpenBucket:
    def __init__(self, name: str, keys: dict[str, bytes], added: list[tuple[str, str, int]]) -> None:
        self._name, self._keys, self._added = name, keys, added

    def get(self, key: str) -> bytes | None:
        return self._keys.get(key)

    def set(self, key: str, value: bytes) -> None:
        self._keys[key] = value

    def delete(self, key: str) -> None:
        self._keys.pop(key, None)

    def exists(self, key: str) -> bool:
        return key in self._keys

    def keys(self) -> list[str]:
        return sorted(self._keys)

    def add(self, key: str, delta: int) -> None:
        self._added.append((self._name, key, delta))

    def increment(self, key: str, delta: int) -> int:
        total = _number(self._keys.get(key)) + delta
        self._keys[key] = str(total).encode()
        return total


def _number(value: bytes | None) -> int:
    try:
        return int(value or b"0")
    except ValueError:
        raise KvError("the value is no number") from None


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _declared(function: Callable[..., Any], kind: str) -> declare.Declared:
    one = getattr(function, declare.MARK, None)
    if not isinstance(one, declare.Declared) or one.kind != kind:
        raise TypeError(f"{function!r} is no {kind}: it has no @{kind}() above it")
    return one


def _delivery(event: dict[str, Any]) -> Delivery:
    attempt = event.pop("attempt", 1)
    return Delivery(
        id=f"delivery-of-{event.get('id', '1')}",
        rule="test",
        attempt=attempt,
        max_attempts=event.pop("max_attempts", max(attempt, 3)),
        deadline_ms=event.pop("deadline_ms", 30_000),
    )


def _received(one: declare.Declared, data: Any, attributes: dict[str, Any]) -> Received:
    body = None if data is _NOTHING else payload.encode(data)
    # A type that ends in `*` stands for many, of which this is one.
    known = {"id": "1", "source": "test", "type": (one.on or ("test",))[0].rstrip("*")}
    event: Event[Any] = Event(**{**known, **attributes}, data=body)
    return event


def _result(failure: Failure | None, published: list[Published]) -> Result:
    if failure is None:
        return Result("ok", published=published)
    after = failure.seconds if isinstance(failure, RetryAfter) else None
    return Result("reject" if isinstance(failure, Reject) else "retry", failure.reason, after)
