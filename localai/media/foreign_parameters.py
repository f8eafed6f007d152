"""How a picture was made, as ComfyUI and InvokeAI write it: JSON of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localai.media.generation_parameters import GenerationParameters

_HOPS = 20  # links of a ComfyUI graph that are followed for a text


def from_texts(texts: Mapping[str, str]) -> GenerationParameters | None:
    """Return what a picture's texts by keyword say in one of those forms; None: nothing."""
    for keyword, read in (
        ("invokeai_metadata", _invoke),
        ("sd-metadata", _old_invoke),
        ("prompt", _comfy),
    ):
        try:
            document = json.loads(texts.get(keyword, ""))
            if isinstance(document, dict) and (found := read(document)):
                return found
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            continue
    return None


def _settings(**values: Any) -> dict[str, str]:
    named = {name.replace("_", " "): value for name, value in values.items()}
    return {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in named.items()
        if value is not None and not isinstance(value, (dict, list, bool))
    }


def _size(width: Any, height: Any) -> str | None:
    return f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else None


def _invoke(document: dict[str, Any]) -> GenerationParameters:
    model = document.get("model")
    name = (model.get("name") or model.get("model_name")) if isinstance(model, dict) else model
    return GenerationParameters(
        str(document.get("positive_prompt") or ""),
        str(document.get("negative_prompt") or ""),
        _settings(
            Steps=document.get("steps"),
            Sampler=document.get("scheduler"),
            CFG_scale=document.get("cfg_scale"),
            Seed=document.get("seed"),
            Size=_size(document.get("width"), document.get("height")),
            Model=name,
            Denoising_strength=document.get("strength"),
        ),
    )


def _old_invoke(document: dict[str, Any]) -> GenerationParameters:
    image = document["image"]
    prompt = image.get("prompt", "")
    if isinstance(prompt, list):
        prompt = ", ".join(str(each.get("prompt", "")) for each in prompt)
    return GenerationParameters(
        str(prompt),
        settings=_settings(
            Steps=image.get("steps"),
            Sampler=image.get("sampler"),
            CFG_scale=image.get("cfg_scale"),
            Seed=image.get("seed"),
            Size=_size(image.get("width"), image.get("height")),
            Model=document.get("model_weights"),
        ),
    )


def _comfy(graph: dict[str, Any]) -> GenerationParameters | None:
    """Read the first sampler of a graph of nodes, and what its inputs lead to."""
    nodes = {key: node for key, node in graph.items() if isinstance(node, dict)}
    for node in nodes.values():
        inputs = node.get("inputs")
        if isinstance(inputs, dict) and {"positive", "negative"} <= set(inputs):
            return _comfy_sampler(nodes, inputs)
    return None


def _comfy_sampler(nodes: dict[str, Any], inputs: dict[str, Any]) -> GenerationParameters:
    latent, model = _linked(nodes, inputs, "latent_image"), _linked(nodes, inputs, "model")
    denoise = inputs.get("denoise")
    return GenerationParameters(
        _text(nodes, inputs["positive"]),
        _text(nodes, inputs["negative"]),
        _settings(
            Steps=inputs.get("steps"),
            Sampler=inputs.get("sampler_name"),
            Schedule_type=inputs.get("scheduler"),
            CFG_scale=inputs.get("cfg"),
            Seed=inputs.get("seed", inputs.get("noise_seed")),
            Size=_size(latent.get("width"), latent.get("height")),
            Model=model.get("ckpt_name") or model.get("unet_name"),
            Denoising_strength=denoise if denoise not in (None, 1, 1.0) else None,
        ),
    )


def _linked(nodes: dict[str, Any], inputs: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the inputs of the node that an input is linked to, through nodes that pass it on."""
    link = inputs.get(name)
    for _ in range(_HOPS):
        node = nodes.get(str(link[0])) if isinstance(link, list) and link else None
        found = node.get("inputs") if node else None
        if not isinstance(found, dict):
            return {}
        if name not in found:
            return found
        link = found[name]
    return {}


def _text(nodes: dict[str, Any], value: Any) -> str:
    """Return the text that a link leads to."""
    for _ in range(_HOPS):
        if isinstance(value, str):
            return value
        node = nodes.get(str(value[0])) if isinstance(value, list) and value else None
        inputs = node.get("inputs", {}) if node else {}
        names = ("text", "text_g", "string", "value", "conditioning", "conditioning_1", "prompt")
        value = next((inputs[name] for name in names if name in inputs), None)
    return ""
