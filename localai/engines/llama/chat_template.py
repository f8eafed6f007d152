"""Chat templates: messages to token ids, with control tokens only where the template writes them.

A model's own template (Jinja, sandboxed) is untrusted code and the messages are untrusted text.
Where a message spells a marker (a control token, or a token that the template itself uses), that
spelling is taken out before rendering, and tokenized as the text that it is. Where no message does,
the rendered text is tokenized in one call, so that the ids equal llama.cpp's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from localai.engines.llama.escaping import Placeholders, tokenize_untrusted
from localai.engines.llama.vocab import Vocab
from localai.errors import BadInput, BadModel
from localai.types import Message, Picture

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


MARKS = ("<|im_start|>", "<|im_end|>")
"""What ChatML marks turns with."""


_NONE: Mapping[Picture, list[int]] = {}


_PROBE = "Good morning"


class _Refusal(Exception):
    """The template itself has refused the messages (`raise_exception`)."""


def _refuse(message: str) -> NoReturn:
    raise _Refusal(message)


def _in_parts(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message whose content is a list of one typed part, as vision models have it."""
    return {**message, "content": [{"type": "text", "text": message["content"]}]}


def _tojson(value: Any, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


class _Generation(Extension):
    """`{% generation %}` marks an answer's tokens for trainers; for us it is what it encloses."""

    tags = {"generation"}  # noqa: RUF012 (the base class has it as an instance's)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the nodes inside the block."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    environment.filters["tojson"] = _tojson
    return environment


class ChatTemplate:
    """A chat template over a vocabulary.

    Parameters
    ----------
    source : str or None
        The template as the model's file gives it; None or empty: ChatML. If the vocabulary does
        not know ChatML's marks either, it `is_base`: nobody has taught the model to chat.

    Raises
    ------
    BadModel
        The source is no Jinja template.
    """

    def __init__(self, source: str | None, vocab: Vocab) -> None:
        self.source = source or CHATML
        self._vocab = vocab
        self.is_base = not (source or any(map(vocab.knows_marker, MARKS)))
        try:
            self._template = _environment().from_string(self.source)
        except (jinja2.TemplateError, RecursionError, OverflowError, MemoryError) as error:
            raise BadModel(
                f"the chat template in the model's file is damaged: {error}",
                "use --raw to do without it, or fetch the file anew",
            ) from None

    def render(self, messages: Sequence[Message], *, answer: bool, think: bool | None) -> str:
        """Return the conversation as the template writes it.

        Parameters
        ----------
        answer : bool
            Whether the text ends where the model's answer begins.
        think : bool or None
            False asks the template not to think (`enable_thinking`).
        """
        try:
            return self._rendered(messages, answer, think)
        except _Refusal as error:
            if len(messages) > 1 and messages[0].role == "system":
                # Templates without a system role get its text at the head of the first question.
                system, first, *rest = messages
                texts = filter(None, (system.content, first.content))
                joined = Message(first.role, "\n".join(texts))
                return self.render([joined, *rest], answer=answer, think=think)
            raise BadInput(
                f"the model's chat template refuses this conversation: {error}"
            ) from None

    @cached_property
    def _takes_parts_alone(self) -> bool:
        """Whether contents have to be lists of typed parts: of a plain text nothing is written."""
        if "type" not in self.source:
            return False
        probe = [{"role": "user", "content": _PROBE}]
        with suppress(BadModel, _Refusal):
            if _PROBE in self._write(probe, answer=True, think=None):
                return False
        with suppress(BadModel, _Refusal):
            return _PROBE in self._write([_in_parts(each) for each in probe], True, None)
        return False

    def _rendered(self, messages: Sequence[Message], answer: bool, think: bool | None) -> str:
        given = [{"role": message.role, "content": message.content} for message in messages]
        if self._takes_parts_alone:
            return self._write([_in_parts(each) for each in given], answer, think)
        return self._write(given, answer, think)

    def _write(
        self, messages: Sequence[Mapping[str, Any]], answer: bool, think: bool | None
    ) -> str:
        today = datetime.now()
        try:
            return self._template.render(
                messages=messages,
                add_generation_prompt=answer,
                bos_token=self._vocab.text(self._vocab.bos),
                eos_token=self._vocab.text(self._vocab.eos),
                # As llama.cpp gives them: thinking is on unless it was switched off.
                enable_thinking=think is not False,
                date_string=today.strftime("%d %b %Y"),
                datetime=today.strftime("%b %d %Y"),
            )
        except _Refusal:
            raise
        except Exception as error:  # a template is somebody's program: it may fail in any way
            raise BadModel(
                f"the model's chat template fails: {type(error).__name__}: {error}",
                "use --raw to do without it",
            ) from None

    def encode(
        self,
        messages: Sequence[Message],
        *,
        answer: bool = True,
        think: bool | None = None,
        pictures: Mapping[Picture, list[int]] = _NONE,
    ) -> list[int]:
        """Return the token ids of a conversation; no message's text becomes a control token.

        Parameters
        ----------
        pictures : mapping
            The ids that each picture of the messages is.
        """
        masks = Placeholders([message.content for message in messages])
        masked = []
        for message in messages:
            seen = "".join(masks.stand_for(pictures[each]) for each in message.pictures)
            text = masks.hide(message.content, self.spelled(message.content))
            masked.append(Message(message.role, seen + text))
        rendered = self.render(masked, answer=answer, think=think)
        return self._ids(masks.split(rendered))

    def opens_thinking(self, opening: str, think: bool | None) -> bool:
        """Whether the template itself writes `opening` at the end, before the answer."""
        rendered = self.render([Message("user", "?")], answer=True, think=think)
        return rendered.rstrip().endswith(opening)

    def _ids(self, parts: list[tuple[str | list[int], bool]]) -> list[int]:
        """Tokenize parts of a rendered text, each (text or ids, whether it was hidden)."""
        vocab = self._vocab
        first = parts[0][0]  # the template's own: what is hidden stands at odd places
        assert isinstance(first, str)
        bos = vocab.text(vocab.bos)
        if vocab.adds_bos and bos:
            first = first.removeprefix(bos)  # the vocabulary adds what the template has written
        if len(parts) == 1:
            return vocab.tokenize(first, add_special=True, parse_special=True)
        edges = vocab.tokenize("", add_special=True)
        begin = edges[: edges[:1] == [vocab.bos]]
        ids = begin + vocab.tokenize(first, parse_special=True)
        for part, hidden in parts[1:]:
            if not isinstance(part, str):
                ids += part
            elif hidden:
                ids += tokenize_untrusted(vocab, part, vocab.is_marker)
            else:
                ids += self._after_hidden(part)
        return ids + edges[len(begin) :]

    def _after_hidden(self, text: str) -> list[int]:
        """Tokenize template text that follows a hidden spelling, without a space of its own."""
        anchor = self._vocab.tokenize("\n")
        ids = self._vocab.tokenize("\n" + text, parse_special=True)
        if ids[: len(anchor)] == anchor:
            return ids[len(anchor) :]
        return self._vocab.tokenize(text, parse_special=True)

    @cached_property
    def _own_markers(self) -> set[str]:
        """Texts of tokens that the template writes to mark turns, control or made by hand."""
        ids = self._vocab.tokenize(self.source, parse_special=True)
        texts = {self._vocab.text(token) for token in ids if self._vocab.is_marker(token)}
        # Runs of blanks and words are tokens made by hand in some vocabularies, but no markers.
        return {
            t
            for t in texts
            if len(t) > 2 and not (t[0].isalnum() or t[-1].isalnum() or t.isspace())
        }

    def spelled(self, text: str) -> set[str]:
        """Return the markers that an untrusted text spells out."""
        found = {marker for marker in self._own_markers if marker in text}
        rest = text
        while True:
            for marker in found:
                rest = rest.replace(marker, "\n")
            more = (
                {
                    self._vocab.text(token)
                    for token in self._vocab.tokenize(rest, parse_special=True)
                    if self._vocab.is_control(token) and self._vocab.text(token) in rest
                }
                - found
                - {""}
            )
            if not more:
                return found
            found |= more
