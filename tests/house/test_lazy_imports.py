"""Modules that wait for their first use: nobody sees a difference, and they are not loaded before."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

PUT_OFF = """
import sys, threading
from localai.system.lazy_imports import put_off
put_off("inspect")
put_off("ipaddress")
def loaded(name): return type(sys.modules[name]).__name__ == "module"
"""


def run(code: str) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", PUT_OFF + code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_module_is_loaded_when_it_is_asked_for_and_not_before() -> None:
    assert run(
        "import inspect, click, pathlib; print(loaded('inspect'), loaded('ipaddress'))\n"
        "print(inspect.cleandoc('  a'), loaded('inspect'), sys.modules['inspect'] is inspect)\n"
        "import inspect; print(sys.modules['inspect'] is inspect)"
    ).split() == ["False", "False", "a", "True", "False", "True"]


def test_names_can_be_taken_from_it() -> None:
    assert run("from inspect import signature; print(signature(len))") == "(obj, /)\n"


def test_what_it_does_not_have_is_missed_as_ever() -> None:
    code = "import inspect\ntry: inspect.nothing\nexcept AttributeError as error: print(error)"
    assert run(code) == "module 'inspect' has no attribute 'nothing'\n"


def test_what_is_loaded_already_stays() -> None:
    assert run("import json; put_off('json'); print(json.dumps(1))") == "1\n"


def test_a_function_that_is_taken_loads_its_module_when_it_is_called() -> None:
    assert run(
        "put_off('urllib.parse', 'quote_from_bytes'); import pathlib\n"
        "print(loaded('urllib.parse'), pathlib.Path('/a b').as_uri(), loaded('urllib.parse'))\n"
        "import urllib.parse; from urllib.parse import unquote\n"
        "print(unquote(urllib.parse.quote('%')), urllib.parse is sys.modules['urllib.parse'])"
    ).split() == ["False", "file:///a%20b", "True", "%", "True"]


def test_a_part_of_a_package_is_loaded_when_it_is_asked_for() -> None:
    assert run(
        "put_off('urllib.parse', 'quote_from_bytes'); import urllib.parse\n"
        "print(urllib.parse.urlsplit('http://a/b').path, urllib.parse.quote_from_bytes(b' '))"
    ).split() == ["/b", "%20"]


def test_what_is_known_of_a_module_does_not_load_it() -> None:
    assert run(
        "import os; put_off('platform', system=lambda: os.uname().sysname); import uuid\n"
        "print(uuid.UUID(int=7), loaded('platform'))\n"
        "import platform; print(platform.system() == os.uname().sysname, loaded('platform'))\n"
        "print(platform.machine() == os.uname().machine, loaded('platform'))"
    ).split() == [
        "00000000-0000-0000-0000-000000000007",
        *("False", "True", "False", "True", "True"),
    ]


def test_many_threads_load_it_once() -> None:
    code = """
import inspect
start, found = threading.Barrier(8), []
def ask():
    start.wait()
    found.append(inspect.Signature)
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(found)))
"""
    assert run(code) == "8 1\n"


def test_a_question_loads_none_of_them_nor_what_explains_mistakes() -> None:
    code = """
import os, runpy
os._exit = sys.exit  # at the end of the command, which else is the end of this script
sys.argv = ["localai", "ask", "-m", "tiny", "-n", "1", "--temp", "0", "hi"]
try:
    runpy.run_module("localai", run_name="__main__")
except SystemExit as end:
    assert not end.code
waiting = (
    "inspect", "ipaddress", "fnmatch", "ntpath", "selectors", "platform", "urllib.parse", "gettext",
)
print([name for name in waiting if name in sys.modules and loaded(name)])
# By click, where it does not know an option.
print([name for name in ("difflib", "locale") if name in sys.modules])
"""
    assert run(code).splitlines() == ["Hello", "[]", "[]"]
