"""What goes with a question of a chat: texts, and pictures, which are sent again with every turn.

A picture is decoded when it is first shown.
"""

from __future__ import annotations

import io
import os
import shlex
from collections.abc import Sequence
from typing import Any

from localai.errors import BadInput
from localai.formats.text import shown
from localai.generation.pictures import load
from localai.media.pixels import share
from localai.system.files import expanded
from localai.types import Message, Picture, TextRequest

_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
)  # fmt: skip
_LONGEST_NAME = 4096  # of a path, as systems have it


class ChatAttachments:
    """What waits for the next question, and the pictures of the whole chat in open files."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.paths: list[str] = []  # of pictures
        self._known: dict[str, Picture | None] = {}  # None: it is not there any more
        self._files: list[int] = []
        self._missed: list[str] = []  # names of pictures that are not there any more

    def question(self, text: str) -> dict[str, Any]:
        """Return a question with what waits for it, as an event."""
        shown = {"pictures": list(self.paths)} if self.paths else {}
        return {"kind": "user", "text": "\n\n".join([*self.texts, text]), **shown}

    def clear(self) -> None:
        """Let nothing go with the next question."""
        self.texts.clear()
        self.paths.clear()

    def open(self, path: str) -> str:
        """Decode a picture; return its whole path, for the chat may go on in another folder.

        Raises
        ------
        BadInput
            It cannot be read, or is no picture.
        """
        (pixels,) = load([path])
        self._files.append(share(pixels))
        whole = os.path.abspath(expanded(path))
        self._known[whole] = Picture(len(self._files) - 1, pixels.width, pixels.height)
        return whole

    def show(self, paths: Sequence[str]) -> tuple[Picture, ...]:
        """Return pictures by their paths; those of an older chat that are gone are left out."""
        for path in paths:
            if path not in self._known:
                self._known[path] = None
                try:
                    self._known[path] = self._known[self.open(path)]
                except BadInput:
                    self._missed.append(os.path.basename(path))
        return tuple(picture for path in paths if (picture := self._known[path]))

    def missed(self) -> str:
        """Return which pictures the model no longer sees, in words, once; empty: it sees all."""
        missed, self._missed = self._missed, []
        names = ", ".join(map(shown, missed))
        return f"not there any more, so that the model does not see it: {names}" if names else ""

    def sent(self, request: TextRequest) -> tuple[TextRequest, list[int]]:
        """Return a request as it is sent, and the descriptors that go with it."""
        places = {
            file: at for at, file in enumerate(dict.fromkeys(p.file for p in request.pictures))
        }

        def renumbered(message: Message) -> Message:
            shown = (each._replace(file=places[each.file]) for each in message.pictures)
            return message._replace(pictures=tuple(shown)) if message.pictures else message

        messages = tuple(map(renumbered, request.messages))
        return request._replace(messages=messages), [self._files[file] for file in places]

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.pop())
        self._known.clear()


def pasted(line: str) -> tuple[list[str], str]:
    """Return the picture files that a line begins with, and what is said after them.

    A terminal into which a file is dragged types its path, quoted or with backslashes.
    """
    paths: list[str] = []
    rest = line.strip()
    while rest and (found := _first_path(rest)):
        path, rest = found
        paths.append(path)
    return paths, rest


def _first_path(text: str) -> tuple[str, str] | None:
    lexer = shlex.shlex(io.StringIO(text), posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        word = lexer.get_token() or ""
    except ValueError:  # a quotation mark that is never closed: words
        return None
    path = word.removeprefix("file://")
    if not path.lower().endswith(_SUFFIXES) or len(path) > _LONGEST_NAME:
        return None
    try:
        if not expanded(path).is_file():
            return None
    except (OSError, ValueError):
        return None
    assert isinstance(lexer.instream, io.StringIO)
    return path, lexer.instream.read().strip()
