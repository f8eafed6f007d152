"""A split model of the hub's cache, by every name that it has, through the real commands."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import run
from tests.support.hub import Hub, Repo
from tests.support.split import in_hub_cache, split

CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris.\n"
REPO = "owner/tiny-GGUF"
FIRST = "tiny-Q8_0-00001-of-00002.gguf"
SECOND = "tiny-Q8_0-00002-of-00002.gguf"


@pytest.fixture
def links(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return in_hub_cache(home / "hf" / "hub", REPO, split(tmp_path / "made"))


@pytest.fixture
def hub(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    files = {part.name: part.read_bytes() for part in split(tmp_path / "made")}
    made.repos[REPO] = Repo(files)
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    yield made
    made.close()


def answers(*arguments: str) -> None:
    ran = run("ask", "--temp", "0", *arguments, CAPITAL)
    assert (ran.out, ran.err, ran.code) == (PARIS, "", 0)


@pytest.mark.parametrize(
    "name", [REPO, f"{REPO}:Q8_0", f"hf:{REPO}/{FIRST}", f"hf:{REPO}/{SECOND}", f"hf:{REPO}/tiny*"]
)
def test_every_name_of_it(links: list[Path], name: str, warmth: str) -> None:
    answers("-m", name)
    answers("-m", name)  # remembered


def test_every_path_of_it(links: list[Path], tmp_path: Path, warmth: str) -> None:
    mine = tmp_path / "mine.gguf"
    mine.symlink_to(links[0])
    for path in (links[0], mine, links[0].resolve()):
        answers("-m", str(path))
    answers("--cold", "-m", str(links[0]))


def test_warm_ps_stop_and_bench(links: list[Path], warm: Path) -> None:
    assert run("warm", REPO).code == 0
    (row,) = run("ps", "--json").json["models"]
    assert row["file"] == str(links[0])
    answers("-m", str(links[0]))
    assert len(run("ps", "--json").json["models"]) == 1, "one model, whatever it is called"
    os.utime(links[1])
    answers("-m", REPO)
    rows = run("ps", "--json").json["models"]
    assert len({row["pid"] for row in rows}) == 2, "another model, as one of its files is new"
    assert run("stop", str(links[0].resolve())).code == 0
    assert run("bench", REPO, "--json").json["decode"] > 0


def test_it_is_listed_shown_and_made_the_default(links: list[Path], home: Path) -> None:
    listed = [each for each in run("models", "--json").json if REPO in each["name"]]
    assert [each["name"] for each in listed] == [f"hf:{REPO}/{FIRST}"]
    total = sum(link.stat().st_size for link in links)
    assert (listed[0]["bytes"], listed[0]["on_disk"]) == (total, True)
    assert run("models", "show", REPO, "--json").json["bytes"] == total
    assert run("models", "default", str(links[0])).code == 0
    config = tomllib.loads((home / "config" / "localai" / "config.toml").read_text())
    assert config["models"]["text"] == str(links[0])
    answers()


def test_a_part_that_is_gone_is_named_or_fetched_again(hub: Hub, home: Path) -> None:
    pulled = run("models", "pull", REPO)
    assert pulled.code == 0, pulled.err
    first = Path(pulled.out.strip())
    answers("-m", REPO)
    second = first.with_name(SECOND)
    second.resolve().unlink()
    second.unlink()
    (listed,) = [each for each in run("models", "--json").json if REPO in each["name"]]
    assert (listed["on_disk"], listed["partial"]) == (False, True)
    ran = run("ask", "-m", str(first), CAPITAL)
    assert ran.code != 0 and f"part 2 of 2, {SECOND}, is missing" in ran.err
    answers("-q", "-m", REPO)
    assert second.is_file()


def test_the_advice_never_damages_the_cache(links: list[Path]) -> None:
    blob = links[0].resolve()
    for link in links:
        link.unlink()
    ran = run("ask", "-m", str(blob), CAPITAL)
    assert ran.code != 0 and "models pull" in ran.err
    assert "give it back its name" not in ran.err
