"""The warm host: says which worker serves a model, and never loads a model itself.

`python -m localai.warm.host LISTENER LOCK` is started by the first command that needs it, with the
socket on which it is reached and the lock that says that it lives (`place`). Requests and answers
go between clients and workers alone: the host hands out sockets. So it imports no engine library,
and nothing that a worker does can end it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from localai.errors import BadInput, LocalaiError
from localai.machine import resident
from localai.settings import load as load_settings
from localai.warm import place, wire
from localai.warm.books import Loaded
from localai.warm.connection import Connection
from localai.warm.guests import Guest, Wish
from localai.warm.log import Log
from localai.warm.spool import sweep
from localai.warm.stable import Stable

_SILENCE = 10.0  # seconds that a client may take for its first message
_LOOK = 0.005  # seconds between two looks at a process that is about to end
_ROUND = 2.0  # seconds between two looks at whether the socket is still where clients come


class Host:
    """Serves clients until there has been no work for long enough.

    Parameters
    ----------
    listener : socket
        Where clients come.
    lock : int
        The descriptor whose lock says that this host lives.
    """

    def __init__(self, listener: socket.socket, lock: int, log: Log) -> None:
        self._listener, self._lock, self._log = listener, lock, log
        self._selector = selectors.DefaultSelector()
        self._stable = Stable(self._selector, log)
        self._guests: set[Guest] = set()
        self._wishes: list[Wish] = []  # for models that have to wait until others have left
        self._touched = time.monotonic()
        self._keep_alive = _SILENCE  # until the first client says for how long
        self._giving_way = False
        self._signed: list[int] = []
        self._address = Path(listener.getsockname())
        self._inode = place.inode(self._address)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, None)

    def serve(self) -> None:
        """Serve until there is nothing left to do."""
        while self._stable.workers or not self._giving_way:
            for selected, events in self._selector.select(self._pause()):
                connection = selected.data
                if connection is None:
                    self._accept()
                    continue
                if events & selectors.EVENT_WRITE:
                    connection.flush()
                if events & selectors.EVENT_READ:
                    self._read(connection)
            self._look_at_the_clock()

    def _read(self, connection: Connection) -> None:
        if isinstance(connection, Guest):
            self._listen(connection)
        elif loaded := self._stable.workers.get(connection):
            self._stable.hear(loaded)
            self._touched = max(self._touched, loaded.touched)
            if loaded.idle:
                self._grant()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:  # too many files are open
            self._log.write(f"cannot take a client: {error}")
            time.sleep(_LOOK)
            return
        if place.is_ours(sock):
            self._guests.add(Guest(sock, self._selector))
        else:
            self._log.write("sent a client of another user away")
            sock.close()

    def _listen(self, guest: Guest) -> None:
        try:
            messages = guest.read()
            for message in messages or ():
                guest.known = True
                self._answer(guest, message)
        except wire.OtherVersion:
            self._give_way("a client of another version")
            messages = None
        except wire.WireError as error:
            guest.send(wire.encode("error", **error.to_wire()))
            messages = None
        except LocalaiError as error:
            guest.send(wire.encode("error", **error.to_wire()))
            return
        if messages is None:
            self._dismiss(guest)

    def _dismiss(self, guest: Guest) -> None:
        """Forget a client and what it wishes."""
        self._guests.discard(guest)
        self._wishes = [wish for wish in self._wishes if wish.guest is not guest]
        guest.close()

    def _answer(self, guest: Guest, message: wire.Message) -> None:
        match message["type"]:
            case "serve" if message.get("build") != place.build() or self._giving_way:
                guest.send(wire.encode("replaced"))
                self._give_way("a client of another build")
            case "serve":
                wish = Wish.read(guest, message)
                self._touched, self._keep_alive = time.monotonic(), wish.keep_alive
                self._wishes.append(wish)
                self._grant()
            case "status":
                guest.send(wire.encode("status", **self._status()))
            case "stop":
                self._stop(guest, message.get("names"))
            case other:
                raise BadInput(f"the host knows no message of type {other!r}")

    def _grant(self) -> None:
        """Fulfil the wishes that can be fulfilled now, in their order."""
        while self._wishes:
            wish = self._wishes[0]
            try:
                loaded = self._stable.worker(wish)
                sock = self._stable.connect(loaded, wish.keep_alive) if loaded else None
            except (LocalaiError, OSError, ValueError) as error:
                known = error if isinstance(error, LocalaiError) else LocalaiError(str(error))
                wish.guest.send(wire.encode("error", **known.to_wire()))
            else:
                if sock is None:
                    return  # until a worker has ended
                wish.guest.loaded = loaded
                if not wish.guest.hand(wire.encode("worker"), sock):
                    self._dismiss(wish.guest)
            self._wishes = [each for each in self._wishes if each is not wish]

    def _stop(self, guest: Guest, names: Any) -> None:
        if not (names is None or isinstance(names, list)):
            raise BadInput("what is to be stopped is a list of names")
        for each in list(self._stable.workers.values()):
            if names is None or any(each.is_called(str(name)) for name in names):
                self._stable.send_away(each, "localai stop", at_once=True)
                guest.stopping.append(each)
        if names is None:
            self._give_way("localai stop --all")
        if not guest.stopping:
            guest.send(wire.encode("stopped", models=[]))

    def _status(self) -> dict[str, Any]:
        own, files = resident(os.getpid())
        host = {"pid": os.getpid(), "memory": own + files, "build": place.build()}
        return {"host": host, "models": [each.status() for each in self._stable.workers.values()]}

    def _pause(self) -> float:
        """Return for how long nothing needs to be done unless somebody says something."""
        now = time.monotonic()
        ends = self._stable.times()
        ends += [guest.since + _SILENCE for guest in self._guests if not guest.known]
        if not self._stable.workers and self._keep_alive >= 0:
            ends.append(self._touched + self._keep_alive)
        known = [end for end in ends if end is not None]
        return max(_LOOK, min([*known, now + _ROUND]) - now)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        for loaded, told in self._stable.look(now):
            self._part(loaded, told)
        workers = [each.process.pid for each in self._stable.workers.values()]
        if workers != self._signed and not self._giving_way:
            self._signed = workers
            place.sign(self._lock, workers)
        for guest in [guest for guest in self._guests if not guest.known]:
            if guest.since + _SILENCE <= now:
                self._dismiss(guest)
        quiet = not self._stable.workers and not self._wishes and self._keep_alive >= 0
        if quiet and self._touched + self._keep_alive <= now:
            self._give_way("no work")
        if not self._giving_way and place.inode(self._address) != self._inode:
            self._give_way("its socket is gone")  # nobody can reach it any more

    def _part(self, loaded: Loaded, told: bytes) -> None:
        """Tell the clients of a worker that it has ended, and those who waited for that."""
        for guest in list(self._guests):
            if guest.loaded is loaded:
                guest.loaded = None
                guest.send(told)
            if loaded in guest.stopping:
                guest.stopping.remove(loaded)
                guest.stopped.append(str(loaded.status()["model"]))
                if not guest.stopping:
                    guest.send(wire.encode("stopped", models=guest.stopped))
                    guest.stopped = []
        self._grant()

    def _give_way(self, why: str) -> None:
        """Let another host come; this one stays until its workers have ended what they do."""
        if not self._giving_way:
            self._log.write(f"the host leaves: {why}")
            self._giving_way = True
            self._selector.unregister(self._listener)
            self._listener.close()
            os.close(self._lock)
            for wish in self._wishes:
                wish.guest.send(wire.encode("replaced"))
            self._wishes.clear()
        for each in list(self._stable.workers.values()):
            self._stable.send_away(each, why)


def main(listener: str, lock: str) -> None:
    """Be the host of this user.

    Parameters
    ----------
    listener, lock : str
        File descriptors.
    """
    if os.fork():  # the host is nobody's child: no command has to see to its end
        os._exit(0)
    sock, descriptor = socket.socket(fileno=int(listener)), int(lock)
    sock.set_inheritable(False)
    place.sign(descriptor)
    os.set_inheritable(descriptor, False)  # else a worker would hold it after we have gone
    os.chdir("/")
    with contextlib.suppress(OSError, ValueError):  # a client is a file, and there may be many
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    log = Log(load_settings().folders.state / "host.log")
    log.write(f"the host starts: {place.build()}")
    sweep()
    try:
        Host(sock, descriptor, log).serve()
    except BaseException:
        log.write(traceback.format_exc())
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
