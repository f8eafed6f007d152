"""The memory rule: what is predicted, what is given up first, and what a refusal says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.catalog.gguf.check import Header, SkippedArray, TensorInfo
from localai.catalog.gguf.types import TENSOR_TYPES
from localai.catalog.names import TINY
from localai.catalog.placement.layers import layers
from localai.catalog.placement.layout import CPU_MARGIN, GPU_MARGIN, on_cpu
from localai.catalog.placement.plan import (
    DEFAULT_CONTEXT,
    LEAST_CONTEXT,
    MemoryDevice,
    PlacementRequest,
    Plan,
    plan,
)
from localai.catalog.placement.refusal import QUANTISATIONS
from localai.catalog.placement.sizes import REPACKED, ContextShape, ModelMemory
from localai.errors import ExitCode, NotEnoughMemory
from tests.bench import memory_rule

GB = 1 << 30
FAST = settings(max_examples=150, deadline=None)
FORMATS = {each.name: each for each in TENSOR_TYPES.values()}


def tensor(name: str, *shape: int, kind: str = "Q4_K") -> TensorInfo:
    form = FORMATS["F32" if len(shape) == 1 else kind]
    return TensorInfo(name, shape, form.name, 0, prod(shape) // form.elements * form.size)


def header_of(
    architecture: str, tensors: Sequence[TensorInfo], vocabulary: int = 128_256, **numbers: Any
) -> Header:
    own = {f"{architecture}.{key.replace('__', '.')}": value for key, value in numbers.items()}
    metadata: Mapping[str, Any] = {
        "general.architecture": architecture,
        "tokenizer.ggml.tokens": SkippedArray("string", vocabulary, 0),
        **own,
    }
    size = sum(each.bytes for each in tensors)
    return Header(Path("/models/big-Q4_K.gguf"), 3, metadata, tuple(tensors), 32, 1000, size + 1000)


def attention(at: int, width: int, heads: int, shared: int, head: int) -> list[TensorInfo]:
    start = f"blk.{at}.attn_"
    sizes = {"q": heads * head, "k": shared * head, "v": shared * head}
    found = [tensor(f"{start}{name}.weight", width, rows) for name, rows in sizes.items()]
    return [
        *found,
        tensor(f"{start}output.weight", heads * head, width),
        tensor(f"{start}norm.weight", width),
    ]


def forward(at: int, width: int, inner: int, experts: int = 0) -> list[TensorInfo]:
    ending, many = ("_exps", (experts,)) if experts else ("", ())
    start = f"blk.{at}.ffn_"
    return [
        tensor(f"{start}norm.weight", width),
        tensor(f"{start}gate{ending}.weight", width, inner, *many),
        tensor(f"{start}up{ending}.weight", width, inner, *many),
        tensor(f"{start}down{ending}.weight", inner, width, *many),
    ]


def ends(width: int, *, vocabulary: int = 128_256, tied: bool = False) -> list[TensorInfo]:
    found = [tensor("token_embd.weight", width, vocabulary), tensor("output_norm.weight", width)]
    return found if tied else [*found, tensor("output.weight", width, vocabulary, kind="Q6_K")]


def dense(*, tied: bool = False) -> Header:
    """Llama 3.1 8B."""
    width, inner, heads, shared, head = 4096, 14336, 32, 8, 128
    body = [
        t
        for at in range(32)
        for t in (*attention(at, width, heads, shared, head), *forward(at, width, inner))
    ]
    return header_of(
        "llama", [*ends(width, tied=tied), *body],
        block_count=32, embedding_length=width, feed_forward_length=inner, context_length=131_072,
        attention__head_count=heads, attention__head_count_kv=shared,
    )  # fmt: skip


def mixture() -> Header:
    """Qwen 3 30B, 3B at work."""
    width, inner, heads, shared, head = 2048, 768, 32, 4, 128
    body = [
        t
        for at in range(48)
        for t in (*attention(at, width, heads, shared, head), *forward(at, width, inner, 128))
    ]
    return header_of(
        "qwen3moe", [*ends(width, vocabulary=151_936), *body], 151_936,
        block_count=48, embedding_length=width, feed_forward_length=6144, context_length=40_960,
        attention__head_count=heads, attention__head_count_kv=shared,
        attention__key_length=head, attention__value_length=head,
        expert_count=128, expert_used_count=8, expert_feed_forward_length=inner,
    )  # fmt: skip


def recurrent() -> Header:
    """Mamba 2.8B."""
    width, inner = 2560, 5120
    body = [
        t
        for at in range(64)
        for t in (
            tensor(f"blk.{at}.ssm_in.weight", width, 2 * inner, kind="F16"),
            tensor(f"blk.{at}.ssm_x.weight", inner, 192, kind="F16"),
            tensor(f"blk.{at}.ssm_dt.weight", 160, inner, kind="F16"),
            tensor(f"blk.{at}.ssm_out.weight", inner, width, kind="F16"),
        )
    ]
    return header_of(
        "mamba", [*ends(width, vocabulary=50_280, tied=True), *body], 50_280,
        block_count=64, embedding_length=width, feed_forward_length=0, context_length=1 << 20,
        attention__head_count=0,
        ssm__conv_kernel=4, ssm__inner_size=inner, ssm__state_size=16, ssm__time_step_rank=160,
    )  # fmt: skip


def windowed() -> Header:
    """Gemma 3 12B."""
    width, inner, heads, shared, head = 3840, 15360, 16, 8, 256
    body = [
        t
        for at in range(48)
        for t in (*attention(at, width, heads, shared, head), *forward(at, width, inner))
    ]
    return header_of(
        "gemma3", [*ends(width, vocabulary=262_144, tied=True), *body], 262_144,
        block_count=48, embedding_length=width, feed_forward_length=inner, context_length=131_072,
        attention__head_count=heads, attention__head_count_kv=shared,
        attention__key_length=head, attention__value_length=head,
        attention__sliding_window=1024,
    )  # fmt: skip


MODELS = {"dense": dense(), "mixture": mixture(), "recurrent": recurrent(), "windowed": windowed()}


def machine(cpu: float, *gpus: float) -> list[MemoryDevice]:
    cards = [MemoryDevice(f"GPU {at}", "gpu", int(free * GB)) for at, free in enumerate(gpus)]
    return [MemoryDevice("the CPU", "cpu", int(cpu * GB)), *cards]


def wish(header: Header, **more: Any) -> PlacementRequest:
    return PlacementRequest(sequences=8 if header.architecture == "mamba" else 32, **more)


# A model, free GB on the GPU (0: there is none), and layers on the GPU, context, type of cache.
# 32 GB are free on the CPU.
TABLE = [
    ("dense", 0, 0, 32768, "f16"),
    ("dense", 4, 19, 4096, "f16"),
    ("dense", 8, 33, 22784, "f16"),
    ("dense", 12, 33, 32768, "f16"),
    ("dense", 24, 33, 32768, "f16"),
    ("mixture", 0, 0, 32768, "f16"),
    ("mixture", 4, 8, 4096, "f16"),
    ("mixture", 8, 20, 4096, "f16"),
    ("mixture", 12, 32, 4096, "f16"),
    ("mixture", 24, 49, 32768, "f16"),
    ("recurrent", 0, 0, 32768, "f16"),
    ("recurrent", 4, 36, 32768, "f16"),
    ("recurrent", 8, 65, 32768, "f16"),
    ("recurrent", 12, 65, 32768, "f16"),
    ("recurrent", 24, 65, 32768, "f16"),
    ("windowed", 0, 0, 32768, "f16"),
    ("windowed", 4, 16, 4096, "f16"),
    ("windowed", 8, 43, 4096, "f16"),
    ("windowed", 12, 49, 12800, "f16"),
    ("windowed", 24, 49, 32768, "f16"),
]


@pytest.mark.parametrize(("name", "free", "gpu_layers", "context", "cache_type"), TABLE)
def test_what_goes_where(
    name: str, free: float, gpu_layers: int, context: int, cache_type: str
) -> None:
    model = MODELS[name]
    found = plan(model, machine(32, *([free] if free else [])), wish(model))
    assert (found.gpu_layers, found.context, found.cache_type) == (gpu_layers, context, cache_type)
    assert sum(found.split) == gpu_layers


@pytest.mark.parametrize("name", MODELS)
def test_nothing_fits(name: str) -> None:
    model = MODELS[name]
    with pytest.raises(NotEnoughMemory) as caught:
        plan(model, machine(2, 2), wish(model), name="owner/big:Q4_K_M")
    error = caught.value
    assert error.code is ExitCode.MEMORY
    assert "owner/big:Q4_K_M needs at least" in error.what
    assert "2.1 GB free on the CPU" in error.what and "2.1 GB free on GPU 0" in error.what
    assert len(ways(error)) == 3
    assert any("localai ask -m tiny" in way for way in ways(error))


def ways(error: NotEnoughMemory) -> list[str]:
    return error.next_step.removeprefix("use one of these: ").split("; ")


# What is given up, in order.


def given_up(cpu: float, *gpus: float, **more: Any) -> Plan:
    return plan(MODELS["dense"], machine(cpu, *gpus), wish(MODELS["dense"], **more))


def test_the_context_shrinks_before_a_layer_leaves_the_gpu() -> None:
    assert given_up(32, 7).gpu_layers == 33
    assert LEAST_CONTEXT < given_up(32, 7).context < DEFAULT_CONTEXT


def test_an_asked_context_is_a_minimum_and_costs_layers() -> None:
    found = given_up(32, 8, context=30_000)
    assert found.context == 30_208  # in steps of 256
    assert found.gpu_layers < 33
    assert given_up(32, 24, context=1000).context == DEFAULT_CONTEXT
    assert given_up(64, 24, context=40_000).context == 40_192


def test_the_sequences_of_a_short_model_share_more_than_its_own_context() -> None:
    model = MODELS["dense"]
    short = replace(model, metadata={**model.metadata, "llama.context_length": 1024})
    assert plan(short, machine(32)).context == DEFAULT_CONTEXT
    assert plan(short, machine(32), PlacementRequest(sequences=4)).context == 4096
    assert plan(short, machine(32, 4)).context == 1024
    assert given_up(32, 24, most=60_000).context == 60_160
    assert given_up(32, 24, most=100, context=300).context == 512


def test_q8_0_comes_before_a_refusal() -> None:
    found = given_up(8.5, context=32_768)
    assert (found.cache_type, found.context) == ("q8_0", 32_768)
    with pytest.raises(NotEnoughMemory):
        given_up(6, context=32_768)


def test_heads_that_are_no_multiple_of_32_are_not_quantised() -> None:
    model = MODELS["dense"]
    odd = replace(model, metadata={**model.metadata, "llama.attention.key_length": 80})
    assert not ModelMemory.of(odd).quantises_cache
    with pytest.raises(NotEnoughMemory):
        plan(odd, machine(7.9), PlacementRequest(context=32_768))


def test_layers_that_were_asked_for_are_kept() -> None:
    assert given_up(32, 24, gpu_layers=0).split == (0,)
    assert given_up(32, 24, gpu_layers=10).gpu_layers == 10
    assert given_up(32, 24, gpu_layers=999).gpu_layers == 33
    with pytest.raises(NotEnoughMemory):
        given_up(32, 4, gpu_layers=33)


def test_a_model_that_fits_one_gpu_uses_one() -> None:
    assert given_up(32, 24, 24).split == (33, 0)
    both = given_up(32, 6, 6)
    assert both.gpu_layers == 33 and min(both.split) > 5


def test_a_gpu_without_room_is_passed_over() -> None:
    assert given_up(32, 0.5, 24).split == (0, 33)
    assert given_up(32, 0.5).split == (0,)


def test_margins() -> None:
    small, large = MemoryDevice("", "gpu", 4 * GB), MemoryDevice("", "gpu", 80 * GB)
    assert (small.margin, large.margin) == (GPU_MARGIN, 4 * GB)
    assert MemoryDevice("", "cpu", 1 * GB).margin == CPU_MARGIN
    assert MemoryDevice("", "cpu", 100).room == 0


# Whatever the machine.

FREE = st.floats(0, 40)
MACHINES = st.tuples(FREE, st.lists(FREE, max_size=3))
CONTEXTS = st.none() | st.integers(1, 200_000)


def planned(name: str, cpu: float, gpus: Sequence[float], context: int | None) -> Plan | None:
    try:
        return plan(MODELS[name], machine(cpu, *gpus), wish(MODELS[name], context=context))
    except NotEnoughMemory:
        return None


@FAST
@given(name=st.sampled_from(sorted(MODELS)), where=MACHINES, context=CONTEXTS)
def test_a_plan_stays_within_its_room(
    name: str, where: tuple[float, list[float]], context: int | None
) -> None:
    found = planned(name, *where, context)
    if found is None:
        return
    for share in found.shares:
        assert share.total <= max(0, share.device.free - share.device.margin)
    assert found.context >= min(context or LEAST_CONTEXT, MODELS[name].context_length or 0)
    assert context is None or found.context >= context
    assert (
        sum(share.layers for share in found.shares) == len(ModelMemory.of(MODELS[name]).blocks) + 1
    )


@FAST
@given(
    name=st.sampled_from(sorted(MODELS)),
    where=MACHINES,
    more=st.lists(st.floats(0, 10), min_size=4, max_size=4),
    context=CONTEXTS,
)
def test_more_memory_never_gives_less(
    name: str, where: tuple[float, list[float]], more: list[float], context: int | None
) -> None:
    cpu, gpus = where
    before = planned(name, cpu, gpus, context)
    after = planned(
        name, cpu + more[0], [a + b for a, b in zip(gpus, more[1:], strict=False)], context
    )
    if before is None:
        return
    assert after is not None
    assert after.context >= before.context
    assert (after.cache_type == "f16") >= (before.cache_type == "f16")
    if after.cache_type == before.cache_type:
        assert after.gpu_layers >= before.gpu_layers


@FAST
@given(
    name=st.sampled_from(sorted(MODELS)),
    where=st.tuples(st.floats(0, 24), st.lists(st.floats(0, 8), max_size=2)),
    context=st.none() | st.integers(50_000, 400_000),
)
def test_what_a_refusal_proposes_fits(
    name: str, where: tuple[float, list[float]], context: int | None
) -> None:
    model, devices = MODELS[name], machine(where[0], *where[1])
    try:
        plan(model, devices, wish(model, context=context), name="owner/big")
    except NotEnoughMemory as error:
        assert len(ways(error)) == 3
        if proposed := re.search(r"localai ask -m owner/big --ctx (\d+)", error.next_step):
            smaller = int(proposed[1])
            assert plan(model, devices, wish(model, context=smaller)).context >= smaller
            if smaller < (model.context_length or 0):
                with pytest.raises(NotEnoughMemory):
                    plan(model, devices, wish(model, context=smaller + 1))
        if kind := re.search(
            r"-m owner/big:(\S+) \(the model as \1, about ([0-9.]+ .B)\)", error.next_step
        ):
            assert plan(
                at_bits(model, QUANTISATIONS[kind[1]]), devices, wish(model, context=context)
            )


def at_bits(model: Header, bits: float) -> Header:
    factor = bits * model.parameters / 8 / sum(each.bytes for each in model.tensors)
    smaller = [each._replace(bytes=int(each.bytes * factor)) for each in model.tensors]
    return replace(model, tensors=tuple(smaller))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("owner/repo:Q8_0", "owner/repo:Q4_K_M"),
        ("owner/repo", "owner/repo:Q4_K_M"),
        ("/models/Llama-8B-Q8_0.gguf", "/models/Llama-8B-Q4_K_M.gguf"),
        ("my model.f16.gguf", "'my model.Q4_K_M.gguf'"),
        ("big.gguf", "big-Q4_K_M.gguf"),
        ("big\x1b[2J.gguf", "'big\\x1b[2J-Q4_K_M.gguf'"),
    ],
)
def test_the_name_of_a_smaller_quantisation(name: str, said: str) -> None:
    model = at_bits(MODELS["dense"], 8.5)
    with pytest.raises(NotEnoughMemory) as caught:
        plan(model, machine(6), name=name)
    assert f"localai ask -m {said} (the model as Q4_K_M" in caught.value.next_step
    assert "\x1b" not in str(caught.value) + caught.value.next_step


# What a layer keeps, as llama.cpp's log says of files that were made for the purpose: MiB.

KEPT: list[tuple[str, dict[str, Any], ContextShape, float]] = [
    ("llama", dict(block_count=2, embedding_length=4096, attention__head_count=32, attention__head_count_kv=8),
     ContextShape(4096, "q8_0"), 17.0),
    ("llama", dict(block_count=3, embedding_length=1024, attention__head_count=16, attention__head_count_kv=(2, 4, 8)),
     ContextShape(4096), 14 * 64 * 2 * 2 * 4096 / 2**20),
    ("gemma3", dict(block_count=6, embedding_length=2560, attention__head_count=8, attention__head_count_kv=4,
                    attention__key_length=256, attention__value_length=256, attention__sliding_window=1024),
     ContextShape(65536, sequences=1, full_windows=False), 286.0),
    ("gemma3", dict(block_count=6, embedding_length=2560, attention__head_count=8, attention__head_count_kv=4,
                    attention__key_length=256, attention__value_length=256, attention__sliding_window=1024),
     ContextShape(4096, full_windows=False), 96.0),
    ("gpt-oss", dict(block_count=2, embedding_length=2880, attention__head_count=64, attention__head_count_kv=8,
                     attention__key_length=64, attention__value_length=64, attention__sliding_window=128),
     ContextShape(32768), 128.0),
    ("deepseek2", dict(block_count=2, embedding_length=7168, attention__head_count=128, attention__head_count_kv=1,
                       attention__key_length=576, attention__value_length=512, attention__key_length_mla=192,
                       attention__value_length_mla=128),
     ContextShape(4096), 9.0),
    ("mamba2", dict(block_count=2, embedding_length=2048, attention__head_count=0, ssm__conv_kernel=4,
                    ssm__inner_size=4096, ssm__state_size=128, ssm__group_count=1),
     ContextShape(4096), 131.1875),
    ("lfm2", dict(block_count=4, embedding_length=2048, attention__head_count=32,
                  attention__head_count_kv=(0, 0, 8, 0), attention__key_length=64, attention__value_length=64,
                  shortconv__l_cache=3),
     ContextShape(4096), 9.5),
    ("qwen3next", dict(block_count=4, embedding_length=2048, attention__head_count=16, attention__head_count_kv=2,
                       attention__key_length=256, attention__value_length=256, ssm__conv_kernel=4,
                       ssm__inner_size=4096, ssm__state_size=128, ssm__group_count=16),
     ContextShape(4096), 209.0),
]  # fmt: skip


@pytest.mark.parametrize(("architecture", "numbers", "load", "mib"), KEPT)
def test_what_the_layers_keep(
    architecture: str, numbers: dict[str, Any], load: ContextShape, mib: float
) -> None:
    sizes = ModelMemory.of(header_of(architecture, (), **numbers))
    assert sum(sizes.cache(load)) / 2**20 == pytest.approx(mib)


def test_layers_that_share_or_predict_keep_nothing() -> None:
    numbers = dict(embedding_length=64, attention__head_count=4, attention__head_count_kv=2)
    shared = header_of("gemma3n", (), block_count=30, attention__sliding_window=512, **numbers)
    assert [at for at, layer in enumerate(layers(shared)) if layer.key] == list(range(20))
    assert [layer.window for layer in layers(shared)][:6] == [512, 512, 512, 512, 0, 512]
    ahead = header_of("glm4moe", (), block_count=4, nextn_predict_layers=1, **numbers)
    assert [bool(layer.key) for layer in layers(ahead)] == [True, True, True, False]


def test_a_window_that_llama_cpp_does_not_read_is_none() -> None:
    numbers = dict(embedding_length=64, attention__head_count=4, block_count=2)
    for architecture in ("phi3", "llama"):
        found = layers(header_of(architecture, (), attention__sliding_window=512, **numbers))
        assert [layer.window for layer in found] == [0, 0]
    given = header_of(
        "mimo2", (), attention__sliding_window=128,
        attention__sliding_window_pattern=(True, False), **numbers,
    )  # fmt: skip
    assert [layer.window for layer in layers(given)] == [128, 0]


def test_tied_embeddings_lie_on_both_devices() -> None:
    found = plan(dense(tied=True), machine(32, 24))
    embedding = tensor("token_embd.weight", 4096, 128_256).bytes
    cpu, gpu = found.shares
    assert cpu.weights == embedding
    assert gpu.weights == sum(each.bytes for each in dense(tied=True).tensors)


def test_tied_embeddings_that_are_rewritten_count_twice() -> None:
    model = dense(tied=True)
    stored = sum(each.bytes for each in model.tensors)
    assert "Q4_K" in REPACKED
    assert (
        on_cpu(ModelMemory.of(model), ContextShape(4096)).weights == stored + model.tensors[0].bytes
    )


# Against llama.cpp itself; `tests/bench/memory_rule.py` does the same with larger models.


def test_the_prediction_is_what_the_library_logs() -> None:
    found = list(memory_rule.rows(TINY, (512, 4096)))
    assert len(found) == 4
    low, high = memory_rule.CLOSE
    repacked = {each.type for each in memory_rule.check.check(TINY).tensors} & REPACKED
    if repacked:
        pytest.skip(f"on this machine the log counts {repacked} twice")
    assert all(low <= row.ratio <= high for row in found), [row.ratio for row in found]
