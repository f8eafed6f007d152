"""Slash commands about the conversation itself."""

from __future__ import annotations

from localai.chat import picture, slash
from localai.chat.slash import Leave, Outcome, Refill, find
from localai.chat.talk import Talk
from localai.errors import BadInput, LocalaiError
from localai.terminal.confirm import can_ask, confirm
from localai.terminal.text import one_line

_SUMMARY = 400  # tokens, at most
_KEYS = """
Enter sends; Alt-Enter or Ctrl-J begins a new line; a pasted text is one message.
Ctrl-C stops an answer, Ctrl-D leaves, Ctrl-X Ctrl-E opens your editor.
A line that begins with ! is a note that the model never sees."""


@slash.slash("/help", "[COMMAND]", "Show this, or what a command takes.", "command")
def show_help(talk: Talk, words: str) -> Outcome:
    """Show what there is."""
    if words:
        each = find("/" + words.removeprefix("/"))
        return f"{each.name} {each.takes}".rstrip() + f"\n    {each.help}"
    return slash.overview(talk.console.width) + "\n" + _KEYS


@slash.slash("/reset", "", "Begin anew: everything that was said is forgotten.")
def reset(talk: Talk, words: str) -> Outcome:
    """Forget what was said."""
    talk.record({"kind": "reset"})
    talk.attached.clear()
    talk.memory.forget()
    talk.greet()
    return None if talk.transcript.turns else "everything is forgotten"


@slash.slash("/retry", "", "Take another answer to the last question.")
def retry(talk: Talk, words: str) -> Outcome:
    """Answer anew; a seed that was set would give the same words again."""
    talk.again()
    return None


@slash.slash("/undo", "[N]", "Take back the last N questions and their answers. [1]")
def undo(talk: Talk, words: str) -> Outcome:
    """Take back questions with all that came after them."""
    count = _number(words, "/undo", 1)
    taken = ""
    for _ in range(count):
        if turns := talk.transcript.since_question():
            taken = talk.transcript.questions[-1].text
            talk.take_back(turns)
    if not taken:
        raise BadInput("there is nothing to take back", "ask something first")
    return f"taken back: {_short(taken)}"


@slash.slash("/edit", "[TEXT]", "Change the last question and ask it again.")
def edit(talk: Talk, words: str) -> Outcome:
    """Give the last question back to the prompt, or put another in its place."""
    turns = talk.transcript.since_question()
    if not turns:
        raise BadInput("nothing was asked yet", "ask something first")
    talk.editing = True
    return talk.ask(words) if words else Refill(talk.transcript.questions[-1].text)


@slash.slash("/continue", "", "Let the last answer go on.")
def go_on(talk: Talk, words: str) -> Outcome:
    """Lengthen the last answer."""
    talk.go_on()
    return None


@slash.slash("/context", "", "Show how full the model's memory is.")
def context(talk: Talk, words: str) -> Outcome:
    """Tell what the meter at the prompt shows, in words."""
    return talk.memory.report(talk)


@slash.slash("/summarize", "", "Put the model's summary in the place of the oldest turns.")
def summarize(talk: Talk, words: str) -> Outcome:
    """Show the summary before it is used."""
    count, request = talk.memory.oldest(talk)
    text = talk.aside(request, _SUMMARY, show=talk.show)
    question = f"put this in the place of {count} turns?"
    if not text or (can_ask(talk.console) and not confirm(talk.console, question)):
        return "nothing was changed"
    talk.record({"kind": "summary", "turns": count, "text": text})
    talk.memory.forget()
    return f"{count} turns are now this summary"


@slash.slash("/stats", "", "Show the speeds and counts of the last answer.")
def stats(talk: Talk, words: str) -> Outcome:
    """Tell what the last answer cost."""
    if talk.last is None or talk.last.usage is None:
        return "there is no answer yet"
    return talk.last.stats()


@slash.slash("/sd", "WHAT", "Keywords for a picture: of you|face|me|scene|last|TEXT.", "picture")
def draw(talk: Talk, words: str) -> Outcome:
    """Let the model write what a picture engine would draw."""
    if not words:
        known = ", ".join(picture.WHAT)
        raise BadInput("/sd needs to know what to draw", f"{known}, or words of your own")
    if words in picture.WHAT:
        told = picture.instruction(words, talk.cast.char, talk.cast.user)
        messages, _ = talk.memory.messages(talk, nudge=told)
        words = picture.keywords(talk.aside(messages, picture.LONGEST, show=False))
        if not words:
            raise LocalaiError("the model wrote no keywords", "try again, or /sd WORDS of your own")
    talk.console.write_line(words)
    return "there is no picture engine yet: these are the words that it would get"


@slash.slash("/quit", "", "Leave (also Ctrl-D).")
def leave(talk: Talk, words: str) -> Outcome:
    """End the chat."""
    return Leave()


def _number(words: str, command: str, default: int) -> int:
    if not words:
        return default
    if not (words.isascii() and words.isdecimal() and 0 < int(words[:6]) < 100_000):
        raise BadInput(f"{command} takes a number, not {words[:40]!r}", f"{command} 2")
    return int(words[:6])


def _short(text: str) -> str:
    first, _, rest = text.partition("\n")
    line = one_line(first)
    return line[:57] + "..." if rest or len(line) > 60 else line
