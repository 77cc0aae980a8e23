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
    "codegen",  # queries, values and keys in parts
    "gpt-neox, one after the other, float64",  # interleaved by heads
    "gpt-bigcode",  # one key-value head
    "mpt",  # ALiBi, no biases
    "falcon, new decoder",  # grouped by key-value heads
    "openai-gpt",  # norms after what is added
    "modernbert-decoder",  # more behind the last norm than an unembedding
    "llama 3",  # scaled rotary positions
    "smollm3",  # layers without positions
    "bitnet",  # a norm over what heads have mixed
    "phi3, long",  # longrope, stacked with fewer keys and values
    "granite",  # multiplied streams and logits
    "cohere",  # multiplied logits, in parallel
    "gemma2",  # soft caps, windows, norms after attention and MLP
    "gemma4",  # shared keys and values, streams multiplied by a layer
    "olmo",  # norms without weights
    "olmo2",  # norms over all heads' queries and keys
    "gpt-oss",  # sinks, experts
    "llama4",  # chunks of attention, experts in some layers
    "afmoe",  # gates of what heads have mixed
    "jetmoe",  # experts of attention
    "deepseek-v3",  # compressed keys and values
    "qwen3-next",  # linear attention; query and gate from one projection
    "mamba",  # no attention
    "rwkv",  # no attention, and a norm of the embedding
    "lfm2",  # convolutions
    "nemotron-h",  # layers of one part
    "falcon-h1",  # attention and state-space model in one layer
    "zamba2",  # attention that another mixer reads
)
