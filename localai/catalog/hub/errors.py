"""What goes wrong between us and the hub, in words, and how long to be patient with it."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import sleep
from typing import Final, TypeVar
from urllib import request
from urllib.error import URLError
from urllib.parse import urlsplit

from localai.errors import LocalaiError, Unavailable, UnknownModel
from localai.formats.text import shown

PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each new try
_LONGEST_PAUSE: Final = 60.0  # seconds; a server may ask for hours
_PASSING: Final = frozenset((408, 425, 429, 500, 502, 503, 504))
_AGAIN: Final = "type the command again later"
_Result = TypeVar("_Result")


class TransientError(Exception):
    """A failure that may pass: a broken connection, a busy server.

    Parameters
    ----------
    why : str
        What happened.
    next_step : str
        What to type if it does not pass.
    pause : float
        Seconds that the server asks us to wait.
    early : bool
        Before the first byte it hardly passes by waiting: there is no network.
    """

    def __init__(
        self, why: str, next_step: str = _AGAIN, pause: float = 0, early: bool = False
    ) -> None:
        super().__init__(why)
        self.why = why
        self.next_step = next_step
        self.pause = pause
        self.early = early


@dataclass(frozen=True)
class RequestTarget:
    """What a request is about, for its errors."""

    repo: str
    name: str = ""  # of a file; empty: the repository as a whole


@dataclass
class RetryPolicy:
    """Counts failures in a row, and waits longer after each."""

    failures: int = 0
    started: bool = False

    def progressed(self) -> None:
        """Something has come: count anew."""
        self.failures, self.started = 0, True

    def wait(self, hiccup: TransientError, hint: Callable[[], str] = str) -> None:
        """Wait before the next try.

        Raises
        ------
        Unavailable
            There is no use, or it has failed too often; `hint` says what to type then.
        """
        if hiccup.early and not self.started:
            raise Unavailable(hiccup.why, hiccup.next_step) from None
        if self.failures == len(PAUSES):
            what = f"{hiccup.why}, and {len(PAUSES)} more tries did not help"
            raise Unavailable(what, hint() or hiccup.next_step) from None
        sleep(max(PAUSES[self.failures], min(hiccup.pause, _LONGEST_PAUSE)))
        self.failures += 1


def retry(work: Callable[[], _Result]) -> _Result:
    """Return what `work` gives, trying again while it fails in ways that may pass."""
    patience = RetryPolicy()
    while True:
        try:
            return work()
        except TransientError as hiccup:
            patience.wait(hiccup)


def host_of(url: str) -> str:
    """Return a URL's host and port for a message, without a password."""
    try:
        return shown(urlsplit(url).netloc.rpartition("@")[2])[:200]
    except ValueError:
        return ""


def proxy_for(url: str) -> str:
    """Return the proxy that the environment names for a URL, or an empty text."""
    parts = urlsplit(url)
    proxy = request.getproxies().get(parts.scheme, "")
    return "" if request.proxy_bypass(parts.netloc) else proxy


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Turn what the network's libraries raise into `TransientError` or `Unavailable`."""
    try:
        yield
    except URLError as error:
        reason = error.reason if isinstance(error.reason, Exception) else ValueError(error.reason)
        raise _told(reason, url) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _told(error, url) from None


def _told(error: Exception, url: str) -> TransientError | LocalaiError:
    proxy = proxy_for(url)
    who = f"the proxy {host_of(proxy)}".strip() if proxy else host_of(url)
    settle = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY" if proxy else "check the network"
    if isinstance(error, ssl.SSLError):
        return _told_of_tls(error, host_of(url))
    if isinstance(error, socket.gaierror):
        return TransientError(f"{who} is not known here: no network, or no DNS", settle, early=True)
    if isinstance(error, ConnectionRefusedError):
        return TransientError(f"{who} refuses connections", settle, early=True)
    if isinstance(error, TimeoutError):
        return TransientError(f"{who} does not answer in time")
    if isinstance(error, (ConnectionError, http.client.IncompleteRead)):
        return TransientError(f"{who} closed the connection early")
    text = shown(error)[:200]
    if text.startswith("Tunnel connection failed"):
        return Unavailable(f"{who} refuses to connect to {host_of(url)}: {text}", settle)
    if isinstance(error, OSError):
        return TransientError(
            f"{who} cannot be reached: {shown(error.strerror or text)}", settle, early=True
        )
    text = "" if proxy else f": {text}"  # it may hold the proxy's password
    return Unavailable(f"{who} does not speak HTTP as we know it{text}", settle)


def _told_of_tls(error: ssl.SSLError, host: str) -> TransientError | LocalaiError:
    if isinstance(error, ssl.SSLCertVerificationError):
        what = f"the certificate of {host} is not trusted: {shown(error.verify_message)[:200]}"
        hint = "check the clock; a network that reads along needs its certificate in SSL_CERT_FILE"
        return Unavailable(what, hint)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return TransientError(f"{host} closed the connection early")
    return Unavailable(
        f"no secure connection to {host}: {shown(error.reason or error)[:200]}",
        "check the network, HTTPS_PROXY and HF_ENDPOINT",
    )


def refusal(
    endpoint: str, known: bool, answer: http.client.HTTPResponse, asked: RequestTarget, own: bool
) -> TransientError | LocalaiError:
    """Return the error for an answer that is none.

    Parameters
    ----------
    endpoint : str
        The hub's address.
    known : bool
        We have sent, or would send, a token.
    answer : HTTPResponse
        Its status and headers count.
    asked : RequestTarget
        What we wanted.
    own : bool
        It is the hub that answers, and not the content network it has sent us to.
    """
    status, host = answer.status, host_of(endpoint)
    if status in _PASSING or (status in (401, 403) and not own):
        return _busy(host, answer)  # a link to the content network is good for an hour or so
    if status == 407:
        return Unavailable(
            "the proxy wants a login", "put it into HTTPS_PROXY: http://USER:PASSWORD@"
        )
    code = answer.getheader("X-Error-Code") or ""
    if code == "GatedRepo" or (status == 403 and not code):
        return gated(endpoint, known, asked.repo)
    if status == 401 and known:
        return Unavailable(
            f"{host} does not accept the access token",
            f"make a new one at {endpoint}/settings/tokens and set HF_TOKEN, or unset it",
        )
    if status in (401, 404):
        return _missing(endpoint, known, asked, code)
    return Unavailable(
        f"{host} does not hand out {shown(asked.name or asked.repo)} (HTTP {status})",
        f"look at {endpoint}/{asked.repo}",
    )


def gated(endpoint: str, known: bool, repo: str) -> Unavailable:
    """Return the error for a repository whose terms have to be accepted first."""
    what = f"{repo} is only for those who have accepted its terms"
    if known:
        what += ", and the owner of this access token has not, or waits for an answer"
        return Unavailable(what, f"accept them at {endpoint}/{repo}, then type the command again")
    return Unavailable(
        what,
        f"accept them at {endpoint}/{repo}, make an access token at {endpoint}/settings/tokens, "
        "and set HF_TOKEN to it",
    )


def _missing(endpoint: str, known: bool, asked: RequestTarget, code: str) -> LocalaiError:
    if code == "RevisionNotFound":
        what = f"{asked.repo} has no such branch, tag or commit"
        return UnknownModel(what, f"look at {endpoint}/{asked.repo}/tree/main")
    if asked.name and code != "RepoNotFound":
        what = f"{asked.repo} has no file {shown(asked.name)} any more"
        return UnknownModel(what, f"look at {endpoint}/{asked.repo}")
    login = "" if known else "; if it is private, set HF_TOKEN"
    return UnknownModel(
        f"there is no model {asked.repo} on {host_of(endpoint)}, or it is private",
        f"check the spelling at {endpoint}/{asked.repo}{login}",
    )


def _busy(host: str, answer: http.client.HTTPResponse) -> TransientError:
    asked = answer.getheader("Retry-After") or ""
    pause = float(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 0.0
    if answer.status == 429:
        hint = "wait some minutes; with HF_TOKEN set, the hub allows more"
        return TransientError(f"{host} says that we ask too often (HTTP 429)", hint, pause)
    return TransientError(f"{host} has trouble of its own (HTTP {answer.status})", pause=pause)
