"""The rules of the house: floors, sizes, light imports, and what no file may say."""

from __future__ import annotations

import ast
import importlib
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from localai.cli import COMMANDS
from localai.engines.registry import ENGINES
from tests.conftest import ROOT, run

PACKAGE = ROOT / "localai"

# Imports run down this list: to a lower row, or within a room. The same order as in the design.
ROWS = (
    ("__main__",),
    ("cli",),
    ("commands",),
    ("chat", "captioning", "batch", "seance", "diagnostics", "server", "discord"),
    ("transcription", "speech", "drawing"),
    ("generation", "pool"),
    ("engines", "prompts", "characters"),
    ("resources", "catalog", "terminal", "media"),
    ("settings", "system"),
    ("formats",),
    ("types", "errors"),
    ("", "tiny"),  # the package itself: its version
)
ROW = {room: len(ROWS) - at for at, rooms in enumerate(ROWS) for room in rooms}

TOP_LEVEL = {"localai", "prompts", "characters", "tests", "pyproject.toml", "README.md", "LICENSE"}
VAGUE = re.compile(r"(utils?|helpers?|common|misc|managers?)(\.py)?")
# What a server or a batch needs: no console, no click.
CONSOLE_FREE = (
    "localai.generation.build",
    "localai.generation.model_spec",
    "localai.chat.session",
    "localai.chat.open",
)
# Names of the first version, which are nobody's any more.
OLD_MODULES = """
answers catalog.cache catalog.choice catalog.download catalog.failures catalog.fitting
catalog.gguf_cursor catalog.gguf_header catalog.gguf_layout catalog.gguf_numbers
catalog.gguf_read catalog.gguf_types catalog.gguf_vocab catalog.locking catalog.memory
catalog.memory_layers catalog.memory_layout catalog.memory_refusal catalog.memory_sizes
catalog.obtain catalog.remembered catalog.spelling catalog.transfer catalog.web characters.charx
characters.check characters.fields characters.find characters.json_text characters.lore
characters.lorebooks characters.opening characters.others characters.patterns characters.places
characters.png characters.prompt characters.saving characters.tavern characters.yaml_file
characters.yaml_write chat.cast chat.casting chat.complete chat.journal chat.keeping chat.knobs
chat.lines chat.loop chat.memory chat.model chat.picture chat.stage chat.start chat.talk
chat.verbs commands.base commands.engine commands.values constraint constraints conversation
daily doctor engines.builds engines.llama.assembly engines.llama.constraint engines.llama.crew
engines.llama.flow engines.llama.library engines.llama.memory engines.llama.parking
engines.llama.preparation engines.llama.residents engines.llama.states engines.llama.template
engines.llama.text engines.llama.thinking engines.llama.turns engines.llama.untrusted
engines.probe engines.probing files frontmatter hardware later machine preferences quantities
questions records sampling schemas shelf terminal.flow terminal.keys terminal.output
terminal.process terminal.text terminal.waiting waiting warm warm.books warm.channel warm.client
warm.connection warm.guests warm.host warm.log warm.outbox warm.place warm.process warm.reach
warm.spool warm.stable warm.wire warm.worker yaml_nodes
"""
OLD_CLASSES = """
Asked Cast Channel ClientEngine ColdEngine Connection Crew Death Delta Fitted Flow Found Gone
Guest Held Hiccup Host Kills Listed LlamaText Load Loaded LongArray Lost Masks
Matcher Memory Models NoHost Number Opened Opening Outbox Parked Parking Patience Piece
Preparation Recipe Residents Rule Share Shelf Sizes Slash Stable Stage States Stored Style
Taking Talk WarmEngine Warned WireError Wish
"""
# The only modules that may print, exit or look at the environment.
ENTRANCES = {"localai.terminal.console", "localai.cli", "localai.__main__", "localai.settings"}

HEAVY = ("asyncio", "concurrent", "ctypes", "email", "http", "logging", "multiprocessing",
         "sqlite3", "ssl", "subprocess", "unittest", "urllib.request", "xml")  # fmt: skip


@cache
def modules() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text("utf-8"))


def named(module: str) -> Iterator[str]:
    """What a module imports by name in a table, invisible to any reader of imports."""
    rows: list[object] = []
    if module == "localai.cli":
        rows = [target for target, _ in COMMANDS.values()]
    if module == "localai.engines.registry":
        fields = [field for row in ENGINES.values() for field in row]
        rows = [
            each for field in fields for each in (field if isinstance(field, tuple) else (field,))
        ]
    for target in rows:
        if isinstance(target, str) and target.startswith("localai."):
            yield target.partition(":")[0]


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of ours that a module imports anywhere, functions, tables and types included."""
    found = set(named(module))
    base = module if modules()[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = base.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(filter(None, (above, node.module)))
            found.update(
                whole if (whole := f"{source}.{alias.name}") in modules() else source
                for alias in node.names
            )
    ours = {name for name in found if name.partition(".")[0] == "localai"}
    assert ours <= set(modules()), f"{module} imports what is not there"
    return frozenset(ours - {module})


def room(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def test_every_room_is_in_the_plan() -> None:
    assert {room(module) for module in modules()} <= set(ROW)


def test_imports_run_down_the_floors() -> None:
    up = [
        f"{module} imports {target}"
        for module in modules()
        for target in imports(module)
        if room(module) != room(target) and ROW[room(module)] <= ROW[room(target)]
    ]
    assert not up


def test_there_is_no_circle_between_modules() -> None:
    graph = {module: imports(module) for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")
    # The reader sees imports at all, in functions and tables too.
    assert "localai.prompts.files" in graph["localai.generation.build"]
    assert "localai.commands.ask" in graph["localai.cli"]
    assert "localai.engines.llama.engine" in graph["localai.engines.registry"]
    assert "localai.engines.llama.structured_output" in graph["localai.engines.llama.preprocess"]


def test_the_tables_name_what_is_there() -> None:
    named_in = (field for row in ENGINES.values() for field in row)
    flat = (
        each for field in named_in for each in (field if isinstance(field, tuple) else (field,))
    )
    targets = {each for each in flat if isinstance(each, str) and each.startswith("localai.")}
    targets |= {target for target, _ in COMMANDS.values()}
    assert len(targets) > 15
    for target in targets:
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), target


def test_who_knows_no_terminal_and_who_no_engine() -> None:
    for module in modules():
        for target in imports(module):
            silent = ("engines", "catalog", "characters", "prompts", "pool", "batch")
            if room(module) in silent or module in CONSOLE_FREE:
                assert room(target) != "terminal", f"{module} imports {target}"
            if room(module) in ("commands", "terminal", "chat", "generation"):
                assert not target.startswith("localai.engines.llama"), f"{module}: {target}"
                assert target != "localai.engines.base", f"{module}: {target}"


def test_what_a_server_needs_knows_no_click_and_no_console() -> None:
    """All that a request and its answer need, with whatever that imports."""
    seen: set[str] = set()
    queue = [*CONSOLE_FREE, "localai.pool.client"]
    while queue:
        module = queue.pop()
        if module not in seen:
            seen.add(module)
            queue += imports(module)
    assert not [module for module in seen if room(module) in ("terminal", "commands")]
    assert not [module for module in seen if "import click" in modules()[module].read_text()]


def test_class_names_are_unique() -> None:
    found: dict[str, list[str]] = {}
    for module in modules():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(module)
    assert not {name: places for name, places in found.items() if len(places) > 1}


def test_few_modules_lie_at_the_root() -> None:
    assert len([path for path in PACKAGE.iterdir() if path.suffix == ".py"]) <= 7


def test_no_name_of_the_first_version_is_left() -> None:
    stale = set(OLD_MODULES.split()) & {module.removeprefix("localai.") for module in modules()}
    classes = {
        node.name
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ClassDef)
    }
    assert not stale | (set(OLD_CLASSES.split()) & classes)


def test_only_entrances_print_exit_and_read_the_environment() -> None:
    told = {
        "sys.exit",
        "os.environ",
        "os.environb",
        "os.getenv",
        "os.putenv",
        "exit",
        "quit",
        "print",
    }
    bad = []
    for module in modules():
        if module in ENTRANCES:
            continue
        for node in ast.walk(tree(module)):
            if isinstance(node, (ast.Attribute, ast.Name)) and ast.unparse(node) in told:
                bad.append(f"{module}:{node.lineno} {ast.unparse(node)}")
            if isinstance(node, ast.ImportFrom) and node.module in ("os", "sys"):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                bad += [f"{module}:{node.lineno} {name}" for name in names & told]
    assert not bad


def test_the_environment_has_one_reader() -> None:
    readers = {m for m in modules() if "os.environ" in modules()[m].read_text("utf-8")}
    assert readers == {"localai.settings"}


def test_a_path_that_somebody_typed_is_expanded_in_one_place() -> None:
    """The method of `Path` raises RuntimeError for `~name` where there is no such user."""
    method = re.compile(r"(?<!os\.path)\.expanduser\(")
    found = {m for m in modules() if method.search(modules()[m].read_text("utf-8"))}
    assert not found


def test_modules_are_small() -> None:
    sizes = {
        module: len(path.read_text("utf-8").splitlines()) for module, path in modules().items()
    }
    assert not {module: size for module, size in sizes.items() if size > 300}
    assert statistics.median(sizes.values()) <= 120


def test_functions_are_small() -> None:
    sizes = {
        f"{module}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert not {name: size for name, size in sizes.items() if size > 60}
    assert statistics.median(sizes.values()) <= 10


def test_no_room_has_a_vague_name() -> None:
    assert not [
        path for path in PACKAGE.rglob("*") if VAGUE.fullmatch(path.name) and "__" not in path.name
    ]


def test_everything_public_says_what_it_is() -> None:
    silent = []
    for module in modules():
        if not ast.get_docstring(tree(module)):
            silent.append(module)
        silent += [f"{module}.{name}" for name in undocumented(tree(module).body)]
    assert not silent


def undocumented(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in undocumented(node.body))


def repository() -> list[Path]:
    """The files that belong to the repository, also those not yet added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
    )
    if listed.returncode:  # not a checkout
        pytest.skip("the files are not under git here")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_the_top_level_is_closed() -> None:
    tops = {path.relative_to(ROOT).parts[0] for path in repository()}
    assert not {name for name in tops if not name.startswith(".")} - TOP_LEVEL


def test_no_file_names_a_place_of_one_machine() -> None:
    # Written in parts, so that this very file is read too.
    places = ["/" + "work/", "/" + "tmp/w/", "/" + "Users/[a-z]", "/" + "home/[a-z]+/"]
    indexes = ["pypi" + r"\.org", "python" + "hosted", "index" + "-url", "download" + r"\.pytorch"]
    forbidden = re.compile("|".join(places + indexes))
    found = []
    for path in repository():
        if not path.is_file() or b"\0" in (data := path.read_bytes())[:4096]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if match := forbidden.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert not found


# What a command imports, asked in a process of its own.

PROBE = """
import sys
before = set(sys.modules)
from localai.cli import main
code = main()
sys.stdout.flush()
names = [name for name in sys.modules if name not in before]
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")] or ["0 0"]
print(code, peak[0].split()[1], *names, file=open(sys.argv[0], "w"))
"""


def probe(report: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, int, set[str]]:
    """Return a command's exit code, its peak memory in kB, and what it imported."""
    code = PROBE.replace("sys.argv[0]", repr(str(report)))
    subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=stdin,
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=report.parent,
    )
    exit_code, peak, *names = report.read_text().split()
    return int(exit_code), int(peak), set(names)


def foreign(names: set[str]) -> set[str]:
    """The top-level names that are neither the standard library's nor ours."""
    tops = {name.partition(".")[0] for name in names}
    return {top for top in tops if top not in sys.stdlib_module_names} - {"localai", "__mp_main__"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["ask", "--help"]])
def test_help_and_version_import_click_alone(arguments: list[str], tmp_path: Path) -> None:
    code, _, names = probe(tmp_path / "report", *arguments)
    assert code == 0
    assert foreign(names) == {"click"}
    assert not [name for name in names if name in HEAVY]


def test_completion_imports_no_engine(tmp_path: Path) -> None:
    code, _, names = probe(tmp_path / "report", "completion", "bash")
    assert code == 0
    assert foreign(names) <= {"click", "platformdirs", "yaml", "_yaml"}
    assert not [name for name in names if name in HEAVY]


def test_help_imports_no_command(tmp_path: Path) -> None:
    _, _, names = probe(tmp_path / "report", "--help")
    rooms = {name for name in names if name.startswith(("localai.commands.", "localai.engines"))}
    assert rooms == {"localai.commands.click_ext"}  # what all commands are made of


@pytest.mark.usefixtures("warmth")
def test_the_client_in_a_pipe_is_light(tmp_path: Path) -> None:
    question = ("ask", "-m", "tiny", "--temp", "0", "-n", "4", "What is the capital of France?")
    code, peak, names = probe(tmp_path / "report", *question)
    assert code == 0
    assert foreign(names) <= {"click", "platformdirs"}
    assert not [name for name in names if name in HEAVY]
    assert not [name for name in names if name.startswith("localai.engines.llama")]
    assert "localai.generation.constraints" not in names
    if sys.platform == "linux":
        assert 0 < peak <= 25_000, f"{peak} kB"


@pytest.mark.usefixtures("warmth")
def test_only_a_prompt_file_makes_the_client_read_yaml(tmp_path: Path) -> None:
    code, peak, names = probe(
        tmp_path / "report", "ask", "-m", "tiny", "-p", "summarize", "-n", "4", "x"
    )
    assert code == 0
    assert "yaml" in names
    light = {name for name in foreign(names) if not name.startswith(("_cython", "cython"))}
    assert light <= {"click", "platformdirs", "yaml", "_yaml"}
    assert peak <= 25_000, f"{peak} kB"


def test_help_shows_each_example_on_a_line_of_its_own() -> None:
    for arguments in ([], ["ask"]):
        shown = run(*arguments, "--help").out
        assert "\\b" not in shown
        lines = [line.strip() for line in shown.splitlines()]
        assert 'localai ask -m tiny "What is the capital of France?"' in lines
