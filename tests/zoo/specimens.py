"""The architectures, each as a small family of models."""

from __future__ import annotations

from zoo.decoders import DECODERS
from zoo.hybrids import HYBRIDS
from zoo.mixtures import MIXTURES

SPECIMENS = {**DECODERS, **MIXTURES, **HYBRIDS}

#: Those tried on every push: what any other has in it, one of these has.
OFTEN = (
    "gpt2",  # LayerNorms, biases, learned positions, stacked queries, keys and values
    "gpt-j",  # attention and MLP in parallel
    "falcon, new decoder",  # grouped by key-value heads
    "bitnet",  # a norm over what heads have mixed
    "granite",  # multiplied streams and logits
    "cohere",  # multiplied logits, in parallel
    "gemma2",  # soft caps, windows, norms after attention and MLP
    "gemma4",  # shared keys and values, streams multiplied by a layer
    "olmo2",  # norms over all heads' queries and keys
    "gpt-oss",  # sinks, experts
    "deepseek-v3",  # compressed keys and values
    "qwen3-next",  # linear attention; query and gate from one projection
    "mamba",  # no attention
    "lfm2",  # convolutions
    "falcon-h1",  # attention and state-space model in one layer
)
