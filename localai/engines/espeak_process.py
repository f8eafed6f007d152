"""espeak-ng in a process of its own: `python -m localai.engines.espeak_process`.

The library (GPL-3.0-or-later, from the wheel `espeakng-loader`) is loaded here and nowhere else; it
is one global synthesiser a process. One JSON object a line comes in, one goes out:

    {"text": "Hello", "voice": "en+croak", "rate": 160, "pitch": 50, "path": "out.wav"} -> {}
    {"phonemes": "Hello", "voice": "en-us"} -> {"phonemes": "həlˈoʊ"}

What fails is answered with {"error": "..."}. Functions and numbers are those of espeak-ng's
`speak_lib.h`.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

_SYNCHRONOUS, _DONT_EXIT = 2, 0x8000  # espeak_Initialize: samples to the callback; no exit()
_UTF8, _IPA = 1, 2
_RATE, _PITCH = 1, 3
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class EspeakLibrary:
    """The library of this process."""

    def __init__(self) -> None:
        import espeakng_loader

        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_Initialize.argtypes = [
            ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int,
        ]  # fmt: skip
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
            ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        self._lib.espeak_TextToPhonemes.argtypes = [
            ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int,
        ]  # fmt: skip
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        data = str(espeakng_loader.get_data_path()).encode()
        self.rate = int(self._lib.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT))
        if self.rate <= 0:
            raise RuntimeError("its data cannot be read")
        self._samples = bytearray()

        def take(samples: Any, count: int, _events: Any) -> int:
            if samples and count > 0:
                self._samples += ctypes.string_at(samples, 2 * count)
            return 0

        self._callback = _CALLBACK(take)  # kept: the library calls it as long as it lives
        self._lib.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: str, rate: int, pitch: int) -> bytes:
        """Return a text as 16-bit samples at `self.rate` Hz.

        Parameters
        ----------
        voice : str
            A language, and a variant behind a plus: `de+whisper`.
        rate : int
            Words a minute, 80 to 450.
        pitch : int
            0 to 99; 50 is the voice's own.
        """
        self._choose(voice)
        self._lib.espeak_SetParameter(_RATE, rate, 0)
        self._lib.espeak_SetParameter(_PITCH, pitch, 0)
        self._samples.clear()
        data = text.encode() + b"\0"
        if self._lib.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None) != 0:
            raise ValueError("it could not speak this")
        return bytes(self._samples)

    def phonemes(self, text: str, voice: str) -> str:
        """Return a text in the letters of the International Phonetic Alphabet."""
        self._choose(voice)
        data = ctypes.create_string_buffer(text.encode() + b"\0")
        place = ctypes.c_void_p(ctypes.addressof(data))
        found = []
        while place.value:  # one clause a call; the library moves the pointer on
            piece = self._lib.espeak_TextToPhonemes(ctypes.byref(place), _UTF8, _IPA)
            found.append((piece or b"").decode("utf-8", "replace"))
        return " ".join(filter(None, found))

    def _choose(self, voice: str) -> None:
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"there is no voice {voice}")


def answer(library: EspeakLibrary, asked: dict[str, Any]) -> dict[str, str]:
    """Do what one line asks for."""
    from localai.media.wav import WavWriter

    if "phonemes" in asked:
        return {"phonemes": library.phonemes(asked["phonemes"], asked["voice"])}
    samples = library.speak(asked["text"], asked["voice"], asked["rate"], asked["pitch"])
    with Path(asked["path"]).open("wb") as file:
        writer = WavWriter(file, library.rate)
        writer.add_bytes(samples)
        writer.close()
    return {}


def main() -> None:
    """Answer lines until there are no more."""
    library: EspeakLibrary | None = None
    for line in sys.stdin:
        try:
            library = library or EspeakLibrary()
            reply = answer(library, json.loads(line))
        except Exception as error:  # told, and the next line may fare better
            reply = {"error": str(error) or type(error).__name__}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
