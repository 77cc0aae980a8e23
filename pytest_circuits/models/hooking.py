"""Hugging Face models: read from files, put on devices, made transformer-lens' hooked ones."""

from __future__ import annotations

import copy
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.architectures import (
    OTHER_MODEL,
    architecture_of,
    text_class,
    text_model,
)
from pytest_circuits.models.devices import is_spread
from pytest_circuits.models.errors import ModelError, first_lines
from pytest_circuits.models.fetching import nothing_fetched
from pytest_circuits.models.same_logits import deviation, logits_of, sample_tokens
from pytest_circuits.prompts.tokens import ordinary_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    from pytest_circuits.models.sources.source import Source

#: How the names of files begin that hold a tokenizer's vocabulary.
_VOCABULARIES = ("tokenizer.", "vocab", "merges", "spiece", "sentencepiece", "tekken")
_COPY = (
    "Copy the tokenizer's files (tokenizer.json, tokenizer_config.json) from the model that it was "
    "trained from, or save them there with tokenizer.save_pretrained(folder)."
)
#: The share of a device's free memory that weights may take: streams and caches need some too.
_FOR_WEIGHTS = 0.9


def read_model(
    source: Source,
    folder: str | Path,
    dtype: torch.dtype,
    loader: Any = None,  # noqa: ANN401 — one of transformers' Auto classes
    **more: Any,  # noqa: ANN401 — transformers' own
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """A model on the CPU with eager attention, and how its tensors fitted.

    Nothing is fetched, unpickled, or run that came with the files.

    Args:
        source: how the user named it.
        folder: what the loader is given.
        dtype: of the weights.
        loader: which of transformers' Auto classes loads it; by default that of causal models.
        more: further arguments of the loader.

    Returns:
        the model, and transformers' report: ``missing_keys``, ``unexpected_keys``, and
        ``mismatched_keys``, sizes that don't fit, which are let through to be told by name.
    """
    from transformers import AutoModelForCausalLM

    with nothing_fetched(source):
        # With output_loading_info the call returns a pair, which its annotation leaves out.
        loaded: Any = (loader or AutoModelForCausalLM).from_pretrained(
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


def read_tokenizer(source: Source, folder: Path) -> Any:  # noqa: ANN401 — any Hugging Face tokenizer
    """The tokenizer in a folder, as transformers loads it.

    Raises:
        ModelError: if there is none, or it can't be loaded.
    """
    from transformers import AutoTokenizer

    try:
        with nothing_fetched(source):
            return AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except ModelError:
        raise
    except Exception as error:
        if not any(path.name.startswith(_VOCABULARIES) for path in folder.iterdir()):
            raise ModelError(f"{source.text}: it comes without a tokenizer.\n{_COPY}") from error
        raise ModelError(
            f"{source.text}: transformers can't load its tokenizer:\n{first_lines(error)}\n{_COPY}"
        ) from error


def check_tokenizer(source: Source, tokenizer: Any) -> None:  # noqa: ANN401
    """Refuse a tokenizer that knows no text.

    For some kinds of model transformers makes one of special tokens alone, if the folder has none.

    Raises:
        ModelError: if it has no ordinary tokens.
    """
    if tokenizer is None:
        raise ModelError(f"{source.text}: it comes without a tokenizer.\n{_COPY}")
    if not ordinary_tokens(tokenizer):
        raise ModelError(
            f"{source.text}: it comes without a tokenizer, or with one that has special tokens "
            f"only: {type(tokenizer).__name__} of {len(tokenizer)}.\n{_COPY}"
        )


@contextmanager
def as_it_is(tokenizer: Any) -> Iterator[None]:  # noqa: ANN401
    """While transformer-lens is given a tokenizer that it must not read again.

    It would, from where the tokenizer was saved, to make it put BOS first: without what was added
    since, and not at all if it was never saved.
    """
    options: dict[str, Any] = tokenizer.init_kwargs
    own = dict(options)
    options["add_bos_token"] = True
    try:
        yield
    finally:
        options.clear()
        options.update(own)


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
        ModelError: if transformer-lens can't hook it, or makes another model of it (its logits on a
            few tokens say so), or if it can't be put there.
    """
    import torch
    from transformer_lens.utilities.attn_implementation import force_eager_attention

    check_tokenizer(source, tokenizer)
    model = text_model(source, model)
    architecture = architecture_of(type(model))
    if architecture is None:
        raise _unknown(source, model)
    if device is not None:
        model = place(source, model, device)
    model.train(mode=False)
    force_eager_attention(model)
    tokens = sample_tokens(model)
    with nothing_fetched(source):
        expected = logits_of(source, model, tokens)
        try:
            bridge = _bridge(name, model, tokenizer, architecture)
            if len({weight.device for weight in bridge.parameters()}) > 1:
                _come_to_the_norm(bridge)
            found = _run(bridge, tokens)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise _not_hooked(source, model, error) from error
    missed = deviation(expected, found, model.dtype)
    if missed is not None:
        raise ModelError(
            f"{source.text}: hooked by transformer-lens, the {type(model).__name__} gives other "
            f"logits than by itself\n(they differ by {missed:.1g} standard deviations): it isn't "
            f"the {architecture} that transformer-lens knows.\n{OTHER_MODEL}"
        )
    return bridge


def _bridge(
    name: str,
    model: PreTrainedModel,
    tokenizer: Any,  # noqa: ANN401
    architecture: str,
) -> TransformerBridge:
    """The model, hooked, and nothing besides.

    ``TransformerBridge.boot_transformers`` does more: it runs code that lies beside the weights
    where the config names one of some architectures, and for multimodal ones it fetches a processor
    and installs torchvision.
    """
    from transformer_lens.model_bridge.sources import build_bridge_from_module

    def spread(adapter: Any) -> None:  # noqa: ANN401 — transformer-lens' own
        adapter.cfg.n_devices = len({weight.device for weight in model.parameters()})

    with as_it_is(tokenizer):
        return build_bridge_from_module(
            model,
            architecture,
            hf_config=copy.deepcopy(model.config),
            tokenizer=tokenizer,
            dtype=model.dtype,
            device=model.get_input_embeddings().weight.device,
            model_name=name,
            post_adapter_hook=spread,
        )


def _unknown(source: Source, model: PreTrainedModel) -> ModelError:
    """What to say of a model whose class transformer-lens doesn't know."""
    text = text_class(model)
    also = "" if text is None else f", nor {text.__name__}, its text model"
    return ModelError(
        f"{source.text}: transformer-lens doesn't know the architecture "
        f"{type(model).__name__}{also}.\n{OTHER_MODEL}"
    )


def _not_hooked(source: Source, model: PreTrainedModel, error: Exception) -> ModelError:
    """What to say when transformer-lens raised: its own words, if it meant to refuse the model.

    What torch or Python say is of the inside of an adapter that doesn't fit the model.
    """
    *_, last = traceback.walk_tb(error.__traceback__)
    raiser = str(last[0].f_globals.get("__name__"))
    why = "its adapter for this architecture doesn't fit the model's config."
    if isinstance(error, ImportError | NotImplementedError | ValueError) and raiser.startswith(
        "transformer_lens."
    ):
        why = first_lines(error).partition("\n")[0]
    return ModelError(
        f"{source.text}: transformer-lens can't hook this {type(model).__name__}:\n{why}\n"
        f"{OTHER_MODEL}"
    )


def _run(bridge: TransformerBridge, tokens: Tensor) -> Tensor:
    """The hooked model's logits, as float32, on the CPU.

    Some models can be run without a cache only (Bamba without attention), and some as
    transformer-lens computes them with one only (OLMo in half precision).
    """
    import torch

    with torch.no_grad():
        try:
            logits: Tensor = bridge(tokens, return_type="logits", use_cache=False)
        except RuntimeError:
            logits = bridge(tokens, return_type="logits")
    return logits.float().cpu()


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
