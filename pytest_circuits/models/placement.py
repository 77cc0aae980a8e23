"""Putting a Hugging Face model on its device, or its blocks on several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.sources import Source

#: The share of a device's free memory that weights may take: streams and caches need some too.
_FOR_WEIGHTS = 0.9


def is_spread(device: str) -> bool:
    """Whether this names several devices."""
    return "," in device


def refuse_spread(source: Source, device: str) -> None:
    """Refuse several devices for a model that is not plainly a Hugging Face one.

    Raises:
        ModelError: if there are several.
    """
    if is_spread(device):
        raise ModelError(
            f"{source.text}: only Hugging Face models can be spread over several devices "
            f"({device}).\n"
            f"Choose one device with --circuits-device."
        )


def place(source: Source, model: PreTrainedModel, device: str) -> PreTrainedModel:
    """The model on its device; over several, every block is whole on one of them.

    Args:
        source: how the user named it.
        model: the model, on the CPU.
        device: a device that is there, or several as :func:`.resolve_device` names them.

    Raises:
        ModelError: if it can't be spread, or there is too little room for it.
    """
    if not is_spread(device):
        target: Any = device  # transformers' own annotation of .to() knows torch.device only
        moved: PreTrainedModel = model.to(target)
        return moved
    from accelerate import dispatch_model

    mapped = _device_map(source, model, device)
    spread: PreTrainedModel = dispatch_model(
        model,
        mapped,
        main_device=next(iter(mapped.values())),  # tokens come to the embedding
        skip_keys=model._skip_keys_device_placement,  # noqa: SLF001 — as transformers does
    )
    return spread


def _device_map(source: Source, model: PreTrainedModel, device: str) -> dict[str, str]:
    """The device of every module, as even as whole blocks allow."""
    import torch
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    whole = sorted(model._no_split_modules or ())  # noqa: SLF001 — as transformers does
    if not whole:
        raise ModelError(
            f"{source.text}: transformers can't spread a {type(model).__name__} over several "
            f"devices.\n"
            f"Choose one device with --circuits-device."
        )
    indices = [int(name.removeprefix("cuda:")) for name in device.split(",")]
    free = {index: int(torch.cuda.mem_get_info(index)[0] * _FOR_WEIGHTS) for index in indices}
    # It changes what it is given.
    balanced = get_balanced_memory(model, dict(free), no_split_module_classes=whole)
    mapped: dict[str, int | str] = infer_auto_device_map(
        model, balanced, no_split_module_classes=whole
    )
    if not set(mapped.values()) <= set(indices):  # the rest would go to the CPU or a disk
        room = ", ".join(f"{free[index] / 1e9:.1f} GB on cuda:{index}" for index in indices)
        weights = sum(tensor.nbytes for tensor in model.parameters())
        raise ModelError(
            f"{source.text}: {weights / 1e9:.1f} GB of weights don't fit "
            f"into the free memory of these devices ({room}), each block whole.\n"
            f"Name more devices with --circuits-device, or choose a smaller --circuits-dtype."
        )
    return {name: f"cuda:{index}" for name, index in mapped.items()}
