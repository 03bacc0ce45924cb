"""One attempt, from the host's call to the author's function and back.

Invariant: nothing that the function raises gets out: a failure is a value here, so a component never traps by an exception. An
event whose payload does not fit is rejected without calling the function, since no retry can mend it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from . import payload
from .batch import Item
from .context import Context
from .declare import Declared
from .event import Delivery, Event, Received
from .failure import Failure, Reject, of_error, trace_of
from .port import Port


def attempt(one: Declared, event: Received, delivery: Delivery, port: Port) -> Failure | None:
    """Calls the handler, and says why the attempt did not succeed, if it did not."""
    try:
        one.function(_typed(one, event), Context(delivery, port))
    except (Exception, SystemExit) as error:
        return _failed(error, port)
    return None


def batch(one: Declared, items: Sequence[tuple[Received, Delivery]], port: Port) -> list[Failure | None] | Failure:
    """Calls the batch handler with the events that fit, and gives each one's outcome, or the failure of all."""
    outcomes: list[Failure | None] = [None] * len(items)
    fitting: list[tuple[int, Item[Any]]] = []
    for n, (event, delivery) in enumerate(items):
        try:
            fitting.append((n, Item(_typed(one, event), delivery)))
        except (Exception, SystemExit) as error:
            outcomes[n] = _failed(error, port)
    if not fitting:
        return outcomes
    try:
        one.function([item for _, item in fitting], Context(items[fitting[0][0]][1], port))
    except (Exception, SystemExit) as error:
        return _failed(error, port)
    for n, item in fitting:
        outcomes[n] = item.failure
    return outcomes


def transform(one: Declared, event: Received) -> Received | None | Failure:
    """Calls the transform, and gives the event that goes on, none, or the failure."""
    try:
        result = one.function(_typed(one, event))
        if result is None:
            return None
        if not isinstance(result, Event):
            raise TypeError(f"a transform gives an event or None, not {type(result).__name__}")
        return _sent(one, event, result)
    except (Exception, SystemExit) as error:
        return of_error(error)


def _typed(one: Declared, event: Received) -> Event[Any]:
    try:
        return event.replace(data=payload.decode(event.data, one.payload), extensions=dict(event.extensions))
    except payload.Unfit as unfit:
        raise Reject(str(unfit)) from None


def _sent(one: Declared, received: Received, result: Event[Any]) -> Received:
    # A payload that is the one that came goes on byte for byte: reading it into a type may have lost what that lacks.
    if _is_same(result.data, payload.decode(received.data, one.payload)):
        return result.replace(data=received.data)
    if isinstance(result.data, bytes):
        return result.replace(data=result.data or None)
    media = result.datacontenttype
    kept = media if media is not None and "json" in media else "application/json"
    return result.replace(data=payload.encode(result.data), datacontenttype=kept)


def _is_same(data: Any, came: Any) -> bool:
    # To Python 1, 1.0 and True are equal, and to JSON they are not.
    return bool(data == came) and payload.encode(data) == payload.encode(came)


def _failed(error: BaseException, port: Port) -> Failure:
    failure = of_error(error)
    if failure is not error:
        try:
            port.log("error", "uncaught", trace_of(error))
        except Exception:
            # The log is a courtesy: the failure itself has to reach the host, whatever the log says.
            print("the traceback could not be logged", file=sys.stderr)
    return failure
