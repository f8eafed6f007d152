"""GBNF, llama.cpp's notation of grammars, checked in the user's own lines and made Lark.

The notation: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
"""

from __future__ import annotations

import re
from typing import Final

from llguidance.gbnf_to_lark import gbnf_to_lark

from localai.errors import BadConstraint

_PIECE: Final = re.compile(
    r'(?P<literal>"(?:\\.|[^"\\])*")|(?P<chars>\[(?:\\.|[^\]\\])*\])|(?P<comment>\#[^\n]*)'
    r"|(?P<times>\{[^}\n]*\})|(?P<rule>[A-Za-z0-9_-]+(?=[ \t]*::=))|(?P<name>[A-Za-z0-9_-]+)"
    r"|(?P<define>::=)|(?P<blank>[ \t\r]+)|(?P<line>\n)|(?P<often>[*+?])|(?s:.)"
)
_ESCAPE: Final = re.compile(
    r"""\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|["\\\[\]nrt])"""
)
_HEX: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)")
_MEMBER: Final = r"\\(?:[xuU][0-9a-fA-F]+|.)|[^\\]"
_RANGE: Final = re.compile(rf"({_MEMBER})(?:-(?!$)({_MEMBER}))?", re.S)
_TIMES: Final = re.compile(r"\{\s*(\d+)\s*(?:,\s*(\d*)\s*)?\}")
_DEEPEST: Final = 200  # groups within groups; the converter recurses along them
_PLAIN: Final = {"n": "\n", "r": "\r", "t": "\t"}


def lark_of_gbnf(source: str) -> str:
    r"""GBNF -> Lark, by llguidance's converter; what that one gets wrong is rewritten before.

    It stumbles over \u escapes and over rules whose names differ in case alone, and takes `&&`,
    `~~` and `--` in a class for set operators.

    Raises
    ------
    BadConstraint
        The grammar is not valid; with line and column.
    """
    _Checker(source).check()
    names: dict[str, str] = {}
    try:
        return str(gbnf_to_lark(_PIECE.sub(lambda piece: _rewritten(piece, names), source)))
    except Exception as error:  # the converter raises Exception itself, and RecursionError
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise BadConstraint(f"the gbnf grammar is not valid: {why}", "Correct it") from None


class _Checker:
    """Walks over a grammar once and refuses it at the first piece that cannot stand there."""

    def __init__(self, source: str) -> None:
        self._pieces = list(_PIECE.finditer(source))
        self._rules = {piece[0] for piece in self._pieces if piece.lastgroup == "rule"}
        self._seen: set[str] = set()
        self._open: list[re.Match[str]] = []  # brackets
        self._long: re.Match[str] | None = None  # the first literal of several lines
        self._in_rule = False
        self._awaits = False  # something has to follow, on the next line perhaps
        self._repeatable = False  # what stands before can be repeated

    def check(self) -> None:
        """Refuse what is not valid."""
        for piece in self._pieces:
            kind = piece.lastgroup or piece[0]
            if kind == "line":
                self._in_rule = self._in_rule and bool(self._awaits or self._open)
            elif kind in ("rule", "define"):
                self._head(piece, kind)
            elif kind not in ("blank", "comment"):
                self._body(piece, kind)
        if self._open:
            raise self._wrong("this ( is never closed", self._open[-1])
        if "root" not in self._seen:
            raise BadConstraint("the gbnf grammar has no rule 'root'", "Name the first rule root")

    def _head(self, piece: re.Match[str], kind: str) -> None:
        if self._open:
            raise self._wrong("this ( is never closed", self._open[-1])
        if kind == "define":
            if not self._awaits or self._repeatable:
                raise self._wrong("there is no rule's name before this ::=", piece)
            self._awaits = True
            return
        if self._in_rule:
            what = "nothing stands before" if self._awaits else "a line has to end before"
            raise self._wrong(f"{what} the rule {piece[0]!r}", piece)
        if piece[0] in self._seen:
            raise self._wrong(f"the rule {piece[0]!r} is there twice", piece)
        self._seen.add(piece[0])
        self._in_rule, self._awaits, self._repeatable = True, True, False

    def _body(self, piece: re.Match[str], kind: str) -> None:
        if kind in ('"', "[", "{"):
            raise self._wrong(f"this {kind} is never closed", piece)
        if not self._in_rule:
            raise self._wrong("a rule begins with its name and ::=", piece)
        if kind in ("often", "times"):
            self._repeat(piece)
        elif kind in ("|", "("):
            self._awaits, self._repeatable = self._awaits or kind == "|", False
            self._open += [piece] * (kind == "(")
            if len(self._open) > _DEEPEST:
                raise self._wrong("it is nested too deep", piece)
        elif kind == ")":
            if not self._open:
                raise self._wrong("this ) closes nothing", piece)
            self._open.pop()
            self._awaits, self._repeatable = False, True
        else:
            self._item(piece, kind)

    def _item(self, piece: re.Match[str], kind: str) -> None:
        if kind == "name" and piece[0] not in self._rules:
            raise self._wrong(f"there is no rule {piece[0]!r}", piece)
        if kind in ("literal", "chars"):
            self._escapes(piece)
        if kind == "literal" and "\n" in piece[0]:
            self._long = self._long or piece
        if kind == "chars":
            self._characters(piece)
        if kind not in ("name", "literal", "chars", "."):
            raise self._wrong(f"{kind!r} has no meaning here", piece)
        self._awaits, self._repeatable = False, True

    def _repeat(self, piece: re.Match[str]) -> None:
        times = _TIMES.fullmatch(piece[0])
        if not self._repeatable:
            raise self._wrong(f"nothing that can be repeated stands before {piece[0]}", piece)
        if piece.lastgroup == "times" and not times:
            raise self._wrong(f"{piece[0]} is none of {{2}}, {{2,}}, {{2,5}}", piece)
        if times and times[2] and int(times[2]) < int(times[1]):
            raise self._wrong(f"{piece[0]} runs backwards", piece)
        self._repeatable = False

    def _escapes(self, piece: re.Match[str]) -> None:
        for escape in re.finditer(r"\\(.)", _ESCAPE.sub(lambda e: "_" * len(e[0]), piece[0])):
            what = f"\\{escape[1]} is no escape; \\\\ is a backslash"
            raise self._wrong(what, piece, escape.start())
        for escape in _HEX.finditer(piece[0]):
            if any(escape.groups()) and not _is_character(escape):
                raise self._wrong(f"{escape[0]} is no character", piece, escape.start())

    def _characters(self, piece: re.Match[str]) -> None:
        start = 2 if piece[0].startswith("[^") else 1
        if len(piece[0]) <= start + 1:
            raise self._wrong(f"{piece[0]} names no character", piece)
        for found in _RANGE.finditer(piece[0][:-1], start):
            if found[2] and _read(found[1]) > _read(found[2]):
                raise self._wrong(f"the range {found[0]} runs backwards", piece, found.start())

    def _wrong(self, what: str, piece: re.Match[str], offset: int = 0) -> BadConstraint:
        if self._long and self._long.start() < piece.start():  # what follows was misread
            what, piece, offset = 'this " is not closed on its line', self._long, 0
        at = piece.start() + offset
        line = piece.string.count("\n", 0, at) + 1
        column = at - piece.string.rfind("\n", 0, at)
        place = f"(line {line}, column {column})"
        return BadConstraint(f"the gbnf grammar is not valid: {what} {place}", "Correct it")


def _rewritten(piece: re.Match[str], names: dict[str, str]) -> str:
    text = piece[0]
    match piece.lastgroup:
        case "rule" | "name":
            return "root" if text == "root" else names.setdefault(text, f"r{len(names)}")
        case "literal":
            return _HEX.sub(_character, text)
        case "chars":
            text = _HEX.sub(_character, text).replace("&", r"\x26").replace("~", r"\x7E")
            return text.replace("--", r"-\x2D")
        case "comment":
            return ""
    return text


def _code(escape: re.Match[str]) -> int | None:
    digits = escape[1] or escape[2] or escape[3]
    return None if digits is None else int(digits, 16)


def _is_character(escape: re.Match[str]) -> bool:
    code = _code(escape) or 0
    return code <= 0x10FFFF and not 0xD800 <= code < 0xE000


def _character(escape: re.Match[str]) -> str:
    r"""`\u00e9` -> é; what could be mistaken for syntax stays an escape, `\u0022` -> `\x22`."""
    code = _code(escape)
    if code is None:
        return escape[0]
    return chr(code) if code > 0x9F else f"\\x{code:02x}"


def _read(member: str) -> str:
    """Return the character that a member of a class stands for."""
    escape = _HEX.fullmatch(member)
    code = _code(escape) if escape else None
    if code is not None:
        return chr(code)
    return _PLAIN.get(member[1:], member[1:]) if len(member) > 1 else member
