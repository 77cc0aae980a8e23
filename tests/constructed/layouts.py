"""Where a checkpoint keeps the tensors of its heads, by architecture.

A layout names tensors and sizes; what is done with them is the same for every architecture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Layout:
    """Names of tensors (without ``.weight`` and ``.bias``) and the sizes of attention.

    Matrices are ``[out, in]``. Rows of ``query``, ``key`` and ``value`` are grouped by head, and
    so are the columns of ``output``.

    Attributes:
        layer: the prefix of a layer's tensors, with ``{}`` for its number.
        query, key, value, output: attention's projections, after the prefix.
        neurons: the matrices whose rows are a layer's hidden neurons; none without an MLP.
        mlp_output: the matrix whose columns are these neurons.
        unembedding: the matrix from the residual stream to logits.
        embedding: the matrix that serves as unembedding where a checkpoint has none.
        layers: number of layers.
        heads: query heads in a layer.
        kv_heads: key-value heads in a layer.
        layer_count: the key of ``config.json`` that holds the number of layers.
    """

    layer: str
    query: str
    key: str
    value: str
    output: str
    neurons: tuple[str, ...]
    mlp_output: str
    unembedding: str
    embedding: str
    layers: int
    heads: int
    kv_heads: int
    layer_count: str

    @property
    def group(self) -> int:
        """Query heads that share a key-value head."""
        return self.heads // self.kv_heads

    def of(self, layer: int, part: str) -> str:
        """The full name of a layer's part, for example ``layout.of(3, layout.key)``."""
        return self.layer.format(layer) + part


def layout_of(config: Mapping[str, Any]) -> Layout:
    """The layout of a checkpoint with this ``config.json``."""
    (architecture,) = config["architectures"]
    return _LAYOUTS[architecture](config)


def _native(config: Mapping[str, Any]) -> Layout:
    """transformer-lens' native model, attention only."""
    return Layout(
        layer="layers.{}.",
        query="attn.q",
        key="attn.k",
        value="attn.v",
        output="attn.o",
        neurons=(),
        mlp_output="",
        unembedding="head",
        embedding="tok_embed",
        layers=config["n_layers"],
        heads=config["n_heads"],
        kv_heads=config["n_heads"],
        layer_count="n_layers",
    )


def _transformers(
    config: Mapping[str, Any], *, output: str, neurons: tuple[str, ...], mlp_output: str
) -> Layout:
    heads = config["num_attention_heads"]
    return Layout(
        layer="model.layers.{}.",
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        output=output,
        neurons=neurons,
        mlp_output=mlp_output,
        unembedding="lm_head",
        embedding="model.embed_tokens",
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        layer_count="num_hidden_layers",
    )


def _llama(config: Mapping[str, Any]) -> Layout:
    return _transformers(
        config,
        output="self_attn.o_proj",
        neurons=("mlp.gate_proj", "mlp.up_proj"),
        mlp_output="mlp.down_proj",
    )


def _phi(config: Mapping[str, Any]) -> Layout:
    return _transformers(
        config, output="self_attn.dense", neurons=("mlp.fc1",), mlp_output="mlp.fc2"
    )


_LAYOUTS = {
    "TransformerLensNative": _native,
    "LlamaForCausalLM": _llama,
    "PhiForCausalLM": _phi,
}
