"""The model hub: what a name means, the transfer and its faults, and the cache shared with others."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from localai.catalog.hub import cache, errors, http, lock, transfer
from localai.catalog.hub.download import fetch
from localai.catalog.hub.repository import HubFile, Repository, look
from localai.catalog.hub.select import choose
from localai.errors import BadInput, BadModel, ExitCode, LocalaiError, Unavailable, UnknownModel
from localai.settings import hub_environment
from tests.conftest import ROOT, until
from tests.support.hub import GRANTED, STRANGER, Hub, Proxy, Repo

REPO = "owner/model-GGUF"
NAME = "model-Q4_K_M.gguf"
SIZE = 1_500_001  # bytes; no multiple of any block
DATA = random.Random(1).randbytes(SIZE)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def surroundings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's login, cache or proxies; and no waiting between tries."""
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING", "SSL_CERT")) or name.lower() in PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(errors, "PAUSES", (0.0,) * 5)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    made.repos[REPO] = Repo({NAME: DATA, "README.md": b"read me"}, small=frozenset(["README.md"]))
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    yield made
    made.silent = False
    made.close()


def pull(wanted: str | None = None, repo: str = REPO, **more: Any) -> tuple[Path, ...]:
    """What `models pull` does."""
    found = look(repo)
    return fetch(found, choose(found.files, wanted, repo), **more)


def failure(kind: type[LocalaiError], work: Callable[[], Any]) -> LocalaiError:
    """The error, which says what happened and what to type next."""
    with pytest.raises(LocalaiError) as caught:
        work()
    assert type(caught.value) is kind, caught.value.what
    assert caught.value.what and caught.value.next_step
    assert all(text.isprintable() for text in (caught.value.what, caught.value.next_step))
    return caught.value


def kept(home: Path) -> list[Path]:
    return sorted((home / "hub").rglob("*.incomplete"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# What a name means.


def named(*names: str) -> list[HubFile]:
    return [HubFile(name, 1) for name in names]


def chosen(names: tuple[str, ...], wanted: str | None) -> list[str]:
    return [file.name for file in choose(named(*names), wanted, REPO)]


MANY = ("a-Q8_0.gguf", "a-Q4_K_S.gguf", "a-Q4_K_M.gguf", "mmproj-a-Q4_K_M.gguf", "a-imatrix.gguf")


@pytest.mark.parametrize(
    ("names", "wanted", "meant"),
    [
        (MANY, None, "a-Q4_K_M.gguf"),
        (MANY[:2], None, "a-Q4_K_S.gguf"),
        (("a.Q8_0.gguf", "a.Q4_0.gguf", "a.Q2_K.gguf"), None, "a.Q4_0.gguf"),
        (("a-q5_k_m.gguf", "a-q4_0.gguf"), None, "a-q5_k_m.gguf"),
        (("a-IQ2_M.gguf", "mmproj-F16.gguf", "README.md"), None, "a-IQ2_M.gguf"),
        (MANY, "q8_0", "a-Q8_0.gguf"),
        (MANY, "Q8_0", "a-Q8_0.gguf"),
        (("a-Q4_K.gguf", "a-Q4_K_M.gguf"), "Q4_K", "a-Q4_K.gguf"),
        (("a-UD-Q4_K_M.gguf", "a-Q4_K_M.gguf"), None, "a-Q4_K_M.gguf"),
        (("a-UD-Q4_K_M.gguf", "a-Q4_K_M.gguf"), "UD-Q4_K_M", "a-UD-Q4_K_M.gguf"),
        (("a-UD-Q4_K_M.gguf", "a-BF16.gguf"), None, "a-UD-Q4_K_M.gguf"),
        (("a-F16.gguf", "mmproj-a-F16.gguf"), "F16", "a-F16.gguf"),
        (("Q8_0/a.gguf", "Q4_0/a.gguf"), "q4_0", "Q4_0/a.gguf"),
        (MANY, "mmproj-a-Q4_K_M.gguf", "mmproj-a-Q4_K_M.gguf"),
        (MANY, "*mmproj*", "mmproj-a-Q4_K_M.gguf"),
        (MANY, "*q4_k_m*", "a-Q4_K_M.gguf"),
        (MANY, "*S.gguf", "a-Q4_K_S.gguf"),
        (("deep/er/a-Q8_0.gguf", "b.gguf"), "a-*", "deep/er/a-Q8_0.gguf"),
        (("deep/a.gguf", "b.gguf"), "a.gguf", "deep/a.gguf"),
        (("config.json", "a.gguf"), "config.json", "config.json"),
        # A whole model goes before the same one in parts.
        (("a-Q4_K_M.gguf", "a-Q4_K_M-00001-of-00001.gguf"), None, "a-Q4_K_M.gguf"),
    ],
)
def test_which_file_is_meant(names: tuple[str, ...], wanted: str | None, meant: str) -> None:
    assert chosen(names, wanted) == [meant]
    assert chosen(tuple(reversed(names)), wanted) == [meant]


PARTS = tuple(f"big/m-Q4_K_M-0000{n}-of-00003.gguf" for n in (1, 2, 3))


@pytest.mark.parametrize("wanted", [None, "q4_k_m", "*Q4*", PARTS[0], PARTS[2], "big/*"])
def test_a_split_model_is_one_and_its_parts_come_in_order(wanted: str | None) -> None:
    assert chosen((PARTS[2], PARTS[0], "m-Q2_K.gguf", PARTS[1]), wanted) == list(PARTS)


@pytest.mark.parametrize("names", [PARTS[:2], PARTS[1:], ("a-00001-of-00000.gguf",)])
def test_a_split_model_with_a_part_missing_is_refused(names: tuple[str, ...]) -> None:
    error = failure(UnknownModel, lambda: chosen(names, None))
    assert "parts" in error.what and names[0][-14:-11] in error.what.replace("00001", "-of")


def test_two_models_for_one_glob_are_listed_but_no_more_than_eight() -> None:
    error = failure(BadInput, lambda: chosen(("a-Q4_0.gguf", "b-Q4_0.gguf", "c.gguf"), "*q4_0*"))
    assert "a-Q4_0.gguf, b-Q4_0.gguf" in error.what and "c.gguf" not in error.what
    many = tuple(f"m{n:02}-Q4_0.gguf" for n in range(20))
    error = failure(BadInput, lambda: chosen(many, "Q4_0"))
    assert error.what.count(".gguf") == 8 and "12 more" in error.what
    error = failure(BadInput, lambda: chosen(("a-IQ1.gguf", "b-IQ2.gguf"), None))
    assert "a-IQ1.gguf, b-IQ2.gguf" in error.what


def test_a_slip_in_a_file_name_gets_a_did_you_mean() -> None:
    error = failure(UnknownModel, lambda: chosen(MANY, "a-Q4_K_X.gguf"))
    assert "did you mean a-Q4_K" in error.next_step and error.code == ExitCode.UNAVAILABLE
    error = failure(UnknownModel, lambda: chosen(MANY, "zzz"))
    assert "a-Q8_0.gguf" in error.what
    error = failure(UnknownModel, lambda: chosen(("README.md",), None))
    assert "no GGUF" in error.what


# The hub's listing.


def test_a_repository_tells_its_files_and_terms(hub: Hub) -> None:
    hub.repos[REPO].gated = True
    found = look(REPO)
    assert (found.name, found.commit) == (REPO, hub.repos[REPO].commit)
    assert (found.gated, found.private, found.licence) == (True, False, "apache-2.0")
    large, small = found.files
    assert large == HubFile(NAME, SIZE, hashlib.sha256(DATA).hexdigest())
    assert small.sha256 is None and small.git and small.bytes == len(b"read me")
    assert len(hub.seen) == 1
    agent = hub.seen[0].headers
    assert agent["User-Agent"].startswith("localai/") and "Authorization" not in agent


@pytest.mark.parametrize(
    "listing",
    [b"<html>", b"[]", b"{}", b"", b'{"sha": "../../x"}', b'{"sha": 1}', b"[" * 100_000, b"\xff"],
)
def test_an_answer_that_is_no_listing_is_refused(hub: Hub, listing: bytes) -> None:
    hub.listing = listing or b" "
    failure(Unavailable, lambda: look(REPO))


@pytest.mark.parametrize(
    "rows",
    [None, 1, {}, ["x", None, {"rfilename": 1}, {"rfilename": "a.gguf", "size": -1, "lfs": 3}]],
)
def test_odd_rows_of_a_listing_harm_nobody(hub: Hub, rows: Any) -> None:
    hub.listing = json.dumps({"sha": COMMIT, "siblings": rows, "tags": 1, "cardData": []}).encode()
    expected = (HubFile("a.gguf", None),) if isinstance(rows, list) else ()
    assert look(REPO).files == expected


@pytest.mark.parametrize(
    "name",
    ["", "a", "a/b/c", "../b", "a/..", "a/b\0", "a/b?c", "a/b c", "-a/b", "a/b-", "a--b/c", "a/b..c",
     "a/" + "b" * 97, "/a", "a/", "a\\b/c", "hf:a/b", "é/b", "a/b\n"],
)  # fmt: skip
def test_what_is_no_repository_is_never_asked_for(hub: Hub, name: str) -> None:
    failure(BadInput, lambda: look(name))
    assert not hub.seen


# The transfer.


def test_a_file_is_fetched_once_into_the_layout_of_the_cache(hub: Hub, home: Path) -> None:
    told: list[tuple[int, int]] = []
    (path,) = pull(progress=lambda *numbers: told.append(numbers))
    folder, commit = home / "hub" / "models--owner--model-GGUF", hub.repos[REPO].commit
    assert path == folder / "snapshots" / commit / NAME and path.read_bytes() == DATA
    assert os.readlink(path) == f"../../blobs/{digest(path)}"
    assert (folder / "refs" / "main").read_text() == commit
    assert [each.name for each in (folder / "blobs").iterdir()] == [digest(path)]
    assert told[-1] == (SIZE, SIZE) and told == sorted(told) and len(told) > 3
    assert hub.sent == SIZE
    assert pull() == (path,) and hub.sent == SIZE, "the second time nothing is fetched"


def test_a_transfer_that_is_cut_ten_times_sends_no_byte_twice(hub: Hub, home: Path) -> None:
    chance = random.Random(7)
    places = sorted(chance.sample(range(1, SIZE), 10))
    hub.cuts = [b - a for a, b in zip([0, *places[:-1]], places, strict=True)]
    (path,) = pull()
    assert path.read_bytes() == DATA and not hub.cuts
    assert hub.sent == SIZE, "each byte was sent once"
    assert [first for first, _ in hub.served] == [0, *places]


def fetching(**more: str) -> subprocess.Popen[bytes]:
    """A process of its own that fetches the default file."""
    code = (
        "import sys; from localai.catalog.hub import select, download, repository; "
        "found = repository.look(sys.argv[1]); "
        "print(download.fetch(found, select.choose(found.files, None))[0])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, REPO],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
    )


def test_a_killed_transfer_goes_on_where_it_was(hub: Hub, home: Path) -> None:
    hub.pause = 0.004
    sizes = [0]
    for share in (0.2, 0.4, 0.6):
        process = fetching()
        enough = int(SIZE * share)
        until(lambda enough=enough: kept(home) and kept(home)[0].stat().st_size > enough)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
        process.stdout.close()  # type: ignore[union-attr]
        sizes.append(kept(home)[0].stat().st_size)
        until(lambda: len(hub.served) == len(sizes) - 1)  # the hub has noticed
    hub.pause = 0
    (path,) = pull()
    assert path.read_bytes() == DATA and not kept(home)
    assert [first for first, _ in hub.served] == sizes, "each went on from what was kept"
    twice = hub.sent - SIZE
    assert 0 <= twice <= 3 * transfer.BLOCK, f"{twice} bytes were sent twice"


def test_two_processes_at_once_transfer_it_once(hub: Hub) -> None:
    hub.pause = 0.004
    both = [fetching(), fetching()]
    said = [process.communicate(timeout=60)[0].decode().strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1] and Path(said[0]).read_bytes() == DATA
    assert hub.sent == SIZE and len(hub.of("cdn")) == 1


def test_whoever_waits_sees_the_others_progress(hub: Hub) -> None:
    hub.pause = 0.01
    first, told = fetching(), []
    until(lambda: hub.of("cdn"))
    (path,) = pull(progress=lambda *numbers: told.append(numbers))
    first.communicate(timeout=60)
    assert path.read_bytes() == DATA and hub.sent == SIZE
    assert any(0 < done < SIZE for done, _ in told) and told[-1] == (SIZE, SIZE)


def test_the_partial_file_is_kept_after_the_last_try(hub: Hub, home: Path) -> None:
    hub.cuts = [400_000, *[0] * 5]
    error = failure(Unavailable, pull)
    assert "closed the connection early" in error.what
    assert "400 kB are kept; the same command goes on" in error.next_step
    assert kept(home)[0].read_bytes() == DATA[:400_000]
    assert len(hub.of("cdn")) == 6, "one that came, and then five without progress"
    (partial,) = cache.stored(REPO)
    assert (partial.name, partial.bytes, partial.total) == (NAME, 400_000, SIZE)
    assert partial.partial and partial.path == kept(home)[0]
    (path,) = pull()
    assert path.read_bytes() == DATA and hub.sent == SIZE
    assert [each.partial for each in cache.stored(REPO)] == [False]


def test_ctrl_c_keeps_what_has_come(hub: Hub, home: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > SIZE // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(progress=stop)
    size = kept(home)[0].stat().st_size
    assert SIZE // 2 < size <= SIZE // 2 + transfer.BLOCK
    assert pull()[0].read_bytes() == DATA
    assert hub.served[-1] == (size, SIZE - size)


def test_a_server_that_ignores_ranges_does_not_spoil_the_file(hub: Hub, home: Path) -> None:
    hub.ignore_range, hub.cuts = True, [500_000, 900_000]
    (path,) = pull()
    assert path.read_bytes() == DATA
    assert hub.served == [(0, 500_000), (0, 900_000), (0, SIZE)]
    # One that always breaks off at the same place does not keep us for ever.
    cache.remove(REPO, NAME)
    hub.cuts = [300_000] * 20
    failure(Unavailable, pull)
    assert kept(home)[0].stat().st_size == 300_000 and len(hub.cuts) == 14


def test_wrong_bytes_are_removed_and_told(hub: Hub, home: Path) -> None:
    hub.wrong = True
    error = failure(BadModel, pull)
    assert "damaged" in error.what and digest_of(DATA)[:12] in error.what
    assert error.code == ExitCode.UNAVAILABLE
    assert not kept(home) and not list((home / "hub").rglob(NAME)) and not cache.stored()
    hub.wrong = False
    assert pull()[0].read_bytes() == DATA


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def partial_path(home: Path) -> Path:
    blobs = home / "hub" / "models--owner--model-GGUF" / "blobs"
    blobs.mkdir(parents=True)
    return blobs / f"{digest_of(DATA)}.incomplete"


@pytest.mark.parametrize("size", [SIZE, SIZE + 5])
def test_a_partial_file_with_nothing_to_come_is_checked_too(
    hub: Hub, home: Path, size: int
) -> None:
    partial_path(home).write_bytes(b"x" * size)
    if size == SIZE:
        failure(BadModel, pull)
        assert hub.sent == 0 and not kept(home)
    assert pull()[0].read_bytes() == DATA and hub.sent == SIZE


def test_a_whole_partial_file_needs_no_request(hub: Hub, home: Path) -> None:
    partial_path(home).write_bytes(DATA)
    assert pull()[0].read_bytes() == DATA and not hub.of("cdn")


def test_a_link_in_the_partial_files_place_is_not_followed(hub: Hub, home: Path) -> None:
    victim, partial = home / "victim", partial_path(home)
    victim.write_bytes(b"mine")
    for path in (partial, partial.with_name(partial.name + ".json")):
        path.unlink(missing_ok=True)
        path.symlink_to(victim)
        failure(LocalaiError, pull)
        assert victim.read_bytes() == b"mine"
        path.unlink()
    assert pull()[0].read_bytes() == DATA


def test_small_files_are_checked_by_the_hash_that_git_gives(hub: Hub, home: Path) -> None:
    (path,) = pull("README.md")
    assert path.read_bytes() == b"read me"
    assert path.resolve().name == hub.repos[REPO].row("README.md", b"read me")["blobId"]
    cache.remove(REPO, "README.md")
    hub.wrong = True
    failure(BadModel, lambda: pull("README.md"))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_of_which_nothing_is_told_is_fetched_to_its_end(hub: Hub, chunked: bool) -> None:
    hub.repos[REPO].untold = frozenset([NAME])
    hub.chunked = chunked
    hub.cuts = [] if chunked else [700_000]
    assert pull()[0].read_bytes() == DATA
    assert hub.sent == SIZE


@pytest.mark.parametrize("told", [True, False])
def test_a_server_that_denies_the_rest_does_not_keep_us_for_ever(
    hub: Hub, home: Path, told: bool
) -> None:
    hub.repos[REPO].untold = frozenset() if told else frozenset([NAME])
    hub.no_rest, hub.cuts = True, [500_000] * 30
    assert "no bytes where we asked" in failure(Unavailable, pull).what
    assert len(hub.cuts) == 29 and kept(home)[0].stat().st_size == 500_000
    if not told:  # another command does not know the size, and begins anew
        assert "begins anew" in failure(Unavailable, pull).next_step
        assert len(hub.cuts) == 29 and kept(home)[0].stat().st_size == 0
    hub.no_rest, hub.cuts = False, []
    assert pull()[0].read_bytes() == DATA


def test_a_partial_file_of_untold_size_that_is_whole_is_taken(hub: Hub, home: Path) -> None:
    hub.repos[REPO].untold = frozenset([NAME])
    hub.cuts = [500_000, *[0] * 5]
    failure(Unavailable, pull)
    kept(home)[0].write_bytes(DATA)
    assert pull()[0].read_bytes() == DATA and hub.sent == 500_000


def test_an_answer_without_an_end_is_left(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_LARGEST_UNTOLD", 1_000_000)
    hub.repos[REPO].untold = frozenset([NAME])
    hub.chunked = True
    assert "no end" in failure(Unavailable, pull).what


def test_an_empty_file_is_a_file(hub: Hub) -> None:
    hub.repos[REPO] = Repo({"a.gguf": b""})
    assert pull()[0].read_bytes() == b"" and not hub.of("cdn")


def test_a_large_file_comes_in_spans(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_SPAN", 400_000)
    assert pull()[0].read_bytes() == DATA
    assert [first for first, _ in hub.served] == [0, 400_000, 800_000, 1_200_000]
    assert hub.sent == SIZE


def test_other_bytes_than_those_asked_for_are_not_written(hub: Hub) -> None:
    hub.shifted = True
    assert "other bytes" in failure(Unavailable, pull).what


def test_a_file_of_another_size_than_the_listing_says_is_refused(hub: Hub, home: Path) -> None:
    found = look(REPO)
    hub.everything = b"<html>please log in</html>"
    error = failure(Unavailable, lambda: fetch(found, choose(found.files, None)))
    assert "26 bytes" in error.what and str(SIZE) in error.what
    assert not list((home / "hub").rglob(NAME))


def test_all_parts_of_a_split_model_are_fetched(hub: Hub) -> None:
    parts = {name: DATA[n : 300_000 + n] for n, name in enumerate(PARTS)}
    hub.repos[REPO] = Repo(parts)
    told: list[tuple[int, int]] = []
    paths = pull(progress=lambda *numbers: told.append(numbers))
    assert [path.name for path in paths] == [Path(name).name for name in PARTS]
    assert [path.read_bytes() for path in paths] == list(parts.values())
    assert told[-1] == (900_000, 900_000) and told == sorted(told)
    assert [each.name for each in cache.stored()] == list(PARTS)


# Failures of the hub and the network, in words.


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_hub_is_asked_again(hub: Hub, status: int) -> None:
    hub.statuses, hub.cdn_statuses = [status] * 3, [status] * 2
    assert pull()[0].read_bytes() == DATA and not hub.statuses and not hub.cdn_statuses


def test_a_link_to_the_content_network_that_has_run_out_is_asked_for_again(hub: Hub) -> None:
    hub.cdn_statuses = [403]
    assert pull()[0].read_bytes() == DATA


def test_a_hub_that_stays_busy_is_left_after_six_tries(hub: Hub) -> None:
    hub.statuses = [429] * 20
    error = failure(Unavailable, pull)
    assert "too often" in error.what and "HF_TOKEN" in error.next_step and len(hub.seen) == 6
    hub.statuses = [503] * 20
    assert "HTTP 503" in failure(Unavailable, pull).what


def test_the_pause_that_a_server_asks_for_is_made_but_not_for_hours(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(errors, "sleep", pauses.append)
    monkeypatch.setattr(errors, "PAUSES", (0.5, 1.0, 2.0, 4.0, 8.0))
    hub.statuses, hub.retry_after = [429] * 3, "7"
    look(REPO)
    hub.statuses, hub.retry_after = [429], "86400"
    look(REPO)
    hub.statuses, hub.retry_after = [429] * 2, "Fri, 20 Nov 2026 00:00:00 GMT"
    look(REPO)
    assert pauses == [7, 7, 7, 60, 0.5, 1]


def test_a_gated_model_says_where_its_terms_are(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repos[REPO].gated = True
    error = failure(Unavailable, pull)
    assert "terms" in error.what
    assert f"{hub.url}/{REPO}" in error.next_step and "HF_TOKEN" in error.next_step
    monkeypatch.setenv("HF_TOKEN", STRANGER)
    error = failure(Unavailable, pull)
    assert "has not" in error.what and f"accept them at {hub.url}/{REPO}" in error.next_step
    monkeypatch.setenv("HF_TOKEN", GRANTED)
    assert pull()[0].read_bytes() == DATA


def test_a_model_that_is_not_there_or_private(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repos[REPO].private = True
    for repo in (REPO, "owner/nothing"):
        error = failure(UnknownModel, lambda repo=repo: pull(repo=repo))
        assert repo in error.what and "private" in error.what and "HF_TOKEN" in error.next_step
    monkeypatch.setenv("HF_TOKEN", GRANTED)
    assert "HF_TOKEN" not in failure(UnknownModel, lambda: pull(repo="owner/nothing")).next_step
    assert pull()[0].read_bytes() == DATA


@pytest.mark.parametrize("token", ["hf_wrong", "two words", "héhé"])
def test_a_token_that_is_none(hub: Hub, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    error = failure(Unavailable, pull)
    assert "token" in error.what and "HF_TOKEN" in error.next_step
    assert token not in error.what + error.next_step


def test_a_file_that_has_gone_and_a_status_nobody_expects(hub: Hub) -> None:
    found = look(REPO)
    hub.repos[REPO].files = {"other.gguf": b"1"}
    assert NAME in failure(UnknownModel, lambda: fetch(found, found.files[:1])).what
    hub.statuses = [418]
    assert "HTTP 418" in failure(Unavailable, pull).what


def test_a_revision_that_is_not_there(hub: Hub) -> None:
    error = failure(UnknownModel, lambda: look(REPO, revision="v1"))
    assert "no such branch" in error.what
    assert len(hub.seen) == 1


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_no_network_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "PAUSES", (60.0,) * 5)  # a wait would run into the time limit
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    assert "refuses" in failure(Unavailable, pull).what

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    error = failure(Unavailable, pull)
    assert "hub.invalid is not known here" in error.what and "network" in error.next_step


def test_a_network_that_goes_away_in_the_middle_is_waited_for(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fails = http._answer, iter([False, False, True, True, False])

    def answer(*arguments: Any) -> Any:
        if next(fails, False):
            with errors.translate_errors(hub.url):
                raise ConnectionRefusedError
        return real(*arguments)

    found = look(REPO)
    monkeypatch.setattr(http, "_answer", answer)
    hub.cuts = [500_000]
    assert fetch(found, found.files[:1])[0].read_bytes() == DATA
    assert hub.sent == SIZE and not next(fails, False)


def test_a_silent_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", 0.1)
    hub.silent = True
    assert "does not answer in time" in failure(Unavailable, pull).what
    assert len(hub.seen) == 6


def test_what_speaks_no_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def chatter() -> None:
            with contextlib.suppress(OSError):
                while True:
                    other, _ = server.accept()
                    with other:
                        other.recv(1000)
                        other.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=chatter, daemon=True).start()
        port = server.getsockname()[1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        assert "does not speak HTTP" in failure(Unavailable, pull).what
        monkeypatch.setenv("HF_ENDPOINT", f"https://127.0.0.1:{port}")
        assert "no secure connection" in failure(Unavailable, pull).what
        server.shutdown(socket.SHUT_RDWR)  # else the waiting thread keeps the port


@pytest.mark.parametrize(
    "address", ["ftp://x", "file:///etc", "x", "http://", "http://a:b@c", "http://x:y", "http://[", "http://x\x1b",
     "http://x?y", "http://x#y"]
)  # fmt: skip
def test_an_endpoint_that_is_none(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert "HF_ENDPOINT" in failure(BadInput, pull).what


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    path = tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command, "-keyout", path, "-out", tmp_path / "c"], check=True, capture_output=True
    )
    path.write_text(path.read_text() + (tmp_path / "c").read_text())
    return path


def test_certificates_are_checked_and_https_never_becomes_http(
    hub: Hub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.over_tls(certificate)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    error = failure(Unavailable, pull)
    assert "certificate" in error.what and "SSL_CERT_FILE" in error.next_step and not hub.seen
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert "where we do not go" in failure(Unavailable, pull).what
    assert hub.of("hub") and not hub.of("cdn"), "its redirect leads to http"
    hub.direct = True
    assert pull()[0].read_bytes() == DATA


# Where requests go, and what they carry.


def test_the_token_is_for_the_hub_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", GRANTED)
    pull()
    assert all(seen.headers["Authorization"] == f"Bearer {GRANTED}" for seen in hub.of("hub"))
    assert len(hub.of("hub")) == 2
    assert [("Authorization" in seen.headers) for seen in hub.of("cdn")] == [False]
    hub.location = f"{hub.url}/{REPO}/resolve/{hub.repos[REPO].commit}/{NAME}"
    assert "circle" in failure(Unavailable, lambda: pull_again(hub)).what
    assert all("Authorization" in seen.headers for seen in hub.of("hub")), "a redirect to itself"


def pull_again(hub: Hub) -> None:
    cache.remove(REPO, NAME)
    pull()


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "", "javascript:x", "http://a:b@127.0.0.1/",
     "http://[::1", "http://x:99999/", "data:,x", "unix:/x"],
)  # fmt: skip
def test_a_redirect_to_a_strange_place_is_not_followed(hub: Hub, home: Path, location: str) -> None:
    hub.location = location
    before = everything(home) | {"hub"}
    assert "where we do not go" in failure(Unavailable, pull).what
    assert not hub.of("cdn")
    assert {name for name in everything(home) - before if not name.startswith("hub/")} == set()


def test_a_redirect_with_control_characters_reaches_no_header(hub: Hub) -> None:
    hub.location = f"{hub.cdn}/blob/\x01\x7f x"
    with pytest.raises(LocalaiError):
        pull()
    assert all(seen.path.isprintable() for seen in hub.seen)


def test_proxies_of_the_environment_are_used(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy()
    monkeypatch.setenv("http_proxy", proxy.url)
    assert pull()[0].read_bytes() == DATA
    assert [path.startswith("http://127.0.0.1") for path in proxy.asked] == [True] * 3
    cache.remove(REPO, NAME)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    pull()
    assert len(proxy.asked) == 3
    proxy.close()


def test_a_proxy_that_refuses_is_named_without_its_password(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{closed_port()}")
    error = failure(Unavailable, pull)
    assert "the proxy 127.0.0.1" in error.what and "PROXY" in error.next_step
    assert "secret" not in error.what + error.next_step
    for odd in ("socks5://me:secret@127.0.0.1:1", "http:/me:secret@x", "http://me:secret@[", "::"):
        monkeypatch.setenv("http_proxy", odd)
        error = failure(Unavailable, pull)
        assert "the proxy" in error.what and "secret" not in error.what + error.next_step
    login = Proxy(407)
    monkeypatch.setenv("http_proxy", login.url)
    assert "login" in failure(Unavailable, pull).what
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    monkeypatch.setenv("https_proxy", login.url)
    assert "refuses to connect to hub.invalid" in failure(Unavailable, pull).what
    assert login.asked[-1] == "hub.invalid:443"
    login.close()


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "LOCALAI_OFFLINE", ""])
def test_offline_forbids_every_request(
    hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    found = look(REPO)
    files = choose(found.files, None)
    hub.seen.clear()
    if variable:
        monkeypatch.setenv(variable, "1")
    flag = {} if variable else {"offline": True}
    error = failure(Unavailable, lambda: look(REPO, **flag))
    assert "offline" in error.what and "--offline" in error.next_step
    assert NAME in failure(Unavailable, lambda: fetch(found, files, **flag)).what
    assert not hub.seen and not (home / "hub").exists()
    monkeypatch.delenv(variable or "HF_HUB_OFFLINE", raising=False)
    (path,) = fetch(found, files)
    hub.seen.clear()
    if variable:
        monkeypatch.setenv(variable, "1")
    assert fetch(found, files, **flag) == (path,), "what is there needs no network"
    path.unlink()
    assert fetch(found, files, **flag)[0].read_bytes() == DATA, "nor does what another commit has"
    assert not hub.seen


# The disk.


def test_a_disk_without_room_is_said_before_the_transfer(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1_400_001))
    error = failure(LocalaiError, pull)
    assert "1.5 MB" in error.what and "1.4 MB free" in error.what and "100 kB" in error.next_step
    assert not hub.of("cdn")


@pytest.fixture
def small_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of one megabyte; where none can be mounted, a write that fails."""
    folder = home / "small"
    folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hub"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        yield folder
        subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    real = os.pwrite

    def pwrite(handle: int, data: Any, place: int) -> int:
        if place >= 1_000_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data[: 1_000_000 - place], place)

    monkeypatch.setattr(os, "pwrite", pwrite)
    yield folder


def test_a_disk_that_fills_up_keeps_what_has_come(
    hub: Hub, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plenty = shutil._ntuple_diskusage(1 << 40, 0, 1 << 40)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: plenty)
    error = failure(LocalaiError, pull)
    assert "is full" in error.what and "goes on" in error.next_step
    assert error.code == ExitCode.FAILED
    (partial,) = kept(small_disk)
    size = partial.stat().st_size
    assert 500_000 < size < SIZE and partial.read_bytes() == DATA[:size]


def test_a_cache_that_may_only_be_read_is_served_from(
    hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = pull()
    (home / "hub" / "models--owner--model-GGUF" / "refs" / "main").unlink()

    def forbidden(*_: Any, **__: Any) -> None:  # root may write everywhere
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("mkdir", "open", "symlink", "replace"):
        monkeypatch.setattr(os, name, forbidden)
    assert pull() == (path,)


def test_a_cache_that_cannot_be_written_is_named(
    hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "file" / "hub"))
    error = failure(LocalaiError, pull)
    assert "cannot be written" in error.what and "HF_HUB_CACHE" in error.next_step


# Names that want out.

HOSTILE = ("../x.gguf", "/etc/x.gguf", "a/../../x.gguf", "a\\..\\x.gguf", "a\0.gguf", "a\x1b[2J.gguf",
           "..", ".", "", "a//b.gguf", "a/./b.gguf", "\u202ex.gguf", "x" * 256 + ".gguf", "y/" * 600 + ".gguf",
           "a\n.gguf", "\ud800.gguf", "~/x.gguf/..")  # fmt: skip


def test_hostile_names_are_left_out_of_the_listing(hub: Hub, home: Path) -> None:
    hub.repos[REPO].more = [{"rfilename": name, "size": 1} for name in HOSTILE]
    assert [file.name for file in look(REPO).files] == [NAME, "README.md"]
    before = everything(home)
    pull()
    assert {name.split("/")[0] for name in everything(home) - before} == {"hub"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_by_the_transfer_and_the_cache_too(
    hub: Hub, home: Path, name: str
) -> None:
    hub.everything = b"evil"
    before = everything(home)
    failure(LocalaiError, lambda: fetch(Repository(REPO, COMMIT, ()), [HubFile(name, 4)]))
    assert everything(home) == before and not hub.seen
    assert cache.find(REPO, name) is None
    with pytest.raises(UnknownModel):
        cache.remove(REPO, name)


@pytest.mark.parametrize(
    "commit", ["main", "..", "../../x", "", "A" * 40, COMMIT + "\n", COMMIT + "/.."]
)
def test_hostile_commits_and_hashes_are_refused(hub: Hub, home: Path, commit: str) -> None:
    hub.everything = b"evil"
    before = everything(home)
    with pytest.raises(LocalaiError):
        fetch(Repository(REPO, commit, ()), [HubFile("a.gguf", 4)])
    if commit:
        with pytest.raises(LocalaiError):
            fetch(Repository(REPO, COMMIT, ()), [HubFile("a.gguf", 4, sha256=commit)])
    assert everything(home) == before and not hub.seen
    hub.repos[REPO].more = [{"rfilename": "b.gguf", "blobId": commit, "lfs": {"sha256": commit}}]
    assert HubFile("b.gguf", None) in look_at(hub)


def look_at(hub: Hub) -> tuple[HubFile, ...]:
    hub.everything = None
    return look(REPO).files


@pytest.fixture(scope="module")
def anything() -> Iterator[Hub]:
    made = Hub()
    made.everything = b"data"
    yield made
    made.close()


PIECES = st.sampled_from(["..", ".", "/", "\\", "\0", "~", "a", "b.gguf", "é", "%2e", " ", "C:", "?", "#", "\u202e",
                          "\x1b", "x" * 200, "-00001-of-00002", "\n", "\ud800", "*", "con", "$HOME"])  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=40)))
@example(name="plain.gguf")
@example(name="a/b c/%41?#é.gguf")
def test_any_name_lands_inside_the_snapshot_or_is_refused(
    anything: Hub, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", anything.url)
    with tempfile.TemporaryDirectory() as root:
        monkeypatch.setenv("HF_HUB_CACHE", os.path.join(root, "cache", "hub"))
        folder = Path(root, "cache", "hub", "models--owner--model-GGUF")
        plain = cache.is_name(name)
        try:
            (path,) = fetch(Repository(REPO, COMMIT, ()), [HubFile(name, 4)])
        except LocalaiError:
            assert not plain and not everything(Path(root))
            return
        assert plain and path.read_bytes() == b"data"
        assert path.resolve().parent == (folder / "blobs").resolve()
        assert Path(os.path.normpath(path)).is_relative_to(folder / "snapshots" / COMMIT)
        assert set(os.listdir(root)) == {"cache"} and os.listdir(Path(root, "cache")) == ["hub"]
        assert cache.find(REPO, name) == path


# The cache, shared.


def test_what_we_place_is_found_by_the_hubs_own_library(hub: Hub, home: Path) -> None:
    (path,) = pull()
    found = huggingface_hub.try_to_load_from_cache(REPO, NAME, cache_dir=home / "hub")
    assert found == str(path)
    report = huggingface_hub.scan_cache_dir(home / "hub")
    assert not report.warnings
    (repo,) = report.repos
    assert (repo.repo_id, repo.size_on_disk, set(repo.refs)) == (REPO, SIZE, {"main"})
    again = huggingface_hub.hf_hub_download(
        REPO, NAME, cache_dir=home / "hub", local_files_only=True
    )
    assert again == str(path)


def placed(home: Path, commit: str, name: str = NAME, data: bytes = DATA) -> Path:
    """A file as other tools place it."""
    folder = home / "hub" / "models--owner--model-GGUF"
    blob, path = folder / "blobs" / digest_of(data), folder / "snapshots" / commit / name
    for parent in (blob.parent, path.parent):
        parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    path.symlink_to(os.path.relpath(blob, path.parent))
    return path


def test_what_other_tools_have_placed_is_found_and_not_fetched_again(hub: Hub, home: Path) -> None:
    path = placed(home, hub.repos[REPO].commit)
    assert cache.find(REPO, NAME) == path
    assert pull() == (path,) and not hub.of("cdn")
    (file,) = cache.stored()
    assert (file.repo, file.name, file.bytes, file.partial) == (REPO, NAME, SIZE, False)
    assert choose(cache.stored(REPO), "q4_k_m") == (file,), (
        "a name means the same without a network"
    )


def test_a_blob_of_another_commit_is_linked_and_not_fetched(hub: Hub, home: Path) -> None:
    old = placed(home, COMMIT)
    (path,) = pull()
    assert path != old and path.samefile(old) and not hub.of("cdn")


def test_a_file_of_main_goes_before_one_of_another_commit(home: Path) -> None:
    paths = [placed(home, f"{n}" * 40, data=bytes([n]) * 10) for n in (1, 2, 3)]
    for age, path in enumerate(paths):
        os.utime(path.parent, (1000 - age, 1000 - age))
    assert cache.find(REPO, NAME) == paths[0], "the newest"
    folder = cache.repo_folder(REPO)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("3" * 40)
    assert cache.find(REPO, NAME) == paths[2]
    assert [file.path for file in cache.stored(REPO)] == [paths[2], paths[0], paths[1]]
    assert cache.find(REPO, "other.gguf") is None and cache.find("owner/other", NAME) is None


def test_a_damaged_file_of_the_cache_is_fetched_again(hub: Hub) -> None:
    (path,) = pull()
    path.resolve().write_bytes(DATA[:1000])
    assert pull()[0].read_bytes() == DATA


def test_where_no_links_can_be_made_the_file_itself_is_placed(
    hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", forbidden)
    (path,) = pull()
    assert not path.is_symlink() and path.read_bytes() == DATA
    assert pull() == (path,) and hub.sent == SIZE
    assert huggingface_hub.try_to_load_from_cache(REPO, NAME, cache_dir=home / "hub") == str(path)
    assert cache.remove(REPO, NAME) == SIZE and not path.exists()


def test_a_removed_file_frees_its_bytes_and_leaves_a_tidy_cache(hub: Hub, home: Path) -> None:
    hub.repos[REPO].files["deep/b-Q8_0.gguf"] = b"b" * 1000
    first, other = pull()[0], pull("Q8_0")[0]
    assert cache.remove(REPO, "deep/b-Q8_0.gguf") == 1000
    assert not other.parent.exists() and first.read_bytes() == DATA
    assert not huggingface_hub.scan_cache_dir(home / "hub").warnings
    assert cache.remove(REPO, NAME) == SIZE
    assert cache.stored() == [] and not cache.repo_folder(REPO).exists()
    error = failure_of_removal("owner/model-GGUF", NAME)
    assert NAME in error.what


def failure_of_removal(repo: str, name: str) -> LocalaiError:
    with pytest.raises(UnknownModel) as caught:
        cache.remove(repo, name)
    return caught.value


def test_a_blob_that_another_name_uses_is_not_removed(home: Path) -> None:
    first, other = placed(home, COMMIT), placed(home, "b" * 40, "same.gguf")
    assert cache.remove(REPO, NAME) == 0 and not first.parent.exists()
    assert other.read_bytes() == DATA
    assert "did you mean `same.gguf`" in failure_of_removal(REPO, "sane.gguf").next_step
    assert cache.remove(REPO, "same.gguf") == SIZE


def test_a_link_that_leads_out_of_the_cache_is_removed_but_not_what_it_means(home: Path) -> None:
    path = placed(home, COMMIT)
    precious = home / "precious.gguf"
    precious.write_bytes(b"precious")
    path.unlink()
    path.symlink_to(precious)
    assert cache.remove(REPO, NAME) == 0
    assert precious.read_bytes() == b"precious" and not os.path.lexists(path)


def test_a_partial_file_can_be_removed_but_not_while_it_is_fetched(hub: Hub, home: Path) -> None:
    hub.cuts = [300_000, *[0] * 5]
    failure(Unavailable, pull)
    blob = digest_of(DATA)
    with lock.locked(cache.repo_folder(REPO), blob):
        assert "at this moment" in failure(LocalaiError, lambda: cache.remove(REPO, NAME)).what
    assert len(kept(home)) == 1
    assert cache.remove(REPO, NAME) == 300_000 and not kept(home) and not cache.stored()


def test_a_lock_whose_file_was_replaced_is_none(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = fcntl.flock, []

    def flock(handle: int, how: int) -> None:
        real(handle, how)
        calls.append(handle)
        if len(calls) == 1:  # as some tools do when they are done, and then the next comes
            path.unlink()
            path.touch()

    folder = cache.repo_folder(REPO)
    path = home / "hub" / ".locks" / folder.name / f"{COMMIT}.lock"
    monkeypatch.setattr(fcntl, "flock", flock)
    with lock.locked(folder, COMMIT, lambda: None):
        assert len(calls) == 2 and lock._taken(path) is None


def test_a_file_system_without_locks_serves_too(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert pull()[0].read_bytes() == DATA


def test_the_partial_files_of_other_tools_are_not_ours(hub: Hub, home: Path) -> None:
    partial = partial_path(home)
    partial.with_name(f"{digest_of(DATA)}.1234abcd.incomplete").write_bytes(b"theirs")
    assert cache.stored() == []
    partial.write_bytes(b"ours")
    assert [(file.name, file.total) for file in cache.stored()] == [("", None)]
    note = partial.with_name(partial.name + ".json")
    for text in (b"[]", b"{", b'{"name": "../x"}', b"\xff", b'{"name": 3}', b"[" * 70_000):
        note.write_bytes(text)
        assert [(file.name, file.total) for file in cache.stored()] == [("", None)]
    note.write_text('{"name": "a.gguf", "bytes": 7}')
    assert [(file.name, file.total) for file in cache.stored()] == [("a.gguf", 7)]


def test_a_cache_full_of_rubbish_is_read_without_a_word(home: Path) -> None:
    root = home / "hub"
    (root / "models--x").mkdir(parents=True)
    (root / "models--a--b" / "snapshots" / "nothing").mkdir(parents=True)
    (root / "models--a--c" / "snapshots").mkdir(parents=True)
    (root / "models--a--c" / "snapshots" / COMMIT).write_text("a file")
    (root / "models--a--d" / "snapshots" / COMMIT).mkdir(parents=True)
    (root / "models--a--d" / "snapshots" / COMMIT / "x.gguf").symlink_to("nowhere")
    (root / "models--a--d" / "refs" / "main").mkdir(parents=True)
    (root / "models--a--e").write_text("")
    (root / "datasets--a--b").mkdir()
    assert cache.stored() == [] and cache.find("a/d", "x.gguf") is None


# The environment.


def test_the_hubs_own_variables_are_obeyed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    seen = hub_environment()
    assert seen.cache == home / ".cache" / "huggingface" / "hub"
    assert (seen.endpoint, seen.token, seen.offline) == ("https://huggingface.co", None, False)
    monkeypatch.setenv("XDG_CACHE_HOME", f"{home}/x")
    assert hub_environment().cache == home / "x" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", "~/h")
    assert hub_environment().cache == home / "h" / "hub"
    (home / "h").mkdir()
    (home / "h" / "token").write_text("hf_file\n")
    assert hub_environment().token == "hf_file" and "hf_file" not in repr(hub_environment())
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_older")
    assert hub_environment().token == "hf_older"
    monkeypatch.setenv("HF_TOKEN", " hf_new\n")
    assert hub_environment().token == "hf_new"
    monkeypatch.setenv("HUGGINGFACE_HUB_CACHE", f"{home}/older")
    assert hub_environment().cache == home / "older"
    monkeypatch.setenv("HF_HUB_CACHE", "$HOME/c")
    assert hub_environment().cache == home / "c"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub_environment().endpoint == "https://mirror.example"


def test_names_of_models_are_told_without_the_network_libraries() -> None:
    code = "import sys, localai.catalog.names; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    heavy = {"urllib.request", "http.client", "ssl", "hashlib", "huggingface_hub"}
    assert not heavy & set(said.stdout.decode().split())
