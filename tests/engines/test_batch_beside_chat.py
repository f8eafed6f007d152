"""A question that is asked while a batch runs is answered as fast as alone, counted in steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.conftest import InProcess, until


class Steps:
    """Counts the steps of an engine, with whose tokens each had."""

    def __init__(self, engine: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        context = engine.engine.scheduler.memory.context
        real = context.evaluate
        self.runs: list[int] = []  # how many sequences each step had

        def evaluate(runs: Sequence[Any]) -> int:
            self.runs.append(len(runs))
            return real(runs)

        monkeypatch.setattr(context, "evaluate", evaluate)


def rows(engine: InProcess, count: int) -> list[str]:
    return [
        engine.submit(f"Tell me of {at} lamps and {at * 7} dogs.", interactive=False, max_tokens=400, raw=None)
        for at in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("count", [8, 120])
def test_a_question_goes_before_a_batch(
    engine_of: Callable[..., InProcess], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    alone = engine_of()
    counted = Steps(alone, monkeypatch)
    answer = alone.ask("What is the capital of France?")
    usual = len(counted.runs)
    busy = engine_of()
    steps = Steps(busy, monkeypatch)
    names = rows(busy, count)
    until(lambda: max(steps.runs, default=0) >= min(count, 16))
    before = len(steps.runs)
    beside = busy.ask("What is the capital of France?")
    taken = len(steps.runs) - before
    # It may arrive within a step, and what is asked here is seen a step later.
    assert taken <= usual + 2, (taken, usual)
    assert beside.text == answer.text
    # The batch goes on as if nothing had been.
    replies = busy.gather(names)
    assert all(reply.end is not None for reply in replies.values())


def test_a_shared_prefix_is_evaluated_once(engine_of: Callable[..., InProcess]) -> None:
    engine = engine_of()
    prefix = "The wolf lives in the forest and eats mice. " * 20
    names = [engine.submit(f"{prefix} Question {at}: what does it eat?", interactive=False, max_tokens=4) for at in range(40)]  # fmt: skip
    replies = engine.gather(names)
    prompts = [reply.usage.prompt_tokens for reply in replies.values()]
    answers = sum(reply.usage.answer_tokens for reply in replies.values())
    assert min(prompts) > 200
    # Once the whole prompt, then the few tokens in which each differs.
    assert engine.evaluated - answers < max(prompts) + 40 * 20, engine.evaluated
