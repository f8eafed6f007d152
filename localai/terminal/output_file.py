"""Where an answer goes: a file that is whole or not there, and a reader who may leave."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from localai.errors import BadInput, ClosedPipe
from localai.formats.text import shown
from localai.terminal.console import Console
from localai.terminal.streams import Stream


class Destination(NamedTuple):
    """Where what is written under a name goes."""

    path: Path
    direct: bool = False  # a pipe or a device, which takes the bytes as they come

    @property
    def taken(self) -> bool:
        """Whether a file is there that would be overwritten."""
        return not self.direct and self.path.exists()

    def refuse_taken(self, *, overwrite: bool) -> None:
        """Raise BadInput where a file is there that may not be overwritten."""
        if self.taken and not overwrite:
            raise BadInput(
                f"{shown(self.path)} exists already", "use --force to overwrite it, or another name"
            )


def destination(name: str, option: str = "-o") -> Destination:
    """Return where a file goes that is to be written under a name.

    Parameters
    ----------
    option : str
        Which has named it, for errors.

    Raises
    ------
    BadInput
        The name is empty, or that of a folder.
    """
    if not name:
        raise BadInput(f"{option} names no file", f"{option} FILE")
    if os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name):
        return Destination(Path(name), direct=True)
    path = Path(os.path.realpath(name))  # what a link points to is written, not the link
    if path.is_dir():
        raise BadInput(f"{shown(path)} is a folder", "name a file")
    return Destination(path)


@contextlib.contextmanager
def output_to(console: Console, name: str | None, *, overwrite: bool) -> Iterator[None]:
    """Send what the block writes to a file instead of stdout; None and `-` are stdout.

    The file is written under a temporary name beside it and renamed when the block has ended
    well, so that a failure leaves nothing behind and nothing changed.

    Raises
    ------
    BadInput
        The file exists and may not be overwritten, or cannot be written.
    """
    if name in (None, "-"):
        yield
        return
    place = destination(str(name))
    if place.direct:
        with _written(console, place.path, place.path):
            yield
        return
    place.refuse_taken(overwrite=overwrite)
    from localai.system.files import atomic_replace  # which few answers need

    with atomic_replace(place.path) as partial, _written(console, partial, place.path):
        yield


@contextlib.contextmanager
def _written(console: Console, place: Path, path: Path) -> Iterator[None]:
    """Let the console's stdout be the file `place` for the block; the user knows it as `path`."""
    stdout = console.stdout
    try:
        file = place.open("wb")
    except OSError as error:
        raise BadInput(f"{shown(path)} cannot be written: {error.strerror}") from None
    try:
        with file:
            console.stdout = Stream(file)
            yield
    except BaseException:
        console.forget()  # what was begun there is not to be ended on the real stdout
        raise
    finally:
        console.stdout = stdout


def check_reader(stream: Stream) -> None:
    """Notice a reader who has left before the next word is written (a closed pipe).

    Raises
    ------
    ClosedPipe
        Nobody can read the stream any more.
    """
    if stream.terminal or (number := stream.number()) is None or not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(number, 0)  # errors are reported unasked
    if any(events & select.POLLERR for _, events in poll.poll(0)):
        raise ClosedPipe("whoever read the output has left")
