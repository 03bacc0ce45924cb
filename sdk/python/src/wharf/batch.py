"""Many events of a queue in one call: what a batch handler gets, and how it says which of them failed.

Invariant: there is one outcome per event, in the order of the events.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from .event import Delivery, Event
from .failure import Failure, of_error

T = TypeVar("T")


class Item(Generic[T]):
    """A message of the queue that the plugin consumes. It succeeded unless `fail` says otherwise."""

    def __init__(self, event: Event[T], delivery: Delivery) -> None:
        self.event = event
        self._delivery = delivery
        self.failure: Failure | None = None

    def fail(self, why: Exception) -> None:
        """Says that this event did not succeed: `Reject`, `Retry`, `RetryAfter`, or any error, which is a retry."""
        self.failure = of_error(why)

    @property
    def attempt(self) -> int:
        """How often the message was received, this time included."""
        return self._delivery.attempt

    @property
    def max_attempts(self) -> int:
        """How often it may be received."""
        return self._delivery.max_attempts

    @property
    def delivery_id(self) -> str:
        """The same for every attempt of this message: an idempotency key for effects outside the host."""
        return self._delivery.id

    @property
    def rule(self) -> str:
        """The rule that sent the event to the queue; the queue's name where it was sent straight there."""
        return self._delivery.rule
