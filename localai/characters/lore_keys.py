"""Where the keys of a lorebook occur in what was said, until that has taken too long. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from localai.characters.card import LoreEntry
from localai.characters.macros import MacroValues, expand
from localai.characters.safe_regex import LOOK, WRITTEN, safe

_MOST_SCANNED = 1 << 16  # characters, the newest; keys are looked for in no more
_MOST_WORK = 1 << 30  # steps for all keys of a book; some seconds if it comes to the worst
_WORD_COST = 16  # steps a character, where a key is looked for as a word
_MACRO = re.compile(r"\{\{|<(?:user|char|bot)>", re.IGNORECASE)
# Scripts that set no space between words: there, every key is a word.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_LETTER = rf"[^\W{_UNSPACED}]"
_MOST_PLACES = 1000  # where a word may stand before a mark, and is looked for no further


class KeyText:
    """A text to look for keys in, its newest part; composed, so that é is é however it is coded."""

    def __init__(self, text: str) -> None:
        self.plain = unicodedata.normalize("NFC", text[-_MOST_SCANNED:])
        self.folded = folded(self.plain)


def folded(text: str) -> str:
    """Return a text as it is compared where large and small letters are the same."""
    return unicodedata.normalize("NFC", text.casefold())


class Scan:
    """Looks for the keys of entries in the last messages and in the texts of other entries.

    Parameters
    ----------
    said : sequence of str
        What was said, oldest first.
    depth : int
        In how many of the last messages, where an entry says nothing of it.
    values : MacroValues
        What macros in keys stand for, and the fields of the card that entries look through.
    """

    def __init__(self, said: Sequence[str], depth: int, values: MacroValues) -> None:
        self._said, self._depth, self._values = said, depth, values
        self._quoted = replace(values, char=re.escape(values.char), user=re.escape(values.user))
        self._work = _MOST_WORK
        self._lore = ""
        self._texts: dict[tuple[int, int, tuple[str, ...]], KeyText] = {}

    def calls(self, entry: LoreEntry, depth: int | None, until: int | None = None) -> bool:
        """Whether the conversation calls for an entry.

        Parameters
        ----------
        depth : int or None
            How many messages are looked through; None: as the book says.
        until : int or None
            So many messages had been said; None: all of them.
        """
        end = len(self._said) if until is None else until
        depth = self._depth if depth is None else depth
        depth = max(0, min(depth, end))
        if not depth and not self._lore and not entry.also_match:
            return False
        return self._hits(entry, self._text(end, depth, entry.also_match))

    def read(self, texts: Iterable[str]) -> None:
        """Take texts of entries as what `calls` looks through, too, from now on."""
        left, found = max(0, _MOST_SCANNED - len(self._lore)), [self._lore]
        for text in texts:
            found.append(expand(text[:left], self._values, hidden=True))
            left -= len(text[:left])
        self._lore = "\n".join(filter(None, found))
        self._texts.clear()

    def _text(self, end: int, depth: int, fields: tuple[str, ...]) -> KeyText:
        if (end, depth, fields) not in self._texts:
            parts = [self._values.texts.get(_FIELDS.get(name, name), "") for name in fields]
            parts += [*self._said[end - depth : end], self._lore]
            self._texts[end, depth, fields] = KeyText("\n".join(filter(None, parts)))
        return self._texts[end, depth, fields]

    def _hits(self, entry: LoreEntry, text: KeyText) -> bool:
        if not any(self._occurs(key, entry, text) for key in entry.keys):
            return False
        secondary = [key for key in entry.secondary if key.strip()] if entry.selective else []
        if not secondary:
            return True
        there = (self._occurs(key, entry, text) for key in secondary)
        # A search that was given up has not shown that a key is absent.
        return _LOGIC[entry.logic](there) and self._work > 0

    def _occurs(self, key: str, entry: LoreEntry, text: KeyText) -> bool:
        if self._work <= 0 or not key.strip():
            return False
        key = unicodedata.normalize("NFC", key)
        if entry.use_regex or WRITTEN.fullmatch(key):
            if _MACRO.search(key):
                key = expand(key, self._quoted)
            pattern = safe(key, entry.case_sensitive)
            self._work -= pattern.cost(text.plain) if pattern else LOOK
            return pattern is not None and self._work > 0 and pattern.found_in(text.plain)
        if _MACRO.search(key):
            key = expand(key, self._values)
        self._work -= len(key) + len(text.plain)
        where, what = (text.plain, key) if entry.case_sensitive else (text.folded, folded(key))
        if entry.whole_words and len(what.split()) == 1:
            self._work -= len(where) * _WORD_COST
            return is_word_of(what.strip(), where)
        return bool(what) and what in where


@lru_cache(maxsize=4096)
def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!{_LETTER}){re.escape(word)}(?!{_LETTER})")


def is_word_of(word: str, text: str) -> bool:
    """Whether a word stands in a text, and not only as a part of a longer one."""
    found = islice(_word(word).finditer(text), _MOST_PLACES)
    # A mark (a vowel sign, say) belongs to the letter before it.
    return any(
        not unicodedata.category(text[m.end()]).startswith("M") if m.end() < len(text) else True
        for m in found
    )


# What texts of the card are called among the macros' values.
_FIELDS = {"creator_notes": "creatornotes", "note": "chardepthprompt"}
_LOGIC: dict[str, Callable[[Iterable[bool]], bool]] = {
    "any": any,
    "all": all,
    "not_any": lambda found: not any(found),
    "not_all": lambda found: not all(found),
}
