"""Stands for miniaudio where a test puts this folder on the path: a microphone that says a file.

`FAKE_MICROPHONE` is a file of bare 16-bit samples at 16 kHz, said in real time and followed by the
faint noise of a quiet room; or `zeros`; or `none`, no device at all.
"""

from __future__ import annotations

import enum
import os
import random
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

_PIECE = 1600  # bytes: 50 ms


class MiniaudioError(Exception):
    """As miniaudio's own."""


class Backend(enum.Enum):
    ALSA = 1
    NULL = 2


class SampleFormat(enum.Enum):
    SIGNED16 = 2


def _said() -> str:
    said = os.environ["FAKE_MICROPHONE"]
    if said == "none":
        raise MiniaudioError("no device")
    return said


class Devices:
    def __init__(self, backends: Any) -> None:
        assert Backend.NULL not in backends

    def get_captures(self) -> list[dict[str, Any]]:
        return [{"name": name, "id": name} for name in ("Built-in", "USB Talk", "USB Sing")]


class CaptureDevice:
    def __init__(self, *, device_id: Any = None, **more: Any) -> None:
        assert more["sample_rate"] == 16000 and more["nchannels"] == 1
        said = _said()
        self._data = b"" if said == "zeros" else Path(said).read_bytes()
        self._zeros = said == "zeros"
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, feed: Generator[None, bytes, None]) -> None:
        self._thread = threading.Thread(target=self._say, args=(feed,), daemon=True)
        self._thread.start()

    def _say(self, feed: Generator[None, bytes, None]) -> None:
        began, sent, r = time.monotonic(), 0, random.Random(1)
        while not self._over.is_set():
            piece = self._data[sent : sent + _PIECE]
            room = b"" if self._zeros else bytes(r.randrange(2) for _ in range(_PIECE // 2))
            hiss = b"".join(bytes((low, 0)) for low in room) if room else bytes(_PIECE)
            feed.send(piece + hiss[len(piece) :])
            sent += _PIECE
            time.sleep(max(0.0, began + sent / 32000 - time.monotonic()))

    def close(self) -> None:
        self._over.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
