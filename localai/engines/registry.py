"""One row a kind of engine: all that the rest of the package knows of it.

Adding an engine is a row here and a class; other people's engines come from the modules that
`LOCALAI_ENGINES` names, each with a mapping `ENGINES` like the one here. Everything is named as
`module:object` and imported on first use, so a client and the daemon load no engine.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from localai import settings, types
from localai.errors import BadInput, EngineMissing
from localai.formats.serialization import from_plain
from localai.types import Emit, ModelSpec

if TYPE_CHECKING:
    from localai.catalog.source import ModelSource
    from localai.engines.base import Engine

# Events that any engine may send.
_COMMON = ("Progress", "Notice", "FileReady", "Finished", "Failed")


class EngineKind(NamedTuple):
    """A kind of engine.

    Parameters
    ----------
    engine : str
        `module:Class` with the methods of `engines.base.Engine`; empty: there is none yet.
    request : str
        `module:Record` that its requests are.
    events : tuple of str
        `module:Record` of its events, besides progress, files and the last ones.
    files : tuple of str
        Patterns of what a model's name may stand for; one with a slash at its end is a folder.
    identity, hints : tuple of str
        Options of a `ModelSpec`: those that tell two workers apart, and those that do not.
    roles : tuple of str
        For what a default model may be set (`[models]` in the config file).
    models : str
        `module:Class` with the methods of `catalog.source.ModelSource`: what names stand for.
    estimate : str
        `module:function` of a spec and the GPUs' total bytes by name, giving the bytes that a
        worker will take by device (`cpu` and the GPUs' names).
    environment : mapping
        Variables of its process where the user has not set them; libraries read them once.
    build_flags : mapping
        Backend (`cuda`, `hip`, `vulkan`, `metal`) to the CMake flag that builds it in.
    """

    engine: str = ""
    request: str = ""
    events: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    models: str = "localai.catalog.gguf_models:GgufModels"
    estimate: str = "localai.engines.estimate:on_cpu"
    library: str = ""  # what Python imports
    package: str = ""  # what pip installs
    does: str = ""  # for people
    probe: str = ""  # `module:function` that tells of the library, in a process of its own
    compiled: bool = True  # pip builds it here
    environment: Mapping[str, str] = {}
    build_flags: Mapping[str, str] = {}
    gpu: bool = False  # it can use one


ENGINES: dict[str, EngineKind] = {
    "text": EngineKind(
        engine="localai.engines.llama.engine:LlamaEngine",
        request="localai.types:TextRequest",
        events=("localai.types:Text", "localai.types:Thinking", "localai.types:TokenCount"),
        files=("*.gguf",),
        identity=("gpu_layers", "cache_type"),
        hints=("threads", "context", "sequences"),
        roles=("text", "vision", "spirit"),
        estimate="localai.engines.estimate:on_gpu",
        library="llama_cpp",
        package="llama-cpp-python",
        does="answers questions",
        probe="localai.engines.probes:llama",
        build_flags={
            "cuda": "-DGGML_CUDA=on",
            "hip": "-DGGML_HIP=on",
            "vulkan": "-DGGML_VULKAN=on",
            "metal": "-DGGML_METAL=on",
        },
        gpu=True,
    ),
    "image": EngineKind(
        engine="localai.engines.sd:SdEngine",
        request="localai.media.drawing:DrawRequest",
        events=tuple(f"localai.media.drawing:{e}" for e in ("Planned", "PreviewFrame", "Drawn")),
        files=("*.gguf", "*.safetensors", "*/"),
        identity=("gpu_layers", "vae", "vram"),
        hints=("threads",),
        roles=("image",),
        models="localai.catalog.sd_models:SdModels",
        estimate="localai.engines.estimate:on_gpu",
        library="stable_diffusion_cpp",
        package="stable-diffusion-cpp-python",
        does="draws pictures",
        probe="localai.engines.probes:diffusion",
        # The library waits after every node of its graph. Spinning, two threads on two cores of
        # which another program has one took more than ten times as long as one; sleeping, as long.
        environment={"OMP_WAIT_POLICY": "passive"},
        build_flags={
            "cuda": "-DSD_CUDA=on",
            "hip": "-DSD_HIPBLAS=on",
            "vulkan": "-DSD_VULKAN=on",
            "metal": "-DSD_METAL=on",
        },
        gpu=True,
    ),
    "hear": EngineKind(
        engine="localai.engines.whisper:WhisperEngine",
        request="localai.media.transcription:TranscriptionRequest",
        events=(
            "localai.media.segments:Segment",
            "localai.media.transcription:Language",
            "localai.media.transcription:PieceHeard",
            "localai.media.transcription:SpeechEnded",
            "localai.media.transcription:HeardSummary",
        ),
        files=("*/",),
        identity=("gpu_layers",),
        hints=("threads",),
        roles=("hear",),
        models="localai.catalog.whisper:WhisperModels",
        library="faster_whisper",
        package="faster-whisper",
        does="writes down speech",
        probe="localai.engines.probes:whisper",
        # On two cores that other programs were busy on, too, a sentence took two to four times as
        # long with threads that spin as long as GNU OpenMP lets them.
        environment={"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"},
        compiled=False,  # its wheels hold what they can do
        gpu=True,
    ),
    "speak": EngineKind(
        engine="localai.engines.speak:SpeakEngine",
        request="localai.media.speech:SpeakRequest",
        files=("*.onnx", "*/"),
        hints=("threads",),
        roles=("speak",),
        models="localai.catalog.voices:VoiceModels",
        does="speaks",
        compiled=False,
    ),
}


@cache
def engines() -> dict[str, EngineKind]:
    """Return all kinds: those of the package, and those of the modules in `LOCALAI_ENGINES`.

    Raises
    ------
    EngineMissing
        A module that is named there cannot be imported, or has no kinds.
    """
    found = dict(ENGINES)
    for name in settings.engine_modules():
        try:
            found.update(importlib.import_module(name).ENGINES)
        except Exception as error:  # whatever a foreign module does
            raise EngineMissing(
                f"LOCALAI_ENGINES names {name}, which gives no engines: {error}", "mend or unset it"
            ) from error
    return found


def kind_of(spec: ModelSpec) -> EngineKind:
    """Return the row of a spec's kind.

    Raises
    ------
    EngineMissing
        There is no engine of that kind.
    BadInput
        The spec has an option that the kind does not know.
    """
    row = _row(spec.kind)
    for name in spec.options:
        if name not in (*row.identity, *row.hints):
            raise BadInput(f"the engine for {spec.kind} has no option {name!r}")
    return row


def _row(kind: str) -> EngineKind:
    row = engines().get(kind)
    if row is None or not row.engine:
        raise EngineMissing(f"there is no engine for {kind!r}")
    return row


def kind_for(role: str) -> str:
    """Return the kind of engine whose models have a role.

    Raises
    ------
    EngineMissing
        There is none.
    """
    for kind, row in engines().items():
        if role in row.roles:
            return kind
    raise EngineMissing(f"there is no engine for {role!r}")


def models_for(role: str) -> ModelSource:
    """Return what the names of models of a role stand for.

    Raises
    ------
    EngineMissing
        There is no engine for it.
    """
    kind = kind_for(role)
    return cast("ModelSource", _import(engines()[kind].models, kind)(role))


def identity(spec: ModelSpec) -> tuple[Any, ...]:
    """Return what two specs share, besides their files' versions, that one worker serves."""
    options = tuple((name, spec.options.get(name)) for name in kind_of(spec).identity)
    return (spec.kind, spec.files, options)


@cache
def event_types(kind: str) -> Mapping[str, type[Any]]:
    """Return the events that an engine of a kind may send, by the names of their classes."""
    found = {name: getattr(types, name) for name in _COMMON}
    row = engines().get(kind, EngineKind())
    return found | {name.partition(":")[2]: named(name) for name in row.events}


def decode_request(kind: str, data: Any) -> Any:
    """Return plain data as a request for an engine of a kind.

    Raises
    ------
    BadInput
        It is none.
    EngineMissing
        No such kind, or its modules cannot be imported.
    """
    return from_plain(_import(_row(kind).request, kind), data)


def variables(kind: str) -> dict[str, str]:
    """Return the environment variables of a kind's row; of a kind that is unknown none."""
    return dict(engines().get(kind, EngineKind()).environment)


def estimate(spec: ModelSpec, gpus: Mapping[str, int]) -> Mapping[str, int]:
    """Return the bytes that a worker will take by device, as far as its files tell."""
    count = cast(Callable[..., Mapping[str, int]], named(kind_of(spec).estimate))
    return count(spec, gpus)


def load(spec: ModelSpec, emit: Emit) -> Engine:
    """Load a model with the engine of its kind.

    Raises
    ------
    EngineMissing
        No such kind, or its library is not installed or cannot be loaded.
    BadModel, NotEnoughMemory
        From the engine itself.
    """
    engine = _import(kind_of(spec).engine, spec.kind)
    return cast("Engine", engine(spec, emit))


def _import(target: str, kind: str) -> Any:
    """Return what a kind's row names of its engine."""
    try:
        return named(target)
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineMissing(
            f"the engine for {kind} cannot be loaded: {error}",
            f"pip install --force-reinstall {_row(kind).package}",
        ) from error


@cache
def named(target: str) -> Any:
    """Return what a row names as `module:object`, imported if need be."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
