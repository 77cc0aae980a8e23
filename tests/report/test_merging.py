"""Reports put together: shards of one run, models of several."""

import re
from dataclasses import replace

import pytest
from handmade_rows import failed, left, row, run
from report.whole_findings import every_row

from pytest_circuits.report import json_report
from pytest_circuits.report.merging import MergeError, merge, renamed


def together(*runs):
    return merge([(f"{'abcdef'[n]}.json", each) for n, each in enumerate(runs)])


def problem(*runs):
    with pytest.raises(MergeError) as caught:
        together(*runs)
    return str(caught.value)


def test_one_report_is_itself():
    made = run(*every_row().values(), exit_status=1)
    assert json_report(together(made)) == json_report(made)


def test_shards_of_a_run_make_the_run():
    rows = list(every_row().values())
    silent = failed("t.py::test_x")
    shards = [
        run(*rows[::2], exit_status=0, unfinished=left(1)),
        run(*rows[1::2], exit_status=1, unfinished=left(3)[1:], failed=(silent,)),
    ]
    whole = run(*rows, exit_status=1, unfinished=left(3), failed=(silent,))
    assert json_report(together(*shards)) == json_report(whole)


def test_models_stand_side_by_side_in_the_order_of_the_reports():
    made = together(run(row(alias="b")), run(row("lost", alias="a")), run(row(alias="c")))
    assert [model.alias for model in made.models] == ["b", "a", "c"]
    assert [each.alias for each in made.rows] == ["b", "a", "c"]


def test_what_both_tell_alike_counts_once():
    both, loose = row("lost", number=1.0), [row("not judged", "t.py::test_loose")] * 2
    silent = (failed("t.py::test_x"),)
    made = together(
        run(both, *loose, row(test="t.py::test_a"), failed=silent),
        run(row(test="t.py::test_b"), *loose, both, failed=silent),
    )
    assert len(made.rows) == 5
    assert made.failed == silent


def test_a_copy_of_a_report_adds_nothing():
    made = run(row("lost"), unfinished=left(2), exit_status=1)
    assert json_report(together(made, made, made)) == json_report(made)


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [((0, 0), 0), ((0, 1), 1), ((5, 0), 0), ((5, 5), 5), ((5, 1), 1), ((1, 2), 2), ((2, 4), 4),
     ((4, 3), 3), ((3, 0), 3), ((3, 37), 37), ((0, 1, 5), 1)],
)  # fmt: skip
def test_the_exit_status_is_the_worst_as_pytest_means_it(statuses, worst):
    runs = [run(row(test=f"t.py::test_{n}"), exit_status=s) for n, s in enumerate(statuses)]
    assert together(*runs).exit_status == worst
    assert together(*reversed(runs)).exit_status == worst


# Options


def test_options_that_all_share_stay_the_runs_own():
    made = together(
        run(row(alias="a"), options=("--circuits-device=cpu", "--circuits-dtype=float32")),
        run(row(alias="b"), options=("--circuits-device=cpu", "--circuits-dtype=bfloat16")),
        run(row(alias="c"), options=("--circuits-device=cpu",)),
    )
    assert made.options == ("--circuits-device=cpu",)
    assert [model.options for model in made.models] == [
        ("--circuits-dtype=float32",), ("--circuits-dtype=bfloat16",), (),
    ]  # fmt: skip


def test_a_merged_report_can_be_merged_again():
    first, second, third = (
        run(row(alias=alias), options=(f"--circuits-dtype={dtype}",))
        for alias, dtype in (("a", "float32"), ("b", "bfloat16"), ("c", "float32"))
    )
    assert json_report(together(together(first, second), third)) == json_report(
        together(first, second, third)
    )


# Contradictions


def test_one_finding_of_which_two_reports_say_different_things():
    assert problem(
        run(row("lost", "t.py::test_a[x]")), run(row("preserved", "t.py::test_a[x]"))
    ) == (
        "t.py::test_a[x] on recall is one thing in a.json and another in b.json.\n"
        "If they measured different models, give one of them another name: ALIAS=b.json"
    )


@pytest.mark.parametrize(
    "other",
    [
        run(row(headline="another")),
        run(row(), row(name="second")),
        run(models=["recall"], failed=(failed(),)),
        run(replace(every_row()["weakened"], test=row().test)),
    ],
)
def test_any_difference_is_one(other):
    assert "is one thing in a.json and another in b.json" in problem(run(row()), other)


def test_findings_whole_are_compared_too():
    first, second = every_row()["weakened"], every_row()["lost"]
    other = replace(first, details=second.details)
    assert "test_it[1] on recall is one thing" in problem(run(first), run(other))


def with_model(**fields):
    made = run(row(test=f"t.py::test_{len(fields)}"))
    return replace(made, models=(replace(made.models[0], **fields),))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (with_model(source="./b"), "'bundled:recall' in a.json and './b' in b.json"),
        (with_model(owners=("x",)), "held against recall in a.json and against x in b.json"),
        (with_model(declared=False), "one that is declared in a.json, and none in b.json"),
        (
            with_model(options=("--x",)),
            "measured with nothing else in a.json and with --x in b.json",
        ),
    ],
)
def test_one_alias_of_two_models(other, words):
    assert problem(with_model(), other) == (
        f"'recall' is {words}.\nGive it another name in one of them: ALIAS=b.json"
    )


def test_gates_and_subjects_do_not_mix():
    assert problem(run(row(), gate="change"), run(row(alias="b"), gate="never")) == (
        "a.json has gate change, and b.json has gate never: render them one by one, or run one of "
        "them again"
    )
    assert problem(run(row(), compared=("main", "HEAD")), run(row(alias="b"))) == (
        "a.json tells of what changed between main and HEAD, and b.json of a run: "
        "render them one by one"
    )


# Another name


def test_a_reports_only_model_gets_another_name():
    made = run(
        row("lost", "t.py::test_a[x]", owner="recall", number=1.0), row(test="t.py::test_b"),
        failed=(failed("t.py::test_c"), failed("t.py::test_d", "")),
    )  # fmt: skip
    new = renamed(made, "ckpt-1")
    assert [each.test for each in new.rows] == ["t.py::test_a[x-ckpt-1]", "t.py::test_b[ckpt-1]"]
    assert {each.alias for each in new.rows} == {"ckpt-1"}
    assert [each.test for each in new.failed] == ["t.py::test_c[ckpt-1]", "t.py::test_d[]"]
    (model,) = new.models
    assert (model.alias, model.source, model.owners) == ("ckpt-1", "bundled:recall", ("recall",))
    assert new.rows[0].owner == "recall"
    # No baselines are its own under this name.
    assert model.declared is False
    assert renamed(made, "recall") is made


@pytest.mark.parametrize(("models", "count"), [(["a", "b"], "2 (a, b)"), ([], "0 (none)")])
def test_a_report_of_another_number_of_models_gets_none(models, count):
    words = f"x=FILE renames a report's only model, and this one has {count}"
    with pytest.raises(MergeError, match=re.escape(words)):
        renamed(run(models=models), "x")


def test_ten_jobs_that_call_their_model_alike_can_be_merged():
    jobs = [run(row(alias="candidate", number=float(n))) for n in range(10)]
    made = merge([(f"{n}.json", renamed(job, f"ckpt-{n}")) for n, job in enumerate(jobs)])
    assert [model.alias for model in made.models] == [f"ckpt-{n}" for n in range(10)]
    assert [each.number for each in made.rows] == [float(n) for n in range(10)]
