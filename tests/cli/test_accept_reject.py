"""pytest-circuits accept and reject: decisions on pending findings, by key."""

import shutil
import sys
from pathlib import Path

import pytest
from circuit_suites import in_fresh_python
from handmade_pending import left, names_in, place_of

from pytest_circuits.baselines import write

HEADS = "recall/test_heads/test_heads"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def three(store, baseline):
    """Three pending findings: a changed one, a new one beside it, and one of another model."""
    store("recall", baseline(0.9))
    first = left(baseline(0.5), baseline(0.8, name="late"))
    other = left(baseline(0.7), alias="tuned", test="test_other", parameters="16")
    return first, other


def values(place):
    from pytest_circuits.baselines.codec import read

    return {b.name: float(b.finding.values[0, 1]) for b in read(place.path)}


# By key


def test_a_key_names_one_finding(command, three):
    status, out, errors = command("accept", HEADS)
    assert (status, out, errors) == (
        1,
        [f"accepted {HEADS}", "2 findings pending: pytest-circuits review"],
        [],
    )
    assert values(place_of()) == {"": 0.5}
    assert names_in(three[0]) == ["late"]


def test_a_further_finding_has_its_name_in_its_key(command, three):
    assert command("accept", f"{HEADS}:late")[0] == 1
    assert values(place_of()) == {"": 0.9, "late": 0.8}
    assert names_in(three[0]) == [""]


def test_several_keys_are_done_and_nothing_is_left(command, three):
    keys = (f"{HEADS}:late", HEADS, "tuned/test_heads/test_other[16]")
    status, out, _ = command("accept", *keys)
    assert (status, out[-1]) == (0, "nothing pending")
    assert sorted(out[:-1]) == sorted(f"accepted {key}" for key in keys)
    assert not list(Path().rglob(".pending"))


@pytest.mark.parametrize(
    ("glob", "chosen"),
    [
        ("recall/*", 2),
        ("*", 3),
        (f"{HEADS}*", 2),
        ("*:late", 1),
        ("*/test_other[1?]", 1),
        ("*/test_other[*]", 1),
        ("tuned/test_heads/test_other[16]", 1),
    ],
)
def test_a_glob_names_many_and_brackets_are_their_own(command, three, glob, chosen):
    _, out, _ = command("reject", glob)
    assert sum(line.startswith("rejected ") for line in out) == chosen


def test_everything_can_be_accepted_or_rejected(command, three):
    status, out, _ = command("reject", "--all")
    assert (status, out[-1]) == (0, "nothing pending")
    assert values(place_of()) == {"": 0.9}
    assert not list(Path().rglob(".pending"))
    assert command("accept", "--all") == (0, ["nothing pending"], [])


def test_rejecting_leaves_no_folder_where_there_was_no_baseline(command, baseline):
    left(baseline())
    assert command("reject", HEADS)[0] == 0
    assert [path.name for path in Path().iterdir()] == ["test_heads.py"]


def test_a_suite_below_stands_before_the_key_and_in_makes_it_short(command, baseline):
    left(baseline(), folder=Path.cwd() / "tests/circuits")
    assert command("accept", HEADS)[0] == 2
    status, out, _ = command("reject", HEADS, "--in", "tests")
    assert status == 2
    left(baseline(), folder=Path.cwd() / "tests/other")
    _, out, _ = command("accept", f"tests/circuits/{HEADS}")
    assert out == [
        f"accepted tests/circuits/{HEADS}",
        "1 finding pending: pytest-circuits review",
    ]
    assert command("accept", HEADS, "--in", "tests/other")[:2] == (
        0,
        [f"accepted {HEADS}", "nothing pending"],
    )


@pytest.mark.parametrize("name", ["late\x1b[31m", "two\nlines", "\u202eeltit", "a b|c:d"])
def test_a_key_is_typed_as_it_is_listed_whatever_a_name_holds(command, baseline, name):
    left(baseline(name=name))
    _, out, _ = command("review", "--list")
    assert all(line.isprintable() for line in out)
    key = out[0].split("  ")[1]
    assert key.startswith(f"{HEADS}:")
    assert command("accept", key)[0] == 0
    assert values(place_of()) == {name: 0.9}


# What is refused


@pytest.mark.parametrize("what", ["accept", "reject"])
def test_a_key_that_names_nothing_is_a_usage_error_and_nothing_is_done(command, three, what):
    status, out, errors = command(what, HEADS, "recall/test_heads/test_head", "zzz")
    assert (status, out) == (2, [])
    assert errors == [
        (
            f"pytest-circuits: nothing pending is called 'recall/test_heads/test_head'; close to "
            f"it: {HEADS}, {HEADS}:late, tuned/test_heads/test_other[16]"
        ),
        "nothing pending is called 'zzz'; `pytest-circuits review --list` shows what is there",
    ]
    assert names_in(three[0]) == ["", "late"]


def test_where_nothing_is_pending_no_key_names_anything(command):
    assert command("accept", "x") == (
        2,
        [],
        ["pytest-circuits: nothing pending is called 'x'; nothing is pending here"],
    )


@pytest.mark.parametrize("arguments", [(), (HEADS, "--all")])
def test_keys_or_all_must_be_named_and_not_both(command, three, arguments):
    assert command("accept", *arguments) == (
        2,
        [],
        [
            (
                "pytest-circuits: name keys (`pytest-circuits review --list` shows them) or add "
                "--all, and not both"
            )
        ],
    )


@pytest.mark.parametrize("where", ["nowhere", "file"])
def test_only_a_folder_can_be_looked_in(command, where):
    Path("file").write_text("")
    status, _, errors = command("accept", "--all", "--in", where)
    assert (status, len(errors)) == (2, 1)


def change(store, baseline):
    store("recall", baseline(0.6))
    return "recall's baseline has changed since"


def delete(store, baseline):
    place_of().path.unlink()
    return "recall's baseline is gone"


@pytest.mark.parametrize("happens", [change, delete])
def test_a_finding_whose_baseline_is_another_now_is_refused_and_the_others_done(
    command, three, store, baseline, happens
):
    what = happens(store, baseline)
    before = place_of().path.read_bytes() if place_of().path.exists() else None
    status, out, errors = command("accept", HEADS, "tuned/*")
    assert status == 1
    assert out == [
        "accepted tuned/test_heads/test_other[16]",
        "2 findings pending: pytest-circuits review",
    ]
    assert errors == [f"{HEADS}: {what}: measure again (`pytest --circuits --circuits-pending`)"]
    assert (place_of().path.read_bytes() if place_of().path.exists() else None) == before
    assert command("reject", HEADS)[0] == 1
    assert names_in(three[0]) == ["late"]


def test_a_new_finding_is_refused_where_there_is_a_baseline_by_now(command, baseline, store):
    left(baseline(0.5))
    store("recall", baseline(0.9))
    status, _, errors = command("accept", "--all")
    assert status == 1
    assert errors[0].startswith(f"{HEADS}: recall has a baseline now: measure again")


def test_an_inherited_one_is_refused_where_its_model_has_its_own_by_now(command, baseline, store):
    store("recall", baseline(0.9))
    left(baseline(0.5), alias="tuned", owners=("tuned", "recall"))
    store("tuned", baseline(0.8))
    status, _, errors = command("accept", "--all")
    assert status == 1
    assert "tuned's baseline serves now, and recall's did then: measure again" in errors[0]


def test_another_finding_of_the_file_may_have_changed(command, store, baseline):
    store("recall", baseline(0.9), baseline(0.9, name="late"))
    left(baseline(0.5))
    write(place_of().path, [baseline(0.7, name="late")])
    assert command("accept", "--all")[0] == 0
    assert values(place_of()) == {"": 0.5, "late": 0.7}


def test_of_a_parent_and_its_child_both_can_be_accepted_at_once(command, store, baseline):
    store("recall", baseline(0.9))
    left(baseline(0.5))
    left(baseline(0.6), alias="tuned", owners=("tuned", "recall"))
    assert command("accept", "--all")[0] == 0
    assert values(place_of()) == {"": 0.5}
    assert values(place_of("tuned")) == {"": 0.6}


# What can't be read or written


def test_a_damaged_pending_file_is_named_and_the_others_done(command, three):
    three[1].write_text("{")
    status, out, errors = command("accept", "--all")
    assert status == 3
    assert out == [f"accepted {HEADS}", f"accepted {HEADS}:late"]
    assert errors[0].startswith(f"{three[1]}: line 1: is not JSON")
    assert "Delete the file, or measure again" in errors[1]
    status, _, errors = command("accept", "tuned/*")
    assert (status, len(errors)) == (2, 3)
    assert command("review")[0] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_a_folders_name_is_printed_without_what_a_terminal_obeys(command, baseline):
    folder = Path("\x1b[31msuite")
    left(baseline(), folder=Path.cwd() / folder).write_text("{")
    status, _, errors = command("accept", "--all")
    assert status == 3
    assert all(line.isprintable() for line in errors)
    assert "?[31msuite" in errors[0]


def test_a_damaged_baseline_is_named_and_the_others_done(command, three):
    place_of().path.write_text("<<<<<<< ours")
    status, out, errors = command("accept", "--all")
    assert status == 3
    assert out[0] == "accepted tuned/test_heads/test_other[16]"
    assert errors[0].startswith(f"{place_of().path}:1: has a merge conflict.")
    assert names_in(three[0]) == ["", "late"]


def test_a_baseline_that_cannot_be_written_stays_pending(command, three, monkeypatch):
    replace = Path.replace

    def refuse_one(path, target):
        if Path(target) == place_of().path:
            raise PermissionError(13, "Permission denied", str(target))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse_one)
    status, out, errors = command("accept", "--all")
    assert (status, out[0]) == (3, "accepted tuned/test_heads/test_other[16]")
    assert errors[0] == f"{place_of().path}: can't be written (Permission denied)."
    assert names_in(three[0]) == ["", "late"]


# What somebody should know


def test_what_accepting_does_not_mend_and_too_few_prompts_are_said(command, baseline):
    left(baseline(), failure="AssertionError: \x1b[31mred", warning="induction_scores: few")
    assert command("accept", "--all")[1] == [
        f"accepted {HEADS}",
        "  something else kept its test from passing, which accepting it does not change:",
        "    AssertionError: ?[31mred",
        "  induction_scores: few",
        "nothing pending",
    ]
    left(baseline(), failure="no")
    shutil.rmtree("__circuits__/recall")
    assert command("reject", "--all")[1] == [f"rejected {HEADS}", "nothing pending"]


def test_that_its_test_file_is_gone_is_said(command, baseline):
    left(baseline())
    Path("test_heads.py").unlink()
    assert command("accept", "--all")[1] == [
        f"accepted {HEADS}",
        "  there is no test_heads.py any more",
        "nothing pending",
    ]


def test_it_needs_no_model_and_no_pytest(three):
    code = """
import sys
from pytest_circuits.cli import main
main(["accept", "--all"])
print(sorted({"torch", "transformers", "pytest", "syrupy", "plotly"} & set(sys.modules)))
"""
    assert in_fresh_python(code).splitlines()[-1] == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows links need rights")
def test_a_folder_can_be_named_by_a_link(command, three, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    assert command("accept", HEADS, "--in", "link")[0] == 1
