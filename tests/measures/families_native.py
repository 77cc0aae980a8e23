"""What transformer-lens' native models compute, written out in plain torch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

# Brings boot_native.
import transformer_lens.model_bridge.sources.native  # noqa: F401
from torch import nn
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from pytest_circuits.testing import WORDS

if TYPE_CHECKING:
    from torch import Tensor

_VOCABULARY, _CONTEXT, _WIDTH, _HEADS, _D_HEAD, _LAYERS = 1 + len(WORDS), 16, 32, 4, 8, 2


class NativeTwin(nn.Module):
    """A decoder with LayerNorms, learned positions and biases, that looks like Hugging Face's."""

    def __init__(self, *, mlps: bool, num_key_value_heads: int) -> None:
        super().__init__()
        self.mlps, self.key_value_heads = mlps, num_key_value_heads
        self.tok_embed = nn.Embedding(_VOCABULARY, _WIDTH)
        self.pos_embed = nn.Embedding(_CONTEXT, _WIDTH)
        self.layers = nn.ModuleList(_Block(mlps, num_key_value_heads) for _ in range(_LAYERS))
        self.ln_out = nn.LayerNorm(_WIDTH)
        self.lm_head = nn.Linear(_WIDTH, _VOCABULARY, bias=False)

    def forward(self, tokens: Tensor, **_: object) -> SimpleNamespace:
        stream = self.tok_embed(tokens) + self.pos_embed(torch.arange(tokens.shape[1]))
        patterns = []
        for layer in self.layers:
            stream, pattern = layer(stream)
            patterns.append(pattern)
        return SimpleNamespace(logits=self.lm_head(self.ln_out(stream)), attentions=patterns)

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def tie_weights(self) -> None:
        """Nothing is tied."""

    def set_attn_implementation(self, name: str) -> None:
        """There is but one."""


class _Block(nn.Module):
    def __init__(self, mlps: bool, key_value_heads: int) -> None:  # noqa: FBT001
        super().__init__()
        self.ln1 = nn.LayerNorm(_WIDTH)
        self.attn = _Attention(key_value_heads)
        if mlps:
            self.ln2 = nn.LayerNorm(_WIDTH)
            self.mlp = nn.Sequential(
                nn.Linear(_WIDTH, 4 * _WIDTH), nn.GELU(), nn.Linear(4 * _WIDTH, _WIDTH)
            )

    def forward(self, stream: Tensor) -> tuple[Tensor, Tensor]:
        added, pattern = self.attn(self.ln1(stream))
        stream = stream + added
        return stream + self.mlp(self.ln2(stream)) if hasattr(self, "mlp") else stream, pattern


class _Attention(nn.Module):
    def __init__(self, key_value_heads: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(_WIDTH, _HEADS * _D_HEAD)
        self.k_proj = nn.Linear(_WIDTH, key_value_heads * _D_HEAD)
        self.v_proj = nn.Linear(_WIDTH, key_value_heads * _D_HEAD)
        self.o_proj = nn.Linear(_HEADS * _D_HEAD, _WIDTH)
        self.group = _HEADS // key_value_heads

    def forward(self, normed: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = (
            part(normed).unflatten(-1, (-1, _D_HEAD)).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        # Head h reads from key-value head h // group.
        of = torch.arange(_HEADS) // self.group
        scores = q @ k[:, of].mT / _D_HEAD**0.5
        ahead = torch.ones_like(scores, dtype=torch.bool).triu(1)
        pattern = scores.masked_fill(ahead, -torch.inf).softmax(-1)
        return self.o_proj((pattern @ v[:, of]).transpose(1, 2).flatten(2)), pattern


def hooked_native(twin: NativeTwin, tokenizer: Any) -> TransformerBridge:
    """A native model with the twin's weights."""
    config = TransformerBridgeConfig(
        act_fn="gelu",
        attn_only=not twin.mlps,
        d_head=_D_HEAD,
        d_mlp=4 * _WIDTH,
        d_model=_WIDTH,
        d_vocab=_VOCABULARY,
        n_ctx=_CONTEXT,
        n_heads=_HEADS,
        n_key_value_heads=twin.key_value_heads,
        n_layers=_LAYERS,
        normalization_type="LN",
        positional_embedding_type="standard",
    )
    bridge = TransformerBridge.boot_native(config, tokenizer=tokenizer, device="cpu")
    bridge.eval().requires_grad_(requires_grad=False)
    given = {_native_name(name): value for name, value in twin.state_dict().items()}
    for name, parameter in bridge.original_model.named_parameters():
        # The bridge wraps modules in place, which shows in its parameters' names only.
        parameter.copy_(given.pop(name.replace("_original_component.", "")))
    assert not given
    return bridge


def _native_name(name: str) -> str:
    for ours, theirs in {
        "_proj": "",
        "pos_embed": "pos",
        "lm_head": "head",
        "mlp.0": "mlp.fc_in",
        "mlp.2": "mlp.fc_out",
    }.items():
        name = name.replace(ours, theirs)
    return name
