"""The host's workers: started, told to leave, and buried when they have ended."""

from __future__ import annotations

import selectors
import socket
import time

from localai.errors import LocalaiError, NotEnoughMemory
from localai.machine import free_memory, resident
from localai.quantities import amount, size
from localai.records import pack
from localai.warm import wire
from localai.warm.books import Kills, Loaded, needed, who_leaves
from localai.warm.connection import Connection
from localai.warm.guests import Wish
from localai.warm.log import Log
from localai.warm.process import WorkerProcess

_LAST_LINES = 5  # of what an ended worker has said, for the log


class Stable:
    """All workers of one host.

    Parameters
    ----------
    selector : selector
        Watches their control sockets; a key's `data` is a key of `workers`.
    """

    def __init__(self, selector: selectors.BaseSelector, log: Log) -> None:
        self._selector, self._log = selector, log
        self.workers: dict[Connection, Loaded] = {}
        self._kills = Kills()

    def worker(self, wish: Wish) -> Loaded | None:
        """Return the worker for a wish, started if need be; None: others have to leave first.

        Raises
        ------
        NotEnoughMemory
            It would not be enough if all others left.
        """
        same = [each for each in self.workers.values() if each.identity == wish.identity]
        for each in same:
            if each.left is None and not each.closed:
                return each
        if same or not self._make_room(needed(wish.spec), wish.memory_limit):
            return None
        return self._start(wish)

    def connect(self, loaded: Loaded, keep_alive: float) -> socket.socket | None:
        """Return a socket that a worker serves; None: it has just ended."""
        ours, theirs = socket.socketpair()
        loaded.touched, loaded.keep_alive = time.monotonic(), keep_alive
        if loaded.control.hand(wire.encode("connect"), theirs):
            return ours
        ours.close()
        return None

    def send_away(self, loaded: Loaded, why: str, *, at_once: bool = False) -> None:
        """Let a worker leave when it has ended what it does, or at once."""
        if loaded.left is None or (at_once and not loaded.stopped):
            loaded.left, loaded.stopped = time.monotonic(), at_once
            loaded.control.send(wire.encode("leave", at_once=at_once))
            self._log.write(f"sent {loaded.process.pid} ({loaded.spec.name}) away: {why}")

    def hear(self, loaded: Loaded) -> None:
        """Write down what a worker says of itself."""
        try:
            messages = loaded.control.read()
            for message in messages or ():
                _note(loaded, message)
        except (wire.WireError, KeyError) as error:
            self._log.write(f"{loaded.process.pid} speaks nonsense: {error}")
            loaded.process.kill()
            messages = None
        if messages is None:
            loaded.closed = True
            self._selector.unregister(loaded.control.socket)

    def look(self, now: float) -> list[tuple[Loaded, bytes]]:
        """Send those away that have been idle for long; return those that have ended.

        Each comes with the message for its clients, empty where it has ended in order.
        """
        ended = []
        for each in list(self.workers.values()):
            if each.leaves_at is not None and each.leaves_at <= now:
                self.send_away(each, "no work")
            if each.overdue_at is not None and each.overdue_at <= now:
                self._log.write(f"{each.process.pid} does not leave")
                each.process.kill()
                each.killed = True
            if each.closed and each.process.ended():
                ended.append((each, self._bury(each)))
        return ended

    def times(self) -> list[float | None]:
        """Return when something has to be done about a worker."""
        workers = self.workers.values()
        ends = [end for each in workers for end in (each.leaves_at, each.overdue_at)]
        return [0.0 if any(each.closed for each in workers) else None, *ends]

    def _make_room(self, wanted: int, asked: str) -> bool:
        """Let idle workers leave if need be; False: there will be room later."""
        taken, own = {}, 0
        for each in self.workers.values():
            anonymous, files = resident(each.process.pid)
            own += anonymous
            taken[each] = max(anonymous + files, 0 if each.ready else needed(each.spec))
        # What a worker maps of a file counts as free; what it has of its own would be.
        limit = size(asked, free_memory() + own) or 0
        if wanted > limit:
            raise NotEnoughMemory(
                f"the model needs about {amount(wanted)}; all models together may take "
                f"{amount(limit)} (the limit is {asked}"
                f"{' of the free memory' if asked.endswith('%') else ''})",
                "take a smaller model or quantisation, close other programs, "
                "or raise LOCALAI_MEMORY_LIMIT",
            )
        leaving = who_leaves(wanted, limit, taken)
        for each in leaving or ():
            self.send_away(each, "to make room")
        short = wanted + sum(taken.values()) > limit
        return leaving is not None and not (short and any(each.left for each in taken))

    def _start(self, wish: Wish) -> Loaded:
        process = WorkerProcess(wish.spec, wish.environment)
        control = Connection(process.control, self._selector)
        loaded = Loaded(wish.identity, wish.spec, process, control, wish.keep_alive)
        if refused := self._kills.refused():
            control.send(wire.encode("refuse", digests=refused))
        self.workers[control] = loaded
        self._log.write(f"started {process.pid} for {wish.spec.name} ({wish.spec.files[0]})")
        return loaded

    def _bury(self, loaded: Loaded) -> bytes:
        """Forget a worker that has ended; return what its clients are to be told."""
        del self.workers[loaded.control]
        process = loaded.process
        death = process.death(ready=loaded.ready, proven=loaded.proven)
        told = b""
        if loaded.failed:
            told = wire.encode("error", **loaded.failed)
            self._log.write(f"{process.pid} could not load: {loaded.failed['what']}")
        elif loaded.stopped:
            error = LocalaiError("the model was stopped before it had answered", "try again")
            told = wire.encode("error", **error.to_wire())
        elif death.code or loaded.left is None:
            told = wire.encode("died", death=pack(death))
            words = " | ".join(process.words()[-_LAST_LINES:])
            self._log.write(f"{process.pid} ({loaded.spec.name}) ended: {death.code} {words}")
            self._kills.blame(loaded.culprits())
            refused = wire.encode("refuse", digests=self._kills.refused())
            for each in self.workers.values():
                each.control.send(refused)
        process.close()
        return told


def _note(loaded: Loaded, message: wire.Message) -> None:
    match message["type"]:
        case "ready":
            loaded.ready, loaded.device = True, str(message["device"])
            loaded.touched = time.monotonic()
        case "failed":
            loaded.failed = {part: str(message[part]) for part in ("error", "what", "next")}
        case "stage":
            loaded.note(message["id"], str(message["stage"]), str(message["digest"]))
