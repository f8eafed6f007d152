"""A text in sentences: for voices, which take one at a time. Pure."""

from __future__ import annotations

import re
import textwrap

# A sentence ends at . ! ? or an ellipsis (with what closes it: quotes, brackets), where white space
# and no small letter follows: "It was ... cold" goes on. Scripts without spaces end at their own
# marks.
_END = re.compile(
    r"(?:[.!?\u2026]+[\"'\u201d\u2019\u00bb)\]]*(?=\s+[^\sa-z]))|[\u3002\uff01\uff1f]"
)
_TAIL = 16  # characters
# What ends in a full stop and ends no sentence.
_SHORT = re.compile(
    r"(?:^|[\s\u3002\uff01\uff1f])(?:Mr|Mrs|Ms|Dr|St|Prof|No|Nr|vs|etc|e\.g|i\.e|z\.B|d\.h|bzw|ca|M|Mme|Mlle|[A-Z])\.$"
)
_NUMBERED = re.compile(r"(?:^|[\s\u3002\uff01\uff1f])\d+\.$")  # "1. Open the door", "am 3. Mai"


def sentences(text: str) -> list[str]:
    """Return the sentences of a text in order, without the space between them.

    Nothing but white space is lost; a text without a full stop is one sentence. Lines of their own
    are sentences of their own.
    """
    found: list[str] = []
    for line in text.splitlines():
        begin = 0
        for end in _END.finditer(line):
            # Its last letters tell: a look at all of a long one at each of its points takes long.
            tail = max(begin, end.end() - _TAIL), end.end()
            if not _SHORT.search(line, *tail) and not _NUMBERED.search(line, *tail):
                found.append(line[begin : end.end()].strip())
                begin = end.end()
        found.append(line[begin:].strip())
    return [each for each in found if each]


def pieces(text: str, most: int) -> list[str]:
    """Return a text in pieces of at most `most` characters, parted at white space where there is.

    Nothing but white space is lost.
    """
    return textwrap.wrap(text, most, break_on_hyphens=False)
