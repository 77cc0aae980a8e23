"""New prompts decide what a changed mechanism means: both models are measured on them.

The reference is the model whose baseline served. What can't be drawn or measured settles nothing,
and the settlement says why.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_circuits.findings import InvalidFindingError
from pytest_circuits.findings.quantity import prompts_identity
from pytest_circuits.models import ModelError
from pytest_circuits.prompts import PromptError, PromptPairs, PromptWarning, RepeatedTokens
from pytest_circuits.session.measuring import Measurement
from pytest_circuits.session.outcomes import STATE, CircuitSource
from pytest_circuits.verdicts import NewPrompts, Outcome, narrowed, settle, unsettled, windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_circuits.baselines import Comparison
    from pytest_circuits.findings import Finding
    from pytest_circuits.session.outcomes import Measured
    from pytest_circuits.session.session import CircuitsSession
    from pytest_circuits.verdicts import Settlement

NEVER = "never"
_SAME_WEIGHTS = "its weights are those that the baseline was recorded with"
#: What a configuration says of where it came from, not of what it computes.
_OF_ORIGIN = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")


#: Sequences of twice a window's length: they are long, and what fails there fails by far.
_FARTHER = 4


class UnsettledError(Exception):
    """New prompts can't tell anything; the message says why."""


def settled(
    comparison: Comparison,
    session: CircuitsSession,
    source: CircuitSource,
    request: pytest.FixtureRequest,
) -> Comparison:
    """A comparison with what new prompts say of it.

    Args:
        comparison: a finding held against a baseline of the same quantity.
        session: the run.
        source: the model under test.
        request: the fixture's request, which knows the test.
    """
    try:
        settlement = _settlement(comparison, session, source, request)
    except UnsettledError as why:
        settlement = unsettled(str(why))
    settlement = replace(settlement, identity=prompts_identity(comparison.measured))
    return replace(comparison, verdict=comparison.verdict.settled(settlement))


def _settlement(
    comparison: Comparison,
    session: CircuitsSession,
    source: CircuitSource,
    request: pytest.FixtureRequest,
) -> Settlement:
    measurement = _measurement(comparison, session, request)
    finding = comparison.measured
    weights = _weights(comparison, session.origin(finding, source, request), source)
    if weights[0] == weights[1] and not _other_configuration(comparison, session, source, request):
        raise UnsettledError(_SAME_WEIGHTS)
    seen = _Reach.of(comparison)
    try:
        test = request.node.nodeid.rpartition(source.alias)[0]
        seed = hashlib.sha256(json.dumps([*weights, test]).encode()).hexdigest()[:16]
        drawn = _drawn(measurement, finding, seed, seen)
        other = session.models.source_named(comparison.owner)
    except (PromptError, ModelError) as error:
        raise UnsettledError(str(error)) from None
    reference = CircuitSource(comparison.owner, other, (comparison.owner,))
    asked = [*_asked(measurement, finding, drawn, seen)]

    def on(model: CircuitSource) -> dict[str, Measured | str]:
        return dict(_measured(asked, session, model, request, tested=model is source))

    with warnings.catch_warnings():
        # Words that a tokenizer doesn't have were told of when the test's own prompts were drawn.
        warnings.simplefilter("ignore", PromptWarning)
        found, of_reference = on(source), on(reference)
    for each in of_reference.values():
        if isinstance(each, str):
            continue
        origin = each.origin or session.models.provenance(
            other, session.models.of_test(other, request)
        )
        if origin["weights"] != weights[0]:
            raise UnsettledError(
                f"{comparison.owner} does not have the weights that the baseline was recorded with"
            )
    pairs = _pairs(asked, found, of_reference)
    if not pairs:
        raise UnsettledError("none of the new prompts could be measured on both models")
    settlement = settle(pairs, prompts=_said(drawn), seed=seed)
    longest = max((_block(pair.reference) for pair in pairs if not pair.extra), default=0)
    if settlement.outcome is Outcome.HOLDS and longest <= max(seen.narrowed, default=-1):
        why = f"no new prompts are longer than the attention window of {seen.narrowed[-1]} tokens"
        return unsettled(why, prompts=_said(drawn), seed=seed)
    return settlement


def _pairs(
    asked: Sequence[_Asked],
    found: Mapping[str, Measured | str],
    of_reference: Mapping[str, Measured | str],
) -> list[NewPrompts]:
    """What both models could be asked, each once.

    A block that was shortened is another one than was asked for, or one that is there already.

    Raises:
        UnsettledError: if the reference has no numbers where it is needed.
    """
    distinct: dict[str, NewPrompts] = {}
    for each in asked:
        new, before = found.get(each.name), of_reference.get(each.name)
        if new is None or before is None:
            continue
        if isinstance(before, str):
            if not each.optional:
                raise UnsettledError(before)
            continue
        name = _name(before.finding)
        if isinstance(new, str):
            pair = NewPrompts(before.finding, None, name, each.extra, new)
        else:
            pair = NewPrompts(before.finding, new.finding, name, each.extra)
        if not each.extra or name not in distinct:
            distinct[name] = pair
    return [*distinct.values()]


def _measurement(
    comparison: Comparison, session: CircuitsSession, request: pytest.FixtureRequest
) -> Measurement:
    """How the finding was measured, if that can be done again on other prompts."""
    if session.settings.new_prompts.value == NEVER:
        raise UnsettledError(f"new prompts are never asked ({session.settings.new_prompts.origin})")
    finding = comparison.measured
    measured = request.node.stash[STATE].measured_as(finding)
    if measured is None or measured.measurement is None:
        raise UnsettledError("the test measured it itself, and not by its `circuits`")
    if altered := session.altered(finding, request):
        raise UnsettledError(f"the test had changed {altered[0]}")
    if "without" in finding.convention:
        raise UnsettledError("it was measured under circuits.ablated")
    found: Measurement = measured.measurement
    return found


def _weights(
    comparison: Comparison, origin: dict[str, str], source: CircuitSource
) -> tuple[str, str]:
    """The weights of the reference and of the model under test."""
    baseline = comparison.baseline
    recorded = "" if baseline is None else str(baseline.finding.provenance.get("weights", ""))
    own = origin.get("weights", "")
    if not recorded or not own:
        raise UnsettledError("its baseline does not say which weights it was recorded with")
    if comparison.owner == source.alias:
        if recorded == own:
            raise UnsettledError(_SAME_WEIGHTS)
        raise UnsettledError(
            f"the baseline is {source.alias}'s own, and the model that it was recorded with is "
            f"not at hand"
        )
    return recorded, own


def _other_configuration(
    comparison: Comparison,
    session: CircuitsSession,
    source: CircuitSource,
    request: pytest.FixtureRequest,
) -> bool:
    """Whether the model under test is configured otherwise than the reference.

    The same weights are another model with a window of attention or other positions.
    """
    own = session.models.runs_of_test(source, request)
    try:
        reference = session.models.runs_of_other(comparison.owner)
    except ModelError as error:
        raise UnsettledError(str(error)) from None
    one, other = (_configuration(runs.bridge) for runs in (own, reference))
    return one != other


def _configuration(bridge: Any) -> dict[str, Any] | None:  # noqa: ANN401 — a bridge
    config = getattr(bridge.original_model, "config", None)
    if config is None or not hasattr(config, "to_dict"):
        return None
    return {name: value for name, value in config.to_dict().items() if name not in _OF_ORIGIN}


def _drawn(
    measurement: Measurement, finding: Finding, seed: str, seen: _Reach
) -> PromptPairs | RepeatedTokens:
    """The new prompts.

    Raises:
        PromptError: if there are none that can be drawn.
        UnsettledError: if they could not show what changed.
    """
    drawn = _prompts(measurement, finding).anew(seed)
    if isinstance(drawn, PromptPairs) and seen.narrowed:
        raise UnsettledError("pairs of prompts may be too short to reach beyond the window")
    return drawn


class _Reach(NamedTuple):
    """How far back attention looks.

    Attributes:
        reference: the largest window of the reference's layers, in tokens; 0 if one sees all.
        narrowed: the windows of the model's layers that see less than the reference's, ascending.
    """

    reference: int
    narrowed: tuple[int, ...]

    @classmethod
    def of(cls, comparison: Comparison) -> _Reach:
        """How far the models of a comparison look."""
        if comparison.baseline is None:
            return cls(0, ())
        approved = comparison.baseline.finding
        layers = narrowed(comparison.found, approved)
        before = windows(approved)
        return cls(
            max(before) if all(before) else 0, tuple(sorted({each.after for each in layers}))
        )


def _prompts(measurement: Measurement, finding: Finding) -> PromptPairs | RepeatedTokens:
    """The prompts of a measurement.

    Raises:
        PromptError: if they are none that can be drawn anew.
    """
    options = measurement.options
    given = [*measurement.arguments[:1], options.get("pairs"), options.get("prompts")]
    for each in given:
        if isinstance(each, PromptPairs | RepeatedTokens):
            return each
    if finding.prompts.get("kind") == "repeated tokens":
        return RepeatedTokens()
    raise PromptError("its prompts can't be drawn anew")


class _Asked(NamedTuple):
    """A measurement on new prompts.

    Attributes:
        name: unlike the others'.
        measurement: how it is measured.
        extra: whether the reference need not have this behaviour.
        optional: whether it may be that there is no room for such prompts.
    """

    name: str
    measurement: Measurement
    extra: bool = False
    optional: bool = False


def _asked(
    measurement: Measurement,
    finding: Finding,
    drawn: PromptPairs | RepeatedTokens,
    seen: _Reach,
) -> Iterator[_Asked]:
    """What is measured on new prompts: the behaviours that the finding's mechanism serves.

    Args:
        measurement: what the test measured.
        finding: what that found.
        drawn: new prompts of the same kind.
        seen: how far back attention looks.
    """
    if isinstance(drawn, RepeatedTokens):
        block: Any = finding.convention["block"]
        blocks = sorted(block) if isinstance(block, list) else [block]
        for length in blocks:
            # What lies beyond its own window the reference can't see either.
            extra = 0 < seen.reference < length
            yield _Asked(f"block {length}", _of_block(replace(drawn, block=length)), extra)
        # Where attention ends earlier than it did, what lies beyond that shows it: just beyond, and
        # farther, as several layers reach farther together …
        for window in seen.narrowed:
            beyond = replace(drawn, block=window + 1, shortest=window + 1)
            yield _Asked(f"beyond {window}", _of_block(beyond), optional=True)
            farther = replace(beyond, block=2 * window, batch=min(drawn.batch, _FARTHER))
            yield _Asked(f"farther than {window}", _of_block(farther), extra=True, optional=True)
        # … and where repeats were learned by heart, longer ones.
        longer = _of_block(replace(drawn, block=2 * blocks[-1], shortest=blocks[-1] + 1))
        yield _Asked("longer", longer, extra=True, optional=True)
        return
    metric = measurement.options.get("metric", "logit_diff")
    if callable(metric):
        raise UnsettledError("its metric is a function of the suite's own, which is no behaviour")
    if finding.measure == "top_k_accuracy":
        k = {name: value for name, value in measurement.options.items() if name == "k"}
        yield _Asked("top_k_accuracy", Measurement("top_k_accuracy", (drawn,), k))
        return
    probability = metric == "probability" or finding.measure == "answer_probability"
    for name in ("answer_probability" if probability else "logit_diff", "accuracy"):
        yield _Asked(name, Measurement(name, (drawn,), {}))


def _name(finding: Finding) -> str:
    """What a behaviour on new prompts is called: its measure, and how long the blocks were."""
    block = finding.convention.get("block")
    return finding.measure if block is None else f"{finding.measure}, block {block}"


def _block(finding: Finding) -> int:
    """How long its blocks were; 0 where it has none."""
    block = finding.convention.get("block", 0)
    return block if isinstance(block, int) else 0


def _of_block(tokens: RepeatedTokens) -> Measurement:
    return Measurement("repeat_loss", (tokens,), {"alone": True})


def _measured(
    asked: Sequence[_Asked],
    session: CircuitsSession,
    model: CircuitSource,
    request: pytest.FixtureRequest,
    *,
    tested: bool,
) -> Iterator[tuple[str, Measured | str]]:
    """What was found of a model by name, or why it gives no numbers on prompts that there are.

    Without optional prompts for which there is no room.
    """
    for each in asked:
        try:
            yield each.name, session.measurer.measure(each.measurement, model, request)
        except pytest.fail.Exception as error:
            if isinstance(error.__context__, InvalidFindingError):
                yield each.name, str(error)
            elif not each.optional:
                raise UnsettledError(str(error)) from None
        except Exception as error:
            # The model's own code may raise anything. If the reference's does too, it is ours.
            if not tested:
                raise
            yield each.name, f"{each.measurement.measure} on {model.alias}: {error!r}"


def _said(drawn: PromptPairs | RepeatedTokens) -> str:
    if isinstance(drawn, PromptPairs):
        return f"{len(drawn)} pairs: {drawn.name}"
    return f"{drawn.batch} sequences of repeated tokens, seed {drawn.seed}"
