"""The file of a session: a chat as JSON lines, one for each thing that happens.

Each event is written and synced at once, so that neither a kill nor a crash of the machine loses
what was said. A last line that was cut off in the middle is left out when the file is read.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from localai import settings
from localai.chat.transcript import Event
from localai.errors import BadInput, LocalaiError
from localai.formats.text import shown

VERSION = 1
SUFFIX = ".jsonl"
NAME = re.compile(r"\w[\w .@+-]*")  # neither a path nor an option nor a hidden file
_LONGEST_NAME = 200  # bytes; file systems take 255
_OWN_NAME = re.compile(r"\d{4}-\d\d-\d\d-\d{6}(-\d+)?")
# Seconds between tries: a process that is being started holds what we have open, for a moment.
_PAUSES = (0.01, 0.05, 0.1, 0)
_LARGEST = 1 << 28  # bytes of a session that are read


def folder() -> Path:
    """Return where sessions lie; it need not exist."""
    return settings.load().folders.data / "sessions"


def path_of(name: str) -> Path:
    """Return the file of a session.

    Raises
    ------
    BadInput
        The name could be a path, an option or a hidden file, or is too long.
    """
    name = name.removesuffix(SUFFIX)
    fits = NAME.fullmatch(name) and not name.endswith((" ", "."))
    if not fits or len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        raise BadInput(
            f"a session cannot be called {shown(name[:80])!r}",
            "use letters, digits, blanks and . @ + - _, the first a letter or a digit",
        )
    return folder() / (name + SUFFIX)


class SessionFile:
    """The file of a session that is being held; made with its first event.

    Parameters
    ----------
    name : str or None
        None: it is called after the day and the time.

    Raises
    ------
    BadInput
        No such name, or another chat has this session open.
    """

    def __init__(self, name: str | None = None) -> None:
        self._number: int | None = None
        self._path = path_of(name) if name else _fresh()
        if os.path.exists(self._path):  # False, too, where nobody may look
            self._open()

    @property
    def name(self) -> str:
        """What the session is called."""
        return self._path.name.removesuffix(SUFFIX)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def own_name(self) -> bool:
        """Whether nobody has given it a name yet."""
        return _OWN_NAME.fullmatch(self.name) is not None

    @property
    def begun(self) -> bool:
        """Whether there is a file."""
        return self._number is not None

    def events(self) -> list[Event]:
        """Return what has happened so far."""
        return list(read_events(self._path)) if self.begun else []

    def write(self, event: Event) -> None:
        """Write an event; it is on the disk when this returns.

        Raises
        ------
        LocalaiError
            It cannot be written: full disk, no rights.
        """
        at = datetime.now().astimezone().isoformat(timespec="seconds")
        line = json.dumps({**event, "at": at}, ensure_ascii=True) + "\n"
        try:
            if self._number is None:
                self._begin()
            assert self._number is not None
            os.write(self._number, line.encode())
            os.fsync(self._number)
        except OSError as error:
            raise LocalaiError(
                f"the session cannot be written: {error.strerror}: {self._path}",
                "`/save NAME` tries again; --no-save does without",
            ) from None

    def save_as(self, name: str) -> None:
        """Go on under another name; a session that had a name stays as it is, too.

        Raises
        ------
        BadInput
            There is a session of that name.
        """
        path = path_of(name)
        if path.exists():
            raise BadInput(f"there is a session {shown(name)!r} already", "take another name")
        if not self.begun:
            self._path = path
        elif self.own_name:
            self._path = self._path.rename(path)
        else:
            shutil.copyfile(self._path, path)
            self.close()
            self._path = path
            self._open()

    def close(self) -> None:
        """Let others have it."""
        if self._number is not None:
            os.close(self._number)
            self._number = None

    def _begin(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._open()
        self.write({"kind": "begin", "version": VERSION})

    def _open(self) -> None:
        number = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            lock(number, self._path.name.removesuffix(SUFFIX))
            size = os.fstat(number).st_size
            if size and os.pread(number, 1, size - 1) != b"\n":
                os.write(number, b"\n")  # a line that was cut off shall not spoil the next one
        except BaseException:
            os.close(number)
            raise
        self._number = number


def lock(number: int, name: str) -> None:
    """Keep a session's open file to ourselves; BadInput if another chat has it."""
    for pause in _PAUSES:
        with suppress(BlockingIOError):
            return fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(pause)
    raise BadInput(f"the session {shown(name)!r} is open in another chat", "leave it there first")


def _fresh() -> Path:
    base = time.strftime("%Y-%m-%d-%H%M%S")
    tries = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    return next(path for path in map(path_of, tries) if not os.path.exists(path))


def read_events(path: Path) -> Iterable[Event]:
    """Yield what has happened in a session; a line that is damaged is an event of no kind."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise BadInput(f"{path} is larger than {_LARGEST} bytes", "move it away")
    for line in data.split(b"\n"):
        if line.strip():
            yield _event(line)


def _event(line: bytes) -> Event:
    with suppress(ValueError, RecursionError):
        event = json.loads(line)
        if isinstance(event, dict):
            return event
    return {"kind": "damaged"}
