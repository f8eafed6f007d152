"""`localai doctor`: whether everything works on this machine, and what to type if it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from localai.commands import options
from localai.commands.click_ext import command, option
from localai.errors import ExitCode
from localai.formats.text import cells, one_line
from localai.terminal.console import Console
from localai.terminal.progress import ProgressLine

if TYPE_CHECKING:
    from localai.diagnostics.doctor import Report


@command(epilog="\b\nExamples:\n  localai doctor\n  localai doctor --json | jq .healthy")
@option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
@option("--no-color", is_flag=True, help="No colour.")
@click.pass_obj
def doctor(console: Console, /, **given: Any) -> int:
    """Look whether everything works: engines, devices, memory, GPU, and a question.

    Below each problem stands the command that helps. The exit code is 0 if the tiny model answers
    rightly, else 1. Nothing is sent anywhere.
    """
    from localai.diagnostics.doctor import (
        examine,  # with more than the completion script need wait for
    )

    options.apply(console, given)
    with ProgressLine(console, "looking") as progress:

        def note(what: str) -> None:
            progress.label = what

        report = examine(note)
    if given["as_json"]:
        console.write_json(report.to_json())
    else:
        width = console.width if console.stdout.terminal else sys.maxsize
        for line in _lines(report, width):
            console.write_line(line)
    return ExitCode.DONE if report.healthy else ExitCode.FAILED


def _lines(report: Report, most: int) -> Iterator[str]:
    findings = report.findings
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        head = f"{finding.what:<{width}}  {finding.state:<4}  "
        yield from _folded(most, one_line(finding.text).split(" "), head)
        below = " " * len(head)
        for step in filter(None, finding.install_steps.first):
            yield from _folded(most, one_line(step).split(" "), f"{below}first: ")
        if finding.install_steps.words:
            # Far to the left, so that most of a command stands in one line, and can be copied.
            words = [*map(one_line, finding.install_steps.words)]
            yield from _folded(most, words, "    ", " \\", "      ")
    yield "text works" if report.healthy else "text does not work: see FAIL above"


def _folded(
    most: int, words: Sequence[str], head: str, joint: str = "", below: str = ""
) -> Iterator[str]:
    """Yield words in lines of at most `most` columns, if no word is longer; `joint` ends them."""
    line, empty = head, True
    for word in words:
        if not empty and cells(f"{line} {word}{joint}") > most:
            yield line + joint
            line, empty = below or " " * len(head), True
        line, empty = line + ("" if empty else " ") + word, False
    yield line.rstrip()
