"""GGUF files, as llama.cpp has them: weights, config and tokenizer in one file."""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_circuits.models.claims import Stored, check_claims, no_larger_than
from pytest_circuits.models.devices import resolve_dtype
from pytest_circuits.models.errors import ModelError, first_lines, first_of, require
from pytest_circuits.models.fetching import nothing_fetched
from pytest_circuits.models.fingerprint import combined
from pytest_circuits.models.hooking import read_model, unreadable
from pytest_circuits.models.sources.folders import refuse_pointers
from pytest_circuits.models.sources.source import Checkpoint, collecting_later

if TYPE_CHECKING:
    from gguf import GGUFReader
    from gguf.gguf_reader import ReaderTensor
    from transformers import PreTrainedModel

_MAGIC = b"GGUF"
#: How the names of tensors begin that scale rotary positions.
_ROPE_SCALES = ("rope_freqs", "rope_factors")
#: Types of values in the metadata.
_STRING, _ARRAY = 8, 9
#: Bytes of a value by its type: integers, floats and booleans.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
#: Magic and version; how many tensors there are, how many pairs of key and value.
_START = struct.Struct("<4sIQQ")


class _Contents(NamedTuple):
    """What is known of a file once it was read.

    Attributes:
        fingerprint: the fingerprint of its tensors, as they are stored.
        parts: over how many files the model is spread.
        has_tokenizer: whether there is one in the file.
        scales_rope: whether rotary positions are scaled.
        stored: how many tensors there are, and how many weights at most.
        counts: what the metadata count: layers, heads, experts, positions.
    """

    fingerprint: str
    parts: int
    has_tokenizer: bool
    scales_rope: bool
    stored: Stored
    counts: dict[str, Any]


class GgufCheckpoint(Checkpoint):
    """One GGUF file; what lies beside it has no part in the model.

    transformers dequantises the weights: to float32, unless another dtype is asked for.
    """

    def files(self) -> list[Path]:
        """The file."""
        return [Path(self.source.location)]

    def fingerprint(self) -> str:
        """The fingerprint of all tensors by name, type, shape and bytes, as they are stored."""
        return self._contents.fingerprint

    def rest(self) -> str:
        """A hash of the file's metadata: config, tokenizer."""
        self._check_magic()
        try:
            return _metadata_hash(Path(self.source.location))
        except Exception as error:
            raise self._damaged(error) from error

    def dtype(self, asked: str) -> str:
        """What was asked for, else float32."""
        return "float32" if asked == "auto" else asked.removeprefix("torch.")

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The model and its tokenizer, as transformers loads them."""
        from transformers import AutoTokenizer

        self._check_contents()
        kind = resolve_dtype(self.dtype(dtype), f"{self.source.text}:")
        # From an empty folder: beside the file may lie another model's config, tokenizer, adapter.
        # And transformers reads through the file's metadata, 100,000 small objects, several times.
        file = {"gguf_file": str(Path(self.source.location).absolute())}
        try:
            with (
                TemporaryDirectory() as empty,
                collecting_later(),
                nothing_fetched(self.source),
                no_larger_than(self.source, self._contents.stored),
            ):
                model, report = read_model(self.source, empty, kind, **file, **_dequantised())
                tokenizer = AutoTokenizer.from_pretrained(
                    empty, local_files_only=True, trust_remote_code=False, **file
                )
        except ModelError:
            raise
        except Exception as error:
            raise unreadable(self.source, error) from error
        self._check_model(model, report)
        return model, tokenizer

    @cached_property
    def _contents(self) -> _Contents:
        """What is in the file. It is read once: of a large vocabulary that takes seconds."""
        require(self.source, "a GGUF file", "gguf", "gguf")
        from gguf import GGUFReader

        self._check_magic()
        try:
            with collecting_later():
                reader = GGUFReader(self.source.location)
            return _Contents(
                fingerprint=_fingerprint(reader.tensors),
                parts=_value(reader, "split.count") or 1,
                has_tokenizer="tokenizer.ggml.tokens" in reader.fields,
                scales_rope=_scales_rope(reader),
                stored=Stored.of(
                    (each.tensor_type.name, tuple(map(int, each.shape))) for each in reader.tensors
                ),
                counts={
                    key: _value(reader, key)
                    for key in reader.fields
                    if key.endswith(("_count", "_length"))
                },
            )
        except Exception as error:
            raise self._damaged(error) from error

    def _check_magic(self) -> None:
        refuse_pointers(self.source, [Path(self.source.location)])
        with Path(self.source.location).open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ModelError(
                    f"{self.source.text}: this is no GGUF file, whatever its name says "
                    f"(it doesn't begin with {_MAGIC.decode()}).\n"
                    f"A checkpoint of another format is named by its folder."
                )

    def _damaged(self, error: Exception) -> ModelError:
        return ModelError(
            f"{self.source.text}: the GGUF file is damaged or was cut short:\n"
            f"{first_lines(error)}\n"
            f"Copy or convert it again."
        )

    def _check_contents(self) -> None:
        """Refuse what transformers would make another model of."""
        check_claims(self.source, self._contents.counts, self._contents.stored)
        if self._contents.parts > 1:
            raise ModelError(
                f"{self.source.text}: this is one of {self._contents.parts} parts of a model, and "
                f"transformers reads GGUF models from one file.\n"
                f"Merge them: llama-gguf-split --merge FIRST_PART MERGED.gguf"
            )
        if not self._contents.has_tokenizer:
            raise ModelError(
                f"{self.source.text}: there is no tokenizer in the file (tokenizer.ggml.tokens).\n"
                f"Convert the model again, with its tokenizer."
            )

    def _check_model(self, model: PreTrainedModel, report: dict[str, Any]) -> None:
        """Refuse weights that are random, because the file has none that fit."""
        sized = {name for name, *_ in report["mismatched_keys"]}
        wrong = sorted(sized | set(report["missing_keys"]))
        if wrong:
            raise ModelError(
                f"{self.source.text}: the file's tensors don't fit its metadata.\n"
                f"missing, or of another size: {first_of(wrong)}\n"
                f"Is it a whole model? Adapters and projectors can't be loaded by themselves."
            )
        rope = getattr(model.config, "rope_parameters", None) or {}
        if self._contents.scales_rope and rope.get("rope_type", "default") == "default":
            raise ModelError(
                f"{self.source.text}: the file scales rotary positions, and transformers leaves "
                f"that out of a {type(model).__name__}:\n"
                f"its numbers would be another model's. Use the checkpoint it was converted from."
            )


def _dequantised() -> dict[str, Any]:
    """What keeps transformers from leaving weights packed, where it can."""
    import transformers

    config: Any = getattr(transformers, "GgufConfig", None)
    return {} if config is None else {"quantization_config": config(dequantize=True)}


def _fingerprint(tensors: list[ReaderTensor]) -> str:
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(_digest, tensors))
    return combined(
        (tensor.name, 0, digest) for tensor, digest in zip(tensors, digests, strict=True)
    )


def _digest(tensor: ReaderTensor) -> bytes:
    what = [tensor.name, tensor.tensor_type.name, tensor.shape.tolist()]
    digest = hashlib.sha256(json.dumps(what).encode())
    digest.update(tensor.data.data)
    return digest.digest()


def _value(reader: GGUFReader, key: str) -> Any:  # noqa: ANN401 — whatever the file has there
    field = reader.get_field(key)
    return None if field is None else field.contents()


def _scales_rope(reader: GGUFReader) -> bool:
    kinds = {_value(reader, key) for key in reader.fields if key.endswith(".rope.scaling.type")}
    return bool(kinds - {"none"}) or any(
        tensor.name.startswith(_ROPE_SCALES) for tensor in reader.tensors
    )


def _metadata_hash(path: Path) -> str:
    """SHA-256 over the metadata of a GGUF file, which hold its config and its tokenizer.

    They are counted pairs of a key (a string) and a value, whose type comes first; a string is its
    length and its bytes, an array its elements' type, their count, and they. The library ``gguf``
    reads them too, but takes seconds for a large vocabulary, and this is asked for in every run.

    Raises:
        ValueError: if they don't end within the file.
        KeyError: for a value of unknown type.
        struct.error: if the file ends in the middle of a number.
    """
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        end = _end(view)
        if end > len(view):
            raise ValueError(f"its metadata end at byte {end}, the file at byte {len(view)}")
        with view[:end] as metadata:
            return hashlib.sha256(metadata).hexdigest()


def _end(data: memoryview) -> int:
    """Where the metadata end."""
    *_, pairs = _START.unpack_from(data)
    position = _START.size
    for _ in range(pairs):
        position = _after(data, position, _STRING)
        (kind,) = struct.unpack_from("<I", data, position)
        position = _after(data, position + 4, kind)
    return position


def _after(data: memoryview, position: int, kind: int) -> int:
    """Where a value of some type ends that begins at a position."""
    if kind == _STRING:
        (length,) = struct.unpack_from("<Q", data, position)
        return position + 8 + int(length)
    if kind != _ARRAY:
        return position + _SIZES[kind]
    inner, count = struct.unpack_from("<IQ", data, position)
    position += 12
    if inner in _SIZES:
        return position + int(count) * _SIZES[inner]
    for _ in range(count):
        position = _after(data, position, inner)
    return position
