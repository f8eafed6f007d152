"""`ask --show-prompt`: what the model would get, without asking it."""

from __future__ import annotations

from collections.abc import Sequence

from localai.errors import TooLong
from localai.formats import prompt_report
from localai.pool.engine_client import EngineClient
from localai.terminal.console import Console
from localai.terminal.progress import ProgressLine
from localai.types import TextRequest


def show_prompt(
    console: Console,
    engine: EngineClient,
    request: TextRequest,
    model: str,
    files: Sequence[int] = (),
    *,
    as_json: bool,
) -> None:
    """Write a request's prompt and the tokens of its parts; a picture has tokens and no text.

    Parameters
    ----------
    files : sequence of int
        Descriptors of the pictures of the request.

    Raises
    ------
    TooLong
        It would not be answered; it is shown all the same.
    """
    with ProgressLine(console, "reading the prompt" if engine.ready() else f"loading {model}"):
        count = engine.measure(request._replace(itemize=True), files)
    if as_json:
        console.write_json(prompt_report.as_json(count, model))
    else:
        console.write(count.text)
        console.write(f"\n\n{prompt_report.table(count)}")
        console.end()
    if count.tokens >= count.context:
        raise TooLong(
            f"the prompt has {count.tokens} tokens; the model's context holds {count.context}, "
            "the answer included",
            "shorten it, or let it be cut with --truncate head|middle|tail",
            tokens=count.tokens,
            limit=count.context,
        )
