"""Another server's address, and what one request over HTTP may come to.

Any server with OpenAI's API: vLLM, llama-server, and others. Nothing is followed that it does not
say itself: no redirects, no proxies. The standard library's client, a connection a thread.
"""

from __future__ import annotations

import http.client
import json
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from localai.errors import BadInput, LocalaiError, Unavailable
from localai.formats.text import shown
from localai.generation.openai_body import CHAT, COMPLETIONS

_TIMEOUT = 600.0  # seconds without a byte
_MOST = 1 << 26  # bytes of an answer
_SHOWN = 300  # characters of what a server says
_VERSION = "/v1"
_SENDABLE = re.compile("[!-~]+")  # what stands in a request's first lines: signs of ASCII alone
_AGAIN = (408, 409, 425, 429)  # statuses, beside 5xx, that another try may change


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
    def told(self) -> str:
        """What it says of itself, in one line."""
        body = self.body
        error = body.get("error", body) if isinstance(body, dict) else body
        message = error.get("message", error) if isinstance(error, dict) else error
        return shown(str(message).strip()[:_SHOWN])


class Endpoint(NamedTuple):
    """A server."""

    secure: bool
    host: str
    port: int | None
    path: str  # before `/v1`
    key: str | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.address!r})"  # the key is nobody's to read

    @property
    def address(self) -> str:
        """How people call it."""
        port = f":{self.port}" if self.port else ""
        return f"http{'s' * self.secure}://{self.host}{port}{self.path}"

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection, which is opened at its first request."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=_TIMEOUT)

    def ask(
        self, connection: http.client.HTTPConnection, url: str, body: Any = None
    ) -> ServerReply:
        """Return what the server answers to a request.

        Parameters
        ----------
        url : str
            From `/v1` on.
        body : JSON or None
            None: a GET.

        Raises
        ------
        OSError, http.client.HTTPException
            There is no answer.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        data = None if body is None else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", self.path + url, data, headers)
        response = connection.getresponse()
        text = response.read(_MOST + 1)
        if len(text) > _MOST:
            connection.close()
            raise http.client.HTTPException("the answer is larger than 64 MB")
        return ServerReply(response.status, _parsed(text), _seconds(response))

    def model(self, asked: str | None) -> str:
        """Return the model's name there: the one that was asked for, else the server's first.

        Raises
        ------
        LocalaiError
            It cannot be reached, or refuses us.
        """
        connection = self.connect()
        try:
            reply = self.ask(connection, f"{_VERSION}/models")
        except (OSError, http.client.HTTPException) as error:
            raise self.unreachable(error) from None
        finally:
            connection.close()
        if asked:
            return asked
        self.refuse(reply)
        models = reply.body.get("data") if isinstance(reply.body, dict) else None
        first = models[0] if isinstance(models, list) and models else None
        name = first.get("id") if isinstance(first, dict) else None
        if not isinstance(name, str):
            raise Unavailable(f"{self.address} does not say which model it has", "name it with -m")
        return name

    def refuse(self, reply: ServerReply) -> None:
        """Raise where a server refuses every request, whatever is in it.

        Raises
        ------
        Unavailable
            The key is wrong, or there is no such place.
        """
        if reply.status in (401, 403):
            raise Unavailable(
                f"{self.address} refuses us ({reply.status}): {reply.told}",
                "set the key in LOCALAI_API_KEY",
            )
        if reply.status in (404, 405) or 300 <= reply.status < 400:
            raise Unavailable(
                f"{self.address} has no such place or model ({reply.status}): {reply.told}",
                "check the address, which usually ends in /v1, and -m",
            )

    def unreachable(self, error: Exception) -> LocalaiError:
        """Return the error of a server that does not answer."""
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Unavailable(
            f"{self.address} cannot be reached: {shown(why)}",
            "start it, or check the address; the same command goes on where it stopped",
        )


def parse_endpoint(url: str, key: str | None) -> Endpoint:
    """Return the server of an address: `http://host:8000/v1`, or without the `/v1`.

    Raises
    ------
    BadInput
        It is no address of a server, or holds a password, or the key cannot be sent: no message
        shows it.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https") or parts.query:
        raise BadInput(f"{shown(url)} is not the address of a server", "http://localhost:8000/v1")
    if parts.username or parts.password:
        raise BadInput("the key of --endpoint stands in its address", "set it in LOCALAI_API_KEY")
    if key and not _SENDABLE.fullmatch(key):
        raise BadInput(
            "the key in LOCALAI_API_KEY has a letter that no key has",
            "copy it from the server anew",
        )
    path = parts.path.rstrip("/")
    for end in (CHAT, COMPLETIONS, _VERSION):
        path = path.removesuffix(end)
    return Endpoint(parts.scheme == "https", host, port, path, key)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode("utf-8", "replace")


def _seconds(response: http.client.HTTPResponse) -> float | None:
    given = response.getheader("Retry-After", "")
    return float(given) if given.isascii() and given.isdecimal() and len(given) < 7 else None
