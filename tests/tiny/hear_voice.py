"""Speech from text by espeak-ng, whose library and data the wheel `espeakng-loader` brings.

The library is one synthesiser for the process: make one `Espeak` and use it from one thread.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import espeakng_loader
import numpy as np

_RATE, _PITCH = 1, 3  # numbers of parameters
_SYNCHRONOUS, _NEVER_EXIT = 2, 0x8000
_UTF8 = 1
_END, _WORD = 0, 1  # kinds of events


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Spoken:
    """Sound from -1 to 1, its rate in Hz, and where in seconds each word starts."""

    sound: np.ndarray
    rate: int
    starts: list[float]


class Espeak:
    """The synthesiser."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(espeakng_loader.get_data_path()).encode()
        self.rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _NEVER_EXIT)
        assert self.rate > 0, "espeak-ng does not start"
        self._sound = bytearray()
        self._starts: list[float] = []
        self._callback = _CALLBACK(self._take)  # the library keeps a bare pointer to it
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, sound, samples: int, events) -> int:
        if sound and samples > 0:
            self._sound += ctypes.string_at(sound, samples * 2)
        at = 0
        while events[at].type != _END:
            if events[at].type == _WORD:
                self._starts.append(events[at].audio_position / 1000)
            at += 1
        return 0

    def say(self, text: str, voice: str, *, speed: int = 160, pitch: int = 50) -> Spoken:
        """The text spoken; speed in words a minute, pitch from 0 to 99."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        self._library.espeak_SetParameter(_RATE, speed, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        self._sound, self._starts = bytearray(), []
        data = text.encode() + b"\0"
        done = self._library.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None)
        assert done == 0, "espeak-ng failed"
        sound = np.frombuffer(bytes(self._sound), "<i2").astype(np.float32) / 32768
        return Spoken(sound, self.rate, self._starts)
