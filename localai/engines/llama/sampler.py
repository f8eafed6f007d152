"""Choosing the next token: greedy in numpy, everything else by llama.cpp's own samplers."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from localai.engines.llama.bindings import native
from localai.engines.llama.context import Context, Logits
from localai.errors import BadModel
from localai.types import Sampling

if TYPE_CHECKING:
    from localai.engines.llama.structured_output import (
        TokenMatcher,  # imports a library that few jobs need
    )

_KEEP = 1  # tokens that a cut leaves at least


def fresh_seed() -> int:
    """Return a seed of 32 bits (the library takes the highest one for 'none')."""
    return secrets.randbelow(2**32 - 1)


class Sampler:
    """Chooses the tokens of one answer.

    Parameters
    ----------
    sampling : Sampling
        What was asked for.
    seed : int
        Makes the choices repeatable, 0 to 2**32 - 2.
    prompt : sequence of int
        What the repeat penalty looks back on at first.
    n_vocab : int
        Tokens in the vocabulary.
    """

    def __init__(self, sampling: Sampling, seed: int, prompt: Sequence[int], n_vocab: int) -> None:
        self._chain = _chain(sampling, seed, n_vocab)
        if self._chain and _penalizes(sampling):
            for token in prompt[-sampling.repeat_last_n :]:
                native.llama_sampler_accept(self._chain, token)

    def choose(
        self, context: Context, row: Logits, index: int, matcher: TokenMatcher | None
    ) -> int:
        """Return the next token.

        Parameters
        ----------
        row : float32[n_vocab]
            The logits of this sequence; the constraint writes to them.
        index : int
            Where the sequence's last token stands in the batch.
        matcher : TokenMatcher or None
            The constraint that holds here.

        Raises
        ------
        BadModel
            The logits are no numbers.
        """
        best = int(row.argmax())
        if not math.isfinite(row[best]):  # argmax finds a NaN first
            raise BadModel("the model computes no numbers: its file is damaged", "fetch it anew")
        if matcher and not (self._chain is None and matcher.allows(best)):
            matcher.mask(row)
            best = int(row.argmax())
        return best if self._chain is None else context.sample(self._chain, index)

    def accept(self, token: int) -> None:
        """Tell the samplers of a token that was appended without them."""
        if self._chain:
            native.llama_sampler_accept(self._chain, token)

    def close(self) -> None:
        """Free the chain."""
        if self._chain:
            native.llama_sampler_free(self._chain)
            self._chain = None


def _penalizes(sampling: Sampling) -> bool:
    return sampling.repeat_penalty != 1.0 and sampling.repeat_last_n > 0


def _chain(sampling: Sampling, seed: int, n_vocab: int) -> Any:
    """Return llama.cpp's chain for `sampling`, or None where plain greedy does."""
    penalty = _penalizes(sampling)
    greedy = sampling.temperature <= 0
    if greedy and not penalty:
        return None
    parts: list[Any] = []
    if penalty:
        parts.append(
            native.llama_sampler_init_penalties(
                n_vocab, sampling.repeat_last_n, sampling.repeat_penalty, 0.0, 0.0
            )
        )
    parts += [native.llama_sampler_init_greedy()] if greedy else _random_parts(sampling, seed)
    chain = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
    for part in parts:
        native.llama_sampler_chain_add(chain, part)  # the chain owns its parts
    return chain


def _random_parts(sampling: Sampling, seed: int) -> list[Any]:
    cuts = [
        native.llama_sampler_init_top_k(sampling.top_k),
        native.llama_sampler_init_top_p(sampling.top_p, _KEEP),
        native.llama_sampler_init_min_p(sampling.min_p, _KEEP),
    ]
    temperature = native.llama_sampler_init_temp(sampling.temperature)
    ordered = [temperature, *cuts] if sampling.temperature_first else [*cuts, temperature]
    return [*ordered, native.llama_sampler_init_dist(seed)]
