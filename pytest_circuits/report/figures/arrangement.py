"""Where the maps of a figure stand: side by side, or one below the other on a narrow page."""

from __future__ import annotations

from dataclasses import dataclass

#: Pixels of a row at least and at most, and of all rows side by side and one below the other.
_ROW, _BESIDE, _STACKED = (9, 28), 560, 400
#: The least that a map is high, in pixels.
_LEAST = 90
#: Pixels over a map, for its name, and below it, for its columns' names and the legend.
_ABOVE, _BELOW, _LEGEND = 34, 64, 70
#: Pixels between maps that stand one below the other.
_GAP = 96
#: Columns beyond which maps don't stand side by side, and from which one map has all the width.
_MOST_BESIDE, _WIDE = 26, 14


@dataclass(frozen=True)
class Spot:
    """Where a map stands, in shares of the figure; ``bar`` is where its colours are told."""

    x: tuple[float, float]
    y: tuple[float, float]
    bar: tuple[float, float]


@dataclass(frozen=True)
class Arrangement:
    """Where the maps of a figure stand.

    Attributes:
        spots: of each map.
        height: of the figure, in pixels.
        stacked: whether they stand one below the other.
    """

    spots: list[Spot]
    height: int
    stacked: bool


def arrange(count: int, rows: int, columns: int, *, stacked: bool) -> Arrangement:
    """So many maps of at most so many rows and columns."""
    stacked = stacked or columns > _MOST_BESIDE
    height = max(_LEAST, min(_STACKED if stacked else _BESIDE, rows * _ROW[1]), rows * _ROW[0])
    if not stacked:
        return Arrangement(_beside(count, columns), _ABOVE + height + _BELOW + _LEGEND, stacked)
    total = _ABOVE + count * height + (count - 1) * _GAP + _BELOW + _LEGEND
    return Arrangement(_below(count, height), total, stacked)


def _beside(count: int, columns: int) -> list[Spot]:
    if count == 1:
        # A few heads drawn across a whole page would be bricks.
        right = 0.9 if columns > _WIDE else 0.42
        return [Spot((0, right), (0, 1), (right + 0.005, 0.5))]
    if count == 2:  # noqa: PLR2004 — baseline and candidate, which share their colours
        return [Spot((0, 0.43), (0, 1), (0.915, 0.5)), Spot((0.48, 0.91), (0, 1), (0.915, 0.5))]
    return [
        Spot((0, 0.265), (0, 1), (0.565, 0.5)),
        Spot((0.295, 0.56), (0, 1), (0.565, 0.5)),
        Spot((0.665, 0.93), (0, 1), (0.935, 0.5)),
    ]


def _below(count: int, height: float) -> list[Spot]:
    whole = count * height + (count - 1) * _GAP
    spots = []
    for place in range(count):
        top = 1 - place * (height + _GAP) / whole
        low = max(0.0, top - height / whole)
        spots.append(Spot((0, 0.86), (low, top), (0.87, (low + top) / 2)))
    return spots
