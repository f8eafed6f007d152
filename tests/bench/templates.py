"""Chat templates as we render them and as llama-server does: all that llama.cpp has to test with.

    python -m tests.bench.templates [--think on]

The tiny model lends vocabulary and weights. llama-server tells every template that it may think
(`--think on` does so here; without it the template decides), and mends a few templates by hand:
not every difference is a defect, but each is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from localai.catalog.gguf.check import check
from localai.catalog.names import TINY
from localai.engines.llama.chat_template import ChatTemplate
from localai.engines.llama.model import Model
from localai.errors import LocalaiError
from localai.types import Message, ModelSpec
from tests.bench.theirs import Server
from tests.support.sources import llama_source

_TALKS = (
    (Message("user", "Hello there"),),
    (
        Message("system", "Be brief."),
        Message("user", "Hi"),
        Message("assistant", "Hello!"),
        Message("user", " Again? "),
    ),
)
_SHOWN = 80  # characters around a difference


def ours(model: Model, source: str, talk: tuple[Message, ...], think: bool | None) -> str:
    """Return a conversation as we render it, or the error."""
    try:
        return ChatTemplate(source, model.vocab).render(talk, answer=True, think=think)
    except LocalaiError as error:
        return f"{type(error).__name__}: {error}"


def difference(mine: str, theirs: str) -> str:
    """Return both texts around their first difference."""
    pairs = enumerate(zip(mine, theirs, strict=False))
    at = next((at for at, (a, b) in pairs if a != b), min(len(mine), len(theirs)))
    part = slice(max(0, at - _SHOWN // 2), at + _SHOWN)
    return f"    ours   {mine[part]!r}\n    theirs {theirs[part]!r}"


def compare(file: Path, model: Model, think: bool | None) -> int:
    """Print what differs between ours and theirs for one template; return how many are equal."""
    equal = 0
    with Server(TINY, 1, 512, ["--jinja", "--chat-template-file", str(file)]) as server:
        for number, talk in enumerate(_TALKS, start=1):
            plain = [{"role": message.role, "content": message.content} for message in talk]
            theirs = server.post("/apply-template", {"messages": plain})["prompt"]
            mine = ours(model, file.read_text(), talk, think)
            equal += mine == theirs
            if mine != theirs:
                print(f"{file.stem}, talk {number}\n{difference(mine, theirs)}", flush=True)
    return equal


def main() -> None:
    """Compare all templates and print the count."""
    parser = argparse.ArgumentParser(description="Chat templates, ours against llama-server's.")
    parser.add_argument("--think", choices=["on", "model"], default="model")
    think = True if parser.parse_args().think == "on" else None
    model = Model(ModelSpec("text", (str(TINY),)), check(TINY))
    files = sorted((llama_source() / "models" / "templates").glob("*.jinja"))
    equal = sum(compare(file, model, think) for file in files)
    print(f"\n{equal} of {len(files) * len(_TALKS)} conversations equal, {len(files)} templates")


if __name__ == "__main__":
    main()
