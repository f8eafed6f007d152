"""Completion scripts for bash and zsh: data from the table of commands, code by hand.

Each script holds all it needs; prompts, characters and sessions are found by listing folders.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template


@dataclass(frozen=True)
class CompletionValues:
    """What may stand in a place: a kind, and words.

    Kinds: "words", "model" (the words, or a file), "file", "folder", "none", a key of `SUFFIXES`.
    """

    kind: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class CompletionOption:
    """An option: its names, its help, and what it takes (None: a flag)."""

    names: tuple[str, ...]
    help: str
    takes: CompletionValues | None


@dataclass(frozen=True)
class CompletionCommand:
    """A command or a group; the root has an empty path."""

    path: tuple[str, ...]
    children: tuple[tuple[str, str], ...]  # name and help
    options: tuple[CompletionOption, ...]
    arguments: tuple[CompletionValues, ...]
    repeats: bool  # the last argument may come again and again


Folders = dict[str, list[str]]
Table = list[CompletionCommand]

SUFFIXES = {  # of files whose names are completed
    "prompt": ("md",),
    "character": ("yaml", "json", "png", "charx"),
    "session": ("jsonl",),
}

# The walk over the words is the same for bash and zsh: which command are we in, how many
# arguments came before, does the word before want a value? Associative arrays, `compopt` and
# `mapfile` are missing in macOS's bash 3.2, so tables are `case` statements that set a variable.
_WALK = """
    local at='' word value='' count=0 only=''
    for word in $before; do
        if [ -n "$$value" ]; then
            # bash cuts --option=value into three words
            [ "$$word" = "=" ] && continue
            value=''; continue
        fi
        case "$$only$$word" in
            --) only=1; continue ;;
            -*=*) continue ;;
            -?*) _localai_takes "$$at:$$word"; value=$$reply_value; continue ;;
        esac
        if [ -z "$$only" ] && _localai_is_command "$$at $$word"; then
            at="$$at $$word"; count=0
        else
            count=$$((count + 1))
        fi
    done
"""

_BASH = Template(
    """\
# bash completion for localai; made by `localai completion bash`.
$tables
# Adds the lines that begin with what was typed. Not compgen -W: it runs what it finds in them.
_localai_match() {
    local line
    while IFS= read -r line; do
        case "$$line" in
            '') ;;
            "$$cur"*) COMPREPLY+=("$$line") ;;
        esac
    done <<< "$$1"
}
_localai_files() {
    compopt -o filenames 2>/dev/null
    _localai_match "$$(compgen "$$1" -- "$$cur")"
}
_localai() {
    local reply_value reply_words cur=$${COMP_WORDS[COMP_CWORD]}
    [ "$$cur" = "=" ] && cur=''
$walk
    COMPREPLY=()
    if [ -z "$$value" ]; then
        case "$$only$$cur" in
            -*) _localai_options "$$at"; _localai_match "$$reply_words"; return ;;
        esac
        _localai_argument "$$at:$$count"; value=$$reply_value
    fi
    case "$$value" in
        file) _localai_files -f ;;
        folder) _localai_files -d ;;
        model:*) _localai_match "$${value#model:}"; _localai_files -f ;;
        prompt | character | session)
            case "$$cur" in
                */*) _localai_files -f; return ;;
            esac
            _localai_names "$$value"; cur=$${cur//\\\\ / }; _localai_match "$$reply_words"
            for count in "$${!COMPREPLY[@]}"; do
                printf -v word %q "$${COMPREPLY[count]}"; COMPREPLY[count]=$$word
            done ;;
        words:*) _localai_match "$${value#words:}" ;;
    esac
}
complete -F _localai localai
"""
)

_ZSH = Template(
    """\
#compdef localai
# zsh completion for localai; made by `localai completion zsh`.
$tables
# No "emulate" here: the completion system has set the options that its functions need.
_localai() {
    local reply_value reply_words cur=$$words[CURRENT]
$walk
    if [ -z "$$value" ]; then
        case "$$only$$cur" in
            -*=*) compset -P '*='; _localai_takes "$$at:$${cur%%=*}"; value=$$reply_value ;;
            -*) _localai_options "$$at"; compadd -- $${(f)reply_words}; return ;;
            *) _localai_argument "$$at:$$count"; value=$$reply_value ;;
        esac
    fi
    case "$$value" in
        file) _files ;;
        folder) _files -/ ;;
        model:*) compadd -- $${(f)$${value#model:}}; _files ;;
        prompt | character | session)
            case "$$cur" in
                */*) _files; return ;;
            esac
            _localai_names "$$value"; compadd -- $${(f)reply_words} ;;
        words:*) compadd -- $${(f)$${value#words:}} ;;
    esac
}
if [ "$${funcstack[1]}" = _localai ]; then
    _localai "$$@"
else
    compdef _localai localai
fi
"""
)

_NAMES = Template(
    """\
_localai_names() {
    local file name
    reply_words=''
    case "$$1" in
$cases
    esac
}
"""
)


def bash(table: Table, folders: Folders) -> str:
    """Return the script for bash 3.2 and later."""
    walk = Template(_WALK).substitute(before='"${COMP_WORDS[@]:1:COMP_CWORD-1}"')
    return _BASH.substitute(tables=_tables(table, folders, ""), walk=walk.strip("\n"))


def zsh(table: Table, folders: Folders) -> str:
    """Return the script for zsh, to be sourced or to lie in a folder of `$fpath`."""
    walk = Template(_WALK).substitute(before='"${(@)words[2,CURRENT-1]}"')
    return _ZSH.substitute(tables=_tables(table, folders, "(N)"), walk=walk.strip("\n"))


def _tables(table: Table, folders: Folders, glob: str) -> str:
    """Return the functions that hold the data, common to bash and zsh."""
    paths = [_quote(key(command)) for command in table if command.path]
    lines = ["_localai_is_command() {", '    case "$1" in']
    lines += [
        f"        {'|'.join(paths) or _quote(' ')}) return 0 ;;",
        "    esac",
        "    return 1",
        "}",
    ]
    lines += _function("_localai_options", "reply_words", _option_cases(table))
    lines += _function("_localai_takes", "reply_value", taking_cases(table))
    lines += _function("_localai_argument", "reply_value", _argument_cases(table))
    cases = "\n".join(
        f"        {kind})\n{_loop(kind, places, glob)} ;;" for kind, places in folders.items()
    )
    return "\n".join(lines) + "\n" + _NAMES.substitute(cases=cases)


def _function(name: str, result: str, cases: list[tuple[str, str]]) -> list[str]:
    rows = [f"        {pattern}) {result}={_quote(value)} ;;" for pattern, value in cases]
    return [f"{name}() {{", f"    {result}=''", '    case "$1" in', *rows, "    esac", "}"]


def _option_cases(table: Table) -> list[tuple[str, str]]:
    return [(_quote(key(command)), "\n".join(_names(command))) for command in table]


def taking_cases(table: Table) -> list[tuple[str, str]]:
    """Return the patterns for "path:option" of all options that take a value, and what."""
    return [
        ("|".join(_quote(f"{key(command)}:{name}") for name in option.names), _value(option.takes))
        for command in table
        for option in command.options
        if option.takes
    ]


def _argument_cases(table: Table) -> list[tuple[str, str]]:
    """Return the patterns for "path:how many arguments came before"."""
    cases = []
    for command in table:
        if command.children:
            words = tuple(name for name, _ in command.children)
            cases.append((_quote(f"{key(command)}:0"), _value(CompletionValues("words", words))))
        for index, values in enumerate(command.arguments):
            last = command.repeats and index == len(command.arguments) - 1
            place = f"{_quote(key(command) + ':')}*" if last else _quote(f"{key(command)}:{index}")
            cases.append((place, _value(values)))
    return cases


def _loop(kind: str, places: list[str], glob: str) -> str:
    globs = [f"{_quote(place)}/*.{end}{glob}" for place in places for end in SUFFIXES[kind]]
    return f"""\
            for file in {" ".join(globs)}; do
                [ -f "$file" ] || continue
                name=${{file##*/}}
                reply_words="$reply_words${{name%.*}}"$'\\n'
            done"""


def key(command: CompletionCommand) -> str:
    """Return a command's path as the scripts hold it: a blank before each name."""
    return "".join(f" {name}" for name in command.path)


def _names(command: CompletionCommand) -> list[str]:
    return [name for option in command.options for name in option.names]


def _value(values: CompletionValues | None) -> str:
    if values is None:
        return ""
    if values.kind in ("words", "model"):
        return f"{values.kind}:" + "\n".join(values.words)
    return values.kind


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
