"""What the command costs before it does anything: `localai --help` against `import click`.

python -m tests.bench.start [--repetitions 30]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from tests.bench.table import RATIOS, compared, show

BUDGET = 2.0
COMMANDS = {
    "localai --help": ["-m", "localai", "--help"],
    "localai --version": ["-m", "localai", "--version"],
}
AGAINST = ["-c", "import click"]


def milliseconds(arguments: list[str]) -> float:
    """Return the wall time of a Python process."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the command costs at its start.")
    parser.add_argument("--repetitions", type=int, default=30)
    count: int = parser.parse_args().repetitions
    ours: dict[str, list[float]] = {name: [] for name in COMMANDS}
    theirs: list[float] = []
    for turn in range(count + 1):
        base = milliseconds(AGAINST)
        times = {name: milliseconds(arguments) for name, arguments in COMMANDS.items()}
        if turn:  # the first warms the file cache
            theirs.append(base)
            for name, spent in times.items():
                ours[name].append(spent)
    rows = [compared(name, ours[name], theirs, f"<= {BUDGET:g}") for name in COMMANDS]
    title = f"start to end of the process, {count} repetitions, taking turns; medians in ms"
    show(title, ("command", "ours", "import click", *RATIOS), rows)


if __name__ == "__main__":
    main()
