"""Who may reuse whose memory: the bookkeeping against a model of a context made of sets."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.engines.llama.slots import SlotTable, TokenBuffer, common_prefix

tokens = st.lists(st.integers(0, 3), max_size=12)


@given(tokens, tokens)
def test_the_common_prefix_is_the_longest(a: list[int], b: list[int]) -> None:
    length = common_prefix(np.array(a, np.int32), np.array(b, np.int32))
    assert a[:length] == b[:length]
    assert length == min(len(a), len(b)) or a[length] != b[length]


@given(st.lists(st.integers(0, 100), max_size=300))
def test_a_token_buffer_is_a_list(items: list[int]) -> None:
    buffer = TokenBuffer(items[:3])
    for item in items[3:]:
        buffer.append(item)
    assert buffer.view.tolist() == items
    assert len(buffer) == len(items)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["write", "copy", "trim", "clear"]),
            st.integers(0, 3),
            st.integers(0, 3),
            st.integers(0, 9),
        ),
        max_size=30,
    )
)
@settings(max_examples=300)
def test_cells_are_never_counted_too_few(steps: list[tuple[str, int, int, int]]) -> None:
    """A cell is in use while some sequence holds it; counting too many only costs a little room."""
    residents = SlotTable(4, whole_prefix_only=False)
    cells: list[list[int]] = [[] for _ in range(4)]  # what each sequence holds: ids of cells
    fresh = iter(range(10_000))
    for step, a, b, n in steps:
        slot, other = residents.slots[a], residents.slots[b]
        if step == "write":
            cells[a] += [next(fresh) for _ in range(n)]
            slot.length += n
        elif step == "copy" and a != b and not slot.length and other.length:
            length = min(n + 1, other.length)
            cells[a] = cells[b][:length]
            residents.share(other, slot, length)
        elif step in ("trim", "clear"):
            length = 0 if step == "clear" else min(n, slot.length)
            cells[a] = cells[a][:length]
            residents.shorten(slot, length)
        assert [each.length for each in residents.slots] == [len(each) for each in cells]
        assert residents.cells() >= len(set().union(*cells))
        assert all(each.shared <= each.length for each in residents.slots)


def filled(residents: SlotTable, sequence: int, items: list[int]) -> None:
    slot = residents.slots[sequence]
    slot.tokens, slot.length = TokenBuffer(items), len(items)
    slot.touch()


def test_the_donor_saves_most_and_leaves_the_last_token_to_be_evaluated() -> None:
    residents = SlotTable(3, whole_prefix_only=False)
    filled(residents, 0, [1, 2, 3])
    filled(residents, 1, [1, 2, 3, 4, 5])
    prompt = np.array([1, 2, 3, 4, 5], np.int32)
    best_match, saved = residents.best_match(prompt)
    assert best_match is residents.slots[1]
    assert saved == 4


def test_a_model_that_cannot_forget_reuses_whole_memories_only() -> None:
    residents = SlotTable(3, whole_prefix_only=True)
    filled(residents, 0, [1, 2])
    filled(residents, 1, [1, 2, 3, 9])
    best_match, saved = residents.best_match(np.array([1, 2, 3, 4], np.int32))
    assert best_match is residents.slots[0]
    assert saved == 2


def test_the_least_recently_used_leaves_first() -> None:
    residents = SlotTable(3, whole_prefix_only=False)
    for sequence in (1, 0, 2):
        filled(residents, sequence, [sequence])
    residents.slots[1].touch()
    residents.slots[0].busy = True
    assert residents.least_recently_used() is residents.slots[2]
