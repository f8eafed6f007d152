"""Writes the trained hearing model as a folder that faster-whisper opens without any network."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from ctranslate2.specs import whisper_spec

from .hear_model import HEADS, LAYERS, Attention, Layer, TinyHear
from .hear_tokenizer import LANGUAGES, SHIPPED, HearTokenizer

FEATURES = {
    "feature_size": 80,
    "sampling_rate": 16000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
}


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().astype(np.float32)


def _linear(spec, module: torch.nn.Module) -> None:
    spec.weight, spec.bias = _array(module.weight), _array(module.bias)


def _norm(spec, module: torch.nn.LayerNorm) -> None:
    spec.gamma, spec.beta = _array(module.weight), _array(module.bias)


def _self_attention(spec, module: Attention) -> None:
    """Query, key and value lie in one matrix there."""
    parts = module.query, module.key_value
    spec.linear[0].weight = np.concatenate([_array(part.weight) for part in parts])
    spec.linear[0].bias = np.concatenate([_array(part.bias) for part in parts])
    _linear(spec.linear[1], module.out)


def _layer(spec, layer: Layer, crossed: bool) -> None:
    _self_attention(spec.self_attention, layer.self_attention)
    _norm(spec.self_attention.layer_norm, layer.self_norm)
    if crossed:
        _linear(spec.attention.linear[0], layer.cross_attention.query)
        _linear(spec.attention.linear[1], layer.cross_attention.key_value)
        _linear(spec.attention.linear[2], layer.cross_attention.out)
        _norm(spec.attention.layer_norm, layer.cross_norm)
    _linear(spec.ffn.linear_0, layer.inner)
    _linear(spec.ffn.linear_1, layer.outer)
    _norm(spec.ffn.layer_norm, layer.inner_norm)


def specification(model: TinyHear, tokenizer: HearTokenizer) -> whisper_spec.WhisperSpec:
    """The model as CTranslate2 describes one."""
    spec = whisper_spec.WhisperSpec(LAYERS, HEADS, LAYERS, HEADS)
    encoder, decoder = spec.encoder, spec.decoder
    _linear(encoder.conv1, model.conv1)
    _linear(encoder.conv2, model.conv2)
    encoder.position_encodings.encodings = _array(model.waves)
    _norm(encoder.layer_norm, model.encoder_norm)
    for part, layer in zip(encoder.layer, model.encoder, strict=True):
        _layer(part, layer, False)
    decoder.embeddings.weight = decoder.projection.weight = _array(model.embedding.weight)
    decoder.projection.bias = _array(model.bias)
    decoder.position_encodings.encodings = _array(model.places)
    _norm(decoder.layer_norm, model.decoder_norm)
    for part, layer in zip(decoder.layer, model.decoder, strict=True):
        _layer(part, layer, True)
    spec.register_vocabulary(tokenizer.vocabulary())
    special = tokenizer.special
    blank = tokenizer.json["model"]["vocab"]["Ġ"]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [blank, special["endoftext"]]
    spec.config.lang_ids = [special[language] for language in LANGUAGES]
    spec.config.alignment_heads = [[LAYERS - 1, 0], [LAYERS - 1, 1]]  # those that were guided
    return spec


def export(weights: Path, folder: Path, quantization: str | None = "int8") -> None:
    """Write the folder; files of a former model are replaced."""
    tokenizer = HearTokenizer()
    model = TinyHear(tokenizer.size)
    model.load_state_dict(torch.load(weights))
    spec = specification(model, tokenizer)
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        spec.save(place)
        (Path(place) / "tokenizer.json").write_text(tokenizer.text(), "utf-8")
        (Path(place) / "preprocessor_config.json").write_text(json.dumps(FEATURES))
        for path in Path(place).iterdir():
            path.replace(folder / path.name)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    print(f"{folder}: {sizes}, {sum(sizes.values()):,} bytes")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    parser.add_argument("--float32", action="store_true", help="do not quantize")
    options = parser.parse_args()
    export(options.weights, options.folder, None if options.float32 else "int8")


if __name__ == "__main__":
    main()
