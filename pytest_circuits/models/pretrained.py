"""What transformers' own loaders make of files on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fit import first_lines

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources import Source


def read_pretrained(
    source: Source,
    folder: str | Path,
    dtype: torch.dtype,
    for_both: dict[str, Any] | None = None,
    **for_model: Any,  # noqa: ANN401 — transformers' own
) -> tuple[PreTrainedModel, Any, dict[str, Any]]:
    """A model on the CPU with eager attention, its tokenizer, and how its tensors fitted.

    Nothing is fetched, unpickled, or run that came with the files.

    Args:
        source: how the user named it.
        folder: what both loaders are given.
        dtype: of the weights.
        for_both: further arguments of both loaders.
        for_model: further arguments of the model's loader.

    Returns:
        the model, the tokenizer, and transformers' report: ``missing_keys``, ``unexpected_keys``,
        and ``mismatched_keys``, sizes that don't fit, which are let through to be told by name.

    Raises:
        ModelError: if transformers can't load them.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    both = {"local_files_only": True, "trust_remote_code": False, **(for_both or {})}
    try:
        # With output_loading_info the call returns a pair, which its annotation leaves out.
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation="eager",
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **both,
            **for_model,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, **both)
    except Exception as error:
        raise ModelError(
            f"{source.text}: transformers can't load it:\n{first_lines(error)}"
        ) from error
    model, report = loaded
    return model, tokenizer, report
