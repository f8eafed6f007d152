r"""How a picture was made, as text that other programs read.

The form is AUTOMATIC1111's, which is that of most others too:

    a red fox, <lora:ink:0.8>
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 512x512

Source: `infotext_utils.py` and `processing.py` of that program: the last line counts as settings
where at least three pairs are found in it; a value with a comma, a colon or a line break is a JSON
string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from localai.types import number_of

# That program's expression, but for its beginning: a name is looked for once in each run of the
# characters that it may have, where theirs begins anew at each of them, whatever that costs.
_PAIR: Final = re.compile(r'(?<![\w \-/])[ \-/]*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_NEGATIVE: Final = "Negative prompt:"
_LEAST_PAIRS: Final = 3
_SAMPLERS: Final = {
    # stable-diffusion.cpp's name: that program's
    "euler": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "dpm2": "DPM2",
    "dpm++2s_a": "DPM++ 2S a",
    "dpm++2m": "DPM++ 2M",
    "dpm++2mv2": "DPM++ 2M v2",
    "lcm": "LCM",
    "ddim_trailing": "DDIM",
    "tcd": "TCD",
}
_SCHEDULERS: Final = {
    "discrete": "Automatic",
    "karras": "Karras",
    "exponential": "Exponential",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "kl_optimal": "KL Optimal",
    "ays": "Align Your Steps",
}
# Other spellings that are met: ComfyUI's, InvokeAI's and diffusers'.
_ALSO: Final = {
    "euler_ancestral": "euler_a",
    "dpmpp_2m": "dpm++2m",
    "dpmpp_2s_ancestral": "dpm++2s_a",
    "dpmpp_2m_k": "dpm++2m",
    "ddim": "ddim_trailing",
    "dpm_2": "dpm2",
    "normal": "discrete",
    "automatic": "discrete",
    "uniform": "discrete",
}


class GenerationParameters(NamedTuple):
    """How a picture was made; settings under the names that the text has for them."""

    prompt: str
    negative: str = ""
    settings: Mapping[str, str] = {}

    def number(self, name: str) -> float | None:
        """Return a setting as a number; None: it is none, has no end, or is not there."""
        return number_of(self.settings.get(name), whole=False)

    def size(self) -> tuple[int, int] | None:
        """Return width and height in pixels."""
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", self.settings.get("Size", ""))
        return (int(found[1]), int(found[2])) if found else None

    def sampler(self) -> tuple[str | None, str | None]:
        """Return sampler and scheduler, as stable-diffusion.cpp calls them; None: not known."""
        text = self.settings.get("Sampler", "").strip()
        scheduler = _canonical(_SCHEDULERS, self.settings.get("Schedule type", ""))
        sampler = _canonical(_SAMPLERS, text)
        if sampler is None and " " in text:  # "Euler a Karras", "euler_a karras"
            first, _, last = text.rpartition(" ")
            sampler, scheduler = _canonical(_SAMPLERS, first), _canonical(_SCHEDULERS, last)
        return sampler, scheduler


def _canonical(table: Mapping[str, str], text: str) -> str | None:
    from localai.media.drawing import SAMPLERS, SCHEDULERS

    low = text.lower().strip()
    low = _ALSO.get(low, low)
    known = SAMPLERS if table is _SAMPLERS else SCHEDULERS
    if low in known:
        return low
    return next((own for own, name in table.items() if name.lower() == low), None)


def sampler_title(sampler: str) -> str:
    """Return a sampler's name as people know it: `euler_a` is "Euler a"."""
    return _SAMPLERS.get(sampler, sampler)


def scheduler_title(scheduler: str) -> str:
    """Return a scheduler's name as people know it."""
    return _SCHEDULERS.get(scheduler, scheduler)


def render(parameters: GenerationParameters) -> str:
    """Return the parameters as text."""
    lines = [parameters.prompt]
    if parameters.negative:
        lines.append(f"{_NEGATIVE} {parameters.negative}")
    pairs = (f"{name}: {_quoted(value)}" for name, value in parameters.settings.items())
    lines.append(", ".join(pairs))
    return "\n".join(lines)


def parse(text: str) -> GenerationParameters:
    """Return what a text says; one that has another form is a prompt as a whole."""
    body, _, last = text.strip("\r\n").rpartition("\n")
    last = last.partition(", SDCPP: {")[0]  # sd-cli's own JSON says it all again
    pairs = _PAIR.findall(last)
    if len(pairs) < _LEAST_PAIRS:
        body, pairs = text.strip("\r\n"), []
    prompt, negative = _halves(body)
    return GenerationParameters(prompt, negative, {name: _plain(value) for name, value in pairs})


def _halves(body: str) -> tuple[str, str]:
    """Return prompt and negative prompt, each with its line breaks."""
    lines = body.split("\n")
    start = next((at for at, line in enumerate(lines) if line.startswith(_NEGATIVE)), len(lines))
    negative = "\n".join(lines[start:])[len(_NEGATIVE) :]
    return "\n".join(lines[:start]), negative.removeprefix(" ")


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def _plain(value: str) -> str:
    value = value.strip()
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            pass
    return value
