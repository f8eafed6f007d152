"""What another server with OpenAI's API is asked: a request as a body, and what its reply says.

Source: platform.openai.com, API reference (chat, completions, batch). `repetition_penalty`,
`structured_outputs` and `chat_template_kwargs` are vLLM's, `repeat_penalty`, `repeat_last_n` and
`grammar` llama-server's. A server's order of the sampling steps is its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from localai.errors import BadInput
from localai.generation.openai_body import CHAT, COMPLETIONS
from localai.types import Constraint, Sampling, TextRequest

PASSED_ON: Final = (
    CHAT, COMPLETIONS, "/v1/responses", "/v1/embeddings", "/v1/moderations", "/v1/score",
    "/v1/rerank",
)  # fmt: skip
"""Where a line of a batch file may want to go: OpenAI's places, and vLLM's."""
THINK: Final = "think"
"""Among the settings that were said: thinking is forbidden."""
_SAMPLING: Final = {  # our names, and the servers'
    "temperature": ("temperature",), "top_p": ("top_p",), "top_k": ("top_k",), "min_p": ("min_p",),
    "repeat_penalty": ("repetition_penalty", "repeat_penalty"), "seed": ("seed",),
    "repeat_last_n": ("repeat_last_n",),
}  # fmt: skip


def passed_on(columns: Mapping[str, Any]) -> TextRequest:
    """Return what is known of a line that goes on as it is: where to, its body, the part of chance.

    Raises
    ------
    BadInput
        It has no body, or another server would not know where it goes.
    """
    url, body = columns["url"], columns["body"]
    if url not in PASSED_ON:
        raise BadInput(f"`url` is {str(url)[:60]!r}", f"it can be {', '.join(PASSED_ON)}")
    if not isinstance(body, dict):
        raise BadInput("`body` is not a JSON object")
    greedy = body.get("temperature") == 0
    return TextRequest(
        raw=f"{url} {json.dumps(body, ensure_ascii=False)}",
        sampling=Sampling(temperature=0.0 if greedy else 1.0),
    )


def passed_on_body(body: Mapping[str, Any], model: str, asked: str | None) -> dict[str, Any]:
    """Return the body of a line that goes on as it is, for an answer that comes as a whole.

    Parameters
    ----------
    model : str
        The model where the body names none.
    asked : str or None
        The model that goes before the body's own.
    """
    own = {name: value for name, value in body.items() if name != "stream_options"}
    return {**own, "model": asked or own.get("model") or model, "stream": False}


def url_of(request: TextRequest) -> str:
    """Return where a request goes on a server."""
    return CHAT if request.raw is None else COMPLETIONS


def body_of(request: TextRequest, said: Collection[str]) -> dict[str, Any]:
    """Return a request as a body, without the model.

    Parameters
    ----------
    said : collection of str
        The names of the sampling settings that somebody has set, and `THINK` where somebody has
        forbidden it; what nobody has set is left to the server.
    """
    body: dict[str, Any] = {}
    if request.raw is None:
        body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
    else:
        body["prompt"] = request.raw
    for name, theirs in _SAMPLING.items():
        if name in said:
            body |= dict.fromkeys(theirs, getattr(request.sampling, name))
    if THINK in said:
        body["chat_template_kwargs"] = {"enable_thinking": False}
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    return body | (_constraint_fields(request.constraint) if request.constraint else {})


def reply_of(body: object) -> tuple[str | None, str, tuple[int, int]] | None:
    """Return a server's answer: its text, how it ended, tokens of prompt and answer; else None.

    The text is None where the answer is no text, such as the call of a tool.
    """
    try:
        choice = body["choices"][0]  # type: ignore[index]
        message = choice.get("message")
        text = choice["text"] if message is None else message["content"]
        usage = body.get("usage") or {}  # type: ignore[attr-defined]
        tokens = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        finish = str(choice.get("finish_reason") or "stop")
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
        return None
    return text if isinstance(text, str) else None, finish, tokens


def _constraint_fields(constraint: Constraint) -> dict[str, Any]:
    """Return a constraint as servers know it: OpenAI's, vLLM's and llama-server's own fields.

    A server leaves alone what it does not know.
    """
    source = constraint.source
    match constraint.kind:
        case "json_schema":
            schema = {"name": "answer", "strict": True, "schema": json.loads(source)}
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "choices":
            choices = json.loads(source)
            rule = " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
            return {"structured_outputs": {"choice": choices}, "grammar": f"root ::= {rule}"}
        case "regex":
            return {"structured_outputs": {"regex": source}}
        case "gbnf":
            return {"structured_outputs": {"grammar": source}, "grammar": source}
        case _:
            return {"structured_outputs": {"grammar": source}}
