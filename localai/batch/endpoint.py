"""Another server's address: any with OpenAI's API, such as vLLM and llama-server."""

from __future__ import annotations

import http.client
import re
from contextlib import closing
from typing import NamedTuple
from urllib.parse import urlsplit

from localai.batch.endpoint_connection import EndpointConnection, LostConnection, ServerReply
from localai.errors import BadInput, Unavailable
from localai.formats.text import shown
from localai.generation.openai_body import CHAT, COMPLETIONS

_CONNECT = 30.0  # seconds until a connection is open
_WAIT = 60.0  # seconds for a list
_VERSION = "/v1"
_MODELS = "/v1/models"
_SENDABLE = re.compile("[!-~]*")  # what stands in a request's first lines: signs of ASCII alone


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
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"http{'s' * self.secure}://{host}{port}{self.path}"

    def connect(self, wait: float) -> EndpointConnection:
        """Return a connection that is not open yet.

        Parameters
        ----------
        wait : float
            Seconds without a byte after which an answer is waited for no longer.
        """
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        # Without a port the client would take the end of an IPv6 address for one.
        client = kind(self.host, self.port or kind.default_port, timeout=_CONNECT)
        return EndpointConnection(client, self.path, self.key, wait)

    def models(self) -> ServerReply:
        """Return what it says of its models: a server that says anything there is not away.

        Raises
        ------
        OSError, LostConnection
            It is.
        """
        with closing(self.connect(_WAIT)) as connection:
            connection.open()
            return connection.ask(_MODELS)

    def model(self, asked: str | None) -> str:
        """Return the model's name there: the one that was asked for, else the server's first.

        Raises
        ------
        LocalaiError
            It cannot be reached, or refuses us.
        """
        try:
            reply = self.models()
        except (OSError, LostConnection) as error:
            raise self.unreachable(error) from None
        if asked:
            return asked
        if reply.refuses:
            raise self.refusal(reply)
        models = reply.body.get("data") if isinstance(reply.body, dict) else None
        first = models[0] if isinstance(models, list) and models else None
        name = first.get("id") if isinstance(first, dict) else None
        if not isinstance(name, str):
            raise Unavailable(f"{self.address} does not say which model it has", "name it with -m")
        return name

    def refusal(self, reply: ServerReply) -> Unavailable:
        """Return the error of a server that refuses every request, whatever is in it."""
        if reply.status in (401, 403):
            return Unavailable(
                f"{self.address} refuses us ({reply.status}): {reply.told}",
                "set the key in LOCALAI_API_KEY",
            )
        return Unavailable(
            f"{self.address} has no such place or model ({reply.status}): {reply.told}",
            "check the address, which usually ends in /v1, and -m",
        )

    def unreachable(self, error: Exception) -> Unavailable:
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
        host, port = parts.hostname or "", parts.port
        host.encode("idna")  # as it is looked up
    except ValueError:
        host, port = "", None
    if (
        not host
        or parts.scheme not in ("http", "https")
        or parts.query
        or not _SENDABLE.fullmatch(parts.path)
    ):
        raise BadInput(f"{shown(url)} is not the address of a server", "http://localhost:8000/v1")
    if parts.username or parts.password:
        raise BadInput("the key of --endpoint stands in its address", "set it in LOCALAI_API_KEY")
    if not _SENDABLE.fullmatch(key or ""):
        what = "the key in LOCALAI_API_KEY has a character that cannot be sent"
        raise BadInput(what, "copy it from the server anew")
    path = parts.path.rstrip("/")
    for end in (CHAT, COMPLETIONS, _VERSION):
        path = path.removesuffix(end)
    return Endpoint(parts.scheme == "https", host, port, path, key)
