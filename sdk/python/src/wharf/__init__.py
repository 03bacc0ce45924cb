"""Write event handlers for Wharf in Python.

A handler is one function. What it publishes and stores becomes durable in one commit with the settlement of its event when it
returns, and none of it does when it raises or takes too long. Any exception that is neither `Reject` nor `RetryAfter` is a wish
to be tried again.
"""

from .batch import Item
from .bucket import AccessDenied, Bucket, KvError, NoSuchBucket
from .context import ConfigError, Context, InvalidEvent, PublishDenied, PublishError, SecretDenied, SecretError
from .declare import batch_handler, handler, needs, transform
from .event import Event
from .failure import Failure, Reject, Retry, RetryAfter
from .payload import Unfit

__all__ = [
    "AccessDenied",
    "Bucket",
    "ConfigError",
    "Context",
    "Event",
    "Failure",
    "InvalidEvent",
    "Item",
    "KvError",
    "NoSuchBucket",
    "PublishDenied",
    "PublishError",
    "Reject",
    "Retry",
    "RetryAfter",
    "SecretDenied",
    "SecretError",
    "Unfit",
    "batch_handler",
    "handler",
    "needs",
    "transform",
]
