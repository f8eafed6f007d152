"""Continuous batching: one thread that admits requests, steps the context, and sends events.

Each step takes every answer's next token and, in what room is left, prompt tokens of requests that
have just come, interactive ones first. What is in some sequence's memory is not evaluated again:
a request that shares a prefix with another that is being evaluated waits for that prefix.
"""

from __future__ import annotations

import threading
import time

from localai.engines.llama.job import ENDS, Job, fair_order
from localai.engines.llama.kv_cache import KVCacheManager
from localai.engines.llama.slots import common_prefix
from localai.engines.llama.step_plan import Plan, plan_step
from localai.engines.llama.vocab import Vocab
from localai.errors import ConstraintNotMet, LocalaiError
from localai.types import Emit, Events, Failed, FinishReason, Progress

_WORTH_WAITING = 32  # tokens of a prefix being evaluated that are worth waiting for
_NO_CELLS, _ABORTED = 1, 2  # what `Context.evaluate` may answer


class Scheduler:
    """Runs the requests of one model in a thread of its own.

    Parameters
    ----------
    memory : KVCacheManager
        The model's context; belongs to the scheduler's thread from here on.
    vocab : Vocab
        Of the same model.
    emit : Emit
        Called in the scheduler's thread, once a step.
    """

    def __init__(self, memory: KVCacheManager, vocab: Vocab, emit: Emit) -> None:
        self.memory, self._vocab, self._emit = memory, vocab, emit
        self._jobs: dict[str, Job] = {}  # every request that has not ended
        self._waiting: list[Job] = []
        self._active: list[Job] = []
        self._out: Events = []
        self._solo_job: Job | None = None  # whose step the last one is, where it is one job's alone
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._showed = False  # the last step was a picture's: texts have the next one
        self._closing = False
        self.evaluated = 0  # tokens, since the start
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Take a job; its events go to `emit`. Called from any thread."""
        with self._wake:
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._wake.notify()

    def cancel(self, job_id: str) -> None:
        """End a job within one step; a step that is for this job alone is cut short."""
        with self._wake:
            if job := self._jobs.get(job_id):
                job.cancelled = True
                if self._solo_job is job:
                    self.memory.context.abort()  # a step that has ended does not mind
                self._wake.notify()

    def close(self) -> None:
        """Cancel what runs, write what is to be kept, and free the context."""
        with self._wake:
            self._closing = True
            for job in self._jobs.values():
                job.cancelled = True
            self.memory.context.abort()
            self._wake.notify()
        self._thread.join()
        self.memory.close()

    def _run(self) -> None:
        while self._wait():
            for job in [job for job in list(self._jobs.values()) if job.cancelled]:
                self._finish(job, "cancelled")
            self._admit()
            if self._active:
                self._step()
            elif self.memory.idle_tasks and not (self._closing and not self.memory.unsaved):
                self.memory.run_idle_task()
            if self._out:
                events, self._out = self._out, []
                self._emit(events)

    def _wait(self) -> bool:
        """Wait for something to do; False: there is nothing left, and there will not be."""
        with self._wake:
            while not (self._jobs or self.memory.unsaved):
                if self._closing:
                    return False
                if self.memory.idle_tasks:
                    break
                self._wake.wait()
        return True

    def _admit(self) -> None:
        if not self._waiting:  # between two steps of an answer
            return
        with self._lock:
            waiting = fair_order(self._waiting, self._active)
        for job in waiting:
            try:
                if self._prefix_is_coming(job):
                    continue
                while not (placed := self.memory.place(job)):
                    if not (job.request.interactive and self._preempt_batch()):
                        break
            except LocalaiError as error:
                self._fail(job, error)
            else:
                if not placed:
                    break
                self._start(job)

    def _preempt_batch(self) -> bool:
        """Take the place of the youngest batch request for an interactive one; False: none runs."""
        batch = [job for job in self._active if not job.request.interactive]
        if batch:
            self._preempt(batch[-1])
        return bool(batch)

    def _preempt(self, job: Job, *, forget: bool = False) -> None:
        """Let an active job wait again; what it has in memory stays, unless it is forgotten."""
        assert job.slot is not None
        self.memory.release(job.slot, forget=forget)
        job.slot = None
        self._active.remove(job)
        with self._lock:
            self._waiting.append(job)
        self._emit([(job.id, Progress("queued", unit="requests"))])

    def _prefix_is_coming(self, job: Job) -> bool:
        """Whether another job is about to evaluate a prefix that `job` shares.

        The other's steps are made to end at that prefix: models that cannot forget can hand
        over their state only there.
        """
        prompt = job.tokens.view[:-1]
        saved = self.memory.saved_by(job.tokens.view) if self._active else 0
        for other in self._active:
            assert other.slot is not None
            if job.request.interactive and not other.request.interactive:
                continue  # which may itself have to wait
            common = common_prefix(other.tokens.view, prompt)
            if common >= max(saved + _WORTH_WAITING, other.slot.length + 1):
                other.prefill_boundaries.add(common)
                return True
        return False

    def _start(self, job: Job) -> None:
        assert job.slot is not None
        if not job.started:
            job.started = time.perf_counter()
            job.reused = job.slot.length
            job.prefill_boundaries.add(job.shared_prefix)
        with self._lock:
            self._waiting.remove(job)
        self._active.append(job)
        self._active.sort(key=lambda active: active.rank)
        self._emit([(job.id, Progress("reading", job.slot.length, job.prompt_length))])

    def _step(self) -> None:
        plan = plan_step(self._active, self.memory.batch, images=not self._showed)
        self._showed = any(run.image for _, run in plan)
        with self._lock:
            self.memory.context.rearm()
            if any(job.cancelled for job, _ in plan):
                return
            self._solo_job = plan[0][0] if len(plan) == 1 else None
        status = self.memory.context.evaluate([run for _, run in plan])
        if status == 0:
            self._advance(plan)
            return
        if status == _ABORTED or self._showed:
            for job, _ in plan:
                assert job.slot is not None
                self.memory.resync(job.slot)
        if status == _NO_CELLS:
            self._evict_or_grow()
        elif status != _ABORTED:
            for job, _ in plan:
                self._fail(job, LocalaiError(f"llama.cpp refused a step (status {status})"))

    def _advance(self, plan: Plan) -> None:
        wanted = sum(run.logits for _, run in plan)
        rows = iter(self.memory.context.logits(wanted) if wanted else ())
        index = -1
        for job, run in plan:
            self.memory.advance(job, run)
            self.evaluated += len(run.tokens)
            index += len(run.tokens)
            if run.logits:
                try:
                    matcher = None if job.parser.thinking else job.matcher
                    context = self.memory.context
                    self._take(job, job.sampler.choose(context, next(rows), index, matcher))
                except LocalaiError as error:
                    self._fail(job, error)
            else:
                assert job.slot is not None
                progress = Progress("reading", job.slot.length, job.prompt_length)
                self._out.append((job.id, progress))

    def _take(self, job: Job, token: int) -> None:
        """Add the token chosen for a job, and those that its constraint forces after it."""
        job.last = time.perf_counter()
        job.first = job.first or job.last
        ended = self._vocab.is_end(token)
        matcher = None if job.parser.thinking else job.matcher
        if matcher and not ended and (rest := job.instead(token)) is not None:
            self._force(job, rest)
            self._finish(job, "length")
            return
        if not ended:
            self._append(job, token)
        if matcher:
            matcher.accept(token)
            if not ended:
                self._force(job, matcher.forced())
        if ended or job.parser.stopped or (job.matcher and job.matcher.finished):
            self._finish(job, "stop")
        elif job.full:
            self._finish(job, "length")
        elif job.repeats:
            self._force(job, job.way_to_end())
            self._finish(job, "repetition")

    def _force(self, job: Job, tokens: list[int]) -> None:
        """Add tokens that the model has no say in, as far as the answer may grow."""
        for token in tokens:
            if job.full or not job.matcher:
                return
            job.matcher.accept(token)
            job.sampler.accept(token)
            self._append(job, token)

    def _append(self, job: Job, token: int) -> None:
        job.tokens.append(token)
        job.answered += 1
        self._out += job.events(job.parser.feed(job.marks.get(token) or self._vocab.piece(token)))

    def _evict_or_grow(self) -> None:
        """No cell was left in the middle of an answer: free some, or let the youngest wait."""
        if self.memory.evict_or_grow():
            return
        youngest = self._active[-1]
        if len(self._active) == 1:
            self._force(youngest, youngest.way_to_end())
            self._finish(youngest, "length")
            return
        self._preempt(youngest, forget=True)

    def _finish(self, job: Job, reason: FinishReason) -> None:
        if job.matcher and not job.matcher.complete and reason != "cancelled":
            error = ConstraintNotMet(
                f"the answer {ENDS[reason]} before it met the constraint",
                "allow more tokens with -n, or ask for less",
            )
            self._fail(job, error)
        else:
            self._out += job.finish(reason)
            self._release(job)

    def _fail(self, job: Job, error: LocalaiError) -> None:
        self._out.append((job.id, Failed(**error.to_wire())))
        self._release(job)

    def _release(self, job: Job) -> None:
        with self._lock:
            self._jobs.pop(job.id, None)
            if job in self._waiting:
                self._waiting.remove(job)
        if job in self._active:
            self._active.remove(job)
        if job.slot:
            self.memory.release(job.slot)
            job.slot = None
        job.sampler.close()
