"""What a model is to transformers and to transformer-lens; the text model of a multimodal one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import ModelError, first_lines
from pytest_circuits.models.same_logits import deviation, logits_of, sample_logits, sample_tokens

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel

    from pytest_circuits.models.sources.source import Source

#: Text models for which transformers has no class, and those that compute the same on text alone
#: (there the three parts of their rotary positions are one).
_SAME_ON_TEXT = {
    "qwen2_vl_text": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
}
#: How the keys of such rotary positions begin.
_PARTS = "mrope"
#: What to do about a model that can't be hooked.
OTHER_MODEL = (
    "Name a model of another architecture, or a function that gives it hooked, with an adapter of "
    "your own."
)


def architecture_of(kind: type) -> str | None:
    """What transformer-lens calls the architecture of a class, or of one that it derives from.

    None if it knows none of them. The class is asked, not the config: that may name no
    architecture, or one whose code lies beside the weights.
    """
    from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES

    # Their cases differ: transformers has a PhimoeForCausalLM, of which checkpoints say PhiMoE.
    known = {name.lower(): name for name in SUPPORTED_ARCHITECTURES}
    names = (each.__name__.lower() for each in kind.__mro__)
    return next((known[name] for name in names if name in known), None)


def auto_class(source: Source, config: PreTrainedConfig) -> Any:  # noqa: ANN401 — transformers' own
    """Which of transformers' Auto classes loads a config's model: a multimodal one in whole.

    Raises:
        ModelError: if it is none that says what token comes next.
    """
    from transformers import (
        MODEL_FOR_MULTIMODAL_LM_MAPPING,
        AutoModelForCausalLM,
        AutoModelForMultimodalLM,
    )

    causal, named = _causal_class(config), config.architectures or ()
    by_itself = causal is not None and causal.__name__ in named
    if is_multimodal(config) and type(config) in MODEL_FOR_MULTIMODAL_LM_MAPPING and not by_itself:
        return AutoModelForMultimodalLM
    if causal is not None:
        return AutoModelForCausalLM
    raise ModelError(
        f"{source.text}: transformers has no causal language model for the architecture "
        f"{', '.join(named) or type(config).__name__} (of type {config.model_type!r}), and only "
        f"such models are measured."
    )


def _causal_class(config: PreTrainedConfig) -> type[PreTrainedModel] | None:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    classes: Any = MODEL_FOR_CAUSAL_LM_MAPPING
    found: type[PreTrainedModel] | None = classes.get(type(config), None)
    return found


def is_multimodal(config: PreTrainedConfig) -> bool:
    """Whether a model has a text model in it, beside what reads images or sound."""
    from transformers import PreTrainedConfig

    return isinstance(getattr(config, "text_config", None), PreTrainedConfig)


def text_class(model: PreTrainedModel) -> type[PreTrainedModel] | None:
    """The class of the text model in a multimodal model; None if transformers has none for it."""
    if not is_multimodal(model.config):
        return None
    return _causal_class(_text_config(model.config.text_config))


def text_model(source: Source, model: PreTrainedModel) -> PreTrainedModel:
    """The causal language model in a multimodal one, with its weights; any other model itself.

    A multimodal one, too, of whose text transformers or transformer-lens has no class.

    Args:
        source: how the user named it.
        model: the model, in whole.

    Raises:
        ModelError: if the text model by itself would be another one.
    """
    kind = text_class(model)
    if kind is None or architecture_of(kind) is None:
        return model
    whole: Any = model
    decoder = whole.get_decoder()
    said = f"{source.text}: the {kind.__name__} in this {type(model).__name__}"
    tokens = sample_tokens(model)
    expected = logits_of(source, model, tokens)
    try:
        text = _taken_out(kind, decoder, whole.get_output_embeddings())
        missed = deviation(expected, sample_logits(text, tokens), model.dtype)
    except Exception as error:
        raise ModelError(f"{said} can't be taken out of it:\n{first_lines(error)}") from error
    if missed is not None:
        raise ModelError(
            f"{said} gives other logits than the whole model does on the same text\n"
            f"(they differ by {missed:.1g} standard deviations), so it can't be measured in its "
            f"place.\n{OTHER_MODEL}"
        )
    return text


def _text_config(config: PreTrainedConfig) -> PreTrainedConfig:
    """The config of a text model that transformers has a class for, if it has one at all."""
    from transformers import CONFIG_MAPPING

    if config.model_type not in _SAME_ON_TEXT:
        return config
    kind = _SAME_ON_TEXT[config.model_type]
    fields: dict[str, Any] = config.to_dict() | {"model_type": kind}
    fields["rope_parameters"] = {
        key: value
        for key, value in (fields.get("rope_parameters") or {}).items()
        if not key.startswith(_PARTS)
    }
    same: PreTrainedConfig = CONFIG_MAPPING[kind].from_dict(fields)
    return same


def _taken_out(
    kind: type[PreTrainedModel],
    decoder: Any,  # noqa: ANN401 — a model of transformers
    head: nn.Module,
) -> PreTrainedModel:
    """A text model made of the parts of a larger one: what reads text, and the head."""
    from accelerate import init_empty_weights

    if isinstance(decoder, kind):
        return decoder
    with init_empty_weights(include_buffers=False):
        text: Any = kind(_text_config(decoder.config))
    if type(text.base_model) is type(decoder):
        setattr(text, text.base_model_prefix, decoder)
    else:
        for name, module in decoder.named_modules():
            if any(True for _ in module.parameters(recurse=False)):
                text.base_model.set_submodule(name, module)
    text.set_output_embeddings(head)
    text.config.tie_word_embeddings = head.weight is text.get_input_embeddings().weight
    taken: PreTrainedModel = text.train(decoder.training)
    return taken
