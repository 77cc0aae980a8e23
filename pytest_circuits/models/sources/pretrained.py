"""How transformers' own loader is asked for a model of files on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fit import first_lines

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.sources import Source


def read_model(
    folder: str | Path,
    dtype: torch.dtype,
    **more: Any,  # noqa: ANN401 — transformers' own
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """A model on the CPU with eager attention, and how its tensors fitted.

    Nothing is fetched, unpickled, or run that came with the files.

    Args:
        folder: what the loader is given.
        dtype: of the weights.
        more: further arguments of the loader.

    Returns:
        the model, and transformers' report: ``missing_keys``, ``unexpected_keys``, and
        ``mismatched_keys``, sizes that don't fit, which are let through to be told by name.
    """
    from transformers import AutoModelForCausalLM

    # With output_loading_info the call returns a pair, which its annotation leaves out.
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        attn_implementation="eager",
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **more,
    )
    model, report = loaded
    return model, report


def unreadable(source: Source, error: Exception) -> ModelError:
    """What to say when transformers can't load something."""
    return ModelError(f"{source.text}: transformers can't load it:\n{first_lines(error)}")
