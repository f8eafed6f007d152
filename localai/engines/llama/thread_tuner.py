"""How many threads evaluate: no more than find a core.

The threads of llama.cpp wait for each other after every node of the graph. One that finds no core,
because another program has it, holds all others up, and what they do meanwhile is spin. On two
cores of which a busy loop takes one, two threads decode at half the speed of one.
"""

from __future__ import annotations

_WINDOW = 0.1  # seconds of evaluation that are judged together, at least; a step is not cut
_MISSING = 0.4  # cores; to find fewer than the threads less this many is to lack one
_PATIENCE = 8  # windows between two tries, to begin with
_MOST_PATIENCE = 128


class ThreadTuner:
    """Chooses the threads of the next step from the processor time that the last ones have got.

    Threads that wait for each other spin, so a step in which each has a core takes as much
    processor time as its wall time times the threads. Where it takes less, a crew is tried that
    fits the cores that were found, and kept unless it is slower; now and then all are tried again.

    Parameters
    ----------
    most : int
        Threads where nobody else needs the cores, at least 1.
    """

    def __init__(self, most: int) -> None:
        self.size = self._most = most
        self._before: tuple[int, float, int] | None = None  # size, pace and tokens before a try
        self._patience = _PATIENCE
        # Windows since the last try. The first one tells nothing: it waits for the file's pages.
        self._settled = _PATIENCE - 2
        self._clear()

    def _clear(self) -> None:
        self._wall = self._cpu = 0.0
        self._steps = 0
        self._tokens: int | None = None

    def note(self, tokens: int, wall: float, cpu: float) -> None:
        """Judge a step and set `size` for the next one.

        Parameters
        ----------
        tokens : int
            How many were evaluated.
        wall, cpu : float
            Seconds that it took, and seconds of processor time in all threads.
        """
        if self._most == 1:
            return
        if tokens != self._tokens and self._steps:
            self._clear()  # steps of different sizes do not compare
        self._tokens = tokens
        self._wall += wall
        self._cpu += cpu
        self._steps += 1
        if self._wall >= _WINDOW:
            self._judge(tokens, self._wall / self._steps, self._cpu / self._wall)
            self._clear()

    def _judge(self, tokens: int, pace: float, found: float) -> None:
        self._settled += 1
        lacking = self.size - found > _MISSING
        if self._before is not None:
            self._end_try(tokens, pace, lacking)
            return
        wanted = max(1, round(found)) if lacking else self._most
        if wanted != self.size and self._settled >= self._patience:
            self._before = (self.size, pace, tokens)
            self.size = wanted
            self._settled = 0

    def _end_try(self, tokens: int, pace: float, lacking: bool) -> None:
        assert self._before is not None
        size, former, counted = self._before
        self._before = None
        smaller = self.size < size
        slower = pace > former if tokens == counted else not smaller
        if slower and (smaller or lacking):
            self.size = size
            self._patience = min(2 * self._patience, _MOST_PATIENCE)
        elif not lacking and not smaller:
            self._patience = _PATIENCE
