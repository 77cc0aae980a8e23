"""Models that somebody else made: what a factory or a plugin may give, and how it is hooked.

====================================== ==========================================================
given                                  its tokenizer
====================================== ==========================================================
a hooked model (a TransformerBridge)   its own
``(model, tokenizer)``                 that one; the model is hooked, or a Hugging Face model
a Hugging Face model                   ``model.tokenizer``, or that of ``model.name_or_path`` if
                                       this is a folder
====================================== ==========================================================

A Hugging Face model may be of a class of the user's own, derived from one that transformer-lens
knows. It is moved to the device, gets the dtype that was asked for, and is hooked in place. A model
that is spread over several devices stays where it is.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.devices import refuse_spread, resolve_dtype
from pytest_circuits.models.errors import ModelError, first_lines
from pytest_circuits.models.hooking import hooked, place, read_tokenizer
from pytest_circuits.models.sources.source import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.source import Source

#: An attribute of hooked models that were given before.
_MARK = "_pytest_circuits_given"
_MAY_BE = (
    "It may be a hooked model (transformer-lens' TransformerBridge), a pair (model, tokenizer),\n"
    "or a Hugging Face model alone whose tokenizer is model.tokenizer or lies in its folder."
)


class GivenCheckpoint(Checkpoint):
    """A model that the user's code or a plugin makes, from whatever that reads.

    Attributes:
        giver: what makes it, for messages.
    """

    giver: str

    @property
    def is_all_in_files(self) -> bool:
        """No: nobody knows what else it is made from."""
        return False

    def dtype(self, asked: str) -> str:
        """What was asked for: which dtype it has by itself only the model tells."""
        return asked

    @abstractmethod
    def given(self, device: str, dtype: str) -> object:
        """What is given now, which may be anything; another checkpoint to have that loaded."""

    def load(self, device: str, dtype: str) -> TransformerBridge:
        """The model that is given now, hooked.

        It stays in the dtype that it is in if ``auto`` is asked for.

        Raises:
            ModelError: if it is nothing that can be measured.
        """
        from transformer_lens.model_bridge import TransformerBridge

        source, giver = self.source, self.giver
        given = self.given(device, dtype)
        if isinstance(given, Checkpoint):
            return given.load(device, dtype)
        model, tokenizer = _parts(source, giver, given)
        if hasattr(model, _MARK):
            raise _same_model(source, giver, model)
        _place(source, model, device, dtype)
        if not isinstance(model, TransformerBridge):
            return _hooked(source, giver, model, tokenizer)
        setattr(model, _MARK, source.text)
        if tokenizer is not model.tokenizer:
            from transformer_lens.model_bridge.sources._bridge_builder import configure_tokenizer

            model.tokenizer = configure_tokenizer(tokenizer, model.cfg)
        return model

    def plain(self, dtype: str) -> tuple[PreTrainedModel, Any]:
        """The Hugging Face model that is given now, on the CPU, and its tokenizer.

        Raises:
            ModelError: if something else is given.
        """
        from transformers import PreTrainedModel

        given = self.given("cpu", dtype)
        if isinstance(given, Checkpoint):
            return given.plain(dtype)
        model, tokenizer = _parts(self.source, self.giver, given)
        if not isinstance(model, PreTrainedModel):
            raise ModelError(
                f"{self.source.text}: {self.giver} gave a model that is hooked already, so no "
                f"adapter can be put on it.\n"
                f"Give the Hugging Face model and its tokenizer as a pair."
            )
        _place(self.source, model, "cpu", dtype)
        return model, tokenizer


def _parts(
    source: Source, giver: str, given: object
) -> tuple[TransformerBridge | PreTrainedModel, Any]:
    """The model and its tokenizer."""
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    pair = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, None)  # noqa: PLR2004
    model, tokenizer = pair
    if not isinstance(model, (TransformerBridge, PreTrainedModel)):
        raise ModelError(f"{source.text}: {giver} gave {_said(given)}, not a model.\n{_MAY_BE}")
    untyped: Any = model
    if isinstance(model, PreTrainedModel) and untyped.get_output_embeddings() is None:
        raise ModelError(
            f"{source.text}: {giver} gave a {type(model).__name__}, which has no language-model "
            f"head.\nMake it with AutoModelForCausalLM."
        )
    if tokenizer is None:
        tokenizer = _own_tokenizer(source, model)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        problem = (
            "without a tokenizer, and none is known"
            if tokenizer is None
            else f"with a {type(tokenizer).__name__}, which is no Hugging Face tokenizer"
        )
        raise ModelError(
            f"{source.text}: {giver} gave a {type(model).__name__} {problem}.\n"
            f"Give both as a pair: (model, tokenizer)."
        )
    return model, tokenizer


def _said(given: object) -> str:
    if given is None:
        return "None"
    kind = type(given).__name__
    if isinstance(given, (tuple, list)):
        kind += f" ({', '.join(type(each).__name__ for each in given)})"
    return f"something of type {kind}"


def _own_tokenizer(source: Source, model: TransformerBridge | PreTrainedModel) -> object:
    tokenizer: object = getattr(model, "tokenizer", None)
    folder = getattr(model, "name_or_path", "")
    if tokenizer is None and folder and Path(folder).is_dir():
        try:
            return read_tokenizer(source, Path(folder))
        except ModelError:  # who gave the model is asked for a pair
            return None
    return tokenizer


def _place(
    source: Source, model: TransformerBridge | PreTrainedModel, device: str, dtype: str
) -> None:
    """Move a model and give its weights a dtype, in place."""
    from transformer_lens.model_bridge import TransformerBridge

    # A bridge prints what it does, unless it is told not to.
    quiet = {"print_details": False} if isinstance(model, TransformerBridge) else {}
    mover: Any = model  # transformers' own annotation of .to() is not to be relied on
    try:
        if dtype != "auto":
            kind = resolve_dtype(dtype, f"{source.text}: asked for is")
            with _tables_kept(getattr(model, "original_model", model)):
                mover.to(kind, **quiet)
        if _is_spread(model):
            return
        if isinstance(model, TransformerBridge):
            refuse_spread(source, device)
            mover.to(device, **quiet)
        else:
            place(source, model, device)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{source.text}: the {type(model).__name__} can't be moved to {device} as {dtype}:\n"
            f"{first_lines(error)}"
        ) from error


def _is_spread(model: TransformerBridge | PreTrainedModel) -> bool:
    """Whether a model lies on several devices."""
    devices = getattr(model, "hf_device_map", None) or {}
    config: Any = getattr(model, "cfg", None)
    return len(set(devices.values())) > 1 or getattr(config, "n_devices", 1) > 1


@contextmanager
def _tables_kept(model: nn.Module) -> Iterator[None]:
    """What happens to a Hugging Face model meanwhile leaves the tables that it computed itself.

    Rotary ones among them, which from_pretrained has in float32 whatever dtype is asked for.
    """
    from transformers import PreTrainedModel

    tables = [
        (module, name, module._buffers[name])  # noqa: SLF001 — torch tells it nowhere else
        for module in (model.modules() if isinstance(model, PreTrainedModel) else ())
        for name in module._non_persistent_buffers_set  # noqa: SLF001
    ]
    yield
    for module, name, table in tables:
        module._buffers[name] = table  # noqa: SLF001


def _hooked(
    source: Source, giver: str, model: PreTrainedModel, tokenizer: object
) -> TransformerBridge:
    """A Hugging Face model, hooked, where it is."""
    from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent

    if any(isinstance(module, GeneralizedComponent) for module in model.modules()):
        raise _same_model(source, giver, model)
    return hooked(source, source.shown, model, tokenizer)


def _same_model(source: Source, giver: str, model: object) -> ModelError:
    return ModelError(
        f"{source.text}: {giver} gave a {type(model).__name__} that is in use already.\n"
        f"Make a new model at every call: this one may be what a test has made of it."
    )
