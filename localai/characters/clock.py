"""The time in a card's macros, as cards of other programs ask for it. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

# `{{time_UTC+2}}` and `{{time::UTC+2}}`: hours, perhaps with minutes.
_ZONE = re.compile(r"utc([+-]\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)
_MOST_HOURS = 23
# The tokens of moment.js that cards use, and what `strftime` calls them; longer ones first.
_TOKENS = {
    "YYYY": "%Y", "YY": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m", "DDDD": "%j",
    "DD": "%d", "D": "%-d", "dddd": "%A", "ddd": "%a", "HH": "%H", "H": "%-H", "hh": "%I",
    "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "A": "%p", "a": "%p",
}  # fmt: skip
_TOKEN = re.compile(r"\[([^\[\]]*)\]|" + "|".join(_TOKENS))


def in_zone(now: datetime, zone: str) -> str | None:
    """Return the time of day in a zone such as `UTC+2`; None: that is no zone."""
    found = _ZONE.fullmatch(zone.strip())
    if not found or abs(int(found[1])) > _MOST_HOURS:
        return None
    minutes = int(found[2] or 0) * (-1 if found[1].startswith("-") else 1)
    offset = timezone(timedelta(hours=int(found[1]), minutes=minutes))
    return now.astimezone(offset).strftime("%H:%M")


def formatted(now: datetime, form: str) -> str:
    """Return a time as moment.js would write it: `DD.MM.YYYY HH:mm`; `[at]` is text."""

    def token(match: re.Match[str]) -> str:
        if match[0].startswith("["):
            return match[1]
        code = _TOKENS[match[0]]
        text = now.strftime(code.replace("-", ""))
        text = text.lstrip("0") or "0" if "-" in code else text
        return text.lower() if match[0] == "a" else text

    return _TOKEN.sub(token, form)
