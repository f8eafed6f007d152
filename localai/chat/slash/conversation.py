"""Slash commands about the conversation itself."""

from __future__ import annotations

from localai.chat import image_prompt
from localai.chat.outcome import Leave, Outcome, Refill
from localai.chat.slash import registry
from localai.chat.slash.registry import find
from localai.chat.view import ChatView
from localai.errors import BadInput, LocalaiError
from localai.formats.text import one_line
from localai.terminal.confirm import can_ask, confirm
from localai.terminal.progress import ProgressLine

_SUMMARY = 400  # tokens, at most
_KEYS = """
Enter sends; Alt-Enter or Ctrl-J begins a new line; a pasted text is one message.
Ctrl-C stops an answer, Ctrl-D leaves, Ctrl-X Ctrl-E opens your editor.
A line that begins with ! is a note that the model never sees."""


@registry.slash("/help", "[COMMAND]", "Show this, or what a command takes.", "command")
def show_help(view: ChatView, words: str) -> Outcome:
    """Show what there is."""
    if words:
        each = find("/" + words.removeprefix("/"))
        return f"{each.name} {each.takes}".rstrip() + f"\n    {each.help}"
    return registry.overview(view.console.width) + "\n" + _KEYS


@registry.slash("/reset", "", "Begin anew: everything that was said is forgotten.")
def reset(view: ChatView, words: str) -> Outcome:
    """Forget what was said."""
    view.session.record({"kind": "reset"})
    view.session.attached.clear()
    view.session.window.forget()
    view.greet()
    return None if view.session.transcript.turns else "everything is forgotten"


@registry.slash("/retry", "", "Take another answer to the last question.")
def retry(view: ChatView, words: str) -> Outcome:
    """Answer anew; a seed that was set would give the same words again."""
    view.show(view.session.again())
    return None


@registry.slash("/undo", "[N]", "Take back the last N questions and their answers. [1]")
def undo(view: ChatView, words: str) -> Outcome:
    """Take back questions with all that came after them."""
    count = _number(words, "/undo", 1)
    taken = ""
    for _ in range(count):
        if turns := view.session.transcript.since_question():
            taken = view.session.transcript.questions[-1].text
            view.session.take_back(turns)
    if not taken:
        raise BadInput("there is nothing to take back", "ask something first")
    return f"taken back: {_short(taken)}"


@registry.slash("/edit", "[TEXT]", "Change the last question and ask it again.")
def edit(view: ChatView, words: str) -> Outcome:
    """Give the last question back to the prompt, or put another in its place."""
    turns = view.session.transcript.since_question()
    if not turns:
        raise BadInput("nothing was asked yet", "ask something first")
    view.session.editing = True
    if words:
        return None if view.show(view.session.ask(words)) else Refill(words)
    return Refill(view.session.transcript.questions[-1].text)


@registry.slash("/record", "[MICROPHONE]", "Say your question; silence or Enter ends it.")
def record(view: ChatView, words: str) -> Outcome:
    """Ask what is said; it is shown before it is sent."""
    if view.record is None:
        raise BadInput("nothing can be said here", "type it")
    text = view.record(words)
    return None if view.show(view.session.ask(text)) else Refill(text)


@registry.slash("/continue", "", "Let the last answer go on.")
def go_on(view: ChatView, words: str) -> Outcome:
    """Lengthen the last answer."""
    view.show(view.session.go_on())
    last = view.session.last
    if last and last.finish == "stop" and not last.content:
        view.console.talk("[the model has nothing to add]", dim=True)
    return None


@registry.slash("/context", "", "Show what fills the model's memory, and how full it is.")
def context(view: ChatView, words: str) -> Outcome:
    """Tell of what the meter's figure at the prompt is made."""
    session = view.session
    with ProgressLine(view.console, f"loading {session.models.name}"):
        session.models.engine.wait()
    return session.window.report(session.used(), session.transcript.summary)


@registry.slash("/summarize", "", "Put the model's summary in the place of the oldest turns.")
def summarize(view: ChatView, words: str) -> Outcome:
    """Show the summary before it is used."""
    session = view.session
    count, request = session.window.oldest(
        session.transcript, session.participants, session.models.context
    )
    text = view.aside(session.aside(request, _SUMMARY), visible=view.visible)
    question = f"put this in the place of {count} turns?"
    if not text or (can_ask(view.console) and not confirm(view.console, question)):
        return "nothing was changed"
    view.session.record({"kind": "summary", "turns": count, "text": text})
    view.session.window.forget()
    return f"{count} turns are now this summary"


@registry.slash("/stats", "", "Show the speeds and counts of the last answer.")
def stats(view: ChatView, words: str) -> Outcome:
    """Tell what the last answer cost."""
    last = view.session.last
    if last is None or last.usage is None:
        return "there is no answer yet"
    return last.stats()


@registry.slash("/sd", "WHAT", "Draw a picture: of you|face|me|scene|last|TEXT.", "picture")
def draw(view: ChatView, words: str) -> Outcome:
    """Let the model write what is seen, and a picture engine draw it."""
    if not words:
        known = ", ".join(image_prompt.WHAT)
        raise BadInput("/sd needs to know what to draw", f"{known}, or words of your own")
    portrait = words == "face"
    if words in image_prompt.WHAT:
        session = view.session
        told = image_prompt.instruction(words, session.participants.char, session.participants.user)
        messages, _ = session.messages(nudge=told)
        events = session.aside(messages, image_prompt.LONGEST)
        words = image_prompt.keywords(view.aside(events, visible=False))
        if not words:
            raise LocalaiError("the model wrote no keywords", "try again, or /sd WORDS of your own")
    if view.painter is None:
        view.console.write_line(words)
        return "there is no picture engine here: these are the words that it would get"
    try:
        return view.painter.paint(words, portrait=portrait)
    except KeyboardInterrupt:
        if not view.console.stdin.terminal:
            raise
        return "the picture was stopped"


@registry.slash("/quit", "", "Leave (also Ctrl-D).")
def leave(view: ChatView, words: str) -> Outcome:
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
