"""From the payload's bytes to the handler's own type, and back.

Invariant: `bytes` is the payload itself; every other type is read as JSON, and a payload that does not fit is refused with the
place where it does not. `datacontenttype` is not looked at: what a handler asks for is what it gets, or an error.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from typing import Any, Union

_MISSING = object()
_PLAIN = (dict, list, str, bool, int, float, types.NoneType)
_UNIONS = (Union, types.UnionType)


class Unfit(ValueError):
    """A payload that is not what the handler takes."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the payload is not what this plugin takes: at `{path or '.'}`: {reason}")


def decode(data: bytes | None, into: Any) -> Any:
    """Reads a payload as that type. No payload is JSON's `null`, and no bytes."""
    if into is bytes:
        return data or b""
    try:
        # As text first: of bytes json guesses the encoding, and those that it may guess are not in a component.
        value = json.loads(str(data, "utf-8")) if data is not None else None
    except ValueError as error:
        raise Unfit("", str(error)) from None
    return fit(value, into, "")


def encode(value: Any) -> bytes:
    """A payload as JSON, or as itself if it is bytes."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {member.name: getattr(value, member.name) for member in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def fit(value: Any, into: Any, path: str) -> Any:
    """A value of JSON as that type, or `Unfit`."""
    if into is Any or into is object:
        return value
    if into is None:
        into = types.NoneType
    origin = typing.get_origin(into)
    if origin is typing.Annotated or origin in (typing.Required, typing.NotRequired):
        return fit(value, typing.get_args(into)[0], path)
    if origin in _UNIONS:
        return _any_of(value, into, path)
    if origin is typing.Literal:
        if value in typing.get_args(into):
            return value
        raise Unfit(path, f"expected one of {', '.join(map(repr, typing.get_args(into)))}, got {_shown(value)}")
    if origin in (list, tuple, set) or into in (tuple, set):
        return _many(value, origin or into, typing.get_args(into), path)
    if origin is dict:
        return _table(value, typing.get_args(into), path)
    if dataclasses.is_dataclass(into) and isinstance(into, type):
        return _instance(value, into, path)
    if typing.is_typeddict(into):
        return _typed_dict(value, into, path)
    return _one(value, into, path)


def _one(value: Any, into: Any, path: str) -> Any:
    # In Python a bool is an int; in JSON it is not. An integer is a number, so it fits a float.
    if into is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if into in _PLAIN:
        if isinstance(value, into) and (into is bool or not isinstance(value, bool)):
            return value
        raise Unfit(path, f"expected {_name(into)}, got {_shown(value)}")
    if isinstance(into, type) and issubclass(into, enum.Enum):
        try:
            return into(value)
        except ValueError as error:
            raise Unfit(path, str(error)) from None
    raise TypeError(f"a payload cannot be read as {into!r}")


def _any_of(value: Any, into: Any, path: str) -> Any:
    kinds = typing.get_args(into)
    refusals = []
    for kind in kinds:
        try:
            return fit(value, kind, path)
        except Unfit as refusal:
            refusals.append(refusal)
    # Of an optional type what is wrong with the one type that it is of says more than that it is not that either.
    real = [refusal for refusal, kind in zip(refusals, kinds, strict=True) if kind is not types.NoneType]
    if len(real) == 1:
        raise real[0]
    raise Unfit(path, f"expected {' or '.join(map(_name, kinds))}, got {_shown(value)}")


def _many(value: Any, origin: Any, inner: tuple[Any, ...], path: str) -> Any:
    if not isinstance(value, list):
        raise Unfit(path, f"expected a list, got {_shown(value)}")
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        if len(inner) != len(value):
            raise Unfit(path, f"expected a list of {len(inner)}, got one of {len(value)}")
        kinds = list(inner)
    else:
        kinds = [inner[0] if inner else Any] * len(value)
    return origin(fit(one, kind, f"{path}[{n}]") for n, (one, kind) in enumerate(zip(value, kinds, strict=True)))


def _table(value: Any, inner: tuple[Any, ...], path: str) -> Any:
    if not isinstance(value, dict):
        raise Unfit(path, f"expected an object, got {_shown(value)}")
    kind = inner[1] if len(inner) == 2 else Any
    return {key: fit(one, kind, _joined(path, key)) for key, one in value.items()}


def _instance(value: Any, into: type, path: str) -> Any:
    if not isinstance(value, dict):
        raise Unfit(path, f"expected an object, got {_shown(value)}")
    hints = typing.get_type_hints(into, include_extras=True)
    members = {}
    for member in dataclasses.fields(into):
        if not member.init:
            continue
        at = _joined(path, member.name)
        given = value.get(member.name, _MISSING)
        optional = member.default is not dataclasses.MISSING or member.default_factory is not dataclasses.MISSING
        if given is not _MISSING:
            members[member.name] = fit(given, hints[member.name], at)
        elif not optional:
            raise Unfit(at, "it is missing")
    return into(**members)


def _typed_dict(value: Any, into: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise Unfit(path, f"expected an object, got {_shown(value)}")
    hints = typing.get_type_hints(into, include_extras=True)
    for name in into.__required_keys__:
        if name not in value:
            raise Unfit(_joined(path, name), "it is missing")
    # What the type does not name stays: a TypedDict is the JSON object itself.
    return {key: fit(one, hints.get(key, Any), _joined(path, key)) for key, one in value.items()}


def _joined(path: str, member: str) -> str:
    return f"{path}.{member}" if path else member


def _name(kind: Any) -> str:
    return "null" if kind is types.NoneType else getattr(kind, "__name__", str(kind))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 64 else text[:64] + "…"
