"""What stable-diffusion.cpp says while it works: log lines, steps, pictures on their way.

Its callbacks stay for the life of the process: it keeps the pointers that it was given, and what
the binding gives it for one call is freed after that. What a callback raises would be lost.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from stable_diffusion_cpp import stable_diffusion_cpp as native

WARN, ERROR = 2, 3  # sd_log_level_t
_KEPT: Final = 2000  # log lines: a LoRA that does not fit has one a tensor
_PLACE: Final = re.compile(r"^[\w.-]+:\d+ *- ")  # "stable-diffusion.cpp:299  - "

Progressed = Callable[[int, int], None]
"""Told how many steps of how many are done."""
Previewed = Callable[[int, int, bytes], None]
"""Told width, height and RGB bytes of a picture on its way."""


class LibraryTalk:
    """Takes what the library says, and tells those who want to hear it now."""

    def __init__(self) -> None:
        self.lines: deque[tuple[int, str]] = deque(maxlen=_KEPT)
        self.sampling = False  # progress is told of loading, of sampling and of decoding alike
        self.progress: Progressed | None = None
        self.preview: Previewed | None = None
        self._log = native.sd_log_callback(self._take_line)
        self._progress = native.sd_progress_callback(self._take_progress)
        self._preview = native.sd_preview_callback(self._take_preview)
        native.sd_set_log_callback(self._log, None)
        native.sd_set_progress_callback(self._progress, None)
        self.show_previews(0)

    def show_previews(self, mode: int, every: int = 1) -> None:
        """Ask for previews of a kind from now on, one in so many steps; mode 0: none."""
        self._mode, self._every = mode, every
        self._want_preview(1)

    def _want_preview(self, step: int) -> None:
        """Say whether a step is shown: the library takes an interval, and does not heed it."""
        shown = self._mode != 0 and step % self._every == 0
        native.sd_set_preview_callback(self._preview, self._mode, 1, shown, False, None)

    def begin(self, progress: Progressed | None, preview: Previewed | None) -> None:
        """Forget what was said, and tell these from now on."""
        self.lines.clear()
        self.sampling = False
        self.progress, self.preview = progress, preview

    def first(self, level: int = ERROR) -> str:
        """Return the first line of at least a level, or nothing: those after it only follow."""
        return next((text for at, text in self.lines if at >= level), "")

    def said(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Return where the lines of what was said have a pattern."""
        return [found for _, text in self.lines if (found := pattern.search(text))]

    # Called by the library; an exception in one of them would be lost.

    def _take_line(self, level: int, text: bytes | None, _: Any) -> None:
        line = _PLACE.sub("", (text or b"").decode("utf-8", "replace").strip())
        if line.startswith("generating image:"):
            self.sampling = True
        elif line.startswith("sampling completed"):
            self.sampling = False
        self.lines.append((level, line))
        if level >= ERROR:  # for the last words, should the process end
            os.write(2, f"{line}\n".encode("utf-8", "replace"))

    def _take_progress(self, step: int, steps: int, _: float, __: Any) -> None:
        if self.sampling and self.progress is not None and 0 <= step <= steps:
            if self._mode:
                self._want_preview(step + 1)
            self.progress(step, steps)

    def _take_preview(self, _: int, count: int, frames: Any, __: bool, ___: Any) -> None:
        if self.preview is not None and count > 0 and frames:
            frame = frames[0]
            if frame.data and frame.channel == 3:
                size = frame.width * frame.height * 3
                self.preview(frame.width, frame.height, ctypes.string_at(frame.data, size))


TALK: Final = LibraryTalk()
"""The only one: the library has one place for each callback."""
