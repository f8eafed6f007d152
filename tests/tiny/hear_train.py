"""Trains the tiny hearing model: a fixed number of steps on one thread, the data by seed."""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from faster_whisper.feature_extractor import FeatureExtractor
from torch import Tensor

from .hear_clips import stored
from .hear_model import LETTERS, MELS, TinyHear
from .hear_scenes import POSITIONS_A_SECOND, Scene, Scenes
from .hear_tokenizer import HearTokenizer

FRAMES_A_STEP = 10_000  # 100 seconds of sound, silence at the end of shorter scenes included
SCENES_AT_ONCE = 160  # sorted by length, so that little of a batch is padding
CLIPS = 16_000
STEPS = 4_800
GUIDED = 2  # heads of the last layer that learn to look at the word that is due
SPREAD = 2.0  # timestamps to each side that are nearly right
TARGET_WEIGHT = {"spelling": 0.6, "spelling at last": 0.2, "guide": 0.3}


class Features:
    """Log-mel features by the same maths as faster-whisper's."""

    def __init__(self) -> None:
        self.filters = torch.tensor(FeatureExtractor(feature_size=MELS).mel_filters)
        self.window = torch.hann_window(400)

    def __call__(self, sound: Tensor) -> Tensor:
        """Features, 80 x frames."""
        padded = torch.cat([sound, torch.zeros(160)])
        waves = torch.stft(
            padded, 400, 160, window=self.window, center=True, pad_mode="reflect",
            return_complex=True,
        )  # fmt: skip
        mel = (self.filters @ (waves[:, :-1].abs() ** 2)).clamp(min=1e-10).log10()
        return ((torch.maximum(mel, mel.max() - 8) + 4) / 4)[:, :-1]


def blurred(r: random.Random, mel: Tensor) -> Tensor:
    """The features through another room and microphone: some bands weaker, one lost."""
    if r.random() < 0.5:
        bands = torch.linspace(-1, 1, MELS)[:, None]
        mel = mel + r.uniform(-0.12, 0.12) * bands + r.uniform(-0.08, 0.08) * (bands**2 - 0.3)
    if r.random() < 0.3:
        mel = mel.clone()
        band = r.randint(0, MELS - 7)
        mel[band : band + r.randint(1, 6)] = mel.mean()
    return mel


@dataclass(frozen=True)
class Batch:
    """Scenes side by side: features, tokens given, tokens asked for (-1 where none is)."""

    mel: Tensor
    given: Tensor
    asked: Tensor
    frames: list[int]
    scenes: list[Scene]


def batch_of(scenes: list[Scene], mels: list[Tensor], r: random.Random) -> Batch:
    """One batch; silence of a few frames more than the longest needs, at most a window."""
    frames = [min(3000, mel.shape[1]) for mel in mels]
    width = min(3000, max(frames) + r.randint(4, 24))
    longest = max(len(scene.tokens) for scene in scenes) - 1
    mel = torch.zeros(len(scenes), MELS, width + width % 2)
    given = torch.zeros(len(scenes), longest, dtype=torch.long)
    asked = torch.full((len(scenes), longest), -1)
    for row, scene in enumerate(scenes):
        mel[row, :, : frames[row]] = mels[row][:, :3000]
        tokens = torch.tensor(scene.tokens)
        given[row, : len(tokens) - 1] = tokens[:-1]
        learned = torch.tensor(scene.learned[1:])
        asked[row, : len(tokens) - 1] = torch.where(learned, tokens[1:], -1)
    return Batch(mel, given, asked, frames, scenes)


def batches(scenes: Scenes, steps: int, seed: int) -> Iterator[Batch]:
    """As many batches as there are steps."""
    r, features, made = random.Random(seed), Features(), 0
    while made < steps:
        pairs = []
        for _ in range(SCENES_AT_ONCE):
            scene = scenes.scene(r, made / steps)
            pairs.append((scene, blurred(r, features(torch.from_numpy(scene.sound).float()))))
        pairs.sort(key=lambda pair: pair[1].shape[1])
        groups: list[list[tuple[Scene, Tensor]]] = [[]]
        for pair in pairs:
            if pair[1].shape[1] * (len(groups[-1]) + 1) > FRAMES_A_STEP and groups[-1]:
                groups.append([])
            groups[-1].append(pair)
        r.shuffle(groups)
        for group in groups[: steps - made]:
            made += 1
            yield batch_of([one for one, _ in group], [mel for _, mel in group], r)


class Loss:
    """What is to become small: wrong tokens, wrong letters, and looks at other words."""

    def __init__(self, tokenizer: HearTokenizer) -> None:
        at = torch.arange(tokenizer.size - tokenizer.timestamp)
        near = torch.exp(-0.5 * ((at[:, None] - at[None]) / SPREAD) ** 2)
        self.near = near / near.sum(1, keepdim=True)
        self.timestamp = tokenizer.timestamp
        self.letter = {letter: at + 1 for at, letter in enumerate(LETTERS)}

    def tokens(self, logits: Tensor, asked: Tensor) -> Tensor:
        """Cross entropy; a timestamp a little beside the right one is nearly right."""
        logs = F.log_softmax(logits, -1)
        timed = asked >= self.timestamp
        words = -logs[~timed].gather(1, asked[~timed][:, None]).sum()
        near = self.near[asked[timed] - self.timestamp]
        return (words - (near * logs[timed][:, self.timestamp :]).sum()) / len(asked)

    def spelling(self, logits: Tensor, heard: int, batch: Batch) -> Tensor:
        """Connectionist temporal classification of the letters by the encoder."""
        rows = [row for row, scene in enumerate(batch.scenes) if scene.text]
        if not rows:
            return torch.zeros(())
        texts = [batch.scenes[row].text for row in rows]
        letters = torch.tensor([self.letter[letter] for text in texts for letter in text])
        logs = F.log_softmax(logits[rows, :heard], -1).transpose(0, 1)
        lengths = torch.tensor([min(heard, (batch.frames[row] + 1) // 2) for row in rows])
        spelled = torch.tensor([len(text) for text in texts])
        return F.ctc_loss(logs, letters, lengths, spelled, zero_infinity=True)

    def guide(self, weights: Tensor, heard: int, batch: Batch) -> Tensor:
        """How much the guided heads look elsewhere than at the word that they are to say."""
        inside, rows, places = [], [], []
        at = torch.arange(weights.shape[-1])[None]
        for row, scene in enumerate(batch.scenes):
            for place, word in scene.words:
                rows.append(row)
                places.append(place - 1)
                inside.append((word.start, word.end))
        if not rows:
            return torch.zeros(())
        spans = torch.tensor(inside) * POSITIONS_A_SECOND
        mask = (at >= spans[:, :1].floor() - 1) & (at < spans[:, 1:].floor() + 2) & (at < heard)
        looks = weights[torch.tensor(rows), :, torch.tensor(places)][:, :GUIDED]
        return -((looks * mask[:, None]).sum(-1) + 1e-4).log().mean()

    def __call__(self, model: TinyHear, batch: Batch, progress: float) -> tuple[Tensor, Tensor]:
        """The loss, and its parts with the share of right tokens for the log."""
        sound, bias, heard = model.encode(batch.mel)
        logits, weights = model.decode(batch.given, sound, bias)
        learned = batch.asked >= 0
        asked, logits = batch.asked[learned], logits[learned]
        tokens = self.tokens(logits, asked)
        spelling = self.spelling(model.letters(sound), heard, batch)
        guide = self.guide(weights, heard, batch)
        part = "spelling" if progress < 0.7 else "spelling at last"
        whole = tokens + TARGET_WEIGHT[part] * spelling + TARGET_WEIGHT["guide"] * guide
        right = (logits.argmax(-1) == asked).float().mean()
        return whole, torch.stack([tokens, spelling, guide, right]).detach()


class Mean:
    """The running mean of the weights, which is what ships."""

    def __init__(self, model: TinyHear) -> None:
        self.weights = {name: w.clone() for name, w in model.state_dict().items()}

    def take(self, model: TinyHear, step: int) -> None:
        """Moves it towards the weights; fast at first, then over 200 steps."""
        kept = min(0.995, step / (step + 50))
        for name, weight in model.state_dict().items():
            self.weights[name].mul_(kept).add_(weight, alpha=1 - kept)

    def save(self, path: Path) -> None:
        """Writes it, replacing a former file at once."""
        partial = path.with_suffix(".partial")
        torch.save(self.weights, partial)
        partial.rename(path)


def rate(step: int, steps: int, full: float) -> float:
    """The learning rate: 200 steps up, then down along a cosine to 2 % of it."""
    falling = 0.5 * (1 + math.cos(math.pi * step / steps)) * 0.98 + 0.02
    return full * min(1.0, (step + 1) / 200) * falling


def train(model: TinyHear, scenes: Scenes, steps: int, seed: int, out: Path) -> None:
    """Runs the steps, with a line of figures every 100 and a file every 400."""
    loss, mean = Loss(scenes.tokenizer), Mean(model)
    optimiser = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    began, spent, seen = time.time(), time.process_time(), torch.zeros(4)
    for step, batch in enumerate(batches(scenes, steps, seed)):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps, 2.2e-3)
        whole, parts = loss(model, batch, step / steps)
        optimiser.zero_grad(set_to_none=True)
        whole.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        mean.take(model, step + 1)
        seen = parts if step == 0 else 0.97 * seen + 0.03 * parts
        if (step + 1) % 100 == 0:
            figures = "tokens {:.3f} spelling {:.3f} guide {:.3f} right {:.3f}".format(
                *seen.tolist()
            )
            clock, cpu = (time.time() - began) / 60, (time.process_time() - spent) / 60
            print(
                f"step {step + 1}/{steps} {figures}, {clock:.1f} min, {cpu:.1f} of CPU", flush=True
            )
        if (step + 1) % 400 == 0:
            mean.save(out)
    mean.save(out)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build") / "tiny-hear.pt")
    parser.add_argument("--clips", type=Path, default=Path("build") / "hear-clips.pickle")
    parser.add_argument("--count", type=int, default=CLIPS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=100, help="of the data")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    tokenizer = HearTokenizer()
    clips = stored(options.clips, options.count, 1, held_out=False)
    minutes = sum(len(clip.sound) for clip in clips) / 16000 / 60
    model = TinyHear(tokenizer.size)
    size = sum(p.numel() for p in model.parameters())
    print(f"{size:,} parameters, {len(clips):,} clips of {minutes:.0f} min", flush=True)
    train(model, Scenes(clips, tokenizer), options.steps, options.seed, options.out)


if __name__ == "__main__":
    main()
