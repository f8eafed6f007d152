"""Radio bands, and the way a box goes through one: step after step. Pure."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple, get_args

Direction = Literal["forward", "reverse", "bounce", "random"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
STEPS = (50, 1000)
"""The shortest and the longest step, in milliseconds."""


class Band(NamedTuple):
    """A band of the dial.

    Attributes
    ----------
    low, high, spacing : float
        In `unit`: where it begins and ends, and from one station to the next.
    sound : tuple of float
        Hz: what of a sound such a receiver lets through, lowest and highest.
    """

    name: str
    low: float
    high: float
    spacing: float
    unit: str
    sound: tuple[float, float]

    @property
    def stations(self) -> int:
        """How many places of the dial there are."""
        return round((self.high - self.low) / self.spacing) + 1

    def frequency(self, station: int) -> float:
        """Return where a station is, from 0."""
        return round(self.low + station * self.spacing, 3)

    def told(self, frequency: float) -> str:
        """Return a frequency as people read it: `93.4 MHz`."""
        return (
            f"{frequency:.1f} {self.unit}" if self.spacing < 1 else f"{frequency:.0f} {self.unit}"
        )


BANDS: dict[str, Band] = {
    "fm": Band("FM", 88.0, 108.0, 0.1, "MHz", (100.0, 9000.0)),
    "am": Band("AM", 531.0, 1602.0, 9.0, "kHz", (300.0, 3400.0)),
}


class Sweep:
    """A way through a band that never ends.

    Parameters
    ----------
    direction : Direction
        `forward` and `reverse` begin anew at the band's end, `bounce` turns there, `random` jumps.
    """

    def __init__(self, band: Band, direction: Direction, chance: random.Random) -> None:
        self.band, self.direction = band, direction
        self._chance = chance
        self._station = band.stations - 1 if direction == "reverse" else 0
        self._way = 1

    @property
    def frequency(self) -> float:
        """Where it is."""
        return self.band.frequency(self._station)

    def turn(self, direction: Direction) -> None:
        """Go on from here in another way."""
        self.direction = direction

    def move(self) -> float:
        """Go one step and return where that leads."""
        last = self.band.stations - 1
        match self.direction:
            case "forward":
                self._station = (self._station + 1) % (last + 1)
            case "reverse":
                self._station = (self._station - 1) % (last + 1)
            case "random":
                self._station = self._chance.randint(0, last)
            case "bounce":
                if not 0 <= self._station + self._way <= last:
                    self._way = -self._way
                self._station += self._way
        return self.frequency
