"""What a measure found: plain data that needs neither torch nor a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pytest_circuits.findings import absent
from pytest_circuits.findings.behaviour import Behaviour, Direction
from pytest_circuits.findings.circuit import Head
from pytest_circuits.findings.digits import decimals, estimate
from pytest_circuits.findings.statistics import share_bounds, t95

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pandas import DataFrame
    from plotly.graph_objects import Figure

    from pytest_circuits.findings.allowance import Allowance
    from pytest_circuits.findings.circumstances import Circumstances

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


_HEADS = ("layer", "head")
#: The beginning of a share's unit.
SHARE = "share of "

#: A value is told from its null at this level, over all heads at once.
SIGNIFICANT = 0.05


class InvalidFindingError(ValueError):
    """A measure's numbers can't be a finding."""


def not_finite(measure: str, where: str) -> InvalidFindingError:
    """The error of a measure whose numbers are NaN or infinite.

    Args:
        measure: the measure's name.
        where: what is not finite.
    """
    return InvalidFindingError(
        f"{measure}: the model gives numbers that are not finite ({where}). Look for NaN or "
        f"overflow in its weights, or try another dtype."
    )


@dataclass(frozen=True)
class Role:
    """The heads that do a job: those at or above a threshold (in magnitude, if two-sided)."""

    name: str
    threshold: float


@dataclass(frozen=True)
class Null:
    """What a head's value is where there is nothing for it to find.

    Attributes:
        mean: the value on control samples, matched one by one.
        p: the chance of a difference as large as the one found if there were none, over all
            heads at once (max-T sign flips; Westfall & Young 1993).
    """

    mean: float
    p: float

    @property
    def rejected(self) -> bool:
        """Whether the head has more than its null."""
        return self.p <= SIGNIFICANT


@dataclass(frozen=True)
class Output:
    """What a head writes for the next token where its attention is looked at.

    Attributes:
        mean: its part of logit(next token) − mean logit, in logits.
        error: standard error over clusters; NaN with a single cluster.
    """

    mean: float
    error: float


@dataclass(frozen=True)
class Canary:
    """The loss on a fixed text: what no circuit here is about.

    It tells a change of one circuit from a change of the whole model. Two canaries are only
    comparable on the same tokens.

    Attributes:
        loss: mean next-token negative log-likelihood, in nats.
        kind: ``text``, or ``drawn tokens`` where the tokenizer can't encode the text.
        tokens: a hash of the tokens.
    """

    loss: float
    kind: str
    tokens: str


@dataclass(frozen=True, eq=False)
class Finding:
    """Values with axes and standard errors, and everything that makes them comparable.

    ``finding == circuit_snapshot`` asks the snapshot for a verdict; two findings are compared
    by :meth:`equals`. ``numpy.asarray(finding)`` gives the values.

    Attributes:
        measure: the measure's name, for example ``induction_scores``.
        quantity: what one value is, for example ``induction score``.
        unit: for example ``probability``, ``logits``, ``fraction``, ``nats``.
        direction: which way a value gets better.
        axes: names of the values' axes: ``("layer", "head")``, or ``()`` for one number.
        values: ``[layer, head]`` or ``[]``. NaN in cells that are ``absent``, and throughout where
            the behaviour is gone and a fraction of it would be meaningless.
        errors: standard errors, same shape; NaN in cells that are ``absent``, and with a single
            cluster.
        samples: number of sequences or prompts.
        clusters: number of clusters the errors count.
        convention: every choice that changes the numbers.
        prompts: the prompts' kind, hashes and, where they were drawn, their token ids.
        role: the role whose members are judged, or None for one number.
        profiles: per-sample values of the role's members and of heads that have at least half of
            what it takes, by head label. A baseline keeps those of members and of heads that
            nearly are.
        nulls: what the values of heads above the threshold, or near it, are held against, by head
            label; empty where a measure has no control or too few samples for one.
        outputs: what the heads that have a profile write, by head label; empty where a measure
            does not look at that, or can't.
        companion: the behaviours the mechanism serves, the one that says most first.
        relative_to: the name of the vital behaviour that the values are fractions of; they mean
            nothing where that is gone.
        chance: what the one number is where the model does nothing, where that is known.
        canary: the loss on a fixed text, measured beside it.
        provenance: what it was measured with; shown, never compared.
        labels: what the cells of an axis are called, by axis; those of other axes are counted
            from 0.
        raw: what the values were computed from, by name, the samples first (``[sample, …]``). It
            is there as long as the finding is in memory, and in no file.
        per_sample: the values of each sample, ``[sample, layer, head]``, of which the profiles are
            those that count; in memory alone, None where a measure has none.
        screen: whether the values only say where to look, and nothing can rest on them.
        clustering: the cluster of each sample, in memory alone; empty where every sample is one of
            its own, and in what a file holds.
        allowance: how far one value may lie from its baseline's by default; None if the measure
            declares nothing.
        null_takes: how to get nulls where there are none, in the words of an error message; empty
            if the measure has no control. In memory alone.
        absent: which cells the model does not have, such as the heads of a layer without attention,
            same shape as the values; None where it has all. What is kept by sample is NaN there
            too. A file has no such field: there a cell without a value is absent, unless the
            finding is undefined, whose file no longer says which cells the model has.
        circumstances: on what it was measured, where a run of tests noted that; None for a finding
            that was made by hand or remembered.
    """

    measure: str
    quantity: str
    unit: str
    direction: Direction
    axes: tuple[str, ...]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    samples: int
    clusters: int
    convention: Mapping[str, Json]
    prompts: Mapping[str, Json]
    role: Role | None = None
    profiles: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    nulls: Mapping[str, Null] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    companion: tuple[Behaviour, ...] = ()
    relative_to: str | None = None
    chance: float | None = None
    canary: Canary | None = None
    provenance: Mapping[str, Json] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    raw: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    per_sample: NDArray[np.float64] | None = None
    screen: bool = False
    clustering: tuple[object, ...] = ()
    allowance: Allowance | None = None
    null_takes: str = ""
    absent: NDArray[np.bool_] | None = None
    circumstances: Circumstances | None = None

    # Without this numpy on the left of == would broadcast instead of asking us.
    __array_ufunc__ = None

    def __post_init__(self) -> None:
        if self.values.ndim != len(self.axes) or self.values.shape != self.errors.shape:
            raise InvalidFindingError(
                f"{self.measure}: values {self.values.shape} and errors {self.errors.shape} "
                f"do not fit the axes {self.axes}"
            )
        for axis, labels in self.labels.items():
            if axis not in self.axes or len(labels) != self.values.shape[self.axes.index(axis)]:
                raise InvalidFindingError(
                    f"{self.measure}: {len(labels)} labels of {axis} do not fit the axes "
                    f"{self.axes} of values {self.values.shape}"
                )
        if self.role is not None and self.direction is Direction.LOWER:
            raise InvalidFindingError(
                f"{self.measure}: a role is what heads have enough of, so more must be better"
            )
        if problem := absent.problem(self):
            raise InvalidFindingError(f"{self.measure}: {problem}")
        if self.absent is not None and not self.absent.any():
            object.__setattr__(self, "absent", None)
        broken = [b.name for b in self.companion if not np.isfinite(b.value)]
        wrong = self.present & ~np.isfinite(self.values)
        if broken or (wrong.any() and not self.undefined):
            where = broken or absent.names(self, wrong)
            raise not_finite(self.measure, ", ".join(where) or self.quantity)

    def derived(self, **fields: Any) -> Finding:  # noqa: ANN401 — any fields
        """The same finding with other values in some fields.

        Unlike ``dataclasses.replace`` it checks nothing again: for fields that can't make a finding
        that is one into none.
        """
        twin = object.__new__(type(self))
        vars(twin).update({**vars(self), **fields})
        return twin

    @property
    def is_behaviour(self) -> bool:
        """Whether it is one number of what the whole model does, not of a circuit or without one.

        Measures that ablate say so in their convention.
        """
        return not self.axes and not {"circuit", "ablated"} & self.convention.keys()

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which cells the model has, same shape as the values."""
        return np.ones(self.values.shape, dtype=bool) if self.absent is None else ~self.absent

    @property
    def gone(self) -> tuple[Behaviour, ...]:
        """Vital behaviours that can't be told from nothing, the finding's own number among them."""
        own = () if self.axes else (self.as_behaviour(),)
        return tuple(behaviour for behaviour in (*self.companion, *own) if behaviour.indistinct)

    @property
    def undefined(self) -> bool:
        """Whether the values are fractions of a behaviour that is gone, and so mean nothing."""
        return any(behaviour.name == self.relative_to for behaviour in self.gone)

    def as_behaviour(self) -> Behaviour:
        """A finding of one number as the behaviour that it is.

        Where more is better, a number that falls to nothing is a behaviour that is gone.
        """
        return Behaviour(
            self.measure,
            float(self.values),
            float(self.errors),
            self.clusters,
            self.direction,
            self.unit,
            vital=self.direction is Direction.HIGHER,
            chance=self.chance,
        )

    def behaviour(self, name: str) -> Behaviour:
        """The companion behaviour of that name.

        Raises:
            KeyError: if there is none.
        """
        for behaviour in self.companion:
            if behaviour.name == name:
                return behaviour
        raise KeyError(name)

    def cell_name(self, cell: Sequence[int]) -> str:
        """What a cell is called: ``L5H1``, ``layer 3, position END``, ``L3 mlp``."""
        names = [
            f"{axis} {self.labels[axis][index] if axis in self.labels else index}"
            for axis, index in zip(self.axes, cell, strict=True)
        ]
        if len(self.axes) == 1 and self.labels:
            # Named cells of one kind need no word for it.
            return names[0].removeprefix(f"{self.axes[0]} ")
        if self.axes[:2] == _HEADS:
            names[:2] = [str(Head(*map(int, cell[:2])))]
        return ", ".join(names)

    def cells(self) -> dict[str, float]:
        """Every cell's value by its name, largest magnitude first; without those that are absent.

        Raises:
            TypeError: if the finding is one number.
        """
        if not self.axes:
            raise TypeError(f"{self.measure} is one number")
        return {self.cell_name(cell): float(self.values[cell]) for cell in self._ranked()}

    def _ranked(self) -> list[tuple[int, ...]]:
        order = np.argsort(-np.abs(self.values), axis=None, kind="stable")
        order = order[self.present.ravel()[order]]
        places = np.unravel_index(order, self.values.shape)
        return [tuple(map(int, cell)) for cell in zip(*places, strict=True)]

    def heads(self) -> dict[Head, float]:
        """The value of every head that the model has, largest magnitude first.

        Raises:
            TypeError: if the finding has no layer × head values.
        """
        if self.axes != _HEADS:
            raise TypeError(f"{self.measure} has no values for heads")
        return {Head(*cell): float(self.values[cell]) for cell in self._ranked()}

    def members(self, threshold: float | None = None) -> dict[Head, float]:
        """The heads in the role, strongest first (empty for a finding without a role).

        They are at or above the threshold and, where they have a null, more than that.

        Args:
            threshold: another threshold than the finding's own.
        """
        if self.role is None:
            return {}
        least = self.role.threshold if threshold is None else threshold
        return {head: value for head, value in self.heads().items() if self.reaches(head, least)}

    def reaches(self, head: Head, least: float) -> bool:
        """Whether a head has at least so much and, where it has a null, more than that."""
        value = float(self.values[head])
        strength = abs(value) if self.direction is Direction.TWO_SIDED else value
        null = self.nulls.get(str(head))
        return strength >= least and (null is None or null.rejected)

    def lower_bounds(self) -> NDArray[np.float64]:
        """One-sided 95 % lower bounds of the values.

        Shares have exact ones (Clopper–Pearson), with clusters as trials: what all prompts gave
        has no spread, and still is not what all others give. Everything else has t-bounds over
        clusters.
        """
        if self.unit.startswith(SHARE):
            return share_bounds(self.values, self.clusters, upper=False)
        return self.values - t95(self.clusters) * self.errors

    def upper_bounds(self) -> NDArray[np.float64]:
        """One-sided 95 % upper bounds of the values; as :meth:`lower_bounds`."""
        if self.unit.startswith(SHARE):
            return share_bounds(self.values, self.clusters, upper=True)
        return self.values + t95(self.clusters) * self.errors

    def equals(self, other: Finding) -> bool:
        """Whether the other finding is the same quantity with the same values."""
        from pytest_circuits.findings.quantity import differing

        same = not differing(self, other) and not differing(other, self)
        return same and np.array_equal(self.values, other.values, equal_nan=True)

    def plot(self, approved: Finding | None = None) -> Figure:
        """The finding's values as a plotly figure, the one that a report's page shows.

        Maps of layer × head or layer × position, points along one axis, or one number; hovering
        tells value, error and tolerance of each cell.

        >>> scores = induction_scores("gpt2")  # doctest: +SKIP
        >>> scores.plot()  # doctest: +SKIP
        >>> induction_scores("./checkpoint").plot(scores)  # doctest: +SKIP

        Args:
            approved: a finding to show it against, held to its default tolerance.
        """
        # What draws comes after findings in the house, and is found as other plugins are.
        (figures,) = entry_points(group="pytest_circuits.plot", name="figures")
        figure: Figure = figures.load()(self, approved)
        return figure

    def to_pandas(self) -> DataFrame:
        """The finding as a pandas data frame: a row for each cell of the model, called by its name.

        There is a column for each axis (indices, or the axis's labels as categories), ``value``
        and ``error``. ``attrs`` holds measure, quantity, unit, direction, samples, clusters,
        convention, prompts, companion and provenance. One number is one row.

        >>> frame = induction_scores("gpt2").to_pandas()  # doctest: +SKIP
        >>> frame.loc["L5H1", "value"]  # doctest: +SKIP
        >>> frame.pivot(index="layer", columns="head", values="value")  # doctest: +SKIP
        """
        from pytest_circuits.findings.frame import to_frame

        return to_frame(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401, FBT001 — numpy's protocol
        return np.array(self.values, dtype=dtype, copy=True if copy is None else copy)

    def __float__(self) -> float:
        if self.axes:
            raise TypeError(
                f"{self.measure} has values for {' × '.join(self.axes)}, not one number"
            )
        return float(self.values)

    def __repr__(self) -> str:
        shape = " × ".join(
            f"{n} {axis}s" for n, axis in zip(self.values.shape, self.axes, strict=True)
        )
        absent = f", {self.absent.sum()} absent" if self.absent is not None else ""
        return f"<Finding {self.measure} {shape or format(float(self.values), '.4g')}{absent}>"

    def __str__(self) -> str:
        count = f"{self.samples} sample{'s' if self.samples != 1 else ''}"
        lines = [f"{self.measure} ({self.unit}, {count})"]
        if self.axes:
            shown = {self.cell_name(cell): cell for cell in self._ranked()[:8]}
            width = max(7, *map(len, shown))
            # The first is the largest, and says how many digits matter.
            digits = decimals(*[float(self.values[c]) for c in shown.values()][:1], least=3)
            for name, cell in shown.items():
                text = estimate(float(self.values[cell]), float(self.errors[cell]), digits=digits)
                value, *error = text.partition(" ")
                lines.append(f"  {name:<{width}} {value:>8}{''.join(error)}")
        else:
            own = ", at chance" * self.as_behaviour().at_chance
            lines.append(f"  {estimate(float(self.values), float(self.errors))}{own}")
        lines += [
            f"  {b.name} {estimate(b.value, b.error)} {b.unit}{', at chance' * b.at_chance}"
            for b in self.companion
        ]
        return "\n".join(lines)
