"""Changing the config file: one line of it, the rest untouched."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from localai.errors import BadInput, LocalaiError
from localai.formats.text import decode
from localai.settings import load as load_settings
from localai.system.files import atomic_replace

_TABLE = re.compile(r"[ \t]*\[{1,2}[^\]]*\]{1,2}[ \t]*(#.*)?")
_MODELS = re.compile(r"[ \t]*\[[ \t]*models[ \t]*\][ \t]*(#.*)?")


def set_model(kind: str, name: str) -> Path:
    """Make a model the default of its kind in the config file, and return the file.

    Comments and everything else in it stay as they are.

    Raises
    ------
    BadInput
        The file cannot be read as it is.
    LocalaiError
        It cannot be written.
    """
    # What a link points to is written, not the link: many keep their settings elsewhere.
    path = Path(os.path.realpath(load_settings().folders.config / "config.toml"))
    try:
        text = decode(path.read_bytes(), str(path)) if path.exists() else ""
        changed = with_model(text, kind, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_replace(path) as partial:
            partial.write_text(changed, "utf-8")
    except UnicodeEncodeError:
        what = "the model's name is not UTF-8, as a config file has to be"
        raise BadInput(what, "give the file another name") from None
    except OSError as error:
        raise LocalaiError(f"{path} cannot be written: {error.strerror}") from None
    return path


def with_model(text: str, kind: str, name: str) -> str:
    """Return a config file's text with one model set.

    Raises
    ------
    BadInput
        The text is written in a way that one line cannot change.
    """
    import tomllib

    line = f"{kind} = {json.dumps(name, ensure_ascii=False)}"
    lines = text.splitlines()
    start = next((at for at, each in enumerate(lines) if _MODELS.fullmatch(each)), None)
    if start is None:
        lines += [*([""] if lines else []), "[models]", line]
    else:
        rest = range(start + 1, len(lines))
        end = next((at for at in rest if _TABLE.fullmatch(lines[at])), len(lines))
        own = re.compile(rf"[ \t]*{kind}[ \t]*=")
        at = next((at for at in range(start + 1, end) if own.match(lines[at])), None)
        if at is None:
            lines.insert(start + 1, line)
        else:
            lines[at] = line
    changed = "\n".join(lines) + "\n"
    try:
        before = tomllib.loads(text)
        wanted = {**before, "models": {**before.get("models", {}), kind: name}}
        if tomllib.loads(changed) == wanted:
            return changed
    except (ValueError, TypeError, RecursionError):
        pass
    raise BadInput(
        "the config file is written in a way that only you can change",
        f"open it and write under [models]: {line}",
    )
