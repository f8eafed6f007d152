"""One llama.cpp context with many sequences: batches, logits, and what the sequences remember.

Everything that makes the library abort (a batch beyond its size, more outputs than agreed, logits
of a row without any) is kept from happening here, so no caller needs to know of it.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from localai.engines.llama.bindings import CACHE_TYPES, FLASH_ATTENTION_AUTO, drain_log, native
from localai.engines.llama.context_params import ContextParams
from localai.engines.llama.thread_tuner import ThreadTuner
from localai.errors import NotEnoughMemory

if TYPE_CHECKING:
    from localai.engines.llama.projector import ImageChunk

Tokens = npt.NDArray[np.int32]
Logits = npt.NDArray[np.float32]

_libc = ctypes.CDLL(None)
# As an address: a pointer object and what it points to would be made for every token.
_get_logits = ctypes.cast(
    native.llama_get_logits, ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
)


class Run(NamedTuple):
    """Tokens of one sequence to evaluate in a step; logits are wanted for the last one or none."""

    sequence: int
    start: int  # position of the first token
    tokens: Sequence[int]
    logits: bool
    image: ImageChunk | None = None  # what the tokens stand for; it has a step of its own


class Context:
    """A llama.cpp context over a loaded model.

    Parameters
    ----------
    model : llama_model *
        Must live longer than the context.
    n_vocab : int
        Width of a row of logits.

    Raises
    ------
    NotEnoughMemory
        The library could not make it.
    """

    def __init__(self, model: Any, n_vocab: int, params: ContextParams) -> None:
        self.params = params
        self._n_vocab = n_vocab
        # `strlen` as the abort callback: non-zero once the flag holds a letter. A Python callback
        # would be called for every node of the graph and wait for the interpreter each time.
        self._abort = ctypes.create_string_buffer(2)
        self._pointer = native.llama_init_from_model(model, self._parameters(params))
        if not self._pointer:
            raise NotEnoughMemory(
                f"no memory for a context of {params.cells} tokens ({drain_log()})",
                "ask for a smaller --ctx",
            )
        self._memory = native.llama_get_memory(self._pointer)
        self._batch = native.llama_batch_init(params.batch, 0, 1)
        self._view_batch()
        self._rows: tuple[int, int, Logits] | None = None
        self._tuner = ThreadTuner(params.threads)

    def _parameters(self, params: ContextParams) -> Any:
        parameters = native.llama_context_default_params()
        parameters.n_ctx = params.cells
        parameters.n_batch = params.batch
        parameters.n_ubatch = params.batch
        parameters.n_seq_max = params.sequences
        parameters.n_outputs_max = (
            params.sequences
        )  # else room for logits of every token of a batch
        parameters.n_threads = parameters.n_threads_batch = params.threads
        parameters.flash_attn_type = FLASH_ATTENTION_AUTO
        parameters.type_k = parameters.type_v = CACHE_TYPES[params.cache_type]
        parameters.kv_unified = True  # sequences share cells, so a common prefix is kept once
        parameters.no_perf = True
        strlen = ctypes.cast(_libc.strlen, ctypes.c_void_p).value
        parameters.abort_callback = native.ggml_abort_callback(strlen)
        parameters.abort_callback_data = ctypes.addressof(self._abort)
        return parameters

    def _view_batch(self) -> None:
        size, batch = self.params.batch, self._batch
        self._token = np.ctypeslib.as_array(batch.token, (size,))
        self._position = np.ctypeslib.as_array(batch.pos, (size,))
        self._wanted = np.ctypeslib.as_array(batch.logits, (size,))
        np.ctypeslib.as_array(batch.n_seq_id, (size,))[:] = 1
        # Each token owns an array of one sequence id; they are allocated apart, so they are
        # repointed once into one array that a slice can fill.
        self._sequence = np.zeros(size, np.int32)
        self._own_pointers = [
            ctypes.cast(batch.seq_id[i], ctypes.c_void_p).value for i in range(size)
        ]
        self._point_sequences([self._sequence[i:].ctypes.data for i in range(size)])

    def _point_sequences(self, addresses: Sequence[int | None]) -> None:
        base = ctypes.cast(self._batch.seq_id, ctypes.POINTER(ctypes.c_void_p))
        for index, address in enumerate(addresses):
            base[index] = address

    def evaluate(self, runs: Sequence[Run]) -> int:
        """Evaluate one step.

        Returns
        -------
        int
            0: done; the rows of logits are those of the runs that want one, in their order.
            1: no cells left, nothing has changed. 2: aborted, some of it may be in memory.
            Any other number: the library refuses the batch.
        """
        if runs and (image := runs[0].image):
            return image.decode(self._pointer, runs[0].sequence, runs[0].start, self.params.batch)
        count = 0
        for run in runs:
            end = count + len(run.tokens)
            if end - count == 1:  # an answer's next token: slices would take 30 us
                self._token[count] = run.tokens[0]
                self._position[count] = run.start
                self._sequence[count] = run.sequence
            else:
                self._token[count:end] = run.tokens
                self._position[count:end] = np.arange(run.start, run.start + len(run.tokens))
                self._sequence[count:end] = run.sequence
                self._wanted[count:end] = 0
            self._wanted[end - 1] = run.logits
            count = end
        self._batch.n_tokens = count
        wall, cpu, size = time.perf_counter(), time.process_time(), self._tuner.size
        status = int(native.llama_decode(self._pointer, self._batch))
        if not status:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            self._tuner.note(count, wall, cpu)
            if self._tuner.size != size:
                native.llama_set_n_threads(self._pointer, self._tuner.size, self._tuner.size)
        return status

    def logits(self, count: int) -> Logits:
        """Return the rows of the last step.

        Parameters
        ----------
        count : int
            How many runs wanted logits.

        Returns
        -------
        float32[count, n_vocab]
            A view of the library's own memory, valid until the next step; writing to it changes
            what its samplers see.
        """
        address = _get_logits(self._pointer)
        if self._rows is None or self._rows[:2] != (address, count):
            whole = (ctypes.c_float * (count * self._n_vocab)).from_address(address)
            rows = np.ctypeslib.as_array(whole).reshape(count, self._n_vocab)
            self._rows = (address, count, rows)
        return self._rows[2]

    def sample(self, chain: Any, index: int) -> int:
        """Let a chain of the library's samplers choose from the logits of batch token `index`."""
        return int(native.llama_sampler_sample(chain, self._pointer, index))

    def abort(self) -> None:
        """Stop the step that is running in another thread (on a CPU; a GPU ends its step)."""
        self._abort.value = b"!"

    def rearm(self) -> None:
        """Take an `abort` back."""
        self._abort.value = b""

    def copy(self, source: int, target: int, length: int) -> None:
        """Let `target`, which has nothing there, share what `source` has before a position."""
        native.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def share(self, source: int, target: int, length: int) -> None:
        """Let `target`, which has the same before position `length`, share it with `source`."""
        native.llama_memory_seq_rm(self._memory, target, 0, length)
        self.copy(source, target, length)

    def trim(self, sequence: int, length: int) -> bool:
        """Forget all from position `length` on; False where the model cannot forget a part."""
        return bool(native.llama_memory_seq_rm(self._memory, sequence, length, -1))

    def length(self, sequence: int) -> int:
        """Return up to which position a sequence is in memory."""
        return int(native.llama_memory_seq_pos_max(self._memory, sequence)) + 1

    def save(self, sequence: int, tokens: Tokens, path: Path) -> bool:
        """Write the state of a sequence with its tokens to a file."""
        array = (ctypes.c_int32 * len(tokens))(*tokens.tolist())
        written = native.llama_state_seq_save_file(
            self._pointer, os.fsencode(path), sequence, array, len(tokens)
        )
        return bool(written)

    def restore(self, sequence: int, tokens: Tokens, path: Path) -> bool:
        """Read a sequence's state from a file; False if it does not fit, and then it is empty."""
        array = (ctypes.c_int32 * len(tokens))()
        count = ctypes.c_size_t()
        read = native.llama_state_seq_load_file(
            self._pointer, os.fsencode(path), sequence, array, len(tokens), ctypes.byref(count)
        )
        if read and count.value == len(tokens) and array[:] == tokens.tolist():
            return True
        self.trim(sequence, 0)
        return False

    def export(self, sequence: int) -> bytes:
        """Return the state of a sequence as bytes, for a context of another size."""
        size = native.llama_state_seq_get_size(self._pointer, sequence)
        buffer = (ctypes.c_uint8 * size)()
        count = native.llama_state_seq_get_data(self._pointer, buffer, size, sequence)
        return bytes(memoryview(buffer)[:count])

    def admit(self, sequence: int, state: bytes) -> bool:
        """Take the state that `export` of another context gave; False if it does not fit."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        read = native.llama_state_seq_set_data(self._pointer, buffer, len(state), sequence)
        return bool(read)

    def close(self) -> None:
        """Free the context."""
        self._rows = None
        self._point_sequences(self._own_pointers)
        native.llama_batch_free(self._batch)
        native.llama_free(self._pointer)
