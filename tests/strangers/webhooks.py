"""Verifies webhooks by the libraries of others: `standardwebhooks` of PyPI for v1, `cryptography` for v1a.

Reads lines of JSON from stdin (headers, body, secret, public) and prints how many verified. A forged body has to be refused each time.
"""

import base64
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError


def v1(line, body):
    try:
        Webhook(line["secret"]).verify(body, line["headers"])
        return True
    except WebhookVerificationError:
        return False


def v1a(line, body):
    headers = line["headers"]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(line["public"].removeprefix("whpk_")))
    message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    for signature in headers["webhook-signature"].split(" "):
        version, text = signature.split(",", 1)
        if version == "v1a":
            try:
                key.verify(base64.b64decode(text), message)
                return True
            except InvalidSignature:
                pass
    return False


def main():
    counts = {"v1": 0, "v1a": 0}
    for text in sys.stdin:
        line = json.loads(text)
        for name, verify in [("v1", v1), ("v1a", v1a)]:
            forged = line["body"].replace("1", "2") + " "
            assert not verify(line, forged), f"{name}: a forged body was taken"
            counts[name] += verify(line, line["body"])
    print(json.dumps(counts))


main()
