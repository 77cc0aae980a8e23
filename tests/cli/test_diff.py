"""pytest-circuits diff: what became of findings between two states, without a model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from summaries import agree

from pytest_circuits.baselines import baseline_path
from pytest_circuits.findings import Behaviour, Canary, Direction, Null
from pytest_circuits.verdicts import Allowance

HEAD = "baselines: HEAD → working tree"


@pytest.fixture
def approved(repository, store, baseline):
    """A repository in which one baseline is committed."""
    store("recall", baseline(0.9))
    repository.commit("Approve the heads")
    return repository


def edit(path, change):
    """Change the first finding of a file in place."""
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document["findings"][0])
    agree(document["findings"][0])
    path.write_text(json.dumps(document), encoding="utf-8")


def words(lines):
    """Every line's first word, but for the heading's and the last line's."""
    return [line.split()[0] for line in lines[1:-1]]


# Findings that are there on both sides


def test_without_changes_it_says_so_and_exits_0(approved, command):
    assert command("diff") == (0, [HEAD, "no changes"], [])


def test_a_change_is_a_verdict_with_the_heads_and_exits_1(approved, command, store, baseline):
    store("recall", baseline(0.6, loss=2.5))
    assert command("diff") == (
        1,
        [
            HEAD,
            "weakened test_heads recall repeat loss rose 1.00 → 2.50; L0H1 0.90→0.60",
            "1 finding changed: 1 weakened",
        ],
        [],
    )


def test_the_worst_comes_first_and_each_model_has_its_line(repository, command, store, baseline):
    for alias in ("recall", "tuned"):
        store(alias, baseline(0.6))
        store(alias, baseline(0.9), test="test_late")
    repository.commit("Approve the heads")
    store("tuned", baseline(0.1, loss=3.0), test="test_late")
    store("recall", baseline(0.5, loss=2.0))
    store("tuned", baseline(0.9))
    status, out, _ = command("diff")
    assert status == 1
    assert [line.split()[:3] for line in out[1:-1]] == [
        ["lost", "test_late", "tuned"],
        ["weakened", "test_heads", "recall"],
        ["strengthened", "test_heads", "tuned"],
    ]
    assert out[-1] == "3 findings changed: 1 lost, 1 weakened, 1 strengthened"


def test_another_convention_makes_it_incomparable(approved, command, store, baseline):
    store("recall", baseline(0.9, convention={"block": 8}))
    status, out, _ = command("diff")
    assert (status, out[1]) == (
        1,
        "incomparable test_heads recall convention.block differs: 4 → 8",
    )


def test_drift_within_tolerance_is_listed_with_the_number_that_took_most_of_it(
    approved, command, store, baseline
):
    store("recall", baseline(0.88, loss=1.06))
    assert command("diff") == (
        1,
        [
            HEAD,
            "preserved test_heads recall repeat loss 1.00→1.06, 40 % of its tolerance",
            "1 finding changed: 1 preserved",
        ],
        [],
    )


def test_a_small_drift_has_the_digits_that_show_it(approved, command, store, baseline):
    store("recall", baseline(0.9002))
    _, out, _ = command("diff")
    assert out[1] == "preserved test_heads recall L0H1 0.9000→0.9002, 1 % of its tolerance"


def test_drift_of_one_number_and_of_a_matrix_is_told_too(repository, command, store, baseline):
    def put(number, cell):
        one = {"axes": (), "values": np.array(number), "errors": np.array(0.1), "role": None}
        store("recall", baseline(**one), test="test_one")
        store("recall", baseline(cell, role=None), test="test_matrix")

    put(2.0, 0.9)
    repository.commit("Approve both")
    put(2.1, 0.93)
    _, out, _ = command("diff")
    assert out[1:3] == [
        "preserved test_matrix recall L0H1 0.90→0.93, 33 % of its tolerance",
        "preserved test_one    recall induction score 2.00→2.10, 50 % of its tolerance",
    ]


def test_a_drift_of_small_numbers_is_told_with_their_digits(repository, command, store, baseline):
    one = {"axes": (), "errors": np.array(1e-7), "role": None, "unit": "probability"}
    store("recall", baseline(values=np.array(4.123e-5), **one))
    repository.commit("Approve it")
    store("recall", baseline(values=np.array(4.125e-5), **one))
    _, out, _ = command("diff")
    told = " ".join(line.strip() for line in out)
    assert "preserved test_heads recall induction score 0.00004123→0.00004125, " in told


def test_what_is_not_judged_is_named_where_nothing_else_changed(approved, command):
    edit(baseline_file(), lambda finding: finding["errors"][0].__setitem__(1, 0.5))
    _, out, _ = command("diff")
    assert out[1] == "preserved test_heads recall nothing that is judged: errors"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda finding: finding["values"][0].__setitem__(0, 0.3),
            "other values outside the role: L0H0 0.10→0.30",
        ),
        (
            lambda finding: finding["companion"]["repeat_loss"].update(error=0.5),
            "nothing that is judged: error of repeat loss",
        ),
        (lambda finding: finding.update(clusters=2), "nothing that is judged: clusters"),
        (lambda finding: finding["profiles"].update(L0H1=[1.0559, 0.9, 0.7441]), "other profiles"),
    ],
)
def test_only_of_what_judging_does_not_read_it_says_so(whole, told, change, words):
    edit(baseline_file(), change)
    assert told() == f"preserved test_heads recall {words}"


def baseline_file(alias="recall", test="test_heads"):
    return baseline_path(Path.cwd() / "test_heads.py", alias, test)


# What findings are held to


def test_a_wider_tolerance_is_loosened_and_its_origin_told(approved, command, store, baseline):
    store("recall", baseline(0.9, tolerance=0.5))
    status, out, _ = command("diff")
    assert (status, out[1].split()[:3]) == (1, ["loosened", "test_heads", "recall"])
    told = " ".join(line.strip() for line in out[1:-1])
    assert "tolerance of a value 0.05 or 10 %, at least 0.005 → 0.5 or 50 %" in told
    assert "tolerance of the whole 0.1 or 10 %, at least 0.005 → 0.5 or 50 %" in told
    assert told.endswith("(default → mine)")
    assert out[-1] == "1 finding changed: 1 loosened"


def test_a_narrower_tolerance_is_tightened(repository, command, store, baseline):
    store("recall", baseline(0.9, tolerance=0.5))
    repository.commit("Approve the heads")
    store("recall", baseline(0.9, tolerance=0.4))
    _, out, _ = command("diff")
    assert words(out)[0] == "tightened"
    assert "(origin: mine)" in " ".join(out)


def test_a_wider_tolerance_excuses_nothing_that_comes_with_it(approved, command, store, baseline):
    store("recall", baseline(0.6, tolerance=0.5))
    _, out, _ = command("diff")
    told = " ".join(line.strip() for line in out[1:-1])
    assert told.startswith("weakened test_heads recall L0H1 0.90→0.60")
    assert "tolerance of a value 0.05 or 10 %, at least 0.005 → 0.5 or 50 %" in told


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("top", 0.2, "tolerance beside the strongest 5 % → 20 %"),
        ("value", [0.08, 0.1, 0.005], "tolerance of a value 0.05 → 0.08"),
        ("value", [0.05, 0.1, 0.01], "tolerance of a value at least 0.005 → 0.01"),
        ("role", [0.1, 0.2, 0.005], "tolerance of the whole 10 % → 20 % of it"),
        ("behaviours", {"repeat_loss": [0.9, 0.075, 0.01]}, "tolerance of repeat loss 0.15 → 0.9"),
        ("canary", [1.0, 0.0125, 0.01], "tolerance of the canary 0.05 → 1"),
    ],
)
def test_every_part_of_a_tolerance_is_told(approved, command, field, value, told):
    edit(baseline_file(), lambda finding: finding["tolerance"].update({field: value}))
    _, out, _ = command("diff")
    text = " ".join(line.strip() for line in out[1:-1])
    assert text == f"loosened test_heads recall {told} (origin: default)"


def test_another_origin_alone_is_told(approved, command):
    edit(baseline_file(), lambda finding: finding["tolerance"].update(origin="calibrated"))
    _, out, _ = command("diff")
    assert out[1] == "preserved test_heads recall tolerance's origin default → calibrated"


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        (
            lambda finding: finding["role"].update(threshold=0.6),
            "loosened",
            "induction heads need 0.4 → 0.6",
        ),
        (
            lambda finding: finding["companion"]["repeat_loss"].update(judged=False),
            "loosened",
            "repeat loss is not judged any more",
        ),
        (
            lambda finding: finding["companion"]["repeat_loss"].update(vital=True),
            "tightened",
            "repeat loss is vital",
        ),
    ],
)
def test_what_counts_at_all_is_told(approved, command, change, kind, told):
    edit(baseline_file(), change)
    _, out, _ = command("diff")
    text = " ".join(line.strip() for line in out[1:-1])
    assert text.startswith(f"{kind} test_heads recall {told} (origin: default)")


@pytest.fixture
def told(command):
    """What a diff says of its only finding."""

    def tell(*arguments):
        status, out, _ = command("diff", *arguments)
        assert (status, out[-1].startswith("1 finding changed")) == (1, True)
        return " ".join(" ".join(out[1:-1]).split())

    return tell


@pytest.fixture
def whole(repository, store, baseline):
    """A repository with a baseline that has all that judging reads."""
    gain = Behaviour("repeat_gain", 4.0, 0.1, 3, Direction.HIGHER, "nats", vital=True)
    fields = {
        "companion": (*baseline().finding.companion, gain),
        "canary": Canary(3.9, "text", "aa11"),
        "nulls": {"L0H1": Null(0.1, 0.01)},
        "profiles": {"L0H1": np.array([0.7441, 0.9, 1.0559])},
    }
    store("recall", baseline(0.9, **fields))
    repository.commit("Approve the heads")
    return repository


def put(*path, **fields):
    """A change that sets fields of a part."""

    def change(finding):
        for name in path:
            finding = finding[name]
        finding.update(fields)

    return change


def take(*path):
    """A change that takes a part away."""

    def change(finding):
        *folders, last = path
        for name in folders:
            finding = finding[name]
        del finding[last]

    return change


@pytest.mark.parametrize(
    ("change", "words", "back"),
    [
        (take("canary"), "loosened no canary any more", "tightened there is a canary now"),
        (
            put("canary", tokens="bb22"),
            "loosened the canary is a loss on other tokens",
            "loosened the canary is a loss on other tokens",
        ),
        (
            take("role"),
            "loosened no role any more, which was induction heads of 0.4",
            "loosened of all values only induction heads of 0.4 are judged",
        ),
        (
            put("role", name="odd heads"),
            "preserved induction heads are called odd heads",
            "preserved odd heads are called induction heads",
        ),
        (take("nulls"), "loosened no null of L0H1 any more", "tightened L0H1 has a null"),
        (
            put("nulls", "L0H1", p=0.9),
            "loosened L0H1 not told from its null any more",
            "tightened L0H1 told from its null now",
        ),
        (
            take("profiles", "L0H1"),
            "tightened no profile of L0H1 any more",
            "loosened L0H1 has a profile",
        ),
        (
            # As little more than that as its tolerance, so that it isn't gone.
            put("companion", "repeat_gain", error=1.404),
            "loosened repeat gain not distinct from 0 any more",
            "tightened repeat gain distinct from 0 now",
        ),
        (
            put("companion", "repeat_gain", vital=False),
            "loosened repeat gain is not vital any more",
            "tightened repeat gain is vital",
        ),
    ],
)
def test_what_is_taken_out_of_judgement_is_told(whole, told, change, words, back):
    edit(baseline_file(), change)
    kind, _, text = words.partition(" ")
    assert told() == f"{kind} test_heads recall {text} (origin: default)"
    whole.commit("Edit it")
    kind, _, text = back.partition(" ")
    assert told("HEAD", "HEAD^") == f"{kind} test_heads recall {text} (origin: default)"


def test_a_behaviour_that_is_held_too_is_tightened(approved, told, store, baseline):
    gain = Behaviour("repeat_gain", 4.0, 0.1, 3, Direction.HIGHER, "nats", vital=True)
    store("recall", baseline(0.9, companion=(*baseline().finding.companion, gain)))
    assert told().startswith("tightened test_heads recall repeat gain is judged too")


def test_of_one_number_it_is_told_whether_it_can_be_lost(repository, told, store, baseline):
    one = {"axes": (), "values": np.array(2.0), "role": None, "errors": np.array(0.1)}
    store("recall", baseline(**one))
    repository.commit("Approve it")
    edit(baseline_file(), put(errors=0.719))
    words = "test_heads recall induction score"
    assert told().startswith(f"loosened {words} not distinct from 0 any more")
    repository.commit("Edit it")
    assert told("HEAD", "HEAD^").startswith(f"tightened {words} distinct from 0 now")


def test_a_two_sided_role_that_is_not_distinct_any_more_is_loosened(
    repository, told, store, baseline
):
    store("recall", baseline(0.9, direction=Direction.TWO_SIDED))
    repository.commit("Approve it")
    edit(baseline_file(), put(errors=[[9.0, 9.0]]))
    assert told().startswith(
        "loosened test_heads recall induction heads not distinct from 0 any more"
    )


def test_drift_of_a_null_is_told(whole, told):
    edit(baseline_file(), put("nulls", "L0H1", mean=0.4))
    assert told() == "preserved test_heads recall null of L0H1 0.10→0.40, 333 % of its tolerance"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("direction", "higher", "lower → higher"), ("unit", "bits", "nats → bits")],
)
def test_a_behaviour_that_is_turned_round_is_incomparable(approved, told, field, value, words):
    edit(baseline_file(), put("companion", "repeat_loss", **{field: value}))
    assert (
        told() == f"incomparable test_heads recall companion.repeat_loss.{field} differs: {words}"
    )


def test_a_new_finding_says_where_its_tolerance_is_none_of_the_defaults(
    approved, command, store, baseline
):
    generous = baseline(0.9)
    wide = replace(generous.tolerance, value=Allowance(0.8, 0.1, 0.005))
    store("recall", replace(generous, tolerance=wide), test="test_late")
    _, out, _ = command("diff")
    text = " ".join(line.strip() for line in out[1:-1])
    assert text == (
        "new test_late recall 1 head, L0H1 0.90; repeat loss 1.00; "
        "tolerance of a value 0.05 → 0.8 (origin: default)"
    )


# Files and findings that come, go and move


def test_a_new_file_is_new_and_needs_no_git_add(approved, command, store):
    store("recall", test="test_late")
    assert command("diff")[1][1:] == [
        "new test_late recall 1 head, L0H1 0.90; repeat loss 1.00",
        "1 finding changed: 1 new",
    ]


def test_ignored_files_are_none_of_the_working_tree(approved, command, store):
    (approved.path / ".gitignore").write_text("tuned/\n")
    store("tuned")
    assert command("diff")[:2] == (0, [HEAD, "no changes"])


def test_a_deleted_file_says_what_it_held(approved, command):
    baseline_file().unlink()
    assert command("diff")[:2] == (
        1,
        [
            HEAD,
            "deleted test_heads recall 1 head, L0H1 0.90; repeat loss 1.00",
            "1 finding changed: 1 deleted",
        ],
    )


def test_a_file_that_git_was_told_to_forget_is_still_there(approved, command, store, baseline):
    approved.git("rm", "-q", "--cached", baseline_file().relative_to(approved.path).as_posix())
    assert command("diff")[:2] == (0, [HEAD, "no changes"])
    store("recall", baseline(0.6))
    assert words(command("diff")[1]) == ["weakened"]


def test_findings_of_one_file_come_and_go_by_their_names(repository, command, store, baseline):
    path = store("recall", baseline(0.9), baseline(0.8, name="late"))
    repository.commit("Approve two findings")
    path.unlink()
    store("recall", baseline(0.9), baseline(0.7, name="deep", prompts={"kind": "other"}))
    _, out, _ = command("diff")
    assert out[1:] == [
        "deleted test_heads (late) recall 1 head, L0H1 0.80; repeat loss 1.00",
        "new     test_heads (deep) recall 1 head, L0H1 0.70; repeat loss 1.00",
        "2 findings changed: 1 deleted, 1 new",
    ]


def test_the_order_of_findings_and_how_they_are_written_is_no_change(
    repository, command, store, baseline
):
    path = store("recall", baseline(0.9), baseline(0.8, name="late"))
    repository.commit("Approve two findings")
    document = json.loads(path.read_text())
    document["findings"].reverse()
    path.write_text(json.dumps(document))
    assert command("diff") == (
        0,
        [HEAD, "1 file differs only in how it is written", "no changes"],
        [],
    )


def test_the_same_in_another_layout_is_no_change(approved, command):
    path = baseline_file()
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert command("diff")[:2] == (
        0,
        [HEAD, "1 file differs only in how it is written", "no changes"],
    )


def test_what_findings_were_recorded_with_is_no_change(repository, command, store):
    paths = [store(alias) for alias in ("recall", "tuned")]
    repository.commit("Approve the heads")
    for path in paths:
        edit(path, lambda finding: finding.update(recorded_with={"device": "cuda"}))
    assert command("diff") == (
        0,
        [HEAD, "2 files differ only in what they were recorded with", "no changes"],
        [],
    )


def test_other_ends_of_lines_are_no_change(approved, command):
    path = baseline_file()
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert command("diff") == (0, [HEAD, "no changes"], [])


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("recall/test_heads/test_late", "test_late recall was test_heads"),
        ("tuned/test_heads/test_heads", "test_heads tuned was recall's"),
        ("recall/test_other/test_heads", "test_heads recall was test_heads.py::test_heads"),
        ("tuned/test_heads/test_late", "test_late tuned was test_heads of recall"),
    ],
)
def test_a_finding_that_moved_is_renamed(approved, command, path, told):
    told = f"renamed {told}"
    new = approved.path / f"__circuits__/{path}.json"
    new.parent.mkdir(parents=True, exist_ok=True)
    baseline_file().rename(new)
    edit(new, lambda finding: finding.update(recorded_with={"device": "cuda"}))
    assert command("diff")[:2] == (1, [HEAD, told, "1 finding changed: 1 renamed"])
    approved.commit("Move it")
    assert command("diff", "HEAD^", "HEAD")[1][1:] == [told, "1 finding changed: 1 renamed"]


def test_a_finding_that_is_called_otherwise_is_renamed(approved, command):
    edit(baseline_file(), lambda finding: finding.update(name="late"))
    assert command("diff")[1][1] == "renamed test_heads (late) recall was test_heads"


def test_a_weakening_is_not_hidden_by_another_name(approved, command, store, baseline):
    baseline_file().unlink()
    store("recall", baseline(0.6, loss=2.0), test="test_late")
    _, out, _ = command("diff")
    assert " ".join(line.strip() for line in out[1:-1]) == (
        "weakened test_late recall repeat loss rose 1.00 → 2.00; L0H1 0.90→0.60; was test_heads"
    )


def test_what_could_have_come_from_two_is_told_apart(repository, command, store, baseline):
    paths = [store("recall", baseline(0.9), test=f"test_{name}") for name in "ab"]
    repository.commit("Approve two")
    for path in paths:
        path.unlink()
    store("recall", baseline(0.6), test="test_c")
    assert sorted(words(command("diff")[1])) == ["deleted", "deleted", "new"]


def test_equal_findings_are_paired_with_the_nearest(repository, command, store, baseline):
    old = [store(alias, baseline(0.9), test="test_a") for alias in ("recall", "tuned")]
    repository.commit("Approve two")
    for path in old:
        path.rename(path.with_name("test_b.json"))
    assert command("diff")[1][1:3] == [
        "renamed test_b recall was test_a",
        "renamed test_b tuned  was test_a",
    ]


def test_another_quantity_in_another_place_is_new(approved, command, store, baseline):
    baseline_file().unlink()
    store("recall", baseline(0.9, convention={"block": 8}), test="test_late")
    assert words(command("diff")[1]) == ["deleted", "new"]


# What can't be read


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{\n<<<<<<< HEAD\n"schema": "a"\n', "line 2: has a merge conflict"),
        (b"\xff", "line 1: is not UTF-8 (byte 0xff)"),
        (b'{"schema": "of tomorrow", "findings": []}', "schema 'of tomorrow'"),
        (b'{"schema_version": 2, "findings": []}', "schema version 2"),
        (
            b'{"schema": "urn:pytest-circuits:baseline-file:1", "findings": [{"name": ""}]}',
            "the baseline 'of this test' is",
        ),
    ],
)
def test_a_file_that_cannot_be_read_now_is_said_and_the_others_are_shown(
    approved, command, store, text, problem
):
    path = store("tuned")
    approved.commit("Approve the child")
    path.write_bytes(text)
    edit(baseline_file(), lambda finding: finding["values"][0].__setitem__(1, 0.6))
    status, out, errors = command("diff")
    told = " ".join(line.strip() for line in out)
    assert status == 3
    assert f"unreadable test_heads tuned  working tree: {problem}" in told
    assert "weakened" in told
    assert errors[0].startswith(str(path))
    assert out[-1] == "2 findings changed: 1 unreadable, 1 weakened"


def test_a_file_that_could_not_be_read_before_is_said(approved, command, store, baseline):
    path = baseline_file()
    path.write_text("{")
    approved.commit("Merge in haste")
    path.unlink()
    store("recall", baseline(0.9))
    status, out, errors = command("diff")
    assert status == 3
    assert out[1].startswith("unreadable test_heads recall HEAD: line 1: is not JSON")
    assert errors[0].startswith(f"{path}:1: is not JSON")


def test_a_conflict_that_git_left_is_unreadable(approved, command, store, baseline):
    approved.git("checkout", "-qb", "side")
    store("recall", baseline(0.8))
    approved.commit("On a side branch")
    approved.git("checkout", "-q", "main")
    store("recall", baseline(0.7))
    approved.commit("On the main branch")
    with pytest.raises(Exception, match="merge"):
        approved.git("merge", "-q", "side")
    status, out, errors = command("diff")
    assert status == 3
    assert "has a merge conflict" in out[1]
    assert "`git checkout --ours` or `--theirs`" in errors[1]


def test_a_text_that_the_clone_lacks_is_said(approved, command, store, baseline):
    store("recall", baseline(0.6))
    approved.commit("Approve less")
    name = approved.git("rev-parse", "HEAD^:__circuits__/recall/test_heads/test_heads.json").strip()
    (approved.path / ".git/objects" / name[:2] / name[2:]).unlink()
    status, out, _ = command("diff", "HEAD^", "HEAD")
    assert (status, out[1]) == (3, "unreadable test_heads recall HEAD^: is not in this clone")


def test_what_others_called_things_is_shown_and_not_obeyed(approved, command, store, baseline):
    store("recall", baseline(0.9), baseline(name="\x1b[31mred\nnext\u202e"))
    _, out, _ = command("diff")
    assert len(out) == 3
    assert not any(sign in "".join(out) for sign in "\x1b\u202e")
