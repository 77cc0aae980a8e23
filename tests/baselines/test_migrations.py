"""Files of older versions stay readable: the quickstart's four, as they once were committed."""

import json
from pathlib import Path

import numpy as np
import pytest
from circuit_suites import counts, edit_baseline

from pytest_circuits.baselines import SCHEMA_VERSION, BaselineError, find, loads, write
from pytest_circuits.baselines.canonical import dumps
from pytest_circuits.baselines.envelope import read_entries
from pytest_circuits.baselines.migrations import STEPS
from pytest_circuits.verdicts import Allowance, Kind, default_tolerance, judge

FOLDERS = {version: Path(__file__).parent / f"version_{version}" for version in STEPS}
#: Of version 1, by name.
BY_NAME = {path.stem: path for path in sorted(FOLDERS[1].glob("*.json"))}
NAMES = [
    "test_answer_restored",
    "test_answer_writers",
    "test_induction_heads",
    "test_previous_token_head",
]


def of_version(path):
    return int(path.parent.name.removeprefix("version_"))


every_file = pytest.mark.parametrize(
    "path",
    [folder / f"{name}.json" for folder in FOLDERS.values() for name in NAMES],
    ids=lambda path: f"{of_version(path)}-{path.stem}",
)
every_version = pytest.mark.parametrize("version", FOLDERS)


def stored(path):
    """The only finding of a file, as its JSON says it."""
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["schema_version"] == of_version(path)
    (entry,) = document["findings"]
    return entry


def migrated(path):
    (entry,) = read_entries(path)
    return entry


@every_version
def test_there_are_files_of_every_older_version(version):
    assert sorted(path.stem for path in FOLDERS[version].iterdir()) == NAMES


def test_every_older_version_has_a_step_to_the_next():
    assert list(STEPS) == list(range(1, SCHEMA_VERSION))


@every_file
def test_a_finding_comes_through_as_it_was(path):
    before = stored(path)
    baseline = loads(dumps(migrated(path)), path)
    finding = baseline.finding
    assert np.array_equal(finding.values, np.array(before["values"]))
    assert np.array_equal(finding.errors, np.array(before["errors"]))
    assert (finding.convention, finding.prompts) == (before["convention"], before["prompts"])
    assert {str(head): value for head, value in finding.members().items()} == (
        before["role"]["members"]
    )
    assert {b.name: b.value for b in finding.companion} == {
        name: behaviour["value"] for name, behaviour in before["companion"].items()
    }
    assert {name: list(profile) for name, profile in finding.profiles.items()} == before["profiles"]
    assert {head: vars(null) for head, null in finding.nulls.items()} == before.get("nulls", {})
    assert (finding.canary and vars(finding.canary)) == before.get("canary")
    assert finding.labels == {}


@pytest.mark.parametrize("path", BY_NAME.values(), ids=BY_NAME)
def test_a_tolerance_comes_through_and_allows_no_more_than_it_did(path):
    before = stored(path)["tolerance"]
    after = migrated(path)["tolerance"]
    assert after == before | {"canary": [0.05, 0.02], "top": 0.0}
    assert list(after)[-1] == "origin"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_in_a_file_of_version_2_is_what_it_was(name):
    path = FOLDERS[2] / f"{name}.json"
    assert migrated(path) == stored(path)


@every_file
def test_what_was_migrated_reads_as_if_it_had_been_written_now(path):
    text = dumps(migrated(path))
    assert loads(text, path).dumps() == text


@every_file
def test_a_migrated_baseline_serves(path, tmp_path):
    folder = tmp_path / "__circuits__/recall/test_recall"
    folder.mkdir(parents=True)
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    owner, text = find(copy, ["recall"], "")
    baseline = loads(text, copy)
    verdict = judge(baseline.finding, baseline.finding, baseline.tolerance)
    assert (owner, verdict.kind) == ("recall", Kind.PRESERVED)
    assert copy.read_bytes() == path.read_bytes()


def test_a_tolerance_that_somebody_set_stays_theirs(tmp_path):
    path = tmp_path / "test_heads.json"
    path.write_bytes(BY_NAME["test_induction_heads"].read_bytes())
    edit_baseline(path, lambda entry: entry["tolerance"].update(value=[0.3, 0.2], origin="mine"))
    tolerance = loads(dumps(migrated(path)), path).tolerance
    assert (tolerance.value, tolerance.origin) == (Allowance(0.3, 0.2), "mine")


@pytest.mark.parametrize("tolerance", [None, [], "none", {}])
def test_damage_is_reported_as_in_any_other_version(tmp_path, tolerance):
    path = tmp_path / "test_heads.json"
    path.write_bytes(BY_NAME["test_induction_heads"].read_bytes())
    edit_baseline(path, lambda entry: entry.update(tolerance=tolerance))
    with pytest.raises(BaselineError, match="the baseline 'of this test' is damaged"):
        loads(dumps(migrated(path)), path)


def test_one_finding_approved_anew_takes_the_whole_file_to_the_present_version(tmp_path):
    path = tmp_path / "test_heads.json"
    first, second = (
        stored(BY_NAME[name]) for name in ("test_induction_heads", "test_answer_writers")
    )
    document = {"schema_version": 1, "findings": [first, {**second, "name": "writers"}]}
    path.write_text(dumps(document), encoding="utf-8")
    before = read_entries(path)

    write(path, [loads(dumps(before[0]), path)])

    written = json.loads(path.read_text(encoding="utf-8"))
    assert written == {"schema_version": SCHEMA_VERSION, "findings": before}
    assert all("canary" in entry["tolerance"] for entry in written["findings"])


@pytest.fixture
def old_quickstart(quickstart, version):
    """The quickstart with the baselines of an older version."""
    for path in quickstart.baseline_files().values():
        path.write_bytes((FOLDERS[version] / path.name).read_bytes())
    return quickstart


def versions(suite):
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))["schema_version"]
        for path in suite.baseline_files().values()
    }


@every_version
def test_a_suite_with_old_files_is_preserved_and_left_as_it_is(old_quickstart, version):
    before = old_quickstart.age()
    assert set(versions(old_quickstart).values()) == {version}
    result = old_quickstart.run("--circuits", "--circuits-gate=change", "--snapshot-update")
    assert counts(result) == {"passed": 4}
    result.stdout.fnmatch_lines(["4 findings: 4 preserved*"])
    assert old_quickstart.stamps() == before


@every_version
def test_approving_a_change_writes_the_present_version_of_that_file_alone(old_quickstart, version):
    files = old_quickstart.baseline_files()
    changed = next(path for path in files.values() if path.stem == "test_induction_heads")
    edit_baseline(changed, lambda entry: entry["values"][1].__setitem__(0, 0.5))
    result = old_quickstart.run("--circuits", "--snapshot-update")
    assert counts(result) == {"passed": 4}
    assert versions(old_quickstart) == dict.fromkeys(NAMES, version) | {
        "test_induction_heads": SCHEMA_VERSION
    }
    found = loads(dumps(migrated(changed)), changed)
    before = stored(FOLDERS[version] / changed.name)
    assert found.finding.values[1, 0] == before["values"][1][0]
    assert found.tolerance == default_tolerance(found.finding)
