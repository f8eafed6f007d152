"""Folders, config file and environment: the only reader of `os.environ`.

A setting comes from the flag, else from the environment, else from the config file, else from
the default here. Folders follow the XDG base directory specification (through `platformdirs`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from localai.errors import BadInput
from localai.formats.units import duration, is_layers, size

_EVERY_KIND = "*"
_KEEP_ALIVE = 300.0  # seconds
_MEMORY_LIMIT = "80%"
_ENGINE_VARIABLES = (  # beginnings of the names that change what an engine does or where it looks
    *("CUDA_", "HIP_", "ROCR_", "HSA_", "GGML_", "GGUF_", "LLAMA_", "VK_", "METAL_", "MTL_"),
    *("OMP_", "GOMP_", "KMP_", "LD_LIBRARY_PATH", "DYLD_", "XDG_CACHE_HOME", "HOME", "PYTHONPATH"),
    "LOCALAI_ENGINES",
)


class Folders(NamedTuple):
    """Where things lie on this machine; none of them needs to exist."""

    config: Path
    data: Path
    state: Path
    cache: Path
    runtime: Path


class Settings(NamedTuple):
    """What the environment and the config file ask for; flags come on top in the commands."""

    folders: Folders
    models: Mapping[str, str]  # kind -> model name; "*": of all other kinds
    gpu_layers: str | None  # "auto", "all" or a number as text
    context: int | None  # tokens, at least
    threads: int | None
    warm: bool  # models stay loaded between calls, in the warm host's workers
    keep_alive: float  # seconds that a model stays without work; negative: for ever
    persona: str | None  # a text file that says who the user is to a character
    memory_limit: str  # what all loaded models may take: bytes, or a share of the free memory
    offline: bool
    color: bool | None  # True: forced, False: never, None: ask the terminal
    term: str

    def model(self, kind: str) -> str | None:
        """Return the default model's name of a kind, or None where none is set."""
        return self.models.get(kind) or self.models.get(_EVERY_KIND)


class HubEnvironment(NamedTuple):
    """What the variables of Hugging Face's own tools say: one cache and one login for all."""

    cache: Path  # may be missing
    endpoint: str  # without a slash at its end
    token: str | None
    offline: bool

    def __repr__(self) -> str:
        return f"HubEnvironment(endpoint={self.endpoint!r})"  # the token is nobody's to read


def hub_environment() -> HubEnvironment:
    """Return where models come from, where they are kept, and whether they may be fetched."""

    def place(names: tuple[str, ...], otherwise: Path) -> Path:
        given = _first(os.environ, *names)
        return Path(os.path.expanduser(os.path.expandvars(given))) if given else otherwise

    home = place(("HF_HOME",), place(("XDG_CACHE_HOME",), Path.home() / ".cache") / "huggingface")
    token = _first(os.environ, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") or ""
    with suppress(OSError, ValueError):  # nobody has logged in
        token = token or place(("HF_TOKEN_PATH",), home / "token").read_text("utf-8")
    return HubEnvironment(
        cache=place(("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"), home / "hub"),
        endpoint=(_first(os.environ, "HF_ENDPOINT") or "https://huggingface.co").rstrip("/"),
        token=token.strip() or None,
        offline=any(_truth(os.environ.get(f"{who}_OFFLINE", "")) for who in ("HF_HUB", "LOCALAI")),
    )


def folders(environ: Mapping[str, str] | None = None) -> Folders:
    """Return the folders of this user; `XDG_*` variables are obeyed on every system."""
    environ = os.environ if environ is None else environ

    def place(kind: str) -> Path:
        root = environ.get(f"XDG_{kind.upper()}_HOME", "")
        return Path(root, "localai") if root.startswith("/") else _default_folder(kind)

    runtime = environ.get("XDG_RUNTIME_DIR", "")
    return Folders(
        config=place("config"),
        data=place("data"),
        state=place("state"),
        cache=place("cache"),
        runtime=Path(runtime, "localai") if runtime.startswith("/") else place("cache") / "run",
    )


def _default_folder(kind: str) -> Path:
    if sys.platform == "linux":  # the specification's own, without 15 ms of imports
        places = {"config": ".config", "data": ".local/share", "state": ".local/state"}
        return Path.home() / places.get(kind, ".cache") / "localai"
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("localai"))


@cache
def load() -> Settings:
    """Read environment and config file once.

    Raises
    ------
    BadInput
        The config file is not TOML, or a variable holds what it cannot hold.
    """
    return read(os.environ)


def read(environ: Mapping[str, str]) -> Settings:
    """Return the settings of one environment (`load` without the memory of an earlier call)."""
    places = folders(environ)
    file = _config(places.config / "config.toml")
    return Settings(
        folders=places,
        models=_models(environ, file),
        gpu_layers=_layers(environ, file),
        context=_number(environ, file, "context", 2**28, "LOCALAI_CTX", "LLM_CONTEXT_WINDOW"),
        threads=_number(environ, file, "threads", 1024, "LOCALAI_THREADS", "LLM_CPU_THREADS"),
        warm=_truth(environ.get("LOCALAI_WARM") or _text(file, "warm") or "1"),
        keep_alive=_keep_alive(environ, file),
        persona=_first(environ, "LOCALAI_PERSONA") or _text(file, "persona"),
        memory_limit=_memory_limit(environ, file),
        offline=_truth(environ.get("LOCALAI_OFFLINE", "")),
        color=_color(environ),
        term=environ.get("TERM", ""),
    )


def engine_modules() -> tuple[str, ...]:
    """Return the modules that give engines beside those of the package (`LOCALAI_ENGINES`)."""
    return tuple(filter(None, os.environ.get("LOCALAI_ENGINES", "").split(",")))


def endpoint_key() -> str | None:
    """Return the key for another server (`LOCALAI_API_KEY`), without blanks around it."""
    return os.environ.get("LOCALAI_API_KEY", "").strip() or None


def debugging() -> bool:
    """Whether errors show their traceback (`LOCALAI_DEBUG`), even a config file's."""
    return _truth(os.environ.get("LOCALAI_DEBUG", ""))


def shipped(folder: str) -> Path:
    """Return a folder of shipped files (`prompts`): a checkout's, else the wheel's."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / folder
    if (package.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    return package / "_shipped" / folder


def engine_environment() -> dict[str, str]:
    """Return the variables that engines look at: two commands that differ there share no worker."""
    return variables(_ENGINE_VARIABLES)


def variables(beginnings: tuple[str, ...]) -> dict[str, str]:
    """Return this process's variables whose names begin so."""
    return {name: value for name, value in os.environ.items() if name.startswith(beginnings)}


def worker_environment(asked: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for an engine's process.

    Parameters
    ----------
    asked : mapping or None
        The `engine_environment` of the command that asks for it; None: this process's own.

    A native assertion starts no debugger, and this very package is found in any working folder.
    What libraries set is set already: a thread that reads it (`getenv`) meanwhile would crash.
    """
    package_root = str(Path(__file__).resolve().parent.parent)
    base = dict(os.environ)
    if asked is not None:
        base = {n: v for n, v in base.items() if not n.startswith(_ENGINE_VARIABLES)} | dict(asked)
    path = filter(None, base.get("PYTHONPATH", "").split(os.pathsep))
    return {
        **{"KMP_BLOCKTIME": "200", "OPENBLAS_MAIN_FREE": "1"},  # as ggml and numpy set them
        **base,
        "GGML_NO_BACKTRACE": "1",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys((package_root, *path))),
        "PYTHONSAFEPATH": "1",
    }


def _config(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    import tomllib  # few have a file, and all would wait for the import

    from localai.formats.text import decode

    try:
        file = tomllib.loads(decode(path.read_bytes(), str(path)))
    except (OSError, ValueError, RecursionError) as error:  # a TOML error is a ValueError
        raise BadInput(
            f"the config file {path} cannot be read: {error}", "mend it or move it away"
        ) from None
    models = file.get("models", {})
    if not isinstance(models, dict) or not all(isinstance(name, str) for name in models.values()):
        raise BadInput(
            f"the config file {path}: `models` is no table of names",
            'write [models], text = "NAME"',
        )
    return file


def _models(environ: Mapping[str, str], file: Mapping[str, Any]) -> dict[str, str]:
    found = dict(file.get("models", {}))
    everything = environ.get("LOCALAI_MODEL", "")
    if text := everything or environ.get("LLM_MODEL_FILE", ""):
        found["text"] = text
    if everything == "tiny":
        found = {_EVERY_KIND: "tiny"}
    for variable, name in environ.items():
        kind = variable.removeprefix("LOCALAI_").removesuffix("_MODEL")
        if name and variable == f"LOCALAI_{kind}_MODEL" and kind.isalpha():
            found[kind.lower()] = name
    return found


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def _text(file: Mapping[str, Any], key: str) -> str | None:
    return str(file[key]) if key in file else None


def _number(
    environ: Mapping[str, str], file: Mapping[str, Any], key: str, most: int, *names: str
) -> int | None:
    value = _first(environ, *names) or _text(file, key)
    if value is None:
        return None
    if value.isascii() and value.isdecimal() and len(value) < 10 and 0 < int(value) <= most:
        return int(value)
    where = f"{names[0]} (or `{key}` in the config file)"
    raise BadInput(f"{where} is {value[:40]!r}, not a positive number up to {most}")


def _layers(environ: Mapping[str, str], file: Mapping[str, Any]) -> str | None:
    value = _first(environ, "LOCALAI_GPU_LAYERS", "LLM_GPU_LAYERS") or _text(file, "gpu_layers")
    if value is None or is_layers(value):
        return value
    where = "LOCALAI_GPU_LAYERS (or `gpu_layers` in the config file)"
    raise BadInput(f"{where} is {value[:40]!r}", "it can be auto, all or a number of layers")


def _keep_alive(environ: Mapping[str, str], file: Mapping[str, Any]) -> float:
    value = _first(environ, "LOCALAI_KEEP_ALIVE") or _text(file, "keep_alive")
    if not value:
        return _KEEP_ALIVE
    if (seconds := duration(value)) is None:
        what = f"LOCALAI_KEEP_ALIVE (or `keep_alive` in the config file) is {value[:40]!r}"
        raise BadInput(what, "it can be 300, 5m, 1h, 0 (leave at once) or -1 (stay)")
    return seconds


def _memory_limit(environ: Mapping[str, str], file: Mapping[str, Any]) -> str:
    value = _first(environ, "LOCALAI_MEMORY_LIMIT") or _text(file, "memory_limit")
    if value and not size(value, 1 << 40):
        what = f"LOCALAI_MEMORY_LIMIT (or `memory_limit` in the config file) is {value[:40]!r}"
        raise BadInput(what, "it can be a size like 8G, or a share of the free memory like 80%")
    return value or _MEMORY_LIMIT


def _truth(value: str) -> bool:
    return value.lower() not in ("", "0", "no", "false", "off")


def _color(environ: Mapping[str, str]) -> bool | None:
    if environ.get("FORCE_COLOR") and not environ.get("NO_COLOR"):
        return True
    return False if environ.get("NO_COLOR") or environ.get("TERM") == "dumb" else None
