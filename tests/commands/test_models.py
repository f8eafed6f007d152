"""`localai models`, and models by name: against a hub on this machine, with the real commands."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.catalog import default_model, known
from localai.catalog.diffusion import bundles
from localai.catalog.names import TINY, ModelFile, Reference, resolve
from localai.catalog.voices import PIPER
from localai.catalog.whisper import SIZES
from localai.errors import BadInput, LocalaiError
from tests.conftest import PATIENCE, ROOT, Ran, command, run
from tests.support.hub import Hub, Repo

CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."
REPO = "owner/tiny-GGUF"
FILES = {"tiny-Q4_K_M.gguf": TINY.read_bytes(), "tiny-Q8_0.gguf": TINY.read_bytes() + bytes(32)}


@pytest.fixture(autouse=True)
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    made = Hub()
    made.repos[REPO] = Repo(dict(FILES))
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    yield made
    made.close()


def refused(done: Ran, code: int, *words: str) -> None:
    assert (done.code, done.stdout) == (code, b""), done
    assert done.err.startswith("localai: ") and "Traceback" not in done.err
    for word in words:
        assert word in done.err


def on_terminal(*arguments: str, typed: bytes = b"") -> tuple[str, int]:
    """What a command shows on a terminal, and its exit code."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command(*arguments),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "80"},
    )
    os.close(slave)
    data, end = b"", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not select.select([master], [], [], 0.05)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            data += os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if typed and b"[Y/n]" in data:
            os.write(master, typed)
            typed = b""
    os.close(master)
    return data.decode(), process.wait(PATIENCE)


# Names.


@pytest.mark.parametrize(
    ("name", "repo", "wanted", "revision"),
    [
        ("owner/repo", "owner/repo", None, "main"),
        ("owner/repo:Q8_0", "owner/repo", "Q8_0", "main"),
        ("hf:owner/repo", "owner/repo", None, "main"),
        ("hf:owner/repo/a-Q4.gguf", "owner/repo", "a-Q4.gguf", "main"),
        ("hf:owner/repo/sub/*Q4*", "owner/repo", "sub/*Q4*", "main"),
        ("hf://owner/repo", "owner/repo", None, "main"),
        ("hf.co/owner/repo:Q4_0", "owner/repo", "Q4_0", "main"),
        ("https://huggingface.co/owner/repo/", "owner/repo", None, "main"),
        ("https://huggingface.co/owner/repo/tree/v2", "owner/repo", None, "v2"),
        ("https://huggingface.co/owner/repo/blob/main/a.gguf", "owner/repo", "a.gguf", "main"),
        ("https://huggingface.co/o/r/resolve/1f/a.gguf?download=true", "o/r", "a.gguf", "1f"),
    ],
)
def test_the_spellings_of_a_place_on_the_hub(
    name: str, repo: str, wanted: str | None, revision: str
) -> None:
    assert resolve(name) == Reference(name, repo, wanted, revision)


def test_a_known_name_is_its_row() -> None:
    for row in known.rows():
        found = resolve(row.name.upper())
        assert isinstance(found, Reference)
        assert (found.repo, found.wanted, found.row) == (row.repo, row.file, row)


@given(st.text(max_size=40))
def test_any_text_is_a_model_a_place_or_refused_in_words(name: str) -> None:
    try:
        found = resolve(name)
    except LocalaiError as error:
        assert error.what.isprintable() and error.next_step
    else:
        assert isinstance(found, ModelFile | Reference)


# Fetching.


def test_a_named_model_is_fetched_once_and_answers(hub: Hub) -> None:
    arguments = ("ask", "-m", REPO, "--temp", "0", CAPITAL)
    done = run(*arguments)
    assert (done.out, done.err, done.code) == (PARIS + "\n", "", 0)
    assert hub.sent == len(FILES["tiny-Q4_K_M.gguf"])
    hub.seen.clear()
    assert run(*arguments).out == PARIS + "\n"
    assert hub.seen == []  # the second call asks nobody
    assert run("ask", "-m", f"{REPO}:Q8_0", "--offline", CAPITAL).code == 3
    assert hub.seen == []


def test_pull_prints_the_path_and_rm_frees_it(hub: Hub, home: Path) -> None:
    done = run("models", "pull", f"{REPO}:q8_0")
    path = Path(done.out.rstrip("\n"))
    assert done.code == 0 and path.read_bytes() == FILES["tiny-Q8_0.gguf"]
    assert path.is_relative_to(home / "hf" / "hub")
    listed = {each["name"]: each for each in run("models", "--json").json}
    entry = listed[f"hf:{REPO}/tiny-Q8_0.gguf"]
    assert entry["on_disk"] and entry["path"] == str(path)
    assert run("ask", "-m", f"hf:{REPO}/*Q8*", "--temp", "0", CAPITAL).out == PARIS + "\n"
    done = run("models", "rm", f"hf:{REPO}/tiny-Q8_0.gguf")
    assert (done.stdout, done.code) == (b"", 0) and "2.5 MB freed" in done.err
    assert not path.exists()
    refused(run("models", "rm", f"{REPO}:Q8_0"), 3, "not on disk")
    refused(run("models", "rm", "tiny"), 2, "not a fetched model")


WHISPER = {name: b"of the model" for name in ("model.bin", "config.json", "tokenizer.json")}
VOICE = "en/en_US/joe/medium/en_US-joe-medium.onnx"
FETCHED = {
    "base": ("hear", "Systran/faster-whisper-base", {**WHISPER, "vocabulary.txt": b"words"}),
    "en_US-joe-medium": ("speak", "rhasspy/piper-voices", {VOICE: b"v", f"{VOICE}.json": b"{}"}),
    "sdxs-512": ("image", "", {}),
}


@pytest.mark.parametrize("name", FETCHED)
def test_models_of_every_kind_are_listed_fetched_and_removed_by_name(hub: Hub, name: str) -> None:
    kind, repo, files = FETCHED[name]
    if row := bundles.find(name):
        for file in row.files:
            hub.repos.setdefault(file.repo, Repo({})).files[file.name] = b"weights"
    else:
        hub.repos[repo] = Repo(dict(files))

    def listed() -> dict[str, Any]:
        (entry,) = (each for each in run("models", "--json").json if each["name"] == name)
        return dict(entry)

    assert (listed()["kind"], listed()["on_disk"]) == (kind, False)
    refused(run("models", "rm", name), 3, "not on disk")
    done = run("models", "pull", name)
    assert done.code == 0, done.err
    path = Path(done.out.rstrip("\n"))
    assert path.exists() and listed()["on_disk"] and listed()["path"] == str(path)
    assert run("models", "rm", name).code == 0
    assert not path.exists() and not listed()["on_disk"]


def test_what_was_never_fetched_is_not_removed(tmp_path: Path) -> None:
    folder = tmp_path / "whisper"
    folder.mkdir()
    (folder / "model.safetensors").touch()
    for own in (str(folder), str(folder / "model.safetensors"), "tiny"):
        refused(run("models", "rm", own), 2, "not a fetched model")
    assert (folder / "model.safetensors").exists()
    refused(run("models", "rm", "qwen3-4bb"), 3, "did you mean qwen3-4b?")


def test_what_is_not_there_is_told_with_what_to_type(hub: Hub) -> None:
    refused(run("models", "pull", "owner/tniy-GGUF"), 3, "owner/tniy-GGUF")
    refused(run("models", "pull", f"{REPO}:Q9_9"), 3, "Q9_9")
    refused(run("models", "pull", f"hf:{REPO}/tiny-*"), 2, "tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf")
    refused(run("models", "pull", "qwen3-4bb"), 3, "did you mean qwen3-4b?")
    refused(run("models", "show", "qwen3-4b"), 3, "localai models pull qwen3-4b")
    refused(run("models", "pull", "qwen3-4b", "--offline"), 3, "--offline")
    refused(run("models", "pull", REPO, env={"LOCALAI_OFFLINE": "1"}), 3, "offline")
    assert hub.sent == 0


def test_a_model_larger_than_the_machine_is_refused_before_a_byte(hub: Hub) -> None:
    def row(name: str, size: int) -> dict[str, object]:
        lfs = {"sha256": f"{size:064x}", "size": size}
        return {"rfilename": name, "size": size, "lfs": lfs}

    rows = [row("huge-Q4_K_M.gguf", 1 << 45), row("huge-Q2_K.gguf", 1 << 30), row("mmproj.gguf", 9)]
    hub.repos["owner/huge"] = Repo({"huge-Q3_K_S.gguf": bytes(1 << 20)}, more=rows)
    done = run("ask", "-m", "owner/huge", "hi")
    refused(done, 4, "35.2 TB", "nothing was fetched", "-m hf:owner/huge/huge-Q2_K.gguf (1.1 GB)")
    assert "-m tiny" in done.err and sum(name in done.err for name in known.names()) == 1
    assert hub.sent == 0


def test_what_a_name_means_is_remembered_while_its_file_is_there(hub: Hub, home: Path) -> None:
    path = run("models", "pull", REPO).out.rstrip("\n")
    memory = home / "cache" / "localai" / "names.json"
    assert json.loads(memory.read_text())["names"] == {REPO: path}
    assert run("ask", "-m", REPO, "--temp", "0", CAPITAL).out == PARIS + "\n"
    for spoilt in (
        "",
        "[]",
        "{",
        '{"version": 1}',
        '{"version": "0.1.0", "names": []}',
        "[" * 5000,
    ):
        memory.write_text(spoilt)
        assert run("ask", "-m", REPO, "--temp", "0", "--offline", CAPITAL).out == PARIS + "\n"
    assert run("models", "rm", REPO).code == 0
    refused(run("ask", "-m", REPO, "--offline", "hi"), 3, "not on disk")


# Where none was named.


def test_in_a_pipe_nothing_is_fetched_unasked(hub: Hub) -> None:
    done = run("ask", "hi")
    refused(done, 3, "localai models pull", "-y", "-m tiny")
    assert hub.seen == []
    assert run("ask", "--offline", "hi").code == 3


def test_on_a_terminal_the_first_model_is_offered_with_its_size(hub: Hub) -> None:
    said, code = on_terminal("ask", "hi", typed=b"n\n")
    assert code == 130 and "[Y/n]" in said and "GB" in said and "nothing was fetched" in said
    assert hub.seen == []
    said, code = on_terminal("ask", "hi", typed=b"\n")  # Enter is yes; this hub does not have it
    assert code == 3 and hub.seen and hub.sent == 0


def test_the_default_is_kept_in_the_config_file(home: Path) -> None:
    refused(run("models", "default"), 3, "models default NAME")
    assert run("models", "default", "tiny").code == 0
    assert run("models", "default").out == "tiny\n"
    assert run("ask", "--temp", "0", CAPITAL).out == PARIS + "\n"
    refused(run("models", "default", "tinny"), 3, "tiny")
    config = home / "config" / "localai" / "config.toml"
    assert tomllib.loads(config.read_text()) == {"models": {"text": "tiny"}}
    config.write_text("models = 5\n")
    refused(run("models", "default", "tiny"), 2, "config")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[models]\ntext = "x"\n'),
        ("threads = 2\n", 'threads = 2\n\n[models]\ntext = "x"\n'),
        ('[models]\ntext = "y" # mine\n', '[models]\ntext = "x"\n'),
        ('[models]\nimage = "y"\n[other]\ntext = 1\n',
         '[models]\ntext = "x"\nimage = "y"\n[other]\ntext = 1\n'),
        ('# hello\n[ models ] # mine\n', '# hello\n[ models ] # mine\ntext = "x"\n'),
    ],
)  # fmt: skip
def test_one_line_of_the_config_file_changes(before: str, after: str) -> None:
    assert default_model.with_model(before, "text", "x") == after


@pytest.mark.parametrize(
    "before", ['models = {text = "y"}', 'models.text = "y"', "a = [", 'a = """\n[models]\n"""']
)
def test_a_config_file_that_one_line_cannot_change_is_left_alone(before: str) -> None:
    with pytest.raises(BadInput, match="only you can change"):
        default_model.with_model(before, "text", "x")


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_config_file_keeps_its_meaning_or_is_left_alone(before: str, name: str) -> None:
    try:
        changed = default_model.with_model(before, "text", name)
    except BadInput:
        return
    found, kept = tomllib.loads(changed), tomllib.loads(before)
    assert found["models"]["text"] == name
    assert {key: value for key, value in found.items() if key != "models"} == {
        key: value for key, value in kept.items() if key != "models"
    }


# What is shown.


def test_the_list_reads_well_at_80_columns() -> None:
    said, code = on_terminal("models")
    lines = said.replace("\r", "").splitlines()
    assert code == 0 and max(map(len, lines)) < 80 and "…" not in said
    heads = [line.split()[0] for line in lines if "GOOD FOR" in line]
    assert heads == ["TEXT", "SPIRIT", "VISION", "IMAGE", "HEAR", "SPEAK"]
    assert lines[1].startswith("*  tiny ")
    named = len(known.rows()) + len(bundles.rows()) + len(SIZES) + len(PIPER) + 1
    assert len([line for line in lines if line]) == named + len(heads)


def test_show_says_what_the_file_says(tmp_path: Path) -> None:
    facts = run("models", "show", "tiny", "--json").json
    assert facts["architecture"] == "llama" and facts["context"] == 4096
    assert facts["parameters"] == 2275360 and facts["layers"] == 6
    assert "2,275,360" in run("models", "show", str(TINY)).out
    hostile = tmp_path / "hostile.gguf"
    data = TINY.read_bytes()
    assert data.count(b"tiny-chat") >= 1
    hostile.write_bytes(data.replace(b"tiny-chat", b"tiny\x1b[2J\x07", 1))
    shown = run("models", "show", str(hostile))
    assert shown.code == 0 and b"\x1b" not in shown.stdout and b"\x07" not in shown.stdout
    assert json.loads(run("models", "show", str(hostile), "--json").out)["name"]
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF" + bytes(100))
    refused(run("models", "show", str(tmp_path / "damaged.gguf")), 3, "damaged.gguf")


@pytest.mark.parametrize("name, kind", [("small", "hear"), ("sd-turbo", "image"), ("en_US-joe-medium", "speak")])  # fmt: skip
def test_models_of_every_kind_that_is_listed_are_shown(name: str, kind: str) -> None:
    listed = {each["name"]: each for each in run("models", "--json").json}
    shown = run("models", "show", name, "--json").json
    assert shown == listed[name] and shown["kind"] == kind
    assert f"kind        {kind}" in run("models", "show", name).out


@pytest.mark.parametrize("group", ["models", "prompts", "characters", "sessions"])
def test_json_before_a_command_is_refused_where_it_would_mean_nothing(group: str) -> None:
    refused = run(group, "--json", "list")
    assert refused.code == 2 and f"localai {group} list --json" in refused.err
    assert isinstance(run(group, "--json").json, list)
    assert isinstance(run(group, "list", "--json").json, list)
