"""Letting a picture go with the next question of a chat, whose model then has to see."""

from __future__ import annotations

from pathlib import Path

from localai.chat.session import ChatSession
from localai.formats.text import shown


def attach_picture(session: ChatSession, path: str) -> None:
    """Decode a picture now; it goes with the next question.

    Raises
    ------
    BadInput, UnknownModel
        It is no picture that can be read, or the model cannot see.
    """
    whole = session.attached.open(path)
    let_see(session)
    session.attached.paths.append(whole)


def let_see(session: ChatSession) -> None:
    """Let the model come with its projector, if it has been without.

    Raises
    ------
    UnknownModel
        It has none.
    """
    if session.models.open_eyes():
        session.window.renew()


def waiting_pictures(session: ChatSession) -> str:
    """Return what is said of the pictures that wait for a question."""
    names = ", ".join(shown(Path(path).name) for path in session.attached.paths)
    verb = "go" if len(session.attached.paths) > 1 else "goes"
    return f"{names} {verb} with your next question"
