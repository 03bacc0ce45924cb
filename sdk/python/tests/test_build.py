"""What the builder writes around the component that componentize-py makes."""

from pathlib import Path

import pytest

from wharf import Context, Event, build, declare, handler


def test_a_custom_section_is_written_as_webassembly_has_it() -> None:
    assert build.custom_section("ab", "x" * 200) == b"\0\xcb\x01\x02ab" + b"x" * 200


def test_what_a_handler_declares_is_in_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(event: Event[int], cx: Context) -> None: ...

    monkeypatch.setattr(declare, "needed", {})
    monkeypatch.setattr(declare, "declared", [])
    handler(on=["a", "b.*"], order_by="$.data.n", retry={"attempts": 3, "first": "2s"})(handle)
    text = '{"on":["a","b.*"],"order_by":"$.data.n","retry":{"attempts":3,"first":"2s"}}'
    assert build._said(declare.declared[0]) == [("wharf:handler", text)]
    handler()(handle)
    assert build._said(declare.declared[1]) == []
    with pytest.raises(TypeError, match="not forever"):
        handler(retry={"forever": 1})


def test_the_component_imports_what_was_said_and_no_capability_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = "world w {\n    import publisher;\n    import counters;\n    import wasi:keyvalue/store@0.2.0-draft;\n    import types;\n}\n"
    for needed, left in [
        ({}, contract),
        ({"publish": ["a"], "kv": []}, "world w {\n    import publisher;\n    import types;\n}\n"),
        ({"publish": [], "kv": ["b"]}, contract.replace("    import publisher;\n", "")),
    ]:
        monkeypatch.setattr(declare, "needed", needed)
        assert build.narrowed(contract) == left
    monkeypatch.setattr(declare, "needed", {"publish": [], "kv": [], "hold": ["signing"]})
    worlds = "world event-handler {\n}\nworld event-batch-handler {\n}\nworld event-transform {\n}\n"
    held = "    import wharf:secrets/held@0.1.0;\n"
    left = worlds.replace("handler {\n", "handler {\n" + held)
    assert build.narrowed(worlds) == left


def test_what_is_spared_from_the_stubs_has_its_name_in_the_end() -> None:
    wit = "import wasi:clocks/wall-clock@0.2.0; import wasi:random/random@0.2.0; import wasi:config/store@0.2.0-rc.1;"
    assert build.renamed(wit).count("wazi:") == 3
    assert build.renamed_back(build.renamed(wit).encode()) == wit.encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "nothing is declared"),
        ("from wharf import *\n@transform()\ndef a(event): ...\n@transform()\ndef b(event): ...\n", "here are a, b"),
        (None, "no such Python file"),
    ],
)
def test_a_module_that_is_no_plugin_is_refused_in_words(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "bad.py"
    if text is not None:
        module.write_text(text)
    assert build.main([str(module)]) == 1
    assert said in capsys.readouterr().err


def test_the_package_carries_the_contract_as_it_is() -> None:
    contract = Path(__file__).parents[3] / "wit"
    files = sorted(path.relative_to(contract) for path in contract.rglob("*.wit"))
    assert files == sorted(path.relative_to(build.WIT) for path in build.WIT.rglob("*.wit"))
    for file in files:
        assert (contract / file).read_bytes() == (build.WIT / file).read_bytes(), f"cp -r wit/. {build.WIT}"
