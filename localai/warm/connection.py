"""A client's socket in the process that serves it: frames in, frames out, never waiting."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

from localai.warm import wire

_READ = 1 << 16  # bytes


class Connection:
    """A client's socket: frames in, frames out, and the requests that run for it."""

    def __init__(self, sock: socket.socket, key: int, selector: selectors.BaseSelector) -> None:
        sock.setblocking(False)
        self.socket, self.key = sock, key
        self.requests: set[str] = set()
        self._selector = selector
        self._decoder = wire.Decoder()
        self._unsent = bytearray()
        self._lock = threading.Lock()
        selector.register(sock, selectors.EVENT_READ, self)

    def read(self) -> list[wire.Message] | None:
        """Return the messages that have arrived; None: the client has left."""
        try:
            data = self.socket.recv(_READ)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._decoder.feed(data) if data else None

    def send(self, data: bytes) -> None:
        """Send frames from any thread; what the socket does not take at once is sent later."""
        with self._lock:
            if not self._unsent:
                with contextlib.suppress(OSError):  # a client that has left is seen by `read`
                    data = data[self.socket.send(data) :]
            if data:
                self._unsent += data
                self._watch(selectors.EVENT_READ | selectors.EVENT_WRITE)

    def flush(self) -> None:
        """Send what has waited; the socket takes something again."""
        with self._lock:
            with contextlib.suppress(OSError):
                del self._unsent[: self.socket.send(self._unsent)]
            if not self._unsent:
                self._watch(selectors.EVENT_READ)

    def _watch(self, events: int) -> None:
        with contextlib.suppress(KeyError, ValueError):  # closed meanwhile
            self._selector.modify(self.socket, events, self)

    def close(self) -> None:
        """Forget the client."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(self.socket)
        self.socket.close()
