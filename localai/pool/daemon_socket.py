"""Where the warm host is reached: a socket in a folder of this user alone, and a lock beside it.

Who holds the lock is the host, or the client that is just starting one: it binds the socket, and
hands socket and lock to the new process. So a socket that nobody answers is a stale one exactly
when the lock is free, and two first calls at the same moment start one host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from localai import __version__
from localai.errors import NoDaemon
from localai.pool.protocol import VERSION
from localai.settings import engine_modules
from localai.settings import load as load_settings

_LONGEST = 100  # bytes of a socket's path; the systems allow 104 and 108
_SHORT = "/tmp"  # where a folder is made whose own path is short
_WAITING = 512  # clients that may knock at once


def build_id() -> str:
    """Return what client and host must share: version, protocol, interpreter, package, engines."""
    package = Path(__file__).parent.parent
    return " ".join((__version__, str(VERSION), sys.executable, str(package), *engine_modules()))


def folder() -> Path:
    """Return the folder of the socket, made if need be.

    Raises
    ------
    NoHost
        It cannot be made, or is not this user's alone.
    """
    wanted = load_settings().folders.runtime
    if len(os.fsencode(wanted)) > _LONGEST - len("/host.sock"):
        import hashlib  # which few paths need

        digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
        wanted = Path(_SHORT, f"localai-{os.geteuid()}-{digest}")
    try:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = wanted.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            if status.st_mode & 0o077:
                wanted.chmod(0o700)
            return wanted
    except OSError as error:
        raise NoDaemon(f"{wanted} cannot be made: {error.strerror}") from None
    raise NoDaemon(f"{wanted} is not a folder of this user", "remove it")


def connect(address: Path) -> socket.socket | None:
    """Return a socket to the host; None: nobody answers there."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(address))
    except (FileNotFoundError, ConnectionError):
        sock.close()
        return None
    except OSError:
        sock.close()
        raise
    return sock


def lock(place: Path) -> int | None:
    """Return the descriptor of the host's lock, with nothing in it; None: somebody else holds it.

    The host writes there which processes are its own (`sign`).
    """
    descriptor = os.open(place / "host.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    return descriptor


def write_pids(descriptor: int, workers: Iterable[int] = ()) -> None:
    """Write into the lock that this process holds it, and which workers it has."""
    text = " ".join(map(str, (os.getpid(), *workers)))
    with contextlib.suppress(OSError):  # a full disk: then nobody can end us but by our name
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def kill_daemon(place: Path) -> bool:
    """End a host that does not answer, and its workers; False: there is none."""
    if (descriptor := lock(place)) is not None:
        os.close(descriptor)
        return False
    try:
        host, *workers = map(int, (place / "host.lock").read_bytes().split())
    except (OSError, ValueError):  # it is just being started
        return False
    for process in (*workers, host):
        with contextlib.suppress(OSError):  # it has just ended
            os.kill(process, signal.SIGKILL)
    return True


def listen(address: Path) -> socket.socket:
    """Return a socket that listens there; the lock must be held, so what lies there is stale."""
    with contextlib.suppress(FileNotFoundError):
        address.unlink()
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(str(address))
        address.chmod(0o600)
        sock.listen(_WAITING)
    except OSError:
        sock.close()
        raise
    return sock


def inode(address: Path) -> int | None:
    """Return what tells a socket from another in its place; None: there is none."""
    try:
        return address.stat().st_ino
    except OSError:
        return None


def is_ours(sock: socket.socket) -> bool:
    """Whether the process at the other end belongs to this user."""
    if sys.platform == "linux":
        form = struct.Struct("3i")  # struct ucred: process, user, group
        _, user, _ = form.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    else:
        form = struct.Struct("2I")  # the beginning of struct xucred: version, user
        _, user = form.unpack(sock.getsockopt(0, 1, 76)[: form.size])  # LOCAL_PEERCRED
    return bool(user == os.geteuid())
