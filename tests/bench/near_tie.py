"""How close the best tokens are along an answer, by llama.cpp's own functions alone."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

_MOST = 64  # candidates of a place


@dataclass(frozen=True)
class Candidate:
    """A token that may follow, its bytes, and how far its logit lies below the best."""

    token: int
    piece: bytes
    below: float


class Judge:
    """A model to be evaluated apart from all engines.

    Parameters
    ----------
    model : Path
        A GGUF file.
    threads : int
        CPU threads.
    """

    def __init__(self, model: Path, threads: int) -> None:
        llama_cpp.llama_log_set(_drop, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        parameters = llama_cpp.llama_model_default_params()
        self._model = llama_cpp.llama_model_load_from_file(str(model).encode(), parameters)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._size = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self._threads = threads

    def along(
        self, prompt: list[int], answer: list[int], *, at_once: bool = False
    ) -> list[list[Candidate]]:
        """Return who may follow the prompt, and each token of the answer, best first.

        Parameters
        ----------
        at_once : bool
            Evaluate all tokens in one batch, instead of one by one.
        """
        tokens = [*prompt, *answer]
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = len(tokens) + 8
        parameters.n_threads = parameters.n_threads_batch = self._threads
        context = llama_cpp.llama_init_from_model(self._model, parameters)
        first = len(prompt) - 1
        found = []
        steps = [range(len(tokens))] if at_once else [[place] for place in range(len(tokens))]
        for places in steps:
            self._evaluate(context, tokens, places)
            for index, place in enumerate(places):
                if place >= first:
                    pointer = llama_cpp.llama_get_logits_ith(context, index)
                    found.append(self._best(np.ctypeslib.as_array(pointer, (self._size,))))
        llama_cpp.llama_free(context)
        return found

    @staticmethod
    def _evaluate(context: Any, tokens: list[int], places: range | list[int]) -> None:
        batch = llama_cpp.llama_batch_init(len(places), 0, 1)
        batch.n_tokens = len(places)
        for index, place in enumerate(places):
            batch.token[index], batch.pos[index] = tokens[place], place
            batch.n_seq_id[index], batch.seq_id[index][0], batch.logits[index] = 1, 0, 1
        assert llama_cpp.llama_decode(context, batch) == 0
        llama_cpp.llama_batch_free(batch)

    def _best(self, logits: np.ndarray[Any, Any]) -> list[Candidate]:
        best = np.argsort(-logits)[:_MOST]
        below = (logits[best[0]] - logits[best]).tolist()
        return [
            Candidate(token, self._piece(token), distance)
            for token, distance in zip(best.tolist(), below, strict=True)
        ]

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(1024)
        count = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, 1024, 0, False)
        return buffer.raw[: max(0, count)]

    def fits(self, token: Candidate, rest: bytes) -> bool:
        """Whether an answer of which `rest` is left may go on with a token."""
        if not rest:
            return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token.token))
        return bool(token.piece) and rest.startswith(token.piece)


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _drop(*_: object) -> None:
    """Take the library's log and drop it."""
