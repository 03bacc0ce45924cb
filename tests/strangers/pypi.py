"""Sends events by the CloudEvents SDK of PyPI, in every mode that it has, and reads each back by the same SDK.

Usage: pypi.py URL. Prints what it checked; an event that comes back as another one ends it with an error.
"""

import http.client
import json
import sys
from datetime import datetime, timezone
from urllib.parse import quote, urlsplit

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

URL = sys.argv[1]

# Each is (what it is, the content type, the data).
PAYLOADS = [
    ("object", "application/json", {"text": "ü \"quoted\"", "list": [1, None, True, 2.5]}),
    ("nothing", None, None),
    ("text", "text/plain", "plain, with a line\nbreak"),
    ("bytes", "application/octet-stream", bytes(range(256))),
]


def events(mode):
    for name, content_type, data in PAYLOADS:
        attributes = {
            "id": f"python/{mode} {name}",
            "source": "/strangers/python",
            "type": "stranger.sent",
            "specversion": "1.0",
            "subject": "ümlaut % and space",
            "time": datetime(2026, 1, 31, 23, 59, 59, 123000, tzinfo=timezone.utc),
            "dataschema": "https://example.com/schema#1",
            "stranger": "pypi",
        }
        if content_type:
            attributes["datacontenttype"] = content_type
        yield CloudEvent(attributes, data)


def ask(path, headers=None, body=None):
    # Not by urllib.request, which would add a content type where the SDK gives none.
    connection = http.client.HTTPConnection(urlsplit(URL).netloc)
    connection.request("GET" if body is None else "POST", path, body, headers or {})
    response = connection.getresponse()
    answer = json.load(response)
    assert response.status < 300, answer
    return answer


def same(sent, read):
    assert read.get_attributes() == sent.get_attributes(), (read.get_attributes(), sent.get_attributes())
    # Text that came in binary mode is bytes to the host, which does not guess: so bytes are compared.
    read, sent = (data.encode() if isinstance(data, str) else data or None for data in (read.get_data(), sent.get_data()))
    assert read == sent, (read, sent)


def read_back(event):
    """The event as the archive has it, by the SDK's own reading of a structured message."""
    view = ask(f"/v1/tenants/acme/events/{quote(event.get_id(), safe='')}")["event"]["event"]
    body = json.dumps(view).encode()
    return from_http_event(HTTPMessage({"content-type": "application/cloudevents+json"}, body))


def main():
    checked = 0
    for mode, write in [("binary", to_binary_event), ("structured", to_structured_event)]:
        for event in events(mode):
            message = write(event)
            answer = ask("/events", message.headers, message.body)
            assert answer["id"] == event.get_id() and not answer["duplicate"], answer
            same(event, read_back(event))
            checked += 1
    # The SDK has no batches: its structured messages are put into one by hand.
    batch = list(events("batched"))
    body = b"[" + b",".join(to_structured_event(event).body for event in batch) + b"]"
    answer = ask("/events", {"content-type": "application/cloudevents-batch+json"}, body)
    assert [one["id"] for one in answer] == [event.get_id() for event in batch], answer
    for event in batch:
        same(event, read_back(event))
        checked += 1
    print(f"{checked} events came back as they were sent")


main()
