"""A damaged model file through the command: exit 3 and one sentence, or an answer; never a signal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localai.catalog.names import TINY
from tests.conftest import ROOT, command
from tests.support import measured
from tests.support.damage import flips, variants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux tells it")

MOST_EXTRA = 64 << 10  # kB of memory beyond a healthy run
SECONDS = 60


def run_measured(path: Path) -> tuple[int, bytes, str, int]:
    """Ask a model file; return exit code, stdout, stderr and the peak memory in kB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = path.with_suffix(".peak")
    arguments = command("ask", "-m", str(path), "--temp", "0", "-n", "8", "Hi")
    done = subprocess.run(
        [sys.executable, measured.__file__, str(result), *arguments],
        capture_output=True,
        timeout=SECONDS,
        env=environment,
    )
    return done.returncode, done.stdout, done.stderr.decode(), int(result.read_text())


def test_structural_damage_exits_3_with_one_sentence(tmp_path: Path) -> None:
    kinds = variants(TINY)
    assert len(kinds) >= 200
    for name, data in kinds[:: len(kinds) // 24]:
        path = tmp_path / "damaged.gguf"
        path.write_bytes(data)
        code, out, err, _peak = run_measured(path)
        assert (name, code, out) == (name, 3, b"")
        lines = err.splitlines()
        assert lines[0].startswith("localai: "), name
        assert len(lines) <= 2, name
        assert str(path) in lines[0], name


def test_flipped_bits_answer_or_exit_3(tmp_path: Path) -> None:
    path = tmp_path / "flipped.gguf"
    path.write_bytes(TINY.read_bytes())
    code, _, _, healthy = run_measured(path)
    assert code == 0
    for name, data in flips(TINY, 24, seed=7):
        path.write_bytes(data)
        code, _out, err, peak = run_measured(path)
        assert code in (0, 3), (name, code, err)
        assert "Traceback" not in err
        assert peak <= healthy + MOST_EXTRA, (name, peak, healthy)
