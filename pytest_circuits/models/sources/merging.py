"""Merging an adapter into a Hugging Face model, by peft."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fit import first_lines, first_of
from pytest_circuits.models.sameness import deviation, sample_logits, sample_tokens
from pytest_circuits.models.sources.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import nn
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.sources import Source

#: peft's names of an adapter's tensors begin so, then comes the name in the base.
_PREFIX = "base_model.model."
_NAME = "default"


def read_mergeable(source: Source, folder: Path) -> Any:  # noqa: ANN401 — one class for each kind
    """The config of an adapter that changes nothing but weights.

    Raises:
        ModelError: if the folder holds another, or one that the installed peft doesn't know.
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
    return config


def merged(
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
        config: as :func:`read_mergeable` gives it.
        model: its base, on the CPU.
        base: how the adapter names the base.

    Raises:
        ModelError: if it doesn't fit the model, or can't be merged into it.
    """
    import torch
    from peft import PeftModel

    shapes = _stored_shapes(source, folder / ADAPTER_WEIGHTS)
    try:
        # peft draws weights only to replace them, and asks for what transformers calls deprecated.
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
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
    problems = [
        f"{what}: {first_of(names)}"
        for what, names in (
            ("missing", sorted({*report.missing_keys, *_unsaved(wrapped, shapes)})),
            ("not in the base", sorted(_unused(report.unexpected_keys, shapes))),
        )
        if names
    ]
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
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {
                key: tuple(file.get_slice(key).get_shape())
                for key in file.keys()  # noqa: SIM118 — it is no mapping
            }
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
