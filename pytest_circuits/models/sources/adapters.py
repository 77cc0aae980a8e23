"""Adapters (LoRA and its relatives): a folder that peft wrote, merged into its base.

The base is whatever ``base_model_name_or_path`` in adapter_config.json names: any source of a
Hugging Face model, another adapter too. A relative path starts from the adapter's own folder, or
from the working directory where there is no such path.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.architectures import text_model
from pytest_circuits.models.claims import Stored, check_claims, no_larger_than
from pytest_circuits.models.errors import ModelError, first_lines, problem_lines, require
from pytest_circuits.models.fetching import nothing_fetched
from pytest_circuits.models.fingerprint import fingerprint
from pytest_circuits.models.hooking import read_tokenizer
from pytest_circuits.models.same_logits import deviation, sample_logits, sample_tokens
from pytest_circuits.models.sources.folders import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    loaded_files,
    read_config,
    stored_tensors,
)
from pytest_circuits.models.sources.source import (
    Checkpoint,
    SourceKind,
    hash_files,
    is_path,
    parse_source,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from torch import nn
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.source import Opener, Source

#: Where the base is, which is no part of what it is.
_WHERE = ("base_model_name_or_path", "revision")
#: What of an adapter is hashed apart from its other files.
_OWN = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)
#: peft's names of an adapter's tensors begin so, then comes the name in the base.
_PREFIX = "base_model.model."
_NAME = "default"
#: Lines of what is wrong with a base, in an adapter's own error.
_LINES = 4


class AdapterCheckpoint(Checkpoint):
    """A folder with an adapter_config.json and an adapter_model.safetensors.

    Attributes:
        folder: where they are.
        above: the folders of adapters whose base it is.
    """

    def __init__(self, source: Source, folder: Path, open_base: Opener) -> None:
        super().__init__(source)
        self.folder = folder
        self._open_base = open_base
        self.above: tuple[Path, ...] = ()

    def files(self) -> list[Path]:
        """Those in the adapter's folder, then the base's."""
        return [*self._own_files(), *self._base.files()]

    def weights(self) -> list[Path]:
        """The adapter's tensors, then the base's."""
        return [self.folder / ADAPTER_WEIGHTS, *self._base.weights()]

    @property
    def is_all_in_files(self) -> bool:
        """If its base is."""
        return self._base.is_all_in_files

    def fingerprint(self) -> str | None:
        """SHA-256 over the fingerprints of the base and of the adapter's tensors."""
        base = self._base.fingerprint()
        if base is None:
            return None
        own = fingerprint([self.folder / ADAPTER_WEIGHTS])
        both = hashlib.sha256(f"{base}\n{own}".encode())
        kind, _, _ = base.partition(":")  # what the base's is made of
        return f"{kind}:{both.hexdigest()}"

    def rest(self) -> str:
        """As for all, but not where the base is, nor in which order peft listed a set of names."""
        config = {key: value for key, value in self._config.items() if key not in _WHERE}
        total = hashlib.sha256(self._base.rest().encode())
        total.update(json.dumps(_in_order(config), sort_keys=True).encode())
        others = (path for path in self._own_files() if path.name not in _OWN)
        hash_files(total, others)
        return total.hexdigest()

    def dtype(self, asked: str) -> str:
        """The base's."""
        return self._base.dtype(asked)

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The merged model, and the adapter's own tokenizer if it has one."""
        require(self.source, "an adapter", "peft", "peft")
        with nothing_fetched(self.source):
            # What peft's neighbours say while they are imported is for their own developers.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                import peft  # noqa: F401

            config = _read_mergeable(self.source, self.folder)
        base = self._base
        with self._says_whose_base():
            model, tokenizer = base.plain(dtype)
        own = self._own_tokenizer()
        with nothing_fetched(self.source):
            model = _merged(self.source, self.folder, config, model, base.source.text)
        return model, tokenizer if own is None else own

    @cached_property
    def _config(self) -> dict[str, Any]:
        return read_config(self.source, self.folder, ADAPTER_CONFIG)

    @cached_property
    def _base(self) -> Checkpoint:
        config = self._config
        with self._says_whose_base():
            base = self._open_base(self._base_source(config))
            if isinstance(base, AdapterCheckpoint):
                base.above = (*self.above, self.folder.resolve())
                if base.folder.resolve() in base.above:
                    raise ModelError(f"{base.folder}: this adapter is a base of itself.")
        return base

    def _base_source(self, config: dict[str, Any]) -> Source:
        named = config.get("base_model_name_or_path")
        if not named or not isinstance(named, str):
            raise ModelError("There is none: base_model_name_or_path is empty.")
        beside = is_path(named, self.folder)
        source = parse_source(named, self.folder if beside else None)
        if source.kind in (SourceKind.FACTORY, SourceKind.OTHER) and (
            self.source.kind is SourceKind.HUB
        ):
            raise ModelError(f"{named}: an adapter from the hub can't say which code to run.")
        revision = config.get("revision")
        if source.kind is SourceKind.HUB and revision and not source.revision:
            return replace(source, text=f"{named}@{revision}", revision=revision)
        return source

    @contextmanager
    def _says_whose_base(self) -> Iterator[None]:
        try:
            yield
        except ModelError as error:
            said = "\n".join(str(error).splitlines()[:_LINES])
            raise ModelError(
                f"{self.source.text}: the base of this adapter can't be used.\n{said}\n"
                f"Name its base as base_model_name_or_path in {self.folder / ADAPTER_CONFIG}."
            ) from error

    def _own_files(self) -> list[Path]:
        # The model card, which is of no effect, names the base's path.
        return [path for path in loaded_files(self.folder) if path.suffix != ".md"]

    def _own_tokenizer(self) -> Any:  # noqa: ANN401 — any Hugging Face tokenizer
        if not (self.folder / "tokenizer_config.json").exists():
            return None
        return read_tokenizer(self.source, self.folder)


def _in_order(value: Any) -> Any:  # noqa: ANN401 — JSON
    """JSON with every list of names sorted."""
    if isinstance(value, dict):
        return {key: _in_order(item) for key, item in value.items()}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(value)
    return value


def _read_mergeable(source: Source, folder: Path) -> Any:  # noqa: ANN401 — one class for each kind
    """The config of an adapter that changes nothing but weights.

    Raises:
        ModelError: if the folder holds another, or one that the installed peft doesn't know, or one
            that names code to run.
    """
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

    config = _read_config(source, folder)
    kind = config.peft_type
    if not hasattr(PEFT_TYPE_TO_TUNER_MAPPING[kind], "merge_and_unload"):
        raise ModelError(
            f"{source.text}: an adapter of kind {kind.value} can't be merged into its base's "
            f"weights.\n"
            f"Those that can are loaded: LoRA, DoRA, LoHa, LoKr, IA3 and others of peft's."
        )
    if getattr(config, "megatron_config", None):
        raise ModelError(
            f"{source.text}: {ADAPTER_CONFIG} has a megatron_config, for which peft would import "
            f"the module that it names ({config.megatron_core}).\n"
            f"No code that an adapter names is run. Merge it yourself, and save the whole model."
        )
    return config


def _merged(
    source: Source,
    folder: Path,
    config: Any,  # noqa: ANN401
    model: PreTrainedModel,
    base: str,
) -> PreTrainedModel:
    """The model with the adapter merged into it; it is changed in place.

    Embeddings are resized to those that the adapter brings.

    Args:
        source: how the user named the adapter.
        folder: where it is.
        config: as :func:`_read_mergeable` gives it.
        model: its base, on the CPU.
        base: how the adapter names the base.

    Raises:
        ModelError: if it doesn't fit the model, or can't be merged into it.
    """
    import torch
    from peft import PeftModel

    shapes = _stored_shapes(source, folder / ADAPTER_WEIGHTS)
    stored = Stored.of(("", shape) for shape in shapes.values())
    check_claims(source, config.to_dict(), stored, ADAPTER_CONFIG)
    try:
        # peft draws weights only to replace them, and asks for what transformers calls deprecated.
        with (
            torch.random.fork_rng(devices=[]),
            warnings.catch_warnings(),
            no_larger_than(source, stored, ADAPTER_CONFIG),
        ):
            warnings.simplefilter("ignore", FutureWarning)
            if not _names_parts(model, shapes):
                model = text_model(source, model)
            _resize(source, model, shapes)
            _untie(model, shapes)
            tokens = sample_tokens(model)
            wrapped: Any = PeftModel(model, config, adapter_name=_NAME)
            # Unlike from_pretrained it tells what is missing, and what it knew nothing to do with.
            report = wrapped.load_adapter(folder, _NAME, torch_device="cpu")
    except ModelError:
        raise
    except KeyError as error:  # of a module that was trained as a whole
        raise _misfit(source, folder, base, f"missing: {error.args[0]}") from error
    except Exception as error:
        raise _misfit(source, folder, base, first_lines(error)) from error
    problems = problem_lines(
        {
            "missing": {*report.missing_keys, *_unsaved(wrapped, shapes)},
            "not in the base": _unused(report.unexpected_keys, shapes),
        }
    )
    if problems:
        raise _misfit(source, folder, base, "\n".join(problems))
    wrapped.eval()
    try:
        expected = sample_logits(wrapped, tokens)
        result: PreTrainedModel = wrapped.merge_and_unload()
    except Exception as error:
        raise ModelError(
            f"{source.text}: peft can't merge it into {base}:\n{first_lines(error)}"
        ) from error
    missed = deviation(expected, sample_logits(result, tokens), result.dtype)
    if missed is not None:
        raise ModelError(
            f"{source.text}: merged into {base}, the adapter gives other logits than on top of it\n"
            f"(they differ by {missed:.1g} standard deviations), as where it shares or packs "
            f"weights.\nMerge it yourself, as you mean it, and save the whole model."
        )
    # Else the next adapter's peft takes this one for unmerged.
    vars(result).pop("peft_config", None)
    return result


def _names_parts(model: PreTrainedModel, shapes: Iterable[str]) -> bool:
    """Whether an adapter's tensors are named after a model's modules.

    Those of an adapter that was trained on a multimodal model's text model alone aren't.
    """
    modules = {name for name, _ in model.named_modules()}
    paths = (name.removeprefix(_PREFIX).split(".") for name in shapes)
    # A tensor is a module's own, or a part's of what was put beside it: q_proj.lora_A.weight.
    return any(".".join(path[:-cut]) in modules for path in paths for cut in (1, 2))


def _read_config(source: Source, folder: Path) -> Any:  # noqa: ANN401 — one class for each kind
    from peft import PeftConfig

    try:
        with warnings.catch_warnings():
            # Of fields that this peft doesn't know, and would leave out.
            warnings.filterwarnings("error", "Unexpected keyword arguments")
            return PeftConfig.from_pretrained(str(folder))
    except Exception as error:
        raise ModelError(
            f"{source.text}: peft can't read {ADAPTER_CONFIG}:\n{first_lines(error)}"
        ) from error


def _misfit(source: Source, folder: Path, base: str, problem: str) -> ModelError:
    return ModelError(
        f"{source.text}: the adapter doesn't fit its base, {base}.\n{problem}\n"
        f"Name the model that it was trained on as base_model_name_or_path in "
        f"{folder / ADAPTER_CONFIG}."
    )


def _stored_shapes(source: Source, path: Path) -> dict[str, tuple[int, ...]]:
    try:
        return {name: shape for name, (_, shape) in stored_tensors(path).items()}
    except Exception as error:
        raise ModelError(
            f"{source.text}: {path.name} can't be read:\n{first_lines(error)}"
        ) from error


def _resize(source: Source, model: PreTrainedModel, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Give the model's embeddings the rows that those of the adapter have."""
    untyped: Any = model
    both = (untyped.get_input_embeddings(), untyped.get_output_embeddings())
    ends = {name: module.weight for name, module in untyped.named_modules() if module in both}
    brought = {
        name: shape[0]
        for name in ends
        for ending in ("weight", "base_layer.weight")
        if (shape := shapes.get(f"{_PREFIX}{name}.{ending}"))
    }
    resized = {name: rows for name, rows in brought.items() if rows != ends[name].shape[0]}
    if not resized:
        return
    tied = len({id(weight) for weight in ends.values()}) == 1
    if not tied and resized.keys() < ends.keys():
        lacking = min(ends.keys() - resized.keys())
        raise ModelError(
            f"{source.text}: the adapter resizes {min(resized)} to {max(resized.values())} tokens, "
            f"but does not bring the new rows of {lacking}.\n"
            f"Save it again with model.save_pretrained(folder, save_embedding_layers=True)."
        )
    model.resize_token_embeddings(max(resized.values()), mean_resizing=False)


def _untie(model: PreTrainedModel, shapes: Iterable[str]) -> None:
    """Give a head that is tied to the embedding weights of its own, if one of them is adapted.

    Merged into what they share, the change would be the other's too.
    """
    untyped: Any = model
    embedding, head = untyped.get_input_embeddings(), untyped.get_output_embeddings()
    if head is None or head.weight is not embedding.weight:
        return
    ends = [name for name, module in untyped.named_modules() if module in (embedding, head)]
    if any(f"{_PREFIX}{end}.lora_" in name for name in shapes for end in ends):
        head.weight = type(head.weight)(head.weight.detach().clone())
        model.config.tie_word_embeddings = False


def _unused(unexpected: Iterable[str], shapes: Iterable[str]) -> set[str]:
    """Tensors that went nowhere.

    Embeddings that were resized and trained as a whole are saved twice, under another name too.
    """
    saved = set(shapes)
    part = ".modules_to_save."
    return {name for name in unexpected if part not in name or name.replace(part, ".") not in saved}


def _unsaved(wrapped: nn.Module, shapes: Iterable[str]) -> set[str]:
    """Modules that were trained as a whole, whose tensors the file doesn't have."""
    part = f".modules_to_save.{_NAME}"
    trained = {name.replace(part, "") for name in wrapped.state_dict() if part in name}
    return trained - set(shapes)
