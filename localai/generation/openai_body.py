"""The body of a request in OpenAI's API, as a request to a text engine.

Chat completions and completions; what would change the answer and cannot be kept is refused by
its name. Source: platform.openai.com, API reference (chat, completions, batch); `guided_*` and
`structured_outputs` are vLLM's, `grammar` and `json_schema` llama-server's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from localai.errors import BadInput
from localai.generation import constraints
from localai.types import (
    Constraint,
    Message,
    Sampling,
    TextRequest,
    sampling_bounds,
    sampling_value,
)

CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
_SAMPLING: Final = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p",
    "repeat_penalty": "repeat_penalty", "repetition_penalty": "repeat_penalty", "seed": "seed",
}  # fmt: skip
# What is obeyed by doing nothing, with the values of which that is true.
_NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,), "best_of": (1,), "frequency_penalty": (0,), "presence_penalty": (0,),
    "logprobs": (False,), "top_logprobs": (0,), "logit_bias": ({},), "tools": ([],),
    "tool_choice": ("none", "auto"), "functions": ([],), "echo": (False,), "suffix": ("",),
    "modalities": (["text"],), "audio": (),
}  # fmt: skip
# vLLM's ways to ask for a form: of which types they are, and what makes a constraint of them.
_FORMS: Final[dict[str, tuple[tuple[type, ...], Callable[[Any], Constraint]]]] = {
    "choice": ((list,), constraints.from_choices),
    "regex": ((str,), constraints.from_regex),
    "json": ((dict, str), constraints.from_schema),
    "grammar": ((str,), constraints.from_grammar_text),
}
_KINDS: Final[dict[type, str]] = {str: "a text", dict: "an object", list: "a list"}
_ROLES: Final = {
    "developer": "system",
    "system": "system",
    "user": "user",
    "assistant": "assistant",
}


def is_batch_line(columns: Mapping[str, Any]) -> bool:
    """Whether a row is a line of OpenAI's batch files."""
    return "custom_id" in columns and "body" in columns and "url" in columns


def request_of_body(url: object, body: object, base: TextRequest) -> TextRequest:
    """Return the request that a body asks for.

    Parameters
    ----------
    url : str
        `/v1/chat/completions` or `/v1/completions`.
    base : TextRequest
        What holds where the body says nothing.

    Raises
    ------
    BadInput
        The body is none, or asks for what cannot be had; names the parameter.
    """
    if url not in (CHAT, COMPLETIONS):
        raise BadInput(f"`url` is {str(url)[:60]!r}", f"it can be {CHAT} or {COMPLETIONS}")
    if not isinstance(body, dict):
        raise BadInput("`body` is not a JSON object")
    _refuse_unkept(body)
    if url == CHAT:
        request = base._replace(messages=messages_of(body.get("messages")), fixed=0)
    else:
        request = base._replace(messages=(), fixed=0, raw=_prompt(body.get("prompt")))
    constraint = constraint_of_body(body)
    return request._replace(
        sampling=_sampling(body, base.sampling),
        max_tokens=_max_tokens(body) or base.max_tokens,
        stop=() if constraint else _stop(body) or base.stop,
        constraint=constraint,
    )


def messages_of(given: object) -> tuple[Message, ...]:
    """Return the messages of a conversation; their content is text, or parts of text.

    Raises
    ------
    BadInput
        They are none.
    """
    if not isinstance(given, list) or not given:
        raise BadInput("`messages` is not a list of messages")
    return tuple(_message(each, f"messages[{at}]") for at, each in enumerate(given))


def constraint_of_body(body: Mapping[str, Any]) -> Constraint | None:
    """Return what the answer must be, if the body says so.

    Raises
    ------
    BadConstraint
        It cannot be kept; names the keyword.
    BadInput
        A parameter is of another type than it has; names it.
    """
    outputs = _typed(body, "structured_outputs", dict) or {}
    for name, (kinds, make) in _FORMS.items():
        given = _typed(outputs, name, *kinds)
        if given is None:
            given = _typed(body, f"guided_{name}", *kinds)
        if given is not None:
            return make(given)
    if grammar := _typed(body, "grammar", str):
        return constraints.from_grammar_text(grammar)
    if (schema := _typed(body, "json_schema", dict)) is not None:
        return constraints.from_schema(schema)
    return _response_format(_typed(body, "response_format", dict))


def _typed(holder: Mapping[str, Any], name: str, *kinds: type) -> Any:
    """Return a parameter, which is of one of the kinds; None where it is missing."""
    given = holder.get(name)
    if given is None or isinstance(given, kinds):
        return given
    named = " or ".join(_KINDS[kind] for kind in kinds)
    raise BadInput(f"`{name}` is {str(given)[:40]!r}", f"it can be {named}")


def _response_format(given: Mapping[str, Any] | None) -> Constraint | None:
    if given is None or (kind := given.get("type")) == "text":
        return None
    if kind == "json_object":
        schema = _typed(given, "schema", dict)
        return constraints.from_schema(schema) if schema else constraints.json_object()
    if kind == "json_schema":
        named = _typed(given, "json_schema", dict) or {}
        if (schema := _typed(named, "schema", dict)) is not None:
            return constraints.from_schema(schema)
    raise BadInput(
        f"`response_format` is {str(given)[:60]}",
        'it can be {"type": "json_schema", "json_schema": {"schema": {...}}}, json_object or text',
    )


def _message(given: object, place: str) -> Message:
    if not isinstance(given, dict):
        raise BadInput(f"`{place}` is not an object")
    role = _ROLES.get(str(given.get("role")))
    if role is None:
        raise BadInput(f"`{place}.role` is {str(given.get('role'))[:40]!r}", ", ".join(_ROLES))
    return Message(role, _content(given.get("content"), f"{place}.content"))  # type: ignore[arg-type]


def _content(given: object, place: str) -> str:
    if isinstance(given, str):
        return given
    if not isinstance(given, list):
        raise BadInput(f"`{place}` is neither a text nor a list of parts")
    texts = []
    for at, part in enumerate(given):
        text = part.get("text") if isinstance(part, dict) else None
        if not isinstance(text, str):
            kind = part.get("type") if isinstance(part, dict) else part
            raise BadInput(f"`{place}[{at}]` is {str(kind)[:40]!r}: only text is taken")
        texts.append(text)
    return "\n".join(texts)


def _prompt(given: object) -> str:
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if not isinstance(given, str):
        raise BadInput("`prompt` is not one text")
    return given


def _sampling(body: Mapping[str, Any], base: Sampling) -> Sampling:
    changed = {}
    for name, ours in _SAMPLING.items():
        if body.get(name) is not None:
            value = sampling_value(ours, body[name])
            if value is None:
                raise BadInput(f"`{name}` is {str(body[name])[:40]!r}", sampling_bounds(ours))
            changed[ours] = value
    return base._replace(**changed)  # type: ignore[arg-type]


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        given = body.get(name)
        if given is None:
            continue
        if type(given) is not int or not 0 < given < 2**31:
            raise BadInput(f"`{name}` is {str(given)[:40]!r}", "a whole number from 1 on")
        return given
    return None


def _stop(body: Mapping[str, Any]) -> tuple[str, ...]:
    given = body.get("stop")
    texts = [given] if isinstance(given, str) else given or []
    if not isinstance(texts, list) or not all(isinstance(each, str) and each for each in texts):
        raise BadInput("`stop` is neither a text nor a list of texts")
    return tuple(texts)


def _refuse_unkept(body: Mapping[str, Any]) -> None:
    for name, neutral in _NEUTRAL.items():
        given = body.get(name)
        if given is not None and given not in neutral:
            raise BadInput(f"`{name}` cannot be kept here", f"leave {name} out")
