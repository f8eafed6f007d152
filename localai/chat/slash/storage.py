"""Slash commands that read and write: files for the model, sessions, copies."""

from __future__ import annotations

import json
import time
from pathlib import Path

from localai.chat import export, session_store
from localai.chat.attach import attach_picture, waiting_pictures
from localai.chat.attachments import pasted
from localai.chat.open import take_up
from localai.chat.outcome import Outcome
from localai.chat.session_file import SessionFile
from localai.chat.slash.registry import slash
from localai.chat.view import ChatView
from localai.errors import BadInput
from localai.formats.text import cells
from localai.system.files import atomic_create, expanded, read_text
from localai.terminal import clipboard
from localai.terminal.table import table

_LARGEST_FILE = 1 << 22  # bytes


@slash("/file", "PATH", "Let a text file go with your next question, or `none`.", "file")
def attach(view: ChatView, words: str) -> Outcome:
    """Read a file now; it goes with the next question."""
    if not words:
        raise BadInput("/file needs the path of a text file", "/file notes.txt")
    if words == "none":
        view.session.attached.clear()
        return "no file goes with your next question"
    path = expanded(words)
    text = read_text(path, _LARGEST_FILE).strip("\n")
    fence = "```"
    while fence in text:
        fence += "`"
    view.session.attached.texts.append(f"{path.name}:\n{fence}\n{text}\n{fence}")
    lines = text.count("\n") + 1
    return f"{path.name} ({lines} line{'s' * (lines > 1)}) goes with your next question"


@slash("/image", "PATH", "Let a picture go with your next question, or `none`.", "file")
def show(view: ChatView, words: str) -> Outcome:
    """Decode a picture now; it goes with the next question."""
    if not words:
        raise BadInput("/image needs the path of a picture", "/image photo.jpg")
    if words == "none":
        view.session.attached.clear()
        return "no picture goes with your next question"
    paths, rest = pasted(words)
    for path in paths if paths and not rest else [words]:
        attach_picture(view.session, path)
    return waiting_pictures(view.session)


@slash("/save", "[NAME]", "Call this session NAME, or say where it is kept.", "session")
def save(view: ChatView, words: str) -> Outcome:
    """Give the session a name; with --no-save it is kept from now on."""
    if view.session.journal is None:
        journal = SessionFile(words or None)
        if journal.begun:
            journal.close()
            raise BadInput(f"there is a session {words!r} already", "take another name")
        view.session.unsaid = view.session.transcript.events()
        view.session.journal = journal
    elif words and words != view.session.journal.name:
        view.session.journal.save_as(words)
    view.session.keep()
    return f"this is the session {view.session.journal.name}: {view.session.journal.path}"


@slash("/load", "NAME", "Go on with another session.", "session")
def load(view: ChatView, words: str) -> Outcome:
    """Leave this session as it is and go on with another."""
    if not words:
        raise BadInput("/load needs a session's name", "/sessions lists them")
    session_store.existing(words)
    if view.session.journal and view.session.journal.name == words:
        raise BadInput(f"this is the session {words!r} already")
    take_up(view.session, words)
    return view.session.transcript.reminder()


@slash("/sessions", "[TEXT]", "List the sessions, or search them all for TEXT.")
def sessions(view: ChatView, words: str) -> Outcome:
    """List or search."""
    if words:
        rows = [(each.session, each.role, each.text) for each in session_store.search(words)]
        return "\n".join(table(("SESSION", "WHO", "TEXT"), rows)) if rows else "nothing found"
    listed = [session_row(each) for each in session_store.listing()]
    return _listing(listed, view.console.width) if listed else "there are no sessions"


SESSION_HEADS = ("SESSION", "CHANGED", "QUESTIONS", "CHARACTER", "BEGINS")


def session_row(row: session_store.SessionSummary) -> tuple[str, ...]:
    """Return a session as a line of a table."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.when))
    begins = row.begins if len(row.begins) <= 40 else row.begins[:37] + "..."
    return (row.name, when, str(row.questions), row.character or "-", begins)


def _listing(rows: list[tuple[str, ...]], width: int) -> str:
    """Return sessions as a table, or, where that is too wide, with their values below them."""
    lines = table(SESSION_HEADS, rows, "  r")
    if max(map(cells, lines)) <= width:
        return "\n".join(lines)
    found = []
    for name, when, questions, character, begins in rows:
        who = f", {character}" * (character != "-")
        found += [name, f"    {when}, {questions} question{'s' * (questions != '1')}{who}"]
        found += [f"    {begins}"] * bool(begins)
    return "\n".join(found)


@slash("/copy", "[code]", "Copy the last answer, or its last code, to the clipboard.")
def copy(view: ChatView, words: str) -> Outcome:
    """Send the last answer to the terminal's clipboard."""
    answer = view.session.transcript.answer
    if answer is None:
        raise BadInput("there is no answer to copy", "ask something first")
    text = export.last_code(answer.text) if words == "code" else answer.text
    if not text:
        raise BadInput("there is no code in the last answer", "/copy takes the whole of it")
    if not clipboard.copy(view.console, text):
        raise BadInput("there is no clipboard: no terminal that could have one", "/export FILE")
    return f"copied {len(text)} characters"


@slash("/export", "FILE", "Write the conversation to FILE: Markdown, or JSON (.json).", "file")
def export_to(view: ChatView, words: str) -> Outcome:
    """Write the conversation to a new file; none is ever overwritten."""
    if not words:
        raise BadInput("/export needs a file's name", "/export talk.md")
    path = expanded(words)
    if path.suffix.lower() == ".json":
        text = (
            json.dumps(export.as_json(view.session.transcript), ensure_ascii=False, indent=2) + "\n"
        )
    else:
        text = export.as_markdown(view.session.transcript, view.session.participants.char)
    _write_new(path, text)
    return f"written: {path}"


def _write_new(path: Path, text: str) -> None:
    """Write a file that is whole or not there, and was not there before."""
    try:
        with atomic_create(path) as partial:
            partial.write_text(text, "utf-8", errors="replace")
    except FileExistsError:
        raise BadInput(f"{path} exists already", "use another name") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None
