"""Tests to begin with: behaviours that a language model should keep, and heads behind them.

Example:
    >>> from pytest_circuits import suites
    >>> TestCircuits = suites.default()

In a test module that is a whole suite: a test for each of its checks, each with a baseline of its
own. What a model can't have is decided by the model that owns the baselines, never by a candidate,
which fails where it lost something. Importing this imports neither torch nor numpy.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.findings import Finding
    from pytest_circuits.forward import Runs
    from pytest_circuits.session.circuits import Circuits
    from pytest_circuits.session.session import CircuitsSession
    from pytest_circuits.session.snapshot import CircuitSnapshot

#: What `text_loss` is measured on: a story, talk, an explanation and a list, in plain English.
TEXT = (
    "The ferry was late again. Ruth stood at the end of the pier with her collar turned up and "
    "counted the lights on the other side of the bay, as she had done every Friday since March. "
    '"You could have taken the bus," said the man who sold the tickets. "I could have," she said, '
    '"but then I would have missed the weather." He laughed, and poured her a cup of tea from the '
    "flask that he kept under the counter. By the time the boat came in, the rain had stopped, and "
    "the whole harbour smelled of salt and diesel.\n\n"
    "A tide is the slow rise and fall of the sea, and it is caused mostly by the moon. As the "
    "Earth turns, the water on the side that faces the moon is pulled towards it a little more "
    "strongly than the ground beneath, and the water on the far side a little less. Most coasts "
    "therefore have two high tides and two low tides in a day. When sun and moon stand in one "
    "line, the two pull together, and the difference between high and low water is larger than "
    "usual.\n\n"
    "Before you leave the house, please check that\n"
    "1. the windows are closed,\n"
    "2. the heating is turned down to fifteen degrees,\n"
    "3. the key is back in the blue box next to the door.\n"
    "If anything is broken, write it down in the book, and we will repair it before the next "
    "guests arrive."
)
#: How many pairs of prompts a check has.
PAIRS = 16


@dataclass(frozen=True)
class Check:
    """One measurement of a suite, held against its baseline.

    Attributes:
        name: what its test is called, after ``test_``.
        about: what it holds, in a line.
        measure: the measure's name.
        builder: what builds the pairs of prompts it is measured on; empty if it needs none.
        text: the text it is measured on; empty if it is not.
    """

    name: str
    about: str
    measure: str
    builder: str = ""
    text: str = ""

    @property
    def arguments(self) -> tuple[object, ...]:
        """What the measure is given."""
        if self.builder:
            from pytest_circuits import prompts

            return (getattr(prompts, self.builder)(n=PAIRS),)
        return (self.text,) if self.text else ()

    @property
    def call(self) -> str:
        """The measurement as a test has it in its source."""
        given = f"prompts.{self.builder}(n={PAIRS})" if self.builder else ""
        return f"circuits.{self.measure}({'suites.TEXT' if self.text else given})"


_DEFAULT = (
    Check("text_loss", "how well it predicts plain English", "text_loss", text=TEXT),
    Check("repeat_loss", "how well it predicts what it has seen before", "repeat_loss"),
    Check("indirect_object", "who is given the thing", "logit_diff", "ioi"),
    Check("agreement", "a verb agrees with its subject", "logit_diff", "subject_verb_agreement"),
    Check("capitals", "which city is a country's capital", "logit_diff", "country_capital"),
    Check("induction_heads", "heads that look behind an earlier occurrence", "induction_scores"),
    Check("previous_tokens", "heads that look one token back", "previous_token_scores"),
    Check("name_movers", "heads that write the name of who is given it", "head_attribution", "ioi"),
    Check(
        "agreement_writers",
        "heads that write the verb's number",
        "head_attribution",
        "subject_verb_agreement",
    ),
)


class Suite:
    """A class of tests, one for each check: give it a name that begins with ``Test``.

    Attributes:
        checks: all of the suite.
        left_out: those that don't fit the model that it was made for, or that were left out, with
            the reason.
    """

    checks: ClassVar[tuple[Check, ...]] = ()
    left_out: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def summary(cls) -> str:
        """What is in the suite and what is not, with the reasons, a line for each check."""
        width = max(len(check.name) for check in cls.checks)
        kept = [check for check in cls.checks if check.name not in cls.left_out]
        lines = [f"{len(kept)} of {len(cls.checks)} checks"]
        lines += [f"  {check.name:{width}}  {check.about}" for check in kept]
        if cls.left_out:
            lines.append("left out")
            lines += [f"  {name:{width}}  {why}" for name, why in cls.left_out.items()]
        return "\n".join(lines)

    @classmethod
    def source(cls) -> str:
        """A test module with the same tests written out, to own and to change."""
        kept = [check for check in cls.checks if check.name not in cls.left_out]
        needed = {"prompts": any(c.builder for c in kept), "suites": any(c.text for c in kept)}
        names = ", ".join(name for name, is_needed in needed.items() if is_needed)
        about = '"""What the model does, and which heads do it."""'
        blocks = [about + (f"\n\nfrom pytest_circuits import {names}" if names else "")]
        blocks += [
            f"# {check.about}\n"
            f"def test_{check.name}(circuits, circuit_snapshot):\n"
            f"    assert {check.call} == circuit_snapshot"
            for check in kept
        ]
        return "\n\n\n".join(blocks) + "\n"


def default(
    model: TransformerBridge | Runs | str | None = None,
    *,
    without: Mapping[str, str] | None = None,
) -> type[Suite]:
    """The default suite: a few behaviours and roles, measured in seconds on a small model.

    In a test module, ``TestCircuits = suites.default()``. A check that the model which owns the
    baselines can't have (its tokenizer has no such words, it has no attention, the behaviour can't
    be told from nothing) is skipped, with the reason; say so in ``without``, and that model need
    not be asked again. Where a baseline is stored, nothing is skipped.

    Example:
        >>> print(suites.default("bundled:recall").summary())  # doctest: +SKIP

    Args:
        model: a hooked model, its runs, or a source to load: what doesn't fit it is left out. Not
            for a test module, which is imported without a model.
        without: checks to leave out, each with the reason.

    Returns:
        a class of tests; ``.summary()`` says what is in it, ``.source()`` writes it out.

    Raises:
        ValueError: if ``without`` names no check, or gives no reason.
        ModelError: if the model can't be loaded.
    """
    names = [check.name for check in _DEFAULT]
    left_out = _reasons(without or {}, names)
    if model is not None:
        runs = _runs(model)
        for check in _DEFAULT:
            if check.name not in left_out and (problem := misfit(check, runs)):
                left_out[check.name] = problem
    tests = {f"test_{check.name}": _test(check, left_out.get(check.name)) for check in _DEFAULT}
    about = {"__doc__": "The default suite.", "checks": _DEFAULT, "left_out": left_out}
    return type("DefaultSuite", (Suite,), {**about, **tests})


def misfit(check: Check, runs: Runs) -> str:
    """Why a check doesn't fit a model; empty if it does.

    Args:
        check: a check of a suite.
        runs: the model's runs.
    """
    from pytest_circuits import measures
    from pytest_circuits.baselines.approving import nothing_to_approve
    from pytest_circuits.findings import ChoiceError
    from pytest_circuits.models import ModelError
    from pytest_circuits.prompts import PromptError, PromptWarning

    measure: Callable[..., Finding] = getattr(measures, check.measure)
    try:
        with warnings.catch_warnings():
            # The check itself warns of words that it leaves out.
            warnings.simplefilter("ignore", PromptWarning)
            finding = measure(runs, *check.arguments)
    except (ChoiceError, ModelError, PromptError) as error:
        said = str(error).replace(repr(check.text), "the text") if check.text else str(error)
        return _in_a_line(said.removeprefix(f"{check.measure}: "))
    return _in_a_line((nothing_to_approve(finding) or "").removeprefix("nothing to approve: "))


def _in_a_line(reason: str) -> str:
    """What is wrong, without the advice that follows."""
    return reason.partition("\n")[0].rstrip(":.")


def _reasons(without: Mapping[str, str], names: list[str]) -> dict[str, str]:
    """The checks to leave out, in their order."""
    if not hasattr(without, "items"):
        raise ValueError(
            f'without gives each check a reason, as in {{"{names[0]}": "…"}}, not {without!r}'
        )
    for name, reason in without.items():
        if name not in names:
            raise ValueError(f"there is no check {name!r} here; there are {', '.join(names)}")
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"without gives {name!r} a reason, in words, not {reason!r}")
    return {name: without[name] for name in names if name in without}


def _runs(model: TransformerBridge | Runs | str) -> Runs:
    from pytest_circuits.forward import as_runs

    if isinstance(model, str):
        from pytest_circuits.models import load, parse_source

        model = load(parse_source(model)).bridge
    return as_runs(model)


def _test(check: Check, left_out: str | None) -> Callable[..., None]:
    def test(
        self: Suite,  # noqa: ARG001 — pytest's
        circuits: Circuits,
        circuit_snapshot: CircuitSnapshot,
        request: pytest.FixtureRequest,
    ) -> None:
        _leave_out(check, left_out, request)
        finding = getattr(circuits, check.measure)(*check.arguments)
        if not finding == circuit_snapshot:  # noqa: SIM201 — a snapshot has no `!=`
            from pytest_circuits.session.outcomes import failure

            raise failure("\n".join(circuit_snapshot.explanation()))

    test.__name__ = test.__qualname__ = f"test_{check.name}"
    test.__doc__ = f"Hold {check.about}."
    return test


def _leave_out(check: Check, left_out: str | None, request: pytest.FixtureRequest) -> None:
    """Skip a check that the model which owns the baselines can't have.

    Where one is stored there is something to lose, and no model is asked.
    """
    import pytest

    from pytest_circuits.session.outcomes import failure
    from pytest_circuits.session.session import circuits_session

    session = circuits_session(request.config)
    file = _baseline(session, request.node)
    if left_out is not None and file:
        raise failure(
            f"{check.name} is left out ({left_out}), and has a baseline:\n"
            f"  {file}\n"
            f"Delete that file, or take {check.name!r} out of `without`."
        )
    reason = left_out
    if reason is None and not file:
        reason = _misfit_of_owner(check, session, request)
    if reason:
        pytest.skip(f"{check.name} is left out: {reason}")


def _baseline(session: CircuitsSession, item: pytest.Item) -> str:
    """The file that holds the test's baseline, of any alias whose baselines serve; or nothing."""
    from pytest_circuits.baselines import Location
    from pytest_circuits.session.extension import baseline_file
    from pytest_circuits.session.variants import alias_of

    alias, path = alias_of(item), baseline_file(item)
    location = None if path is None else Location.of(path)
    assert alias is not None
    assert location is not None
    files = [location.of_alias(owner).path for owner in session.sources[alias].owners]
    # One that can't be read is no reason to skip its test.
    return next((str(file) for file in files if file.exists()), "")


def _misfit_of_owner(check: Check, session: CircuitsSession, request: pytest.FixtureRequest) -> str:
    """Why the model at the root of the chain of baselines can't have a check; empty if it can."""
    from pytest_circuits.models import ModelError
    from pytest_circuits.session.variants import alias_of

    source = session.sources[str(alias_of(request.node))]
    owner = source.owners[-1]
    if owner == source.alias:
        return misfit(check, session.models.runs_of_test(source, request))
    try:
        runs = session.models.runs_of_other(owner)
    except ModelError:
        # Then nobody knows, and the check is one without a baseline.
        return ""
    problem = misfit(check, runs)
    return problem and f"{owner}: {problem}"
