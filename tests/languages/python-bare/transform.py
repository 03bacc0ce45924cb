"""The probe's transform in Python, from `wit/` alone; what it does is in ../README.md."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Attribute, Failure_Reject, Failure_Retry, RetryRequest


class Transformer(exports.Transformer):
    def transform(self, event):
        match next((it.value for it in event.extensions if it.name == "bend"), None):
            case "change":
                event.subject, event.datacontenttype = "bent", "text/plain"
                event.extensions.append(Attribute("mark", "yes"))
                event.data = (event.data or b"") + b" bent"
            case "drop":
                return None
            case "retry":
                raise Err(Failure_Retry(RetryRequest(None, "bent as asked")))
            case "reject":
                raise Err(Failure_Reject("bent as asked"))
            case "uncaught":
                raise RuntimeError("uncaught as asked")
        return event
