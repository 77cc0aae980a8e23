"""A Hugging Face model → transformer-lens' hooked one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fit import first_lines

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources import Source


def hooked(
    source: Source,
    name: str,
    model: PreTrainedModel,
    tokenizer: Any,  # noqa: ANN401 — any Hugging Face tokenizer
) -> TransformerBridge:
    """The model, hooked; with eager attention, and where and in the dtype that it is.

    Args:
        source: how the user named it.
        name: what transformer-lens calls it.
        model: the model.
        tokenizer: its tokenizer.

    Raises:
        ModelError: if transformer-lens doesn't know its architecture.
    """
    from transformer_lens.model_bridge import TransformerBridge

    try:
        return TransformerBridge.boot_transformers(
            name, hf_model=model, tokenizer=tokenizer, dtype=model.dtype
        )
    except Exception as error:
        raise ModelError(
            f"{source.text}: transformer-lens can't hook a {type(model).__name__}:\n"
            f"{first_lines(error)}"
        ) from error
