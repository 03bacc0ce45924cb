"""How a handler says that an attempt did not succeed.

Invariant: whatever is raised without a word about it is a wish to be tried again; only the author can say that an event is
hopeless.
"""

from __future__ import annotations

import math
import traceback
from datetime import timedelta


# Longer than any host waits, and a number that every host can be told.
_AFTER_MS_MAX = 2**53


class Failure(Exception):
    """An attempt that did not succeed, for this reason. Raise one of its kinds: `Retry`, `RetryAfter`, `Reject`."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(Failure):
    """Try this event again, when the target's retry policy says."""


class RetryAfter(Failure):
    """Try this event again, but not before so many seconds have passed."""

    def __init__(self, after: float | timedelta, reason: str = "") -> None:
        super().__init__(reason)
        self.seconds = after.total_seconds() if isinstance(after, timedelta) else float(after)
        if not math.isfinite(self.seconds):
            raise ValueError(f"RetryAfter takes a number of seconds, not {self.seconds}")

    @property
    def after_ms(self) -> int:
        """The wait in whole milliseconds, rounded up: it is never shorter than what was asked for."""
        return min(max(0, math.ceil(round(self.seconds * 1000, 6))), _AFTER_MS_MAX)


class Reject(Failure):
    """This event can never succeed here: it goes to the dead-letter queue now."""


def of_error(error: BaseException) -> Failure:
    """What an exception means: itself if it is a failure, and else a retry that names it and the place where it was raised."""
    if isinstance(error, Failure):
        return error
    said = "".join(traceback.format_exception_only(error)).strip()
    places = traceback.extract_tb(error.__traceback__)
    if not places:
        return Retry(said)
    last = places[-1]
    file = last.filename.replace("\\", "/").rsplit("/", 1)[-1]
    return Retry(f"{said} ({file}:{last.lineno} in {last.name})")


def trace_of(error: BaseException) -> str:
    """The whole traceback, for the attempt's log, with what the error came of first."""
    # Without columns: to mark them Python would read the source again, and there are no files in a component.
    places = [(place.filename, place.lineno or 0, place.name, place.line) for place in traceback.extract_tb(error.__traceback__)]
    lines = ["Traceback (most recent call last):\n", *traceback.StackSummary.from_list(places).format()]
    said = "".join([*lines, *traceback.format_exception_only(error)]).rstrip()
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return said if before is None else f"{trace_of(before)}\n\nand then:\n\n{said}"
