"""Hugging Face models: read from files, put on devices, made transformer-lens' hooked ones."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.devices import is_spread
from pytest_circuits.models.errors import ModelError, first_lines
from pytest_circuits.prompts.tokens import ordinary_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch
    from torch import Tensor, nn
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
#: For how many tokens logits are compared.
_TOKENS = 8


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


def read_tokenizer(source: Source, folder: Path) -> Any:  # noqa: ANN401 — any Hugging Face tokenizer
    """The tokenizer in a folder, as transformers loads it.

    Raises:
        ModelError: if there is none, or it can't be loaded.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
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


def sample_tokens(model: nn.Module) -> Tensor:
    """Some tokens that a model of transformers knows, ``[1, position]``, where its embedding is."""
    import torch

    known: Any = model
    embedding = known.get_input_embeddings()
    rows = int(embedding.num_embeddings)
    return torch.arange(1, _TOKENS + 1, device=embedding.weight.device)[None] % rows


def sample_logits(model: nn.Module, tokens: Tensor) -> Tensor:
    """The logits of a model of transformers, as float32, on the CPU."""
    import torch

    with torch.no_grad():
        logits: Tensor = model(input_ids=tokens, use_cache=False).logits
    return logits.float().cpu()


def deviation(expected: Tensor, found: Tensor, dtype: torch.dtype) -> float | None:
    """How far logits are from others, in standard deviations of these; None if by rounding alone.

    That is the root mean square difference, and rounding may take half the digits of the dtype, and
    of no finer one than parts are always computed in. Logits that are not finite can't be held
    against any; measures refuse them.
    """
    import torch

    if not expected.isfinite().all():
        return None
    missed = (found - expected).square().mean().sqrt() / expected.std()
    digits = max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps) ** 0.5
    return None if missed <= digits else float(missed)
