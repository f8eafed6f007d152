"""The host's clients, and what they request for."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Hashable
from dataclasses import dataclass

from localai.catalog.gguf.parts import all_parts
from localai.engines import registry
from localai.errors import BadInput
from localai.formats.serialization import from_plain
from localai.formats.units import size
from localai.pool import protocol
from localai.pool.eviction import PooledWorker
from localai.pool.framed_socket import FramedSocket
from localai.system.files import file_version
from localai.types import ModelSpec


class ClientSession(FramedSocket):
    """A client of the host."""

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        super().__init__(sock, selector)
        self.since = time.monotonic()
        self.known = False  # it has said something
        self.worker: PooledWorker | None = None  # the worker that it was given last
        self.stopping: list[PooledWorker] = []  # the workers that it waits to see ended
        self.stopped: list[str] = []  # the names of those that have


@dataclass(frozen=True)
class AcquireRequest:
    """A client that wants a worker."""

    client: ClientSession
    spec: ModelSpec
    environment: dict[str, str]
    keep_alive: float  # seconds; negative: for ever
    memory_limit: str  # of all models together, as in the settings
    identity: Hashable  # what two requests must share to be served by one worker

    @classmethod
    def read(cls, client: ClientSession, message: protocol.Frame) -> AcquireRequest:
        """Return the request that a message tells.

        Raises
        ------
        BadInput
            It tells none.
        """
        spec = from_plain(ModelSpec, message.get("spec"))
        environment, keep_alive = message.get("environment"), message.get("keep_alive")
        limit = message.get("memory_limit")
        if not spec.files or not isinstance(environment, dict):
            raise BadInput("a request names a model's file and an environment")
        if not all(map(_is_native, spec.files)):
            raise BadInput("a model's file has a name that no file can have")
        if not all(_is_variable(*pair) for pair in environment.items()):
            raise BadInput("an environment's variables are texts")
        if not isinstance(keep_alive, int | float) or not abs(keep_alive) < 1e12:
            raise BadInput("a request says for how long the model stays")
        if not isinstance(limit, str) or size(limit, 0) is None:
            raise BadInput("a request says how much memory all models may take")
        # A file that another one has replaced since is another model.
        files = tuple(map(file_version, all_parts(spec.files)))
        identity = (registry.identity(spec), files, tuple(sorted(environment.items())))
        return cls(client, spec, environment, float(keep_alive), limit, identity)


def _is_variable(name: str, value: object) -> bool:
    return _is_native(name) and _is_native(value) and "=" not in name and name != ""


def _is_native(text: object) -> bool:
    """Whether the system can be given a text."""
    try:
        return isinstance(text, str) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
