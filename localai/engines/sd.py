"""The picture engine: words to pictures in files, with stable-diffusion.cpp.

One picture a call of the library, the first with the request's seed and each next with the one
after, so that four at once are the four of four single requests. The library cannot be stopped in a
call: a cancelled request ends between two pictures, or the worker's process ends (`pool.worker`).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localai.catalog.diffusion.families import Family, check_whole, family_of
from localai.catalog.diffusion.parts import ROLE_NAMES, ModelPart, Role, read_part
from localai.engines.base import Call, SerialEngine
from localai.engines.sd_memory import GIB, MemoryLayout, PartSizes, layout
from localai.engines.sd_request import DrawPlan, plan_of
from localai.errors import BadInput, BadModel, LocalaiError
from localai.formats.text import shown
from localai.media.drawing import Drawn, DrawRequest, Planned, PreviewFrame
from localai.media.generation_parameters import render
from localai.media.picture_metadata import save
from localai.system.cpus import physical_cores
from localai.system.files import partial_result, total_bytes
from localai.types import Event, FileReady, ModelSpec, Notice, Progress

if TYPE_CHECKING:
    from localai.engines.sd_library import DiffusionContext, RawImage, Upscaler

_PREVIEW_SIDE: Final = 96  # pixels: what half blocks of a terminal can show
# The field of the library's record for each kind of file.
_FIELDS: Final[dict[Role, str]] = {
    "checkpoint": "model_path",
    "diffusion": "diffusion_model_path",
    "vae": "vae_path",
    "taesd": "taesd_path",
    "clip_l": "clip_l_path",
    "clip_g": "clip_g_path",
    "t5xxl": "t5xxl_path",
    "llm": "llm_path",
}


class SdEngine(SerialEngine):
    """Draws pictures with a model of stable-diffusion.cpp."""

    def load(self, spec: ModelSpec) -> None:
        """Load the model.

        Raises
        ------
        BadModel
            A file is damaged, a part is missing, or the library refuses it.
        NotEnoughMemory
            There is not enough for it.
        """
        parts = _parts(spec)
        self.family: Family = family_of(parts.values())
        check_whole(self.family, tuple(parts.values()))
        from localai.engines import sd_library

        self._library = sd_library
        self._threads = int(spec.options.get("threads", 0)) or physical_cores()
        self._encodes = any(part.encodes for part in parts.values())
        self._small_vae = "taesd" in parts
        self._layout = self._laid_out(spec, parts)
        self._upscaler: tuple[str, Upscaler] | None = None
        self._context: DiffusionContext = sd_library.DiffusionContext(
            {_FIELDS[role]: str(part.path) for role, part in parts.items()},
            n_threads=self._threads,
            vae_decode_only=not self._encodes,
            diffusion_flash_attn=self._layout.flash_attention,
            offload_params_to_cpu=self._layout.offload,
            keep_clip_on_cpu=self._layout.encoder_on_cpu,
            max_vram=self._layout.max_vram,
            # Applied once and taken back, a LoRA would leave its rounding in the weights.
            lora_apply_mode=sd_library.LORA_AT_RUNTIME,
        )

    def _laid_out(self, spec: ModelSpec, parts: Mapping[Role, ModelPart]) -> MemoryLayout:
        """Say where the model goes, and return how it fits there."""
        cards = [] if spec.options.get("gpu_layers") == "0" else self._library.cards()
        if not cards:
            return MemoryLayout()
        name, free = cards[0]
        self.device = "GPU"
        asked = float(spec.options.get("vram", 0) or 0)
        budget = int(asked * GIB) if asked else free
        found = layout(_sizes(parts), budget, self.family.side**2)
        taken = 0 if found.offload else sum(_sizes(parts))
        self.memory = {name: min(budget, taken + GIB)}
        return found

    def run(self, call: Call, cancelled: Callable[[], bool]) -> Iterator[Event]:
        """Yield the pictures of a request as they are finished."""
        request: DrawRequest = call.request
        plan = plan_of(request, self.family, call.files)
        if request.init is not None and not self._encodes:
            raise BadInput("this model's VAE cannot read pictures", "leave --init out")
        yield Planned(*plan.size, plan.steps)
        for text in (*plan.notices, *self._notices(request)):
            yield Notice(text)
        for number in range(request.pictures):
            began = time.monotonic()
            image = self._enlarged(plan, self._draw(call.id, plan, number))
            path = partial_result(Path(request.folder), number)
            try:
                _write(image, path, plan, number)
                seconds = round(time.monotonic() - began, 3)
                text = render(plan.parameters(number))
                yield Drawn(number, image.width, image.height, seconds, text)
            except BaseException:  # also where nobody wants the file any more
                path.unlink(missing_ok=True)
                raise
            # From here on it is the worker's to remove.
            yield FileReady(str(path), number, request.seed_of(number))

    def close(self) -> None:
        """End, and give the memory back, unless a picture is being drawn."""
        super().close()
        if not self._thread.is_alive():
            self._context.close()

    def _notices(self, request: DrawRequest) -> Iterator[str]:
        if said := str(self._layout):
            yield f"memory: {said}"
        if request.upscale > 1 and not request.upscaler:
            yield "enlarged without a model, which adds no detail: --upscaler FILE names one"

    def _draw(self, call_id: str, plan: DrawPlan, number: int) -> RawImage:
        library, request = self._library, plan.request
        params = library.GenerateParams(
            prompt=plan.prompt,
            negative=request.negative,
            width=plan.width,
            height=plan.height,
            steps=plan.steps,
            cfg=plan.cfg,
            seed=request.seed_of(number),
            sampler=plan.sampler,
            scheduler=request.scheduler,
            clip_skip=request.clip_skip,
            loras=request.loras,
            init=library.RawImage(*plan.init) if plan.init else None,
            strength=request.strength,
            vae_tiling=plan.width * plan.height > self._layout.tiles_from,
        )
        return self._context.generate(
            params,
            partial(self._tell_progress, call_id, number, request.pictures),
            partial(self._tell_preview, call_id, number) if request.preview else None,
            library.PREVIEW_DECODED if self._small_vae else library.PREVIEW_PROJECTED,
        )

    def _tell_progress(self, call_id: str, number: int, count: int, step: int, steps: int) -> None:
        """Send how far all pictures are; called in the middle of a step of `run`."""
        done = Progress("working", number * steps + step, count * steps, "steps")
        self._emit([(call_id, done)])

    def _tell_preview(self, call_id: str, number: int, width: int, height: int, rgb: bytes) -> None:
        from PIL import Image

        image = Image.frombytes("RGB", (width, height), rgb)
        image.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
        data = base64.b64encode(image.tobytes()).decode()
        self._emit([(call_id, PreviewFrame(number, image.width, image.height, data))])

    def _enlarged(self, plan: DrawPlan, image: RawImage) -> RawImage:
        """Return the picture as many times as large as is asked for."""
        request = plan.request
        if request.upscale == 1:
            return image
        wanted = plan.size
        if request.upscaler:
            image = self._loaded_upscaler(request.upscaler).enlarge(image)
        from PIL import Image

        picture = Image.frombytes("RGB", (image.width, image.height), image.rgb)
        if picture.size != wanted:
            picture = picture.resize(wanted, Image.Resampling.LANCZOS)
        return self._library.RawImage(*wanted, picture.tobytes())

    def _loaded_upscaler(self, path: str) -> Upscaler:
        if self._upscaler is None or self._upscaler[0] != path:
            if self._upscaler is not None:
                self._upscaler[1].close()
            self._upscaler = None
            _check_upscaler(Path(path))
            self._upscaler = (path, self._library.Upscaler(path, self._threads))
        return self._upscaler[1]


def _parts(spec: ModelSpec) -> dict[Role, ModelPart]:
    """Return the files of a model by what they are; a VAE that was named goes before others.

    Raises
    ------
    BadModel
        One of them is damaged, or there are two of a kind.
    BadInput
        What was named as a VAE is none.
    """
    chosen = str(spec.options.get("vae", ""))
    found: dict[Role, ModelPart] = {}
    for part in (read_part(Path(file)) for file in spec.files if file != chosen):
        if part.role in found and part.role != "vae":
            what = f"{shown(found[part.role].path)} and {shown(part.path)}"
            raise BadModel(f"{what} are both {ROLE_NAMES[part.role]}", "name one of them with -m")
        found.setdefault(part.role, part)
    if chosen:
        part = read_part(Path(chosen))
        if part.role not in ("vae", "taesd"):
            raise BadInput(f"{shown(chosen)} is {ROLE_NAMES[part.role]}, and no VAE", "--vae FILE")
        found.pop("vae", None)
        found.pop("taesd", None)
        found[part.role] = part
    if "checkpoint" in found:  # it has its own encoders
        found.pop("diffusion", None)
    return found


def _sizes(parts: Mapping[Role, ModelPart]) -> PartSizes:
    sizes = {role: total_bytes(str(part.path)) for role, part in parts.items()}
    encoder = sum(sizes.get(role, 0) for role in ("clip_l", "clip_g", "t5xxl", "llm"))
    vae = sizes.get("vae", 0) + sizes.get("taesd", 0)
    return PartSizes(sum(sizes.values()) - encoder - vae, encoder, vae)


def _check_upscaler(path: Path) -> None:
    """Refuse what is none; a .pth file, as most of them are, only the library can read."""
    if path.suffix.lower() in (".pth", ".pt"):
        if not path.is_file():
            raise BadModel(f"{shown(path)} is no file", "check its name")
        return
    role = read_part(path).role
    if role != "upscaler":
        raise BadInput(f"{shown(path)} is {ROLE_NAMES[role]}, and no upscaler", "--upscaler FILE")


def _write(image: RawImage, path: Path, plan: DrawPlan, number: int) -> None:
    from PIL import Image

    picture: Any = Image.frombytes("RGB", (image.width, image.height), image.rgb)
    try:
        save(picture, path, plan.request.format, plan.parameters(number))
    except OSError as error:
        why = error.strerror or str(error)
        raise LocalaiError(
            f"the picture cannot be written to {shown(path.parent)}: {why}", "make room there"
        ) from None
