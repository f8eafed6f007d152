"""`localai doctor`: what it finds, on machines that are not there and with libraries that misbehave."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from localai.commands.doctor import _lines
from localai.commands.open_engine import _unused_gpu as unused_gpu
from localai.diagnostics import doctor, install, probe, probe_process
from localai.diagnostics.gpu_hint import once_a_day
from localai.engines import probes
from localai.engines.ggml import Device
from localai.engines.probes import LibraryInfo
from localai.engines.registry import ENGINES, EngineKind, engines
from localai.system import gpus
from localai.system.gpus import Gpu
from tests.conftest import PATIENCE, ROOT, ask, command, ours, run, until

PARIS = "The capital of France is Paris."
CPU = Device("CPU", "CPU", "AMD EPYC", "CPU", 16 << 30, 16 << 30)
CUDA = Device("CUDA0", "GPU", "NVIDIA H200", "CUDA", 130_000_000_000, 140_000_000_000)
LLAMA = LibraryInfo(
    "0.3.36", True, "llama.cpp 0.5.0", ("CPU",), (CPU,), ("AVX", "AVX2", "FMA", "F16C")
)
GEFORCE = Gpu("NVIDIA", "NVIDIA GeForce RTX 3090", "0000:01:00.0")
RADEON = Gpu("AMD", "GPU 1002:744c", "0000:03:00.0", 20 << 30)
ARC = Gpu("Intel", "GPU 8086:56a0", "0000:03:00.0")
UHD = Gpu("Intel", "GPU 8086:9bc5", "0000:00:02.0", integrated=True)
ALL = (GEFORCE, RADEON, ARC, UHD, Gpu("Apple", "Apple silicon"), Gpu("Windows", "GPU behind WSL"))
REPORT = doctor.Report(
    gpus=(),
    engines={
        "text": LLAMA,
        "image": LibraryInfo(installed=False),
        "hear": LibraryInfo(installed=False),
    },
    answer=doctor.SmokeTest(doctor.QUESTION, PARIS, True, 0.4),
    free=8_000_000_000,
    total=16_000_000_000,
)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a PATH on which are these programs alone; none are where installers put them."""

    def make(*programs: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in programs:
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    monkeypatch.setattr(install, "_CUDA", str(tmp_path / "cuda"))
    monkeypatch.setattr(install, "_ROCM", str(tmp_path / "rocm"))
    return make


def finding(what: str, report: doctor.Report) -> doctor.Finding:
    (found,) = (each for each in report.findings if each.what == what)
    return found


def gpu_finding(*gpus: Gpu, **text: Any) -> doctor.Finding:
    """What is said of the GPU on a machine with these, and with a llama.cpp like that."""
    engines = {**REPORT.engines, "text": replace(LLAMA, **text)}
    return finding("GPU", replace(REPORT, gpus=gpus, engines=engines))


# The probes: libraries, each in a process of its own.


def test_probe_of_the_installed_llama_cpp() -> None:
    found = probe_process.run(probe_process.command("text"))
    assert (found.installed, found.trouble) == (True, "")
    assert found.version == importlib.metadata.version("llama-cpp-python")
    assert re.fullmatch(r"llama\.cpp \d.*", found.build)
    assert "CPU" in found.backends
    (cpu,) = (device for device in found.devices if device.kind == "CPU")
    assert cpu.name == cpu.backend == "CPU" and cpu.description
    assert cpu.total == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found.features and not [name for name in found.features if " " in name]


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = EngineKind(library="no_such", package="no-such-library")
    monkeypatch.setitem(engines(), "text", absent)
    assert probe.look("text") == LibraryInfo(installed=False)


FAKES = {  # what stands in a library's file: what is found
    "import os; os.abort()": r"its library ended the process that loaded it, by Abort.*",
    "import os; os.write(2, b'one\\ntwo\\n'); os._exit(9)": r".*with status 9: two",
    "raise RuntimeError('libcudart.so.12: no such file')": r"RuntimeError: libcudart.*",
    "import os; os.kill(os.getpid(), 9)": r".*by Killed",
}


def fake_diffusion(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a stable-diffusion.cpp that does what the code says."""
    package = folder / "stable_diffusion_cpp"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "stable_diffusion_cpp.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.parametrize("code", FAKES)
def test_a_library_that_breaks_is_a_finding(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_diffusion(tmp_path, code, monkeypatch)
    found = probe_process.run(probe_process.command("image"))
    assert found.installed and re.fullmatch(FAKES[code], found.trouble)


def test_a_library_that_talks_and_hides_its_ggml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import os
from types import SimpleNamespace
os.write(1, b"banner of the library\\n")
print("and more")
def tell():
    return b"System Info: \\n    AVX = 1 | AVX2 = 1 | NEON = 0 | CUDA : USE_GRAPHS = 1 | "
_lib = SimpleNamespace(sd_get_system_info=tell)
"""
    fake_diffusion(tmp_path, code, monkeypatch)
    found = probe_process.run(probe_process.command("image"))
    known = LibraryInfo(build="stable-diffusion.cpp", features=("AVX", "AVX2"))
    assert replace(found, version="") == known  # the version is that of the package that is there


def test_the_devices_of_the_library_that_hears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faster_whisper.py").write_text("raise SystemExit('never imported')")
    (tmp_path / "ctranslate2.py").write_text(
        "__version__ = '4.8'\n"
        "def get_cuda_device_count(): return 2\n"
        "def get_supported_compute_types(device): return {'int8', 'float32'}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = probe_process.run(probe_process.command("hear"))
    assert [device.name for device in found.devices] == ["CPU", "CUDA0", "CUDA1"]
    assert (found.build, found.features) == ("CTranslate2 4.8", ("float32", "int8"))


RUBBISH = [b"", b"hello", b"[]", b"5", b'{"nope": 1}', b'{"devices": 5}', b"\xff\xfe", b"[" * 90000]


@pytest.mark.parametrize("said", RUBBISH, ids=range(len(RUBBISH)))
def test_a_probe_that_talks_rubbish(said: bytes, tmp_path: Path) -> None:
    (tmp_path / "said").write_bytes(said)
    found = probe_process.run(["cat", str(tmp_path / "said")])
    assert found == LibraryInfo(trouble="its probe answers with what is no report")


@pytest.mark.parametrize("program", ["exec sleep 100", "sleep 5 & exit 0"])
def test_a_probe_that_hangs_or_leaves_something_behind(program: str) -> None:
    began = time.monotonic()
    found = probe_process.run(["sh", "-c", program], patience=0.5)
    assert found.trouble == "its library does not answer within 0.5 seconds"
    assert time.monotonic() - began < 4
    left = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            left += child.cmdline()
    assert "100" not in left


def test_what_a_library_says_of_the_cpu() -> None:
    told = "CPU : AVX2 = 1 | FMA = 0 | REPACK = 1 | CUDA : ARCHS = 890 | USE_GRAPHS = 1 | "
    assert probes.cpu_features(told) == ("AVX2", "REPACK")
    assert probes.cpu_features("") == ()


# The machine: trees of files as Linux shows them.


def device(
    root: Path, place: str, vendor: str, number: str, kind: str = "0x030000", **files: str
) -> Path:
    """A PCI device as the kernel lists it."""
    folder = root / "sys/devices/pci0000:00" / place
    folder.mkdir(parents=True)
    for name, text in {"vendor": vendor, "device": number, "class": kind, **files}.items():
        (folder / name).write_text(text + "\n")
    bus = root / "sys/bus/pci/devices"
    bus.mkdir(parents=True, exist_ok=True)
    (bus / place).symlink_to(folder)
    return folder


def node(root: Path, name: str, folder: Path | None = None) -> None:
    """A device's file, and what says whose it is."""
    (root / "dev" / name).parent.mkdir(parents=True, exist_ok=True)
    (root / "dev" / name).touch()
    if folder:
        (folder / "drm" / Path(name).name).mkdir(parents=True)


def find(root: Path, **more: Any) -> list[Gpu]:
    return gpus.find(root, "linux", "x86_64", **more)


def test_a_machine_without_a_gpu(tmp_path: Path) -> None:
    assert find(tmp_path) == []
    device(tmp_path, "0000:00:1f.3", "0x8086", "0x06c8", kind="0x040300")  # sound
    device(
        tmp_path, "0000:00:08.0", "0x8086", "0x4511", kind="0x120000"
    )  # no GPU, though it is of use
    device(tmp_path, "0000:00:05.0", "0x1af4", "0x1050")  # of a virtual machine
    device(tmp_path, "0000:00:06.0", "0x1a03", "0x2000")  # of a server's remote control
    assert find(tmp_path) == []


def test_nvidia(tmp_path: Path) -> None:
    device(tmp_path, "0000:c1:00.0", "0x10de", "0x2335", kind="0x030200")
    assert find(tmp_path) == [Gpu("NVIDIA", "GPU 10de:2335", "0000:c1:00.0", access="no driver")]
    told = tmp_path / "proc/driver/nvidia/gpus/0000:c1:00.0/information"
    told.parent.mkdir(parents=True)
    told.write_text("Model: \t\t NVIDIA H200\nIRQ:   \t\t 100\nBus Type: \t PCIe\n")
    node(tmp_path, "nvidiactl")
    assert find(tmp_path) == [Gpu("NVIDIA", "NVIDIA H200", "0000:c1:00.0")]
    assert find(tmp_path, may=lambda path: False)[0].access == "no rights"


def test_amd_and_its_integrated_ones(tmp_path: Path) -> None:
    size = str(512 << 20)
    small = device(tmp_path, "0000:04:00.0", "0x1002", "0x1638", mem_info_vram_total=size)
    large = device(tmp_path, "0000:0b:00.0", "0x1002", "0x744c", mem_info_vram_total=str(20 << 30))
    server = device(
        tmp_path, "0000:0d:00.0", "0x1002", "0x74a1", "0x120000", product_name="AMD Instinct MI300X"
    )
    for at, folder in enumerate((small, large, server)):
        node(tmp_path, f"dri/renderD{128 + at}", folder)
    assert find(tmp_path) == [
        Gpu("AMD", "GPU 1002:744c", "0000:0b:00.0", 20 << 30),
        Gpu("AMD", "AMD Instinct MI300X", "0000:0d:00.0"),
        Gpu("AMD", "GPU 1002:1638", "0000:04:00.0", 512 << 20, integrated=True),
    ]
    seen: list[str] = []

    def may(path: Path) -> bool:
        seen.append(path.name)
        return path.name == "renderD129"

    assert [gpu.access for gpu in find(tmp_path, may=may)] == ["yes", "no rights", "no rights"]
    assert set(seen) == {"renderD128", "renderD129", "renderD130"}
    (tmp_path / "dev/dri/renderD129").unlink()  # as in a container
    assert find(tmp_path)[0].access == "no driver"


def test_intel_cards_and_processors(tmp_path: Path) -> None:
    inside = device(tmp_path, "0000:00:02.0", "0x8086", "0x9bc5")
    card = device(tmp_path, "0000:03:00.0", "0x8086", "0x56a0")
    node(tmp_path, "dri/renderD128", inside)
    node(tmp_path, "dri/renderD129", card)
    assert find(tmp_path) == [ARC, UHD]


def test_cards_that_only_drm_lists_count_once(tmp_path: Path) -> None:
    folder = device(tmp_path, "0000:03:00.0", "0x8086", "0x56a0")
    node(tmp_path, "dri/renderD128", folder)
    drm = tmp_path / "sys/class/drm/card0"
    drm.mkdir(parents=True)
    (drm / "device").symlink_to(folder)
    screen = tmp_path / "sys/class/drm/card0-HDMI-A-1"
    screen.mkdir()
    (screen / "device").symlink_to(drm)
    assert find(tmp_path) == [ARC]
    (tmp_path / "sys/bus/pci/devices/0000:03:00.0").unlink()
    assert find(tmp_path) == [ARC]


def test_behind_wsl(tmp_path: Path) -> None:
    device(tmp_path, "0000:00:02.0", "0x1414", "0x008e", kind="0x030200")
    node(tmp_path, "dxg")
    assert find(tmp_path) == [Gpu("Windows", "GPU behind WSL")]
    libraries = tmp_path / "usr/lib/wsl/lib"
    libraries.mkdir(parents=True)
    (libraries / "libcuda.so.1").touch()
    assert find(tmp_path) == [Gpu("NVIDIA", "GPU behind WSL")]


def test_apple() -> None:
    assert gpus.find(system="darwin", machine="arm64") == [Gpu("Apple", "Apple silicon")]
    assert gpus.find(system="darwin", machine="x86_64") == []


def test_this_machine_can_be_looked_at() -> None:
    for gpu in gpus.find():
        assert gpu.vendor in gpus.BACKENDS and gpu.name


# What the installed llama.cpp was built for, without loading it.


def libraries(folder: Path, *names: str) -> Path:
    place = folder / "llama_cpp" / "lib"
    place.mkdir(parents=True)
    for name in (*names, "libllama.so", "libmtmd.so"):
        (place / name).touch()
    return place


def test_backends_of_the_installed_library_are_those_that_it_registers() -> None:
    able = gpus.backends(gpus.library_folder())
    assert able is not None and {"base", "cpu"} <= able
    told = set(doctor._able(probe_process.run(probe_process.command("text"))))
    for backend in gpus.TITLES:
        assert (backend in able) == (backend in told)


def test_backends_by_their_files(tmp_path: Path) -> None:
    place = libraries(tmp_path, "libggml-base.so.0.25", "libggml-cuda.so", "libggml-cpu.dylib")
    assert gpus.backends(place) == {"base", "cuda", "cpu"}
    assert gpus.backends(libraries(tmp_path / "other")) is None
    assert gpus.backends(None) is None


def test_the_folder_of_the_library(tmp_path: Path) -> None:
    place = libraries(tmp_path / "site", "libggml-base.so")
    paths = ["", "/nowhere", str(tmp_path), str(tmp_path / "site")]
    assert gpus.library_folder(paths=paths) == place
    assert gpus.library_folder(paths=paths[:3]) is None
    assert gpus.library_folder(str(tmp_path), paths) == tmp_path
    assert gpus.library_folder(str(tmp_path / "gone"), paths) is None


# One line a day.


def test_advice() -> None:
    plain = frozenset({"base", "cpu"})
    said = gpus.advice([GEFORCE, UHD], plain)
    assert "NVIDIA GPU is not used" in said and "`localai doctor`" in said and "\n" not in said
    assert "AMD GPU" in gpus.advice([RADEON], plain)
    assert "Apple GPU" in gpus.advice([Gpu("Apple", "M4")], plain)
    for backend in ("cuda", "vulkan"):
        assert gpus.advice([GEFORCE], plain | {backend}) == ""
    assert gpus.advice([GEFORCE], plain | {"hip"}) != ""
    assert gpus.advice([RADEON], plain | {"hip"}) == ""
    for nothing in ([], [UHD], [GEFORCE._replace(access="no driver")], [Gpu("Windows", "GPU")]):
        assert gpus.advice(nothing, plain) == ""
    assert gpus.advice([GEFORCE], None) == ""


def test_once_a_day(tmp_path: Path) -> None:
    looks: list[float] = []

    def say(now: float) -> str:
        return once_a_day(stamp, lambda: looks.append(now) or "a line", now)

    stamp = tmp_path / "state" / "looked"
    day = 24 * 3600
    begin = 1_000_000.0
    assert [say(begin + after) for after in (0, 1, day - 1)] == ["a line", "", ""]
    assert [say(begin + after) for after in (day + 1, day + 2)] == ["a line", ""]
    assert say(begin - 10) == "a line"  # the clock was wrong when it was last said
    assert looks == [begin, begin + day + 1, begin - 10]


def test_what_cannot_be_remembered_is_not_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert once_a_day(tmp_path / "file" / "looked", lambda: "a line") == ""


def test_a_command_says_once_a_day_that_a_gpu_is_not_used(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "find", lambda: [GEFORCE])
    plain = libraries(tmp_path / "plain", "libggml-cpu.so")
    able = libraries(tmp_path / "able", "libggml-cuda.so")
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(able))
    assert unused_gpu() == ""
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(plain))
    assert "NVIDIA" in unused_gpu()
    monkeypatch.delenv("LLAMA_CPP_LIB_PATH")
    # The command: the stamp of this home says that it was looked at today.
    assert "NVIDIA" not in ask("-n", "1", "hi").err
    (home / "state" / "localai" / "gpu-looked").unlink()
    ask("-n", "1", "hi")
    assert (home / "state" / "localai" / "gpu-looked").exists()


# The commands that help.


def test_what_is_needed_is_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert install.NEEDED in project["dependencies"]


FLAGS = {
    "cuda": "-DGGML_CUDA=on",
    "vulkan": "-DGGML_VULKAN=on",
    "metal": "-DGGML_METAL=on",
}


@pytest.mark.parametrize("backend", FLAGS)
def test_building_anew_for_a_gpu_keeps_the_version_and_all_else(
    backend: str, path: Callable[..., None]
) -> None:
    path("c++", "nvcc", "glslc")
    found = install.install_steps("text", backend, "0.3.36")
    name = "llama-cpp-python"
    assert found.first == ()
    assert shlex.split(found.command) == [
        f"CMAKE_ARGS={FLAGS[backend]}",
        *(sys.executable, "-m", "pip", "install", "--force-reinstall", "--no-deps"),
        *("--no-cache-dir", "--no-binary", name, f"{name}==0.3.36"),
    ]


def test_pip_understands_the_commands(path: Callable[..., None]) -> None:
    for kind in (name for name, row in ENGINES.items() if row.probe):
        for version in (None, "9.9.9"):
            words = shlex.split(install.install_steps(kind, "cuda", version).command)
            at = words.index(sys.executable)
            done = subprocess.run(
                [*words[at:], "--no-index", "--dry-run", "--disable-pip-version-check"],
                capture_output=True,
                text=True,
            )
            # Without an index nothing is found: all words before that were understood.
            if version or kind != "text":
                assert done.returncode == 0 or "No matching distribution" in done.stderr
            assert done.returncode != 2, done.stderr


def test_a_first_installation(path: Callable[..., None]) -> None:
    path("c++", "nvcc")
    plain = [sys.executable, "-m", "pip", "install"]
    assert shlex.split(install.install_steps("text").command) == [*plain, install.NEEDED]
    assert shlex.split(install.install_steps("hear", "cuda").command) == [*plain, "faster-whisper"]
    # What comes as a wheel is never built, nor anew.
    anew = [*plain, "--force-reinstall", "--no-deps", "faster-whisper==1.2.1"]
    assert shlex.split(install.install_steps("hear", "cuda", "1.2.1").command) == anew
    name = "stable-diffusion-cpp-python"
    assert shlex.split(install.install_steps("image", "cuda").command) == [
        *("CMAKE_ARGS=-DSD_CUDA=on", *plain, "--no-cache-dir", "--no-binary", name, name),
    ]


def test_rocm_is_found_by_its_own_tool(path: Callable[..., None], tmp_path: Path) -> None:
    path("c++", "hipconfig")
    tool = tmp_path / "bin" / "hipconfig"
    tool.write_text('#!/bin/sh\ncase $1 in -l) echo "/opt/r c/bin";; -R) echo "/opt/r c";; esac\n')
    assert install.backend_for(RADEON) == "hip"
    built = install.install_steps("text", "hip", "0.3.36").command
    assert '"$(' in built and "CMAKE_ARGS=-DGGML_HIP=on" in built
    shown = built[: built.index(sys.executable)] + "/usr/bin/env"
    lines = subprocess.run(["/bin/sh", "-c", shown], capture_output=True, text=True).stdout
    assert "HIPCXX=/opt/r c/bin/clang" in lines and "HIP_PATH=/opt/r c\n" in lines


def test_what_has_to_be_there_before(path: Callable[..., None], monkeypatch: Any) -> None:
    path("apt-get")
    assert install.backend_for(RADEON) == "vulkan"
    assert any(
        "developer.nvidia.com" in each for each in install.install_steps("text", "cuda").first
    )
    assert "sudo apt-get install build-essential" in install.install_steps("text").first
    assert (
        "sudo apt-get install libvulkan-dev glslc spirv-headers"
        in install.install_steps("text", "vulkan").first
    )
    assert install.install_steps("hear").first == ()
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None)
    assert install.install_steps("hear").first == (f"{sys.executable} -m ensurepip",)


def test_a_cuda_that_is_not_on_the_path(path: Callable[..., None], tmp_path: Path) -> None:
    path("c++")
    nvcc = tmp_path / "cuda" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.touch(0o755)
    found = install.install_steps("text", "cuda", "0.3.36")
    assert found.first == ()
    assert found.words[:2] == (f"CUDACXX={nvcc}", "CMAKE_ARGS=-DGGML_CUDA=on")


# What is made of it all.


def test_a_gpu_that_is_used_and_none_at_all() -> None:
    used = gpu_finding(GEFORCE, devices=(CPU, CUDA), backends=("CUDA", "CPU"))
    assert used.state == "ok"
    assert used.text == "llama.cpp uses CUDA0 (NVIDIA H200, 130 GB free of 140 GB)"
    # What the library sees counts more than what we see.
    assert gpu_finding(devices=(CPU, CUDA)) == used
    assert gpu_finding() == doctor.Finding("GPU", "ok", "none found: models run on the CPU")


@pytest.mark.parametrize(
    ("gpu", "state", "flag"),
    [
        (GEFORCE, "warn", "-DGGML_CUDA=on"),
        (RADEON, "warn", "-DGGML_VULKAN=on"),
        (ARC, "warn", "-DGGML_VULKAN=on"),
        (Gpu("Apple", "Apple silicon"), "warn", "-DGGML_METAL=on"),
        (UHD, "info", "-DGGML_VULKAN=on"),
        (Gpu("Windows", "GPU behind WSL"), "info", None),
    ],
)
def test_a_gpu_that_this_build_cannot_use(
    gpu: Gpu, state: str, flag: str | None, path: Callable[..., None]
) -> None:
    path("c++")
    found = gpu_finding(gpu, UHD)
    assert found.state == state and "not used" in found.text
    assert (f"CMAKE_ARGS={flag}" in found.install_steps.words) == (flag is not None)
    assert (found.install_steps.command == "") == (flag is None)


@pytest.mark.parametrize("gpu", [gpu for gpu in ALL if gpu.vendor in ("NVIDIA", "AMD", "Intel")])
def test_a_gpu_out_of_reach(gpu: Gpu) -> None:
    away = gpu_finding(gpu._replace(access="no driver"))
    assert (
        away.state == "warn"
        and "driver" in away.install_steps.first[0]
        and not away.install_steps.words
    )
    closed = gpu_finding(gpu._replace(access="no rights"))
    assert closed.state == "warn" and "usermod -aG render,video" in closed.install_steps.first[0]


@pytest.mark.parametrize(
    ("gpu", "backend", "hint"),
    [
        (GEFORCE, "CUDA", "CUDA_VISIBLE_DEVICES"),
        (GEFORCE, "Vulkan", "GGML_VK_VISIBLE_DEVICES"),
        (RADEON, "ROCm", "HIP_VISIBLE_DEVICES"),
        (Gpu("Apple", "Apple silicon"), "MTL", "driver"),
    ],
)
def test_a_gpu_that_the_right_build_does_not_see(gpu: Gpu, backend: str, hint: str) -> None:
    found = gpu_finding(gpu, backends=(backend, "CPU"))
    assert found.state == "warn" and "does not see it" in found.text
    assert hint in found.install_steps.first[0] and not found.install_steps.words


def test_the_gpu_when_nothing_is_known_of_the_library() -> None:
    broken = {"build": "", "backends": (), "devices": (), "trouble": "it crashed"}
    assert "not known" in gpu_finding(GEFORCE, **broken).text
    engines = {**REPORT.engines, "text": LibraryInfo(installed=False)}
    report = replace(REPORT, gpus=(GEFORCE,), engines=engines)
    lost = finding("text", report)
    assert lost.state == "FAIL" and "CMAKE_ARGS=-DGGML_CUDA=on" in lost.install_steps.words
    assert "CMAKE_ARGS=-DSD_CUDA=on" in finding("image", report).install_steps.words


def test_a_build_that_leaves_the_cpu_unused(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(
        "processor: 0\nflags\t\t: fpu avx avx2 fma\n\nflags: x\n"
    )
    flags = gpus.cpu_flags(tmp_path)
    assert flags == {"fpu", "avx", "avx2", "fma"}
    assert gpus.cpu_flags(tmp_path / "nowhere") == frozenset()
    found = doctor._judge_cpu(replace(LLAMA, features=("AVX",), backends=("CPU", "CUDA")), flags)
    assert found.state == "warn" and "AVX2, FMA" in found.text and "AVX," not in found.text
    assert "CMAKE_ARGS=-DGGML_CUDA=on" in found.install_steps.words  # what it can, it still can
    assert doctor._judge_cpu(LLAMA, flags).state == "ok"
    assert doctor._judge_cpu(LLAMA, frozenset()).state == "ok"
    assert doctor._judge_cpu(replace(LLAMA, features=()), flags).state == "ok"


def test_a_library_in_trouble_is_told_in_one_finding_with_its_remedy() -> None:
    broken = LibraryInfo("0.4.7", trouble="its library ended " + "x" * 999)
    found = finding("image", replace(REPORT, engines={**REPORT.engines, "image": broken}))
    assert found.state == "warn" and "0.4.7 does not work: its library ended" in found.text
    assert len(found.text) < 400
    assert {"--force-reinstall", "stable-diffusion-cpp-python==0.4.7"} <= set(
        found.install_steps.words
    )


@pytest.mark.parametrize("columns", [48, 80])
def test_lines_are_as_wide_as_the_terminal_and_commands_can_be_copied(columns: int) -> None:
    broken = LibraryInfo("0.4.7", trouble="a reason " * 30)
    engines = {**REPORT.engines, "image": broken, "hear": LibraryInfo(installed=False)}
    report = replace(REPORT, gpus=(GEFORCE,), engines=engines)
    lines = list(_lines(report, columns))
    longest = len(sys.executable) + 20
    assert max(map(len, lines)) <= max(columns, longest)
    text = "\n".join(lines)
    commands = re.findall(r"^    (?! )((?:.*\\\n)*.*)", text, re.M)
    shown = [shlex.split(each.replace("\\\n", " ")) for each in commands]
    wanted = [each.install_steps.command for each in report.findings if each.install_steps.words]
    assert shown == [shlex.split(each) for each in wanted]
    assert len(wanted) == 3


def test_control_characters_are_shown_not_obeyed() -> None:
    evil = replace(CUDA, description="\x1b[2J\x1b]0;x\x07 card\r\n\u202e")
    engines = {**REPORT.engines, "text": replace(LLAMA, devices=(CPU, evil))}
    lines = list(_lines(replace(REPORT, engines=engines), 80))
    assert not [line for line in lines if not line.isprintable()]
    assert "\\x1b[2J" in "\n".join(lines)


# The command.


def test_the_report_of_this_machine() -> None:
    done = run("doctor")
    assert (done.code, done.stderr) == (0, b"")
    lines = done.out.splitlines()
    assert lines[-1] == "text works"
    version = importlib.metadata.version("llama-cpp-python")
    assert [line for line in lines if line.startswith(f"text     ok    llama-cpp-python {version}")]
    assert "capital of France? The capital of France is Paris." in done.out
    going_on = [line for line in lines if line.startswith(" " * 8) and "first: " not in line]
    assert not going_on, "a pipe gets each finding in one line"


def test_the_report_as_json() -> None:
    done = run("doctor", "--json")
    assert (done.code, done.stderr, done.stdout.count(b"\n")) == (0, b"", 1)
    told = done.json
    assert set(told) == {
        *("healthy", "localai", "python", "interpreter", "system", "memory", "gpus"),
        *("engines", "question", "findings"),
    }
    assert told["healthy"] is True
    assert 0 < told["memory"]["free"] <= told["memory"]["total"]
    assert set(told["engines"]) == {"text", "image", "hear"}
    for engine in told["engines"].values():
        assert set(engine) == {
            *("library", "version", "installed", "build", "backends", "devices"),
            *("features", "trouble"),
        }
    assert set(told["engines"]["text"]["devices"][0]) == {
        *("name", "kind", "description", "backend", "free", "total"),
    }
    assert (told["question"]["text"], told["question"]["right"]) == (PARIS, True)
    assert 0 < told["question"]["seconds"] < PATIENCE
    assert [each["what"] for each in told["findings"]][-1] == "answer"
    for each in told["findings"]:
        assert set(each) == {"what", "state", "text", "first", "command"}


DAMAGED = """
import sys
from pathlib import Path
from localai.diagnostics import doctor
{change}
from localai.cli import main
raise SystemExit(main(["doctor", *sys.argv[1:]]))
"""


def doctor_with(change: str, *arguments: str) -> tuple[int, str]:
    """Run the command with something changed inside."""
    done = subprocess.run(
        [sys.executable, "-c", DAMAGED.format(change=change), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_damaged_model_fails(tmp_path: Path) -> None:
    damaged = tmp_path / "tiny.gguf"
    damaged.write_bytes(b"GGUF" + b"\xff" * 400)
    change = f"doctor.TINY = Path({str(damaged)!r})"
    code, out = doctor_with(change)
    assert code == 1
    assert re.search(r"^answer +FAIL ", out, re.M) and out.endswith("see FAIL above\n")
    code, out = doctor_with(change, "--json")
    told = json.loads(out)
    assert (code, told["healthy"], told["question"]["right"]) == (1, False, False)
    assert told["question"]["trouble"] and told["engines"]["text"]["trouble"] == ""


def test_a_missing_model_fails_with_what_to_do(tmp_path: Path) -> None:
    change = f"doctor.TINY = Path({str(tmp_path / 'gone')!r})"
    code, out = doctor_with(change)
    assert code == 1 and "first: install localai-toolkit anew" in out


def test_a_wrong_answer_fails() -> None:
    code, out = doctor_with("doctor.ANSWER = 'London'")
    assert code == 1
    assert re.search(r"^answer +FAIL +What is the capital of France\? The capital of F", out, re.M)


def test_a_damaged_config_file_is_told(home: Path) -> None:
    file = home / "config" / "localai" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("models = [")
    done = run("doctor")
    assert (done.code, done.stderr) == (1, b"")
    assert "the config file" in done.out and "first: mend it or move it away" in done.out


def test_an_answer_that_does_not_come(home: Path) -> None:
    answer = doctor.ask(patience=0.001)
    assert (answer.right, answer.text) == (False, "")
    assert answer.trouble == "no answer within 0.001 seconds"
    until(lambda: not ours(home))  # it was asked all the same


def test_a_library_that_breaks_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_diffusion(tmp_path, "import os; os.abort()", monkeypatch)
    done = run("doctor", env={"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"})
    assert (done.code, done.stderr) == (0, b"")
    assert re.search(r"^image +warn +stable-diffusion-cpp-python does not work:", done.out, re.M)


def test_ctrl_c_ends_it_and_its_probe(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    code = f"import time, pathlib; pathlib.Path({str(started)!r}).touch(); time.sleep(600)"
    fake_diffusion(tmp_path, code, monkeypatch)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    with subprocess.Popen(
        command("doctor"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        # A test run in the background of a shell ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        until(started.exists)
        (child,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err.strip()) == (130, b"", b"localai: stopped")
    until(lambda: not child.is_running())
