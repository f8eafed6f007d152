"""Decoding: the same samples from every container, from pipes too, and clear errors."""

from __future__ import annotations

import io
import os
import random
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from localai.errors import BadInput
from localai.media.clips import RATE, Clip
from localai.media.resample import Resampler
from localai.media.sound import Source, open_sound, probe
from tests.support import sounds

SPEECH = sounds.speechlike(6.0)
BOTH = np.stack([SPEECH, SPEECH])
KINDS: dict[str, Callable[[Path], None]] = {
    "wav": lambda p: sounds.write(p, SPEECH, codec="pcm_s16le"),
    "float.wav": lambda p: sounds.write(p, SPEECH, codec="pcm_f32le"),
    "24.wav": lambda p: sounds.write(p, SPEECH, codec="pcm_s24le"),
    "mp3": lambda p: sounds.write(p, SPEECH, codec="libmp3lame"),
    "flac": lambda p: sounds.write(p, SPEECH, codec="flac"),
    "aiff": lambda p: sounds.write(p, SPEECH, codec="pcm_s16be"),
    "avi": lambda p: sounds.write(p, SPEECH, codec="pcm_s16le", video=True),
    "opus.ogg": lambda p: sounds.write(p, _at(48000), codec="libopus", rate=48000),
    "opus": lambda p: sounds.write(p, _at(48000), codec="libopus", rate=48000),
    "webm": lambda p: sounds.write(p, _at(48000), codec="libopus", rate=48000),
    "m4a": lambda p: sounds.write(p, SPEECH, codec="aac", container="ipod"),
    "mp4": lambda p: sounds.write(p, SPEECH, codec="aac", video=True),
    "fast.mp4": lambda p: sounds.write(
        p, SPEECH, codec="aac", video=True, options={"movflags": "faststart"}
    ),
    "mkv": lambda p: sounds.write(p, SPEECH, codec="aac", video=True),
    "mov": lambda p: sounds.write(p, SPEECH, codec="pcm_s16le", video=True),
    "ts": lambda p: sounds.write(p, SPEECH, codec="mp2", container="mpegts"),
    "8k.wav": lambda p: sounds.write(p, _at(8000), codec="pcm_s16le", rate=8000),
    "8k.mulaw.wav": lambda p: sounds.write(p, _at(8000), codec="pcm_mulaw", rate=8000),
    "48k-stereo.wav": lambda p: sounds.write(
        p, np.stack([_at(48000)] * 2), codec="pcm_s16le", rate=48000
    ),
    "44k-stereo.mp3": lambda p: sounds.write(
        p, np.stack([_at(44100)] * 2), codec="libmp3lame", rate=44100
    ),
}  # fmt: skip
WAYS = ("path", "descriptor", "object", "pipe", "fifo")


def _at(rate: int) -> sounds.Samples:
    """The same speech at another rate, by its spectrum."""
    spectrum = np.fft.rfft(SPEECH)
    size = len(SPEECH) * rate // RATE
    bins = np.zeros(size // 2 + 1, complex)
    kept = min(len(bins), len(spectrum))
    bins[:kept] = spectrum[:kept]
    return (np.fft.irfft(bins, size) * size / len(SPEECH)).astype(np.float32)


def heard(source: Source, *clips: Clip, **options: object) -> sounds.Samples:
    """All samples of a source, with its blocks checked on the way."""
    with open_sound(source, **options) as sound:  # type: ignore[arg-type]
        parts, at = [], 0
        for block in sound.blocks(*clips):
            assert block.samples.dtype == np.float32
            assert block.samples.ndim == 1
            assert 0 < len(block.samples) <= RATE
            if not clips:
                assert block.start == at
            at = block.end
            parts.append(block.samples)
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


@pytest.fixture(scope="module", params=KINDS)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / f"speech.{request.param}"
    KINDS[request.param](path)
    return path


def fed(path: Path, descriptor: int) -> threading.Thread:
    """Write a file's bytes into a pipe from a thread, in odd pieces."""

    def feed() -> None:
        with open(descriptor, "wb", buffering=0) as pipe:
            data = path.read_bytes()
            for at in range(0, len(data), 7001):
                try:
                    pipe.write(data[at : at + 7001])
                except BrokenPipeError:
                    return

    thread = threading.Thread(target=feed)
    thread.start()
    return thread


def through(way: str, path: Path, tmp_path: Path) -> sounds.Samples:
    if way == "path":
        return heard(path)
    if way == "descriptor":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            samples = heard(descriptor)
            os.fstat(descriptor)  # it stays open
        finally:
            os.close(descriptor)
        return samples
    if way == "object":
        return heard(io.BytesIO(path.read_bytes()))
    if way == "fifo":
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        feeder = threading.Thread(target=lambda: fifo.write_bytes(path.read_bytes()))
        feeder.start()
        samples = heard(fifo)
        feeder.join()
        return samples
    reader, writer = os.pipe()
    thread = fed(path, writer)
    try:
        return heard(reader, name="-")
    finally:
        os.close(reader)
        thread.join()


@pytest.mark.parametrize("way", WAYS)
def test_every_container_gives_the_same_sound(file: Path, way: str, tmp_path: Path) -> None:
    samples = through(way, file, tmp_path)
    assert abs(len(samples) - len(SPEECH)) < 0.12 * RATE  # codecs fill their last frame
    alike, shift = sounds.likeness(SPEECH, samples)
    assert alike > 0.95
    assert abs(shift) <= 0.035 * RATE  # what MP2 in a transport stream comes late


def test_a_file_says_what_it_is(file: Path) -> None:
    info = probe(file)
    assert info.duration == pytest.approx(6.0, abs=0.15)
    assert info.rate in (8000, 16000, 44100, 48000)
    assert info.video == (file.suffix in (".mp4", ".mkv", ".mov", ".avi"))


def test_lossless_files_give_the_library_s_very_samples(tmp_path: Path) -> None:
    faster_whisper = pytest.importorskip("faster_whisper")
    for name in ("flac", "48k-stereo.wav", "8k.wav", "mp3"):
        path = tmp_path / f"a.{name}"
        KINDS[name](path)
        theirs = faster_whisper.decode_audio(str(path))
        ours = heard(path)
        assert abs(len(theirs) - len(ours)) <= 1
        size = min(len(ours), len(theirs))
        assert np.abs(theirs[:size] - ours[:size]).max() < 1e-4


def test_bare_samples_are_read_at_their_rate(tmp_path: Path) -> None:
    path = tmp_path / "bare"
    path.write_bytes((_at(8000) * 32767).astype("<i2").tobytes())
    samples = heard(path, raw_rate=8000)
    assert sounds.likeness(SPEECH, samples)[0] > 0.99
    with open_sound(path, raw_rate=8000) as sound:
        assert sound.info.duration == pytest.approx(6.0)
    reader, writer = os.pipe()
    thread = fed(path, writer)
    assert len(heard(reader, raw_rate=8000)) == pytest.approx(6 * RATE, abs=50)
    os.close(reader)
    thread.join()


def test_bare_samples_of_several_channels_and_odd_lengths(tmp_path: Path) -> None:
    path = tmp_path / "bare"
    pairs = np.stack([SPEECH, sounds.tone(6.0)], 1)
    path.write_bytes((pairs * 32767).astype("<i2").tobytes() + b"\x01")
    left = heard(path, raw_rate=RATE, raw_channels=2, channel=0)
    right = heard(path, raw_rate=RATE, raw_channels=2, channel=1)
    assert sounds.likeness(SPEECH, left)[0] > 0.99
    assert sounds.likeness(sounds.tone(6.0), right)[0] > 0.99


@pytest.mark.parametrize("name", ["stereo.wav", "stereo.flac", "stereo.mp3", "stereo.mkv"])
def test_each_channel_can_be_had_alone(name: str, tmp_path: Path) -> None:
    path, other = tmp_path / name, sounds.speechlike(6.0, seed=9)
    codec = {"wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame", "mkv": "aac"}[path.suffix[1:]]
    sounds.write(path, np.stack([SPEECH, other]), codec=codec)
    left, right, mixed = heard(path, channel=0), heard(path, channel=1), heard(path)
    assert sounds.likeness(SPEECH, left)[0] > 0.95
    assert sounds.likeness(other, right)[0] > 0.95
    assert sounds.likeness((SPEECH + other) / 2, mixed)[0] > 0.95
    with pytest.raises(BadInput, match="2 channels, no number 3"):
        open_sound(path, channel=2)


@pytest.mark.parametrize("count", [1, 2, 6, 8, 9, 32])
@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_any_number_of_channels_is_heard_apart_and_mixed(count: int, rate: int) -> None:
    """Microphones of a recorder: nobody has told where they stand, and each counts alike."""
    spoken = [sounds.tone(1.0, 200 + 50 * number, rate) for number in range(count)]
    file = sounds.wav(np.stack(spoken), rate)
    apart = [heard(io.BytesIO(file), channel=number) for number in range(count)]
    for number, samples in enumerate(apart):
        expected = sounds.tone(1.0, 200 + 50 * number)
        assert len(samples) == RATE and sounds.likeness(expected, samples)[0] > 0.99
    assert np.abs(heard(io.BytesIO(file)) - np.mean(apart, axis=0)).max() < 1e-3


def test_the_centre_of_a_film_counts_more_than_what_is_behind() -> None:
    """5.1: left, right, centre, low tones, two behind; speech is in the centre."""
    loud = []
    for number in range(6):
        frame = av.AudioFrame.from_ndarray(_alone(number, 6), format="s16", layout="5.1")
        frame.sample_rate = RATE
        taken = np.concatenate(list(Resampler(None).take(frame)))
        loud.append(float(np.abs(taken).max()))
    assert loud[2] == max(loud) > 1.2 * loud[0] and loud[3] < 0.01


@pytest.mark.parametrize("layout", ["ambisonic 1", "FL+LFE", "22.2"])
def test_a_layout_that_cannot_be_mixed_is_heard_all_the_same(layout: str) -> None:
    count = av.AudioLayout(layout).nb_channels
    frame = av.AudioFrame.from_ndarray(_alone(0, count), format="s16", layout=layout)
    frame.sample_rate = RATE
    taken = np.concatenate(list(Resampler(None).take(frame)))
    assert len(taken) == RATE and sounds.likeness(sounds.tone(1.0), taken)[0] > 0.99


def _alone(number: int, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """Packed samples of which one channel alone sounds."""
    channels = np.zeros((RATE, count), np.int16)
    channels[:, number] = sounds.tone(1.0) * 32767
    return channels.reshape(1, -1)


def test_more_channels_than_can_be_resampled_are_told() -> None:
    file = sounds.wav(np.stack([sounds.tone(0.5, rate=8000)] * 65), 8000)
    with pytest.raises(BadInput, match=r"many\.wav has 65 channels"):
        heard(io.BytesIO(file), name="many.wav")


def test_frames_that_cannot_be_taken_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some in the middle: the rest is heard, at its own times."""
    take = Resampler.take
    taken: list[float] = []

    def now_and_then(self: Resampler, frame: av.AudioFrame) -> Iterator[sounds.Samples]:
        taken.append(frame.time or 0.0)
        if 1.0 <= taken[-1] < 2.0:
            raise ValueError("no such layout")
        yield from take(self, frame)

    monkeypatch.setattr(Resampler, "take", now_and_then)
    with open_sound(io.BytesIO(sounds.wav(SPEECH))) as sound:
        samples = np.concatenate([block.samples for block in sound.blocks()])
    assert sound.damaged == sum(1.0 <= time < 2.0 for time in taken) > 0
    assert abs(len(samples) - len(SPEECH)) < 0.1 * RATE
    late = slice(3 * RATE, 5 * RATE)
    assert sounds.likeness(SPEECH[late], samples[late])[0] > 0.95


def test_sound_that_begins_after_the_picture_keeps_its_times(tmp_path: Path) -> None:
    for name in ("late.mkv", "late.mp4"):
        path = tmp_path / name
        sounds.write(path, SPEECH, codec="aac", video=True, late=1.5)
        samples = heard(path)
        assert np.abs(samples[: int(1.4 * RATE)]).max() < 0.01
        assert sounds.likeness(SPEECH, samples[int(1.5 * RATE) :])[0] > 0.95


def test_clips_are_cut_to_the_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    KINDS["flac"](path)
    whole = heard(path)
    part = heard(path, Clip(1.25, 2.5))
    assert np.array_equal(part, whole[20000:40000])
    two = heard(path, Clip(4.0, None), Clip(0.5, 1.0))
    assert np.array_equal(two, np.concatenate([whole[8000:16000], whole[64000:]]))
    assert len(heard(path, Clip(100.0, 110.0))) == 0


def test_a_clip_of_an_endless_pipe_ends(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    data = sounds.wav(sounds.tone(5.0))[44:]
    head = bytearray(sounds.wav(sounds.tone(0.1))[:44])
    head[4:8] = head[40:44] = b"\xff\xff\xff\xff"

    def feed() -> None:
        with open(writer, "wb", buffering=0) as pipe:
            try:
                pipe.write(bytes(head))
                while True:
                    pipe.write(data)
            except BrokenPipeError:
                pass

    thread = threading.Thread(target=feed)
    thread.start()
    samples = heard(reader, Clip(7.0, 9.0))
    os.close(reader)
    thread.join()
    assert len(samples) == 2 * RATE


def test_first_samples_come_before_a_pipe_ends(tmp_path: Path) -> None:
    for name in ("wav", "mp3", "flac", "opus.ogg", "mkv"):
        path = tmp_path / f"a.{name}"
        KINDS[name](path)
        reader, writer = os.pipe()
        data = path.read_bytes()
        sent = threading.Event()

        def feed(writer: int = writer, data: bytes = data, sent: threading.Event = sent) -> None:
            with open(writer, "wb", buffering=0) as pipe:
                pipe.write(data[: len(data) * 3 // 4])
                sent.wait(20)
                pipe.write(data[len(data) * 3 // 4 :])

        thread = threading.Thread(target=feed)
        thread.start()
        with open_sound(reader) as sound:
            blocks = sound.blocks()
            first = next(blocks)
            assert not sent.is_set(), name
            sent.set()
            assert first.start == 0
            assert sum(len(block.samples) for block in blocks) > 4 * RATE
        os.close(reader)
        thread.join()


def test_a_long_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    minute = np.tile(sounds.tone(1.0), 60)
    path.write_bytes(sounds.wav(np.tile(minute, 15)))  # 58 MB as floats
    tracemalloc.start()
    with open_sound(path) as sound:
        seconds = sum(len(block.samples) for block in sound.blocks()) / RATE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds == 900
    assert peak < 4e6


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda p: None, "cannot be read: No such file"),
        (lambda p: p.mkdir(), "cannot be read: Is a directory"),
        (lambda p: p.write_bytes(b""), "is empty"),
        (lambda p: p.write_bytes(b"no sound at all " * 500), "damaged, or no sound"),
        (lambda p: p.write_bytes(b"RIFFxxxxWAVEgarbage" * 20), "damaged|no sound"),
        (lambda p: p.write_bytes(bytes(5000)), "damaged, or no sound"),
        (lambda p: p.write_bytes(sounds.wav(SPEECH)[:44]), "holds no sound"),
    ],
)
def test_what_is_no_sound_is_told_by_name(
    make: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "talk\x1b[2J.wav"
    make(path)
    with pytest.raises(BadInput, match=told) as raised:
        heard(path)
    assert r"talk\x1b[2J.wav" in raised.value.what


def test_a_picture_alone_holds_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            image = np.zeros((48, 64, 3), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    with pytest.raises(BadInput, match="holds no sound"):
        open_sound(path)


def test_a_pipe_that_gives_nothing_is_empty() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(BadInput, match="- is empty"):
        open_sound(reader, name="-")
    os.close(reader)


def test_a_read_that_fails_is_told() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(BadInput, match="tape cannot be read: Input/output error"):
        heard(Broken(), name="tape")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["m3u8", "concat", "sdp", "mpd"])
def test_a_list_of_files_opens_none_of_them(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(sounds.wav(SPEECH))
    lists = {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "mpd": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet mimeType="audio/wav"><Representation id="1"><BaseURL>file://{secret}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    }
    for name in (f"list.{kind}", f"{secret}"):
        path = tmp_path / "list" if name == f"{secret}" else tmp_path / name
        path.write_text(lists[kind])
        began = time.monotonic()
        with pytest.raises(BadInput):
            heard(path)
        assert time.monotonic() - began < 5  # and waits for no packet from a network


def test_a_name_that_is_a_pattern_opens_that_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "talk%02d.wav"
    path.write_bytes(sounds.wav(SPEECH))
    assert len(heard(path)) == len(SPEECH)
    for name in ("-i.wav", "http:x.wav", "a b\n.wav", "pipe:0", "Ü.wav"):
        other = tmp_path / name
        other.write_bytes(path.read_bytes())
        assert len(heard(other)) == len(SPEECH)


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac", "opus.ogg", "m4a", "mkv", "webm", "ts"])
def test_damaged_files_give_sound_or_a_clear_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"whole.{kind}"
    KINDS[kind](path)
    whole, r = path.read_bytes(), random.Random(kind)
    heard_some = 0
    for number in range(60):
        data = bytearray(whole)
        way = number % 4
        if way == 0:
            data = data[: r.randrange(len(data))]
        elif way == 1:
            for _ in range(r.choice([1, 5, 50])):
                data[r.randrange(len(data))] ^= 1 << r.randrange(8)
        elif way == 2:
            at = r.randrange(len(data))
            data[at : at + r.randrange(1, 2000)] = b""
        else:
            at = r.randrange(len(data))
            data[at : at + 500] = r.randbytes(min(500, len(data) - at))
        try:
            samples = heard(io.BytesIO(bytes(data)), name="broken")
        except BadInput as error:
            assert "broken" in error.what
            continue
        heard_some += 1
        assert np.isfinite(samples).all()
        assert len(samples) < 4000 * RATE
    assert heard_some > 15


def test_damage_in_the_middle_is_counted_and_the_rest_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    KINDS["mp3"](path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(bytes(data))
    samples = heard(path)
    assert len(samples) > 5.5 * RATE
    assert sounds.likeness(SPEECH[: 2 * RATE], samples[: 2 * RATE])[0] > 0.95


def test_floats_beyond_one_and_no_numbers_are_limited(tmp_path: Path) -> None:
    import struct

    values = np.tile(np.array([5.0, -7.0, np.nan, np.inf, -np.inf, 0.1], np.float32), 4000)
    data = values.tobytes()
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 3, 1, RATE, RATE * 4, 4, 32)
    path = tmp_path / "loud.wav"
    path.write_bytes(head + b"data" + struct.pack("<I", len(data)) + data)
    samples = heard(path)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1
