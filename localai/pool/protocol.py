"""Frames between a command, the daemon and the workers.

A frame is a length (4 bytes, big-endian) and so many bytes of UTF-8 JSON: one object with `v` (the
version of this protocol), `id` (the request it belongs to) and `type`. Plain files travel as paths;
what only the client can open travels as open descriptors with the frame of its request.

    client to worker    generate {request, client, files} (files: how many descriptors came along),
                        count_tokens {request}, cancel {}, load {}
    worker to client    an event by the name of its class {event} (`types`, `engines.registry`),
                        ready {} (answers load), retired {} (this request had not begun, and will
                        not here; without an id: nor will any other. Ask another worker)
    owner to control    connect {} with a socket, leave {at_once}
    control to owner    ready {device, memory}, failed {error, what, next},
                        requests {running, waiting}, retiring {} (no more requests are taken)
    client to daemon    serve {build, spec, environment, keep_alive, memory_limit},
                        status {}, stop {names}
    daemon to client    worker {loaded} with a socket, died {worker_exit},
                        error {error, what, next}, status {host, models}, stopped {models},
                        replaced {} (the daemon gives way to another: ask that one)
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from localai.errors import BadInput, LocalaiError
from localai.formats.serialization import from_plain, to_plain
from localai.types import Event, Failed

VERSION = 5
MAX_FRAME = 1 << 28  # bytes: more is not one of ours
MAX_FILES = 64  # descriptors with one frame
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # made once: it takes longer
_LENGTH = struct.Struct(">I")

Frame = dict[str, Any]


class ProtocolError(LocalaiError):
    """What arrived is no frame of this protocol."""

    name = "wire_error"


class OtherVersion(ProtocolError):
    """What arrived is a frame of another version of this protocol."""

    name = "other_version"


def encode(kind: str, request_id: str = "", **fields: Any) -> bytes:
    """Return a frame.

    Raises
    ------
    BadInput
        It would be longer than `MAX_FRAME`.
    """
    body = {"v": VERSION, "id": request_id, "type": kind, **fields}
    data = _JSON.encode(body).encode("utf-8", "surrogatepass")
    if len(data) > MAX_FRAME:
        raise BadInput(
            f"a request of {len(data)} bytes; at most {MAX_FRAME} are taken", "give it in parts"
        )
    return _LENGTH.pack(len(data)) + data


class Decoder:
    """Frames from a stream of bytes, however it was cut."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; return the frames that are complete now.

        Raises
        ------
        ProtocolError
            The bytes are no frames of this protocol, or of another version.
        """
        self._data += data
        frames = []
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if length > MAX_FRAME:
                raise ProtocolError(f"a frame of {length} bytes; at most {MAX_FRAME} are allowed")
            end = _LENGTH.size + length
            if len(self._data) < end:
                break
            frames.append(_frame(bytes(self._data[_LENGTH.size : end])))
            del self._data[:end]
        return frames


def _frame(data: bytes) -> Frame:
    try:
        frame = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a frame that is no JSON: {error}") from None
    if not isinstance(frame, dict) or not isinstance(frame.get("v"), int):
        raise ProtocolError("a frame without a version")
    if frame["v"] != VERSION:
        raise OtherVersion(f"a frame of version {frame['v']}; this is version {VERSION}")
    if not isinstance(frame.get("type"), str) or not isinstance(frame.get("id"), str):
        raise ProtocolError("a frame without a type or an id")
    return frame


def encode_event(request_id: str, event: Event) -> bytes:
    """Return an event as a frame; its type is the name of its class."""
    return encode(type(event).__name__, request_id, event=to_plain(event))


def failed(request_id: str, error: LocalaiError) -> bytes:
    """Return the frame that ends a request with an error."""
    return encode_event(request_id, Failed(**error.to_wire()))


def decode_event(frame: Frame, known: Mapping[str, type[Any]]) -> Event:
    """Return a worker's frame as an event.

    Parameters
    ----------
    known : mapping
        Name to class of the events that the engine may send (`registry.event_types`).

    Raises
    ------
    ProtocolError
        It is none of them.
    """
    if (kind := known.get(frame["type"])) is None:
        raise ProtocolError(f"a frame of the unknown type {frame['type'][:40]!r}")
    try:
        event: Event = from_plain(kind, frame.get("event"))
    except BadInput as error:
        raise ProtocolError(f"a frame that is no event: {error.what}") from None
    return event
