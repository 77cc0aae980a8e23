"""A Hugging Face model → transformer-lens' hooked one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError
from pytest_circuits.models.fit import first_lines
from pytest_circuits.models.placement import place
from pytest_circuits.models.tokenizers import as_it_is, check_tokenizer

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.sources import Source


def hooked(
    source: Source,
    name: str,
    model: PreTrainedModel,
    tokenizer: Any,  # noqa: ANN401 — any Hugging Face tokenizer
    device: str | None = None,
) -> TransformerBridge:
    """The model, hooked; with eager attention, and in the dtype that it is.

    Args:
        source: how the user named it.
        name: what transformer-lens calls it.
        model: the model.
        tokenizer: its tokenizer.
        device: where it is put; several devices as :func:`.resolve_device` names them. None to
            leave it where it is.

    Raises:
        ModelError: if transformer-lens doesn't know its architecture, or it can't be put there.
    """
    from transformer_lens.model_bridge import TransformerBridge

    check_tokenizer(source, tokenizer)
    if device is not None:
        model = place(source, model, device)
    try:
        with as_it_is(tokenizer):
            bridge = TransformerBridge.boot_transformers(
                name,
                hf_model=model,
                tokenizer=tokenizer,
                dtype=model.dtype,
                # It is not moved, but tokens come here; by default to the first GPU there is.
                device=model.device,
            )
    except Exception as error:
        raise ModelError(
            f"{source.text}: transformer-lens can't hook a {type(model).__name__}:\n"
            f"{first_lines(error)}"
        ) from error
    if len({weight.device for weight in bridge.parameters()}) > 1:
        _come_to_the_norm(bridge)
    return bridge


def _come_to_the_norm(bridge: TransformerBridge) -> None:
    """Have the final norm of a spread model take vectors from any device, and bring them back.

    transformer-lens computes some norms itself, on the device where their input is; and takes the
    norm and the unembedding for on one device, which they are not where that is tied to the
    embedding.
    """
    norm: Any = getattr(bridge, "ln_final", None)
    weight = None if norm is None else next(norm.parameters(), None)
    if weight is None:
        return
    run = norm.forward

    def forward(vectors: Tensor, **named: object) -> Tensor:
        normalised: Tensor = run(vectors.to(weight.device), **named)
        return normalised.to(vectors.device)

    # Put there directly: a bridge gives attributes on to what it wraps.
    vars(norm)["forward"] = forward
