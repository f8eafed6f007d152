"""`localai batch`: many prompts to many answers, which are never lost and never asked twice."""

from __future__ import annotations

from typing import Any

import click

from localai.commands import options
from localai.commands.batch_run import answer_rows, opened, show_first
from localai.commands.click_ext import command, option
from localai.commands.params import BoundedNumber
from localai.errors import BadInput
from localai.terminal.console import Console


@command(context_settings={"max_content_width": 100})
@click.argument("source", metavar="INPUT", required=False)
@option(
    "-o", "--output", metavar="FILE", help="Write there; - is stdout, in order as rows finish. [-]"
)
@option("--force", is_flag=True, help="Overwrite the file of -o.")
@option(
    "-F",
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    help="Format of the output. [by its name]",
)
@option(
    "--input-format",
    type=click.Choice(["jsonl", "csv", "text"]),
    help="Format of the input. [by its name]",
)
@option(
    "--column", default="answer", metavar="NAME", help="Of CSV: the column that is added. [answer]"
)
@option("--limit", type=BoundedNumber(1), metavar="N", help="Only the first N rows.")
@option("--dry-run", is_flag=True, help="Print the first row's whole prompt and ask nothing.")
@option("--retry-failed", is_flag=True, help="Do the rows again that failed before.")
@option(
    "--concurrency",
    type=BoundedNumber(1, 256),
    metavar="N",
    help="Rows that are answered at a time.",
)
@option(
    "--endpoint",
    metavar="URL",
    help="Let another server answer (vLLM, llama-server); its key: LOCALAI_API_KEY.",
)
@option("--image", metavar="COLUMN", help="The column that names a picture.")
@option(
    "-l", "--language", metavar="CODE", help="Of --audio: the language that is spoken. [found out]"
)
@option(
    "--audio",
    metavar="COLUMN",
    help="The column that names a sound: what is said there is its text.",
)
@options.model
@options.prompt
@options.character
@options.system
@options.raw
@option(
    "--think",
    type=click.Choice(["auto", "off"]),
    default="auto",
    help="Thinking: as the model likes, or off.",
)
@options.truncate
@options.constraints
@options.sampling
@options.engine
@options.talk
@click.pass_context
def batch(ctx: click.Context, /, **given: Any) -> int:
    """Answer every row of INPUT: JSON lines, CSV, a text with a prompt a line, a folder, or stdin.

    A row's prompt is its column `input` (or `prompt`, `text`, `question`, or its only one), a
    conversation in `messages`, or what -p makes of its columns. Answers come in the input's order,
    as JSON lines (id, answer, finish_reason, usage, seed, error) or as CSV with a column added.
    OpenAI's batch files are read and written as they are, failures to FILE.errors.jsonl.

    What is finished is kept in FILE.journal: after Ctrl-C, a crash or a power cut the same command
    goes on where it stopped. A row that fails says why and does not stop the others (exit 6).

    \b
    Examples:
      localai batch questions.jsonl -o answers.jsonl
      localai batch mails.csv -o sorted.csv -p sentiment
      localai batch names.txt --limit 5 --schema "name, born int"
      localai batch notes/ -o short.jsonl -p summarize
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    name = given["source"]
    if name is None:
        if console.stdin.terminal:
            raise BadInput("there is no input", "localai batch FILE -o OUT, or - for stdin")
        name = "-"
    source, first = opened(console, name, given)
    if given["dry_run"]:
        return show_first(console, given, first)
    return answer_rows(console, given, source, first)
