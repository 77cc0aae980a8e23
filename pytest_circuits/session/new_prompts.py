"""New prompts decide what a changed mechanism means: both models are measured on them.

The reference is the model whose baseline served. What can't be drawn or measured settles nothing,
and the settlement says why.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_circuits.models import ModelError
from pytest_circuits.prompts import PromptError, PromptPairs, PromptWarning, RepeatedTokens
from pytest_circuits.session.measuring import Measurement
from pytest_circuits.session.outcomes import STATE, CircuitSource
from pytest_circuits.verdicts import Change, NewPrompts, settle, unsettled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_circuits.baselines import Comparison
    from pytest_circuits.findings import Finding
    from pytest_circuits.session.outcomes import Measured
    from pytest_circuits.session.session import CircuitsSession
    from pytest_circuits.verdicts import Settlement

NEVER = "never"
_LONGER = "a longer block"
_SAME_WEIGHTS = "its weights are those that the baseline was recorded with"
#: What a configuration says of where it came from, not of what it computes.
_OF_ORIGIN = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")


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
    try:
        test = request.node.nodeid.rpartition(source.alias)[0]
        seed = hashlib.sha256(json.dumps([*weights, test]).encode()).hexdigest()[:16]
        drawn = _drawn(measurement, comparison, seed)
        other = session.models.source_named(comparison.owner)
    except (PromptError, ModelError, pytest.UsageError) as error:
        raise UnsettledError(str(error)) from None
    reference = CircuitSource(comparison.owner, other, (comparison.owner,))
    asked = dict(_asked(measurement, finding, drawn, _windows(comparison)))

    def on(model: CircuitSource) -> dict[str, Measured]:
        return {name: _measured(each, session, model, request) for name, each in asked.items()}

    with warnings.catch_warnings():
        # Words that a tokenizer doesn't have were told of when the test's own prompts were drawn.
        warnings.simplefilter("ignore", PromptWarning)
        found, of_reference = on(source), on(reference)
    for each in of_reference.values():
        origin = each.origin or session.models.provenance(
            other, session.models.of_test(other, request)
        )
        if origin["weights"] != weights[0]:
            raise UnsettledError(
                f"{comparison.owner} does not have the weights that the baseline was recorded with"
            )
    # A block that was shortened is another one than was asked for, or one that is there already.
    distinct: dict[str, NewPrompts] = {}
    for asked_for, each in found.items():
        name = _name(each.finding)
        # Twice as long as was asked for: only where a window ended does that have to be there.
        extra = asked_for == _LONGER and not _is_narrowed(comparison)
        new = NewPrompts(of_reference[asked_for].finding, each.finding, name, extra)
        distinct.setdefault(name, new)
    return settle([*distinct.values()], prompts=_said(drawn), seed=seed)


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
    measurement: Measurement, comparison: Comparison, seed: str
) -> PromptPairs | RepeatedTokens:
    """The new prompts.

    Raises:
        PromptError: if there are none that can be drawn.
        UnsettledError: if they could not show what changed.
    """
    drawn = _prompts(measurement, comparison.measured).anew(seed)
    if isinstance(drawn, PromptPairs) and _is_narrowed(comparison):
        raise UnsettledError("pairs of prompts may be too short to reach beyond the window")
    return drawn


def _is_narrowed(comparison: Comparison) -> bool:
    return any(reason.change is Change.NARROWED for reason in comparison.verdict.reasons)


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


def _asked(
    measurement: Measurement,
    finding: Finding,
    drawn: PromptPairs | RepeatedTokens,
    windows: Sequence[int],
) -> Iterator[tuple[str, Measurement]]:
    """What is measured on new prompts: the behaviours that the finding's mechanism serves.

    Args:
        measurement: what the test measured.
        finding: what that found.
        drawn: new prompts of the same kind.
        windows: how far back attention looks in the two models, where that is limited.
    """
    if isinstance(drawn, RepeatedTokens):
        block: Any = finding.convention["block"]
        blocks = sorted(block) if isinstance(block, list) else [block]
        for length in blocks:
            yield f"block {length}", _of_block(replace(drawn, block=length))
        # Where repeats were learned by heart, or attention ends, longer ones show it.
        beyond = 1 + max(windows, default=0)
        longest = max(2 * blocks[-1], beyond)
        yield _LONGER, _of_block(replace(drawn, block=longest, shorten=True))
        return
    metric = measurement.options.get("metric", "logit_diff")
    if callable(metric):
        raise UnsettledError("its metric is a function of the suite's own, which is no behaviour")
    if finding.measure == "top_k_accuracy":
        yield "top_k_accuracy", Measurement("top_k_accuracy", (drawn,), measurement.options)
        return
    probability = metric == "probability" or finding.measure == "answer_probability"
    for name in ("answer_probability" if probability else "logit_diff", "accuracy"):
        yield name, Measurement(name, (drawn,), {})


def _windows(comparison: Comparison) -> list[int]:
    """The attention windows of the two models, in tokens, of those that have one."""
    held = [comparison.found, *([comparison.baseline.finding] if comparison.baseline else [])]
    windows = [finding.provenance.get("attention_window") for finding in held]
    return [window for window in windows if isinstance(window, int)]


def _name(finding: Finding) -> str:
    """What a behaviour on new prompts is called: its measure, and how long the blocks were."""
    block = finding.convention.get("block")
    return finding.measure if block is None else f"{finding.measure}, block {block}"


def _of_block(tokens: RepeatedTokens) -> Measurement:
    return Measurement("repeat_loss", (tokens,), {"alone": True})


def _measured(
    measurement: Measurement,
    session: CircuitsSession,
    model: CircuitSource,
    request: pytest.FixtureRequest,
) -> Measured:
    try:
        return session.measurer.measure(measurement, model, request)
    except pytest.fail.Exception as error:
        raise UnsettledError(str(error)) from None


def _said(drawn: PromptPairs | RepeatedTokens) -> str:
    if isinstance(drawn, PromptPairs):
        return f"{len(drawn)} pairs: {drawn.name}"
    return f"{drawn.batch} sequences of repeated tokens, seed {drawn.seed}"
