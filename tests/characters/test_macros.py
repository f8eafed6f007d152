"""Macros in cards, each with an example; and texts that were made to hurt."""

import re
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.characters.macros import MacroValues, expand

FIELDS = {
    "persona": "Tom is a baker.",
    "description": "Vera knows {{char}}.",
    "personality": "kind",
    "scenario": "a kitchen",
    "mesexamples": "<START>\nVera: Hello",
}
NOW = datetime(2026, 11, 20, 14, 5)
VALUES = MacroValues("Vera", "Tom", FIELDS, original="Ours.", seed=7, now=NOW, last_message="Bye?")

written = st.lists(
    st.sampled_from(["{", "}", "{{", "}}", ":", "//", "char", "random", "a,b", " ", "<user>"])
)
PIECES = {
    "{{char}}": "Vera", "<USER>": "Tom", "{{reverse:ab}}": "ba", "{{// {{user}} }}": "", "{{nothing}}": "{{nothing}}",
    "}}": "}}", "{{description}}": FIELDS["description"], "{{newline}}": "\n", "<b>": "<b>", "plain, text": "plain, text",
}  # fmt: skip


@pytest.mark.parametrize(
    ("macro", "text"),
    [
        ("{{char}}", "Vera"),
        ("{{CHAR}} {{ char }} {{bot}} <char> <BOT> <bot> <Char>", "Vera Vera Vera Vera Vera Vera Vera"),
        ("{{user}} <USER> {{User}}", "Tom Tom Tom"),
        ("{{original}}", "Ours."),
        ("a{{// a note}}b", "ab"),
        ("a{{//}}b", "ab"),
        ("a{{comment: see there}}b", "ab"),
        ("a{{hidden_key:dragon}}b", "ab"),
        ("{{reverse:abc}}", "cba"),
        ("{{reverse:{{char}}}}", "areV"),
        ("{{persona}}", "Tom is a baker."),
        ("{{description}}", "Vera knows {{char}}."),
        ("{{personality}} in {{scenario}}", "kind in a kitchen"),
        ("{{mesExamples}}", "<START>\nVera: Hello"),
        ("a{{newline}}b", "a\nb"),
        ("a\n\n{{trim}}\r\n\nb", "ab"),
        ("a {{trim}} b", "a  b"),
        ("{{time}}", "14:05"),
        ("{{date}}", "20 November 2026"),
        ("{{weekday}}", "Friday"),
        ("{{isotime}}", "14:05"),
        ("{{isodate}}", "2026-11-20"),
        ("{{idle_duration}}", "just now"),
        ("{{lastMessage}}", "Bye?"),
        ("{{random:one}}", "one"),
        ("{{random::a, b}}", "a"),
        ("{{pick:a\\,b}}", "a,b"),
        ("{{pick::{{char}}}}", "Vera"),
        ("{{roll:1}} {{roll:d1}} {{roll d1}} {{roll:3d1}} {{roll:2d1+5}} {{roll:D1-1}}", "1 1 1 3 7 0"),
        ("{{{char}}}", "{Vera}"),
    ],
)  # fmt: skip
def test_each_macro(macro: str, text: str) -> None:
    # `{{random::a, b}}` has two choices; the seed above draws the first.
    assert expand(macro, VALUES) == text


@pytest.mark.parametrize(
    "text",
    [
        "{{unknown}}", "{{}}", "{{ }}", "{{char", "char}}", "{{char:x}}", "{{random}}", "{{random:}}",
        "{{pick: }}", "{{roll:x}}", "{{roll:0}}", "{{roll:2+d6}}", "{{roll:999d6}}", "{{getvar::x}}", "{ {char}}",
        "<chars>", "<START>", "{{reverse}}", "{{trim:x}}", "{{" * 30,
    ],
)  # fmt: skip
def test_what_is_no_macro_stays(text: str) -> None:
    assert expand(text, VALUES) == text


def test_inside_an_unknown_macro_names_are_replaced() -> None:
    assert expand("{{getvar::{{char}}}} {{ {{user}} }}", VALUES) == "{{getvar::Vera}} {{ Tom }}"


def test_without_values_macros_of_time_and_original_stay() -> None:
    text = "{{time}} {{isodate}} {{original}} {{persona}}"
    assert expand(text, MacroValues("Vera", "Tom")) == text


def test_a_hidden_key_is_seen_where_keys_are_looked_for() -> None:
    assert (
        expand("{{hidden_key:dragon}}{{// owl}}{{comment: cat}}", VALUES, hidden=True) == "dragon"
    )


def test_what_a_macro_gives_is_not_read_again() -> None:
    sly = MacroValues("{{user}}", "{{char}}", {"persona": "{{persona}}{{roll:6}}"})
    assert expand("{{char}} <user>", sly) == "{{user}} {{char}}"
    assert expand("{{persona}}", sly) == "{{persona}}{{roll:6}}"
    assert expand("{{reverse:}}rahc{{}}", sly) == "rahc{{}}"


def test_inserted_text_cannot_name_a_macro() -> None:
    assert (
        expand("{{{{user}}}} {{x{{user}}}}", MacroValues("Vera", "roll:1"))
        == "{{roll:1}} {{xroll:1}}"
    )
    assert expand("{{ro{{//}}ll:1}} {{char{{//}}}}", VALUES) == "{{roll:1}} {{char}}"


def test_draws_hang_on_the_seed_alone() -> None:
    text = "{{random:a,b,c,d,e,f}}{{pick:a,b,c,d,e,f}}{{roll:1000000}}"
    drawn = {seed: expand(text, MacroValues("Vera", "Tom", seed=seed)) for seed in range(30)}
    assert drawn == {
        seed: expand(text, MacroValues("Vera", "Tom", seed=seed)) for seed in range(30)
    }
    assert len(set(drawn.values())) == 30
    # Other values than the seed change nothing, so the kept prefix stays.
    later = MacroValues("Vera", "Tom", FIELDS, seed=3, last_message="Hm.", idle="an hour")
    assert expand(text, later) == drawn[3]


def test_draws_are_fair_and_two_of_one_text_differ() -> None:
    seen = [
        expand("{{roll:6}} {{roll:6}}", MacroValues("V", "T", seed=seed)) for seed in range(500)
    ]
    assert {number for pair in seen for number in pair.split()} == set("123456")
    assert len(set(seen)) == 36
    assert {expand("{{random:a,b}}", MacroValues("V", "T", seed=seed)) for seed in range(40)} == {
        "a",
        "b",
    }
    assert {expand("{{random::a::b,c}}", MacroValues("V", "T", seed=s)) for s in range(40)} == {
        "a",
        "b,c",
    }


@given(st.lists(st.sampled_from(sorted(PIECES)), max_size=20))
def test_macros_do_not_see_what_stands_beside_them(pieces: list[str]) -> None:
    assert expand("".join(pieces), VALUES) == "".join(PIECES[piece] for piece in pieces)


@given(written)
def test_any_text_comes_out_and_text_without_macros_as_it_was(pieces: list[str]) -> None:
    text = "".join(pieces)
    out = expand(text, MacroValues("C", "U"))
    assert len(out) <= len(text)  # these names are shorter than their macros
    if not re.search(r"\{\{.*\}\}|<(char|user|bot)>", text):
        assert out == text


@pytest.mark.parametrize(
    "text",
    [
        "{{" * 300_000, "{{a}}" * 100_000, "{{" * 200_000 + "}}" * 200_000, "<user>" * 200_000,
        "{{description}}" * 100_000, "{{reverse:" * 100_000 + "}}" * 100_000, "{{trim}}\n" * 100_000,
        "}}" * 300_000, "{{random:" + "a," * 300_000 + "}}", "{{//" * 200_000 + "}}",
        "{{random:a,b}}" * 100_000, "{{roll:99d6}}" * 100_000, "{{roll d6}}" + "x" * 3_000_000 + "{{roll d6}}" * 9_000,
    ],
)  # fmt: skip
def test_texts_made_to_hurt_end_soon_and_small(text: str) -> None:
    began = time.monotonic()
    out = expand(text, MacroValues("Vera", "Tom" * 1000, {"description": "x" * 5000}))
    assert time.monotonic() - began < 20
    assert len(out) <= len(text) + (1 << 20)


def test_what_would_grow_too_far_stays_as_it_was_written() -> None:
    out = expand("{{description}}" * 300, MacroValues("V", "T", {"description": "x" * 10_000}))
    assert out.count("x") >= 1_000_000
    assert out.endswith("{{description}}")


def test_after_thousands_of_draws_macros_stay_as_they_were_written() -> None:
    out = expand("{{roll:1}}" * 5000 + "{{pick:a}}", VALUES)
    assert out.startswith("1" * 4096 + "{{roll:1}}")
    assert out.endswith("{{pick:a}}")
