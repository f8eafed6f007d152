"""llama.cpp's own programs: llama-server answering, llama-bench measuring."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_START_SECONDS = 120


def program(name: str) -> str:
    """Return the path of one of llama.cpp's programs."""
    folder = os.environ.get("LOCALAI_LLAMA_BIN")
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    if not found:
        where = folder or "PATH"
        raise SystemExit(f"{name} is not in {where}: see tests/bench/__init__.py for its build")
    return found


class Server:
    """A llama-server with one slot, no cache of prompts, and a port of its own.

    Parameters
    ----------
    model : Path
        A GGUF file.
    threads : int
        CPU threads.
    context : int
        Tokens.
    more : sequence of str
        Further arguments.
    """

    def __init__(
        self, model: Path, threads: int, context: int = 2048, more: Sequence[str] = ()
    ) -> None:
        self.host = "127.0.0.1"
        with socket.socket() as probe:
            probe.bind((self.host, 0))
            self.port = int(probe.getsockname()[1])
        command = [program("llama-server"), "--model", str(model), "--port", str(self.port)]
        command += ["--host", self.host, "--parallel", "1", "--ctx-size", str(context)]
        command += ["--threads", str(threads), "--threads-batch", str(threads)]
        command += ["--cache-ram", "0", "--reasoning-format", "none", "--log-disable", *more]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if self._ask("GET", "/health", None)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        self._process.kill()
        raise SystemExit("llama-server did not start")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    @property
    def address(self) -> str:
        """Where it is reached."""
        return f"http://{self.host}:{self.port}"

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the server's answer to a request."""
        status, answer = self._ask("POST", path, body)
        if status != 200:
            raise SystemExit(f"llama-server says {status} to {path}: {answer}")
        return dict(answer)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=600)
        data = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def llama_bench(model: Path, threads: int, prompt: int, decode: int) -> tuple[float, float]:
    """Return tokens a second of one repetition: of a prompt, and of decoding."""
    command = [program("llama-bench"), "--model", str(model), "--threads", str(threads)]
    command += ["--n-prompt", str(prompt), "--n-gen", str(decode)]
    command += ["--repetitions", "1", "--output", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = json.loads(done.stdout)
    speeds = {bool(row["n_prompt"]): float(row["avg_ts"]) for row in rows}
    return speeds[True], speeds[False]
