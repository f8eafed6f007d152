"""Messages between a command and the process that serves it.

A frame is a length (4 bytes, big-endian) and so many bytes of UTF-8 JSON: one object with `v` (the
version of this protocol), `id` (the request it belongs to) and `type`. Big data does not travel:
a request beyond `INLINE` bytes lies in a file of the cache folder, and the message names it.

    client to worker    generate {request | spool}, cancel {}, load {}
    worker to client    text {text}, thinking {text}, progress {done, total},
                        finish {reason, usage}, error {error, what, next},
                        ready {} (answers load), gone {} (the worker leaves; ask for another)
    owner to control    connect {} with a socket, leave {at_once}, refuse {digests}
    control to owner    ready {device}, failed {error, what, next},
                        stage {stage, digest} (where a request stands: what the books need)
    client to host      serve {build, spec, environment, keep_alive, memory_limit},
                        status {}, stop {names}
    host to client      worker {} with a socket, died {worker_exit}, error {error, what, next},
                        status {host, models}, stopped {models},
                        replaced {} (the host gives way to another: ask that one)
"""

from __future__ import annotations

import json
import struct
from typing import Any

from localai.engines.base import Delta
from localai.errors import BadInput, LocalaiError
from localai.formats.serialization import from_plain, to_plain

VERSION = 2
INLINE = 1 << 18  # bytes of a request that still travel in a message
MOST = 1 << 22  # bytes of a frame; more is not one of ours
_FIELDS = {  # what a piece of an answer cannot be without
    "text": ("text",),
    "thinking": ("text",),
    "progress": ("done", "total"),
    "finish": ("reason",),
    "error": ("error", "what"),
}
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # made once: it takes longer
_LENGTH = struct.Struct(">I")

Frame = dict[str, Any]


class ProtocolError(LocalaiError):
    """What arrived is no message of this protocol."""

    name = "wire_error"


class OtherVersion(ProtocolError):
    """What arrived is a message of another version of this protocol."""

    name = "other_version"


def encode(kind: str, request_id: str = "", **fields: Any) -> bytes:
    """Return a message as a frame."""
    body = {"v": VERSION, "id": request_id, "type": kind, **fields}
    data = _JSON.encode(body).encode("utf-8", "surrogatepass")
    return _LENGTH.pack(len(data)) + data


class Decoder:
    """Frames from a stream of bytes, however it was cut."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; return the messages that are complete now.

        Raises
        ------
        ProtocolError
            The bytes are no frames of this protocol, or of another version.
        """
        self._data += data
        messages = []
        while len(self._data) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._data)
            if length > MOST:
                raise ProtocolError(f"a message of {length} bytes; at most {MOST} are allowed")
            end = _LENGTH.size + length
            if len(self._data) < end:
                break
            messages.append(_message(bytes(self._data[_LENGTH.size : end])))
            del self._data[:end]
        return messages


def _message(data: bytes) -> Frame:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a message that is no JSON: {error}") from None
    if not isinstance(message, dict) or not isinstance(message.get("v"), int):
        raise ProtocolError("a message without a version")
    if message["v"] != VERSION:
        raise OtherVersion(f"a message of version {message['v']}; this is version {VERSION}")
    if not isinstance(message.get("type"), str) or not isinstance(message.get("id"), str):
        raise ProtocolError("a message without a type or an id")
    return message


def encode_delta(request_id: str, delta: Delta) -> bytes:
    """Return a piece of an answer as a frame."""
    match delta.kind:
        case "text" | "thinking":
            return encode(delta.kind, request_id, text=delta.text)
        case "progress":
            return encode("progress", request_id, done=delta.done, total=delta.total)
        case "finish":
            usage = to_plain(delta.usage) if delta.usage else None
            return encode("finish", request_id, reason=delta.reason, usage=usage)
        case "error":
            return encode("error", request_id, **(delta.error or {}))
        case "stage":
            raise ProtocolError("a stage is for the worker's owner alone")


def delta(message: Frame) -> Delta:
    """Return a message of a worker as a piece of an answer.

    Raises
    ------
    ProtocolError
        It is none.
    """
    kind = message["type"]
    if missing := [name for name in _FIELDS.get(kind, ()) if name not in message]:
        raise ProtocolError(f"a message of type {kind!r} without {missing[0]!r}")
    fields = {key: value for key, value in message.items() if key not in ("v", "id", "type")}
    if kind == "error":
        parts = ("error", "what", "next")
        fields = {"error": {part: str(fields.get(part, "")) for part in parts}}
    try:
        return from_plain(Delta, {"kind": kind, **fields})
    except BadInput as error:
        raise ProtocolError(f"a message that is no piece of an answer: {error.what}") from None
