"""One connection to a server with OpenAI's API, and what one request comes to.

Nothing is followed that the server does not say itself: no redirects, no proxies. The standard
library's client, a connection a thread.
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, NamedTuple

from localai.errors import LocalaiError
from localai.formats.text import shown

_MOST = 1 << 26  # bytes of an answer
_SHOWN = 300  # characters of what a server says
_AGAIN = (408, 409, 425, 429)  # statuses, beside 5xx, that another try may change
# How a peer that has vanished is noticed while an answer is waited for: within three minutes.
_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 6}


class ServerReply(NamedTuple):
    """What a server has answered."""

    status: int
    body: Any  # its JSON; where it is none, a text
    retry_after: float | None = None  # seconds

    @property
    def temporary(self) -> bool:
        """Whether another try may bring something else."""
        return self.status in _AGAIN or self.status >= 500

    @property
    def refuses(self) -> bool:
        """Whether it may be that every request is refused: the key, the address, the model."""
        return self.status in (401, 403, 404, 405) or 300 <= self.status < 400

    @property
    def told(self) -> str:
        """What it says of itself, in one line."""
        body = self.body
        error = body.get("error", body) if isinstance(body, dict) else body
        message = error.get("message", error) if isinstance(error, dict) else error
        return shown(str(message).strip()[:_SHOWN])


class LostConnection(Exception):
    """The server was reached, and the connection ended before there was a whole answer."""


class SlowAnswer(LostConnection):
    """Nothing has come for as long as was to be waited."""


class EndpointConnection:
    """A connection that stays open from one request to the next.

    Parameters
    ----------
    client : http.client.HTTPConnection
        Not opened yet; its timeout is that of opening it.
    path : str
        What stands before `/v1`.
    key : str or None
        What the server asks for.
    wait : float
        Seconds without a byte after which an answer is waited for no longer.
    """

    def __init__(
        self, client: http.client.HTTPConnection, path: str, key: str | None, wait: float
    ) -> None:
        self._client, self._path, self._wait = client, path, wait
        self._used = False  # since it was opened
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def open(self) -> None:
        """Open it, where it is not open.

        Raises
        ------
        OSError
            The server cannot be reached.
        """
        if self._client.sock is not None:
            return
        self._used = False
        self._client.connect()
        opened: Any = self._client.sock
        opened.settimeout(self._wait)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBES.items():
            if (option := getattr(socket, name, None)) is not None:
                opened.setsockopt(socket.IPPROTO_TCP, option, value)

    def ask(self, url: str, body: Any = None) -> ServerReply:
        """Return what the server answers to a request.

        A connection that was open already may have been closed by the server meanwhile: then it
        is opened anew, once.

        Parameters
        ----------
        url : str
            From `/v1` on.
        body : JSON or None
            None: a GET.

        Raises
        ------
        LostConnection
            There is no whole answer.
        LocalaiError
            The answer is too large.
        """
        data = None if body is None else json.dumps(body).encode()
        kept = self._used and self._client.sock is not None
        while True:
            try:
                self.open()
            except OSError as error:
                raise LostConnection(_why(error)) from None
            try:
                return self._reply(url, data)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if isinstance(error, TimeoutError) and error.errno is None:  # ours, not TCP's
                    raise SlowAnswer(f"nothing has come for {self._wait:.0f} s") from None
                if not kept:
                    raise LostConnection(_why(error)) from None
            kept = False

    def close(self) -> None:
        """Close it; it can be opened again."""
        self._client.close()

    def _reply(self, url: str, data: bytes | None) -> ServerReply:
        method = "GET" if data is None else "POST"
        self._client.request(method, self._path + url, data, self._headers)
        response = self._client.getresponse()
        text = response.read(_MOST + 1)
        if len(text) > _MOST:
            self.close()
            raise LocalaiError(f"the server's answer is larger than {_MOST >> 20} MB")
        if response.length:  # what it has announced and not sent, which `read` leaves unsaid
            raise http.client.IncompleteRead(text, response.length)
        self._used = True
        return ServerReply(response.status, _parsed(text), _seconds(response))


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode("utf-8", "replace")


def _seconds(response: http.client.HTTPResponse) -> float | None:
    given = response.getheader("Retry-After", "")
    return float(given) if given.isascii() and given.isdecimal() and len(given) < 7 else None
