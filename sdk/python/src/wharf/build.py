"""Makes a component of a module that declares a handler: `wharf-python charge.py -o charge.wasm`.

Invariant: the component imports what `needs` said and no capability beyond; what was declared is in its custom sections. The output
appears whole or not at all.

It is run on the author's machine, and never in a component. componentize-py does the work.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import declare

#: The contract, as the package carries it.
WIT = Path(__file__).parent / "wit"

_WORLDS = {"handler": "event-handler", "batch_handler": "event-batch-handler", "transform": "event-transform"}
_CLASSES = {"handler": "Handler", "batch_handler": "BatchHandler", "transform": "Transformer"}

#: With --stub-wasi a component has nothing of WASI that its plugin did not ask for; but componentize-py takes every interface of that
#: namespace for its own, those of the contract among them. So they go through it under another name of the same length.
_NAMESPACE, _SPARED = "wasi:", "wazi:"

#: Two interfaces of the contract are called `store`; these are the names of their modules.
_MODULES = ("wazi:keyvalue/store@0.2.0-draft=keyvalue", "wazi:config/store@0.2.0-rc.1=config")

#: What of a world is a capability, by the kind of need that stands for it.
_CAPABILITIES = {
    "publish": ["publisher"],
    "kv": ["counters", "wasi:keyvalue/store@0.2.0-draft", "wasi:keyvalue/atomics@0.2.0-draft"],
}


class BuildError(Exception):
    """Why there is no component, for the author to read."""


def build(module: Path, output: Path) -> None:
    """Builds the component of a module's file."""
    one = _declared_by(module)
    with tempfile.TemporaryDirectory(prefix="wharf-") as folder:
        work = Path(folder)
        wit = work / "wit"
        shutil.copytree(WIT, wit)
        contract = wit / "plugin.wit"
        contract.write_text(narrowed(contract.read_text(encoding="utf-8")), encoding="utf-8")
        for file in wit.rglob("*.wit"):
            file.write_text(renamed(file.read_text(encoding="utf-8")), encoding="utf-8")
        entry = f"import {module.stem}\nfrom wharf._component import {_CLASSES[one.kind]}\n"
        (work / "wharf_entry.py").write_text(entry, encoding="utf-8")
        made = work / "component.wasm"
        world = ["-d", str(wit), "-w", _WORLDS[one.kind]]
        if one.kind != "transform":
            world += [option for name in _MODULES for option in ("--import-interface-name", name)]
        _componentize(world, [str(work), str(module.parent)], made)
        sections = b"".join(custom_section(name, said) for name, said in _said(one))
        half = output.with_suffix(".half")
        half.write_bytes(renamed_back(made.read_bytes()) + sections)
        os.replace(half, output)


#: What a plugin imports beside its world, where it says that it needs it.
_BESIDE = {"hold": "wharf:secrets/held@0.1.0"}


def narrowed(contract: str) -> str:
    """The contract without the imports that are not needed, and with those beside it that are; as it is where nothing was said."""
    for kind, name in _BESIDE.items():
        if declare.needed.get(kind):
            contract = re.sub(r"^(world event-(?:batch-)?handler \{\n)", rf"\1    import {name};\n", contract, flags=re.MULTILINE)
    for kind, imports in _CAPABILITIES.items():
        if declare.needed and not declare.needed.get(kind):
            for name in imports:
                contract = re.sub(rf"^    import {re.escape(name)};\n", "", contract, flags=re.MULTILINE)
    return contract


def renamed(wit: str) -> str:
    """The contract as componentize-py gets it."""
    return wit.replace(_NAMESPACE, _SPARED)


def renamed_back(component: bytes) -> bytes:
    """The component that imports what the contract says. The names are of one length, so all else stays where it is."""
    return component.replace(_SPARED.encode(), _NAMESPACE.encode())


def custom_section(name: str, content: str) -> bytes:
    """A custom section, as it stands at the end of a component (WebAssembly, "Custom Section": id 0, size, name, bytes)."""
    said = _leb128(len(name)) + name.encode() + content.encode()
    return b"\0" + _leb128(len(said)) + said


def _leb128(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def _said(one: declare.Declared) -> list[tuple[str, str]]:
    said = []
    if declare.needed:
        said.append(("wharf:needs", json.dumps(declare.needed, separators=(",", ":"))))
    all_of_it = {"on": list(one.on), "order_by": one.order_by, "retry": one.retry and dict(one.retry)}
    handler = {name: value for name, value in all_of_it.items() if value}
    if handler:
        said.append(("wharf:handler", json.dumps(handler, separators=(",", ":"))))
    return said


def _declared_by(module: Path) -> declare.Declared:
    spec = importlib.util.spec_from_file_location(module.stem, module)
    if spec is None or spec.loader is None or not module.is_file():
        raise BuildError(f"{module}: there is no such Python file")
    sys.path.insert(0, str(module.parent))
    declare.declared.clear()
    declare.needed.clear()
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module.stem] = loaded
    spec.loader.exec_module(loaded)
    if not declare.declared:
        raise BuildError(f"{module}: nothing is declared: put @handler() above the function that handles events")
    if len(declare.declared) > 1:
        names = ", ".join(one.function.__name__ for one in declare.declared)
        raise BuildError(f"{module}: a component has one handler, and here are {names}")
    return declare.declared[0]


def _componentize(world: list[str], paths: list[str], output: Path) -> None:
    beside = Path(sys.executable).parent / "componentize-py"
    tool = str(beside) if beside.is_file() else shutil.which("componentize-py")
    if tool is None:
        raise BuildError("componentize-py is not installed: pip install 'wharf[build]'")
    package = Path(__file__).parent.parent
    arguments = [tool, "-q", *world, "componentize", "--stub-wasi", "wharf_entry", "-o", str(output)]
    for path in [*paths, str(package)]:
        arguments += ["-p", path]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"componentize-py: {done.stderr.strip() or done.stdout.strip()}")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="wharf-python", description="Makes a component of a module with a handler.")
    parser.add_argument("module", type=Path, help="the Python file that declares the handler")
    parser.add_argument("-o", "--output", type=Path, help="where the component goes (default: beside the module)")
    args = parser.parse_args(arguments)
    module = args.module.resolve()
    output = (args.output or module.with_suffix(".wasm")).resolve()
    try:
        build(module, output)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(output)
    return 0


if __name__ == "__main__":
    # Run by `-m`, this file is a second module of the same code: the declarations are with the first.
    from wharf.build import main as first

    sys.exit(first())
