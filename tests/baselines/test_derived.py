"""A baseline that says one thing to a reader and another to a run is damaged, and named."""

import copy
import json

import pytest
from circuit_suites import EXAMPLES
from measured import CASES, finding_of

from pytest_circuits.baselines import (
    Baseline,
    BaselineError,
    Served,
    compare_stored,
    storable,
    write,
)
from pytest_circuits.history.changes import same
from pytest_circuits.report import Details
from pytest_circuits.verdicts import Kind, default_tolerance

QUICKSTART = EXAMPLES / "quickstart/__circuits__/recall"
STORED = sorted(EXAMPLES.rglob("__circuits__/**/*.json"))


def read(document):
    return Baseline.from_document(document, "f.json")


def stored(name):
    (file,) = QUICKSTART.rglob(f"*{name}.json")
    (document,) = json.loads(file.read_text(encoding="utf-8"))["findings"]
    return document


def put(*path, value):
    def change(document):
        *way, last = path
        for step in way:
            document = document[step]
        document[last] = value(document[last]) if callable(value) else value

    return change


def less(behaviour="clean_logit_diff"):
    return put("companion", behaviour, "value", value=3.0)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "test_answer_restored",
            put("role", "members", "L1H0", value=0.0101),
            "role.members says L1H0 0.0101, and values says 0.358",
        ),
        (
            "test_answer_restored",
            put("values", 1, 0, value=0.0101),
            "role.members names L1H0, which by values, role.threshold and nulls is not in the role",
        ),
        (
            "test_answer_restored",
            put("role", "threshold", value=0.05),
            None,
        ),
        (
            "test_answer_restored",
            put("role", "threshold", value=0.004),
            (
                "role.members has no L0H3, which by values (0.0041), role.threshold (0.004) and "
                "nulls is in the role"
            ),
        ),
        (
            "test_induction_heads",
            put("nulls", "L1H0", "p", value=0.4),
            "role.members names L1H0, which by values, role.threshold and nulls is not in the role",
        ),
        (
            "test_answer_writers",
            put("profiles", "L1H1", 3, value=40.0),
            "values[1][1] is 2.5134, and the mean of profiles.L1H1 is 4.",
        ),
        (
            "test_answer_restored",
            put("profiles", "L1H1", 3, value=40.0),
            "values[1][1] is 0.1948, and the mean of profiles.L1H1 is 0.",
        ),
        (
            "test_answer_writers",
            put("errors", 1, 0, value=0.1),
            "errors[1][0] is 0.1, and the error of the mean of profiles.L1H0 is 0.3723",
        ),
        (
            "test_answer_restored",
            put("companion", "logit_diff_gap", "value", value=20.0),
            (
                "companion.logit_diff_gap.value is 20, and the mean of "
                "companion.logit_diff_gap.profile is 22.05"
            ),
        ),
        (
            "test_answer_restored",
            put("companion", "logit_diff_gap", "error", value=0.5),
            (
                "companion.logit_diff_gap.error is 0.5, and the error of the mean of "
                "companion.logit_diff_gap.profile is 0.7648"
            ),
        ),
        (
            "test_answer_restored",
            put("companion", "clean_logit_diff", "value", value=3.0),
            (
                "companion.logit_diff_gap.value is 22.0509, and clean_logit_diff and "
                "corrupted_logit_diff are 14.1696 apart"
            ),
        ),
        (
            "test_answer_writers",
            put("companion", "accuracy", "interval", 0, value=0.9),
            "companion.accuracy.interval has the lower bound 0.9, and 1 of 16 clusters has 0.7941",
        ),
        (
            "test_answer_writers",
            put("companion", "accuracy", "value", value=0.5),
            "companion.accuracy.interval is 0.7941 to 1, and value is 0.5",
        ),
        (
            "test_answer_writers",
            put("samples", value=15),
            "clusters is 16, and there are 15 samples",
        ),
        (
            "test_answer_writers",
            put("samples", value=17),
            "prompts.count is 16, and samples is 17",
        ),
        (
            "test_induction_heads",
            put("prompts", "ids", value=lambda ids: ids[1:]),
            "prompts.ids has 14 rows, and samples is 15",
        ),
        (
            "test_answer_writers",
            put("profiles", "L1H1", value=lambda numbers: numbers[1:]),
            "profiles.L1H1 has 15 numbers, and samples is 16",
        ),
        (
            "test_answer_writers",
            put("companion", "logit_diff", "profile", value=lambda numbers: numbers[1:]),
            "companion.logit_diff.profile has 15 numbers, and samples is 16",
        ),
        (
            "test_answer_writers",
            put("companion", "accuracy", "clusters", value=17),
            "companion.accuracy.clusters is 17, and there are 16 samples",
        ),
    ],
)  # fmt: skip
def test_a_summary_that_its_numbers_contradict_is_damage(file, change, said):
    document = stored(file)
    read(document)
    change(document)
    if said is None:
        read(document)
        return
    with pytest.raises(BaselineError) as error:
        read(document)
    first, second = str(error.value).splitlines()
    assert first.startswith(f"f.json: the baseline 'of this test' is damaged ({said}")
    assert second == "Restore the file from version control, or delete it and approve it anew."
    # What is only looked back at may have been computed otherwise.
    Baseline.from_document(document, "f.json", past=True)


@pytest.mark.parametrize("measure", CASES)
def test_what_a_measure_finds_contradicts_nothing(measure):
    found = storable(finding_of(measure))
    document = json.loads(Baseline("", found, default_tolerance(found)).dumps())
    assert json.loads(read(document).dumps()) == document


def odd():
    """A finding of a measure that keeps samples which have another mean than the value."""
    found = storable(finding_of("logit_diff"))
    return found.derived(profiles={"logit_diff": found.profiles["logit_diff"] + 1})


def test_what_contradicts_itself_is_not_written(tmp_path):
    path = tmp_path / "__circuits__/recall/test_heads/test_heads.json"
    with pytest.raises(BaselineError, match=r"would hold logit_diff with a contradiction \(values"):
        write(path, [Baseline("", odd(), default_tolerance(odd()))])
    assert not path.exists()


def test_what_a_run_found_is_carried_and_reported_as_it_is():
    details = Details(Baseline("", odd(), default_tolerance(odd())), None)
    back = Details.from_document(json.loads(json.dumps(details.document())), "here")
    assert back.found.finding.equals(odd())


def numbers(part, path=()):
    """Where the numbers in a document are."""
    if isinstance(part, dict | list):
        for step, inner in part.items() if isinstance(part, dict) else enumerate(part):
            yield from numbers(inner, (*path, step))
    elif isinstance(part, int | float) and not isinstance(part, bool):
        yield path


def others(number):
    """What a number may become by a slip: a digit too much, one that is lost, another sign."""
    if isinstance(number, int):
        return [number + 1, number * 10 + 3, -number - 1]
    return [number * 10 + 1, number / 10 - 0.01, -number - 0.5, number + 0.01]


def noticed(before, document):
    """Whether a changed document is damage, or is told as another one."""
    try:
        after = read(document)
    except BaselineError:
        return "damage"
    if not same(before, after):
        kind = compare_stored(after, Served("recall", before)).kind
        return "told" if kind is Kind.PRESERVED else "verdict"
    return "unnoticed"


def mutated(path):
    """How every change of every number in a file is noticed."""
    counted = {"damage": 0, "verdict": 0, "told": 0}
    for document in json.loads(path.read_text(encoding="utf-8"))["findings"]:
        before = read(document)
        for way in numbers(document):
            *steps, last = way
            for other in others(_at(document, way)):
                changed = copy.deepcopy(document)
                _at(changed, steps)[last] = other
                how = noticed(before, changed)
                assert how in counted, (path.name, way, other)
                counted[how] += 1
    return counted


def _at(part, path):
    for step in path:
        part = part[step]
    return part


def test_no_number_of_a_stored_baseline_can_change_without_being_noticed():
    """Of every kind of file the smaller suite's; all numbers of all files are tried nightly."""
    counted = mutated(QUICKSTART / "test_recall/test_answer_writers.json")
    assert counted["damage"] > counted["told"] > 0
    assert sum(counted.values()) > 4 * 100


@pytest.mark.nightly
@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_no_number_of_any_stored_baseline_can_change_without_being_noticed(path):
    counted = mutated(path)
    assert counted["damage"] > 0
