"""Lorebooks as SillyTavern writes them: each documented field is kept, or told by the check."""

from __future__ import annotations

import json
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from localai.characters import lint, lorebook
from localai.characters.card import Character, Lorebook, LoreEntry
from localai.characters.formats import lorebook_json, tavern
from localai.characters.formats.json_fields import Fields
from localai.characters.load import parse
from localai.characters.macros import MacroValues
from localai.characters.prompt_parts import prompt_parts, triggered_lore

# What it writes into every entry, whatever its author has set.
ALWAYS: dict[str, Any] = {
    "position": 0, "exclude_recursion": False, "display_index": 0, "probability": 100,
    "useProbability": True, "depth": 4, "selectiveLogic": 0, "group": "", "group_override": False,
    "group_weight": 100, "prevent_recursion": False, "delay_until_recursion": False,
    "scan_depth": None, "match_whole_words": None, "use_group_scoring": False,
    "case_sensitive": None, "automation_id": "", "role": 0, "vectorized": False, "sticky": 0,
    "cooldown": 0, "delay": 0, "match_persona_description": False,
    "match_character_description": False, "match_character_personality": False,
    "match_character_depth_prompt": False, "match_scenario": False, "match_creator_notes": False,
    "triggers": [], "ignore_budget": False, "outlet_name": "",
}  # fmt: skip


def entry(keys: str | list[str], content: str = "known", **more: Any) -> dict[str, Any]:
    """An entry of a card; what is no field of the specification goes into its extensions."""
    ours = ("secondary_keys", "selective", "constant", "insertion_order", "comment", "enabled")
    own = {key: more.pop(key) for key in ours if key in more}
    return {
        "keys": [keys] if isinstance(keys, str) else keys, "content": content, "enabled": True,
        "insertion_order": 100, "use_regex": True, "selective": False, "secondary_keys": [],
        "constant": False, "position": "before_char", "comment": "", "extensions": ALWAYS | more,
    } | own  # fmt: skip


def book(*entries: dict[str, Any], **more: Any) -> Lorebook:
    data = {"entries": list(entries), "extensions": {}, **more}
    return lorebook_json.read(Fields(json.loads(json.dumps(data)), "x"))


def world(**more: Any) -> Lorebook:
    """The same in a file of its own, where everything has other names."""
    own = {"uid": 0, "key": ["storm"], "content": "known", "disable": False, "position": 0}
    return lorebook_json.read_file({"entries": {"0": own | more}}, "x")


def called(
    known: Lorebook, *said: str, seed: int = 1, values: MacroValues | None = None
) -> list[str]:
    values = values or MacroValues("Vera", "Tom", seed=seed)
    answers = len(said) // 2
    return [piece.text for piece in lorebook.called(known, said, answers, values, len, 9999)]


def warned(known: Lorebook) -> list[str]:
    card = parse(
        json.dumps(tavern.write(Character("Vera", "{{char}} {{user}}", lorebook=known))).encode(),
        Path("x.json"),
    )
    return [warning.text for warning in lint.check(card)]


@pytest.mark.parametrize(
    ("logic", "none", "one", "both"),
    [(0, False, True, True), (1, True, True, False), (2, True, False, False), (3, False, False, True)],
)  # fmt: skip
def test_the_logic_of_secondary_keys(logic: int, none: bool, one: bool, both: bool) -> None:
    more = {"selective": True, "secondary_keys": ["night", "sea"]}
    known = book(entry("storm", selectiveLogic=logic, **more))
    file = world(selective=True, keysecondary=["night", "sea"], selectiveLogic=logic)
    for each in (known, file):
        assert bool(called(each, "a storm")) is none
        assert bool(called(each, "a storm by night")) is one
        assert bool(called(each, "a storm by night at sea")) is both
        assert not called(each, "night at sea"), "the key itself is needed"
    unread = book(entry("storm", selectiveLogic=2, secondary_keys=["night"]))
    assert called(unread, "a storm by night"), "without `selective` they say nothing"


@pytest.mark.parametrize(
    ("key", "said", "found"),
    [
        ("AI", "an AI?", True),
        ("AI", "the rain", False),
        ("king", "long live the king", True),
        ("king", "not to my liking, king", True),
        ("king", "kings", False),
        ("king", "king_size", False),
        ("C++", "she writes C++.", True),
        ("C++", "C++11", False),
        (".net", "in .NET, of course", True),
        ("live the", "olive theatre", True),  # only keys of one word are looked for as words
        ("na\u00efve", "nai\u0308vete\u0301", False),
        ("\u8239", "\u53e4\u3044\u8239\u304c\u6765\u305f", True),  # no spaces between words there
        ("AI", "\u79c1\u306fAI\u3067\u3059", True),
        ("\u0915", "\u0915\u093f", False),  # a vowel sign belongs to the letter before it
    ],
)
def test_whole_words(key: str, said: str, found: bool) -> None:
    assert bool(called(book(entry(key, match_whole_words=True)), said)) is found
    assert bool(called(world(key=[key], matchWholeWords=True), said)) is found
    assert called(book(entry(key[:2])), f"x{key[:2]}x"), "not asked for, parts of words will do"


@pytest.mark.parametrize(
    ("key", "said", "found"),
    [
        ("ship (old)", "the ship (old) came", True),
        ("ship (old)", "the ship old came", False),
        ("ship (old", "a ship (old one", True),
        ("C++", "in c++ then", True),
        ("what?", "so what? then", True),
        ("what?", "wha", False),
        ("[sic]", "s", False),
        ("a.b", "axb", False),
        ("*", "2*3", True),
        ("/storms?/", "two storms", True),
        ("/storms?/", "two Storms", False),
        ("/storms?/i", "two STORMS", True),
        ("/^b$/m", "a\nb", True),
        ("/a\\/b/", "a/b", True),
        ("/usr/lib/", "in /usr/lib/ there", True),  # a path, as its slashes are not escaped
        ("/usr/lib/", "usr", False),
        ("/home/user", "/home/user", True),
        ("/home/user", "home", False),
        ("/{{char}}'s? dog/", "Vera's dog", True),
        ("{{user}}'s hat", "tom's hat", True),
    ],
)
def test_a_key_is_a_text_unless_it_is_written_as_a_pattern(
    key: str, said: str, found: bool
) -> None:
    assert bool(called(book(entry(key)), said)) is found
    assert bool(called(world(key=[key]), said)) is found


def test_a_name_with_signs_is_a_name_in_a_pattern() -> None:
    known = book(entry("/^{{char}}$/"))
    assert called(known, "A.I (1)", values=MacroValues("A.I (1)", "Tom"))
    assert not called(known, "AxI 1", values=MacroValues("A.I (1)", "Tom"))


def test_use_regex_is_kept_where_its_author_has_set_it() -> None:
    plain = {"keys": ["dra(g|k)on"], "content": "known", "use_regex": True}
    assert called(book(plain), "a drakon")
    assert called(book(plain | {"extensions": {"mine": 1}}), "a drakon")
    ours = Lorebook((LoreEntry(("dra(g|k)on",), "known", use_regex=True, whole_words=True),))
    again = lorebook_json.read(Fields(lorebook_json.write(ours), "x"))
    assert called(ours, "a drakon") == called(again, "a drakon") == ["known"]


@pytest.mark.parametrize("key", ["caf\u00e9", "Zo\u00eb", "\u00c5ngstr\u00f6m", "\ud55c\uae00"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("more", [{}, {"case_sensitive": True}, {"match_whole_words": True}])
def test_letters_are_the_same_however_they_are_coded(
    key: str, form: Any, more: dict[str, Any]
) -> None:
    other = "NFD" if form == "NFC" else "NFC"
    coded = unicodedata.normalize(form, key)
    said = unicodedata.normalize(other, f"the {key}!")
    assert called(book(entry(coded, **more)), said)
    assert called(book(entry(f"/{coded}!/", **more)), said)


@pytest.mark.parametrize(
    ("key", "said", "sensitive", "plain"),
    [
        ("Rose", "a rose", False, True),
        ("Rose", "a Rose", True, True),
        ("stra\u00dfe", "STRASSE", False, True),
        ("\u0130zmir", "\u0130ZMIR", False, True),
    ],
)
def test_large_and_small_letters(key: str, said: str, sensitive: bool, plain: bool) -> None:
    assert bool(called(book(entry(key, case_sensitive=True)), said)) is sensitive
    assert bool(called(book(entry(key, case_sensitive=False)), said)) is plain
    assert bool(called(world(key=[key], caseSensitive=True), said)) is sensitive
    over = entry(key, case_sensitive=None) | {"case_sensitive": True}
    assert bool(called(book(over), said)) is sensitive, "the specification's own field counts"


def test_probability() -> None:
    def share(known: Lorebook) -> int:
        return sum(bool(called(known, "a storm", seed=seed)) for seed in range(200))

    assert share(book(entry("storm", probability=0))) == 0
    assert share(book(entry("storm", probability=0, useProbability=False))) == 200
    assert share(book(entry("storm", probability=None))) == 200
    assert 70 < share(book(entry("storm", probability=50))) < 130
    assert 20 < share(world(probability=20, useProbability=True)) < 60
    always = book(entry([], constant=True, probability=50))
    assert 70 < share(always) < 130, "what is always there has its chance, too"
    values = MacroValues("Vera", "Tom")
    assert lorebook.standing(always, values, len, 99) == ()
    known = book(entry("storm", probability=50))
    assert len({tuple(called(known, "storm", seed=7)) for _ in range(9)}) == 1, "once a turn"
    turns = {bool(called(known, *["storm"] * count, seed=7)) for count in range(1, 40)}
    assert turns == {True, False}, "anew at each turn"


def test_one_of_a_group_enters() -> None:
    known = book(
        entry("song", "cat", group="songs", group_weight=300),
        entry("song", "dog", group="songs, animals"),
        entry("song", "owl", group="animals"),
        entry("song", "free"),
    )
    found = [tuple(called(known, "a song", seed=seed)) for seed in range(200)]
    for drawn in found:
        assert "free" in drawn and len({"cat", "dog"} & {*drawn}) <= 1
        assert len({"owl", "dog"} & {*drawn}) <= 1
    two = book(entry("x", "cat", group="g", group_weight=300), entry("x", "dog", group="g"))
    cats = sum(called(two, "x", seed=seed) == ["cat"] for seed in range(200))
    assert 120 < cats < 180, "three quarters"
    over = book(
        entry("song", "low", group="s", group_override=True, insertion_order=1),
        entry("song", "high", group="s", group_override=True, insertion_order=2),
        entry("song", "heavy", group="s", group_weight=9999, insertion_order=3),
    )
    assert {tuple(called(over, "song", seed=seed)) for seed in range(20)} == {("high",)}
    zero = book(*(entry("song", name, group="s", group_weight=0) for name in "ab"))
    assert {tuple(called(zero, "song", seed=seed)) for seed in range(40)} == {("a",), ("b",)}


def test_delay_sticky_and_cooldown_count_messages() -> None:
    def turns(known: Lorebook, *asked: str) -> list[bool]:
        said: list[str] = []
        found = []
        for question in asked:
            found.append(bool(called(known, *said, question)))
            said += [question, "hm"]
        return found

    four = ("storm", "x", "x", "storm", "storm")
    assert turns(book(entry("storm", scan_depth=1)), *four) == [True, False, False, True, True]
    late = book(entry("storm", scan_depth=1, delay=6))
    assert turns(late, *four) == [False, False, False, True, True]
    stays = book(entry("storm", scan_depth=1, sticky=4))
    assert turns(stays, *four) == [True, True, False, True, True]
    rests = book(entry("storm", scan_depth=1, cooldown=4))
    assert turns(rests, "storm", "storm", "storm", "storm") == [True, False, True, False]
    both = book(entry("storm", scan_depth=1, sticky=2, cooldown=4))
    assert turns(both, *["storm"] * 5) == [True, False, False, True, False]
    always = book(entry([], constant=True, cooldown=4))
    assert turns(always, "x", "x", "x") == [True, False, True]


def test_what_entries_say_of_recursion() -> None:
    def found(*entries: dict[str, Any], said: str = "cow") -> list[str]:
        return called(book(*entries, recursive_scanning=True), said)

    first = entry("cow", "of Rufus")
    assert found(first, entry("rufus", "dog")) == ["of Rufus", "dog"]
    assert found(first, entry("rufus", "dog", exclude_recursion=True)) == ["of Rufus"]
    assert found(first, entry("rufus", "dog", exclude_recursion=True), said="cow, rufus") == [
        "of Rufus", "dog",
    ]  # fmt: skip
    silent = entry("cow", "of Rufus", prevent_recursion=True)
    assert found(silent, entry("rufus", "dog")) == ["of Rufus"]
    later = entry("cow", "later", delay_until_recursion=True)
    assert found(later) == ["later"], "others may call it with what was said"
    assert called(book(later), "cow") == []
    levels = [
        entry("cow", "second", delay_until_recursion=2),
        entry("second", "third", delay_until_recursion=1),
    ]
    assert found(*levels) == ["second", "third"]
    both = entry("rufus", "dog", selective=True, secondary_keys=["cow"])
    assert found(first, both) == ["of Rufus", "dog"], "one key was said, the other in an entry"
    barred = entry("rufus", "dog", selective=True, secondary_keys=["cow"], selectiveLogic=2)
    assert found(first, barred) == ["of Rufus"]


@pytest.mark.parametrize(
    ("position", "role", "depth", "place"),
    [
        (0, 0, 4, ("before", None, "system")),
        (1, 0, 4, ("after", None, "system")),
        (2, 0, 9, ("before", 4, "system")),
        (3, 0, 9, ("before", 4, "system")),
        (4, 0, 0, ("before", 0, "system")),
        (4, 1, 2, ("before", 2, "user")),
        (4, 2, 7, ("before", 7, "assistant")),
        (4, None, None, ("before", 4, "system")),
        (5, 0, 4, ("after", None, "system")),
        (6, 0, 4, ("after", None, "system")),
    ],
)
def test_places(position: int, role: int | None, depth: int | None, place: tuple[Any, ...]) -> None:
    more = {"position": position, "role": role, "depth": depth}
    for known in (book(entry("storm", **more)), world(**more)):
        (piece,) = lorebook.called(known, ["storm"], 0, MacroValues("V", "T"), len, 99)
        assert (piece.position, piece.depth, piece.role) == place


def test_an_entry_for_an_outlet_enters_nowhere_and_survives() -> None:
    known = book(entry("storm", position=7, outlet_name="sky"))
    assert called(known, "storm") == []
    assert any("outlet" in text for text in warned(known))
    again = lorebook_json.read(Fields(lorebook_json.write(known), "x"))
    assert again == known


@pytest.mark.parametrize(
    ("flag", "field"),
    [
        ("match_character_description", "description"),
        ("match_character_personality", "personality"),
        ("match_scenario", "scenario"),
        ("match_persona_description", "persona"),
        ("match_creator_notes", "creator_notes"),
    ],
)
def test_entries_may_look_through_the_card(flag: str, field: str) -> None:
    known = book(entry("storm", **{flag: True}))
    who = Character("Vera", lorebook=known, **{field: "{{char}} fears the Storm."})
    opened = prompt_parts(who, persona=who.persona)
    assert [note.text for note in triggered_lore(who, opened, ["hello"], 0)] == ["known"]
    other = Character("Vera", lorebook=known, first_message="A storm?")
    assert triggered_lore(other, prompt_parts(other), ["hello"], 0) == ()


def test_scan_depth_and_the_budget() -> None:
    assert called(book(entry("storm", scan_depth=3)), "storm", "a", "b") == ["known"]
    assert called(world(scanDepth=1), "storm", "a") == []
    assert called(book(entry("storm", "@@scan_depth 3\nknown", scan_depth=1)), "storm", "a", "b")
    known = book(entry("storm", "x" * 50), entry("storm", "y" * 50, ignore_budget=True))
    values = MacroValues("V", "T")
    free = lorebook.called(known, ["storm"], 0, values, len, 10)
    assert [piece.text[0] for piece in free] == ["y"]
    assert len(lorebook.called(known, ["storm"], 0, values, len, 50)) == 2


NOISE = {  # fields that change what enters: each is kept, or told
    "vectorized": True, "automation_id": "run", "triggers": ["swipe"], "position": 5,
    "position ": 6, "outlet_name": "sky", "use_group_scoring": True, "delay_until_recursion": True,
    "probability": 0, "some_new_field": 3,
}  # fmt: skip


@pytest.mark.parametrize("name", NOISE)
def test_what_is_not_kept_is_told(name: str) -> None:
    quiet = entry("storm", group="songs", comment="Sky")
    assert not warned(book(quiet))
    loud = book(entry("storm", group="songs", comment="Sky", **{name.strip(): NOISE[name]}))
    (text,) = warned(loud)
    assert text.startswith("entry 1 of the lorebook (Sky)")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"characterFilter": {"names": ["Ann"], "tags": [], "isExclude": False}}, True),
        ({"characterFilter": {"names": [], "tags": [], "isExclude": False}}, False),
        ({"vectorized": True}, True),
        ({"addMemo": True, "displayIndex": 4, "comment": "x"}, False),
        ({"someNewField": "on"}, True),
    ],
)
def test_what_a_book_of_its_own_asks_for_is_told(more: dict[str, Any], told: bool) -> None:
    assert bool(warned(world(**more))) is told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("@@depth 2\n@@role user\ntext", 0),
        ("@@is_greeting 1\ntext", 1),
        ("@@keep_activate_after_match\n@@additional_keys a,b\ntext", 2),
        ("@@depth x\ntext", 1),
        ("text\n@@is_greeting 1", 0),
    ],
)
def test_decorators_that_are_not_kept_are_told(content: str, told: int) -> None:
    assert len(warned(book(entry("storm", content)))) == told


@pytest.mark.parametrize("key", ["/(a+)+b/", "/[/", "/\\p{L}/u", "/\\x01{{user}}:/"])
def test_patterns_that_cannot_be_kept_are_told(key: str) -> None:
    assert len(warned(book(entry(key)))) == 1
    assert len(warned(book(entry("x", selective=True, secondary_keys=[key])))) == 1
    assert not warned(book(entry(key[:-1] + ")"))), "a text is none"


def test_a_card_goes_out_as_it_came() -> None:
    sent = book(
        entry("storm", selectiveLogic=2, sticky=3, probability=20, position=4, role=1, depth=9)
    )
    data = lorebook_json.write(sent)
    assert data["entries"][0]["extensions"] == ALWAYS | {
        "selectiveLogic": 2, "sticky": 3, "probability": 20, "position": 4, "role": 1, "depth": 9,
    }  # fmt: skip
    assert data["entries"][0]["use_regex"] is True
    assert lorebook_json.read(Fields(data, "x")) == sent


@pytest.mark.parametrize(
    "nonsense",
    [{key: value} for key in ALWAYS for value in ("x", [], {"a": 1}, -5, 1e300, True, None)],
)
def test_nonsense_in_a_field_is_no_reason_to_refuse_a_card(nonsense: dict[str, Any]) -> None:
    known = book(entry("storm", **nonsense))
    assert called(known, "storm") in ([], ["known"])
    again = lorebook_json.read(Fields(json.loads(json.dumps(lorebook_json.write(known))), "x"))
    assert again == known


@pytest.mark.parametrize(
    "more",
    [
        {"match_whole_words": True},
        {"sticky": 5, "cooldown": 9},
        {"group": ", ".join(f"g{at}" for at in range(100)), "probability": 50},
        {"delay_until_recursion": 3, "selective": True, "secondary_keys": ["a b c"]},
    ],
)
def test_a_book_made_to_hurt_ends_soon(more: dict[str, Any]) -> None:
    known = book(
        *(entry(["aa", f"a b {at}"], **more) for at in range(2000)), recursive_scanning=True
    )
    said = ["a" * 60_000 + " b"] * 400
    began = time.monotonic()
    called(known, *said)
    assert time.monotonic() - began < 20
