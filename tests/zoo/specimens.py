"""The architectures, each as a small family of models."""

from __future__ import annotations

from zoo.decoders import DECODERS
from zoo.hybrids import HYBRIDS
from zoo.mixtures import MIXTURES

SPECIMENS = {**DECODERS, **MIXTURES, **HYBRIDS}
