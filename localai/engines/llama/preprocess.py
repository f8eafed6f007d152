"""Making a request ready: its prompt in tokens, cut if that was asked for, and its samplers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from localai.engines.base import Call
from localai.engines.llama import itemize
from localai.engines.llama.chat_template import MARKS, ChatTemplate
from localai.engines.llama.escaping import tokenize_untrusted
from localai.engines.llama.job import Job
from localai.engines.llama.model import Model
from localai.engines.llama.output_parser import OutputParser
from localai.engines.llama.reasoning import reasoning_tags
from localai.engines.llama.sampler import Sampler, fresh_seed
from localai.engines.llama.slots import TokenBuffer, common_prefix
from localai.engines.llama.state_store import LEAST_TOKENS
from localai.engines.llama.vision import SeenPictures
from localai.errors import BadInput, TooLong
from localai.types import Picture, TextRequest, TokenCount

if TYPE_CHECKING:
    from localai.engines.llama.structured_output import MatcherFactory

PictureIds = Mapping[Picture, list[int]]

_UNSEEN = SeenPictures()  # a request without pictures
_BASE_TOKENS = 512  # of an answer that knows no end, where no other limit is given
_HOPELESS = 1 << 18  # characters; to cut them into tokens takes longer than to see the bound


class Preprocessor:
    """Makes jobs for one model.

    Parameters
    ----------
    model : Model
        Gives vocabulary, template and context length.

    Raises
    ------
    BadModel
        The model's chat template is damaged.
    """

    def __init__(self, model: Model) -> None:
        self._vocab, self._most = model.vocab, model.context_length
        self._template = ChatTemplate(model.header.chat_template, model.vocab)
        self._style = reasoning_tags(self._template.source)
        self.is_base = self._template.is_base
        self._opened: dict[bool | None, bool] = {}

    def job(self, call: Call, arrived: float, seen: SeenPictures = _UNSEEN) -> Job:
        """Return the job of a request that has arrived at that time of `time.perf_counter`.

        Parameters
        ----------
        seen : SeenPictures
            The request's pictures.

        Raises
        ------
        BadInput, BadConstraint
            The request cannot be answered as it is.
        TooLong
            Its prompt does not fit the model's context.
        """
        request: TextRequest = call.request
        if request.constraint and request.stop:
            raise BadInput(
                "a constraint and stop strings cannot be kept together: a stop string would cut "
                "an answer before it is complete",
                "leave out --stop",
            )
        if self.is_base:
            request = _bounded(request)
        pictures = seen.ids
        ids, cut = self._fit(request, pictures)
        window = min(request.sampling.repeat_last_n, self._most)
        sampling = request.sampling._replace(repeat_last_n=window)
        seed = fresh_seed() if sampling.seed is None else sampling.seed
        constraint = request.constraint
        return Job(
            call.id,
            call.client,
            request,
            TokenBuffer(ids),
            Sampler(sampling, seed, [token for token in ids if token >= 0], self._vocab.size),
            self._parser(request),
            self._most,
            seed,
            arrived,
            matcher=self._matchers.matcher(constraint) if constraint else None,
            shared_prefix=self._fixed(request, ids, pictures),
            marks=self._marks,
            cut=cut,
            images=seen.places(ids),
            pictures=seen.counts,
        )

    def count_tokens(self, request: TextRequest, seen: SeenPictures = _UNSEEN) -> TokenCount:
        """Return how many tokens the prompt of a request has, whether it fits or not.

        Where `request.itemize` asks for it, its text and the tokens of each part, too; then
        `request.truncate` counts.
        """
        ids = self._encode(request, seen.ids)
        if not request.itemize:
            return TokenCount(len(ids), self._most)
        if request.truncate and len(ids) >= self._most:
            request, ids = self._cut(request, len(ids), seen.ids)
        spans = itemize.spans(self._template, request)
        if request.prefill:
            spans.append(("history", request.prefill))
        bos = self._vocab.text(self._vocab.bos)
        if ids[:1] == [self._vocab.bos] and not spans[0][1].startswith(bos):
            spans.insert(0, (itemize.TEMPLATE, bos))  # which the vocabulary adds
        parts = itemize.tokens_by_part(self._vocab, ids, spans)
        return TokenCount(len(ids), self._most, "".join(text for _, text in spans), parts)

    def _parser(self, request: TextRequest) -> OutputParser:
        if request.raw is not None or request.prefill:
            return OutputParser(request.stop)
        return OutputParser(request.stop, self._style, self._opens_thinking(request.think))

    def _opens_thinking(self, think: bool | None) -> bool:
        if think not in self._opened:
            self._opened[think] = self._template.opens_thinking(self._style.opening, think)
        return self._opened[think]

    def _encode(self, request: TextRequest, pictures: PictureIds) -> list[int]:
        """Return the ids of a request's prompt."""
        if request.raw is None:
            ids = self._template.encode(request.messages, think=request.think, pictures=pictures)
            return ids + self._prefill(request) if request.prefill else ids
        begin = [self._vocab.bos] if self._vocab.adds_bos and self._vocab.bos >= 0 else []
        whole = self._vocab.tokenize(request.raw, add_special=True)
        control = any(self._vocab.is_control(token) for token in whole if token not in begin)
        return begin + tokenize_untrusted(self._vocab, request.raw) if control else whole

    def _prefill(self, request: TextRequest) -> list[int]:
        """Return the ids of the answer's beginning; where the template opens thinking, it ends."""
        thought = f"{self._style.closing}\n\n" if self._opens_thinking(request.think) else ""
        mark = self._vocab.tokenize(thought, parse_special=True) if thought else []
        return mark + tokenize_untrusted(self._vocab, request.prefill)

    def _fit(self, request: TextRequest, pictures: PictureIds) -> tuple[list[int], int]:
        """Return the prompt's ids and how many tokens were cut away to make it fit."""
        if request.context and request.context > self._most:
            raise BadInput(
                f"the model was made for a context of {self._most} tokens, "
                f"{request.context} were asked for",
                f"use --ctx {self._most} or less",
            )
        if request.truncate is None:
            self._refuse_hopeless(request)
        asked = request.messages or request.raw is not None
        ids = self._encode(request, pictures) if asked else []
        if not ids:
            raise BadInput("the prompt is empty")
        if len(ids) < self._most:
            return ids, 0
        if request.truncate is None:
            raise self._too_long(len(ids))
        _, kept = self._cut(request, len(ids), pictures)
        return kept, len(ids) - len(kept)

    def _refuse_hopeless(self, request: TextRequest) -> None:
        """Refuse what cannot fit, before it is cut into tokens, which takes a second a megabyte."""
        # Of a conversation the last message alone: a template may leave out parts of others.
        text = request.messages[-1].content.strip() if request.raw is None else request.raw
        if len(text) > _HOPELESS and (longest := self._vocab.longest):
            least = len(text) // longest
            if least >= self._most:
                raise self._too_long(least, "at least ")

    def _too_long(self, tokens: int, about: str = "") -> TooLong:
        return TooLong(
            f"the prompt has {about}{tokens} tokens; the model's context holds {self._most}, "
            "the answer included",
            "shorten it, or let it be cut with --truncate head|middle|tail",
            tokens=tokens,
            limit=self._most,
        )

    def _cut(
        self, request: TextRequest, first: int, pictures: PictureIds
    ) -> tuple[TextRequest, list[int]]:
        """Cut away from the last text until the prompt leaves room for an answer."""
        room = self._most - min(request.max_tokens or 256, self._most // 2)
        length = first
        while True:
            shorter = self._shorter(request, length - room)
            ids = self._encode(shorter, pictures)
            if len(ids) <= room:
                return shorter, ids
            if shorter == request:
                raise TooLong(
                    f"the prompt has {len(ids)} tokens without the part that may be cut; the "
                    f"model's context holds {self._most}, the answer included",
                    "shorten the system text",
                    tokens=len(ids),
                    limit=self._most,
                )
            request, length = shorter, len(ids)

    def _shorter(self, request: TextRequest, surplus: int) -> TextRequest:
        """Return the request with `surplus` tokens less in its last text."""
        text = request.messages[-1].content if request.raw is None else request.raw
        ids = self._vocab.tokenize(text)
        keep = max(0, len(ids) - surplus)
        head = {"head": 0, "middle": keep // 2, "tail": keep}[request.truncate or "tail"]
        parts = (ids[:head], ids[len(ids) - (keep - head) :])
        # A letter whose bytes were cut in two is none.
        kept = "".join(self._vocab.detokenize(part).strip("\ufffd") for part in parts)
        if request.raw is not None:
            return request._replace(raw=kept)
        last = request.messages[-1]._replace(content=kept)
        return request._replace(messages=(*request.messages[:-1], last))

    def _fixed(self, request: TextRequest, ids: list[int], pictures: PictureIds) -> int:
        """Return how many leading tokens the fixed part of a request makes."""
        head = request.messages[: request.fixed]
        if request.fixed_text and len(request.messages) > request.fixed:
            partly = request.messages[request.fixed]
            head += (partly._replace(content=partly.content[: request.fixed_text]),)
        if not head or len(ids) < LEAST_TOKENS:
            return 0
        fixed = self._template.encode(head, answer=False, think=request.think, pictures=pictures)
        shared = common_prefix(TokenBuffer(fixed).view, TokenBuffer(ids[:-1]).view)
        return shared if shared >= LEAST_TOKENS else 0

    @cached_property
    def _matchers(self) -> MatcherFactory:
        from localai.engines.llama.structured_output import (
            MatcherFactory,  # its library takes 40 ms to import
        )

        return MatcherFactory(self._vocab.pointer)

    @cached_property
    def _marks(self) -> dict[int, bytes]:
        """Control tokens that mark thinking: they have a text for the flow to see."""
        marks = (self._style.opening, self._style.closing, self._style.skip)
        ids = {token for mark in marks for token in self._vocab.tokenize(mark, parse_special=True)}
        return {t: self._vocab.text(t).encode() for t in ids if self._vocab.is_control(t)}


def _bounded(request: TextRequest) -> TextRequest:
    """Return a request to a base model: its answer ends with the turn, and at the latest soon."""
    if request.constraint:  # which says itself where the answer ends
        return request
    marks = MARKS if request.raw is None else ()
    return request._replace(
        stop=(*request.stop, *marks), max_tokens=request.max_tokens or _BASE_TOKENS
    )
