"""A socket in a process that serves many: frames in, frames out, never waiting."""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import socket
import threading

from localai.pool import protocol

_READ = 1 << 18  # bytes


class FramedSocket:
    """A socket: frames in, frames out.

    Parameters
    ----------
    sock : socket
        Belongs to the connection from here on.
    selector : selector
        Told what to watch; its key's `data` is the connection.
    """

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._selector = selector
        self._decoder = protocol.Decoder()
        self._unsent = bytearray()
        self._lock = threading.Lock()
        selector.register(sock, selectors.EVENT_READ, self)

    def read(self) -> list[protocol.Frame] | None:
        """Return the messages that have arrived; None: the other side has left.

        Raises
        ------
        ProtocolError
            What has arrived is no message.
        """
        try:
            data = self._receive()
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self._decoder.feed(data) if data else None

    def _receive(self) -> bytes:
        return self.socket.recv(_READ)

    def send(self, data: bytes) -> None:
        """Send frames from any thread; what the socket does not take at once is sent later."""
        with self._lock:
            if not self._unsent:
                with contextlib.suppress(OSError):  # that the other has left is seen by `read`
                    data = data[self.socket.send(data) :]
            if data:
                self._unsent += data
                self._watch(selectors.EVENT_READ | selectors.EVENT_WRITE)

    def send_fd(self, data: bytes, sock: socket.socket) -> bool:
        """Send a frame that carries a socket, and close ours; False: it cannot be taken now."""
        with self._lock, sock:
            try:
                return not self._unsent and socket.send_fds(
                    self.socket, [data], [sock.fileno()]
                ) == len(data)
            except OSError:
                return False

    @property
    def unsent(self) -> int:
        """How many bytes wait for the other side to read."""
        return len(self._unsent)

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
        """Forget the other side."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(self.socket)
        self.socket.close()


class FdReceiver(FramedSocket):
    """A framed socket whose other side sends descriptors along."""

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        super().__init__(sock, selector)
        self.received: collections.deque[int] = collections.deque()  # not yet taken

    def _receive(self) -> bytes:
        data, descriptors, _, _ = socket.recv_fds(self.socket, _READ, protocol.MAX_FILES)
        self.received.extend(descriptors)
        return data

    def close(self) -> None:
        """Forget the other side, and close what it sent and nobody took."""
        super().close()
        self.close_received()

    def close_received(self) -> None:
        """Close the descriptors that nobody has taken."""
        while self.received:
            os.close(self.received.popleft())
