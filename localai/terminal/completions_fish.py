"""The completion script for fish, which takes its data as a list of `complete` lines."""

from __future__ import annotations

from string import Template

from localai.terminal.completions import (
    SUFFIXES,
    CompletionCommand,
    CompletionValues,
    Folders,
    Table,
    key,
    taking_cases,
)

_FISH = Template(
    """\
# fish completion for localai; made by `localai completion fish`.
# Whether we are in that command, and with a number: behind so many arguments (or more).
function __localai_at
    set -l at ''
    set -l count 0
    set -l skip ''
    for word in (commandline -opc)[2..-1]
        if test -n "$$skip"
            set skip ''
            continue
        end
        if contains -- "$$at:$$word" $taking
            set skip 1
        else if contains -- "$$at $$word" $commands
            set at "$$at $$word"
            set count 0
        else if not string match -q -- '-*' $$word
            set count (math $$count + 1)
        end
    end
    test "$$at" = "$$argv[1]"; or return
    set -q argv[2]; or return 0
    test $$count -eq $$argv[2]; or test "$$argv[3]" = more -a $$count -ge $$argv[2]
end
$names
complete -c localai -f
$lines
"""
)


def fish(table: Table, folders: Folders) -> str:
    """Return the script for fish 3 and later."""
    commands = " ".join(_fish_quote(key(command)) for command in table if command.path)
    taking = [pattern.replace("|", " ") for pattern, _ in taking_cases(table)]
    lines = [line for command in table for line in _fish_command(command)]
    names = "\n".join(_fish_names(kind, places) for kind, places in folders.items())
    return _FISH.substitute(
        commands=commands, taking=" ".join(taking) or "''", names=names, lines="\n".join(lines)
    )


def _fish_command(command: CompletionCommand) -> list[str]:
    here = _fish_start(command)
    behind = _fish_start(command, " 0")
    lines = [
        f"{behind} -a {_fish_quote(name)} -d {_fish_quote(text)}" for name, text in command.children
    ]
    for option in command.options:
        names = " ".join(map(_fish_option, option.names))
        takes = f" {_fish_values(option.takes, '-r', '-x')}" if option.takes else ""
        lines.append(f"{here} {names} -d {_fish_quote(option.help)}{takes}")
    return lines + _fish_arguments(command)


def _fish_arguments(command: CompletionCommand) -> list[str]:
    lines = []
    for index, values in enumerate(command.arguments):
        more = " more" if command.repeats and index == len(command.arguments) - 1 else ""
        if place := _fish_values(values, "", "").strip():
            lines.append(f"{_fish_start(command, f' {index}{more}')} {place}")
    return lines


def _fish_start(command: CompletionCommand, where: str = "") -> str:
    condition = f"__localai_at {_fish_quote(key(command))}{where}"
    return f"complete -c localai -n {_fish_quote(condition)}"


def _fish_option(name: str) -> str:
    if name.startswith("--"):
        return f"-l {name[2:]}"
    return f"-s {name[1:]}" if len(name) == 2 else f"-o {name[1:]}"


def _fish_values(values: CompletionValues, files: str, others: str) -> str:
    match values.kind:
        case "file":
            return f"{files} -F"
        case "folder":
            return f"{others} -a '(__fish_complete_directories)'"
        case "prompt" | "character" | "session":
            return f"{others} -a '(__localai_{values.kind}s)'"
        case "words":
            return f"{others} {_fish_words(values)}"
        case "model":
            return f"{files} -F {_fish_words(values)}"
    return others


def _fish_words(values: CompletionValues) -> str:
    return f"-a {_fish_quote(' '.join(map(_fish_quote, values.words)))}"


def _fish_names(kind: str, places: list[str]) -> str:
    globs = [f"{_fish_quote(place)}/*.{end}" for place in places for end in SUFFIXES[kind]]
    return f"""\
function __localai_{kind}s
    for file in {" ".join(globs)}
        string replace -r '.*/(.*)\\.[^.]*$' '$1' -- $file
    end
end"""


def _fish_quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
