"""{{name}}: adds the price in euros, and leaves out what has no price."""

from typing import Any

from wharf import Event, transform


@transform()
def change(event: Event[dict[str, Any]]) -> Event[dict[str, Any]] | None:
    cents = event.data.get("cents")
    if not isinstance(cents, int):
        return None
    return event.replace(data={**event.data, "euros": cents / 100})
