"""Attention heads and their labels."""

from __future__ import annotations

import re
from typing import NamedTuple

_LABEL = re.compile(r"L(?P<layer>\d+)H(?P<index>\d+)|(?P<layer2>\d+)\.(?P<index2>\d+)", re.ASCII)


class Head(NamedTuple):
    """One attention head: its layer and its index in the layer, both from 0."""

    layer: int
    head_index: int

    def __str__(self) -> str:
        return f"L{self.layer}H{self.head_index}"

    @classmethod
    def parse(cls, label: str | Head) -> Head:
        """Read ``L5H1`` (as transformer-lens writes it) or ``5.1`` (as papers do).

        What is a head already is left as it is.

        Raises:
            ValueError: if the label is neither.
        """
        if isinstance(label, Head):
            return label
        match = _LABEL.fullmatch(label.strip())
        if match is None:
            raise ValueError(f"{label!r} is no head label: write L5H1 or 5.1")
        layer = match["layer"] or match["layer2"]
        index = match["index"] or match["index2"]
        return cls(int(layer), int(index))
