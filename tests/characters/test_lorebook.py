"""Lorebooks: what is called for, what is always there, what the budget leaves; hostile books."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.characters import lorebook
from localai.characters.card import Lorebook, LoreEntry
from localai.characters.lorebook import Decorators, LoreText, rule_of
from localai.characters.macros import MacroValues
from localai.characters.safe_regex import safe

VALUES = MacroValues("Vera", "Tom", seed=1)


def entry(keys: str, content: str = "", **more: Any) -> LoreEntry:
    return LoreEntry(tuple(keys.split("|")), content or f"about {keys}", **more)


def called(book: Lorebook, *said: str, answers: int = 1, budget: int = 10_000) -> list[str]:
    return [p.text for p in lorebook.called(book, said, answers, VALUES, len, budget)]


def standing(book: Lorebook, budget: int = 10_000) -> list[str]:
    return [piece.text for piece in lorebook.standing(book, VALUES, len, budget)]


@pytest.mark.parametrize(
    ("more", "said", "found"),
    [
        ({}, "a Dragon came", True),
        ({}, "nothing", False),
        ({"enabled": False}, "dragon", False),
        ({"case_sensitive": True}, "a Dragon came", False),
        ({"case_sensitive": True}, "a dragon came", True),
        ({"selective": True, "secondary": ("egg", "fire")}, "dragon", False),
        ({"selective": True, "secondary": ("egg", "fire")}, "dragon FIRE", True),
        ({"selective": True, "secondary": ("egg",)}, "egg", False),
        ({"selective": True}, "dragon", True),
        ({"selective": False, "secondary": ("egg",)}, "dragon", True),
        ({"keys": ("wyrm", "drake")}, "a drake", True),
        ({"keys": ("",)}, "anything", False),
        ({"keys": (" ",)}, "any thing", False),
        ({"keys": ()}, "anything", False),
        ({"keys": (r"dra(g|k)\w?on",), "use_regex": True}, "DRAKXON", True),
        ({"keys": (r"dragon",), "use_regex": True, "case_sensitive": True}, "DRAGON", False),
        ({"keys": ("/dragon/",), "use_regex": True}, "DRAGON", False),
        ({"keys": ("/dragon/i",), "use_regex": True}, "DRAGON", True),
        ({"keys": ("/^x.y$/s",), "use_regex": True}, "x\ny", True),
        ({"keys": ("/^b$/m",), "use_regex": True}, "a\nb\nc", True),
        ({"keys": ("/(?<n>d)ragon/",), "use_regex": True}, "dragon", True),
        ({"keys": ("dra(gon",), "use_regex": True}, "dra(gon", False),
        ({"keys": ("d.agon",)}, "dragon", False),
    ],
)
def test_keys(more: dict[str, Any], said: str, found: bool) -> None:
    book = Lorebook((replace(entry("dragon"), content="known", **more),))
    assert called(book, said) == (["known"] if found else [])


def test_only_the_last_messages_are_looked_through() -> None:
    said = ("dragon", "two", "three")
    assert called(Lorebook((entry("dragon"),)), *said) == []
    assert called(Lorebook((entry("dragon"),), scan_depth=3), *said) == ["about dragon"]
    assert called(Lorebook((entry("dragon"),), scan_depth=99), *said) == ["about dragon"]
    assert called(Lorebook((entry("three"),), scan_depth=0), *said) == []
    assert called(Lorebook((entry("dragon"),), scan_depth=-1), *said) == []
    assert called(Lorebook((entry("dragon", "@@scan_depth 3\nd"),)), *said) == ["d"]
    assert called(Lorebook((entry("two", "@@scan_depth 1\nd"),)), *said) == []
    assert called(Lorebook((entry("dragon"),))) == []


def test_what_is_always_there_hangs_on_nothing_that_is_said() -> None:
    book = Lorebook(
        (
            entry("x", "constant", constant=True),
            entry("x", "@@activate\nactivated"),
            entry("x", "@@activate\n@@dont_activate\nboth"),
            entry("x", "@@dont_activate\nnever", constant=True),
            entry("x", "@@dont_activate\nnever either"),
            entry("x", "off", constant=True, enabled=False),
            entry("x", "by key"),
        )
    )
    assert standing(book) == ["constant", "activated", "both"]
    assert called(book, "x") == ["by key"]


@pytest.mark.parametrize(
    ("decorator", "answers", "found"),
    [
        ("activate_only_after 3", 2, False),
        ("activate_only_after 3", 3, True),
        ("activate_only_every 3", 2, False),
        ("activate_only_every 3", 6, True),
        ("activate_only_every 1", 5, True),
        ("activate_only_every 0", 5, True),  # nonsense is no decorator
        ("activate_only_after x", 0, True),
    ],
)
def test_answers_are_counted(decorator: str, answers: int, found: bool) -> None:
    book = Lorebook((entry("x", f"@@{decorator}\nknown"),))
    assert called(book, "x", answers=answers) == (["known"] if found else [])
    always = Lorebook((entry("nowhere", f"@@{decorator}\nknown", constant=True),))
    assert (standing(always) or called(always, "x", answers=answers)) == (
        ["known"] if found else []
    )


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("plain", Decorators("plain")),
        ("  \nplain\n@@depth 3", Decorators("plain\n@@depth 3")),
        ("@@depth 4\ntext", Decorators("text", depth=4)),
        ("@@depth -2\ntext", Decorators("text", depth=0)),
        ("@@DEPTH  4 \r\n\r\ntext\n\nmore\n", Decorators("text\n\nmore\n", depth=4)),
        ("@@depth 4\n@@role User\n\n@@scan_depth 7\ntext", Decorators("text", 4, "user", 7)),
        ("@@depth 4\n@@depth 5\ntext", Decorators("text", depth=4)),
        ("@@role nobody\n@@depth\n@@depth x\n@@scan_depth -1\ntext", Decorators("text")),
        ("@@is_greeting 1\n@@keep_activate_after_match\n@@\ntext", Decorators("text")),
        ("@@unknown\n@@@depth 5\ntext", Decorators("text", depth=5)),
        ("@@unknown\n@@@other 3\n@@@depth 5\n@@@role user\ntext", Decorators("text", depth=5)),
        ("@@depth x\n@@@depth 5\ntext", Decorators("text", depth=5)),
        (
            "@@depth 4\n@@@role user\n@@scan_depth 1\ntext",
            Decorators("text", depth=4, scan_depth=1),
        ),
        ("@@@role user\ntext", Decorators("text")),
        ("@@activate", Decorators("", activate=True)),
        ("@@depth " + "9" * 5000 + "\ntext", Decorators("text")),
    ],
)
def test_decorators(content: str, rule: Decorators) -> None:
    assert rule_of(content) == rule


def test_a_piece_carries_its_place_and_its_macros_are_replaced() -> None:
    book = Lorebook(
        (
            entry("x", "{{char}} knows {{user}}", position="after"),
            entry("x", "@@depth 2\n@@role assistant\nat depth"),
            entry("x", "  "),
            entry("x", "{{// nothing}}"),
        )
    )
    assert lorebook.called(book, ["x"], 1, VALUES, len, 1000) == (
        LoreText("Vera knows Tom", "after"),
        LoreText("at depth", depth=2, role="assistant"),
    )


def test_entries_call_others_three_rounds_deep() -> None:
    chain = tuple(entry(f"k{at}!", f"see k{at + 1}!") for at in range(8))
    assert called(Lorebook(chain), "k0!") == ["see k1!"]
    assert called(Lorebook(chain, recursive=True), "k0!") == [f"see k{at}!" for at in (1, 2, 3, 4)]
    loop = (entry("a1", "b1"), entry("b1", "a1"))
    assert called(Lorebook(loop, recursive=True), "a1") == ["b1", "a1"]


def test_standing_entries_and_hidden_keys_call_others_but_comments_do_not() -> None:
    book = Lorebook(
        (
            entry("-", "{{hidden_key:dragon}}{{// owl}}{{comment: cat}}Quiet.", constant=True),
            entry("dragon", "by hidden key"),
            entry("owl"),
            entry("cat"),
            entry("quiet", "@@activate_only_after 9\nlater"),
        ),
        recursive=True,
    )
    assert called(book, "hello") == ["by hidden key"]
    assert standing(book) == ["Quiet."]
    assert called(replace(book, recursive=False), "hello") == []


def test_the_order_of_the_prompt_is_not_the_order_of_leaving() -> None:
    book = Lorebook(
        (
            entry("x", "late 10", order=300, priority=5),
            entry("x", "early ten!", order=1, priority=1),
            entry("x", "middle ten", order=200, priority=9),
            entry("x", "middle two", order=200, priority=9),
        )
    )
    assert called(book, "x") == ["early ten!", "middle ten", "middle two", "late 10"]
    assert called(book, "x", budget=27) == ["middle ten", "middle two", "late 10"]
    assert called(book, "x", budget=26) == ["middle ten", "middle two"]
    assert called(book, "x", budget=10) == ["middle ten"]
    assert called(book, "x", budget=0) == []


def test_among_equals_what_stands_earlier_leaves_first_and_a_giant_keeps_nobody_out() -> None:
    book = Lorebook(
        (
            entry("x", "first", order=1),
            entry("x", "second", order=2),
            entry("x", "g" * 90, priority=99),
        )
    )
    assert called(book, "x", budget=11) == ["first", "second"]
    assert called(book, "x", budget=10) == ["second"]


entries = st.builds(
    LoreEntry,
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=2).map(tuple),
    st.integers(1, 40).map(lambda size: "t" * size),
    order=st.integers(-3, 3),
    priority=st.integers(-3, 3),
    constant=st.booleans(),
)


@given(st.lists(entries, max_size=12).map(tuple), st.integers(0, 200))
def test_never_more_than_the_budget_and_the_dearest_stay(each, budget):
    numbered = tuple(replace(e, content=f"{at:03}{e.content}") for at, e in enumerate(each))
    by_text = {e.content: e for e in numbered}
    book = Lorebook(numbered)
    for all_of_them, some in (
        (standing(book), standing(book, budget)),
        (called(book, "a b"), called(book, "a b", budget=budget)),
    ):
        assert sum(map(len, some)) <= budget
        assert [by_text[t].order for t in some] == sorted(by_text[t].order for t in some)
        left = [by_text[text] for text in all_of_them if text not in some and len(text) <= budget]
        lowest = min((by_text[text].priority for text in some), default=99)
        assert all(e.priority <= lowest for e in left)
        # The next one would have been too much.
        if left:
            nearest = max(left, key=lambda e: (e.priority, e.order, -numbered.index(e)))
            assert sum(map(len, some)) + len(nearest.content) > budget
    assert not set(standing(book)) & set(called(book, "a b"))


@pytest.mark.parametrize(
    ("own", "room"), [(None, 1000), (0, 1000), (-5, 1000), (300, 300), (99_999, 4000)]
)
def test_the_room_of_a_book(own: int | None, room: int) -> None:
    assert lorebook.room(Lorebook(token_budget=own), 4000) == room


HOSTILE = [
    "(a+)+b", "(a|aa)+$", "(a*)*b", "(.*)(.*)(.*)(.*)x", "a?" * 40 + "a" * 40, "(a|a)" * 30 + "b",
    "(?:a{1,90}){1,90}b", "((a?){60}){60}b", r"(\w+\s?)+:", "(x+x+)+y", "(?=(a+)+b)a", r"(a+)\1+\1+b",
    "(" * 400, "a{99999999999999}", "[", "[[a]--b]", "(?P<a", r"\1", "x" * 501, "a*" * 40, "(?:|a)+b",
    "(((((a{20}){20}){20}){20}){20})", "(?(1)a|b)", "(?>(a+)+)b", "(?:a+)++b",
]  # fmt: skip
HARMLESS = [
    r"\bdragon(s|born)?\b", r"(red|blue|green) (dog|cat)s? (house|hut)", r"king.*castle", r"\w+@\w+",
    r"\d{4}-\d{2}-\d{2}", "(?i)x", "(?:ab)+c", "[aeiou]{2,4}", r"^\s*hi", "(?=a)b", r"(x)\1", "a.*b.*c",
]  # fmt: skip
TEXTS = [
    "a" * 40_000,
    "aab" * 9_000,
    "x" * 40_000,
    " " * 40_000,
    "a" * 999 + "!",
    "red dog " * 4_000,
]


@pytest.mark.parametrize("pattern", [*HOSTILE, *HARMLESS])
def test_no_pattern_takes_long_whatever_the_text(pattern: str) -> None:
    book = Lorebook((replace(entry("x", use_regex=True), keys=(pattern,)),))
    done = threading.Thread(target=lambda: [called(book, text) for text in TEXTS], daemon=True)
    began = time.monotonic()
    done.start()
    done.join(30)
    assert not done.is_alive()
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("pattern", HARMLESS)
def test_patterns_that_people_write_are_taken(pattern: str) -> None:
    assert safe(pattern) is not None


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a*)*b", r"(\w+\s?)+:", "(a|aa)+$", "a*" * 40, "("])
def test_patterns_that_may_never_end_are_not(pattern: str) -> None:
    assert safe(pattern) is None
    assert called(Lorebook((replace(entry("x", use_regex=True), keys=(pattern,)),)), "a b x:") == []


def test_a_pattern_may_have_500_characters() -> None:
    assert safe("x" * 500) is not None
    assert safe("x" * 501) is None


def test_a_slow_pattern_sees_the_end_of_a_text() -> None:
    pattern = safe(r"\w+@\w+")
    assert pattern is not None
    assert pattern.found_in("x" * 5000 + " a@b")
    assert not pattern.found_in("a@b" + " " * pattern.longest)
    quick = safe("needle")
    assert quick is not None and quick.found_in("needle" + " " * 20_000)


@given(st.text(alphabet="ab|()*+?{}1,2.^$\\[]", max_size=12))
def test_any_pattern_is_taken_or_refused_and_then_ends(pattern):
    book = Lorebook((replace(entry("x", "t", use_regex=True), keys=(pattern,)),))
    began = time.monotonic()
    assert called(book, "ab" * 2000) in ([], ["t"])
    assert time.monotonic() - began < 5


def test_a_book_made_to_hurt_ends_soon() -> None:
    slow = r"a{1,2000}b{1,2}[^x]c"
    assert safe(slow) is not None
    said = "a" * 60_000
    books = [
        Lorebook(
            tuple(replace(entry("x", use_regex=True), keys=(f"{slow}{n}",)) for n in range(3000))
        ),
        Lorebook(tuple(entry("|".join(["q"] * 50)) for _ in range(5000))),
        Lorebook(tuple(entry("a", "{{user}}" * 50_000) for _ in range(200))),
        Lorebook(tuple(entry("a", f"@@scan_depth {n}\nx") for n in range(5000)), recursive=True),
    ]
    for book in books:
        began = time.monotonic()
        lorebook.called(book, [said, said], 1, VALUES, len, 1000)
        assert time.monotonic() - began < 20
