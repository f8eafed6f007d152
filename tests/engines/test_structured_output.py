"""A model that says random things, held by a constraint, says only what is allowed."""

from __future__ import annotations

import ctypes
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import jsonschema
import llama_cpp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localai.engines.llama.structured_output import MatcherFactory, TokenMatcher
from localai.errors import BadConstraint, BadModel, ConstraintNotMet
from localai.generation import constraints
from localai.types import Constraint

CONTROL, UNKNOWN, USER = 3, 2, 4  # llama.cpp's kinds of tokens
WORDS = [
    "true", "false", "null", "name", " the", " cat", '": ', ', "', "},", " {", "10", "20", "2024",
    "-0", " yes", "no", "abc", "ing", " a", "ä", "€", "😀", "\n\n", "  ", '{"', "[]", '"]', "--", "0.5",
    "e+", "\\n", '\\"', "-02-29", "02", "12", "red", "blue", ") ", "= ",
]  # fmt: skip


def byte_letters() -> dict[int, str]:
    """The letters that GPT-2's vocabulary writes for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {b: chr(256 + n) for n, b in enumerate(others)}


def write_vocabulary(path: Path, *, ends: bool = True) -> None:
    """Write a byte-level BPE vocabulary of some hundred tokens, without weights."""
    letters = byte_letters()
    tokens, merges = list(letters.values()), []
    for word in WORDS:
        text = "".join(letters[byte] for byte in word.encode())
        for end in range(1, len(text)):
            if text[: end + 1] not in tokens:
                tokens.append(text[: end + 1])
                merges.append(f"{text[:end]} {text[end]}")
    special = {"<unk>": UNKNOWN, "<tool>": USER, "user word": USER}
    if ends:
        special |= {"<|endoftext|>": CONTROL, "<|im_start|>": CONTROL, "<|im_end|>": CONTROL}
    kinds = [1] * len(tokens) + list(special.values())
    tokens += list(special)
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(8)
    writer.add_head_count(1)
    writer.add_feed_forward_length(8)
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    if ends:
        writer.add_eos_token_id(tokens.index("<|im_end|>"))
        writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


@llama_cpp.llama_log_callback
def silent(level: int, text: bytes, data: ctypes.c_void_p) -> None:
    """llama.cpp talks on stderr while it loads."""


@dataclass(repr=False)
class Vocabulary:
    """A vocabulary on disk, loaded, with the bytes of each token."""

    matchers: MatcherFactory
    pieces: list[bytes]  # control tokens are empty
    ends: list[int]
    control: list[int]
    quick: list[int]  # tokens that close something
    model: Any

    def text(self, tokens: list[int]) -> str:
        return b"".join(self.pieces[token] for token in tokens).decode()

    def tokens(self, text: str) -> list[int]:
        """Byte tokens for `text`."""
        single = {
            piece: n for n, piece in reversed(list(enumerate(self.pieces))) if len(piece) == 1
        }
        return [single[bytes([byte])] for byte in text.encode()]


def load(path: Path) -> Vocabulary:
    llama_cpp.llama_log_set(silent, ctypes.c_void_p())
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    vocab = llama_cpp.llama_model_get_vocab(model)
    pieces, buffer = [], ctypes.create_string_buffer(256)
    for token in range(llama_cpp.llama_vocab_n_tokens(vocab)):
        size = llama_cpp.llama_token_to_piece(vocab, token, buffer, 256, 0, False)
        pieces.append(buffer.raw[:size])
    ids = range(len(pieces))
    ends = [token for token in ids if llama_cpp.llama_vocab_is_eog(vocab, token)]
    control = [token for token in ids if llama_cpp.llama_vocab_is_control(vocab, token)]
    quick = [token for token in ids if pieces[token][:1] in (b'"', b"}", b"]", b")")]
    return Vocabulary(MatcherFactory(vocab), pieces, ends, control, quick, model)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path = tmp_path_factory.mktemp("vocabulary") / "small.gguf"
    write_vocabulary(path)
    return load(path)


def ramble(words: Vocabulary, constraint: Constraint, seed: int, limit: int = 3_000) -> str | None:
    """Return what a model with random logits says under `constraint`; None past `limit` tokens."""
    matcher, rng, said = words.matchers.matcher(constraint), np.random.default_rng(seed), []
    haste = rng.uniform(0, 5)  # how much this model likes to come to an end
    while len(said) < limit:
        forced = matcher.forced() if seed % 2 else []
        matcher.accept_many(forced)
        said += forced
        if matcher.finished:
            assert matcher.complete
            return words.text(said)
        logits = rng.standard_normal(len(words.pieces)).astype(np.float32)
        logits[words.quick] += haste
        logits[words.ends] += haste
        token = choose(matcher, logits)
        matcher.accept(token)
        if token in words.ends:
            assert matcher.finished and matcher.complete
            return words.text(said)
        said.append(token)
    return None


def choose(matcher: TokenMatcher, logits: Any) -> int:
    """The free choice if it is allowed, else the best allowed one."""
    token = int(logits.argmax())
    allowed = matcher.allows(token)
    matcher.mask(logits)
    assert allowed or np.isinf(logits[token])
    return int(logits.argmax())


def answers(words: Vocabulary, constraint: Constraint, count: int = 60) -> list[str]:
    """`count` finished answers; there must be some among twice as many tries."""
    found = (ramble(words, constraint, seed, 600) for seed in range(count * 2))
    finished = list(itertools.islice((text for text in found if text is not None), count))
    assert len(finished) == count
    return finished


def fits(matchers: MatcherFactory, constraint: Constraint, tokens: list[int]) -> bool:
    """Whether exactly these tokens are a complete answer."""
    matcher = matchers.matcher(constraint)
    for token in tokens:
        if not matcher.allows(token):
            return False
        matcher.accept(token)
    return matcher.complete


# -- JSON schemas


def scalars() -> st.SearchStrategy[dict[str, Any]]:
    low, span = st.integers(-1000, 1000), st.integers(0, 500)
    size = st.integers(0, 6)
    return st.one_of(
        st.sampled_from([{"type": "null"}, {"type": "boolean"}, {"type": ["integer", "null"]}]),
        st.builds(lambda a, b: {"type": "integer", "minimum": a, "maximum": a + b}, low, span),
        st.builds(
            lambda a, b: {"type": "number", "exclusiveMinimum": a, "exclusiveMaximum": a + b + 1},
            low,
            span,
        ),
        st.builds(
            lambda a: {"type": "integer", "multipleOf": a, "maximum": 9999}, st.integers(1, 99)
        ),
        st.builds(lambda a, b: {"type": "string", "minLength": a, "maxLength": a + b}, size, size),
        st.builds(
            lambda p, b: {"type": "string", "pattern": p, "maxLength": 9 + b},
            st.sampled_from(
                [r"^[a-z]+\d*$", "ab", r"^\w{2,}", r"[äö]$", r"^(a|bc)*$", r"^\S+ \S+$"]
            ),
            size,
        ),
        st.builds(
            lambda f: {"type": "string", "format": f},
            st.sampled_from(["date", "date-time", "ipv4", "ipv6", "uuid", "duration"]),
        ),
        st.builds(
            lambda values: {"enum": values},
            st.lists(
                st.sampled_from([1, "a", None, [1, "x"], {"k": 2.5}, True, 'ä\n"', ""]),
                min_size=1,
                max_size=4,
            ),
        ),
        st.builds(lambda value: {"const": value}, st.sampled_from([0, "yes", [], {"a": None}])),
    )


NAMES = st.sampled_from(["a", "b", "ä", "a b", 'q"t', "x1", "back\\slash", "line\nfeed", "enum"])


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    def made(items: Any, prefix: list[Any], low: int, more: int) -> dict[str, Any]:
        bounds = {"minItems": low, "maxItems": low + more}
        return {"type": "array", "items": items, **bounds} | (
            {"prefixItems": prefix} if prefix else {}
        )

    few = st.integers(0, 3)
    return st.builds(made, inner, st.lists(inner, max_size=2), few, few)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    def made(properties: dict[str, Any], flags: list[bool], extra: Any) -> dict[str, Any]:
        required = [name for name, flag in zip(properties, flags, strict=False) if flag]
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": extra,
        }

    extra = st.sampled_from([False, {"type": "boolean"}])
    flags = st.lists(st.booleans(), min_size=4, max_size=4)
    named = st.builds(made, st.dictionaries(NAMES, inner, max_size=4), flags, extra)
    patterned = st.builds(
        lambda p, most, s: {
            "type": "object",
            "patternProperties": {p: s},
            "additionalProperties": False,
            "maxProperties": most,
        },
        st.sampled_from(["^x", "y$", "^[ab]{2}$"]),
        st.integers(0, 3),
        inner,
    )
    return named | patterned


def mixtures(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda options: {"anyOf": options}, several),
        st.builds(lambda one: {"allOf": [one, {"title": "the same"}]}, inner),
        st.builds(lambda a, b: {"allOf": [a, b]}, objects(inner), objects(inner)),
        st.builds(lambda one, two: {"oneOf": [one, two]}, inner, inner),
        st.builds(
            lambda one: {"$defs": {"part": one}, "items": {}, "anyOf": [one, {"type": "null"}]},
            inner,
        ),
    )


SCHEMAS = st.recursive(
    scalars(), lambda inner: arrays(inner) | objects(inner) | mixtures(inner), max_leaves=6
)


def judge(schema: Any) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


finished: list[bool] = []


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(schema=SCHEMAS, seed=st.integers(0, 10_000))
def test_every_finished_answer_fits_its_random_schema(
    small: Vocabulary, schema: dict[str, Any], seed: int
) -> None:
    try:
        said = ramble(small, constraints.from_schema(schema), seed)
    except BadConstraint:
        return  # no value fits, or a oneOf that overlaps: refused before anything is said
    finished.append(said is not None)
    if said is not None:
        judge(schema).validate(json.loads(said))


def test_most_of_them_finished() -> None:
    assert finished.count(True) >= 200, f"{finished.count(True)} of {len(finished)}"


NODE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
            },
            "required": ["value", "children"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    "schema",
    [
        NODE,
        {"properties": {"next": {"$ref": "#"}}, "type": "object", "additionalProperties": False},
        {"type": "string", "format": "email"},
        {"type": "string", "format": "hostname"},
        {"type": "object", "required": ["q"]},
        {"$defs": {"s": {"type": "string"}}, "$ref": "#/$defs/s", "maxLength": 3},
        {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 10},
        {"type": "number", "minimum": -3.5, "maximum": 7.25},
        {"minimum": 3, "maxLength": 3, "type": ["string", "number"]},
        {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 9}], "multipleOf": 2},
        {"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": 2}]},
        {"prefixItems": [{"const": 1}], "items": False, "type": "array"},
    ],
    ids=str,
)
def test_schema(small: Vocabulary, schema: dict[str, Any]) -> None:
    for said in answers(small, constraints.from_schema(schema)):
        judge(schema).validate(json.loads(said))


def test_concise_schema(small: Vocabulary) -> None:
    made = constraints.from_schema("name, age int, tags list, price float, ok bool: fine")
    for said in answers(small, made, 20):
        value = json.loads(said)
        assert list(value) == ["name", "age", "tags", "price", "ok"]
        judge(json.loads(made.source)).validate(value)
        assert said.startswith('{"name": "')


def test_json_object(small: Vocabulary) -> None:
    for said in answers(small, constraints.json_object()):
        assert isinstance(json.loads(said), dict)


def test_a_date_is_a_real_day(small: Vocabulary) -> None:
    made = constraints.from_schema({"format": "date", "enum": ["2023-02-29", "2024-02-29"]})
    assert set(answers(small, made, 20)) == {'"2024-02-29"'}
    schema = {
        "type": "object",
        "properties": {"default": {"type": "string", "format": "date-time"}},
    }
    made = constraints.from_schema(schema)
    for year, real in [("2000", True), ("1900", False), ("2024", True), ("2100", False)]:
        text = f'{{"default": "{year}-02-29T00:00:00Z"}}'
        assert fits(small.matchers, made, small.tokens(text)) == real


def test_a_property_is_never_said_twice(small: Vocabulary) -> None:
    schema = {"properties": {"a\nb": {"type": "null"}, "é": {"type": "null"}}, "type": "object"}
    made = constraints.from_schema(schema | {"additionalProperties": {"type": "boolean"}})
    assert fits(small.matchers, made, small.tokens(r'{"a\nb": null, "c": true}'))
    for twin in (r"a\u000ab", r"a\nb", r"\u00e9", "é"):
        text = rf'{{"a\nb": null, "é": null, "{twin}": true}}'
        assert not fits(small.matchers, made, small.tokens(text))


# -- choices, regexes, grammars


@pytest.mark.parametrize(
    "names",
    [
        ["yes", "no"],
        ["a", "ab", "abc"],
        ["ä €", "😀", "(.*)", "a|b", "[x]", "c\\d", '"', "/", "#", "two  words", "<|im_end|>"],
        [f"number {n}" for n in range(3_000)],
    ],
    ids=["two", "prefixes", "odd", "many"],
)
def test_choices(small: Vocabulary, names: list[str]) -> None:
    said = set(answers(small, constraints.from_choices(names), 80))
    assert said <= set(names)
    assert len(said) >= min(len(names), 4) // 2
    for name in names[:12]:
        assert fits(small.matchers, constraints.from_choices(names), small.tokens(name))


PATTERNS = [
    r"\d{4}-\d\d-\d\d", "[a-z]+(, [a-z]+)*", "yes|no", "^anchored$", "(?i)red", "a{2,4}b?", ".*",
    "(?s:.{3,9})", r"[^\x00-\x7f]{1,3}", r"[\w.]+@\w+\.(com|org)", "/path/[a-z/]+", r'"\\"', "(a|b)*c",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_regex(small: Vocabulary, pattern: str) -> None:
    # The engine knows the digits and letters of a later Unicode than Python 3.11 does.
    plain = pattern.replace(r"\d", "[0-9]").replace(r"\w", "[0-9A-Za-z_]")
    for said in answers(small, constraints.from_regex(plain)):
        assert re.fullmatch(pattern, said)


DATE_GBNF = r"""
# a date, and the traps of the notation
root    ::= year "-" Month "-" month   # the next two differ in case alone
year    ::= [12] [0-9]{3}
Month   ::= "0" [1-9] | "1" [0-2]
month   ::= ("0" [1-9] | [12] [0-9] |
             "3" [01])
"""
SUMS_GBNF = 'root ::= (expr "=" term "\\n")+\nexpr ::= term ([-+*/] term)*\nterm ::= [0-9]{1,4} | "(" expr ")"'
SUMS_LARK = 'start: sum\nsum: term ((PLUS | TIMES) term)*\nterm: /[0-9]{1,3}/ | "(" sum ")"\nPLUS: "+"\nTIMES: "*"'


@pytest.mark.parametrize(
    ("kind", "grammar", "pattern"),
    [
        ("gbnf", DATE_GBNF, r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"),
        ("gbnf", SUMS_GBNF, r"([-0-9+*/()]+=[0-9()+*/-]+\n)+"),
        ("gbnf", r'root ::= "\u00e9\x41" [\u00e0-\u00ff] "\U0001F600"', "éA[à-ÿ]😀"),
        ("gbnf", 'root ::= [a&&b] [~~] start\nstart ::= "--" [+--]', r"[ab&]~--[+,-]"),
        ("gbnf", r'root ::= "\"" [^"\\\x7F\x00-\x1F]{1,3} "\"" "]" [\]]', r'"[^"\\]{1,3}"\]\]'),
        ("gbnf", 'root ::= r1 r-0\nr1 ::= "a" "i"\nr-0 ::= "b"', "aib"),
        ("lark", SUMS_LARK, r"[-0-9+*()]+"),
        (
            "lark",
            'start: YEAR "-" MONTH\nYEAR: /[12][0-9]{3}/\nMONTH: "0" /[1-9]/ | "1" /[0-2]/',
            r"[12]\d{3}-(0[1-9]|1[0-2])",
        ),
    ],
)
def test_grammar(small: Vocabulary, tmp_path: Path, kind: str, grammar: str, pattern: str) -> None:
    file = tmp_path / f"grammar.{kind}"
    file.write_text(grammar)
    for said in answers(small, constraints.from_grammar(file), 30):
        assert re.fullmatch(pattern, said), said
        if "term" in grammar:
            for line in said.split():
                assert all(digits.isdigit() for digits in re.findall(r"\w+", line))
                assert line.count("(") == line.count(")")


@pytest.mark.parametrize(
    ("kind", "source", "words"),
    [
        ("regex", "a(?=b)", "look-around"),
        ("regex", r"(a)\1", "backreferences"),
        ("regex", r"a\b", "lookarounds"),
        ("lark", 'start: "a"\n  | b', "(line 1, column 8)"),
        ("lark", "start: /(/", "unclosed group (line 1"),
        ("lark", 'a: "a"', "no start rule"),
        ("lark", 'start: A\nA: "a" B', "'B' (line 2, column 8)"),
        ("lark", 'start: a\na: "b"\na: "c"', "twice (line 3, column 1)"),
        ("lark", 'start: "a', "(line 1, column 8)"),
        ("lark", 'start: "\\q"', "(line 1, column 9)"),
        ("lark", 'start: ("a"', ") is missing: the line ends (line 1, column 12)"),
        ("lark", "start: <tool_call>", "no token <tool_call>"),
        ("lark", "start: start", "no answer"),
        ("lark", 'start: <|im_start|> "a"', "no answer"),
        ("lark", "start: " + "(" * 50_000, "deep"),
        ("gbnf", 'a ::= "a"', "'root'"),
        ("gbnf", 'root ::= "a"\n  b', "line 2"),
        ("gbnf", 'root ::= "a"\nb ::= word', "'word' (line 2, column 7)"),
        ("gbnf", 'root ::= "a"\nroot ::= "b"', "twice (line 2, column 1)"),
        ("gbnf", r'root ::= "\ud800"', "no character"),
        ("gbnf", "root ::= " + "(" * 50_000, "deep"),
        ("gbnf", 'root ::= "a', "never closed (line 1, column 10)"),
        ("gbnf", 'root = "a"', "begins with its name and ::= (line 1, column 1)"),
        ("gbnf", 'root ::= ("a" |\n  "b"\nx ::= "c"', "( is never closed (line 1, column 10)"),
        ("gbnf", 'root ::= "a")', "closes nothing (line 1, column 13)"),
        ("gbnf", 'root ::= x\n\nx ::= "a"{3,2}', "{3,2} runs backwards (line 3, column 10)"),
        ("gbnf", 'root ::= "a" [a-z0-9Z-A]', "range Z-A runs backwards (line 1, column 21)"),
        ("gbnf", r'root ::= "a\q"', r"\q is no escape; \\ is a backslash (line 1, column 12)"),
        ("gbnf", 'root ::= "a" ** # two', "stands before * (line 1, column 15)"),
        ("gbnf", "root ::= <1>", "'<' has no meaning here (line 1, column 10)"),
        ("gbnf", 'root ::= "a\nx ::= "b"', "not closed on its line (line 1, column 10)"),
        ("gbnf", "root ::= []", "[] names no character (line 1, column 10)"),
        ("gbnf", 'root ::=\nx ::= "a"', "nothing stands before the rule 'x' (line 2, column 1)"),
        ("json_schema", '{"items": {"oneOf": [{}, {"type": "null"}]}}', "at #/items/oneOf"),
        ("json_schema", '{"properties": {"a": {"pattern": "a{1,2"}}}', "at #/properties/a/pattern"),
        ("json_schema", '{"type": "integer", "minimum": 5, "maximum": 3}', "greater than"),
        ("json_schema", '{"type": "string", "pattern": "a(?=b)"}', "look-around"),
        ("json_schema", '{"oneOf": [{"type": "integer"}, {"type": "number"}]}', "overlap; write anyOf"),
        ("json_schema", '{"const": "\\u0001"}', "no answer"),
        ("json_schema", '{"properties": {"n": {"$ref": "#"}}, "required": ["n"], "type": "object"}', "no answer"),
    ],
)  # fmt: skip
def test_what_the_engine_refuses(
    small: Vocabulary, capfd: Any, kind: Any, source: str, words: str
) -> None:
    with pytest.raises(BadConstraint) as caught:
        small.matchers.matcher(Constraint(kind, source))
    assert words in caught.value.what and caught.value.next_step
    assert "\n" not in caught.value.what and len(caught.value.what) < 400
    assert capfd.readouterr() == ("", "")


# -- numbers end


def count(words: Vocabulary, constraint: Constraint, seed: int, zeros: bool, most: int) -> str:
    """What a model says that loves digits, or zeros, more than anything; at most so many tokens."""
    matcher, rng, said = words.matchers.matcher(constraint), np.random.default_rng(seed), []
    digits = [n for n, piece in enumerate(words.pieces) if piece[:1].isdigit()]
    only_zeros = [n for n in digits if not words.pieces[n].strip(b"0")]
    while len(said) < most:
        forced = matcher.forced()
        matcher.accept_many(forced)
        said += forced
        if matcher.finished:
            return words.text(said)
        logits = rng.standard_normal(len(words.pieces)).astype(np.float32)
        logits[digits] += 20
        logits[only_zeros] += 20 * zeros
        logits[words.tokens(".")] += 15 * (zeros or seed % 2)
        best = int(logits.argmax())
        if not matcher.allows(best):
            matcher.mask(logits)
            best = int(logits.argmax())
        matcher.accept(best)
        if best in words.ends:
            return words.text(said)
        said.append(best)
    pytest.fail(f"it ran on: {words.text(said)}")


NUMBERS: dict[str, dict[str, Any]] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "positive": {"type": "number", "exclusiveMinimum": 0},
    "share": {"type": "number", "minimum": 0, "maximum": 1},
    "half open": {"type": "integer", "minimum": 1},
    "int64": {"type": "integer", "format": "int64"},
    "multiple": {"type": "integer", "multipleOf": 7},
    "hundreds": {"type": "integer", "multipleOf": 100},
    "cents": {"type": "number", "multipleOf": 0.01},
    "union": {"type": ["number", "string"]},
    "any of": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("zeros", [False, True])
def test_a_number_ends(small: Vocabulary, name: str, zeros: bool) -> None:
    inside = {"type": "object", "properties": {"n": NUMBERS[name]}, "required": ["n"]}
    closed = {**inside, "additionalProperties": False}
    for seed in range(8):
        text = count(small, constraints.from_schema(closed), seed, zeros, 90)
        jsonschema.validate(json.loads(text), closed)
        mantissa = re.split("[eE]", text[len('{"n": ') : -1])[0].lstrip("-")
        digits = mantissa.replace(".", "").lstrip("0")
        # Above 0 there is a digit behind 17 zeros; a multiple may take its full length.
        longest = 19 if "." not in mantissa and mantissa.isdigit() else 21
        assert len(digits) <= longest, text
        if name in ("number", "share", "union"):
            assert len(digits) <= 17, text


def test_numbers_of_any_json_end_too(small: Vocabulary) -> None:
    for seed in range(20):
        text = ramble(small, constraints.json_object(), seed)
        assert text is None or isinstance(json.loads(text), dict)
        for digits in re.findall(r"[0-9]+", re.sub(r'"(?:\\.|[^"\\])*"', "", text or "")):
            assert len(digits) <= 19


def test_what_is_no_number_has_no_limit(small: Vocabulary) -> None:
    long = "1234567890" * 3
    for schema in ({"const": long}, {"type": "string", "pattern": "^[0-9]{30}$"}):
        text = count(small, constraints.from_schema(schema), 1, False, 90)
        assert len(json.loads(text)) == 30
    assert count(small, constraints.from_regex("[0-9]{30}"), 1, False, 90).isdigit()


# -- the matcher


@pytest.mark.parametrize(
    "pattern", ["(?s:.*)", "ab?", "[0-9a-f]{2,3}", "<\\|im_end\\|>.*", "user word"]
)
def test_allows_agrees_with_the_mask(small: Vocabulary, pattern: str) -> None:
    matcher, asked = (small.matchers.matcher(constraints.from_regex(pattern)) for _ in range(2))
    rng = np.random.default_rng(1)
    for _ in range(12):
        one_by_one = [asked.allows(token) for token in range(len(small.pieces))]
        logits = rng.standard_normal(len(small.pieces)).astype(np.float32)
        before = logits.copy()
        matcher.mask(logits)
        kept = np.isfinite(logits)
        if matcher.forced():  # the mask wants the usual token, any beginning of the text is allowed
            assert kept.sum() == 1 and one_by_one[int(kept.argmax())]
        else:
            assert kept.tolist() == one_by_one
        assert one_by_one == [matcher.allows(token) for token in range(len(small.pieces))]
        assert (logits[kept] == before[kept]).all() and (logits[~kept] == -np.inf).all()
        if matcher.finished:
            break
        token = int(logits.argmax())
        matcher.accept(token)
        asked.accept(token)


def test_control_tokens_are_never_text(small: Vocabulary) -> None:
    matcher = small.matchers.matcher(constraints.from_regex("(?s:.*)"))
    logits = np.zeros(len(small.pieces), np.float32)
    matcher.mask(logits)
    for token in small.control:
        assert np.isfinite(logits[token]) == (token in small.ends)
    assert [len(small.pieces[token]) for token in np.flatnonzero(np.isinf(logits))]
    for token in set(small.control) - set(small.ends):
        with pytest.raises(ConstraintNotMet):
            matcher.accept(token)


def test_end_tokens_open_and_close_together(small: Vocabulary) -> None:
    assert len(small.ends) == 2
    matcher = small.matchers.matcher(constraints.from_regex("ab?"))
    assert not matcher.complete and not any(map(matcher.allows, small.ends))
    with pytest.raises(ConstraintNotMet):
        matcher.accept(small.ends[0])
    matcher.accept_many(small.tokens("a"))
    assert matcher.complete and not matcher.finished and all(map(matcher.allows, small.ends))
    matcher.accept(small.ends[1])
    assert matcher.finished and matcher.complete


def test_the_last_word_finishes(small: Vocabulary) -> None:
    matcher = small.matchers.matcher(constraints.from_choices("yes,no"))
    matcher.accept_many(small.tokens("yes"))
    assert matcher.finished and matcher.complete and matcher.forced() == []
    logits = np.zeros(len(small.pieces), np.float32)
    matcher.mask(logits)
    assert np.flatnonzero(np.isfinite(logits)).tolist() == small.ends
    assert not matcher.allows(small.tokens("a")[0])


def test_forced_tokens(small: Vocabulary) -> None:
    matcher = small.matchers.matcher(constraints.from_schema("name"))
    forced = matcher.forced()
    assert small.text(forced).startswith('{"name": ')
    matcher.accept_many(forced)
    matcher.accept_many(
        small.tokens("x") if forced[-1:] == small.tokens('"') else small.tokens('"x')
    )
    matcher.accept_many(small.tokens('"'))
    matcher.accept_many(matcher.forced())
    assert matcher.complete


def test_a_wrong_token_ends_it(small: Vocabulary) -> None:
    for token in (small.tokens("x")[0], -1, 10**6, len(small.pieces)):
        matcher = small.matchers.matcher(constraints.from_choices("yes,no"))
        assert not matcher.allows(token)
        with pytest.raises(ConstraintNotMet) as caught:
            matcher.accept(token)
        assert "\n" not in caught.value.what
    matcher = small.matchers.matcher(constraints.from_choices("yes,no"))
    with pytest.raises(ConstraintNotMet):
        matcher.accept_many(small.tokens("yep"))
    assert not matcher.finished and not matcher.complete
    with pytest.raises(ConstraintNotMet):
        matcher.mask(np.zeros(len(small.pieces), np.float32))


def test_many_matchers_at_once(small: Vocabulary) -> None:
    made = constraints.from_regex("[a-z]{8}")
    several = [small.matchers.matcher(made) for _ in range(40)]
    rng, said = np.random.default_rng(3), [""] * len(several)
    for _ in range(8):
        for n, matcher in enumerate(several):
            logits = rng.standard_normal(len(small.pieces)).astype(np.float32)
            if not matcher.finished:
                matcher.mask(logits)
                matcher.accept(int(logits.argmax()))
                said[n] += small.text([int(logits.argmax())])
    assert all(re.fullmatch("[a-z]{8}", text) for text in said)
    assert len(set(said)) > 30


def test_a_vocabulary_without_an_end(tmp_path: Path) -> None:
    write_vocabulary(tmp_path / "endless.gguf", ends=False)
    endless = load(tmp_path / "endless.gguf")
    if not endless.ends:
        with pytest.raises(BadModel):
            endless.matchers.matcher(constraints.json_object())


TINY = Path(constraints.__file__).parents[1] / "tiny" / "tiny-chat.gguf"


@pytest.fixture(scope="module")
def tiny() -> Iterator[Vocabulary]:
    if not TINY.exists():
        pytest.skip("the tiny chat model is not there yet")
    yield load(TINY)


def test_the_tiny_model_s_vocabulary(tiny: Vocabulary) -> None:
    made = constraints.from_schema("city, people int, rivers list")
    for said in answers(tiny, made, 10):
        judge(json.loads(made.source)).validate(json.loads(said))
    assert set(answers(tiny, constraints.from_choices("yes,no"), 10)) == {"yes", "no"}
