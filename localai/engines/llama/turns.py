"""Whose turn it is: interactive requests first, then fairly among clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from localai.engines.llama.job import Job


def fair_order(waiting: Iterable[Job], active: Iterable[Job]) -> list[Job]:
    """Return waiting jobs in their turn: interactive ones first, then fairly among clients.

    A client's next job stands behind as many turns as it has jobs running or waiting before it.
    """
    shares = Counter(job.client for job in active)
    keyed = []
    for job in sorted(waiting, key=lambda job: job.rank):
        keyed.append((not job.request.interactive, shares[job.client], job.arrived, job))
        shares[job.client] += 1
    return [job for *_, job in sorted(keyed, key=lambda key: key[:3])]
