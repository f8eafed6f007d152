"""Characters in our own form: read, refused with file and line, extended, found, checked, written."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from localai import settings
from localai.characters import export, index, paths
from localai.characters import lint as rules
from localai.characters.card import SOURCES, Character, DepthNote, Lorebook, LoreEntry
from localai.characters.formats import tavern, yaml_writer
from localai.characters.formats.yaml_reader import KEYS
from localai.characters.load import LoadedCard, parse
from localai.errors import BadInput, LocalaiError
from localai.formats import yaml_tree
from tests.conftest import Ran, run

FULL = """\
name: Mara
nickname: Mar
description: |
  {{char}} knows {{user}}.

  Second paragraph.
personality: calm
scenario: a lighthouse
first_message: Hello.
alternate_greetings: [Hi., 'No']
examples: |
  <START>
  {{user}}: a
  {{char}}: b
system: Be Mara.
post_history: Stay Mara.
note: {text: Wind., depth: 2, role: user}
persona: a sailor
genre: sea
tags: [a, 1]
creator: me
version: 1.10
creator_notes: For nobody.
lorebook:
  name: Sea
  scan_depth: 3
  token_budget: 100
  recursive: yes
  entries:
    - keys: [storm, no]
      content: The storm.
      order: -5
      priority: 3
      secondary: [boat]
      selective: true
      case_sensitive: true
      use_regex: true
      position: after
      name: Storm
      enabled: off
    - {content: Always., constant: true}
model: tiny
sampling: {temperature: 0.5, top_k: 10, top_p: 1, min_p: 0, repeat_penalty: 1.1, seed: 7}
picture: {prompt: a keeper, steps: 20, ratio: 16:9}
voice: {speed: 0.9}
"""
MARA = Character(
    name="Mara",
    nickname="Mar",
    description="{{char}} knows {{user}}.\n\nSecond paragraph.",
    personality="calm",
    scenario="a lighthouse",
    first_message="Hello.",
    alternate_greetings=("Hi.", "No"),
    examples="<START>\n{{user}}: a\n{{char}}: b",
    system="Be Mara.",
    post_history="Stay Mara.",
    note=DepthNote("Wind.", 2, "user"),
    persona="a sailor",
    genre="sea",
    tags=("a", "1"),
    creator="me",
    version="1.10",
    creator_notes="For nobody.",
    lorebook=Lorebook(
        name="Sea",
        scan_depth=3,
        token_budget=100,
        recursive=True,
        entries=(
            LoreEntry(
                keys=("storm", "no"),
                content="The storm.",
                enabled=False,
                order=-5,
                priority=3,
                secondary=("boat",),
                selective=True,
                case_sensitive=True,
                use_regex=True,
                position="after",
                name="Storm",
            ),
            LoreEntry(keys=(), content="Always.", constant=True),
        ),
    ),
    model="tiny",
    sampling={
        "temperature": 0.5,
        "top_k": 10,
        "top_p": 1,
        "min_p": 0,
        "repeat_penalty": 1.1,
        "seed": 7,
    },
    picture={"prompt": "a keeper", "steps": 20, "ratio": "16:9"},
    voice={"speed": 0.9},
)


def read(text: str, path: str = "m.yaml") -> Character:
    return parse(text.encode(), Path(path)).character


def refused(text: str, path: str = "m.yaml") -> BadInput:
    with pytest.raises(BadInput) as caught:
        read(text, path)
    return caught.value


@pytest.fixture
def mine(home: Path) -> Path:
    """The user's folder of characters."""
    folder = home / "data/localai/characters"
    folder.mkdir(parents=True)
    return folder


# Reading


def test_every_key_is_read() -> None:
    assert read(FULL) == MARA
    said = {field.name for field in dataclasses.fields(Character)} - {"extra"}
    assert set(yaml.safe_load(FULL)) == said == set(KEYS) - {"extends"}


def test_a_name_is_enough() -> None:
    assert read("name: Mara") == Character(name="Mara")
    assert read("name: No") == Character(name="No")
    assert read("\ufeffname: 007\r\nscenario: |\r\n  a\r\n  b\r\n") == Character(
        "007", scenario="a\nb"
    )


def test_a_note_may_be_its_text_alone() -> None:
    assert read("name: x\nnote: Wind.").note == DepthNote("Wind.", 4, "system")
    assert read("name: x\nnote: ''").note is None
    assert read("name: x\nnote:").note is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m.yaml:1: this should be a mapping"),
        ("- a", "m.yaml:1: this should be a mapping"),
        ("hello", "m.yaml:1: this should be a mapping"),
        ("nickname: x", "m.yaml:1: `name` is missing"),
        ("name:", "m.yaml:1: this should be a name"),
        ("name: x\n\ndescripton: y", "m.yaml:3: unknown key `descripton`"),
        ("name: x\ngreeting: y\ndescription: z", "m.yaml:2: unknown key `greeting`"),
        ("name: x\nname: y", "m.yaml:2: `name` is there twice"),
        ("name: |\n  a\n  b", "m.yaml:1: this should be one line of text"),
        ("name: x\ndescription: [a]", "m.yaml:2: this should be a text"),
        ("name: x\ntags: [a, [b]]", "m.yaml:2: this should be a text"),
        ("name: x\ntags: ['']", "m.yaml:2: this should be a list of texts, none of them empty"),
        ("name: x\nnote: {depth: 3}", "m.yaml:2: the note has no `text`"),
        ("name: x\nnote:\n  text: y\n  depht: 3", "m.yaml:4: unknown key `depht`"),
        ("name: x\nnote: {text: y, depth: -1}", "m.yaml:2: this should be a whole number from 0"),
        ("name: x\nnote: {text: y, role: boss}", "m.yaml:2: this should be one of: system, user"),
        ("name: x\nlorebook: [a]", "m.yaml:2: this should be a mapping"),
        ("name: x\nlorebook:\n  entries: {}", "m.yaml:3: this should be a list of entries"),
        ("name: x\nlorebook:\n  entries:\n  - keys: [a]", "m.yaml:4: the entry has no `content`"),
        ("name: x\nlorebook:\n  entries:\n  - content: a", "m.yaml:4: the entry has no `keys`"),
        ("name: x\nlorebook: {recursive: 1}", "m.yaml:2: this should be `true` or `false`"),
        ("name: x\nlorebook: {scan_depth: 1.5}", "m.yaml:2: this should be a whole number from 0"),
        ("name: x\nsampling: {temprature: 1}", "m.yaml:2: unknown key `temprature`"),
        ("name: x\nsampling:\n  top_p: 2", "m.yaml:3: this should be a number from 0.0 to 1.0"),
        ("name: x\nsampling: {seed: 1.5}", "m.yaml:2: this should be a whole number from 0"),
        ("name: x\nsampling: {temperature: .nan}", "m.yaml:2: this should be a number from 0.0"),
        ("name: x\npicture: {a: [.inf]}", "m.yaml:2: this should be a finite number"),
        ("name: x\npicture: fox", "m.yaml:2: this should be a mapping"),
        ("name: x\n\tscenario: b", "m.yaml:2: this is not YAML"),
        ("name: 'x", "m.yaml:1: this is not YAML"),
        ("name: a\x07", "m.yaml:1: a character that YAML forbids"),
        ('name: x\nscenario: "\\Uffffffff"', "m.yaml:1: an impossible escape"),
        ('name: x\nscenario: "\\ud800"', "m.yaml:2: this should be a text of whole letters"),
        ("name: !!python/name:os.system x", "m.yaml:1: tags (`!x`) are not allowed"),
        ("name: &a x\nscenario: *a", "m.yaml:1: anchors and aliases"),
        ("name: x\n---\nname: y", "m.yaml:2: a second document begins here"),
        ("name: x\n? [a]\n: b", "m.yaml:2: this should be a key"),
        ("name: x\nextends: ''", "m.yaml:2: this should be the name of a card"),
        ("name: x\nextends: [a]", "m.yaml:2: this should be a text"),
    ],
)
def test_damage_is_named_with_its_line(text: str, message: str) -> None:
    error = refused(text)
    assert error.what.startswith(message)
    assert error.code == 2


def test_a_slip_in_a_key_gets_a_guess() -> None:
    assert refused("name: x\nfirst_mesage: a").next_step == "did you mean `first_message`?"
    assert refused("name: x\nsampling: {temprature: 1}").next_step == "did you mean `temperature`?"


def test_bombs_are_refused_quickly() -> None:
    begin = time.monotonic()
    layers = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert "aliases" in refused(f"a0: &a0 x\n{layers}").what
    assert "levels deep" in refused(f"name: x\npicture: {'[' * 50_000}").what
    assert "levels deep" in refused(f"name: x\npicture: {'{a: ' * 10_000}").what
    assert "more than 20000 values" in refused(f"name: x\ntags: [{'a,' * 100_000}]").what
    assert "larger than 1 MB" in refused(f"name: {'x' * 2**20}").what
    assert time.monotonic() - begin < 20


def test_a_large_text_is_read_in_bounded_time() -> None:
    begin = time.monotonic()
    assert (
        len(read(f"name: x\ndescription: |\n{'  some words in a line' * 40_000}").description)
        > 800_000
    )
    assert time.monotonic() - begin < 30


# Extending


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def renamed(name: str) -> Character:
    """Mara as a card that extends hers takes her over under a name of its own."""
    return dataclasses.replace(MARA, name=name, nickname="", note=None, creator_notes="")


def test_a_card_patches_another_at_every_depth(mine: Path) -> None:
    write(mine, base=FULL)
    write(
        mine,
        patch="extends: base\nname: Eva\nnickname:\ntags: [z]\nnote: {depth: 9}\n"
        "lorebook: {scan_depth: 8}\nsampling: {seed: 1, top_k: null}\npicture: {steps: 5}\nvoice: null\n",
    )
    eva = index.load("patch")
    assert (eva.name, eva.nickname, eva.tags) == ("Eva", "", ("z",))
    assert eva.note == DepthNote("Wind.", 9, "user")
    assert eva.lorebook and MARA.lorebook
    assert (eva.lorebook.scan_depth, eva.lorebook.entries) == (8, MARA.lorebook.entries)
    assert eva.sampling == {
        "temperature": 0.5,
        "top_p": 1,
        "min_p": 0,
        "repeat_penalty": 1.1,
        "seed": 1,
    }
    assert eva.picture == {"prompt": "a keeper", "steps": 5, "ratio": "16:9"}
    assert eva.voice == MARA.voice  # nothing was said of its keys
    assert eva.description == MARA.description


def test_null_takes_a_part_away(mine: Path) -> None:
    write(mine, base=FULL, patch="extends: base\nnote: null\nlorebook: null\nsampling: null\n")
    eva = index.load("patch")
    assert (eva.note, eva.lorebook, eva.sampling) == (None, None, {})
    assert eva.name == "Mara"


def test_a_card_of_the_users_patches_the_shipped_one_of_its_name(mine: Path) -> None:
    shipped = index.load("librarian")
    write(mine, librarian="extends: librarian\nnickname: Boss\n")
    assert index.load("librarian") == dataclasses.replace(shipped, nickname="Boss")


def test_a_card_of_another_program_can_be_patched(mine: Path) -> None:
    card = {"spec": "chara_card_v2", "data": {"name": "Eva", "description": "d", "odd": [1]}}
    (mine / "eva.json").write_text(json.dumps(card))
    write(mine, mine="extends: ./eva.json\nscenario: here\n")
    found = index.load("mine")
    assert (found.name, found.description, found.scenario) == ("Eva", "d", "here")
    assert found.extra == {"data": {"odd": [1]}}


def test_circles_are_refused(mine: Path) -> None:
    write(mine, a="extends: b\nname: a", b="extends: c\nname: b", c="extends: a\nname: c")
    write(mine, own="extends: own\nname: x", file="extends: ./file.yaml\nname: x")
    with pytest.raises(BadInput, match=r"c.yaml:1: the cards extend each other in a circle: a"):
        index.load("a")
    with pytest.raises(BadInput, match=r"own.yaml:1: there is no 'own'"):
        index.load("own")
    with pytest.raises(BadInput, match=r"file.yaml:1: the cards extend each other in a circle"):
        index.load("file")


def test_chains_are_bounded(mine: Path) -> None:
    write(mine, c0=FULL, **{f"c{i}": f"extends: c{i - 1}\n" for i in range(1, 15)})
    assert index.load("c10").name == "Mara"
    with pytest.raises(BadInput, match="more than 10 cards extend each other"):
        index.load("c14")


@pytest.mark.parametrize(
    "name",
    [
        "../secret.yaml",
        "/etc/hostname.yaml",
        "sub/../../secret.yaml",
        "sub/../x.yaml",
        "./link.yaml",
        "./out/secret.yaml",
    ],
)
def test_no_path_leads_out_of_a_cards_folder(name: str, tmp_path: Path) -> None:
    write(tmp_path, secret="name: secret\ndescription: treasure\n")
    write(tmp_path / "cards", x=f"extends: {name}\nname: x\n", y=f"name: y\nlorebook: {name}\n")
    os.symlink(tmp_path / "secret.yaml", tmp_path / "cards/link.yaml")
    os.symlink(tmp_path, tmp_path / "cards/out")
    os.mkdir(tmp_path / "cards/sub")
    for card in ("x", "y"):
        with pytest.raises(BadInput, match="a card may only name files in its own folder"):
            index.load(str(tmp_path / f"cards/{card}.yaml"))


@pytest.mark.parametrize(
    "name", ["nobody", "./nobody.yaml", '"a\\0b.yaml"', "x" * 900, "x" * 900 + ".yaml"]
)
def test_a_base_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    write(tmp_path, x=f"name: x\nextends: {name}\n")
    with pytest.raises(BadInput, match=r"x\.yaml:2: "):
        index.load(str(tmp_path / "x.yaml"))


def test_a_base_lies_in_a_folder_below(tmp_path: Path) -> None:
    write(tmp_path / "parts", base=FULL)
    write(tmp_path, x="extends: parts/base.yaml\nname: x\n")
    assert index.load(str(tmp_path / "x.yaml")) == renamed("x")


def test_a_lorebook_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    world = {
        "entries": {"0": {"uid": 0, "key": ["a"], "content": "b", "order": 5, "disable": True}}
    }
    (tmp_path / "world.json").write_text(json.dumps(world))
    write(tmp_path, x="name: x\nlorebook: world.json\n")
    book = index.load(str(tmp_path / "x.yaml")).lorebook
    entry = LoreEntry(keys=("a",), content="b", order=5, enabled=False, extra={"uid": 0})
    assert book == Lorebook(entries=(entry,))


# Finding


def test_the_users_card_stands_before_the_shipped_one(mine: Path) -> None:
    assert paths.FOLDER.find("guard") == settings.shipped("characters") / "guard.yaml"
    write(mine, guard="name: Mine")
    rows = {row.name: row for row in index.listing()}
    assert index.load("guard").name == rows["guard"].character == "Mine"
    assert (rows["guard"].origin, rows["ghost"].origin) == ("user", "shipped")


@pytest.mark.parametrize(
    "name", ["libarian", "", ".", "..", "a\0b", "x" * 5000, "~", ".hidden", "-", "a b"]
)
def test_unknown_names_are_bad_input(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        index.load(name)
    assert "`localai characters`" in caught.value.next_step
    if name == "libarian":
        assert caught.value.next_step.startswith("did you mean `librarian`?")


@pytest.mark.parametrize(
    "name", ["./fifo", "/dev/zero", "./folder.yaml", "./loop.yaml", "no.png", "a/\0", "./big"]
)
def test_what_is_no_card_is_bad_input(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    os.mkdir("folder.yaml")
    os.symlink("loop.yaml", "loop.yaml")
    with open("big", "wb") as file:
        file.truncate(paths.FOLDER.limit + 1)
    with pytest.raises(BadInput) as caught:
        index.load(name)
    assert caught.value.code == 2


def test_a_damaged_card_does_not_hide_the_others(mine: Path) -> None:
    write(mine, bad="foo: x")
    (mine / "a b.yaml").write_text("no name")
    (mine / "notes.txt").write_text("no card")
    rows = {row.name: row for row in index.listing()}
    assert "bad.yaml:1: unknown key `foo`" in rows["bad"].problem
    assert len(rows) > 10 and not {"a b", "notes"} & set(rows)


def test_the_summary_is_one_sentence() -> None:
    who = Character(
        "Mara", nickname="Mar", description="{{Char}} keeps\n the 3.5 lights. And more."
    )
    assert index.about(who) == "Mar keeps the 3.5 lights."
    assert index.about(dataclasses.replace(who, creator_notes="Notes")) == "Notes"
    assert index.about(Character("x")) == ""


# Checking


def warnings(text: str) -> list[tuple[int, str]]:
    return [(each.line, each.text) for each in rules.check(parse(text.encode(), Path("m.yaml")))]


GOOD = "name: Mara\ndescription: '{{char}} knows {{user}}.'\n"


@pytest.mark.parametrize(
    ("more", "line", "text"),
    [
        ("examples: hello", 3, "no line of the examples begins with"),
        ("scenario: '{{usr}} is here'", 3, "`{{usr}}` is no macro: did you mean `{{user}}`?"),
        ('personality: "a\\x1b[2Jb"', 3, r"`personality` holds control characters: '\\x1b[2Jb'"),
        (
            "scenario: x\npersonality: '<|im_start|>system'",
            4,
            "`<|im_start|>` in `personality` is plain",
        ),
        (f"scenario: {'x ' * 3500}", 2, "what never leaves the prompt is long, about 17"),
        (
            "lorebook:\n  entries: [{keys: ['('], content: a, use_regex: true}]",
            4,
            "entry 1 of the lorebook: '(' is",
        ),
        (
            "lorebook:\n  entries: [{keys: [a], content: a, selective: true}]",
            4,
            "entry 1 of the lorebook is selective",
        ),
    ],
)
def test_each_slip_is_found_with_its_line(more: str, line: int, text: str) -> None:
    (found,) = warnings(GOOD + more)
    assert found[0] == line
    assert found[1].startswith(text)


def test_a_good_card_has_no_warnings() -> None:
    assert warnings(GOOD) == []
    assert warnings("name: Mara\ndescription: 'Mara knows <USER> and {{random:a,b}}.'\n") == []
    assert warnings(GOOD + "examples: |\n  Mara: hello") == []


def test_an_empty_card_is_warned_of() -> None:
    told = [text for _, text in warnings("name: x\nscenario: far away")]
    assert [text.split(":")[0] for text in told] == [
        "the description is empty",
        "`{{user}}` stands nowhere",
        "neither `{{char}}` nor the name stands in what describes it",
    ]


def test_lines_of_a_json_card_are_known() -> None:
    data = {
        "name": "Mara",
        "description": "{{char}}, {{user}}",
        "mes_example": "x",
        "first_message": "y",
    }
    text = json.dumps({"spec": "chara_card_v2", "data": data}, indent=1)
    found = rules.check(parse(text.encode(), Path("m.json")))
    assert [(each.line, each.text.split(":")[0]) for each in found] == [
        (0, "unknown key `first_message`"),
        (6, "no line of the examples begins with `{{char}}"),
    ]
    assert str(found[1]).startswith("m.json:6: no line")


def test_the_shipped_cards_are_whole() -> None:
    shipped = [row for row in index.listing() if row.origin == "shipped"]
    assert len(shipped) >= 10
    for row in shipped:
        card = index.opened(row.name)
        assert rules.check(card) == []
        who = card.character
        assert who.first_message and who.examples and who.tags and who.genre
        assert who.creator_notes and len(row.about) <= 100
        assert not re.search(r"[^\n]\n[^\n<{\[\-n]", who.examples), "a turn is one line"


def test_the_librarian_is_as_long_as_promised() -> None:
    who = index.load("librarian")
    fixed = (who.description, who.personality, who.scenario, who.first_message, who.examples)
    assert 4200 <= sum(map(len, fixed)) <= 4800  # about 1,100 tokens
    assert who.examples.count("<START>") >= 5


# Writing


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=60
).map(lambda text: text.strip("\n"))
lines = words.map(lambda text: " ".join(text.split()))
names = lines.filter(bool)
lists = st.lists(texts.filter(bool), max_size=3).map(tuple)
numbers = st.integers(-(2**31) + 1, 2**31 - 1)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**52), 2**52)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
mappings = st.dictionaries(words, plain, max_size=3)
entries = st.builds(
    LoreEntry,
    keys=lists.filter(bool),
    content=texts.filter(bool),
    enabled=st.booleans(),
    order=numbers,
    priority=numbers,
    secondary=lists,
    selective=st.booleans(),
    constant=st.booleans(),
    case_sensitive=st.booleans(),
    use_regex=st.booleans(),
    position=st.sampled_from(["before", "after"]),
    name=lines,
    logic=st.sampled_from(["any", "all", "not_any", "not_all"]),
    whole_words=st.booleans(),
    scan_depth=st.none() | st.integers(0, 99),
    also_match=st.lists(st.sampled_from(SOURCES), unique=True).map(
        lambda found: tuple(sorted(found, key=SOURCES.index))
    ),
    probability=st.integers(0, 100),
    group=st.sampled_from([(), ("a",), ("a", "b c")]),
    group_weight=numbers.map(abs),
    group_override=st.booleans(),
    delay=st.integers(0, 9),
    sticky=st.integers(0, 9),
    cooldown=st.integers(0, 9),
    exclude_recursion=st.booleans(),
    prevent_recursion=st.booleans(),
    delay_until_recursion=st.integers(0, 3),
    ignore_budget=st.booleans(),
)
deep = st.builds(
    lambda entry, depth, role: dataclasses.replace(
        entry, position="before", depth=depth, role=role
    ),
    entries,
    st.integers(0, 99),
    st.sampled_from(["system", "user", "assistant"]),
)
characters = st.builds(
    Character,
    name=names,
    **dict.fromkeys(
        [
            "description",
            "personality",
            "scenario",
            "first_message",
            "examples",
            "system",
            "post_history",
            "creator_notes",
        ],
        texts,
    ),
    **dict.fromkeys(["nickname", "genre", "creator", "version", "model"], lines),
    persona=texts,
    alternate_greetings=lists,
    tags=lists,
    note=st.none()
    | st.builds(
        DepthNote,
        texts.filter(bool),
        st.integers(0, 10_000),
        st.sampled_from(["system", "user", "assistant"]),
    ),
    lorebook=st.none()
    | st.builds(
        Lorebook,
        entries=st.lists(entries | deep, max_size=2).map(tuple),
        name=lines,
        scan_depth=st.integers(0, 2**31 - 1),
        token_budget=st.none() | st.integers(1, 2**31 - 1),
        recursive=st.booleans(),
    ),
    sampling=st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.floats(0, 100),
            "top_k": st.integers(0, 99),
            "seed": st.integers(0, 2**32 - 2),
        },
    ),
    picture=mappings,
    voice=mappings,
)


@limits(deadline=None)
@given(characters)
def test_any_character_written_as_yaml_reads_back_equal(who: Character) -> None:
    assert read(yaml_writer.write(who)) == who


@limits(deadline=None)
@given(characters, st.sampled_from([2, 3]))
def test_any_character_written_for_others_reads_back_equal(who: Character, spec: int) -> None:
    text = json.dumps(tavern.write(who, spec), allow_nan=False)
    assert read(text, "x.json") == who


def test_the_full_card_reads_back_equal() -> None:
    card = LoadedCard(Path("m.yaml"), "YAML", MARA)
    for form in export.FORMS:
        for spec in (2, 3):
            data = export.exported(card, form, spec)
            assert parse(data, Path(f"x{form}")).character == MARA


def test_what_is_written_is_easy_to_read() -> None:
    shown = yaml_writer.write(index.load("librarian"))
    assert max(map(len, shown.splitlines())) <= 110
    assert "\nexamples: >-\n  <START>\n" in shown
    assert "\\" not in shown


def test_the_skeleton_stays_right_when_its_comments_are_removed() -> None:
    text = yaml_writer.skeleton("Mara: x")
    assert warnings(text) == []
    assert read(text).name == "Mara: x"
    whole = read(re.sub(r"^# (?=[a-z_ ]+:|  )", "", text, flags=re.M))
    assert (
        whole.examples and whole.note and whole.lorebook and whole.sampling == {"temperature": 0.9}
    )


# Fuzz


def survives(text: str) -> None:
    try:
        who = read(text)
    except BadInput as error:
        assert error.what.startswith("m.yaml")
        return
    assert who.name
    json.dumps(tavern.write(who), allow_nan=False)
    assert read(yaml_writer.write(who)) == dataclasses.replace(who, extra={})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYS, "text", "depth", "entries", "keys", "content", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@limits(deadline=None, max_examples=300)
@given(
    st.dictionaries(st.sampled_from([*KEYS, "context", "greeting", "x"]), values, max_size=5),
    st.booleans(),
)
def test_any_yaml_is_a_card_or_bad_input(data: dict[str, object], flow: bool) -> None:
    survives(yaml.safe_dump({"name": "n", **data}, default_flow_style=flow, allow_unicode=True))


@limits(deadline=None, max_examples=300)
@given(st.text(st.sampled_from(list("ab:- []{}'\"\n\t#&*!|>%@`,?~\\U0.e_<=")), max_size=60))
def test_any_text_is_a_card_or_bad_input(text: str) -> None:
    survives(f"name: d\npicture: {text}\n")
    survives(text)


@given(st.floats() | st.integers() | st.text(max_size=5))
def test_plain_values_are_json(value: object) -> None:
    text = yaml.safe_dump({"a": value})
    try:
        plain = yaml_tree.load(text, "m").plain()
    except BadInput:
        assert not isinstance(value, float) or not math.isfinite(value)
        return
    json.dumps(plain, allow_nan=False)
    assert isinstance(plain["a"], (str, int, float, type(None)))


# The command


def characters_command(*arguments: str, code: int = 0, stdin: bytes = b"") -> Ran:
    ran = run("characters", *arguments, stdin=stdin)
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err
    return ran


def test_the_command_lists() -> None:
    ran = characters_command()
    assert ran.out == characters_command("list").out
    assert re.search(r"^librarian       Odile answers anything, and", ran.out, re.M)
    assert max(map(len, ran.out.splitlines())) <= 80
    rows = characters_command("--json").json
    assert {row["name"] for row in rows} >= {"librarian", "ghost", "guard"}
    assert set(rows[0]) == {field.name for field in dataclasses.fields(index.CharacterSummary)}


def test_the_command_shows(mine: Path) -> None:
    write(mine, full=FULL)
    assert read(characters_command("show", "full").out) == MARA
    data = characters_command("show", "full", "--json").json
    assert (data["form"], data["name"], data["note"]["depth"]) == ("YAML", "Mara", 2)
    assert characters_command("path", "full").out == f"{mine / 'full.yaml'}\n"
    assert "did you mean `full`" in characters_command("show", "ful", code=2).err


def test_the_command_writes_new_cards(mine: Path) -> None:
    mine.rmdir()  # it need not be there
    assert characters_command("new", "big-boat").out == f"{mine / 'big-boat.yaml'}\n"
    assert index.load("big-boat").name == "Big Boat"
    assert "exists" in characters_command("new", "big-boat", code=2).err
    characters_command("new", "big-boat", "--from", "ghost", "--force")
    assert index.load("big-boat") == index.load("ghost")
    characters_command("new", "librarian", "--extends", "librarian")
    assert (
        index.load("librarian")
        == parse(
            (settings.shipped("characters") / "librarian.yaml").read_bytes(), Path("x.yaml")
        ).character
    )
    assert (
        "exclude"
        in characters_command("new", "x", "--from", "ghost", "--extends", "ghost", code=2).err
    )
    assert "no name" in characters_command("new", "../x", code=2).err
    before = (mine / "big-boat.yaml").read_bytes()
    again = characters_command("new", "big-boat", "--extends", "big-boat", "--force", code=2)
    assert "a change of itself" in again.err and (mine / "big-boat.yaml").read_bytes() == before
    assert sorted(path.name for path in mine.iterdir()) == ["big-boat.yaml", "librarian.yaml"]


def test_the_command_checks(mine: Path) -> None:
    assert characters_command("check").err == "12 cards, no warnings\n"
    write(mine, short="name: x\ndescription: '{{char}}'")
    ran = characters_command("check", "short", "ghost")
    assert ran.out.startswith(f"{mine / 'short.yaml'}:2: `{{{{user}}}}` stands nowhere")
    assert ran.err == "2 cards, 1 warning\n"
    assert characters_command("check", "short", "--json").json[0]["line"] == 2
    write(mine, bad="foo: x")
    assert "bad.yaml:1: unknown key" in characters_command("check", "bad", code=2).err
    ran = characters_command("check", code=6)
    assert "1 of 14 cards cannot be read" in ran.err and "stands nowhere" in ran.out


def test_the_command_imports(mine: Path, tmp_path: Path) -> None:
    card = tmp_path / "Card File.json"
    card.write_text(
        json.dumps(
            {"name": "Eva of the Sea", "description": "{{char}}, {{user}}", "first_mes": "a"}
        )
    )
    ran = characters_command("import", str(card))
    assert ran.out == f"{mine / 'eva-of-the-sea.json'}\n" and not ran.err
    assert (mine / "eva-of-the-sea.json").read_bytes() == card.read_bytes()
    assert "exists" in characters_command("import", str(card), code=2).err
    assert (
        characters_command("import", "-", "--as", "e2", stdin=card.read_bytes()).out
        == f"{mine / 'e2.json'}\n"
    )
    write(mine, e3="name: x")
    assert "exists" in characters_command("import", str(card), "--as", "e3", code=2).err
    characters_command("import", str(card), "--as", "e3", "--force")
    assert paths.FOLDER.find("e3").suffix == ".json"
    assert "no name" in characters_command("import", str(card), "--as", "a/b", code=2).err
    assert "cannot be read" in characters_command("import", str(tmp_path / "none"), code=2).err


def test_a_card_that_leans_on_others_is_imported_whole(mine: Path, tmp_path: Path) -> None:
    write(
        tmp_path,
        base=FULL,
        patch="extends: ./base.yaml\nname: Eva\n",
        named="extends: ghost\nname: Tom\n",
    )
    characters_command("import", str(tmp_path / "patch.yaml"))
    (tmp_path / "base.yaml").unlink()
    assert index.load("eva") == renamed("Eva")
    characters_command("import", str(tmp_path / "named.yaml"))
    assert (mine / "tom.yaml").read_text() == "extends: ghost\nname: Tom\n"


def test_the_command_exports(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(mine, full=FULL)
    assert characters_command("export", "full").json["spec"] == "chara_card_v3"
    assert characters_command("export", "full", "--spec", "2").json["spec_version"] == "2.0"
    for form in export.FORMS:
        characters_command("export", "full", "-o", f"x{form}")
        assert index.load(f"x{form}") == MARA
        assert "exists" in characters_command("export", "full", "-o", f"x{form}", code=2).err
        characters_command("export", "full", "-o", f"x{form}", "--force")
    assert (
        "cannot be written as .txt"
        in characters_command("export", "full", "-o", "x.txt", code=2).err
    )
    assert sorted(os.listdir()) == ["x.json", "x.png", "x.yaml"]


def test_the_command_says_when_it_cannot_write(mine: Path) -> None:
    mine.rmdir()
    mine.write_text("in the way")
    with pytest.raises(LocalaiError, match="cannot be written"):
        paths.FOLDER.add("x", ".yaml", b"name: x")
