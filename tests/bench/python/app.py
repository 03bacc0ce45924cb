"""A handler in Python that takes every event: what counts of it is that it is 18 MB to compile."""

from wit_world import exports


class Handler(exports.Handler):
    """What the world event-handler of wit/ asks for."""

    def handle(self, event, delivery):
        """Takes the event."""
