"""When a baseline is written, whose it is, and what is refused."""

import errno
import json
import os
from pathlib import Path

import pytest
from circuit_suites import (
    CHILD,
    ONE_TEST,
    RECALL,
    block,
    copy_of_recall,
    counts,
    edit_baseline,
    in_fresh_python,
)

from pytest_circuits.baselines.writing import SCRATCH

TWO_FINDINGS = """
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
    assert circuits.previous_token_scores() == circuit_snapshot(name="previous")
"""


def names(path):
    return [entry["name"] for entry in json.loads(path.read_text())["findings"]]


# Who owns baselines


@pytest.mark.parametrize("option", ["--snapshot-update", "--snapshot-update-new-only"])
def test_an_update_of_an_undeclared_model_is_a_usage_error_that_names_both_ways_out(
    one_test, option
):
    before = one_test.age()
    result = one_test.run(
        "--circuits", option, "--circuits-model", "candidate=bundled:recall-regressed"
    )
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        "ERROR: 'candidate' owns no baselines, so --snapshot-update has nothing to write.",
        (
            "Declare it in circuits_models (pytest.ini): "
            "candidate = bundled:recall-regressed < recall"
        ),
        "or update the reference: --circuits-model recall=bundled:recall-regressed",
    ]
    assert one_test.stamps() == before


def test_an_undeclared_model_among_declared_ones_is_refused_too(one_test):
    result = one_test.run(
        "--circuits", "--snapshot-update", "--circuits-model", "recall",
        "--circuits-model", "bundled:recall-regressed",
    )  # fmt: skip
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: 'candidate' owns no baselines*"])


@pytest.mark.parametrize("way", [0, 1])
def test_both_ways_out_lead_out(one_test, way):
    refused = one_test.run(
        "--circuits", "--snapshot-update", "--circuits-model", "candidate=bundled:recall-finetuned"
    )
    lines = [line for line in refused.stderr.lines if line]
    if way == 0:
        one_test.ini(RECALL, lines[1].partition(": ")[2])
        arguments = ["--circuits-model", "candidate"]
    else:
        arguments = lines[2].partition(": ")[2].split()
    assert one_test.run("--circuits", "--snapshot-update", *arguments).ret == 0


def test_a_reference_approved_from_another_source_becomes_the_baseline(one_test):
    assert one_test.run("--circuits", "--circuits-model", "bundled:recall-regressed").ret == 1
    dead = one_test.run(
        "--circuits", "--snapshot-update", "--circuits-model", "recall=bundled:recall-finetuned"
    )
    assert dead.ret == 0
    assert counts(dead) == {"passed": 1}


def test_a_child_is_held_against_its_parents_baseline(one_test):
    one_test.ini(RECALL, CHILD)
    result = one_test.run("--circuits", "--circuits-model", "tuned", "-rA")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    result.stdout.fnmatch_lines(["preserved test_heads tuned *"])


def test_a_child_gets_no_file_of_its_own_while_its_parents_holds(one_test):
    one_test.ini(RECALL, CHILD)
    before = one_test.age()
    result = one_test.run("--circuits", "--snapshot-update", "--circuits-model", "tuned")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    assert one_test.stamps() == before


def test_a_child_that_changed_gets_an_override_and_its_parent_keeps_its_file(one_test):
    def damp(tensors):
        tensors["layers.1.attn.o.weight"] *= 0.1

    copy_of_recall(one_test.path / "checkpoint", damp)
    one_test.ini(RECALL, "tuned = ./checkpoint < recall")
    before = one_test.age()
    child = ("--circuits", "--circuits-model", "tuned")
    assert one_test.run(*child).ret == 1
    assert one_test.run(*child, "--snapshot-update").ret == 0
    after = one_test.stamps()
    assert after.keys() - before.keys() == {"tuned/test_heads/test_heads.json"}
    assert {name: after[name] for name in before} == before
    again = one_test.run(*child)
    assert again.ret == 0
    again.stdout.fnmatch_lines(["preserved test_heads tuned *"])
    assert one_test.run("--circuits").ret == 0
    assert one_test.stamps() == after


def test_new_only_creates_no_override_while_a_parent_has_a_baseline(one_test):
    one_test.ini(RECALL, "tuned = bundled:recall-regressed < recall")
    before = one_test.age()
    result = one_test.run("--circuits", "--snapshot-update-new-only", "--circuits-model", "tuned")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    assert one_test.stamps() == before


def test_new_only_creates_a_childs_file_where_no_parent_has_one(one_test):
    one_test.ini(RECALL, CHILD)
    one_test.baseline.unlink()
    result = one_test.run("--circuits", "--snapshot-update-new-only", "--circuits-model", "tuned")
    assert result.ret == 0
    assert list(one_test.baseline_files()) == ["tuned/test_heads/test_heads.json"]


def test_a_declared_model_without_a_parent_is_held_against_its_own_alone(one_test):
    one_test.ini(RECALL, "tuned = bundled:recall-finetuned")
    result = one_test.run("--circuits", "--circuits-model", "tuned")
    result.stdout.fnmatch_lines(["new test_heads tuned *"])


# When a file is written


@pytest.mark.parametrize("verdict", ["new", "changed"])
def test_a_later_assertion_that_fails_leaves_nothing_written(one_test, verdict):
    if verdict == "new":
        one_test.baseline.unlink()
    else:
        edit_baseline(one_test.baseline, lambda document: document["values"][1].reverse())
    one_test.write("test_heads.py", f"{ONE_TEST}    assert 1 == 2")
    before = one_test.age()
    result = one_test.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    result.stdout.fnmatch_lines(["E  *assert 1 == 2"])
    result.stdout.no_fnmatch_line("*written: *")
    assert one_test.stamps() == before


@pytest.mark.parametrize("strict", [False, True])
def test_a_test_that_is_expected_to_fail_and_fails_writes_nothing(one_test, strict):
    one_test.baseline.unlink()
    one_test.write(
        "test_heads.py",
        f"import pytest\n\n@pytest.mark.xfail(strict={strict}){ONE_TEST}    assert 1 == 2",
    )
    result = one_test.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (0, {"xfailed": 1})
    assert one_test.stamps() == {}


def test_a_strict_xfail_that_passes_is_a_failure_and_writes_nothing(one_test):
    one_test.baseline.unlink()
    one_test.write("test_heads.py", f"import pytest\n\n@pytest.mark.xfail(strict=True){ONE_TEST}")
    result = one_test.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    assert one_test.stamps() == {}


def test_a_tolerance_that_somebody_set_outlives_an_approval(one_test):
    def loosen(document):
        document["tolerance"]["value"] = [0.07, 0.03, 0.0]
        document["tolerance"]["origin"] = "by hand"
        document["values"][1][0] += 0.3

    edit_baseline(one_test.baseline, loosen)
    assert one_test.run("--circuits", "--snapshot-update").ret == 0
    (entry,) = json.loads(one_test.baseline.read_text())["findings"]
    assert entry["tolerance"]["value"] == [0.07, 0.03, 0.0]
    assert entry["tolerance"]["origin"] == "by hand"
    assert entry["values"][1][0] < 1


def test_a_tolerance_of_other_numbers_is_ones_own_whatever_its_origin_says(one_test):
    def loosen(document):
        document["tolerance"]["value"] = [0.07, 0.1, 0.005]

    edit_baseline(one_test.baseline, loosen)
    path = one_test.path / "report.json"
    one_test.run("--circuits", f"--circuits-json={path}")
    (test,) = json.loads(path.read_text())["tests"]
    assert [each["own_tolerance"] for each in test["verdicts"].values()] == [True]


def test_a_file_names_what_it_was_recorded_with_and_no_folder_of_this_machine(suite):
    copy_of_recall(suite.path / "checkpoint")
    suite.ini("recall = ./checkpoint")
    suite.write("test_heads.py", ONE_TEST)
    (path,) = suite.approve().values()
    text = path.read_text()
    assert str(suite.path) not in text
    recorded = json.loads(text)["findings"][0]["recorded_with"]
    assert recorded["source"] == "directory:checkpoint"
    assert recorded["weights"].startswith("sha256:")


def test_a_reference_whose_behaviour_is_gone_cannot_be_approved(one_test):
    one_test.ini("recall = bundled:recall-regressed")
    one_test.baseline.unlink()
    result = one_test.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    lines = block(result.stdout.str(), "nothing to approve")
    assert lines[1] == "A baseline needs a model and prompts on which the behaviour shows."
    assert lines[0].startswith("assert nothing to approve: repeat gain is ")
    assert lines[0].endswith(" nats, not distinct from 0.")
    assert one_test.stamps() == {}


# More than one finding in a test


def test_a_second_finding_goes_into_the_same_file_under_its_name(suite):
    suite.write("test_heads.py", TWO_FINDINGS)
    (path,) = suite.approve().values()
    assert names(path) == ["", "previous"]
    result = suite.run("--circuits")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["preserved test_heads            recall *", "preserved test_heads (previous) recall *"]
    )


def test_a_second_finding_is_appended_and_the_first_stays_as_it_was(one_test):
    (first,) = json.loads(one_test.baseline.read_text())["findings"]
    one_test.write("test_heads.py", TWO_FINDINGS)
    assert one_test.run("--circuits", "--snapshot-update-new-only").ret == 0
    assert names(one_test.baseline) == ["", "previous"]
    assert json.loads(one_test.baseline.read_text())["findings"][0] == first


def test_a_finding_that_is_no_longer_compared_stays_in_the_file(suite):
    suite.write("test_heads.py", TWO_FINDINGS)
    (path,) = suite.approve().values()
    suite.write("test_heads.py", ONE_TEST)
    edit_baseline(path, lambda document: document["values"][1].reverse())
    assert suite.run("--circuits", "--snapshot-update").ret == 0
    assert names(path) == ["", "previous"]


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ("circuit_snapshot", "has no name"),
        ('circuit_snapshot(name="one")', "is called 'one' too"),
    ],
)
def test_a_second_finding_without_a_name_of_its_own_is_refused(suite, second, says):
    first = second
    suite.write(
        "test_heads.py",
        f"""
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == {first}
    assert circuits.previous_token_scores() == {second}
""",
    )
    result = suite.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    result.stdout.fnmatch_lines(
        [
            (
                f"E  *ValueError: this test compares another finding, which {says}: give each "
                f"after the first a name of its own, as in "
                '`finding == circuit_snapshot(name="other")`'
            )
        ]
    )
    assert suite.stamps() == {}


@pytest.mark.parametrize("name", ['"a::b"', "2"])
def test_a_name_that_cannot_be_told_apart_later_is_refused(one_test, name):
    one_test.write(
        "test_heads.py",
        f"""
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot(name={name})
""",
    )
    before = one_test.age()
    result = one_test.run("--circuits", "--snapshot-update")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E  *ValueError: a finding's name is a text without '::', not *"])
    assert one_test.stamps() == before


# What is no finding


@pytest.mark.parametrize(
    ("comparison", "got"),
    [
        ("circuit_snapshot == 3", "int"),
        ("3 == circuit_snapshot", "int"),
        ("circuits == circuit_snapshot", "Circuits"),
        ("circuits.induction_scores().values.tolist() == circuit_snapshot", "list"),
    ],
)
def test_what_is_no_finding_is_refused_by_its_name(one_test, comparison, got):
    one_test.write(
        "test_heads.py", f"\ndef test_heads(circuits, circuit_snapshot):\n    assert {comparison}"
    )
    before = one_test.age()
    result = one_test.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    result.stdout.fnmatch_lines(
        [
            (
                f"E  *TypeError: circuit_snapshot holds findings, and got {got}: compare what a "
                f"measure returned, as in `assert circuits.induction_scores() == circuit_snapshot`"
            )
        ]
    )
    assert one_test.stamps() == before


@pytest.mark.parametrize(
    "use",
    [
        "circuit_snapshot.with_defaults(matcher=None)",
        "circuit_snapshot.use_extension(None)",
        "circuit_snapshot(matcher=lambda **_: None)",
        "circuit_snapshot(extension_class=dict)",
        "circuit_snapshot(diff=0)",
    ],
)
def test_another_format_is_refused(one_test, use):
    one_test.write(
        "test_heads.py",
        f"\ndef test_heads(circuits, circuit_snapshot):\n"
        f"    assert circuits.induction_scores() == {use}",
    )
    result = one_test.run("--circuits")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E  *TypeError: circuit_snapshot has one format*"])


def test_a_snapshot_is_shown_in_one_line(one_test):
    one_test.write("test_heads.py", f"{ONE_TEST}    print(repr(circuit_snapshot))\n    assert 0")
    result = one_test.run("--circuits")
    shown = [line for line in result.stdout.lines if "<circuit_snapshot" in line]
    assert "<circuit_snapshot of recall>" in shown
    assert (
        "circuits = <circuits of recall>, circuit_snapshot = <circuit_snapshot of recall>" in shown
    )
    result.stdout.no_fnmatch_line('*"values"*')


# Files that can't be read

REINSTALL = (
    "Install the pytest-circuits that wrote it, or delete the file and approve it anew with "
    "`pytest --circuits --snapshot-update`."
)
SCHEMA = "urn:pytest-circuits:baseline-file:"
RESTORE = "Restore the file from version control, or delete it and approve it anew."


@pytest.mark.parametrize(
    ("damage", "lines"),
    [
        pytest.param(
            lambda text: text[: text.index('"block"')],
            [":13: is not JSON (Expecting property name enclosed in double quotes).", RESTORE],
            id="cut off",
        ),
        pytest.param(
            lambda text: "",
            [":1: is not JSON (Expecting value).", RESTORE],
            id="empty",
        ),
        pytest.param(
            lambda text: text.replace(
                '"samples": 15',
                '<<<<<<< ours\n"samples": 15\n=======\n"samples": 14\n>>>>>>> theirs',
            ),
            [
                ":49: has a merge conflict.",
                (
                    "Take one side of it (`git checkout --ours` or `--theirs` with the file's "
                    "name), then run the test."
                ),
            ],
            id="merge conflict",
        ),
        pytest.param(
            lambda text: text.replace("baseline-file:1", "baseline-file:99"),
            [
                f": schema '{SCHEMA}99', and this pytest-circuits reads {SCHEMA}1.",
                REINSTALL,
            ],
            id="schema of the future",
        ),
        pytest.param(
            lambda text: "[]",
            [
                f": names no schema, so this is no baseline file; one names {SCHEMA}1.",
                (
                    "Put the baseline file back from version control, or delete the file and "
                    "approve it anew with `pytest --circuits --snapshot-update`."
                ),
            ],
            id="another document",
        ),
        pytest.param(
            lambda text: text.replace('"values"', '"worths"'),
            [": the baseline 'of this test' is damaged (values is missing).", RESTORE],
            id="a field missing",
        ),
        pytest.param(
            lambda text: text.replace("4.2421", "NaN"),
            ["holds NaN, which is no JSON.", RESTORE],
            id="NaN",
        ),
    ],
)
@pytest.mark.parametrize("option", [None, "--snapshot-update", "--snapshot-update-new-only"])
def test_a_damaged_file_fails_with_its_name_and_what_to_do_and_is_never_overwritten(
    one_test, damage, lines, option
):
    text = one_test.baseline.read_text(encoding="utf-8")
    damaged = damage(text)
    assert damaged != text
    one_test.baseline.write_text(damaged, encoding="utf-8")
    before = one_test.age()
    result = one_test.run("--circuits", *([option] if option else []))
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    shown = block(result.stdout.str(), "__circuits__/recall/test_heads/test_heads.json:")
    assert shown[0].endswith(lines[0])
    assert shown[1 : len(lines)] == lines[1:]
    assert "= circuits =" in shown[len(lines)]
    result.stdout.fnmatch_lines(["refused test_heads recall*", "1 finding: 1 refused"])
    assert "Traceback" not in result.stdout.str()
    assert one_test.stamps() == before


def test_a_merge_conflict_is_named_by_its_line(one_test):
    text = one_test.baseline.read_text(encoding="utf-8")
    one_test.baseline.write_text(f"<<<<<<< ours\n{text}=======\n>>>>>>> theirs\n")
    result = one_test.run("--circuits")
    result.stdout.fnmatch_lines(["__circuits__/recall/*test_heads.json:1: has a merge conflict."])


def test_a_parents_damaged_file_is_named_as_the_parents(one_test):
    one_test.ini(RECALL, CHILD)
    one_test.baseline.write_text("{")
    result = one_test.run("--circuits", "--snapshot-update", "--circuits-model", "tuned")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["__circuits__/recall/test_heads/test_heads.json:1: *"])
    assert one_test.baseline.read_text() == "{"
    assert list(one_test.baseline_files()) == ["recall/test_heads/test_heads.json"]


def test_what_nobody_foresaw_is_raised_and_never_shown_as_a_change(one_test, monkeypatch):
    def broken(self, **_):
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr("pytest_circuits.session.snapshot.CircuitExtension.matches", broken)
    before = one_test.age()
    result = one_test.run("--circuits")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E  *RuntimeError: the disk is on fire"])
    assert one_test.stamps() == before


@pytest.mark.parametrize(("step", "code"), [("replace", errno.ENOSPC), ("open", errno.EACCES)])
def test_a_file_that_cannot_be_written_fails_its_test_and_the_run_goes_on(
    one_test, monkeypatch, step, code
):
    problem = f"written ({os.strerror(code)})"

    real = getattr(Path, step)

    def broken(self, *arguments, **options):
        if f"__circuits__/{SCRATCH}" in str(self):
            raise OSError(code, os.strerror(code), str(self))
        return real(self, *arguments, **options)

    one_test.baseline.unlink()
    monkeypatch.setattr(Path, step, broken)
    one_test.write("test_heads.py", f"{ONE_TEST}\ndef test_next():\n    pass")
    result = one_test.run("--circuits", "--snapshot-update")
    assert (result.ret, counts(result)) == (1, {"failed": 1, "passed": 1})
    result.stdout.fnmatch_lines(
        [
            f"__circuits__/recall/test_heads/test_heads.json can't be {problem}.",
            "new test_heads recall 4 *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert one_test.stamps() == {}


# syrupy


def test_every_method_that_we_override_is_one_of_syrupys():
    from syrupy.assertion import SnapshotAssertion
    from syrupy.extensions.single_file import SingleFileSnapshotExtension

    from pytest_circuits.session.extension import CircuitExtension
    from pytest_circuits.session.snapshot import CircuitSnapshot

    own_extension = {"_name", "comparison", "owners", "reader"}
    own_snapshot = {"explanation", "lets_pass", "origin", "source", "update", "update_new"}
    own_snapshot |= {"_approve_later", "_check_name", "_config", "_decide", "_explained", "reader"}
    own_snapshot |= {"_is_redundant", "_note", "_record", "_refuse", "_approved", "_warn"}
    own_snapshot |= {"approved", "waiver", "_offer_later", "_with_origin", "pending"}
    own_snapshot |= {"whole_findings", "_is_checked", "_refused", "_state", "_words", "check"}
    own_snapshot |= {"_compare", "_why_not_approved", "_approved_now", "altered", "judge"}
    own_snapshot |= {"_hold_claims"}
    own_snapshot |= {"settle", "always_settle", "stored_for_others"}
    for ours, theirs, added in (
        (CircuitExtension, SingleFileSnapshotExtension, own_extension),
        (CircuitSnapshot, SnapshotAssertion, own_snapshot),
    ):
        names = {name for name in vars(ours) if not name.startswith("__")} | {"__repr__"}
        overridden = {name for name in names - added if not name.startswith("_abc_")}
        assert overridden
        assert {name for name in overridden if not hasattr(theirs, name)} == set()
        assert {name for name in added if hasattr(theirs, name)} == set()


def test_only_the_module_for_snapshots_imports_syrupy():
    code = "import sys, pytest_circuits.session.session\nprint('syrupy' in sys.modules)"
    assert in_fresh_python(code) == "False\n"
