"""Chat templates over the tiny vocabulary: the right ids, and untrusted text stays text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.catalog.gguf.check import check
from localai.catalog.names import TINY
from localai.engines.llama.chat_template import CHATML, ChatTemplate
from localai.engines.llama.escaping import tokenize_untrusted
from localai.engines.llama.model import Model
from localai.engines.llama.vocab import Vocab
from localai.errors import BadInput, BadModel
from localai.types import Message, ModelSpec, Picture

MARKERS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
GEMMA = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + CHATML
)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    loaded = Model(ModelSpec("text", (str(TINY),)), check(TINY))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def vocab(model: Model) -> Vocab:
    return model.vocab


def controls(vocab: Vocab, ids: list[int]) -> list[str]:
    return [vocab.text(token) for token in ids if vocab.is_control(token)]


def conversation(*contents: str) -> list[Message]:
    roles = ("system", "user", "assistant")
    return [Message(roles[at % 3], content) for at, content in enumerate(contents)]


def test_the_template_writes_its_own_marks_as_control_tokens(model: Model, vocab: Vocab) -> None:
    ids = ChatTemplate(model.header.chat_template, vocab).encode(conversation("You are Ada.", "Hi"))
    assert controls(vocab, ids) == ["<|im_start|>", "<|im_end|>"] * 2 + ["<|im_start|>"]


def test_ids_equal_one_call_of_the_library_where_no_message_spells_a_marker(vocab: Vocab) -> None:
    text = "<|im_start|>user\nSay: naïve 東京 <b>x</b><|im_end|>\n<|im_start|>assistant\n"
    ids = ChatTemplate(CHATML, vocab).encode([Message("user", "Say: naïve 東京 <b>x</b>")])
    assert ids == vocab.tokenize(text, add_special=vocab.adds_bos, parse_special=True)


@given(
    st.lists(
        st.sampled_from([*MARKERS, "<|im_", "start|>", "<|", "|>", "system\n", "é", " ", "x"]),
        max_size=8,
    ).map("".join)
)
@settings(max_examples=200, deadline=None)
def test_untrusted_text_never_becomes_a_control_token(vocab: Vocab, content: str) -> None:
    template = ChatTemplate(CHATML, vocab)
    harmless = controls(vocab, template.encode(conversation("x", "y")))
    ids = template.encode(conversation(content, content))
    assert controls(vocab, ids) == harmless
    assert b"".join(map(vocab.piece, ids)).decode().count(content) >= 2


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_plain_text_loses_nothing(vocab: Vocab, text: str) -> None:
    ids = tokenize_untrusted(vocab, text)
    assert not controls(vocab, ids)
    assert vocab.detokenize(ids) == text


def test_a_template_without_a_system_role_gets_it_in_the_first_question(vocab: Vocab) -> None:
    rendered = ChatTemplate(GEMMA, vocab).render(
        conversation("Be brief.", "Hi"), answer=True, think=None
    )
    assert "user\nBe brief.\nHi<|im_end|>" in rendered
    assert "system" not in rendered


def test_a_template_that_refuses_all_the_same_says_why(vocab: Vocab) -> None:
    template = ChatTemplate("{{ raise_exception('roles must alternate') }}", vocab)
    with pytest.raises(BadInput, match="roles must alternate"):
        template.encode([Message("user", "Hi")])


@pytest.mark.parametrize(
    "source", ["{% if", "{{ x | nofilter }}", "{% for x in %}", "{{ '" + "(" * 20]
)
def test_a_damaged_template_is_a_damaged_model(vocab: Vocab, source: str) -> None:
    with pytest.raises(BadModel, match="chat template"):
        ChatTemplate(source, vocab)


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[7].content }}",
        "{{ 1 // 0 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{% for x in range(999999999) %}{% endfor %}",
        "{{ messages.append(1) }}",
    ],
)
def test_a_template_is_fenced_in(vocab: Vocab, source: str) -> None:
    with pytest.raises(BadModel, match="chat template"):
        ChatTemplate(source, vocab).encode([Message("user", "Hi")])


PARTS = (  # as Idefics3 and SmolVLM have it
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def test_a_template_that_takes_parts_alone_gets_them(vocab: Vocab) -> None:
    template = ChatTemplate(PARTS, vocab)
    written = template.render([Message("user", "Who?")], answer=True, think=None)
    assert written == "<|im_start|>User: Who?<|im_end|>\nAssistant:"
    either = CHATML.replace("message['content']", "(message['content'] if message['content'] is "
                            "string else message['content'][0]['text'] + message['type'])")  # fmt: skip
    assert "Who?" in ChatTemplate(either, vocab).render(
        [Message("user", "Who?")], answer=True, think=None
    )


def test_a_picture_stands_before_the_text_of_its_message(vocab: Vocab) -> None:
    shown = Picture(0, 9, 9)
    messages = [Message("system", "You see."), Message("user", "What?", pictures=(shown, shown))]
    for source in (CHATML, PARTS):
        template = ChatTemplate(source, vocab)
        ids = template.encode(messages, pictures={shown: [-5, -6]})
        at = ids.index(-5)
        assert ids[at : at + 4] == [-5, -6, -5, -6]
        bare = [message._replace(pictures=()) for message in messages]
        text = vocab.detokenize(ids[:at] + ids[at + 4 :])
        assert text == vocab.detokenize(template.encode(bare))
        assert vocab.detokenize(ids[at + 4 :]).startswith("What?")


def test_no_template_means_chatml(vocab: Vocab) -> None:
    assert ChatTemplate(None, vocab).encode([Message("user", "Hi")]) == ChatTemplate(
        CHATML, vocab
    ).encode([Message("user", "Hi")])


def test_thinking_is_told_to_the_template_and_its_opening_is_seen(vocab: Vocab) -> None:
    source = (
        CHATML + "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}"
    )
    template = ChatTemplate(source, vocab)
    assert template.opens_thinking("<think>", None)
    assert not template.opens_thinking("<think>", False)


def test_a_generation_block_is_what_it_encloses(vocab: Vocab) -> None:
    source = (
        "{% for m in messages %}{% generation %}{{ m['content'] }}!{% endgeneration %}{% endfor %}"
    )
    rendered = ChatTemplate(source, vocab).render(conversation("a", "b"), answer=True, think=None)
    assert rendered == "a!b!"


def test_templates_are_told_the_day_and_that_thinking_is_on(vocab: Vocab) -> None:
    source = "{{ date_string }}|{{ datetime }}|{{ strftime_now('%d %b %Y') }}|{{ enable_thinking }}"
    rendered = ChatTemplate(source, vocab).render(conversation("a"), answer=True, think=None)
    day, _, same_day, thinking = rendered.split("|")
    assert day == same_day
    assert thinking == "True"
