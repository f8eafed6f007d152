"""How far a context may grow, and what idle memories may take: on the real engine, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from localai.engines.llama import kv_cache, model, prompt_cache
from localai.types import Constraint
from tests.conftest import InProcess
from tests.engines.test_engine import TALK

LIMIT = 4096  # tokens: the tiny model's own context


@pytest.fixture
def tight(engine_of: Callable[..., InProcess], monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """A context that begins small, and may not have more cells than the model has positions."""
    monkeypatch.setattr(model, "_LEAST_CELLS", 512)
    monkeypatch.setattr(model, "_FIRST_CACHE_BYTES", 1)
    monkeypatch.setattr(model.Model, "most_cells", lambda self: LIMIT)
    return engine_of()


def idle(engine: InProcess) -> kv_cache.KVCacheManager:
    """Wait until the engine has nothing to do."""
    memory = engine.engine.scheduler.memory
    while memory.idle_tasks:
        time.sleep(0.01)
    time.sleep(0.1)
    return memory


def copied(memory: kv_cache.KVCacheManager) -> list[int]:
    return [len(slot.copy.state) for slot in memory._slots.slots if slot.copy]


def test_one_talk_may_fill_the_whole_context(tight: InProcess) -> None:
    """Its memory is copied when the context grows, which takes no second place for it."""
    endless = Constraint("regex", "([a-z]{3} ){600}")
    prompt = f"{TALK} {TALK} What is 2 + 8?"
    reply = tight.ask(prompt, constraint=endless, max_tokens=LIMIT)
    assert reply.end is not None and tight.evaluated > 0.5 * LIMIT
    assert tight.engine.scheduler.memory.context.params.cells == LIMIT
    again = tight.ask(prompt, max_tokens=8)
    assert again.usage.answer_tokens, "the same question is not refused afterwards"


def test_turn_by_turn_a_talk_grows_to_the_limit(tight: InProcess) -> None:
    talk, used = [TALK], 0
    while used < LIMIT - 400:
        reply = tight.ask(*talk, max_tokens=16)
        used = reply.usage.prompt_tokens
        talk += [reply.text or "x", "The owl is black and the fox is red. " * 20]
    assert tight.engine.scheduler.memory.context.params.cells == LIMIT


def test_a_parked_talk_is_taken_back_while_others_are_parked(
    tiny: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parking the memory that has to leave for it may push it out of the cache."""
    begun = f"{TALK} What is 2 + 8?"
    first = tiny.ask(begun, max_tokens=4)
    idle(tiny)
    rows = [f"{at} {'The cat is red. ' * 20} What is {at} + 8?" for at in range(40)]
    tiny.gather([tiny.submit(row, max_tokens=4) for row in rows])
    memory = idle(tiny)
    assert memory._slots.free() is None
    parked = [len(each.state) for each in memory._prompt_cache]
    assert any(len(each.tokens) > 1000 for each in memory._prompt_cache)
    monkeypatch.setattr(prompt_cache, "MOST_BYTES", sum(parked) + 1)  # the cache is full
    on = tiny.ask(begun, first.text, "What is 1 + 1?", max_tokens=8)
    assert on.usage.reused_tokens > 1000


def test_copies_of_idle_memories_hold_a_shared_prefix_once(tiny: InProcess) -> None:
    rows = [f"{TALK} What is {at} + 8?" for at in range(36)]
    tiny.gather([tiny.submit(row, max_tokens=4) for row in rows])
    sizes = copied(idle(tiny))
    assert sum(sizes) <= 2 * max(sizes, default=0)


def test_copies_are_made_up_to_a_size(tiny: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.ask(f"0 {TALK}", max_tokens=4)
    (size,) = copied(idle(tiny))
    for module in (kv_cache, prompt_cache):
        monkeypatch.setattr(module, "MOST_BYTES", 3 * size)
    talks = [tiny.submit(f"{at} {TALK}", max_tokens=4) for at in range(1, 4)]
    tiny.gather(talks)
    memory = idle(tiny)
    parked = [len(each.state) for each in memory._prompt_cache]
    assert 2 * size <= sum(copied(memory)) + sum(parked) <= 4 * size
