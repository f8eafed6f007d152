"""Settings: flag over environment over config file over default; folders; damage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as fuzzing
from hypothesis import strategies as st

from localai import settings
from localai.errors import BadInput
from localai.settings import Settings, read
from tests.conftest import ROOT, ask, run


@pytest.fixture
def config(home: Path) -> Any:
    """Writes the config file of this test's home; returns its path."""

    def write(text: str | bytes) -> Path:
        path = Path(os.environ["XDG_CONFIG_HOME"], "localai", "config.toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        settings.load.cache_clear()
        return path

    return write


def seen(**environ: str) -> Settings:
    """The settings of this test's home with some more variables."""
    kept = {k: v for k, v in os.environ.items() if k != "LOCALAI_THREADS"}
    return read({**kept, **environ})


def test_without_anything_said_the_defaults_hold(home: Path) -> None:
    bare = seen(TERM="xterm")
    assert dict(bare.models) == {}
    assert (bare.gpu_layers, bare.context, bare.threads, bare.color) == (None, None, None, None)
    assert not bare.offline
    found = [path.name for path in home.rglob("*") if path.is_dir()]
    assert found == ["state", "localai"], "reading the settings makes no folder"


def test_environment_goes_before_the_config_file(config: Any) -> None:
    config('gpu_layers = 3\ncontext = 100\nthreads = 2\n[models]\ntext = "a.gguf"\nhear = "b"\n')
    file = seen()
    assert (file.gpu_layers, file.context, file.threads) == ("3", 100, 2)
    assert dict(file.models) == {"text": "a.gguf", "hear": "b"}
    said = seen(LOCALAI_GPU_LAYERS="all", LOCALAI_CTX="200", LOCALAI_THREADS="4", LOCALAI_MODEL="c")
    assert (said.gpu_layers, said.context, said.threads) == ("all", 200, 4)
    assert dict(said.models) == {"text": "c", "hear": "b"}


def test_older_variables_are_heard_but_ours_go_before_them() -> None:
    older = {
        "LLM_MODEL_FILE": "old.gguf",
        "LLM_GPU_LAYERS": "7",
        "LLM_CONTEXT_WINDOW": "512",
        "LLM_CPU_THREADS": "3",
    }
    old = seen(**older)
    assert (old.model("text"), old.gpu_layers) == ("old.gguf", "7")
    assert (old.context, old.threads) == (512, 3)
    ours = {
        "LOCALAI_MODEL": "m",
        "LOCALAI_GPU_LAYERS": "0",
        "LOCALAI_CTX": "9",
        "LOCALAI_THREADS": "1",
    }
    new = seen(**older, **ours)
    assert (new.model("text"), new.gpu_layers, new.context, new.threads) == ("m", "0", 9, 1)


def test_tiny_stands_for_every_kind_and_another_model_for_text_alone() -> None:
    kinds = {"text", "vision", "image", "hear", "speak"}
    tiny = seen(LOCALAI_MODEL="tiny")
    assert {kind: tiny.model(kind) for kind in kinds} == dict.fromkeys(kinds, "tiny")
    assert dict(seen(LOCALAI_MODEL="x.gguf").models) == {"text": "x.gguf"}
    one = seen(LOCALAI_MODEL="tiny", LOCALAI_TEXT_MODEL="x.gguf")
    assert (one.model("text"), one.model("hear")) == ("x.gguf", "tiny")
    assert one.model("toy") == "tiny", "also for the kinds of other engines"


def test_an_empty_variable_says_nothing(config: Any) -> None:
    config("threads = 2\n")
    empty = seen(
        LOCALAI_THREADS="", LOCALAI_MODEL="", LOCALAI_CTX="", LOCALAI_DEBUG="", NO_COLOR=""
    )
    assert (empty.threads, empty.model("text"), empty.context) == (2, None, None)
    assert empty.color is None


@pytest.mark.parametrize(
    ("word", "truth"), [("1", True), ("yes", True), ("0", False), ("no", False), ("False", False)]
)
def test_switches(word: str, truth: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(LOCALAI_OFFLINE=word).offline is truth
    monkeypatch.setenv("LOCALAI_DEBUG", word)
    assert settings.debugging() is truth


def test_colour_is_forbidden_forced_or_asked_of_the_terminal() -> None:
    assert seen(NO_COLOR="1", FORCE_COLOR="1").color is False
    assert seen(TERM="dumb").color is False
    assert seen(FORCE_COLOR="1", TERM="dumb").color is True
    assert seen(TERM="xterm").color is None


def test_folders_follow_xdg_and_relative_ones_are_ignored(tmp_path: Path) -> None:
    names = ("CONFIG", "DATA", "STATE", "CACHE")
    absolute = {f"XDG_{name}_HOME": f"{tmp_path}/{name}" for name in names}
    found = settings.folders({**absolute, "XDG_RUNTIME_DIR": f"{tmp_path}/run"})
    assert [found.config, found.data, found.state, found.cache, found.runtime] == [
        tmp_path / name / "localai" for name in (*names, "run")
    ]
    # Without a runtime folder of the session the sockets lie in the cache.
    assert settings.folders(absolute).runtime.parent == tmp_path / "CACHE" / "localai"
    relative = settings.folders({name: "here" for name in absolute})
    assert all(path.is_absolute() and "here" not in path.parts for path in relative)


@pytest.mark.parametrize("variable", ["LOCALAI_CTX", "LOCALAI_THREADS", "LLM_CONTEXT_WINDOW"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "1e3", " 4", "²", "9" * 5000])
def test_a_number_that_is_none_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(BadInput) as caught:
        seen(**{variable: value})
    ours = {"LLM_CONTEXT_WINDOW": "LOCALAI_CTX"}.get(variable, variable)
    assert ours in caught.value.what and len(caught.value.what) < 300


@pytest.mark.parametrize(
    "line", ['threads = "many"', "threads = 0", "threads = true", "context = [1]"]
)
def test_a_number_in_the_config_file_is_checked_too(line: str, config: Any) -> None:
    config(line + "\n")
    with pytest.raises(BadInput, match="positive number"):
        seen()


@pytest.mark.parametrize("variable", ["LOCALAI_GPU_LAYERS", "LLM_GPU_LAYERS"])
def test_layers_from_the_environment_are_checked_as_the_flag_is(variable: str) -> None:
    done = ask("-n", "2", "hi", env={variable: "banana"})
    assert done.code == 2, done.err
    assert "GPU_LAYERS" in done.err and "banana" in done.err and done.stdout == b""


def test_a_command_takes_the_flag_then_the_environment_then_the_config_file(config: Any) -> None:
    config('[models]\ntext = "of-the-config.gguf"\n')
    missing = {"LOCALAI_MODEL": "of-the-environment.gguf"}
    flag = run("ask", "-m", "tiny", "-n", "2", "hi", env=missing)
    assert flag.code == 0 and "of-the-" not in flag.err
    variable, file = run("ask", "-n", "2", "hi", env=missing), run("ask", "-n", "2", "hi")
    assert (variable.code, file.code) == (3, 3)
    assert "of-the-environment.gguf" in variable.err and "of-the-config.gguf" in file.err


def test_more_threads_than_the_machine_can_start_are_refused_in_words() -> None:
    done = ask("-n", "2", "hi", env={"LOCALAI_THREADS": "99999999999"})
    assert done.code == 2, done.err
    assert "LOCALAI_THREADS" in done.err and "damaged" not in done.err


DAMAGE = [
    b"[models\n",
    b"text = \xff\n",
    b"a = 1\na = 2\n",
    b"threads = \n",
    b"\x00",
]


@pytest.mark.parametrize("data", DAMAGE)
def test_a_damaged_config_file_is_named(data: bytes, config: Any) -> None:
    path = config(data)
    with pytest.raises(BadInput) as caught:
        seen()
    assert str(path) in caught.value.what


def test_a_command_with_a_damaged_config_file_exits_2_and_help_still_helps(config: Any) -> None:
    path = config("[models\n")
    plain, as_json = ask("hi"), ask("--json", "hi")
    assert (plain.code, plain.stdout) == (2, b"")
    assert str(path) in plain.err and "line 1" in plain.err and "Traceback" not in plain.err
    assert as_json.code == 2
    assert json.loads(as_json.stderr)["error"]["exit"] == 2
    assert run("--help").code == run("ask", "--help").code == run("--version").code == 0


def test_a_config_file_that_is_a_folder_is_named(home: Path) -> None:
    folder = Path(os.environ["XDG_CONFIG_HOME"], "localai", "config.toml")
    folder.mkdir(parents=True)
    done = ask("hi")
    assert done.code == 2 and str(folder) in done.err


def test_a_model_of_the_config_file_answers(config: Any) -> None:
    config('[models]\ntext = "tiny"\n')
    done = run("ask", "--temp", "0", "What is the capital of France?")
    assert (done.code, done.out) == (0, "The capital of France is Paris.\n")


@pytest.mark.parametrize(
    "line", ["models = 5", 'models = "tiny"', "[models]\ntext = 5", "[models]\ntext = []"]
)
def test_models_that_are_no_names_are_refused(line: str, config: Any) -> None:
    path = config(line + "\n")
    with pytest.raises(BadInput) as caught:
        seen()
    assert "models" in caught.value.what and str(path) in caught.value.what


names = st.sampled_from(
    ["LOCALAI_CTX", "LOCALAI_THREADS", "LOCALAI_MODEL", "LOCALAI_DEBUG", "LOCALAI_GPU_LAYERS",
     "LLM_CPU_THREADS", "LLM_GPU_LAYERS", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TERM", "NO_COLOR"]
)  # fmt: skip
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(environ=st.dictionaries(names, words | st.integers().map(str)))
def test_any_environment_gives_settings_or_bad_input(environ: dict[str, str]) -> None:
    try:
        found = read({"HOME": "/nonexistent", **environ})
    except BadInput:
        return
    assert found.threads is None or found.threads > 0
    assert found.context is None or found.context > 0
    assert all(path.is_absolute() for path in found.folders)


@fuzzing(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(text=st.text(max_size=60) | st.binary(max_size=40))
def test_any_config_file_gives_settings_or_bad_input(text: str | bytes, tmp_path: Path) -> None:
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    folder = tmp_path / "localai"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_bytes(data)
    try:
        read({"XDG_CONFIG_HOME": str(tmp_path)})
    except BadInput as error:
        assert "config" in error.what


def test_load_remembers_and_read_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALAI_MODEL", "a")
    assert settings.load().model("text") == "a"
    monkeypatch.setenv("LOCALAI_MODEL", "b")
    assert settings.load().model("text") == "a"
    assert read(os.environ).model("text") == "b"


def test_a_worker_finds_this_package_whatever_the_working_folder_holds(tmp_path: Path) -> None:
    (tmp_path / "localai").mkdir()
    (tmp_path / "localai" / "__init__.py").write_text("raise SystemExit(9)\n")
    (tmp_path / "json.py").write_text("raise SystemExit(9)\n")
    # The command as it is installed: not `-m`, which puts the working folder first.
    program = "import sys; from localai.cli import main; sys.exit(main(['ask', '-m', 'tiny', '-n', '2', 'hi']))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
