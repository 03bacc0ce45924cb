"""The probe's transform in Python; what it does is in ../README.md."""

from wharf import Event, Reject, Retry, transform


@transform()
def bend(event: Event[bytes]) -> Event[bytes] | None:
    match event.extensions.get("bend"):
        case "change":
            extensions = event.extensions | {"mark": "yes"}
            data = event.data + b" bent"
            return event.replace(subject="bent", extensions=extensions, datacontenttype="text/plain", data=data)
        case "drop":
            return None
        case "retry":
            raise Retry("bent as asked")
        case "reject":
            raise Reject("bent as asked")
        case "uncaught":
            raise RuntimeError("uncaught as asked")
    return event
