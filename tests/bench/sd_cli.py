"""`localai sd` against sd-cli, built from the same source: wall time, cold and warm, and pixels.

    python -m tests.bench.sd_cli SD_CLI [--size 512] [--steps 20] [--threads 1] [--repetitions 3]

The tiny model, one picture a run, interleaved. The budget is 1.03 for a run of at least 20 s.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from localai.catalog.sd_models import tiny
from tests.support.draw_models import rgb_of


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sd_cli")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    model = tiny()
    folder = Path(tempfile.mkdtemp())
    side, steps, threads = str(given.size), str(given.steps), str(given.threads)
    theirs = [
        given.sd_cli, "-m", str(model.path), "--taesd", str(model.more[0]), "-p", "a red apple",
        "-W", side, "-H", side, "--steps", steps, "--cfg-scale", "1", "--sampling-method", "euler",
        "-s", "5", "-t", threads, "-o", str(folder / "theirs.png"),
    ]  # fmt: skip
    ours = [
        sys.executable, "-m", "localai", "sd", "-m", "tiny", "a red apple", "--size", side,
        "--steps", steps, "--seed", "5", "--threads", threads, "--force", "-o",
        str(folder / "ours.png"),
    ]  # fmt: skip
    runs = {"sd-cli": theirs, "localai, cold": [*ours, "--cold"], "localai, warm": ours}
    subprocess.run(ours, check=True, capture_output=True)  # the warm model is loaded
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(given.repetitions):
        for name, words in runs.items():
            began = time.monotonic()
            subprocess.run(words, check=True, capture_output=True)
            times[name].append(time.monotonic() - began)
    base = statistics.median(times["sd-cli"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:14} {median:7.2f} s  {median / base:.3f}  of {[round(t, 2) for t in taken]}")
    same = rgb_of(folder / "ours.png") == rgb_of(folder / "theirs.png")
    print(
        f"{side}x{side}, {steps} steps, {threads} threads; pixels {'equal' if same else 'DIFFER'}"
    )


if __name__ == "__main__":
    main()
