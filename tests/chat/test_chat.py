"""`localai chat` without a terminal: in a pipe, as a script, and what the model keeps in mind."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from localai.catalog.names import TINY
from localai.chat import (
    completer,
    export,
    image_prompt,
    open,
    repl,
    sampling_options,
    session_file,
)
from localai.chat.context_window import BEFORE, ContextWindow
from localai.chat.outcome import Leave, Refill
from localai.chat.session import ChatSession
from localai.chat.slash import registry, storage
from localai.chat.transcript import INTERRUPTED, Transcript, Turn
from localai.chat.view import ChatView
from localai.errors import BadInput, LocalaiError, TooLong, WorkerDied
from localai.pool.client import DedicatedClient
from localai.terminal.console import Console
from localai.terminal.streams import Stream
from localai.types import Event, Finished, Message, ModelSpec, Text, TextRequest, TokenCount
from tests.conftest import ROOT, Ran, run
from tests.house.test_house import foreign, probe

CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."
WOLVES = "The wolves sleep in the forest. " * 24  # some 250 tokens


def chat(*arguments: str, stdin: str | bytes = b"", **more: Any) -> Ran:
    """Chat with the tiny model greedily, in a pipe; nothing is kept."""
    return run("chat", "-m", "tiny", "--temp", "0", "--no-save", *arguments, stdin=stdin, **more)


@pytest.fixture
def ada(tmp_path: Path) -> str:
    """A short card."""
    path = tmp_path / "ada.yaml"
    path.write_text(
        "name: Ada\nsystem: You are Ada.\nfirst_message: Hello! I am {{char}}.\n"
        "alternate_greetings:\n  - Good evening, {{user}}.\n"
    )
    return str(path)


# In a pipe.


@pytest.mark.usefixtures("warmth")
def test_in_a_pipe_there_are_plain_answers_and_exit_0() -> None:
    assert chat(stdin="hi\n/quit\nWhat is 7 + 8?\n").code == 0
    done = chat(stdin=f"My name is Kensou.\n{CAPITAL}\nWhat is my name?\n")
    assert done == Ran(
        f"Nice to meet you, Kensou.\n{PARIS}\nYour name is Kensou.\n".encode(), b"", 0
    )


def test_the_last_line_needs_no_end_and_nothing_at_all_is_fine() -> None:
    assert chat(stdin=CAPITAL) == Ran(PARIS.encode() + b"\n", b"", 0)
    assert chat(stdin=f"\n  \n{CAPITAL}\r\n") == Ran(PARIS.encode() + b"\n", b"", 0)
    assert chat() == Ran(b"", b"", 0)


def test_three_quotes_hold_several_lines(home: Path) -> None:
    text = "My\nname is\n\nKensou."
    stdin = f'"""{text}"""\n"""\nWhat is\nmy name?\n"""\n'
    done = run("chat", "-m", "tiny", "--temp", "0", "--session", "q", "-n", "8", stdin=stdin)
    assert done.code == 0
    asked = [turn.text for turn in kept(home, "q").turns if turn.role == "user"]
    assert asked == [text, "What is\nmy name?"]


def kept(home: Path, name: str) -> Transcript:
    path = home / "data" / "localai" / "sessions" / f"{name}.jsonl"
    return Transcript.of(json.loads(line) for line in path.read_text().splitlines())


def test_an_error_in_a_pipe_ends_the_chat_with_its_code() -> None:
    unknown = chat(stdin=f"{CAPITAL}\n/hlep\n{CAPITAL}\n")
    assert (unknown.out, unknown.code) == (PARIS + "\n", 2)
    assert "there is no command /hlep, and nothing was sent to the model" in unknown.err
    assert "did you mean `/help`?" in unknown.err
    long = chat(stdin="many words here " * 3000 + "\n")
    assert (long.out, long.code) == ("", 7)
    assert "the model's context holds 4096" in long.err
    assert chat(stdin=b"\xff\n").code == 2
    assert chat("-m", "nothing.gguf", stdin="hi\n").code == 3
    assert chat("--session", "../x").code == 2
    assert run("chat", "-m", "tiny", "--continue").code == 2
    assert "no character called" in chat("-c", "nobody-at-all").err


def test_nobody_reads_the_answer_any_more() -> None:
    line = " ".join(["printf 'hi\\nhi\\nhi\\n' |", sys.executable, "-m localai chat -m tiny",
                     "--no-save | true; echo ${PIPESTATUS[1]}"])  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.stdout in (b"141\n", b"0\n") and b"Traceback" not in done.stderr
    assert done.stderr == b""


def test_json_gives_an_object_an_answer_and_one_a_script(tmp_path: Path, ada: str) -> None:
    rows = chat("--json", stdin=f"{CAPITAL}\nWhat is 7 + 8?\n").out.splitlines()
    assert [json.loads(row)["answer"] for row in rows] == [PARIS, "7 + 8 = 15."]
    script = tmp_path / "script.txt"
    script.write_text("Who are you?\n\n!a note\n/undo\nWho are you?\n")
    done = chat("-c", ada, "--script", str(script), "--json")
    assert done.code == 0
    assert done.json == {
        "model": "tiny",
        "character": ada,
        "system": None,
        "summary": None,
        "messages": [
            {"role": "assistant", "content": "Hello! I am Ada.", "finish": "stop"},
            {"role": "note", "content": "a note"},
            {"role": "user", "content": "Who are you?"},
            {"role": "assistant", "content": "I am Ada.", "finish": "stop"},
        ],
    }


def test_a_script_prints_its_transcript_and_keeps_no_session(
    tmp_path: Path, ada: str, home: Path
) -> None:
    script = tmp_path / "script.yaml"
    script.write_text(f"- Who are you?\n- |\n  {CAPITAL}\n")
    done = run("chat", "-m", "tiny", "--temp", "0", "-c", ada, "--script", str(script))
    assert done == Ran(
        b"Ada: Hello! I am Ada.\n\nUser: Who are you?\n\nAda: I am Ada.\n\n"
        b"User: What is the capital of France?\n\nAda: The capital of France is Paris.\n\n",
        b"",
        0,
    )
    piped = run("chat", "-m", "tiny", "--temp", "0", "--script", "-", stdin=f"{CAPITAL}\n")
    assert piped == Ran(f"User: {CAPITAL}\n\ntiny: {PARIS}\n\n".encode(), b"", 0)
    assert not (home / "data" / "localai" / "sessions").exists()
    for text, code in (("Who are you?\n/nope\n", 2), ("", 0)):
        script = tmp_path / "other.txt"
        script.write_text(text)
        assert chat("--script", str(script)).code == code
    for text in ("just: a mapping", "- [1, 2]", "- a\n- 7: b", "\t- x: ["):
        script = tmp_path / "bad.yaml"
        script.write_text(text)
        refused = chat("--script", str(script))
        assert refused.code == 2 and "bad.yaml" in refused.err


def test_a_session_goes_on_with_what_it_was_held_with(home: Path, ada: str) -> None:
    first = run("chat", "-m", "tiny", "--temp", "0", "-c", ada, "--session", "s", stdin="Hello!\n")
    assert first.out.startswith("Hello! I am Ada.\n") and first.code == 0
    again = run("chat", "--continue", stdin="Who are you?\n")
    assert again == Ran(b"I am Ada.\n", b"", 0), "neither model nor greeting nor card again"
    values = kept(home, "s").values
    assert values["settings"] == {"temperature": 0.0} and values["character"] == ada
    other = run("chat", "--session", "s", "-n", "2", stdin="Who are you?\n")
    assert len(other.out) < len("I am Ada.\n"), "a flag goes before the session"
    path = home / "data" / "localai" / "sessions" / "s.jsonl"
    path.write_bytes(path.read_bytes() + b"{torn")
    torn = run("chat", "--session", "s", stdin="/stats\n")
    assert torn.code == 0 and "1 damaged lines" in torn.err


def test_a_look_at_a_chat_leaves_no_session(home: Path, ada: str) -> None:
    run("chat", "-m", "tiny", "-c", ada, stdin="/help\n")
    assert not (home / "data" / "localai" / "sessions").exists()


def test_a_chat_in_a_pipe_is_light(tmp_path: Path) -> None:
    arguments = ("chat", "-m", "tiny", "--temp", "0", "--no-save")
    code, peak, names = probe(tmp_path / "report", *arguments, stdin=b"hi\n")
    assert code == 0
    assert foreign(names) <= {"click", "platformdirs"}
    assert "asyncio" not in names and "localai.terminal.markdown" not in names
    if sys.platform == "linux":
        assert 0 < peak <= 30_000, f"{peak} kB"
    for help_of in ("chat", "sessions"):
        _, _, names = probe(tmp_path / "report", help_of, "--help")
        assert foreign(names) == {"click"}


# In this process: one engine for many chats.


class Held:
    """Chats in this process, and what they wrote."""

    def __init__(self) -> None:
        self.out, self.err = io.BytesIO(), io.BytesIO()
        self.console = Console(Stream(None), Stream(self.out), Stream(self.err))
        self._open: list[ChatSession] = []

    def talk(
        self, *, context: int | None = None, save: str | None = None, **values: Any
    ) -> ChatSession:
        spec = ModelSpec(
            "text",
            (str(TINY),),
            "tiny",
            {"threads": 1, **({"context": context} if context else {})},
        )
        models = open.ModelHandle(lambda name, role: spec, DedicatedClient)
        settings = {"temperature": 0.0, **values.pop("settings", {})}
        wish = open.ChatRequest(save, False, save is not None, values, settings)
        self._open.append(open.begin(models, wish))
        _VIEWS[id(self._open[-1])] = ChatView(self.console, self._open[-1])
        return self._open[-1]

    @property
    def said(self) -> str:
        """What stderr has got since this was last asked."""
        text = self.err.getvalue().decode()
        self.err.seek(0)
        self.err.truncate()
        return text

    def close(self) -> None:
        for chat in self._open:
            chat.__exit__()


@pytest.fixture
def held(home: Path) -> Iterator[Held]:
    found = Held()
    yield found
    found.close()


_VIEWS: dict[int, ChatView] = {}


def view_of(chat: ChatSession) -> ChatView:
    return _VIEWS[id(chat)]


def say(chat: ChatSession, line: str) -> str:
    """Say a line; return the last answer, or what a command told."""
    outcome = repl.handle(view_of(chat), line)
    if isinstance(outcome, str):
        return outcome
    return chat.transcript.answer.text if chat.transcript.answer else ""


def evaluated(chat: ChatSession) -> int:
    assert chat.last is not None and chat.last.usage is not None
    return chat.last.usage.prompt_tokens - chat.last.usage.reused_tokens


def test_no_turn_costs_more_than_its_own_tokens(held: Held) -> None:
    chat = held.talk(system="You are Ada.")
    before = None
    for question in ("Who are you?", CAPITAL, "Count to 12.", WOLVES + CAPITAL, "What is 7 + 8?"):
        say(chat, question)
        usage = chat.last and chat.last.usage
        assert usage
        if before:
            new = usage.prompt_tokens - before.prompt_tokens - before.answer_tokens
            assert evaluated(chat) <= new + 3, question
            assert usage.reused_tokens > 0
        before = usage
    assert say(chat, "Who are you?") == "I am Ada."


def runs_on(chat: ChatSession, held: Held, question: Callable[[int], str], times: float) -> int:
    """Talk until so many contexts are full; return how often something left."""
    context = chat.models.context
    total, chunks, turns, before, cut_off = 0, 0, 0, None, False
    while total < times * context:
        say(chat, question(turns))
        turns += 1
        usage = chat.last and chat.last.usage
        assert usage and usage.prompt_tokens + usage.answer_tokens <= context
        left = "left the model's memory" in held.said
        chunks += left
        asked = usage.prompt_tokens - (before.prompt_tokens + before.answer_tokens if before else 0)
        if before and not left:
            # An answer that was cut is not always read again as the tokens it was written with.
            cut = before.answer_tokens if cut_off else 0
            assert evaluated(chat) <= asked + cut + 3, f"turn {turns}"
            total += asked
        total += usage.answer_tokens
        before, cut_off = usage, chat.last is not None and chat.last.finish == "length"
    assert turns > 3 * chunks, "they leave in chunks"
    return chunks


def test_a_chat_three_times_longer_than_its_context_runs_on(held: Held) -> None:
    chat = held.talk(system="You are Ada.", settings={"max_tokens": 16})
    questions = [WOLVES + CAPITAL, "What is 7 + 8?", WOLVES + "What colour is grass?", CAPITAL]
    assert runs_on(chat, held, lambda turn: questions[turn % 4], 3) >= 6
    assert say(chat, "My name is Kensou.") == "Nice to meet you, Kensou."
    assert say(chat, CAPITAL) == PARIS
    assert say(chat, "What is my name?") == "Your name is Kensou."
    assert say(chat, "Who are you?") == "I am Ada."


@pytest.mark.soak
def test_a_chat_of_short_turns_three_times_longer_than_its_context_runs_on(held: Held) -> None:
    chat = held.talk(system="You are Ada.")
    questions = [CAPITAL, "What colour is grass?", "What is 7 + 8?", "Repeat: red fox",
                 "Count to 12.", "Who are you?"]  # fmt: skip
    assert runs_on(chat, held, lambda turn: questions[turn % 6], 3) >= 6
    assert say(chat, "Who are you?") == "I am Ada."


def test_a_small_context_is_kept_to(held: Held) -> None:
    chat = held.talk(system="You are Ada.", context=512)
    assert chat.models.context == 512
    chunks = runs_on(chat, held, lambda turn: (CAPITAL, "Who are you?")[turn % 2], 3)
    assert chunks >= 3
    assert say(chat, "Who are you?") == "I am Ada."
    assert "left the memory" in say(chat, "/context")


def test_a_short_card_is_known_after_three_contexts(held: Held, ada: str) -> None:
    chat = held.talk(character=ada, context=1024)
    chat.greet()
    questions = (CAPITAL, "What is 7 + 8?", "Who are you?")
    assert runs_on(chat, held, lambda turn: questions[turn % 3], 3) >= 3
    assert say(chat, "My name is Kensou.") == "Nice to meet you, Kensou."
    assert say(chat, CAPITAL) == PARIS
    assert say(chat, "What is my name?") == "Your name is Kensou."
    assert say(chat, "Who are you?") == "I am Ada."


def test_example_dialogue_leaves_first_and_the_greeting_last(held: Held, tmp_path: Path) -> None:
    block = "<START>\n{{user}}: What colour is coal?\n{{char}}: Coal is black.\n"
    card = {"name": "Ada", "first_mes": "Hello! I am Ada.", "mes_example": block * 4}
    path = tmp_path / "ada.json"
    path.write_text(json.dumps({**card, "description": "You are Ada."}))
    chat = held.talk(character=str(path), context=512)
    chat.greet()
    told, kept = [], []
    while len(told) < 3:
        say(chat, CAPITAL)
        told += [line for line in held.said.splitlines() if "left the model's memory" in line]
        contents = [message.content for message in chat.messages()[0]]
        kept.append(
            (sum("Coal" in each for each in contents), sum("Hello! I" in each for each in contents))
        )
        assert "You are Ada." in contents[0], "the system text never leaves"
        assert len(kept) < 60
    assert "example dialogue" in told[0] and "message" in told[-1]
    assert kept[0] == (4, 1) and kept[-1] == (0, 1)
    assert [coal for coal, _ in kept] == sorted((coal for coal, _ in kept), reverse=True)


def test_what_has_left_makes_room_for_an_answer(held: Held) -> None:
    chat = held.talk(system="You are Ada.", settings={"max_tokens": 16})
    for _ in range(20):
        chat.record({"kind": "user", "text": WOLVES + CAPITAL})
        chat.record({"kind": "assistant", "text": PARIS, "finish": "stop"})
    assert say(chat, CAPITAL) == PARIS
    assert "left the model's memory" in held.said
    assert evaluated(chat) < 3500, "there is room for an answer"
    with pytest.raises(TooLong, match="4096"):
        say(chat, WOLVES * 30)
    assert chat.transcript.questions[-1].text == CAPITAL, "it was taken back"
    assert say(chat, CAPITAL) == PARIS


def test_a_summary_takes_the_place_of_the_oldest_turns(held: Held) -> None:
    chat = held.talk(system="You are Ada.")
    with pytest.raises(BadInput, match="nothing to summarize"):
        say(chat, "/summarize")
    for question in ("The goat lives in the valley. It eats grass.", CAPITAL, "What is 7 + 8?",
                     "Count to 5."):  # fmt: skip
        say(chat, question)
    held.out.truncate(0)
    assert say(chat, "/summarize") == "4 turns are now this summary"
    summary = chat.transcript.summary
    assert summary and summary in held.out.getvalue().decode(), "it was shown"
    assert [turn.text for turn in chat.transcript.questions] == ["What is 7 + 8?", "Count to 5."]
    messages, fixed = chat.messages()
    assert messages[0] == Message("system", f"You are Ada.\n\n{BEFORE}\n{summary}")
    assert fixed == 1 and messages[1].content == "What is 7 + 8?"
    assert summary in say(chat, "/context")


def test_the_meter_follows_what_is_said(held: Held) -> None:
    chat = held.talk(system="You are Ada.")
    chat.models.engine.wait()
    text, full = chat.meter()
    assert 0 < full < 0.02 and text.endswith("/4096")
    say(chat, WOLVES)
    usage = chat.last and chat.last.usage
    assert usage
    # What the next question stands behind: the answer, and the template's own text around it.
    total = chat.used().tokens
    assert 0 < total - usage.prompt_tokens - usage.answer_tokens < 8
    assert chat.meter() == (f"{total}/4096", total / 4096)
    say(chat, "/undo")
    assert chat.meter()[1] < 0.02


# What may go wrong.


class Broken:
    """An engine that answers as it is told."""

    def __init__(self, *events: Event | BaseException) -> None:
        self.events = events
        self.requests: list[TextRequest] = []
        self.cancelled = False

    def ask(self, request: TextRequest, files: Sequence[int] = ()) -> Broken:
        self.requests.append(request)
        self._coming = iter(self.events)
        return self

    def __iter__(self) -> Broken:
        return self

    def __next__(self) -> Event:
        event = next(self._coming)
        if isinstance(event, BaseException):
            raise event
        return event

    def stop(self) -> Event | None:
        self.cancelled = True
        return None

    def measure(self, request: TextRequest, files: Sequence[int] = ()) -> TokenCount:
        return TokenCount(sum(len(message.content) for message in request.messages) // 4)

    def ready(self) -> bool:
        return True

    def close(self) -> None:
        pass


def broken(chat: ChatSession, *events: Event | BaseException) -> Broken:
    chat.models._engine.close()  # type: ignore[union-attr]
    chat.models._engine = Broken(*events)  # type: ignore[assignment]
    return chat.models._engine  # type: ignore[return-value]


def test_a_question_without_a_word_of_answer_is_taken_back(held: Held) -> None:
    chat = held.talk(save="s")
    broken(chat, WorkerDied("it died"))
    with pytest.raises(WorkerDied):
        say(chat, "Hello!")
    assert chat.transcript.turns == []
    broken(chat, Text("Hel"), WorkerDied("it died"))
    with pytest.raises(WorkerDied):
        say(chat, "Hello!")
    assert chat.transcript.turns == [Turn("user", "Hello!"), Turn("assistant", "Hel", INTERRUPTED)]
    assert chat.journal and Transcript.of(chat.journal.events()).turns == chat.transcript.turns


def test_the_answer_before_stays_until_the_other_one_begins(held: Held) -> None:
    chat = held.talk()
    say(chat, CAPITAL)
    broken(chat, WorkerDied("it died"))
    with pytest.raises(WorkerDied):
        say(chat, "/retry")
    assert [turn.text for turn in chat.transcript.turns] == [CAPITAL, PARIS]
    engine = broken(chat, Text("It is Lyon."), Finished("length"))
    assert say(chat, "/retry") == "It is Lyon."
    assert [turn.text for turn in chat.transcript.turns] == [CAPITAL, "It is Lyon."]
    assert [message.content for message in engine.requests[0].messages] == [CAPITAL]
    assert "/continue goes on" in held.said
    engine = broken(chat, Text(" Or Paris."), Finished("stop"))
    assert say(chat, "/continue") == "It is Lyon. Or Paris."
    assert engine.requests[0].prefill == "It is Lyon."
    assert [message.content for message in engine.requests[0].messages] == [CAPITAL]


def test_parts_of_a_long_answer_are_kept_as_they_come(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = held.talk(save="s")
    monkeypatch.setattr("localai.chat.session._PART_SECONDS", -1)
    broken(chat, Text("I am "), Text("Ada"), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        say(chat, "Hello!")
    assert chat.journal
    kinds = [(event["kind"], event.get("text")) for event in chat.journal.events()[2:]]
    assert kinds == [
        ("user", "Hello!"),
        ("part", "I am "),
        ("part", "Ada"),
        ("assistant", "I am Ada"),
    ]


def test_any_template_takes_the_order_of_turns(held: Held, ada: str) -> None:
    chat = held.talk(character=ada)
    chat.greet()
    engine = broken(chat, Text("Yes."), Finished("stop"))
    say(chat, "Are you there?")
    chat.record({"kind": "user", "text": "Hm."})
    say(chat, "And now?")
    for request in engine.requests:
        roles = [message.role for message in request.messages]
        assert roles[:3] == ["system", "user", "assistant"]
        assert all(a != b for a, b in itertools.pairwise(roles))
    assert engine.requests[0].messages[2].content == "Hello! I am Ada."
    assert engine.requests[1].messages[-1].content == "Hm.\n\nAnd now?"
    assert {request.fixed for request in engine.requests} == {1}


def test_text_for_the_model_is_the_text_that_was_typed(held: Held, tmp_path: Path) -> None:
    chat = held.talk()
    engine = broken(chat, Text("Yes."), Finished("stop"))
    say(chat, "!only for me")
    say(chat, " /help is no command here")
    assert [each.content for each in engine.requests[-1].messages] == ["/help is no command here"]
    file = tmp_path / "list.txt"
    file.write_text("```\ncode\n```\n")
    assert "list.txt (3 lines) goes with your next question" in say(chat, f"/file {file}")
    say(chat, f"/file {tmp_path}/list.txt")
    say(chat, "/file none")
    say(chat, f"/file {file}")
    say(chat, "What is it?")
    assert engine.requests[-1].messages[-1].content == (
        "list.txt:\n````\n```\ncode\n```\n````\n\nWhat is it?"
    )
    say(chat, "/etc/passwd is a path")
    assert engine.requests[-1].messages[-1].content == "/etc/passwd is a path"
    for line in ("/nope", "/Nope with words", "/", "/ nope", "/undoo\nmore"):
        with pytest.raises(BadInput, match="nothing was sent"):
            say(chat, line)
    assert len(engine.requests) == 3


def test_two_questions_in_a_row_are_one_message(held: Held) -> None:
    chat = held.talk()
    chat.record({"kind": "user", "text": "Are you there?"})  # a crash left it without an answer
    engine = broken(chat, Text("Yes."), Finished("stop"))
    say(chat, "Hello?")
    assert engine.requests[-1].messages == (Message("user", "Are you there?\n\nHello?"),)


# Commands.


def test_who_speaks_is_changed_and_what_was_said_stays(held: Held, ada: str) -> None:
    chat = held.talk(system="You are Bob.")
    assert say(chat, "Who are you?") == "I am Bob."
    assert "goes on with the conversation" in say(chat, f"/character {ada}")
    say(chat, "/system none")
    assert say(chat, "Who are you?") == "I am Ada."
    with pytest.raises(BadInput, match="no character called"):
        say(chat, "/character nobody-at-all")
    assert chat.values["character"] == ada
    with pytest.raises(BadInput, match="has begun"):
        say(chat, "/greeting 2")
    say(chat, "/reset")
    assert [turn.text for turn in chat.transcript.turns] == ["Hello! I am Ada."]
    assert "Good evening" in say(chat, "/greeting")
    say(chat, "/greeting 2")
    assert [turn.text for turn in chat.transcript.turns] == ["Good evening, User."]
    with pytest.raises(BadInput, match="greetings 1 to 2"):
        say(chat, "/greeting 3")
    assert "you are Tom" in say(chat, "/persona My name is Tom.")
    told = 'About the user: The user says: "My name is Tom."'
    assert say(chat, "/system").endswith(told)
    say(chat, "/reset")
    assert [turn.text for turn in chat.transcript.turns] == ["Good evening, Tom."]
    assert say(chat, "/greeting").splitlines() == [
        "  1  Hello! I am Ada.",
        "* 2  Good evening, Tom.",
    ]
    with pytest.raises(BadInput, match="cannot be read"):
        say(chat, "/persona nobody.txt")
    assert chat.values["persona"] == "My name is Tom.", "a slip in a file's name is no persona"
    assert say(chat, "/model") == "tiny, 4096 tokens of context"
    say(chat, "/character none")
    say(chat, "/role a patient teacher.")
    assert chat.participants.prompt_parts.system == f"You are a patient teacher.\n{told}"
    assert chat.participants.user == "Tom"
    assert "taken away" in say(chat, "/system none")
    assert "no persona" in say(chat, "/persona -")
    assert chat.participants.prompt_parts.system == "" and chat.participants.user == "User"
    assert say(chat, "/reset") == "everything is forgotten"


def test_knobs_are_set_listed_and_given_back(held: Held) -> None:
    chat = held.talk()
    assert say(chat, "/set top-k 5") == "top-k 5"
    assert say(chat, "/set max-tokens 3") == "max-tokens 3"
    say(chat, CAPITAL)
    assert chat.last and chat.last.usage and chat.last.usage.answer_tokens == 3
    assert "[the answer was cut here" in held.said
    assert say(chat, "/set max-tokens -") == "max-tokens -"
    assert say(chat, "/set temp") == "temp 0.0"
    assert "top-k           5" in say(chat, "/set").splitlines()
    for line in ("/set temp hot", "/set temp nan", "/set top-k 1.5", "/set seed -1", "/set think x",
                 "/set tmp 1", "/set tmp -", "/set tmp"):  # fmt: skip
        with pytest.raises(BadInput):
            say(chat, line)
    assert chat.settings == {"temperature": 0.0, "top_k": 5}
    assert sampling_options.sound(
        {"top_k": "x", "temperature": 1, "stop": 7, "think": "off", "nope": 1}
    ) == {
        "temperature": 1.0,
        "think": "off",
    }
    assert sampling_options.sound([1]) == {} and sampling_options.sound({"stop": ["a"]}) == {
        "stop": ["a"]
    }
    assert sampling_options.sampling({"temperature": 0.5, "top_k": 1}, {"top_k": 2}).top_k == 2


def test_files_are_written_once(held: Held, tmp_path: Path) -> None:
    chat = held.talk()
    say(chat, CAPITAL)
    say(chat, "!mine")
    markdown = tmp_path / "talk.md"
    assert say(chat, f"/export {markdown}") == f"written: {markdown}"
    assert markdown.read_text() == f"## You\n\n{CAPITAL}\n\n## tiny\n\n{PARIS}\n\n## Note\n\nmine\n"
    with pytest.raises(BadInput, match="exists already"):
        say(chat, f"/export {markdown}")
    with pytest.raises(BadInput, match="cannot be written"):
        say(chat, f"/export {tmp_path}/no/such/folder.md")
    say(chat, f"/export {tmp_path}/talk.json")
    written = json.loads((tmp_path / "talk.json").read_text())
    assert written["messages"][1]["content"] == PARIS
    assert {path.name for path in tmp_path.iterdir()} == {"talk.md", "talk.json"}


def test_sessions_are_named_loaded_and_listed(held: Held) -> None:
    chat = held.talk(system="You are Ada.")
    say(chat, "Who are you?")
    assert chat.journal is None
    assert "this is the session one" in say(chat, "/save one")
    say(chat, CAPITAL)
    assert say(chat, "/save one") == say(chat, "/save"), "it is called so already"
    other = held.talk(save="two", system="You are Bob.")
    say(other, "Who are you?")
    assert "2 questions so far" not in say(other, "/sessions")
    other.models.use("tiny")
    with pytest.raises(BadInput, match="open in another chat"):
        say(other, "/load one")
    assert chat.journal is not None
    chat.journal.close()
    assert say(other, "/load one").startswith(
        "2 questions so far\nthe last answer was: The capital"
    )
    assert say(other, "Who are you?") == "I am Ada."
    assert [line.split()[0] for line in say(other, "/sessions").splitlines()[1:]] == ["one", "two"]
    assert "I am Bob." in say(other, "/sessions am bob")
    with pytest.raises(BadInput) as refused:
        say(other, "/load twoo")
    assert refused.value.next_step == "did you mean `two`?"


def test_a_session_that_is_loaded_gets_nothing_of_the_chat_before(held: Held) -> None:
    """Its greeting and its settings are not worth a session yet, and wait for the first word."""
    say(held.talk(save="old"), CAPITAL)
    held.close()
    journal = session_file.path_of("old")
    before = journal.read_bytes()
    chat = held.talk(save="new", character="librarian")
    assert chat.greet()
    say(chat, "/load old")
    assert say(chat, "What is 7 + 8?") == "7 + 8 = 15."
    events = [json.loads(line) for line in journal.read_bytes().removeprefix(before).splitlines()]
    assert [event["kind"] for event in events] == ["user", "assistant"]
    assert not session_file.path_of("new").exists()


def test_a_session_that_cannot_be_loaded_stays_free(held: Held) -> None:
    chat = held.talk(save="gone")
    say(chat, CAPITAL)
    chat.change(character="nobody-of-that-name")
    held.close()
    other = held.talk(save="other")
    for _ in range(2):
        with pytest.raises(BadInput, match="no character"):
            say(other, "/load gone")
    assert say(other, CAPITAL) and other.journal and other.journal.name == "other"


def test_undo_takes_several_and_edit_replaces(held: Held) -> None:
    chat = held.talk()
    for question in (CAPITAL, "What is 7 + 8?", "Count to 3."):
        say(chat, question)
    assert say(chat, "/undo 2") == "taken back: What is 7 + 8?"
    assert len(chat.transcript.turns) == 2
    assert say(chat, "/edit What is the capital of Peru?") == "The capital of Peru is Lima."
    assert len(chat.transcript.turns) == 2
    assert repl.handle(view_of(chat), "/edit") == Refill("What is the capital of Peru?")
    assert say(chat, CAPITAL) == PARIS and len(chat.transcript.turns) == 2
    repl.handle(view_of(chat), "/edit")
    repl.handle(view_of(chat), "")  # thought better of it
    say(chat, "What is 7 + 8?")
    assert len(chat.transcript.turns) == 4
    for line in ("/undo x", "/undo 0", "/undo -1"):
        with pytest.raises(BadInput):
            say(chat, line)
    say(chat, "/undo 99")
    for line in ("/undo", "/retry", "/continue", "/edit", "/copy"):
        with pytest.raises(BadInput):
            say(chat, line)
    assert isinstance(repl.handle(view_of(chat), "/quit"), Leave) and isinstance(
        repl.handle(view_of(chat), "/q"), Leave
    )


def test_help_is_made_of_the_registry() -> None:
    asked = ("reset retry undo edit continue system role character persona greeting model set "
             "context file image record save load sessions copy stats export summarize quit sd help")  # fmt: skip
    assert {f"/{name}" for name in asked.split()} == set(registry.COMMANDS)
    for width in (40, 80, 120):
        shown = registry.overview(width)
        for name, each in registry.COMMANDS.items():
            assert name in shown and each.help in shown
    assert all(len(line) <= 80 for line in registry.overview(80).splitlines()), "in two columns"
    assert len(registry.overview(80).splitlines()) == len(registry.COMMANDS)
    heads = [line.split()[0] for line in registry.overview(80).splitlines()]
    assert heads == sorted(heads)
    assert set(registry.ALIASES.values()) <= set(registry.COMMANDS)


def test_a_slip_gets_a_guess_that_is_one(held: Held) -> None:
    chat = held.talk()
    for line, hint in (
        ("/hlep", "did you mean `/help`?"),
        ("/help undoo", "did you mean `/undo`?"),
        ("/nope", "/help lists them"),  # nothing like /undo
    ):
        with pytest.raises(BadInput) as refused:
            say(chat, line)
        assert refused.value.next_step == hint


def test_a_command_is_not_done_where_more_was_meant(held: Held) -> None:
    chat = held.talk()
    say(chat, CAPITAL)
    for line in ("/reset the clock", "/quit smoking", "/retry please"):
        with pytest.raises(BadInput, match="nothing was done"):
            say(chat, line)
    assert chat.transcript.answer and chat.transcript.answer.text == PARIS
    assert "prompt" in say(chat, "/stats") and "tokens/s" in say(chat, "/stats")


def test_the_widest_listing_fits_a_narrow_screen(held: Held, monkeypatch: Any) -> None:
    chat = held.talk(save="one", system="You are Ada.")
    say(chat, "What is the capital of Peru, and what is the capital of France?")
    monkeypatch.setenv("COLUMNS", "120")
    assert say(chat, "/sessions").splitlines()[0].split() == [*storage.SESSION_HEADS]
    monkeypatch.setenv("COLUMNS", "40")
    lines = say(chat, "/sessions").splitlines()
    assert lines[0] == "one" and lines[1].endswith(", 1 question")
    assert lines[2].strip().startswith("What is the capital of Peru")


def test_lines_become_what_they_may(home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").touch()
    (tmp_path / ".hidden").touch()

    def found(line: str) -> list[str]:
        return [choice.text for choice in completer.complete(line, lambda: ["ada", "bob"])]

    assert found("/re") == ["/record", "/reset", "/retry"]
    assert found("/character a") == ["ada"]
    assert found("/file ") == ["folder/"]
    assert found("/file folder/") == ["a.txt"]
    assert found("/file .h") == [".hidden"]
    assert found(f"/file {tmp_path}/fol") == ["folder/"]
    assert found("/set top") == ["top-k", "top-p"]
    assert found("/sd f") == ["face"]
    assert "tiny" in found("/model t")
    assert found("no command") == found("/nope ") == found("/file none/x") == []


@pytest.mark.parametrize(
    ("answer", "clean"),
    [
        ('"A girl." red hair', "A girl, red hair"),
        ("full body portrait, elf\ngreen cloak; 20 years", "full body portrait, elf, green cloak 20 years"),
        ("a , , b,.\n", "a, b"),
        ("it's (red:1.2), \u201cold\u201d <|im_end|> {x}", "it's (red:1, 2), old im_end x"),
        ("", ""),
    ],
)  # fmt: skip
def test_keywords_for_a_picture_are_clean(answer: str, clean: str) -> None:
    assert image_prompt.keywords(answer) == clean


def test_a_picture_is_described_for_an_engine_that_is_missing(held: Held, ada: str) -> None:
    chat = held.talk(character=ada)
    say(chat, "Hello!")
    before = list(chat.transcript.turns)
    for what in image_prompt.WHAT:
        engine = broken(chat, Text('A "girl".\nred hair'), Finished("stop"))
        held.out.truncate(0)
        held.out.seek(0)
        assert "no picture engine here" in say_text(chat, f"/sd {what}")
        assert held.out.getvalue() == b"A girl, red hair\n"
        told = engine.requests[0].messages[-1].content
        assert "keywords" in told and "{" not in told
        assert ("Ada" in told) == (what in ("you", "face")) and ("User" in told) == (what == "me")
    held.out.truncate(0)
    held.out.seek(0)
    say_text(chat, "/sd a red fox, ink drawing")
    assert held.out.getvalue() == b"a red fox, ink drawing\n"
    assert chat.transcript.turns == before, "the chat has not heard of it"
    with pytest.raises(BadInput, match="what to draw"):
        say(chat, "/sd")
    broken(chat, Text('".,'), Finished("stop"))
    with pytest.raises(LocalaiError, match="wrote no keywords"):
        say(chat, "/sd you")


def say_text(chat: ChatSession, line: str) -> str:
    outcome = repl.handle(view_of(chat), line)
    assert isinstance(outcome, str)
    return outcome


def test_code_is_found_in_an_answer() -> None:
    text = "Two:\n```sh\nls\n```\nand\n~~~~ py\nx = 1\n~~~\n~~~~\nend"
    assert export.last_code(text) == "x = 1\n~~~\n"
    assert export.last_code("```\nopen") == "" == export.last_code("none")


def test_a_new_memory_knows_little() -> None:
    assert ContextWindow(lambda messages, prefill, itemize: TokenCount(0)).left() == ""
    asked: list[str] = []

    def measure(messages: tuple[Message, ...], prefill: str, itemize: bool) -> TokenCount:
        asked.append(prefill)
        return TokenCount(7)

    window = ContextWindow(measure)
    assert [window.count((Message("user", "x"),)) for _ in range(3)] == [7, 7, 7]
    assert window.count(()) == 0 and asked == [""], "what was counted is not counted again"
