"""What a family of models is: its classes, its configuration, the names of its modules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
import transformers

from pytest_circuits.testing import WORDS, draw_parameters

if TYPE_CHECKING:
    from torch import nn

#: What there is at each position of a layer, and for each head of it.
LAYER_SITES = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
HEAD_SITES = ("head_out", "head_q", "head_k", "head_v", "head_pattern")

LAYERS, HEADS, KEY_VALUE_HEADS, D_HEAD, WINDOW = 2, 4, 2, 8, 4
WIDTH = HEADS * D_HEAD

SIZES: dict[str, Any] = {
    "vocab_size": 1 + len(WORDS),
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
#: What most configurations call their sizes, with as many key-value heads as heads, and with fewer.
USUAL = SIZES | {
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}
GROUPED = USUAL | {"num_key_value_heads": KEY_VALUE_HEADS}
#: What configurations call how many heads there are.
_HEADS = ("num_attention_heads", "n_head", "num_heads", "n_heads")
#: What GPT-2 and its kin call their sizes.
GPT = SIZES | {"n_positions": 64, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS}


@dataclass(frozen=True)
class Family:
    """A family of models, and the names of its models' modules.

    A layer has what it has a module for: attention if ``output`` is there, an MLP if ``mlp`` is,
    another mixer of tokens if ``mixer`` is. Where layers differ in names, ``|`` separates them.

    Attributes:
        model: the class of its models.
        config: the class of its configurations.
        options: the configuration's.
        block: a layer.
        norm: the final norm; empty without one.
        output: within a layer, the output projection of what all heads have mixed.
        attention_norm: the norm that attention's output passes before it joins the residual
            stream, where there is one.
        mlp: what gives what the MLP adds to the residual stream; empty without MLPs.
        mlp_beside: a module that is called before it, and whose output is added to its.
        mixer: what gives what a state-space model, a convolution or the like adds to it.
        all_mixers: whether transformer-lens shows attention and MLPs as mixers too.
        queries, keys, values: what they come from.
        layout: how they lie there: one ``separate`` module each, ``stacked`` queries, keys and
            values, ``interleaved`` by heads, ``grouped`` by key-value heads, or in ``parts``
            (CodeGen's four, each with queries, values and keys).
        assembled: whether queries, keys and values are what goes into attention, not what comes
            out of a projection.
        attention: what gives what attention adds, where heads have no output projection.
        heads_by_layer: how many heads layers have that differ in it.
        parallel: whether attention and MLP read the same stream.
        after: whether norms come after what attention and MLP are added to.
        joins: whether attention's output joins the residual stream; another mixer reads it if not.
        first_norm: in the first layer, a norm of the embedding that the stream begins with.
        gain: in every layer, what the stream behind it is multiplied with.
        end: what reads the last stream, where that is not the final norm.
        direct: whether what parts add to the stream sums to what the final norm reads, and the
            unembedding to what it gives.
        scales: what attention (``attn``), MLP (``mlp``) and mixer (``mixer``) are multiplied with
            before they join the residual stream.
        logit_scale: what the unembedding's output is multiplied with.
        unlooped: sites that it has, and that no loop here is written for.
        dtype: of the weights.
        draw: the seed of its parameters and prompts.
    """

    model: str
    config: str
    options: dict[str, Any]
    block: str = "model.layers.{}"
    norm: str = "model.norm"
    output: str = "self_attn.o_proj"
    attention_norm: str = ""
    mlp: str = "mlp"
    mlp_beside: str = ""
    mixer: str = ""
    all_mixers: bool = False
    queries: str = "self_attn.q_proj"
    keys: str = "self_attn.k_proj"
    values: str = "self_attn.v_proj"
    layout: str = "separate"
    assembled: bool = False
    attention: str = ""
    heads_by_layer: tuple[int, ...] = ()
    parallel: bool = False
    after: bool = False
    joins: bool = True
    first_norm: str = ""
    gain: str = ""
    end: str = ""
    direct: bool = True
    scales: dict[str, float] = field(default_factory=dict)
    logit_scale: float = 1.0
    unlooped: tuple[str, ...] = ()
    dtype: str = "float32"
    draw: int = 0

    def but(self, **options: object) -> Family:
        """The same with other options."""
        return replace(self, options=self.options | options)

    @property
    def layers(self) -> int:
        """How many layers its models have."""
        return int(self._option("num_hidden_layers", "n_layer", "num_layers", "n_layers") or LAYERS)

    @property
    def heads(self) -> int:
        """How many heads queries have in a layer with attention."""
        return int(self._option(*_HEADS) or HEADS)

    @property
    def key_value_heads(self) -> int:
        """How many heads keys and values have."""
        if self._option("multi_query"):
            return 1
        return int(self._option("num_key_value_heads", "num_kv_heads", *_HEADS) or HEADS)

    def _option(self, *names: str) -> Any:
        # A model of text and images has the options of the text's in a configuration of its own.
        options = self.options.get("text_config", self.options)
        return next((options[name] for name in names if name in options), None)


def fused(name: str) -> dict[str, str]:
    """Queries, keys and values that come from one module."""
    return dict.fromkeys(("queries", "keys", "values"), name)


def random_model(family: Family, seed: int) -> nn.Module:
    """A plain model in which every parameter is drawn, so that none hides a mistake."""
    with torch.random.fork_rng(devices=[]):  # weights are initialised only to be replaced
        config = getattr(transformers, family.config)(
            architectures=[family.model], **family.options
        )
        model = getattr(transformers, family.model)(config)
    model.set_attn_implementation("eager")
    redraw(model, seed)
    model.to(getattr(torch, family.dtype))
    return model.eval().requires_grad_(requires_grad=False)


def redraw(model: nn.Module, seed: int) -> None:
    """Draw every parameter again, such that attention is sharp, and every buffer that is stored."""
    draw_parameters(model, seed, variance=3.0)
    stored = model.state_dict()
    draw = torch.Generator().manual_seed(seed)
    for name, buffer in sorted(model.named_buffers()):
        if name in stored and buffer.is_floating_point():
            scales = name.endswith(("scale", "scalar"))
            noise = 0.3 * torch.randn(buffer.shape, generator=draw)
            buffer.copy_(noise + float(scales))
