"""What each verdict does under each gate, with and without an update."""

import pytest
from circuit_suites import counts, edit_baseline


def preserve(suite):
    pass


def strengthen(suite):
    """The approved heads were weaker than the model's are."""

    def change(document):
        document["values"][1] = [value - 0.3 for value in document["values"][1]]

    edit_baseline(suite.baseline, change)


def relocate(suite):
    """What one of the approved heads did is done by another one in the model."""

    def change(document):
        for cells in (document["values"], document["errors"]):
            cells[0][0], cells[1][3] = cells[1][3], cells[0][0]
        for by_head in (document["profiles"], document["nulls"]):
            by_head["L0H0"] = by_head.pop("L1H3")

    edit_baseline(suite.baseline, change)


def weaken(suite):
    """One of the approved heads was stronger than the model's is."""

    def change(document):
        document["values"][1][0] += 0.3

    edit_baseline(suite.baseline, change)


def lose(suite):
    """The approved role takes more than any head of the model has."""

    def change(document):
        document["role"]["threshold"] = 1.5
        document["values"][1][0] += 1.0

    edit_baseline(suite.baseline, change)


def forget(suite):
    suite.baseline.unlink()


def measure_otherwise(suite):
    """The approved finding was measured on longer blocks."""

    def change(document):
        document["convention"]["block"] = 25

    edit_baseline(suite.baseline, change)


MAKE = {
    "preserved": preserve,
    "relocated": relocate,
    "strengthened": strengthen,
    "weakened": weaken,
    "lost": lose,
    "new": forget,
    "incomparable": measure_otherwise,
}
#: What each gate lets pass on a developer's machine.
PASSES = {
    # The heads alone are what is worse in these: the behaviour held.
    "behaviour": set(MAKE) - {"incomparable"},
    "regression": {"preserved", "relocated", "strengthened", "new"},
    "change": {"preserved"},
    "never": set(MAKE),
}

every_verdict = pytest.mark.parametrize("verdict", list(MAKE))
every_gate = pytest.mark.parametrize("gate", list(PASSES))


def read(path):
    return path.read_bytes() if path.exists() else None


@every_gate
@every_verdict
def test_the_gate_decides_and_nothing_is_written(one_test, verdict, gate):
    MAKE[verdict](one_test)
    before = one_test.age()
    result = one_test.run("--circuits", "--circuits-gate", gate)
    outcome = (0, {"passed": 1}) if verdict in PASSES[gate] else (1, {"failed": 1})
    assert (result.ret, counts(result)) == outcome
    result.stdout.fnmatch_lines([f"{verdict} test_heads recall *", f"1 finding: 1 {verdict}*"])
    assert one_test.stamps() == before


@every_gate
@every_verdict
def test_an_update_passes_and_writes_what_is_not_preserved(one_test, approved_once, verdict, gate):
    MAKE[verdict](one_test)
    before = one_test.age()
    result = one_test.run("--circuits", "--circuits-gate", gate, "--snapshot-update")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    note = "" if verdict == "preserved" else "written: "
    result.stdout.fnmatch_lines([f"{verdict} test_heads recall {note}*"])
    assert ("written" in result.stdout.str()) == (verdict != "preserved")
    assert one_test.baseline.read_bytes() == approved_once[one_test.baseline.name]
    assert (one_test.stamps() == before) == (verdict == "preserved")


@every_verdict
def test_new_only_writes_what_has_no_baseline_and_leaves_the_rest_to_the_gate(
    one_test, approved_once, verdict
):
    MAKE[verdict](one_test)
    before = one_test.age()
    result = one_test.run("--circuits", "--snapshot-update-new-only")
    outcome = (0, {"passed": 1}) if verdict in PASSES["regression"] else (1, {"failed": 1})
    assert (result.ret, counts(result)) == outcome
    if verdict == "new":
        assert one_test.baseline.read_bytes() == approved_once[one_test.baseline.name]
    else:
        assert one_test.stamps() == before


@every_gate
@pytest.mark.parametrize("variable", ["CI", "BUILD_NUMBER"])
def test_in_ci_a_missing_baseline_fails_and_names_the_command(
    one_test, monkeypatch, variable, gate
):
    monkeypatch.setenv(variable, "1")
    forget(one_test)
    result = one_test.run("--circuits", "--circuits-gate", gate)
    assert (result.ret, counts(result)) == (
        (0, {"passed": 1}) if gate == "never" else (1, {"failed": 1})
    )
    if gate != "never":
        result.stdout.fnmatch_lines(
            [
                "E  *assert new: 4 heads, L1H0 0.99; repeat loss 0.003",
                (
                    "E  *there is no baseline yet; approve this one with "
                    "`pytest --circuits --snapshot-update`"
                ),
            ]
        )
    assert one_test.stamps() == {}


@pytest.mark.parametrize(
    ("verdict", "lines"),
    [
        (
            "weakened",
            [
                (
                    "assert weakened: L1H0 1.29→0.99; behaviour held; "
                    "not settled: its weights are those that the baseline was recorded with"
                ),
                "weaker: L1H0 1.29→0.99 (tolerance 0.13, null 0.00)",
                "specific to this circuit: the loss on drawn tokens held 4.29 → 4.29",
            ],
        ),
        (
            "lost",
            [
                (
                    "assert lost: L1H0 1.99→0.99; behaviour held; "
                    "not settled: its weights are those that the baseline was recorded with"
                ),
                "no induction heads left (1 before)",
                "left the role: L1H0 1.99→0.99 (tolerance 0.20, null 0.00)",
                "induction heads summed strength 1.99 → 0.00 (tolerance 0.20)",
                "specific to this circuit: the loss on drawn tokens held 4.29 → 4.29",
            ],
        ),
        (
            "incomparable",
            [
                "assert incomparable: convention.block differs: 25 → [12, 24]",
                "convention.block differs: 25 → [12, 24]",
            ],
        ),
    ],
)
def test_a_failure_is_explained_worst_first_and_by_nothing_else(one_test, verdict, lines):
    MAKE[verdict](one_test)
    result = one_test.run("--circuits")
    explained = [
        line.removeprefix("E").strip() for line in result.stdout.lines if line.startswith("E ")
    ]
    assert explained == lines
