"""Pictures in a chat: `/image`, pasted paths, sessions that show them again, and what goes wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from localai.catalog.names import TINY
from localai.chat.attachments import ChatAttachments, pasted
from localai.errors import BadInput
from localai.types import Message, TextRequest
from tests.conftest import Ran, ask, run

QUESTION = "What is in the picture?"


def disc(path: Path, colour: tuple[int, int, int]) -> Path:
    image = Image.new("RGB", (56, 56), "white")
    ImageDraw.Draw(image).ellipse((14, 14, 42, 42), fill=colour)
    image.save(path)
    return path


@pytest.fixture
def red(tmp_path: Path) -> Path:
    return disc(tmp_path / "a red.png", (220, 30, 30))


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    return disc(tmp_path / "blue.png", (30, 60, 220))


@pytest.fixture
def chat_on_a_terminal(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """The fixture `chat`, whose name is taken here."""
    opened: Callable[..., Any] = request.getfixturevalue("chat")
    return opened


def chat(*lines: str, arguments: tuple[str, ...] = ("-m", "tiny", "--no-save")) -> Ran:
    return run("chat", "--temp", "0", *arguments, stdin="\n".join(lines) + "\n")


def test_a_picture_goes_with_the_next_question_in_the_words_of_ask(red: Path) -> None:
    done = chat(f"/image {red}", QUESTION)
    assert (done.code, done.err) == (0, "a red.png goes with your next question\n")
    assert done.out == ask("--image", str(red), QUESTION).out
    assert "red" in done.out


def test_a_pasted_path_is_a_picture(red: Path, blue: Path) -> None:
    for spelt in (f"'{red}'", str(red).replace(" ", "\\ ")):
        assert "red" in chat(f"{spelt} {QUESTION}").out
    done = chat(str(blue), QUESTION)
    assert done.err == "blue.png goes with your next question\n"
    assert "blue" in done.out


def test_a_session_shows_its_pictures_again(red: Path) -> None:
    arguments = ("-m", "tiny", "--session", "seen")
    first = chat(f"/image {red}", QUESTION, arguments=arguments)
    again = chat("/retry", arguments=("--session", "seen"))
    assert again.out == first.out
    red.unlink()
    gone = chat("Hello!", arguments=("--session", "seen"))
    assert gone.code == 0  # it goes on without
    assert gone.err == "[not there any more, so that the model does not see it: a red.png]\n"


def test_a_session_shows_its_pictures_from_every_folder(tmp_path: Path) -> None:
    """A name without its folder would be another picture there."""
    places = [tmp_path / "one", tmp_path / "two"]
    for place, colour in zip(places, ((220, 30, 30), (30, 60, 220)), strict=True):
        place.mkdir()
        disc(place / "shot.png", colour)
    lines, session = "/image shot.png\n" + QUESTION + "\n", ("--temp", "0", "--session", "seen")
    first = run("chat", "-m", "tiny", *session, stdin=lines, cwd=places[0])
    assert "red" in first.out
    assert run("chat", *session, stdin="/retry\n", cwd=places[1]).out == first.out
    loaded = run("chat", "-m", "tiny", "--temp", "0", stdin="/load seen\n/retry\n", cwd=places[1])
    assert first.out in loaded.out, "a chat that was begun without pictures comes to see them"


def test_the_session_holds_the_path_and_the_meter_the_tokens(red: Path, home: Path) -> None:
    done = chat(f"/image {red}", QUESTION, "/context", arguments=("-m", "tiny", "--session", "s"))
    assert "pictures  49" in done.err
    lines = (home / "data" / "localai" / "sessions" / "s.jsonl").read_text("utf-8").splitlines()
    (asked,) = [event for event in map(json.loads, lines) if event["kind"] == "user"]
    assert asked["pictures"] == [str(red)]


def test_what_cannot_be_shown_is_told(tmp_path: Path, red: Path) -> None:
    missing = chat("/image nowhere.png", QUESTION)
    assert (missing.code, missing.out) == (2, "")
    assert "nowhere.png" in missing.err
    shutil.copy(TINY, tmp_path / "blind.gguf")
    blind = chat(f"/image {red}", arguments=("-m", str(tmp_path / "blind.gguf"), "--no-save"))
    assert (blind.code, blind.out) == (3, "")
    assert "cannot see pictures" in blind.err


def test_none_lets_it_go(red: Path) -> None:
    done = chat(f"/image {red}", "/image none", "What is the capital of France?")
    assert "Paris" in done.out
    assert done.err.endswith("no picture goes with your next question\n")


def test_what_counts_as_a_pasted_path(
    red: Path, blue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "folder.png").mkdir()
    monkeypatch.chdir(tmp_path)
    assert pasted(f"{blue} what?") == ([str(blue)], "what?")
    assert pasted(f"'{red}' {blue}") == ([str(red), str(blue)], "")
    assert pasted(f"file://{blue}") == ([str(blue)], "")
    assert pasted("blue.png, what is it?") == ([], "blue.png, what is it?")
    for line in ("notes.txt", "folder.png what?", "none.png", "It's red", "'", "", "a" * 9000):
        assert pasted(line) == ([], line.strip())


def test_only_what_a_request_shows_travels(red: Path, blue: Path) -> None:
    attached = ChatAttachments()
    first, second = attached.show((str(red), str(blue)))
    request = TextRequest((Message("user", "a", pictures=(second,)), Message("user", "b")))
    sent, files = attached.sent(request)
    assert len(files) == 1
    assert sent.messages[0].pictures == (second._replace(file=0),)
    both = TextRequest((Message("user", "a", pictures=(second, first, second)),))
    sent, files = attached.sent(both)
    assert [each.file for each in sent.pictures] == [0, 1, 0]
    assert len(files) == 2
    with pytest.raises(BadInput):
        attached.open("nowhere.png")
    assert attached.show(("nowhere.png",)) == ()
    attached.close()


@pytest.mark.parametrize("columns", [40, 120])
def test_a_picture_on_a_terminal(
    chat_on_a_terminal: Callable[..., Any], red: Path, columns: int, tmp_path: Path
) -> None:
    shown = chat_on_a_terminal("--no-save", columns=columns).ready()
    link = tmp_path / "r.png"
    link.symlink_to(red)
    shown.say(f"/image {link}")
    assert "r.png goes with your next question" in " ".join(shown.lines)
    shown.say(QUESTION)
    assert any("red" in line for line in shown.lines)
    shown.say("/image nowhere.png")
    assert "nowhere.png" in "".join(shown.lines)
    shown.say("What is the capital of France?")
    assert shown.leave() == 0
