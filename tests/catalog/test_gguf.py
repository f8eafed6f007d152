"""GGUF headers: what is read, what is refused, and that damage never does anything else."""

from __future__ import annotations

import os
import random
import socket
import struct
import time
from pathlib import Path
from typing import Any

import gguf as writing
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localai.catalog.gguf.check import Header, SkippedArray, TensorInfo, check, files, read_header
from localai.errors import BadModel, ExitCode
from tests.support import damage

SLOW = 5.0  # seconds; a hang is a failure, a slow machine is not
FAST = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return damage.healthy(tmp_path_factory.mktemp("models") / "healthy.gguf")


@pytest.fixture(scope="module")
def spelling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose vocabulary spells bytes: <0x00> to <0xFF>."""
    return damage.healthy(tmp_path_factory.mktemp("models") / "spelling.gguf", "spm")


def refusal(path: Path) -> BadModel:
    """Return the error that `check` raises; it says one sentence and a next step."""
    with pytest.raises(BadModel) as caught:
        check(path)
    error = caught.value
    assert error.code == ExitCode.UNAVAILABLE
    assert path.name in error.what and error.next_step
    assert "\n" not in error.what and error.what.isprintable() and len(error.what) < 600
    return error


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# ---- what is read


def test_a_healthy_model(model: Path) -> None:
    header = check(model)
    assert (header.architecture, header.name, header.version) == ("llama", "healthy", 3)
    assert (header.block_count, header.embedding_length, header.context_length) == (2, 64, 256)
    assert (header.vocabulary, header.quantisation) == (262, "F16")
    assert header.chat_template is not None and header.chat_template.startswith("{% for m")
    assert (header.head_count, header.head_count_kv) == ((4, 4), (2, 2))
    assert (header.key_length, header.value_length) == (16, 16)
    assert header.sliding_window is None and header.expert_count == 0 and header.ssm == {}
    assert header.file_bytes == model.stat().st_size
    assert header.parameters == 262 * 64 + 64 + 2 * (
        2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 96
    )
    assert isinstance(header.metadata["tokenizer.ggml.tokens"], SkippedArray)


def test_other_tokenizers_pass(spelling: Path) -> None:
    assert check(spelling).vocabulary == 259 + 30


def test_memory_figures(model: Path) -> None:
    header = check(model)
    assert header.kv_elements() == (64, 64)
    assert header.kv_bytes_per_token() == 256
    assert header.kv_bytes_per_token(type_bytes=34 / 32) == 136
    groups = header.tensor_bytes()
    assert set(groups) == {"token_embd", "output", "blk.0", "blk.1"}
    assert groups["token_embd"] == 262 * 64 * 2 and groups["blk.0"] == groups["blk.1"]
    assert sum(groups.values()) == sum(tensor.bytes for tensor in header.tensors)


def header_of(architecture: str, *tensors: str, **numbers: Any) -> Header:
    """A header made by hand, for rules about architectures that are not written out here."""
    metadata: dict[str, Any] = {"general.architecture": architecture}
    metadata |= {f"{architecture}.{key.replace('__', '.')}": numbers[key] for key in numbers}
    listed = tuple(TensorInfo(name, (32,), "F32", 0, 128) for name in tensors)
    return Header(Path("made.gguf"), 3, metadata, listed, 32, 0, 0)


def test_layers_of_different_kinds() -> None:
    mixed = header_of(
        "lfm2",
        block_count=3,
        embedding_length=64,
        attention__head_count=4,
        attention__head_count_kv=(0, 2, 0),
    )
    assert mixed.kv_elements() == (0, 2 * 32, 0)
    sparse = header_of(
        "qwen35",
        block_count=4,
        embedding_length=64,
        attention__head_count=2,
        attention__key_length=8,
        attention__value_length=8,
        full_attention_interval=4,
    )
    assert sparse.kv_elements() == (0, 0, 0, 32)
    latent = header_of(
        "deepseek2",
        block_count=1,
        embedding_length=64,
        attention__head_count=8,
        attention__head_count_kv=1,
        attention__key_length=576,
        attention__value_length=512,
        attention__key_length_mla=192,
    )
    assert latent.kv_bytes_per_token() == 576 * 2
    recurrent = header_of("mamba", block_count=2, embedding_length=64, attention__head_count=0)
    assert recurrent.kv_bytes_per_token() == 0 and recurrent.key_length == 0


def test_experts_are_a_group_of_their_own() -> None:
    names = ("blk.0.ffn_up_exps.weight", "blk.0.attn_q.weight", "output_norm.weight", "rope_freqs")
    groups = header_of("qwen3moe", *names).tensor_bytes()
    assert groups == {"blk.0.experts": 128, "blk.0": 128, "output": 128, "other": 128}


def test_a_large_vocabulary_is_skipped_quickly(tmp_path: Path) -> None:
    writer = writing.GGUFWriter(tmp_path / "large.gguf", "llama")
    writer.add_array("tokenizer.ggml.tokens", [f"token{number}" for number in range(60_000)])
    writer.add_array("tokenizer.ggml.scores", [0.5] * 60_000)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    begin = time.perf_counter()
    header = read_header(tmp_path / "large.gguf")
    assert time.perf_counter() - begin < 1
    assert header.vocabulary == 60_000
    scores = header.metadata["tokenizer.ggml.scores"]
    assert isinstance(scores, SkippedArray)
    assert (scores.type, scores.count) == ("float32", 60_000)


def test_a_long_text_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    writer = writing.GGUFWriter(path, "llama")
    writer.add_string("general.description", "x" * (1 << 21))
    writer.add_string("general.name", "after")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    header = read_header(path)
    skipped = header.metadata["general.description"]
    assert isinstance(skipped, SkippedArray) and (skipped.type, skipped.count) == ("text", 1 << 21)
    assert header.name == "after"


NUMBERS = {
    "uint8": (st.integers(0, 255), np.uint8),
    "int16": (st.integers(-(1 << 15), (1 << 15) - 1), np.int16),
    "uint32": (st.integers(0, (1 << 32) - 1), np.uint32),
    "int64": (st.integers(-(1 << 63), (1 << 63) - 1), np.int64),
    "float64": (st.floats(allow_nan=False), np.float64),
    "bool": (st.booleans(), np.bool_),
    "string": (st.text(min_size=1, max_size=40), None),
}
PAIRS = st.sampled_from(sorted(NUMBERS)).flatmap(
    lambda kind: st.tuples(st.just(kind), NUMBERS[kind][0])
)


@FAST
@given(
    metadata=st.dictionaries(st.from_regex(r"x\.[a-z_.]{1,30}", fullmatch=True), PAIRS, max_size=9),
    lists=st.lists(st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=1), max_size=3),
    shapes=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), max_size=4),
)
def test_what_was_written_reads_back(
    tmp_path: Path, metadata: dict[str, Any], lists: list[list[int]], shapes: list[list[int]]
) -> None:
    path = tmp_path / "written.gguf"
    writer = writing.GGUFWriter(path, "made-up")
    for key, (kind, value) in metadata.items():
        getattr(writer, f"add_{kind}")(key, value)
    for number, values in enumerate(lists):
        writer.add_array(f"list.{number}", values)
    for number, shape in enumerate(shapes):
        writer.add_tensor(f"t{number}", np.ones(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_header(path)
    assert header.architecture == "made-up"
    assert {key: header.metadata[key] for key in metadata} == {
        key: value for key, (_, value) in metadata.items()
    }
    for number, values in enumerate(lists):
        assert header.metadata[f"list.{number}"] == tuple(values)
    assert [list(tensor.shape)[::-1] for tensor in header.tensors] == shapes


# ---- what is refused


def test_every_structural_damage_is_refused(model: Path, tmp_path: Path) -> None:
    variants = damage.variants(model)
    assert len(variants) >= 200 and len({name for name, _ in variants}) == len(variants)
    passed, slow = [], []
    for name, data in variants:
        path = write(tmp_path / "damaged.gguf", data)
        begin = time.perf_counter()
        try:
            check(path)
        except BadModel:
            refusal(path)
        else:
            passed.append(name)
        if time.perf_counter() - begin > SLOW:
            slow.append(name)
    assert (passed, slow) == ([], [])


@pytest.mark.parametrize("seed", range(3))
def test_flipped_bits_give_a_header_or_a_refusal(model: Path, tmp_path: Path, seed: int) -> None:
    for _, data in damage.flips(model, 300, seed):
        path = write(tmp_path / "flipped.gguf", data)
        try:
            assert isinstance(check(path), Header)
        except BadModel as error:
            assert error.what.isprintable()


@FAST
@given(data=st.binary(max_size=400), magic=st.booleans())
def test_random_bytes_are_refused(tmp_path: Path, data: bytes, magic: bool) -> None:
    refusal(write(tmp_path / "random.gguf", b"GGUF\x03\0\0\0" + data if magic else data))


@FAST
@given(chance=st.randoms(use_true_random=False))
def test_random_edits_give_a_header_or_a_refusal(
    model: Path, tmp_path: Path, chance: random.Random
) -> None:
    path = write(tmp_path / "edited.gguf", damage.mutated(model.read_bytes(), chance))
    try:
        check(path)
    except BadModel as error:
        assert error.what.isprintable()


@pytest.mark.parametrize(
    ("data", "meaning"),
    [
        (b"", "empty"),
        (b"<!doctype html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"PK\x03\x04" + bytes(60), "ZIP archive or a PyTorch"),
        (struct.pack("<Q", 20) + b'{"__metadata__":{}}', "safetensors"),
        (b"Dear reader,\nthis is a letter.", "text file"),
        (bytes(5000), "interrupted"),
        (b"GGUF\x01\0\0\0" + bytes(40), "version 1 is too old"),
        (b"GGUF\0\0\0\x03" + bytes(40), "big-endian"),
        (b"GGUF\x03\0\0", "ends in the middle"),
    ],
)
def test_says_what_it_looks_like(tmp_path: Path, data: bytes, meaning: str) -> None:
    assert meaning in refusal(write(tmp_path / "thing.gguf", data)).what


def test_a_download_that_was_cut_short(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "cut.gguf", model.read_bytes()[:-1000])
    error = refusal(path)
    assert "1000 bytes are missing" in error.what and "download" in error.next_step


def test_things_that_are_not_files(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.gguf").what
    folder = tmp_path / "folder.gguf"
    folder.mkdir()
    assert "folder" in refusal(folder).what
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    begin = time.perf_counter()
    assert "not a regular file" in refusal(pipe).what
    assert time.perf_counter() - begin < SLOW
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        here = os.open(".", os.O_RDONLY)
        try:  # a relative name, since the path of a socket is at most about 108 bytes
            os.chdir(tmp_path)
            listener.bind("socket.gguf")
        finally:
            os.fchdir(here)
            os.close(here)
        refusal(tmp_path / "socket.gguf")
    (tmp_path / "loop.gguf").symlink_to("loop.gguf")
    refusal(tmp_path / "loop.gguf")
    with pytest.raises(BadModel):
        check(Path("/dev/null"))
    with pytest.raises(BadModel):
        check(Path("nul\0byte.gguf"))


def test_a_file_without_read_rights(model: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "secret.gguf", model.read_bytes())
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root reads everything
        os.seteuid(65534)
    try:
        assert "Permission denied" in refusal(path).what
    finally:
        os.seteuid(user)


def test_control_characters_in_a_name_are_shown(tmp_path: Path) -> None:
    with pytest.raises(BadModel) as caught:
        check(tmp_path / "red\x1b[31m\n.gguf")
    assert "\\x1b[31m\\n.gguf" in caught.value.what


def changed(model: Path, path: Path, old: bytes, new: bytes) -> Path:
    data = model.read_bytes()
    assert len(old) == len(new) and data.count(old) >= 1
    return write(path, data.replace(old, new, 1))


def test_a_missing_byte_token_is_refused(spelling: Path, tmp_path: Path) -> None:
    path = changed(spelling, tmp_path / "x.gguf", b"<0x41>", b"<0x4!>")
    assert "no token <0x41>" in refusal(path).what


def test_a_vocabulary_of_another_tokenizer_is_refused(model: Path, tmp_path: Path) -> None:
    path = changed(model, tmp_path / "x.gguf", b"gpt2", b"none")
    check(path)  # no tokens are read at all
    data = model.read_bytes().replace(struct.pack("<Q", 4) + b"gpt2", b"\5" + bytes(7) + b"llama")
    data = data.replace(struct.pack("<Q", 7) + b"healthy", b"\6" + bytes(7) + b"health")
    assert "no token <0x00>" in refusal(write(path, data)).what


def test_a_repeated_token_is_refused(spelling: Path, tmp_path: Path) -> None:
    path = changed(spelling, tmp_path / "x.gguf", b"<unk>", b"hell\x02")
    check(path)
    path = changed(spelling, tmp_path / "x.gguf", b"<0x41>", b"<0x42>")
    assert "same token twice" in refusal(path).what


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"llama__expert_count": 4}, "expert_used_count"),
        ({"llama__expert_count": 4000, "llama__expert_used_count": 2}, "expert_count"),
        ({"llama__expert_used_count": 2}, "expert_used_count"),
        ({"llama__nextn_predict_layers": 3}, "nextn_predict_layers"),
        ({"llama__pooling_type": 9}, "pooling_type"),
        ({"llama__expert_gating_func": 99}, "expert_gating_func"),
        ({"llama__attention__key_length": 1 << 24}, "key_length"),
        ({"llama__wkv__head_size": 0}, "wkv.head_size"),
        ({"llama__attention__sliding_window": (1 << 31) + 32}, "sliding_window"),
        ({"llama__full_attention_interval": 0}, "full_attention_interval"),
    ],
)
def test_numbers_the_engine_would_abort_on(
    tmp_path: Path, extra: dict[str, int], said: str
) -> None:
    assert said in refusal(damage.healthy(tmp_path / "numbers.gguf", **extra)).what


@pytest.mark.parametrize(
    ("kind", "said"), [("mmproj", "encoder"), ("adapter", "adapter"), ("imatrix", "matrix")]
)
def test_files_that_go_with_a_model(tmp_path: Path, kind: str, said: str) -> None:
    path = tmp_path / "other.gguf"
    writer = writing.GGUFWriter(path, "llama")
    writer.add_type(kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert said in refusal(path).what


def test_a_vocabulary_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.gguf"
    writer = writing.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["a", "b"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert "only a vocabulary" in refusal(path).what


# ---- split models


@pytest.fixture
def parts(model: Path, tmp_path: Path) -> list[Path]:
    """The healthy model in two files: all metadata and the embedding, then the layers."""
    reader = writing.GGUFReader(model)
    paths = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    plain = damage.healthy(tmp_path / "plain.gguf")
    for number, path in enumerate(paths):
        writer = writing.GGUFWriter(path, "llama")
        if number == 0:
            copy_metadata(writer, writing.GGUFReader(plain))
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 2)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        for tensor in reader.tensors:
            if (tensor.name == "token_embd.weight") == (number == 0):
                writer.add_tensor(tensor.name, tensor.data)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return paths


def copy_metadata(writer: writing.GGUFWriter, reader: writing.GGUFReader) -> None:
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            kinds = [*field.types, None]
            writer.add_key_value(key, field.contents(), kinds[0], sub_type=kinds[1])


def test_all_parts_are_read(parts: list[Path], model: Path) -> None:
    assert files(parts[0]) == files(parts[1]) == tuple(parts)
    whole, header = check(model), check(parts[0])
    assert header.split_count == 2 and header.parameters == whole.parameters
    assert header.tensor_bytes() == whole.tensor_bytes()
    assert header.file_bytes == sum(part.stat().st_size for part in parts)
    assert files(model) == (model,)


def test_a_missing_part_is_named(parts: list[Path]) -> None:
    parts[1].unlink()
    assert "part 2 of 2, m-00002-of-00002.gguf, is missing" in refusal(parts[0]).what
    with pytest.raises(BadModel, match="part 2 of 2"):
        files(parts[0])


def test_the_second_part_leads_to_the_first(parts: list[Path]) -> None:
    assert parts[0].name in refusal(parts[1]).next_step


def test_a_damaged_part_is_refused(parts: list[Path]) -> None:
    write(parts[1], parts[1].read_bytes()[:-500])
    with pytest.raises(BadModel, match="bytes are missing"):
        check(parts[0])
    write(parts[1], parts[0].read_bytes())
    with pytest.raises(BadModel, match="not part 2 of 2"):
        check(parts[0])


def test_a_renamed_part_is_refused(parts: list[Path]) -> None:
    renamed = parts[0].rename(parts[0].with_name("mine.gguf"))
    assert "-00001-of-00002.gguf" in refusal(renamed).next_step
