"""One request to the hub at a time: proxies, redirects, certificates, and failures in words.

Nothing but `http` and `https` is spoken, `https` never becomes `http`, and the access token goes to
the hub's own host alone: the hub sends everybody on to a content network for the bytes.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any, Final
from urllib import request
from urllib.parse import quote, urljoin, urlsplit

from localai import __version__
from localai.catalog.hub.errors import (
    RequestTarget,
    TransientError,
    host_of,
    refusal,
    retry,
    translate_errors,
)
from localai.errors import BadInput, Unavailable
from localai.formats.text import shown
from localai.settings import HubEnvironment

TIMEOUT: Final = 30.0  # seconds without a byte
_REDIRECTS: Final = 10
_LONGEST_ANSWER: Final = 1 << 26  # bytes of a listing


def document(hub: HubEnvironment, path: str, asked: RequestTarget) -> Any:
    """Return the JSON document at a path of the hub.

    Raises
    ------
    Unavailable
        There is no network, no permission, or the answer is no JSON.
    UnknownModel
        There is no such thing.
    """
    data = retry(lambda: _body(hub, path, asked))
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        what = f"{host_of(hub.endpoint)} answered with something that is no list of files"
        hint = "check HF_ENDPOINT, and whether this network asks for a login"
        raise Unavailable(what, hint) from None


def _body(hub: HubEnvironment, path: str, asked: RequestTarget) -> bytes:
    with opened(hub, path, asked) as answer, translate_errors(hub.endpoint):
        data = bytes(answer.read(_LONGEST_ANSWER + 1))
        wanted = answer.getheader("Content-Length") or ""
    if len(data) > _LONGEST_ANSWER:
        raise Unavailable(
            f"the list of files of {shown(asked.repo)} is longer than any that exists"
        )
    if wanted.isascii() and wanted.isdecimal() and len(data) < int(wanted):
        raise TransientError(f"{host_of(hub.endpoint)} closed the connection early")
    return data


def opened(
    hub: HubEnvironment, path: str, asked: RequestTarget, span: str = ""
) -> http.client.HTTPResponse:
    """Return the hub's answer to a GET, after its redirects; close it after use.

    Parameters
    ----------
    hub : HubEnvironment
        Where to ask, and with which token.
    path : str
        Begins with a slash; quoted.
    asked : RequestTarget
        For the errors.
    span : str
        The value of a `Range` header; empty for none.

    Raises
    ------
    Hiccup
        It may work the next time.
    Unavailable, UnknownModel
        It will not.
    """
    if hub.offline:
        raise forbidden(asked.name or asked.repo)
    url = checked_endpoint(hub.endpoint) + path
    for _ in range(_REDIRECTS):
        answer = _answer(hub, url, span)
        if answer.status not in (301, 302, 303, 307, 308):
            break
        answer.close()
        url = _next(url, answer.getheader("Location") or "")
    else:
        raise Unavailable(f"{host_of(url)} sends us in a circle", "try again later")
    if answer.status in (200, 206, 416):
        return answer
    answer.close()
    raise refusal(hub.endpoint, bool(hub.token), answer, asked, ours(hub, url))


def forbidden(name: str) -> Unavailable:
    """Return the error for what may not be fetched."""
    what = f"{shown(name)} is not on this machine, and nothing may be fetched: this is offline"
    return Unavailable(what, "leave out --offline, and unset LOCALAI_OFFLINE and HF_HUB_OFFLINE")


def checked_endpoint(endpoint: str) -> str:
    """Return the hub's address if it is one."""
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and not (parts.query or parts.fragment)
    except ValueError:
        good = False
    if good and endpoint.isascii() and endpoint.isprintable() and "@" not in endpoint:
        return endpoint
    raise BadInput(
        f"HF_ENDPOINT is {shown(endpoint)[:80]!r}, which is no web address", "such as https://HOST"
    )


def _answer(hub: HubEnvironment, url: str, span: str) -> http.client.HTTPResponse:
    # Not compressed: the size and the ranges are those of the file.
    headers = {"User-Agent": f"localai/{__version__}", "Accept-Encoding": "identity"}
    if span:
        headers["Range"] = span
    if hub.token and ours(hub, url):
        headers["Authorization"] = f"Bearer {_checked_token(hub.token)}"
    with translate_errors(url):
        answer = _opener(url).open(request.Request(url, headers=headers), timeout=TIMEOUT)
    assert isinstance(answer, http.client.HTTPResponse)
    return answer


def _opener(url: str) -> request.OpenerDirector:
    """Return what opens a URL: through the proxies of the environment, and no other scheme."""
    director = request.OpenerDirector()
    # None that judges the status or follows redirects: `opened` does.
    for handler in (request.ProxyHandler(), request.HTTPHandler(), request.UnknownHandler()):
        director.add_handler(handler)
    if url.startswith("https:"):  # the certificates take 30 ms to read
        director.add_handler(request.HTTPSHandler(context=trust()))
    return director


def trust() -> ssl.SSLContext:
    """Return the certificates that addresses of the web are checked against."""
    context = ssl.create_default_context()
    places = ssl.get_default_verify_paths()
    if not (places.cafile or places.capath):  # some Pythons on macOS come without certificates
        try:
            import certifi

            context.load_verify_locations(certifi.where())
        except ImportError:
            pass
    return context


def _checked_token(token: str) -> str:
    if token.isascii() and token.isprintable() and " " not in token:
        return token
    raise Unavailable("the access token holds characters that no token has", "set HF_TOKEN anew")


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def ours(hub: HubEnvironment, url: str) -> bool:
    """Whether a URL is on the hub's own host, which alone may see the token."""
    return _origin(url) == _origin(hub.endpoint)


def _next(url: str, location: str) -> str:
    """Return where a redirect leads, if one may go there."""
    try:
        target = urljoin(url, quote(location, safe="%/:=&?~#+!$,;'@()*[]"))
        parts = urlsplit(target)
        good = bool(location and parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        good = False
    allowed = ("https",) if url.startswith("https:") else ("http", "https")
    if good and parts.scheme in allowed:
        return target
    what = f"{host_of(url)} sends us on to {shown(location)[:80]!r}, where we do not go"
    raise Unavailable(what, "nothing was fetched; try again later, or check HF_ENDPOINT")
