"""The decorators: what a module says that it handles, and what it needs for that.

Invariant: the author's function stays as it is and can be called as any other. A component has one handler, or one batch handler,
or one transform.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .batch import Item
from .event import Event

F = TypeVar("F", bound=Callable[..., Any])

#: Where a declaration is kept on the function.
MARK = "__wharf__"


@dataclass(frozen=True)
class Declared:
    """A function that the component exports."""

    kind: str
    function: Callable[..., Any]
    payload: Any
    #: The event types that it handles; empty where the configuration's rule alone says it.
    on: tuple[str, ...] = ()
    #: What its events are ordered by, and how often it is tried, where it says so.
    order_by: str | None = None
    retry: Mapping[str, int | str] | None = None


#: What the modules of this program declared, for the builder.
declared: list[Declared] = []
needed: dict[str, list[str]] = {}

_FORMS = {
    "handler": (2, "takes the event and the context: `(event: Event[T], cx: Context)`"),
    "batch_handler": (2, "takes the batch and the context: `(batch: list[Item[T]], cx: Context)`"),
    "transform": (1, "takes the event and nothing else, since it is pure: `(event: Event[T])`"),
}


def handler(
    on: str | Sequence[str] | None = None, *, order_by: str | None = None, retry: Mapping[str, int | str] | None = None
) -> Callable[[F], F]:
    """Makes a function the handler that this component exports, for events of these types.

    A type that ends in `*` stands for all that begin so. `order_by` is a path into the event, and `retry` has `attempts`, `first`, `max` and
    `age`, both as in a rule's target. `wharf deploy FILE.wasm` makes the plugin's rule of what is said here.
    """
    unknown = set(retry or ()) - {"attempts", "first", "max", "age"}
    if unknown:
        raise TypeError(f"`retry` has attempts, first, max and age, and not {', '.join(sorted(unknown))}")
    return _declare("handler", on, order_by, retry)


def batch_handler(on: str | Sequence[str] | None = None) -> Callable[[F], F]:
    """Makes a function the batch handler that this component exports: it consumes a queue."""
    return _declare("batch_handler", on)


def transform(on: str | Sequence[str] | None = None) -> Callable[[F], F]:
    """Makes a function the transform that this component exports: it changes events on their way, or leaves them out."""
    return _declare("transform", on)


def needs(*, publish: Sequence[str] = (), kv: Sequence[str] = (), hold: Sequence[str] = ()) -> None:
    """Says which event types a plugin publishes, which buckets it opens and which secrets it holds; the component then imports nothing beyond.

    A type ends in `*` where all are meant that begin so; a bucket has `:read` behind its name where it is only read.
    """
    needed.update(publish=list(publish), kv=list(kv))
    if hold:
        needed.update(hold=list(hold))


def _declare(
    kind: str,
    on: str | Sequence[str] | None,
    order_by: str | None = None,
    retry: Mapping[str, int | str] | None = None,
) -> Callable[[F], F]:
    if callable(on):
        raise TypeError(f"write @{kind}() with parentheses")
    types = (on,) if isinstance(on, str) else tuple(on or ())

    def mark(function: F) -> F:
        one = Declared(kind, function, _payload_of(kind, function), types, order_by, retry)
        setattr(function, MARK, one)
        declared.append(one)
        return function

    return mark


def _payload_of(kind: str, function: Callable[..., Any]) -> Any:
    """The payload's type, by the hint of the first parameter."""
    count, form = _FORMS[kind]
    parameters = list(inspect.signature(function).parameters)
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{function.__name__}: a {kind} is not `async`")
    if len(parameters) != count:
        raise TypeError(f"{function.__name__}: a {kind} {form}")
    hint = typing.get_type_hints(function, include_extras=True).get(parameters[0], Any)
    if kind == "batch_handler" and typing.get_origin(hint) is not None:
        hint = typing.get_args(hint)[0]
    inner = typing.get_args(hint)
    expected = Item if kind == "batch_handler" else Event
    if hint not in (Any, expected) and typing.get_origin(hint) is not expected:
        raise TypeError(f"{function.__name__}: a {kind} {form}")
    return inner[0] if inner else Any
