"""Slash commands about who speaks, and how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from localai.characters.macros import expand
from localai.chat import answer_form, sampling_options
from localai.chat.outcome import Outcome
from localai.chat.slash.registry import slash
from localai.chat.view import ChatView
from localai.errors import BadInput
from localai.formats.text import cells, clip, one_line
from localai.system.files import expanded, read_text

if TYPE_CHECKING:
    from localai.characters.card import Character

_LARGEST_PERSONA = 1 << 20  # bytes
_WIDEST_SETTING = 200  # columns
_NOBODY = ("none", "-")
_FILE_LIKE = re.compile(r"[~./]\S*/\S*|\S+\.(?:txt|md)")


@slash("/system", "[TEXT]", "Tell the model who it is; `/system none` takes it away.")
def system(view: ChatView, words: str) -> Outcome:
    """Show or set the system text."""
    if not words:
        return view.session.participants.prompt_parts.system or "there is no system text"
    if words in _NOBODY:
        view.session.change_participants(system=None)
        return "your system text is taken away, from the next question on"
    view.session.change_participants(system=words)
    return "the system text is changed, from the next question on"


@slash("/role", "WORDS", "Let the model be WORDS: `/role a patient teacher`.")
def role(view: ChatView, words: str) -> Outcome:
    """Set the system text from a few words."""
    if not words:
        raise BadInput("/role needs to know who the model is", "/role a patient teacher")
    return system(view, f"You are {words.rstrip('.')}.")


@slash("/character", "[NAME]", "Talk with a character, or `none`; or say who speaks.", "character")
def character(view: ChatView, words: str) -> Outcome:
    """Change who answers; what was said stays."""
    if not words:
        return f"you talk with {view.session.participants.char}"
    view.session.change_participants(character=None if words in _NOBODY else words, greeting=None)
    if view.session.transcript.turns:
        return f"{view.session.participants.char} goes on with the conversation; /reset begins anew"
    view.greet()
    return None


@slash("/persona", "[FILE|TEXT]", "Say who you are: a text, or a file of it; or `none`.", "file")
def persona(view: ChatView, words: str) -> Outcome:
    """Show or set the user's persona."""
    if not words:
        return str(view.session.values.get("persona") or "you have no persona")
    if words in _NOBODY:
        view.session.change_participants(persona=None)
        return "you have no persona, from the next question on"
    path = expanded(words)
    named = _is_file(path) or _FILE_LIKE.fullmatch(words)  # a slip in a file's name is told
    view.session.change_participants(
        persona=read_text(path, _LARGEST_PERSONA).strip() if named else words
    )
    user = view.session.participants.user
    return f"your persona is changed, from the next question on; you are {user}"


@slash("/greeting", "[N]", "List the character's greetings, or begin with the Nth.")
def greeting(view: ChatView, words: str) -> Outcome:
    """Choose what the character says first."""
    card = view.session.participants.character
    if card is None or not card.greetings:
        raise BadInput("there is no greeting to choose: no character that has one")
    if not words:
        return "\n".join(_greetings(view, card))
    if view.session.transcript.questions:
        raise BadInput("the conversation has begun", "/reset first")
    number = int(words) if words.isascii() and words.isdecimal() and len(words) < 6 else 0
    if not 1 <= number <= len(card.greetings):
        raise BadInput(f"there are greetings 1 to {len(card.greetings)}", "/greeting lists them")
    view.session.record({"kind": "reset"})
    view.session.change_participants(greeting=number - 1)
    view.greet()
    return None


@slash("/model", "[NAME]", "Let another model answer, or say which one does.", "model")
def model(view: ChatView, words: str) -> Outcome:
    """Change the model; what was said stays."""
    if not words:
        return f"{view.session.models.name}, {view.session.models.context} tokens of context"
    view.session.change_model(words)
    return f"{view.session.models.name} answers from now on"


@slash("/set", "[NAME VALUE]", "Set how the model chooses its words; list it all.", "setting")
def set_knob(view: ChatView, words: str) -> Outcome:
    """Show or set one of the knobs; `-` gives it back to the model."""
    name, _, text = words.partition(" ")
    if not words:
        return sampling_options.overview(view.session.settings)
    sampling_options.refuse_strangers(name)
    if text := text.strip():
        settings = {
            each: kept
            for each, kept in answer_form.without_others(name, view.session.settings).items()
            if each != sampling_options.key(name)
        }
        if text not in _NOBODY:
            settings[sampling_options.key(name)] = sampling_options.value(name, text)
        view.session.change(settings=settings)
    kept = str(view.session.settings.get(sampling_options.key(name), "-"))
    return f"{name} {clip(one_line(kept), _WIDEST_SETTING)}"


def _greetings(view: ChatView, card: Character) -> list[str]:
    """Return a line for each greeting, cut at the screen's width; the chosen one has a star."""
    chosen = view.session.values.get("greeting") or 0
    lines = []
    for at, text in enumerate(card.greetings):
        values = view.session.participants.prompt_parts.values
        said = one_line(expand(text, values) if values else text)
        line = f"{'*' if at == chosen else ' '} {at + 1}  {said}"
        room = view.console.width
        lines.append(line if cells(line) <= room else clip(line, room - 3) + "...")
    return lines


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a persona that is too long for a name
        return False
