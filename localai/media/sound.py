"""Any sound or video file, pipe or descriptor to mono samples at 16 kHz, block after block.

    with open_sound("talk.mp4") as sound:
        for block in sound.blocks():
            ...  # block.samples: float32, mono, 16 kHz; block.start: index of its first sample

At no time more than some blocks are in memory. The libraries of FFmpeg (by PyAV) decode; they read
through a file object of ours alone, so that nothing in a file can make them open another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

from localai.errors import BadInput
from localai.formats.text import shown
from localai.media.clips import Block, Clip, cut
from localai.media.resample import Resampler, decoding_errors, library, regrouped, silence
from localai.media.sound_input import opened

if TYPE_CHECKING:
    import numpy as np
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

Source = str | Path | int | BinaryIO
_GAP = 0.25  # seconds; where times in a file jump further, there is silence
_FIRST_GAP = 0.04  # seconds of silence before the first sound that count
_MOST_SILENCE = 3600  # seconds that jumping times may add in all; more is damage
_MOST_CHANNELS = 64  # that FFmpeg can resample
_FEWER = "convert it with `ffmpeg -i FILE -ac 1 out.wav`"
_DAMAGED = "check that it plays elsewhere, or convert it with `ffmpeg -i FILE out.wav`"


class SoundInfo(NamedTuple):
    """What a file says about itself.

    Attributes
    ----------
    duration : float or None
        Seconds; None where only reading to the end would tell (most pipes).
    rate : int
        Hz, as recorded.
    channels : int
    codec, container : str
        FFmpeg's names: `opus`, `matroska,webm`.
    video : bool
        Whether there is a moving picture, too.
    """

    duration: float | None
    rate: int
    channels: int
    codec: str
    container: str
    video: bool


def open_sound(
    source: Source,
    *,
    name: str = "",
    channel: int | None = None,
    raw_rate: int | None = None,
    raw_channels: int = 1,
) -> Sound:
    """Open a sound; nothing is decoded yet.

    Parameters
    ----------
    source : str, Path, int or binary file
        A path, an open descriptor or a file object; the last two are not closed. A pipe will do:
        an MP4 whose index stands at its end is then spooled to an unnamed temporary file first.
    name : str
        How errors call it; by default the path, else `the sound`.
    channel : int, optional
        Only this channel, from 0; by default all are mixed.
    raw_rate : int, optional
        The input is bare 16-bit little-endian samples (`s16le`) at this rate in Hz.
    raw_channels : int
        How many channels such samples have.

    Raises
    ------
    BadInput
        It is not there, empty, not readable, holds no sound, or is no sound file; no such channel.
    EngineMissing
        PyAV is not installed.
    """
    return Sound(source, name, channel, (raw_rate, raw_channels))


def probe(source: Source, *, name: str = "") -> SoundInfo:
    """Return what the file says about itself. Raises as `open_sound` does."""
    with open_sound(source, name=name) as sound:
        return sound.info


class Sound:
    """An open sound, to be read once; made by `open_sound`.

    Attributes
    ----------
    info : SoundInfo
    name : str
        As in errors.
    damaged : int
        How many packets, or frames of them, could not be decoded so far and were left out.
    """

    def __init__(
        self, source: Source, name: str, channel: int | None, raw: tuple[int | None, int]
    ) -> None:
        path = isinstance(source, (str, Path))
        self.name = shown(name or (source if path else "the sound"))
        self.damaged = 0
        self._channel = channel
        with ExitStack() as stack:
            self._input = stack.enter_context(opened(source, self.name))
            self._container, self._stream = self._open(*raw)
            stack.callback(self._container.close)
            self.info = self._read_info(raw)
            self._check_channel()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; a descriptor or file object that was given stays open."""
        self._stack.close()

    def _open(self, rate: int | None, channels: int) -> tuple[InputContainer, AudioStream]:
        # Lists and stream descriptions shall open nothing: neither files (`_refuse`), nor sockets.
        options, kind = {"protocol_whitelist": "none"}, None
        if rate is not None:
            if not 1 <= rate <= 1_000_000 or not 1 <= channels <= 8:
                raise BadInput(f"bare samples at {rate} Hz with {channels} channels are none")
            kind = "s16le"
            options |= {"sample_rate": str(rate), "ch_layout": f"{channels}C"}
        try:
            container = library().open(
                self._input, "r", format=kind, options=options, metadata_errors="replace",
                io_open=_refuse,
            )  # fmt: skip
        except decoding_errors() as error:
            raise self._unreadable(error) from None
        for stream in container.streams.audio:
            if stream.codec_context is not None:  # else FFmpeg does not know its kind
                return container, stream
        unknown = bool(container.streams.audio)
        container.close()
        if unknown:
            raise BadInput(f"{self.name} is damaged, or of a kind that cannot be decoded", _DAMAGED)
        raise BadInput(f"{self.name} holds no sound", "give a file with a sound track")

    def _unreadable(self, error: Exception) -> BadInput:
        if self._input.failure is not None:
            why = self._input.failure.strerror or str(self._input.failure)
            return BadInput(f"{self.name} cannot be read: {why}")
        if self._input.empty:
            return BadInput(f"{self.name} is empty", "give a file with sound in it")
        if isinstance(error, PermissionError):
            return BadInput(
                f"{self.name} is a list of other files, not a sound", "give the files themselves"
            )
        return BadInput(
            f"{self.name} is damaged, or no sound or video file that FFmpeg knows", _DAMAGED
        )

    def _read_info(self, raw: tuple[int | None, int]) -> SoundInfo:
        container, stream = self._container, self._stream
        duration = container.duration / 1e6 if container.duration else None
        if stream.duration and stream.time_base and not container.duration:
            duration = float(stream.duration * stream.time_base)
        if raw[0] is not None:
            size = self._input.size
            duration = None if size is None else size / 2 / raw[1] / raw[0]
        if duration is not None and not 0 < duration < 1e8:
            duration = None
        context = stream.codec_context
        pictures = [one for one in container.streams.video if not one.disposition & _COVER]
        return SoundInfo(
            duration,
            context.sample_rate or 0,
            context.channels or 0,
            context.name,
            container.format.name,
            bool(pictures),
        )

    def _check_channel(self) -> None:
        if self._channel is not None and not 0 <= self._channel < max(1, self.info.channels):
            raise BadInput(
                f"{self.name} has {self.info.channels} channels, no number {self._channel + 1}"
            )

    def blocks(self, *clips: Clip) -> Iterator[Block]:
        """Yield the samples in order; only those of the clips, if there are any.

        Yields
        ------
        Block
            Of a second (`RATE` samples), or fewer at the end of the sound or of a clip. Silence
            fills the times that the file leaves out, so that places equal the file's own times.

        Raises
        ------
        BadInput
            Nothing of it can be decoded, or reading fails. A file that is damaged in places is
            decoded as far as it can be; see `damaged`.
        """
        whole = regrouped(self._samples())
        return cut(whole, clips) if clips else whole

    def _samples(self) -> Iterator[NDArray[np.float32]]:
        resampler = Resampler(self._channel)
        done, filled, heard = 0.0, 0.0, False
        for frame in self._frames():
            missing = self._missing(frame, done)
            if missing > (_GAP if heard else _FIRST_GAP) and filled + missing < _MOST_SILENCE:
                filled += missing
                yield from resampler.flush()
                yield from silence(missing)
                done += missing
            length = frame.samples / frame.sample_rate
            try:
                yield from resampler.take(frame)
            except decoding_errors():
                self.damaged += 1
                continue
            heard = True
            done += length
        yield from resampler.flush()
        if not heard:
            if self.damaged and self.info.channels > _MOST_CHANNELS:
                what = f"{self.name} has {self.info.channels} channels"
                raise BadInput(f"{what}: more than {_MOST_CHANNELS} cannot be heard", _FEWER)
            if self.damaged:
                raise BadInput(f"{self.name} is damaged: nothing in it can be decoded", _DAMAGED)
            if not self.info.duration:
                raise BadInput(f"{self.name} holds no sound", "give a file with sound in it")

    def _missing(self, frame: AudioFrame, done: float) -> float:
        """Return the seconds that a frame comes later than what was decoded before it."""
        if frame.pts is None or frame.time is None:
            return 0.0
        start = self._container.start_time
        began = start / 1e6 if start is not None else 0.0
        return frame.time - began - done

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except decoding_errors():
                # The demuxer cannot go on; what came before it is good.
                if self._input.failure is not None:
                    raise self._unreadable(self._input.failure) from None
                self.damaged += 1
                return
            try:
                frames = packet.decode()
            except decoding_errors():
                self.damaged += 1
                continue
            for frame in frames:
                if frame.samples and frame.sample_rate > 0:
                    yield frame


_COVER = 0x400  # AV_DISPOSITION_ATTACHED_PIC: the picture on a record's cover


def _refuse(url: str, flags: int, options: dict[str, str]) -> object:
    """Open nothing: a play list in a file must not reach other files, or the network."""
    raise PermissionError(f"{url} is not opened")
