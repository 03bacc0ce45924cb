"""The probe's handler in Python, from `wit/` alone; what it does is in ../README.md."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import atomics, config, counters, logging, publisher, random, wall_clock
from wit_world.imports import keyvalue as store
from wit_world.imports.types import Attribute, Failure_Reject, Failure_Retry, RetryRequest

counter = 0


class Handler(exports.Handler):
    def handle(self, event, delivery):
        what = event.type.removeprefix("probe.")
        data = event.data or b""
        if what.startswith("kv-"):
            return buckets(what, event, data)
        if what.startswith("publish") or what in ("half", "order"):
            return publishing(what, event, data, delivery.attempt)
        return other(what, event, data, delivery)


def answer(event, value):
    store.open("default").set(event.id, value if isinstance(value, bytes) else str(value).encode())


def retry(reason, after_ms=None):
    return Err(Failure_Retry(RetryRequest(after_ms, reason)))


def reject(reason):
    return Err(Failure_Reject(reason))


def publish(type, source=None, subject=None, datacontenttype=None, extensions=(), data=None):
    return publisher.publish(publisher.Draft(type, source, subject, datacontenttype, list(extensions), data))


def publishing(what, event, data, attempt):
    kind = "probe.published"
    match what:
        case "order":
            try:
                order = json.loads(data)
                number, cents, note = order["number"], order["cents"], order.get("note")
                fits = type(number) is int and type(cents) is int and (note is None or type(note) is str)
            except (ValueError, KeyError, TypeError, AttributeError):
                fits = False
            if not fits:
                raise reject("the payload is no order")
            body = json.dumps({"number": number, "cents": cents, "note": note}).encode()
            publish("probe.ordered", subject=f"order/{number}", data=body)
        case "publish":
            first = publish(kind, subject="first", extensions=[Attribute("mark", "a")], data=b'{"n":1}')
            second = publish(kind, source="elsewhere", datacontenttype="application/octet-stream", data=data)
            answer(event, f"{first} {second}")
        case "publish-again":
            name = publish(kind)
            if attempt == 1:
                raise retry(name)
            answer(event, name)
        case "publish-denied" | "publish-invalid":
            try:
                if what == "publish-denied":
                    publish("elsewhere.event")
                else:
                    publish(kind, extensions=[Attribute("Not A Name", "x")])
                answer(event, "taken")
            except Err as error:
                answer(event, "denied" if isinstance(error.value, publisher.PublishError_Denied) else "invalid")
        case "publish-flood":
            for _ in range(101):
                publish(kind)
        case "half":
            publish(kind)
            answer(event, "half")
            raise reject("half done")


def buckets(what, event, data):
    kv = store.open("default")

    def at(name):
        return f"{event.id}/{name}"

    def shown(key):
        value = kv.get(key)
        return "none" if value is None else bytes(value).decode()

    match what:
        case "kv-set-get":
            kv.set(at("a"), b"1")
            answer(event, f"{shown(at('a'))} {shown(at('b'))}")
        case "kv-delete":
            kv.set(at("a"), b"1")
            kv.delete(at("a"))
            answer(event, f"{str(kv.exists(at('a'))).lower()} {shown(at('a'))}")
        case "kv-list":
            kv.set(at("b"), b"1")
            kv.set(at("a"), b"1")
            page = kv.list_keys(None)
            keys = page.keys
            while page.cursor is not None:
                page = kv.list_keys(page.cursor)
                keys += page.keys
            answer(event, " ".join(key for key in keys if key.startswith(at(""))))
        case "kv-binary":
            kv.set(at("bytes"), data)
            answer(event, bytes(kv.get(at("bytes"))))
        case "kv-add":
            counters.add(kv, at("n"), 5)
            counters.add(kv, at("n"), -2)
        case "kv-increment":
            atomics.increment(kv, at("n"), 2)
            answer(event, atomics.increment(kv, at("n"), 3))
        case "kv-swap":
            done = []
            for old, new in [("none", "one"), ("zero", "two"), ("one", "three")]:
                done.append(shown(at("s")) == old)
                if done[-1]:
                    kv.set(at("s"), new.encode())
            answer(event, " ".join(str(it).lower() for it in done))
        case "kv-conflict":
            atomics.increment(kv, "conflicts", 1)
        case "kv-named":
            store.open("ledger").set(event.id, b"kept")
        case "kv-denied":
            try:
                store.open("vault").set(event.id, b"x")
                answer(event, "taken")
            except Err as error:
                answer(event, "denied" if isinstance(error.value, store.Error_AccessDenied) else "taken")


def other(what, event, data, delivery):
    global counter
    attempt = delivery.attempt
    match what:
        case "echo":
            answer(event, data)
        case "attributes":
            names = ["id", "source", "type", "subject", "time", "datacontenttype", "dataschema"]
            extensions = {it.name: it.value for it in event.extensions}
            answer(event, json.dumps({name: getattr(event, name) for name in names} | {"extensions": extensions}))
        case "delivery":
            answer(event, json.dumps(vars(delivery)))
        case "retry":
            if attempt == 1:
                raise retry(f"again: {delivery.id}")
            answer(event, f"{attempt} {delivery.id}")
        case "retry-after":
            if attempt == 1:
                raise retry("later", 1500)
            answer(event, attempt)
        case "retry-always":
            raise retry(f"attempt {attempt} as asked")
        case "reject":
            raise reject(data.decode())
        case "uncaught":
            answer(event, "half")
            raise RuntimeError("uncaught as asked")
        case "loop":
            while True:
                pass
        case "memory":
            hoard = []
            while True:
                hoard.append(bytearray(b"x") * (1 << 20))
        case "log":
            for level in logging.Level:
                logging.log(level, "", f"{level.name.lower()} {data.decode()}")
        case "config":
            answer(event, f"{config.get('greeting')} {config.get('absent') or 'none'}")
        case "clock":
            answer(event, wall_clock.now().seconds)
        case "random":
            answer(event, bytes(random.get_random_bytes(16)).hex())
        case "counter":
            counter += 1
            answer(event, counter)
