"""What the gate says of changes whose nature is known, because they were made on purpose."""

import shutil

import pytest
from constructed.expectations import expectations
from constructed.gate import GateSuite
from constructed.summary import RESULT, Result
from constructed.trials import trial

#: What a benign change may always make of a finding, whatever it does to the others.
CALM = "preserved"
#: Permuted weights are summed in another order; their logits may differ by this share.
SAME = 1e-4


def _cases():
    """Every row for every subject; a slow subject has its draws in a test of their own.

    A push has all rows with SmolLM2, and a third of them where that is not at hand.
    """
    for subject, few, marks, marks_of_all in (
        ("recall", 2, (), (pytest.mark.nightly,)),
        ("smollm2", 1, (pytest.mark.real,), (pytest.mark.real, pytest.mark.nightly)),
        ("phi", None, (pytest.mark.nightly,), ()),
    ):
        for place, row in enumerate(expectations(subject)):
            nightly = (pytest.mark.nightly,) if subject == "recall" and place % 3 else marks
            name = f"{subject}-{row.change}"
            draws = min(row.seeds, few or row.seeds)
            yield pytest.param(subject, row, draws, marks=nightly, id=name)
            if draws < row.seeds:
                yield pytest.param(
                    subject, row, row.seeds, marks=marks_of_all, id=f"{name}, {row.seeds} draws"
                )


@pytest.mark.parametrize(("reference", "row", "draws"), list(_cases()), indirect=["reference"])
def test_the_gate_says_what_the_change_is(reference, row, draws, pytester, record_property):
    results = [
        _result(reference, row, drawn, outcome)
        for drawn, outcome in _outcomes(reference, row, draws, pytester)
    ]
    for result in results:
        record_property(RESULT, result.to_json())
    wrong = [_told(result) for result in results if not result.right]
    assert len(wrong) <= (row.unmet if draws == row.seeds else 0), "\n".join(wrong)


def _outcomes(reference, row, draws, pytester):
    """What the gate says of each distinct draw."""
    folder = pytester.path / "models"
    suite = GateSuite(pytester, reference.subject)
    drawn = [trial(row.change, reference, seed) for seed in range(draws)]
    trials = list({one.draw: one for one in drawn}.values())
    at_once = reference.subject.at_once
    for start in range(0, len(trials), at_once):
        batch = trials[start : start + at_once]
        models = {
            f"draw{n}": _written(one, reference, folder / str(n)) for n, one in enumerate(batch)
        }
        first = batch[0]
        if first.approve:
            suite.write(models["draw0"], first.wording)
            outcomes = [suite.approve()]
        else:
            suite.write(reference.model.folder, first.wording)
            suite.put(reference.baselines)
            outcomes = suite.judge(models, threads=first.threads).values()
        yield from zip((one.draw for one in batch), outcomes, strict=True)
        shutil.rmtree(folder, ignore_errors=True)


def _written(one, reference, folder):
    """The folder of the changed model."""
    if one.model is None:
        return reference.model.folder
    written = one.model().write(folder)
    if one.improves and reference.subject.learns:
        assert reference.repeat_loss(written) < reference.own_repeat_loss
    if one.same_function:
        before, after = reference.own_logits, reference.logits(written)
        assert (after - before).abs().max() <= SAME * before.abs().max()
    return written


def _result(reference, row, drawn, outcome):
    return Result(
        subject=reference.subject.name,
        change=row.change,
        kind=row.kind,
        expected=row.verdicts,
        expected_exit=row.exit,
        draw=drawn,
        obtained=outcome.verdict,
        exit=outcome.exit,
        findings=tuple((r.measure, r.verdict, r.passes, r.headline) for r in outcome.rows),
        right=outcome.verdict in row.verdicts
        and outcome.exit == row.exit
        and all(row.says in text for text in outcome.failures)
        and (row.kind == "broken" or outcome.complete)
        and (row.kind != "benign" or {r.verdict for r in outcome.rows} <= {*row.verdicts, CALM}),
        why=row.why,
    )


def _told(result):
    """One model's result in a few lines."""
    head = f"{result.change} {result.draw}: {result.obtained}, exit {result.exit}"
    return "\n".join(
        [head, *(f"  {m}: {verdict}, {why}" for m, verdict, _, why in result.findings)]
    )
