"""Small random models of many families, and what plain Hugging Face says of their heads."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformer_lens.model_bridge import TransformerBridge

from pytest_circuits.testing import WORDS, word_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

LAYERS, HEADS, WINDOW = 2, 4, 4

_SIZES: dict[str, Any] = {
    "vocab_size": 1 + len(WORDS),
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
_USUAL = _SIZES | {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}
_GROUPED = _USUAL | {"num_key_value_heads": 2}
_GPT = _SIZES | {"n_positions": 64, "n_embd": 32, "n_layer": LAYERS, "n_head": HEADS}
_GEMMA = _GROUPED | {"head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 8}


@dataclass(frozen=True)
class Family:
    """A family of models.

    Attributes:
        model: the class of its models.
        config: the class of its configurations.
        options: the configuration's.
        output: the name of a layer's output projection, of what all heads have mixed.
        norm: the final norm's name.
        attention_norm: the name of a layer's norm behind its attention, where there is one.
        offset: whether its norms store γ − 1.
    """

    model: str
    config: str
    options: dict[str, Any]
    output: str = "model.layers.{}.self_attn.o_proj"
    norm: str = "model.norm"
    attention_norm: str = ""
    offset: bool = False


def _gemma(model: str, config: str, **options: float) -> Family:
    behind = "model.layers.{}.post_attention_layernorm"
    return Family(model, config, _GEMMA | options, attention_norm=behind, offset=True)


FAMILIES = {
    "gpt2": Family(
        "GPT2LMHeadModel", "GPT2Config", _GPT, "transformer.h.{}.attn.c_proj", "transformer.ln_f"
    ),
    "gpt-neo": Family(
        "GPTNeoForCausalLM",
        "GPTNeoConfig",
        _SIZES
        | {
            "max_position_embeddings": 64,
            "hidden_size": 32,
            "num_layers": LAYERS,
            "num_heads": HEADS,
            "intermediate_size": 48,
            "attention_types": [[["global", "local"], 1]],
            "window_size": WINDOW,
        },
        "transformer.h.{}.attn.attention.out_proj",
        "transformer.ln_f",
    ),
    "gpt-j": Family(
        "GPTJForCausalLM",
        "GPTJConfig",
        _GPT | {"rotary_dim": 4, "tie_word_embeddings": False},
        "transformer.h.{}.attn.out_proj",
        "transformer.ln_f",
    ),
    "neox": Family(
        "GPTNeoXForCausalLM",
        "GPTNeoXConfig",
        _USUAL,
        "gpt_neox.layers.{}.attention.dense",
        "gpt_neox.final_layer_norm",
    ),
    "opt": Family(
        "OPTForCausalLM",
        "OPTConfig",
        _USUAL | {"ffn_dim": 48, "word_embed_proj_dim": 32, "pad_token_id": 1},
        "model.decoder.layers.{}.self_attn.out_proj",
        "model.decoder.final_layer_norm",
    ),
    "llama": Family("LlamaForCausalLM", "LlamaConfig", _GROUPED),
    "mistral": Family("MistralForCausalLM", "MistralConfig", _GROUPED | {"sliding_window": WINDOW}),
    "mixtral": Family(
        "MixtralForCausalLM",
        "MixtralConfig",
        _GROUPED | {"num_local_experts": 2, "num_experts_per_tok": 1},
    ),
    "qwen2": Family("Qwen2ForCausalLM", "Qwen2Config", _GROUPED),
    "qwen3": Family("Qwen3ForCausalLM", "Qwen3Config", _GROUPED | {"head_dim": 8}),
    "gemma2": _gemma(
        "Gemma2ForCausalLM", "Gemma2Config", final_logit_softcapping=3.0, attn_logit_softcapping=5.0
    ),
    "gemma3": _gemma("Gemma3ForCausalLM", "Gemma3TextConfig"),
    "phi": Family(
        "PhiForCausalLM",
        "PhiConfig",
        _USUAL,
        "model.layers.{}.self_attn.dense",
        "model.final_layernorm",
    ),
    "phi3": Family("Phi3ForCausalLM", "Phi3Config", _GROUPED),
}


def random_model(family: Family, seed: int) -> transformers.PreTrainedModel:
    """A model in which every parameter is drawn, so that none hides a mistake.

    Matrices are N(0, 3 / fan-in), those of queries and keys twice that large, so that attention
    is sharp; embeddings N(0, 0.5²), norm weights 1 + N(0, 0.3²), biases N(0, 0.3²).
    """
    with torch.random.fork_rng(devices=[]):  # weights are initialised only to be replaced
        config = getattr(transformers, family.config)(
            architectures=[family.model], **family.options
        )
        model: transformers.PreTrainedModel = getattr(transformers, family.model)(config)
    draw = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=draw)
        if parameter.ndim == 1:
            parameter.data = 0.3 * noise + float(name.endswith("weight"))
        elif any(part in name for part in ("embed", "wte", "wpe")):
            parameter.data = 0.5 * noise
        else:
            looks = any(part in name for part in ("q_proj", "k_proj", "qkv", "c_attn", "query"))
            parameter.data = (2 if looks else 1) * noise * (3 / parameter.shape[-1]) ** 0.5
    model.tie_weights()
    model.set_attn_implementation("eager")
    return model.eval().requires_grad_(requires_grad=False)


def hooked(model: transformers.PreTrainedModel) -> TransformerBridge:
    """A copy of the model, hooked by transformer-lens."""
    tokenizer = word_tokenizer()
    # Without this the bridge would look for the tokenizer's files, and there are none.
    tokenizer.init_kwargs["add_bos_token"] = True
    bridge = TransformerBridge.boot_transformers(
        "tiny", hf_model=copy.deepcopy(model), tokenizer=tokenizer, device="cpu"
    )
    bridge.eval()
    return bridge


class Plain:
    """A plain Hugging Face model with hooks of torch alone."""

    def __init__(self, family: Family, model: transformers.PreTrainedModel) -> None:
        self.family, self.model = family, model

    def logits(self, tokens: Sequence[int]) -> Tensor:
        """At every position, ``[position, vocabulary]``."""
        with torch.no_grad():
            return self.model(torch.tensor([tokens])).logits[0]

    def patched(self, tokens: Sequence[int], source: Tensor, layer: int, head: int) -> Tensor:
        """Logits at the last position with one head's mixed values from another run."""

        def put_in(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            mixed = inputs[0].clone()
            part = self._of_head(mixed, head)
            part.copy_(self._of_head(source, head))
            return (mixed, *inputs[1:])

        hook = self._output(layer).register_forward_pre_hook(put_in)
        try:
            return self.logits(tokens)[-1]
        finally:
            hook.remove()

    def mixed(self, tokens: Sequence[int]) -> list[Tensor]:
        """What all heads of each layer have mixed, ``[1, position, heads × d_head]``."""
        return self._seen(tokens, [self._output(layer) for layer in range(LAYERS)])

    def attributed(self, tokens: Sequence[int], answer: int, wrong: int) -> Tensor:
        """What each head writes into logit(answer) − logit(wrong), ``[layer, head]``."""
        family = self.family
        direction = self.model.get_output_embeddings().weight
        along = (direction[answer] - direction[wrong]).double()
        final = self.model.get_submodule(family.norm)
        (residual,) = self._seen(tokens, [final])
        found = torch.zeros(LAYERS, HEADS, dtype=torch.float64)
        for layer, mixed in enumerate(self.mixed(tokens)):
            output = self._output(layer)
            behind = None
            if family.attention_norm:
                norm = self.model.get_submodule(family.attention_norm.format(layer))
                behind = self._frozen(norm, self._seen(tokens, [norm])[0])
            for head in range(HEADS):
                alone = torch.zeros_like(mixed)
                self._of_head(alone, head).copy_(self._of_head(mixed, head))
                with torch.no_grad():
                    written = (output(alone) - output(torch.zeros_like(mixed)))[0, -1].double()
                if behind is not None:
                    written = behind(written)
                found[layer, head] = self._frozen(final, residual)(written) @ along
        return found

    def _frozen(self, norm: Any, seen: Tensor) -> Callable[[Tensor], Tensor]:
        """A norm with the scale that it has at the last position, without its bias."""
        last, weight = seen[0, -1].double(), norm.weight.double() + self.family.offset
        if isinstance(norm, torch.nn.LayerNorm):
            scale = (last.var(unbiased=False) + norm.eps).sqrt()
            return lambda part: weight * (part - part.mean()) / scale
        epsilon = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
        scale = (last.square().mean() + epsilon).sqrt()
        return lambda part: weight * part / scale

    def _output(self, layer: int) -> nn.Module:
        return self.model.get_submodule(self.family.output.format(layer))

    def _seen(self, tokens: Sequence[int], modules: Sequence[nn.Module]) -> list[Tensor]:
        """What goes into these modules."""
        seen: dict[nn.Module, Tensor] = {}
        hooks = [
            module.register_forward_pre_hook(
                lambda module, inputs: seen.__setitem__(module, inputs[0].detach().clone())
            )
            for module in modules
        ]
        try:
            self.logits(tokens)
        finally:
            for hook in hooks:
                hook.remove()
        return [seen[module] for module in modules]

    @staticmethod
    def _of_head(mixed: Tensor, head: int) -> Tensor:
        size = mixed.shape[-1] // HEADS
        return mixed[..., head * size : (head + 1) * size]
