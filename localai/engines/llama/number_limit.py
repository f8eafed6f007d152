"""Where the numbers of a JSON answer end: a model that repeats digits would go on for ever.

JSON sets no limit, so a grammar of it leaves digits open without end. No reader keeps more than
an integer of 64 bits (19 digits) or a 64-bit float (17 significant digits, and an exponent of 3).
"""

from __future__ import annotations

from typing import Final, NamedTuple

MOST_OF_INTEGER: Final = 19  # digits
MOST_OF_NUMBER: Final = 17  # digits, those before the point and leading zeros behind it included
MOST_OF_EXPONENT: Final = 3  # digits

_DIGITS: Final = b"0123456789"


class Place(NamedTuple):
    """Where in a number the text stands."""

    part: str = ""  # whole, fraction or exponent; empty: in no number
    digits: int = 0  # of the mantissa, or of the exponent


def _step(place: Place, byte: int) -> Place:
    part, digits = place
    if byte in _DIGITS:
        # The 0 of 0.5 says nothing.
        zero = byte == 0x30 and digits == 0 and part in ("", "whole")
        return Place(part or "whole", digits + (not zero))
    if part == "whole" and byte == 0x2E:
        return Place("fraction", digits)
    if part in ("whole", "fraction") and byte in b"eE":
        return Place("exponent")
    if (part == "exponent" and byte in b"+-") or byte == 0x2D:
        return Place(part or "whole", digits)
    return Place()


class NumberLimit:
    """Follows the text of a JSON answer and says which pieces would make a number too long."""

    def __init__(self) -> None:
        self.place = Place()
        self._in_string = self._escaped = False

    def feed(self, piece: bytes) -> None:
        """Go on by a piece of the answer."""
        for byte in piece:
            if self._in_string:
                self._in_string = self._escaped or byte != 0x22
                self._escaped = not self._escaped and byte == 0x5C
            else:
                self._in_string = byte == 0x22
                self.place = _step(self.place, byte)

    @property
    def in_whole(self) -> bool:
        """Whether the text ends before the point of a number."""
        return self.place.part == "whole"

    @property
    def in_fraction(self) -> bool:
        """Whether the text ends behind the point of a number, where zeros add nothing."""
        return self.place.part == "fraction"

    def is_near(self, digits: int) -> bool:
        """Whether so many more digits could be too many."""
        part, before = self.place
        most = MOST_OF_EXPONENT if part == "exponent" else MOST_OF_NUMBER
        return part != "" and before + digits >= most

    def overruns(self, piece: bytes, *, integer: bool) -> bool:
        """Whether a piece would make the number that the text ends in too long.

        Parameters
        ----------
        integer : bool
            No point can follow.
        """
        place, number = self.place, MOST_OF_INTEGER if integer else MOST_OF_NUMBER
        for byte in piece:
            place = _step(place, byte)
            if not place.part:
                return False
            if place.digits > (MOST_OF_EXPONENT if place.part == "exponent" else number):
                return True
        return piece.endswith(b".") and place.digits >= number  # a digit would have to follow
