"""How an answer that is held to a form comes to its end before its tokens run out.

A model need not close what it has opened: a string may go on until there is no token left, and
then the answer is no JSON. So it is known, of where the answer stands, how few tokens would
complete it, and when a token more would leave too few, the answer is completed instead.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
from llguidance import LLMatcher

from localai.engines.llama.token_tables import TokenTables

_LOOKS: Final = 24  # looks until what is left is half
_FIRST: Final = 16  # looks
_NEAR: Final = 16  # tokens
_RISE: Final = 48  # tokens; what must follow a token that opens something is seldom longer
_ENDLESS: Final = 2_000  # tokens: no way to an end is longer than what a look may cost
# What brings an answer on, the best first; of one kind each is as good as the others.
_KINDS: Final = (b'"', b",", b"0123456789", b"nulltruefalse", b"abcdefghijklmnopqrsuvwxyz", b")",
                 b"}", b"]", b".", b"-", b":", b";", b"/", b"|", b"+", b"=", b"@", b"(", b" ",
                 b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"[", b"{", b"\n", b"_#$%&*!?'<>^`~\\")  # fmt: skip
_OTHERS: Final = len(_KINDS)  # the kind of every token that is none of these
_LETTER: Final = b"q"  # in JSON it stands in texts alone


def way_to_end(matcher: LLMatcher, tables: TokenTables, most: int) -> list[int] | None:
    """Return few tokens that complete an answer; None: no way was found.

    The way is short, not the shortest: strings and lists are closed, numbers are one digit, and
    what else the form asks for is gone through kind by kind, so that a circle is left. One of more
    than `most` tokens comes cut, a token longer than that.

    Parameters
    ----------
    matcher : LLMatcher
        Where the answer stands; stays there.
    """
    ahead, used = matcher.deep_copy(), Counter[int]()
    way: list[int] = []
    while not ahead.is_error() and len(way) <= most:
        if ahead.is_accepting():
            return way
        tokens = ahead.compute_ff_tokens()
        if not tokens:
            kind, token = _next(ahead, tables, used)
            used[kind] += 1
            tokens = [token]
        if min(tokens) < 0 or not ahead.consume_tokens(tokens):
            return None
        way += tokens
    return None if ahead.is_error() else way[: most + 1]


def _next(matcher: LLMatcher, tables: TokenTables, used: Counter[int]) -> tuple[int, int]:
    """Return the kind and the id of the token that leads on; -1: there is none.

    Single tokens are tried, each in a microsecond or two: a mask of all takes as long as fifty.
    """

    def opens(byte: bytes) -> int | None:
        token = tables.single.get(byte)
        return token if token is not None and matcher.validate_tokens([token]) == 1 else None

    in_text = opens(_LETTER) is not None
    # In no text what is open can be closed; in one, that comes first which ends it.
    for closing in (b'"',) if in_text else (b"}", b"]"):
        if (token := opens(closing)) is not None:
            return _KINDS.index(closing), token

    def order(at: int) -> tuple[int, bool, int]:
        return used[at], in_text and not _KINDS[at].isalpha(), at

    for at in sorted(range(len(_KINDS)), key=order):
        for byte in _KINDS[at]:
            if (token := opens(bytes([byte]))) is not None:
                return at, token
    return _OTHERS, _any(matcher, tables)


def _any(matcher: LLMatcher, tables: TokenTables) -> int:
    """Return the first token of all that may come next; -1: there is none."""
    bits = np.zeros_like(tables.text_bits)
    matcher.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
    bits &= tables.text_bits
    words = np.flatnonzero(bits)
    if not len(words):
        return -1
    word = int(bits[words[0]]) & 0xFFFFFFFF
    return int(words[0]) * 32 + (word & -word).bit_length() - 1


class BudgetWatch:
    """Watches the tokens that one answer has left.

    One token can make the way to the end longer by much: a comma in a list asks for a whole item
    more. So every token is looked at where another such rise could leave too few, and the first
    ones, which tell how large a rise is; else a look, which costs about as much as a mask, is
    taken now and then.
    """

    def __init__(self) -> None:
        self._look_at: float = float("inf")  # tokens left
        self._way: list[int] | None = None  # from where the answer stood when it was looked at
        self._known_at = 0  # tokens left then
        self._first = _FIRST  # looks that are taken at each token
        self._circles = False  # ways in this form are not to be believed
        self._rise = _RISE  # tokens by which the way has grown from one look to another, at most

    def instead(
        self, token: int, left: int, matcher: LLMatcher, tables: TokenTables
    ) -> list[int] | None:
        """Return what completes the answer, where `token` would leave too few; None: go on.

        Nothing completes one that is complete already.

        Parameters
        ----------
        token : int
            What the model wants to say.
        left : int
            Tokens that the answer may still have, this one included.
        """
        if left > self._look_at:
            return None
        most = min(left, _ENDLESS)
        ahead = matcher.deep_copy()
        after = way_to_end(ahead, tables, most - 1) if ahead.consume_tokens([token]) else None
        spare = left - 1 - len(after) if after is not None else -1
        if spare < 0:
            here = self._way if self._known_at == left else way_to_end(matcher, tables, most)
            short = len(here) if here is not None else left + 1
            # A way that was not found may be there: only near the end is the known one taken.
            if short <= left and (left <= short + _NEAR or (after and self._ends(ahead, tables))):
                return here
            self._look_at = left - 1 - (left // 2) // _LOOKS
        else:
            assert after is not None
            self._note(after, left - 1)
            pause = max(0, spare - 2 * self._rise) // _LOOKS
            self._look_at = left - 1 - (0 if self._first else pause)
            self._first = max(0, self._first - 1)
        self._way, self._known_at = after, left - 1
        return None

    def _ends(self, matcher: LLMatcher, tables: TokenTables) -> bool:
        """Whether a way that is too long leads to an end; in some forms it goes in a circle."""
        if not self._circles:
            way = way_to_end(matcher, tables, _ENDLESS)
            self._circles = way is None or len(way) > _ENDLESS
        return not self._circles

    def _note(self, way: list[int], left: int) -> None:
        """Take how far the way has grown since the last look."""
        if self._way is not None:
            before = max(0, len(self._way) - (self._known_at - left))
            self._rise = max(self._rise, len(way) - before)
