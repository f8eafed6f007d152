"""Constrained decoding: which tokens may come next, by llguidance over a llama.cpp vocabulary.

A `MatcherFactory` belongs to a model and reads its vocabulary once; it makes a `TokenMatcher` for
each sequence. One step of a sequence, trying the free choice first, as a good model is mostly
right:

    forced = matcher.forced()               # the grammar leaves no choice: append, do not sample
    matcher.accept_many(forced)
    if not matcher.finished:
        token = sample(logits)
        if not matcher.allows(token):
            matcher.mask(logits)            # forbidden logits become -inf
            token = sample(logits)
        matcher.accept(token)

Matchers may be made in any thread (of an 8 MB stack, which compiling a long grammar takes); `mask`
uses scratch memory that the matchers of a model share, so one thread calls it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from llguidance import LLMatcher, LLParserLimits
from numpy.typing import NDArray

from localai.engines.llama.closing import BudgetWatch, way_to_end
from localai.engines.llama.grammar import grammar
from localai.engines.llama.grammar_errors import first_line, reason
from localai.engines.llama.number_limit import NumberLimit
from localai.engines.llama.token_tables import TokenTables, has_bit
from localai.errors import BadConstraint, ConstraintNotMet
from localai.types import Constraint

_NO_ANSWER: Final = "NoExtensionBias"  # llguidance's error where nothing can follow
_JSON: Final = ("json_schema", "json_object")  # kinds of constraints whose answer is JSON
_MAX_FORCED: Final = 20_000  # tokens at the start; a circle without a way out forces 50,000 of them

# Row b: what to add to eight logits whose mask is the byte b, lowest bit first (0 or -inf).
_ADDENDS: Final[NDArray[np.float32]] = np.where(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little") == 1,
    np.float32(0),
    np.float32(-np.inf),
)


class MatcherFactory:
    """Makes matchers for one model.

    Parameters
    ----------
    vocab : llama_vocab_p
        llama.cpp's vocabulary; it must outlive the factory and its matchers. It is read at the
        first `matcher()`, which takes 1 to 2 s for 128k tokens.
    """

    def __init__(self, vocab: Any) -> None:
        self._vocab = vocab
        self._tables: TokenTables | None = None

    def matcher(self, constraint: Constraint) -> TokenMatcher:
        """Return a new matcher at the start of an answer; BadConstraint if it cannot be kept."""
        if self._tables is None:
            self._tables = TokenTables(self._vocab)
        return TokenMatcher(self._tables, constraint)


class TokenMatcher:
    """Follows one answer through its constraint. Made by `Matchers.matcher`."""

    def __init__(self, tables: TokenTables, constraint: Constraint) -> None:
        self._tables = tables
        self._bits = np.zeros_like(tables.text_bits)
        self._filled = False  # whether `_bits` belongs to the present state
        limits = LLParserLimits(verbose_errors=False)
        self._numbers = NumberLimit() if constraint.kind in _JSON else None
        self._budget = BudgetWatch()
        self._matcher = LLMatcher(tables.tokenizer, grammar(constraint), log_level=0, limits=limits)
        self._check_start(constraint)

    def _check_start(self, constraint: Constraint) -> None:
        """Refuse what llguidance refuses, and what no answer at all can fulfil."""
        matcher, forced = self._matcher, []
        if not matcher.is_error():
            forced = matcher.compute_ff_tokens()
        if not matcher.is_error() and not matcher.is_stopped():
            self._fill()
        name = constraint.kind.replace("_", " ").replace("lark", "lark grammar")
        stuck = not (matcher.is_stopped() or self._bits.any())
        stuck |= matcher.get_error().startswith(_NO_ANSWER)
        if stuck or len(forced) > _MAX_FORCED or not all(map(self._is_text, forced)):
            raise BadConstraint(f"no answer can fulfil the {name}", "Look for circles in it")
        if matcher.is_error():
            why = reason(matcher.get_error(), constraint)
            raise BadConstraint(f"the {name} cannot be kept: {why}", "Correct or simplify it")

    @property
    def finished(self) -> bool:
        """Whether the answer is complete and nothing can follow, or its end was accepted."""
        return bool(self._matcher.is_stopped() and not self._matcher.is_error())

    @property
    def complete(self) -> bool:
        """Whether the text so far fulfils the constraint."""
        return bool(self._matcher.is_accepting() and not self._matcher.is_error())

    def mask(self, logits: NDArray[np.float32]) -> None:
        """Set the logits of forbidden tokens to -inf.

        `logits` is float32 of shape (n_vocab,), contiguous, changed in place. End-of-text tokens
        stay open exactly when the text is `complete`. ConstraintNotMet if nothing is left open.
        """
        tables = self._tables
        self._fill()
        self._check()
        if not self._bits.any():
            raise ConstraintNotMet("the constraint leaves no way to go on", "Simplify it")
        # Looking up eight logits a byte takes half the time of unpacking bits to a boolean mask.
        rows = self._within_numbers().view(np.uint8)
        np.take(_ADDENDS, rows, axis=0, out=tables.addends, mode="clip")
        logits += tables.addends.reshape(-1)[: tables.n_vocab]

    def allows(self, token: int) -> bool:
        """Return whether `token` may come next; needs no mask, and is much cheaper than one.

        Where a piece of text is forced, `mask` leaves open the usual token for it alone; this is
        true of every token that begins it.
        """
        if token in self._tables.ends:
            return self.complete
        if not self._is_text(token) or self._matcher.is_stopped() or self._overruns(token):
            return False
        return bool(self._matcher.validate_tokens([token]) == 1)

    def forced(self) -> list[int]:
        """Return the tokens that leave no choice, perhaps none; hand them to `accept_many`."""
        tokens: list[int] = self._matcher.compute_ff_tokens()
        self._check()
        return tokens

    def instead(self, token: int, left: int) -> list[int] | None:
        """Return what completes the answer where a token would leave too few; None: take it.

        Parameters
        ----------
        left : int
            Tokens that the answer may still have, this one included.
        """
        return self._budget.instead(token, left, self._matcher, self._tables)

    def way_to_end(self, most: int) -> list[int]:
        """Return at most so many tokens that complete the answer; none where there is no way."""
        way = way_to_end(self._matcher, self._tables, most) or []
        return way if len(way) <= most else []

    def accept(self, token: int) -> None:
        """Go on by one token; ConstraintNotMet if it was not allowed."""
        self.accept_many([token])

    def accept_many(self, tokens: Iterable[int]) -> None:
        """Go on by some tokens; ConstraintNotMet if one of them was not allowed."""
        for token in tokens:
            closed = not self._is_text(token)
            if closed and not (token in self._tables.ends and self.complete):
                raise ConstraintNotMet(f"token {token} is not allowed in the answer at this point")
            self._filled = False
            self._matcher.consume_token(token)
            self._check()
            if self._numbers and not closed:
                self._numbers.feed(self._tables.piece(token))

    def _overruns(self, token: int) -> bool:
        """Whether a token makes a number longer than JSON's readers keep."""
        if not self._numbers or not self._numbers.is_near(self._tables.most_digits):
            return False
        return has_bit(self._tables.overrunning(self._numbers, self._is_integer())[0], token)

    def _within_numbers(self) -> NDArray[np.int32]:
        """Return `_bits` without the tokens that make a number too long.

        A schema that asks for more digits gets them, but no zeros if others are possible: behind
        `0.000` a number above 0 would else never end.
        """
        if not self._numbers or not self._numbers.is_near(self._tables.most_digits):
            return self._bits
        overruns, zeros = self._tables.overrunning(self._numbers, self._is_integer())
        for closed in (overruns, zeros):
            if (bits := self._bits & ~closed).any():
                return bits
        return self._bits

    def _is_integer(self) -> bool:
        point = self._tables.point
        in_whole = self._numbers is not None and self._numbers.in_whole
        return in_whole and (point is None or self._matcher.validate_tokens([point]) != 1)

    def _is_text(self, token: int) -> bool:
        return 0 <= token < self._tables.n_vocab and has_bit(self._tables.text_bits, token)

    def _fill(self) -> None:
        """Bring `_bits` up to date: int32 (ceil(n_vocab / 32),), a bit set for an open token."""
        if self._filled:
            return
        self._matcher.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        # The library opens end-of-text where it is stuck, and control tokens that a grammar names.
        tables = self._tables
        self._bits &= tables.text_and_end_bits if self.complete else tables.text_bits
        self._filled = True

    def _check(self) -> None:
        if self._matcher.is_error():
            why = first_line(self._matcher.get_error())
            raise ConstraintNotMet(f"the constraint could not be followed: {why}", "Simplify it")
