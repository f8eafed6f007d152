"""The threads that evaluate: on a machine that is told here how many cores are free."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.engines.llama import context
from localai.engines.llama import thread_tuner as rules
from localai.engines.llama.bindings import native
from localai.engines.llama.thread_tuner import ThreadTuner
from tests.conftest import InProcess

SOLO = 0.012  # seconds that one thread with a core needs for a step


def step(crew: ThreadTuner, free: float, tokens: int = 1) -> float:
    """Let a crew take a step on a machine with so many cores free; return the seconds it took.

    With a core for each thread the work is shared; with less each waits for the one without.
    """
    if crew.size <= free + 0.01:
        wall, found = SOLO * tokens / crew.size, float(crew.size)
    else:
        wall, found = SOLO * tokens * 2, max(free, crew.size * free / (crew.size + 1))
    crew.note(tokens, wall, wall * found)
    return wall


def work(crew: ThreadTuner, free: float, steps: int, tokens: int = 1) -> list[int]:
    """Take some steps; return the sizes."""
    sizes = []
    for _ in range(steps):
        sizes.append(crew.size)
        step(crew, free, tokens)
    return sizes


@pytest.mark.parametrize("most", [1, 2, 4, 16])
def test_where_all_cores_are_free_all_threads_work(most: int) -> None:
    assert set(work(ThreadTuner(most), most, 2000)) == {most}


@pytest.mark.parametrize("tokens", [1, 7, 512])
@pytest.mark.parametrize(("most", "free"), [(2, 1), (4, 3), (8, 4), (16, 15)])
def test_who_finds_no_core_leaves_at_once_and_comes_back(most: int, free: int, tokens: int) -> None:
    crew = ThreadTuner(most)
    work(crew, most, 100, tokens)
    sizes = work(crew, free, 5000, tokens)
    assert crew.size == free
    assert sizes.count(free) > 0.8 * len(sizes)
    assert sizes[50:].count(most) < 0.1 * len(sizes), "tries become rare"
    work(crew, most, 10_000, tokens)
    assert crew.size == most
    assert set(work(crew, most, 10_000, tokens)) == {most}


def test_fewer_threads_are_left_again_where_they_are_slower() -> None:
    # A GPU does a part of the work: the threads wait for it, but all of them are of use.
    crew = ThreadTuner(8)
    sizes = []
    for _ in range(3000):
        sizes.append(crew.size)
        wall = 0.006 + 0.048 / crew.size
        crew.note(1, wall, wall * crew.size * 0.5)
    assert sizes.count(8) > 0.9 * len(sizes)


def test_one_long_step_is_judged_by_itself_but_the_first_one_is_not() -> None:
    crew = ThreadTuner(2)
    crew.note(1, 4.0, 0.4)  # the weights are read from the disk
    assert crew.size == 2
    crew.note(512, 4.0, 4.4)
    assert crew.size == 1


def test_steps_of_different_sizes_are_not_compared() -> None:
    crew = ThreadTuner(2)
    for tokens in range(1, 400):
        crew.note(tokens, 0.02, 0.02)  # lacks a core, but no two steps are alike
    assert crew.size == 2


@given(
    most=st.integers(1, 32),
    steps=st.lists(st.tuples(st.integers(1, 512), st.floats(0, 10), st.floats(0, 400))),
)
def test_whatever_is_measured_there_are_some_threads_and_not_too_many(
    most: int, steps: list[tuple[int, float, float]]
) -> None:
    crew = ThreadTuner(most)
    for tokens, wall, cpu in steps:
        crew.note(tokens, wall, cpu)
        assert 1 <= crew.size <= most


def test_the_engine_evaluates_with_the_crew_and_answers_the_same(
    engine_of: Callable[..., InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_WINDOW", 0.0)  # each step is judged
    # A step takes a second whatever the crew, so no noise decides whether a try is kept.
    wall = itertools.count()
    free = 0.0  # cores
    cores = itertools.count()
    clock = SimpleNamespace(
        perf_counter=lambda: float(next(wall)), process_time=lambda: free * next(cores)
    )
    monkeypatch.setattr(context, "time", clock)
    tiny = engine_of(threads=2)

    def threads() -> int:
        return int(native.llama_n_threads(tiny.engine.scheduler.memory.context._pointer))

    assert threads() == 2
    assert tiny.ask("What is the capital of France?").text == "The capital of France is Paris."
    assert threads() == 1
    free = 2.0
    assert tiny.ask("Count to 12.").text.endswith(" 10, 11, 12.")
    assert threads() == 2
