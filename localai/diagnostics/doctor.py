"""What `localai doctor` finds out: engines, devices, memory, GPU, and whether a model answers.

Whatever an engine's library does, it does in a process of its own; what goes wrong there is a line
in the report.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from localai import __version__, settings
from localai.catalog.names import TINY
from localai.diagnostics import probe_process
from localai.diagnostics.install import InstallSteps, backend_for, install_steps
from localai.engines.ggml import Device
from localai.engines.probes import LibraryInfo
from localai.engines.registry import ENGINES
from localai.errors import BadModel, LocalaiError, UnknownModel
from localai.formats.units import amount
from localai.pool.client import DedicatedClient
from localai.system import gpus
from localai.system.gpus import BACKENDS, TITLES, Gpu
from localai.system.memory import free_memory
from localai.types import Message, ModelSpec, Sampling, Text, TextRequest

QUESTION = "What is the capital of France?"
ANSWER = "Paris"
PATIENCE = 120.0  # seconds

_ENOUGH = 300  # characters of what a library complains of
_REGISTRIES = {"ROCm": "hip", "MTL": "metal"}  # ggml's names that are not its libraries'
_SETS = {"avx": "AVX", "avx2": "AVX2", "fma": "FMA", "f16c": "F16C"}  # Linux's name: ggml's
_DRIVERS = {
    "NVIDIA": "install NVIDIA's driver; in a container, pass the GPU on (docker: --gpus all)",
    "AMD": "load the driver (amdgpu); in a container, pass on /dev/kfd and /dev/dri",
    "Intel": "load the driver (i915, xe); in a container, pass on /dev/dri",
}
_RIGHTS = "sudo usermod -aG render,video $USER, and log in anew"
_HIDDEN = {
    "cuda": "see what nvidia-smi says, and whether CUDA_VISIBLE_DEVICES hides it",
    "hip": "see what rocminfo says, and whether HIP_VISIBLE_DEVICES hides it",
    "vulkan": "see what vulkaninfo --summary says, and whether GGML_VK_VISIBLE_DEVICES hides it",
}

_ANEW = "install localai-toolkit anew; if that does not help, llama-cpp-python too"

State = Literal["ok", "info", "warn", "FAIL"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; texts may hold what libraries and drivers say."""

    what: str
    state: State
    text: str
    install_steps: InstallSteps = field(default_factory=InstallSteps)  # what helps

    def to_json(self) -> dict[str, Any]:
        """Return plain data with stable keys."""
        return {
            "what": self.what,
            "state": self.state.lower(),
            "text": self.text,
            "first": list(self.install_steps.first),
            "command": self.install_steps.command,
        }


@dataclass(frozen=True)
class SmokeTest:
    """What the tiny model says to a question whose answer is known."""

    question: str
    text: str
    right: bool
    seconds: float  # from nothing to the last word
    trouble: str = ""  # why there is no answer
    next_step: str = ""


@dataclass(frozen=True)
class Report:
    """All that was found out."""

    gpus: tuple[Gpu, ...]
    engines: dict[str, LibraryInfo]  # by kind
    answer: SmokeTest
    free: int  # bytes of memory
    total: int

    @property
    def healthy(self) -> bool:
        """Whether all works that text needs."""
        return self.answer.right

    @property
    def findings(self) -> list[Finding]:
        """Everything in words, in the order that people read it."""
        text = self.engines["text"]
        strongest = self.gpus[0] if self.gpus else None
        python = ".".join(map(str, sys.version_info[:3]))
        memory = f"{amount(self.free)} free of {amount(self.total)}"
        return [
            Finding("localai", "ok", f"{__version__}, Python {python}, {_system()}"),
            Finding("memory", "ok", memory),
            _judge_cpu(text, gpus.cpu_flags()),
            _judge_gpu(self.gpus, text),
            *(_judge_engine(kind, found, strongest) for kind, found in self.engines.items()),
            _judge_answer(self.answer),
        ]

    def to_json(self) -> dict[str, Any]:
        """Return plain data with stable keys."""
        return {
            "healthy": self.healthy,
            "localai": __version__,
            "python": ".".join(map(str, sys.version_info[:3])),
            "interpreter": sys.executable,
            "system": _system(),
            "memory": {"free": self.free, "total": self.total},
            "gpus": [gpu._asdict() for gpu in self.gpus],
            "engines": {
                kind: {"library": ENGINES[kind].package, **asdict(found)}
                for kind, found in self.engines.items()
            },
            "question": asdict(self.answer),
            "findings": [finding.to_json() for finding in self.findings],
        }


def examine(note: Callable[[str], None]) -> Report:
    """Look at everything; `note` hears what is being looked at. Never fails."""
    engines = {}
    for kind, library in ENGINES.items():
        if not library.probe:
            continue
        note(f"looking at {library.package}")
        engines[kind] = probe_process.run(probe_process.command(kind))
    note("asking the tiny model")
    return Report(
        gpus=tuple(gpus.find()),
        engines=engines,
        answer=ask(),
        free=free_memory(),
        total=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def ask(patience: float = PATIENCE) -> SmokeTest:
    """Ask the tiny model what everybody knows, with a worker of its own."""
    began = time.perf_counter()
    answers: list[SmokeTest] = []
    # In a thread, for whoever waits on a socket cannot be told to stop waiting.
    asking = threading.Thread(target=lambda: answers.append(_ask(began)), daemon=True)
    asking.start()
    asking.join(patience)
    late = f"no answer within {patience:g} seconds"
    return answers[0] if answers else SmokeTest(QUESTION, "", False, patience, late)


def _ask(began: float) -> SmokeTest:
    request = TextRequest(
        messages=(Message("user", QUESTION),), sampling=Sampling(temperature=0), max_tokens=64
    )
    text, trouble, next_step = "", "", ""
    try:
        threads = settings.load().threads
        options: dict[str, str | int] = {"threads": threads} if threads else {}
        spec = ModelSpec("text", (str(TINY),), "tiny", options)
        with DedicatedClient(spec) as engine:
            text = "".join(event.text for event in engine.ask(request) if isinstance(event, Text))
    except LocalaiError as error:
        trouble, next_step = error.what, error.next_step
        if isinstance(error, BadModel | UnknownModel):  # whose next step is another model
            next_step = _ANEW
    except Exception as error:  # nobody would hear of it in this thread
        trouble = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - began
    return SmokeTest(QUESTION, text.strip(), ANSWER in text, seconds, trouble, next_step)


def _system() -> str:
    system = os.uname()
    return f"{system.sysname} {system.release} {system.machine}"


def _judge_cpu(text: LibraryInfo, flags: frozenset[str]) -> Finding:
    name = next((each.description for each in text.devices if each.kind == "CPU"), "")
    if not text.features:
        return Finding("CPU", "ok", name or "nothing is known of it")
    if idle := [
        _SETS[flag] for flag in _SETS if flag in flags and _SETS[flag] not in text.features
    ]:
        kept = next((each for each in _able(text) if each in TITLES), "")
        lost = f"{name}: llama.cpp was built without its {', '.join(idle)}, and is slower for it"
        return Finding("CPU", "warn", lost, install_steps("text", kept, text.version))
    return Finding("CPU", "ok", f"{name}: llama.cpp uses {' '.join(text.features)}")


def _able(text: LibraryInfo) -> list[str]:
    return [_REGISTRIES.get(name, name.lower()) for name in text.backends]


def _judge_gpu(gpus: Sequence[Gpu], text: LibraryInfo) -> Finding:
    used = [each for each in text.devices if each.kind in ("GPU", "IGPU")]
    if used:
        return Finding("GPU", "ok", "llama.cpp uses " + ", ".join(map(_device, used)))
    if not gpus:
        return Finding("GPU", "ok", "none found: models run on the CPU")
    gpu = gpus[0]
    named = gpu.name.startswith((gpu.vendor, "GPU behind"))
    name = gpu.name if named else f"{gpu.vendor} {gpu.name}"
    if gpu.access == "no driver":
        return _gpu_line(name, "the system gives no access to it", _DRIVERS[gpu.vendor])
    if gpu.access == "no rights":
        return _gpu_line(name, "this user may not use it", _RIGHTS)
    if not text.build:
        return Finding("GPU", "info", f"{name}; what llama.cpp can do with it is not known")
    if fit := [each for each in BACKENDS[gpu.vendor] if each in _able(text)]:
        says = f"llama.cpp was built for it ({TITLES.get(fit[0], fit[0])}), but does not see it"
        return _gpu_line(name, says, _HIDDEN.get(fit[0], "see whether its driver works"))
    backend = backend_for(gpu)
    if not backend:
        return Finding("GPU", "info", f"{name}: it is not used")
    gain = ", which it might be; as it shares memory with the CPU, the gain is small"
    says = f"{name} is not used{gain if gpu.integrated else ''}"
    says += f": llama.cpp was built without {TITLES[backend]}"
    state: State = "info" if gpu.integrated else "warn"
    return Finding("GPU", state, says, install_steps("text", backend, text.version))


def _gpu_line(name: str, says: str, first: str) -> Finding:
    return Finding("GPU", "warn", f"{name}: {says}", InstallSteps((first,)))


def _device(device: Device) -> str:
    """Return a device in words; of the CPU's memory the library does not know what is free."""
    size = amount(device.total)
    if device.kind != "CPU":
        size = f"{amount(device.free)} free of {size}"
    described = ", ".join(filter(None, (device.description, size if device.total else "")))
    return f"{device.name} ({described})" if described else device.name


def _judge_engine(kind: str, found: LibraryInfo, gpu: Gpu | None) -> Finding:
    library = ENGINES[kind]
    backend = backend_for(gpu)
    if not found.installed:
        state: State = "FAIL" if kind == "text" else "info"
        missing = f"{library.package}, which {library.does}, is not installed"
        return Finding(kind, state, missing, install_steps(kind, backend))
    if found.trouble:
        broken = f"{library.package} {found.version}".strip()
        how = install_steps(kind, backend, found.version)
        return Finding(kind, "warn", f"{broken} does not work: {found.trouble[:_ENOUGH]}", how)
    devices = ", ".join(map(_device, found.devices)) or "not told"
    says = f"{library.package} {found.version} ({found.build}); devices: {devices}"
    return Finding(kind, "ok", says)


def _judge_answer(answer: SmokeTest) -> Finding:
    if answer.trouble:
        return Finding("answer", "FAIL", answer.trouble, InstallSteps((answer.next_step,)))
    says = f"{answer.question} {answer.text or '(nothing)'} ({answer.seconds:.1f} s)"
    return Finding("answer", "ok" if answer.right else "FAIL", says)
