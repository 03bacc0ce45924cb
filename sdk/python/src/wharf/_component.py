"""The SDK's side of the contract: the classes that a component exports, over the bindings that componentize-py makes.

Invariant: this module is imported inside of a component only. What the component does not import is denied with a word about it.
"""

from __future__ import annotations

import importlib
import linecache
import logging
import re
import sys
from typing import Any

from componentize_py_types import Err, Ok
from wit_world.imports import types as wit

from . import declare, run
from .bucket import AccessDenied, KvError, NoSuchBucket
from .context import InvalidEvent, PublishDenied, SecretDenied, SecretError
from .event import Delivery, Event, Received
from .failure import Failure, Reject, RetryAfter

_HALVES = re.compile("[\ud800-\udfff]")
_LEVELS = ("trace", "debug", "info", "warn", "error", "critical")


def _whole(text: str) -> str:
    """A text as it can leave the component: half a surrogate pair, which JSON may bring in, is no text outside of Python."""
    return _HALVES.sub("\ufffd", text)


def _whole_or_none(text: str | None) -> str | None:
    return None if text is None else _whole(text)


def _imported(name: str) -> Any:
    """A module of the bindings, now, so that it is in the snapshot; None where the component does without."""
    try:
        return importlib.import_module(f"wit_world.imports.{name}")
    except ImportError:
        return None


_publisher, _counters, _atomics = _imported("publisher"), _imported("counters"), _imported("atomics")
_store, _config = _imported("keyvalue"), _imported("config")
_held = _imported("held")
_logging, _clock, _random = _imported("logging"), _imported("wall_clock"), _imported("random")


def _within(delta: int, least: int, end: int) -> None:
    if not isinstance(delta, int) or not least <= delta < end:
        raise KvError(f"{delta!r} is no whole number from {least} to {end - 1}")


class _OpenBucket:
    def __init__(self, name: str) -> None:
        self._name = name
        if _store is None:
            raise AccessDenied(f"bucket `{name}`: this plugin does not say that it needs it: `needs(kv=[…])`")
        self._handle = self._call(_store.open, _whole(name))

    def _call(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Err as error:
            reason = error.value
            if isinstance(reason, _store.Error_AccessDenied):
                raise AccessDenied(f"bucket `{self._name}` is not granted to this plugin") from None
            if isinstance(reason, _store.Error_NoSuchStore):
                raise NoSuchBucket(f"there is no bucket `{self._name}`") from None
            raise KvError(f"bucket `{self._name}`: {reason.value}") from None

    def get(self, key: str) -> bytes | None:
        value = self._call(self._handle.get, _whole(key))
        return None if value is None else bytes(value)

    def set(self, key: str, value: bytes) -> None:
        self._call(self._handle.set, _whole(key), value)

    def delete(self, key: str) -> None:
        self._call(self._handle.delete, _whole(key))

    def exists(self, key: str) -> bool:
        return bool(self._call(self._handle.exists, _whole(key)))

    def keys(self) -> list[str]:
        keys: list[str] = []
        cursor = None
        while True:
            page = self._call(self._handle.list_keys, cursor)
            keys.extend(page.keys)
            cursor = page.cursor
            if cursor is None:
                return keys

    def add(self, key: str, delta: int) -> None:
        _within(delta, -(2**63), 2**63)
        self._call(_counters.add, self._handle, _whole(key), delta)

    def increment(self, key: str, delta: int) -> int:
        _within(delta, 0, 2**64)
        return int(self._call(_atomics.increment, self._handle, _whole(key), delta))


class _Host:
    def publish(self, draft: Received) -> str:
        if _publisher is None:
            raise PublishDenied("this plugin does not say that it publishes: `needs(publish=[…])`")
        sent = _publisher.Draft(
            _whole(draft.type),
            _whole_or_none(draft.source or None),
            _whole_or_none(draft.subject),
            _whole_or_none(draft.datacontenttype),
            _attributes(draft),
            draft.data,
        )
        try:
            return str(_publisher.publish(sent))
        except Err as error:
            if isinstance(error.value, _publisher.PublishError_Denied):
                raise PublishDenied(f"publishing this event is not granted: {error.value.value}") from None
            raise InvalidEvent(f"this event is against the rules of CloudEvents: {error.value.value}") from None

    def open(self, bucket: str) -> _OpenBucket:
        return _OpenBucket(bucket)

    def secret(self, name: str) -> str:
        if _held is None:
            raise SecretDenied(f"secret `{name}`: this plugin does not say that it holds it: `needs(hold=[…])`")
        try:
            return str(_held.get(_whole(name)))
        except Err as error:
            reason = error.value
            kind = SecretDenied if isinstance(reason, _held.SecretError_Denied) else SecretError
            raise kind(reason.value) from None

    def config(self, key: str) -> str | None:
        value = _config.get(_whole(key))
        return None if value is None else str(value)

    def log(self, level: str, group: str, message: str) -> None:
        _logging.log(_logging.Level(_LEVELS.index(level)), _whole(group), _whole(message))

    def now(self) -> tuple[int, int]:
        now = _clock.now()
        return now.seconds, now.nanoseconds

    def random(self, length: int) -> bytes:
        if length < 0:
            raise ValueError(f"there are no {length} bytes")
        return bytes(_random.get_random_bytes(length))


class _LogLines(logging.Handler):
    """Lets the lines of Python's own `logging` reach the host."""

    def emit(self, record: logging.LogRecord) -> None:
        level = min(max(record.levelno // 10, 1), 5)
        _HOST.log(_LEVELS[level], "" if record.name == "root" else record.name, self.format(record))


_HOST = _Host()
if _logging is not None:
    logging.basicConfig(handlers=[_LogLines()], level=logging.DEBUG, format="%(message)s")


def _remember_sources() -> None:
    """Tracebacks show the author's lines. They are read while the component is made, since there are no files in it."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name.partition(".")[0] not in sys.stdlib_module_names:
            linecache.getlines(file)
    linecache.checkcache = lambda filename=None: None
    linecache.updatecache = lambda filename, module_globals=None: []


_remember_sources()


def _begin() -> None:
    # The component is a snapshot of one start: without this, Python's own generator would draw the same in every attempt.
    if "random" in sys.modules and _random is not None:
        sys.modules["random"].seed(_HOST.random(16))


def _attributes(event: Received) -> list[Any]:
    return [wit.Attribute(_whole(name), _whole(value)) for name, value in event.extensions.items()]


def _event(event: Any) -> Received:
    return Event(
        id=event.id,
        source=event.source,
        type=event.type,
        data=None if event.data is None else bytes(event.data),
        subject=event.subject,
        time=event.time,
        datacontenttype=event.datacontenttype,
        dataschema=event.dataschema,
        extensions={extension.name: extension.value for extension in event.extensions},
    )


def _delivery(delivery: Any) -> Delivery:
    return Delivery(delivery.id, delivery.rule, delivery.attempt, delivery.max_attempts, delivery.deadline_ms)


def _refusal(failure: Failure) -> Any:
    if isinstance(failure, Reject):
        return Err(wit.Failure_Reject(_whole(failure.reason)))
    after = failure.after_ms if isinstance(failure, RetryAfter) else None
    return Err(wit.Failure_Retry(wit.RetryRequest(after, _whole(failure.reason))))


def _only() -> declare.Declared:
    (one,) = declare.declared
    return one


class Handler:
    """What a handler exports."""

    def handle(self, event: Any, delivery: Any) -> None:
        _begin()
        failure = run.attempt(_only(), _event(event), _delivery(delivery), _HOST)
        if failure is not None:
            raise _refusal(failure)


class BatchHandler:
    """What a batch handler exports."""

    def handle_batch(self, batch: Any) -> list[Any]:
        _begin()
        items = [(_event(item.event), _delivery(item.delivery)) for item in batch]
        outcomes = run.batch(_only(), items, _HOST)
        if isinstance(outcomes, Failure):
            raise _refusal(outcomes)
        return [Ok(None) if failure is None else _refusal(failure) for failure in outcomes]


class Transformer:
    """What a transform exports."""

    def transform(self, event: Any) -> Any:
        result = run.transform(_only(), _event(event))
        if isinstance(result, Failure):
            raise _refusal(result)
        if result is None:
            return None
        return wit.Event(
            _whole(result.id),
            _whole(result.source),
            _whole(result.type),
            _whole_or_none(result.subject),
            _whole_or_none(result.time),
            _whole_or_none(result.datacontenttype),
            _whole_or_none(result.dataschema),
            _attributes(result),
            result.data,
        )
