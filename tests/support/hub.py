"""A model hub on this machine: its API, a content network on a second port, and many faults."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

GRANTED = "hf_granted"  # a token that may see everything
STRANGER = "hf_stranger"  # a token whose owner has accepted no terms
STEP = 1 << 14  # bytes sent at once


@dataclass
class Repo:
    """A repository of the hub."""

    files: dict[str, bytes]
    gated: bool = False
    private: bool = False
    small: frozenset[str] = frozenset()  # files that git keeps itself, without a SHA-256
    untold: frozenset[str] = frozenset()  # files of which only the name is told
    more: list[Any] = field(default_factory=list)  # rows of the listing as they are

    @property
    def commit(self) -> str:
        return hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()

    def rows(self) -> list[Any]:
        return [self.row(name, data) for name, data in self.files.items()] + self.more

    def row(self, name: str, data: bytes) -> dict[str, Any]:
        if name in self.untold:
            return {"rfilename": name}
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        row: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git}
        if name not in self.small:
            sha256 = hashlib.sha256(data).hexdigest()
            row["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
        return row


@dataclass
class Seen:
    """A request that has come."""

    where: str  # "hub" or "cdn"
    path: str
    headers: dict[str, str]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that leaves is no error here."""


class Hub:
    """The hub and its content network, on 127.0.0.1; switches are plain attributes."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.seen: list[Seen] = []
        self.served: list[tuple[int, int]] = []  # (first byte, how many) of each answer with bytes
        # Faults.
        self.cuts: list[int] = []  # after so many bytes the connection ends, once each
        self.statuses: list[int] = []  # of the next answers of the hub
        self.cdn_statuses: list[int] = []
        self.retry_after = ""
        self.ignore_range = False
        self.chunked = False
        self.no_rest = False  # it says that nothing lies behind the first byte
        self.wrong = False  # other bytes of the same length
        self.shifted = False  # another range than the one asked for
        self.pause = 0.0  # seconds between two steps
        self.silent = False  # answers nothing
        self.everything: bytes | None = None  # what every file of every repository holds
        self.location: str | None = None  # where the redirect leads
        self.direct = False  # no redirect: the hub sends the bytes itself
        self.listing: bytes | None = None  # the API's answer as it is

        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                """Silent."""

        self.ports = {name: _Server(("127.0.0.1", 0), Handler) for name in ("hub", "cdn")}
        for server in self.ports.values():
            server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.ports['hub'].server_port}"
        self.cdn = f"http://127.0.0.1:{self.ports['cdn'].server_port}"

    def close(self) -> None:
        for server in self.ports.values():
            server.shutdown()
            server.server_close()

    def over_tls(self, certificate: Path) -> None:
        """The hub's own port speaks TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server = self.ports["hub"]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    @property
    def sent(self) -> int:
        return sum(count for _, count in self.served)

    def of(self, where: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.where == where]

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        where = "hub" if to.server is self.ports["hub"] else "cdn"
        self.seen.append(Seen(where, to.path, dict(to.headers.items())))
        while self.silent:
            time.sleep(0.01)
        statuses = self.statuses if where == "hub" else self.cdn_statuses
        if statuses:
            return self.plain(to, statuses.pop(0))
        path = unquote(urlsplit(to.path).path)
        if where == "cdn":
            return self.bytes_of(
                to, *re.fullmatch(r"/blob/([^/]+/[^/]+)/(.*)", path, re.S).groups()
            )  # type: ignore[union-attr]
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.*)", path):
            if match[2] not in ("main", getattr(self.repos.get(match[1]), "commit", "")):
                return self.plain(to, 404, "RevisionNotFound")
            return self.api(to, match[1])
        if match := re.fullmatch(r"/api/resolve-cache/models/([^/]+/[^/]+)/(.*)", path, re.S):
            return self.bytes_of(to, *match.groups())
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.*)", path, re.S)
        return self.resolve(to, *match.groups()) if match else self.plain(to, 404)

    def plain(
        self, to: BaseHTTPRequestHandler, status: int, code: str = "", body: bytes = b""
    ) -> None:
        to.send_response(status)
        if code:
            to.send_header("X-Error-Code", code)
        if self.retry_after:
            to.send_header("Retry-After", self.retry_after)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)

    def stopped(self, to: BaseHTTPRequestHandler, name: str, file: bool) -> bool:
        """Whether this caller may not see this repository; it has been told so."""
        repo, token = self.repos.get(name), to.headers.get("Authorization", "")[7:]
        if token not in ("", GRANTED, STRANGER):
            self.plain(to, 401)
        elif self.everything is not None:
            return False
        elif repo is None or (repo.private and token != GRANTED):
            self.plain(to, 404 if token else 401, "RepoNotFound")
        elif repo.gated and file and token != GRANTED:
            self.plain(to, 403 if token else 401, "GatedRepo")
        else:
            return False
        return True

    def api(self, to: BaseHTTPRequestHandler, name: str) -> None:
        if self.stopped(to, name, False):
            return
        repo = self.repos[name]
        answer = {
            "id": name,
            "sha": repo.commit,
            "gated": "manual" if repo.gated else False,
            "private": repo.private,
            "tags": ["gguf", "license:apache-2.0"],
            "siblings": repo.rows(),
        }
        self.plain(to, 200, body=self.listing or json.dumps(answer).encode())

    def resolve(self, to: BaseHTTPRequestHandler, name: str, commit: str, file: str) -> None:
        if self.stopped(to, name, True):
            return
        if self.everything is None:
            repo = self.repos[name]
            if commit != repo.commit or file not in repo.files:
                return self.plain(to, 404, "EntryNotFound")
        if self.direct:
            return self.bytes_of(to, name, file)
        to.send_response(302)
        target = f"{self.cdn}/blob/{name}/{quote(file)}?signature=1"
        if self.everything is None and file in self.repos[name].small:
            target = f"/api/resolve-cache/models/{name}/{quote(file)}"  # stays on the hub
        to.send_header("Location", target if self.location is None else self.location)
        to.send_header("Content-Length", "0")
        to.end_headers()

    def bytes_of(self, to: BaseHTTPRequestHandler, name: str, file: str) -> None:
        data = self.repos[name].files[file] if self.everything is None else self.everything
        if self.wrong:
            data = bytes(255 - byte for byte in data)
        match = re.fullmatch(r"bytes=([0-9]+)-([0-9]*)", to.headers.get("Range", ""))
        first, last = 0, len(data) - 1
        if match and not self.ignore_range:
            first, last = int(match[1]), min(int(match[2] or last), last)
            if first > last or (first and self.no_rest):
                to.send_response(416)
                to.send_header("Content-Range", f"bytes */{len(data)}")
                to.send_header("Content-Length", "0")
                to.end_headers()
                return
            first += self.shifted
            to.send_response(206)
            to.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        else:
            to.send_response(200)
        if self.chunked:
            to.close_connection = True  # HTTP/1.0: the end of the connection is the end of the file
        else:
            to.send_header("Content-Length", str(last + 1 - first))
        to.end_headers()
        self.pour(to, data[first : last + 1], first)

    def pour(self, to: BaseHTTPRequestHandler, data: bytes, first: int) -> None:
        end = min(self.cuts.pop(0), len(data)) if self.cuts else len(data)
        sent = 0
        try:
            while sent < end:
                step = data[sent : min(sent + STEP, end)]
                to.wfile.write(step)
                sent += len(step)
                time.sleep(self.pause)
        finally:
            self.served.append((first, sent))
        to.close_connection = True


class Proxy:
    """A proxy that counts, and does nothing else."""

    def __init__(self, status: int = 0) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if status:
                    return self.send_error(status)
                parts = urlsplit(self.path)
                there = http.client.HTTPConnection(parts.netloc)
                there.request("GET", f"{parts.path}?{parts.query}", headers=dict(self.headers))
                answer = there.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.read())

            def do_CONNECT(self) -> None:
                outer.asked.append(self.path)
                self.send_error(status or 502)

            def log_message(self, *_: object) -> None:
                """Silent."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
