"""What one step of the context evaluates."""

from __future__ import annotations

from collections.abc import Sequence

from localai.engines.llama.context import Run
from localai.engines.llama.job import Job, step_order

Plan = list[tuple[Job, Run]]


def plan_step(active: Sequence[Job], room: int, *, images: bool) -> Plan:
    """Return the runs of a step; batch work has none while somebody waits.

    A picture is evaluated alone: whether attention is causal is a setting of the whole context.

    Parameters
    ----------
    active : sequence of Job
        Those that have a slot, in their order.
    room : int
        Tokens that a step may have.
    images : bool
        Whether it is a picture's turn before that of texts.
    """
    turn = step_order(active)
    pictures = [job for job in turn if job.images and _place(job) in job.images]
    texts = [job for job in turn if job not in pictures] if pictures else turn
    if pictures and (images or not texts):
        return [_picture(pictures[0])]
    plan: Plan = []
    for job in texts:
        if run := _run(job, room):
            plan.append((job, run))
            room -= len(run.tokens)
    return plan


def _place(job: Job) -> int:
    assert job.slot is not None
    return job.slot.length


def _picture(job: Job) -> tuple[Job, Run]:
    assert job.slot is not None
    image = job.images[job.slot.length]
    return job, Run(
        job.slot.sequence, job.slot.position, image.ids.tolist(), logits=False, image=image
    )


def _run(job: Job, room: int) -> Run | None:
    """Return the next tokens of a job, up to a boundary or a picture; None: there is no room."""
    assert job.slot is not None
    start = job.slot.length
    end = min(len(job.tokens), start + room)
    if start < job.prompt_length:
        stops = (*job.prefill_boundaries, *job.images, end)
        end = min(stop for stop in stops if stop > start or stop == end)
    if end <= start:
        return None
    tokens = job.tokens.view[start:end].tolist()
    return Run(job.slot.sequence, job.slot.position, tokens, end == len(job.tokens))
