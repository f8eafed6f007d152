"""The shipped prompt files as the tiny model meets them, in training and in evaluation."""

from __future__ import annotations

import functools
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .chat_task import Task
from .chat_tasks import TASKS

PROMPTS = Path(__file__).parents[2] / "prompts"


@dataclass(frozen=True)
class Prompt:
    """A prompt file: its front matter and its body."""

    name: str
    meta: dict[str, Any]
    body: str

    def render(self, task: Task) -> list[tuple[str, str]]:
        """The messages of one call: the system text, if there is one, and the user's."""
        values = dict(self.meta.get("variables") or {}) | task.variables | {"input": task.input}
        body = self.body if "{{input}}" in self.body else self.body + "\n\n{{input}}"
        text = re.sub(r"\{\{(\w+)\}\}", lambda m: str(values[m.group(1)]), body).strip()
        system = self.meta.get("system")
        return [("system", system), ("user", text)] if system else [("user", text)]

    @property
    def example(self) -> Task:
        """The call that the file itself gives as an example."""
        shown = self.meta["example"]
        return Task(shown["input"], shown["answer"], dict(shown.get("variables") or {}))


@functools.cache
def prompts() -> dict[str, Prompt]:
    """All shipped prompt files by name."""
    found = {}
    for path in sorted(PROMPTS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        _, front, body = re.split(r"^---\n", text, maxsplit=2, flags=re.MULTILINE)
        found[path.stem] = Prompt(path.stem, yaml.safe_load(front), body.strip())
    return found


# The same tasks as people word them without a prompt file.
_LOOSE = {
    "tldr": "{i}||tl;dr|tl;dr: {i}|The tl;dr of this: {i}|{i}||tl;dr?",
    "code-review": "Review this: {i}|What is wrong here?||{i}|Find the fault:||{i}|{i}||Any faults?",
    "explain-error": "What does this error mean? {i}|Explain this error: {i}|{i}||What does it mean?",
    "rewrite-plainly": "Say this plainly: {i}|In plain words: {i}|{i}||Rewrite this plainly.",
    "questions": "{i}||Which questions does this answer?|Write questions about this: {i}",
    "reply-to-mail": "{i}||Write a reply: {l}.|Reply to this mail and {l}.||{i}",
    "title": "{i}||a title, three words|{i}||A title for this?|Give me a title. {i}|{i}||a title",
    "translate": "Translate into {l}: {i}|Translate to {l}: {i}|{i}||Translate this into {l}.|"
    "How do you say in {l}: {i}|In {l}: {i}",
    "keywords": "{i}||Keywords?|Keywords: {i}|{i}||List the keywords.",
    "bullet-points": "{i}||As a list.|Make a list of points: {i}|{i}||As bullet points.",
    "shell-command": "Which command does this: {i}|Shell command: {i}|"
    "Give me the shell command to {i}.",
    "regex": "A regular expression for {i}|Regex: {i}|Give me a regex for {i}.",
    "proofread": "Correct this: {i}|Correct the mistakes: {i}|{i}||Correct the text above.",
    "sentiment": "Positive, negative or neutral? {i}|{i}||Is this positive, negative or neutral?",
    "commit-message": "{i}||Write a commit message.|A commit message for this:||{i}",
    "action-items": "{i}||Who has to do what?|List the tasks.||{i}",
    "file-name": "{i}||A file name for this.|A file name, please: {i}",
    "extract-person": "{i}||Give name, age and city as JSON.|"
    "{i}||Extract name, age and city as JSON.|"
    "{i} Answer as JSON with name, age, city.|JSON with the keys name, age, city:||{i}",
}


def loose_call(r: random.Random, name: str) -> tuple[str, str]:
    """A task in a short wording of its own, and the right answer."""
    task = TASKS[name](r)
    template = r.choice(_LOOSE[name].replace("||", "\0").split("|")).replace("\0", "\n\n")
    variable = next(iter(task.variables.values()), "")
    return template.replace("{l}", variable).replace("{i}", task.input), task.answer


LOOSE = tuple(_LOOSE)


def prompt_call(
    r: random.Random, name: str, *, training: bool
) -> tuple[list[tuple[str, str]], str]:
    """The messages of a call of one prompt, and the right answer."""
    task = TASKS[name](r)
    answer = task.answer
    if training and name == "extract-person" and r.random() < 0.12:
        answer = answer.replace('": ', '":').replace(', "', ',"')
    messages = prompts()[name].render(task)
    if training and len(messages) == 1 and r.random() < 0.1:
        messages.insert(0, ("system", "You are a helpful assistant."))
    return messages, answer
