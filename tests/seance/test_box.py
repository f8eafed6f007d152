"""The box: the sweep, where the noise lies, the words on the dial."""

from __future__ import annotations

import random

import numpy as np
import pytest

from localai.seance.band import BANDS, DIRECTIONS, Band, Sweep
from localai.seance.box import RATE, BoxSettings, BoxStep, SpiritBox
from localai.seance.radio import band_pass, noise, resampled, through_radio
from tests.support.sounds import speechlike, tone


def steps(box: SpiritBox, count: int) -> list[BoxStep]:
    return [box.step() for _ in range(count)]


def share_within(samples: np.ndarray, low: float, high: float, rate: int = RATE) -> float:
    """Of a sound's energy, what lies between two frequencies."""
    energy = np.abs(np.fft.rfft(samples)) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / rate)
    return float(energy[(at >= low) & (at <= high)].sum() / energy.sum())


@pytest.mark.parametrize("name", BANDS)
def test_the_noise_lies_in_the_stated_band(name: str) -> None:
    band = BANDS[name]
    box = SpiritBox(BoxSettings(band, seed=5))
    heard = np.concatenate([step.samples for step in steps(box, 100)])
    low, high = band.sound
    assert share_within(heard, low, high) > 0.99
    assert 0.02 < float(np.sqrt(np.mean(heard**2))) < 0.3
    # All of the band, not a corner of it.
    for part in range(4):
        width = (high - low) / 4
        assert share_within(heard, low + part * width, low + (part + 1) * width) > 0.1


def test_a_step_is_as_long_as_it_is_said_to_be() -> None:
    for milliseconds in (50, 100, 350, 1000):
        box = SpiritBox(BoxSettings(BANDS["am"], step=milliseconds))
        first, second = steps(box, 2)
        assert len(first.samples) == len(first.voice) == RATE * milliseconds // 1000
        assert second.time == pytest.approx(milliseconds / 1000, rel=1e-3)


def test_ways_through_a_band() -> None:
    band = Band("X", 10.0, 13.0, 1.0, "MHz", (300.0, 3000.0))
    assert band.stations == 4

    def way(direction: str, count: int = 8) -> list[float]:
        sweep = Sweep(band, direction, random.Random(1))  # type: ignore[arg-type]
        return [sweep.move() for _ in range(count)]

    assert way("forward") == [11, 12, 13, 10, 11, 12, 13, 10]
    assert way("reverse") == [12, 11, 10, 13, 12, 11, 10, 13]
    assert way("bounce") == [11, 12, 13, 12, 11, 10, 11, 12]
    assert set(way("random", 100)) == {10, 11, 12, 13} and way("random") == way("random")


def test_the_dial_of_each_band() -> None:
    assert BANDS["fm"].stations == 201 and BANDS["am"].stations == 120
    assert BANDS["fm"].told(93.4) == "93.4 MHz" and BANDS["am"].told(1602.0) == "1602 kHz"
    for band in BANDS.values():
        for direction in DIRECTIONS:
            sweep = Sweep(band, direction, random.Random(2))
            assert all(band.low <= sweep.move() <= band.high for _ in range(500))


def test_words_are_placed_in_order_where_the_sweep_is() -> None:
    box = SpiritBox(BoxSettings(BANDS["fm"], seed=1))
    steps(box, 7)
    seconds = box.say("the candle in the window")
    made = []
    while box.busy:
        made.append(box.step())
    placed = [word for step in made for word in step.words]
    assert [word.text for word in placed] == ["the", "candle", "in", "the", "window"]
    assert [word.time for word in placed] == sorted(word.time for word in placed)
    assert 0.7 <= placed[0].time < 0.8 and placed[-1].time < 0.7 + seconds
    for step in made:
        assert all(word.frequency == step.frequency for word in step.words)
    assert len({word.frequency for word in placed}) > 3


def test_the_voice_comes_through_and_the_noise_makes_room() -> None:
    box = SpiritBox(BoxSettings(BANDS["am"], seed=1))
    before = np.concatenate([step.samples for step in steps(box, 20)])
    box.say("hello", tone(2.0, 1000.0, 44_100), 44_100)
    during = np.concatenate([step.samples for step in steps(box, 15)])
    assert share_within(during, 950, 1050) > 0.7 > 0.1 > share_within(before, 950, 1050)
    dry = np.concatenate([step.voice for step in steps(box, 5)])
    assert len(dry) and float(np.abs(during).max()) <= 1.0


def test_clear_silences_at_once_and_nothing_comes_later() -> None:
    box = SpiritBox(BoxSettings(BANDS["fm"], seed=1))
    box.say("this is never heard to its end", tone(5.0))
    box.say("nor is this")
    box.step()
    assert box.busy
    box.clear()
    assert not box.busy
    assert not any(step.words or np.any(step.voice) for step in steps(box, 60))


def test_the_same_seed_makes_the_same_sound() -> None:
    def heard(seed: int) -> np.ndarray:
        box = SpiritBox(BoxSettings(BANDS["fm"], seed=seed, direction="random"))
        box.say("who is there", speechlike(1.0))
        return np.concatenate([step.samples for step in steps(box, 30)])

    assert np.array_equal(heard(3), heard(3)) and not np.array_equal(heard(3), heard(4))


def test_a_held_sweep_stands_still_and_goes_on_hissing() -> None:
    box = SpiritBox(BoxSettings(BANDS["fm"], seed=1))
    box.step()
    box.held = True
    held = steps(box, 5)
    assert len({step.frequency for step in held}) == 1 and all(step.level > 0 for step in held)


def test_without_sound_there_are_words_and_no_noise() -> None:
    box = SpiritBox(BoxSettings(BANDS["fm"], sounding=False))
    box.say("come closer")
    made = steps(box, 20)
    assert [word.text for step in made for word in step.words] == ["come", "closer"]
    assert not any(np.any(step.samples) for step in made)


def test_texts_of_all_kinds_go_through() -> None:
    box = SpiritBox(BoxSettings(BANDS["fm"], sounding=False))
    for text in ("", " ", "...", "x" * 5000, "\x1b[2J", "日本語の文", "a " * 2000):
        box.say(text, np.zeros(0, np.float32))
        assert [word.text for word in box.step().words] == text.split()[:1]
        box.clear()


def test_a_radio_keeps_its_band_and_the_words_in_it() -> None:
    voice = speechlike(2.0, rate=RATE)
    heard = through_radio(voice, RATE, 300, 3400, seed=1)
    assert share_within(heard, 290, 3500) > 0.999 and len(heard) > len(voice)
    assert 0.85 < float(np.abs(heard).max()) <= 0.95
    envelope = [np.abs(x[: len(voice)]).reshape(-1, 100).mean(axis=1) for x in (
        voice[: len(voice) // 100 * 100], heard[: len(voice) // 100 * 100])]  # fmt: skip
    assert np.corrcoef(*envelope)[0, 1] > 0.5
    assert not len(through_radio(np.zeros(0, np.float32), RATE, 300, 3400, seed=1))


def test_filters_do_what_they_say() -> None:
    low, high = tone(1.0, 200.0, RATE), tone(1.0, 2000.0, RATE)
    kept = band_pass(low + high, RATE, 1000, 3000)
    assert np.abs(kept - high)[2000:-2000].max() < 0.02
    hiss = noise(2.0, RATE, 500, 1500, seed=1)
    assert np.sqrt(np.mean(hiss**2)) == pytest.approx(1.0, rel=1e-3)
    looped = np.concatenate([hiss, hiss])
    assert share_within(looped, 490, 1510) > 0.9999  # no seam
    slower = resampled(tone(1.0, 440.0, 16_000), 16_000, RATE)
    assert len(slower) == RATE and share_within(slower, 430, 450) > 0.99
