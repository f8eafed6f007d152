"""Every shipped prompt keeps its form with models that people use; what is said is theirs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from localai import settings
from tests.conftest import run

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

LARGE, SMALL = "qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"
# Of the large one those alone whose answers a program reads: it takes three times as long.
READ_BY_PROGRAMS = ("commit-message", "extract-person", "file-name", "keywords", "regex",
                    "shell-command")  # fmt: skip

FOREST = """The Amazon rainforest covers about 5.5 million square kilometres, most of it in Brazil. It is
home to some 390 billion trees. Since 1970 about 17 % of it has been cleared, mostly for cattle. In 2023 the
rate of clearing fell by half after Brazil brought back its patrols."""
NOTES = """Meeting 3 May. The website is late. Anna will send the new logo by Friday. Peter has to call the
printer about the price. Li was ill last week."""
CODE = """def average(numbers):
    total = 0
    for i in range(1, len(numbers)):
        total += numbers[i]
    return total / len(numbers)
"""
DIFF = """diff --git a/server.py b/server.py
--- a/server.py
+++ b/server.py
@@ -10,7 +10,8 @@ def connect(host):
-    sock.settimeout(None)
+    # A dead peer must not block us for ever.
+    sock.settimeout(30)
"""
TRACEBACK = """Traceback (most recent call last):
  File "app.py", line 3, in <module>
    import requests
ModuleNotFoundError: No module named 'requests'"""
MAIL = "Hi,\nare you free next Tuesday at 3 pm to talk about the garden?\nBest, Maria"


def one_line(text: str) -> None:
    assert "\n" not in text and text == text.strip() and text
    assert not text.startswith(("`", '"', "*", "#", "'")), text


def shell(text: str) -> None:
    """A line that a shell can parse, whose first word is a command and not a sentence's."""
    one_line(text)
    assert subprocess.run(["bash", "-nc", text]).returncode == 0, text
    assert "```" not in text and re.match(r"[a-z0-9_./~({\[!]|[A-Z_]+=", shlex.split(text)[0]), text


def regex(text: str) -> None:
    """What Python and grep -E both read, and no program's marks around it."""
    assert "\n" not in text and "`" not in text and text
    re.compile(text)
    assert subprocess.run(["grep", "-E", "--", text], input=b"x\n").returncode in (0, 1), text


def lines(pattern: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        for line in text.split("\n"):
            assert re.fullmatch(pattern, line), line

    return check


def commit(text: str) -> None:
    first, *rest = text.split("\n")
    one_line(first)
    assert len(first.split()) <= 12 and not first.rstrip(".").count(". "), first
    assert not rest or rest[0] == "", text
    assert "```" not in text


def keywords(text: str) -> None:
    words = text.split(", ")
    assert 1 <= len(words) <= 8 and text == text.lower(), text
    assert all(re.fullmatch(r"[^\s,]+( [^\s,]+){0,3}", word) for word in words), text


def title(text: str) -> None:
    one_line(text)
    assert len(text.split()) <= 10 and not text.endswith(".") and '"' not in text, text


def person(text: str) -> None:
    found = json.loads(text)
    assert list(found) == ["name", "age", "city"] and isinstance(found["age"], int), text


def prose(text: str) -> None:
    assert len(text.split()) >= 3, text


TASKS = (
    "list the files by size, largest first",
    "find all python files changed in the last 2 days",
    "count the lines that contain error in all log files",
    "replace foo by bar in every .txt file here",
    "show the five processes that use most memory",
    "make a compressed archive of the folder docs",
)
DESCRIBED = (
    "a date like 2024-05-31",
    "an email address",
    "a hexadecimal colour such as #ff00aa",
    "a line that begins with a number followed by a dot",
    "an IPv4 address",
    "words in double quotes",
)
PROMPTS: dict[str, tuple[Callable[[str], None], tuple[str, ...]]] = {
    "action-items": (lines(r"- [^:]+: .+|(- )?None\.?"), (NOTES, "We all had cake.")),
    "bullet-points": (lines(r"- \S.*"), (FOREST,)),
    "code-review": (lines(r"- Line \d+: .+|No faults found\."), (CODE,)),
    "commit-message": (commit, (DIFF,)),
    "explain-error": (prose, (TRACEBACK,)),
    "explain-in-one-sentence": (one_line, (FOREST,)),
    "extract-person": (person, ("Dr. Maria Silva, 54, has moved from Porto to Lisbon.",)),
    "file-name": (lines(r"[a-z0-9]+(-[a-z0-9]+){0,7}"), (FOREST, NOTES)),
    "keywords": (keywords, (FOREST, NOTES)),
    "proofread": (prose, ("their are many reason why peoples dont like too wake up early",)),
    "questions": (lines(r"- .+\?"), (FOREST,)),
    "regex": (regex, DESCRIBED),
    "reply-to-mail": (prose, (MAIL,)),
    "rewrite-plainly": (prose, ("Pursuant to the regulations, utilization of phones is prohibited.",)),
    "sentiment": (lines("positive|negative|neutral"), ("The food was cold and the waiter rude.",)),
    "shell-command": (shell, TASKS),
    "summarize": (prose, (FOREST,)),
    "title": (title, (FOREST, NOTES)),
    "tldr": (one_line, (FOREST,)),
    "translate": (prose, ("The train leaves at nine, but we should be there early.",)),
    "yes-or-no": (lines("yes|no"), ("The bridge was closed in 1998.\n\nIs the bridge open?",)),
}  # fmt: skip


def test_all_of_them_are_tried() -> None:
    assert set(PROMPTS) == {path.stem for path in settings.shipped("prompts").glob("*.md")}


@pytest.mark.parametrize(
    ("model", "name"),
    [*((SMALL, name) for name in PROMPTS), *((LARGE, name) for name in READ_BY_PROGRAMS)],
)
def test_the_form_holds(
    real_model: Callable[[str], Path], host: dict[str, str], model: str, name: str
) -> None:
    check, inputs = PROMPTS[name]
    path = str(real_model(model))
    for text in inputs:
        ran = run(
            "ask",
            "-m",
            path,
            "-p",
            name,
            "--seed",
            "1",
            "--json",
            stdin=text,
            env=host,
            timeout=300,
        )
        assert ran.code == 0, ran.err
        assert ran.json["finish"] == "stop", "its own end, no ceiling"
        check(ran.json["answer"])
