"""{{name}}: makes a report each time that it is due, and numbers them."""

from wharf import Context, Event, handler, needs

needs(publish=["report.made"], kv=["default"])


@handler()
def report(event: Event[bytes], cx: Context) -> None:
    number = cx.kv.increment("reports")
    cx.publish("report.made", {"number": number, "title": title(number, event.time or "")})


def title(number: int, due: str) -> str:
    return f"Report {number} of {due.split('T')[0]}"
