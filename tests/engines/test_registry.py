"""The rows of the engines: what they name is there, and nothing else is taken for a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localai.engines import registry
from localai.engines.registry import ENGINES, EngineKind
from localai.errors import BadInput, EngineMissing
from localai.formats.serialization import to_plain
from localai.types import LAST, FileReady, ModelSpec, Notice, Progress, Sampling, Text, TextRequest
from tests.formats.test_serialization import keys, plain, requests, texts
from tests.support import toy_engine
from tests.support.toy_engine import Count, Step


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LOCALAI_ENGINES", toy_engine.__name__)
    forget()
    yield
    forget()


def forget() -> None:
    registry.engines.cache_clear()
    registry.event_types.cache_clear()


@given(request=requests)
def test_a_request_comes_as_it_was_sent(request: TextRequest) -> None:
    assert registry.decode_request("text", json.loads(json.dumps(to_plain(request)))) == request


@given(data=plain | st.dictionaries(st.sampled_from(keys) | texts, plain))
@example(data={})
@example(data={"raw": 7})
@example(data={"messages": "x"})
@example(data={"raw": "", "top": 1})
@example(data={"messages": [["user", "x"]]})
@example(data={"messages": [{"role": "user", "content": "x", "tokens": [1]}]})
@example(data={"sampling": {"temperature": True}})
@example(data={"stop": [["x"]]})
def test_any_plain_data_is_a_request_or_refused(data: Any) -> None:
    try:
        made = registry.decode_request("text", data)
    except BadInput as error:
        assert error.what
    else:
        assert type(made) is TextRequest and type(made.sampling) is Sampling


@pytest.mark.usefixtures("toys")
def test_each_kind_reads_requests_of_its_own() -> None:
    assert registry.decode_request("toy", {"word": "x", "to": 3}) == Count("x", 3)
    assert type(registry.decode_request("toy", {"word": "x", "to": 3})) is Count
    for data in ({}, {"word": "x"}, {"word": "x", "to": "3"}, {"word": "x", "to": 3, "raw": ""},
                 [], None, "x", to_plain(TextRequest(raw="x"))):  # fmt: skip
        with pytest.raises(BadInput):
            registry.decode_request("toy", data)
    with pytest.raises(BadInput):
        registry.decode_request("text", {"word": "x", "to": 3})


@pytest.mark.parametrize("kind", ["smell", "", "toy"])
def test_where_there_is_no_engine_there_is_no_request(kind: str) -> None:
    # A worker may be sent one before it has told that it cannot load such a model.
    with pytest.raises(EngineMissing, match=f"no engine for {kind!r}"):
        registry.decode_request(kind, {})


@pytest.mark.usefixtures("toys")
def test_the_events_of_a_kind_are_the_common_ones_and_its_own() -> None:
    common = {"Progress": Progress, "FileReady": FileReady, "Notice": Notice} | {
        each.__name__: each for each in LAST if each.__name__ != "TokenCount"
    }
    assert registry.event_types("speak") == common
    assert registry.event_types("toy").items() > common.items()
    assert registry.event_types("toy")["Step"] is Step and "Text" not in registry.event_types("toy")
    assert registry.event_types("text")["Text"] is Text


@pytest.mark.parametrize("kind", sorted(ENGINES))
def test_what_a_row_names_is_there(kind: str) -> None:
    row = ENGINES[kind]
    targets = (row.request, row.estimate, row.probe, *row.events)
    for target in filter(None, targets):
        assert callable(registry.named(target)), target
    assert bool(row.engine) == bool(row.request)
    assert not set(row.identity) & set(row.hints)


def spec(**options: Any) -> ModelSpec:
    return ModelSpec("text", ("/a.gguf",), "a", options)


def test_what_changes_a_worker_s_memory_tells_it_from_others_and_hints_do_not() -> None:
    assert registry.identity(spec()) == registry.identity(spec(threads=3, context=99))
    assert registry.identity(spec()) != registry.identity(spec(gpu_layers="3"))
    assert registry.identity(spec()) == registry.identity(spec()._replace(name="b"))
    assert registry.identity(spec()) != registry.identity(spec()._replace(files=("/b.gguf",)))


def test_an_option_that_a_kind_does_not_know_is_refused() -> None:
    for use in (registry.identity, registry.kind_of, lambda it: registry.estimate(it, {})):
        with pytest.raises(BadInput, match="the engine for text has no option 'colour'"):
            use(spec(colour="red"))  # type: ignore[operator]
        with pytest.raises(EngineMissing, match="no engine for 'smell'"):
            use(ModelSpec("smell", ("/x",)))  # type: ignore[operator]


BROKEN = """
from localai.engines.registry import EngineKind
ENGINES = {"broken": EngineKind("no_such_module:Engine", "no_such_module:Request", package="it")}
"""


def test_an_engine_whose_modules_are_missing_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_engines.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("LOCALAI_ENGINES", "broken_engines")
    forget()
    for use in (
        lambda: registry.load(ModelSpec("broken", ("/x",)), lambda _: None),
        lambda: registry.decode_request("broken", {}),
    ):
        with pytest.raises(EngineMissing, match="no_such_module") as caught:
            use()
        assert "it" in caught.value.next_step
    forget()


def test_a_module_of_others_may_take_the_place_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALAI_ENGINES", toy_engine.__name__)
    monkeypatch.setattr(toy_engine, "ENGINES", {"text": EngineKind("a:b", "c:d")})
    forget()
    assert registry.engines()["text"].engine == "a:b"
    assert registry.engines()["image"] is ENGINES["image"]
    forget()
