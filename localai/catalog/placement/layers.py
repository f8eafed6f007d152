"""What each layer of a model keeps of the past, read from the header alone.

    layers(header) -> (Layer, ...)

A layer with attention keeps keys and values of every token; a recurrent one keeps a state of one
size for each sequence. Which layer is which follows llama.cpp's `load_arch_hparams` of each
architecture (src/models) and `llama_hparams` (src/llama-hparams.cpp).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from localai.catalog.gguf.header import Header

# Architectures in which every layer is recurrent, and one in which each layer has both kinds
# (llm_arch_is_recurrent and create_memory).
_RECURRENT: Final = frozenset(("mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"))
_BOTH: Final = "falcon-h1"
# Every n-th layer has attention, the others are recurrent, where the file does not say how many.
_INTERVALS: Final = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4, "qwen4exp": 4}
# Layers with a window: all but every n-th (or, with True, all but each first of n).
_WINDOWS: Final = {
    "afmoe": (4, False), "cohere2": (4, False), "cohere2moe": (4, True), "exaone4": (4, False),
    "exaone-moe": (4, False), "gemma2": (2, False), "gemma3": (6, False), "gemma3n": (5, False),
    "gpt-oss": (2, False), "laguna": (4, True), "llama4": (4, False), "mellum": (4, False),
    "muse-glimmer": (4, False), "olmo2": (4, False), "plamo3": (8, False),
    "smallthinker": (4, True),
}  # fmt: skip
_OWN_WINDOW: Final = {"llama4": 8192}  # tokens; fixed in llama.cpp
_LAYERS_WITH_CACHE: Final = {"gemma3n": 20}  # fixed in llama.cpp; the others share theirs
_TOKEN_SHIFTS: Final = 2  # rows of RWKV's token shift, where the file does not say


class Layer(NamedTuple):
    """What one layer keeps."""

    key: int  # elements of keys for each token; 0: no attention
    value: int  # elements of values for each token
    state: int  # float32 numbers for each sequence; 0: not recurrent
    window: int  # tokens that the layer looks back; 0: all


def layers(header: Header) -> tuple[Layer, ...]:
    """Return what each layer keeps, in the order of the layers."""
    windows, recurrent = _windows(header), _recurrent(header)
    state = _state(header)
    kept = _attending(header)
    found = []
    for at in range(header.block_count or 0):
        key, value = _elements(header, at, bool(windows[at])) if at in kept else (0, 0)
        found.append(Layer(key, value, state if recurrent[at] else 0, windows[at]))
    return tuple(found)


def _attending(header: Header) -> set[int]:
    """Return the layers that keep keys and values of their own."""
    count = (header.block_count or 0) - (header.own("nextn_predict_layers") or 0)
    last = count - (header.own("attention.shared_kv_layers") or 0)
    last = min(last, _LAYERS_WITH_CACHE.get(header.architecture, last))
    both = header.architecture == _BOTH
    recurrent = _recurrent(header)
    return {at for at in range(last) if both or not recurrent[at]}


def _elements(header: Header, at: int, windowed: bool) -> tuple[int, int]:
    heads = header.head_count_kv[at] if at < len(header.head_count_kv) else 0
    key, value = header.key_length, header.value_length
    if windowed:
        key = header.own("attention.key_length_swa") or key
        value = header.own("attention.value_length_swa") or value
    if header.own("attention.key_length_mla"):
        value = 0  # latent attention: the values are a part of the compressed keys
    # Sparse attention keeps a short key more, by which it finds what to attend to.
    index = header.own("attention.indexer.key_length") or 0
    return heads * key + index, heads * value


def _recurrent(header: Header) -> tuple[bool, ...]:
    count, name = header.block_count or 0, header.architecture
    given = header.own_value("attention.recurrent_layers")
    if isinstance(given, tuple) and len(given) == count:
        return tuple(map(bool, given))
    if name in _RECURRENT or name == _BOTH:
        return (True,) * count
    if interval := header.own("full_attention_interval") or _INTERVALS.get(name):
        return tuple((at + 1) % interval != 0 for at in range(count))
    return tuple(_state(header) > 0 and _without_heads(header, at) for at in range(count))


def _without_heads(header: Header, at: int) -> bool:
    """Whether a layer has no key heads and, in Nemotron-H, is no feed-forward layer either."""
    heads, forward = header.head_count_kv, header.per_layer("feed_forward_length")
    plain = header.architecture.startswith("nemotron_h") and at < len(forward) and forward[at] > 0
    return at < len(heads) and heads[at] == 0 and not plain


def _state(header: Header) -> int:
    """Return the numbers of one recurrent layer's state (n_embd_r + n_embd_s of llama.cpp)."""
    width, ssm = header.embedding_length or 0, header.ssm
    past = max(ssm.get("conv_kernel", 1) - 1, 0)  # columns of the convolution that are kept
    if head := header.own("wkv.head_size"):
        return width * ((header.own("token_shift_count") or _TOKEN_SHIFTS) + head)
    if columns := header.own("shortconv.l_cache"):
        return width * (columns - 1)
    if head := header.own("kda.head_dim"):
        inner = head * max(header.head_count, default=0)
        return 3 * (past or 3) * inner + head * inner
    inner, size = ssm.get("inner_size", 0), ssm.get("state_size", 0)
    return past * (inner + 2 * ssm.get("group_count", 0) * size) + size * inner


def _windows(header: Header) -> tuple[int, ...]:
    """Return the window of each layer in tokens; 0 for a layer that looks back on everything."""
    count, name = header.block_count or 0, header.architecture
    window = header.sliding_window
    if window != 0:
        window = _OWN_WINDOW.get(name, window)
    pattern = header.own_value("attention.sliding_window_pattern")
    if not window:
        return (0,) * count
    if isinstance(pattern, tuple):
        return tuple(window if on else 0 for on in (*pattern, *(0,) * count)[:count])
    if name not in _WINDOWS:
        return (0,) * count  # a key that llama.cpp does not read, as in Phi 3 and Mistral 7B
    period, full_first = _WINDOWS[name]
    period = header.own("attention.sliding_window_pattern") or period
    full = 0 if full_first else period - 1
    return tuple(0 if at % period == full else window for at in range(count))
