"""pytest-circuits diff: what is new beside the baseline of another model, which served before."""

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_circuits.report import read_report
from pytest_circuits.verdicts import Allowance

INI = "[pytest]\ncircuits_models =\n    recall = bundled:recall\n"
TOML = """[tool.pytest.ini_options]
circuits_models = ["recall = bundled:recall", "tuned = ./tuned < recall"]
"""


@pytest.fixture
def told(command):
    """What a diff says of its only finding."""

    def tell(*arguments):
        _, out, _ = command("diff", *arguments)
        assert out[-1].startswith("1 finding changed")
        return " ".join(line.strip() for line in out[1:-1])

    return tell


@pytest.fixture
def approved(repository, store, baseline):
    """A repository in which one model's baseline is committed."""
    store("recall", baseline(0.9))
    repository.commit("Approve the heads")
    return repository


def declare(repository, *lines, file="pytest.ini"):
    (repository.path / file).write_text("".join([INI, *(f"    {line}\n" for line in lines)]))


def test_a_weakening_that_is_a_baseline_of_its_own_is_a_weakening(
    approved, told, store, baseline, command
):
    store("tuned", baseline(0.6, loss=2.5))
    words = (
        "weakened test_heads tuned new beside recall's: "
        "repeat loss rose 1.00 → 2.50; L0H1 0.90→0.60"
    )
    assert told() == words
    approved.commit("Accept less of the child")
    assert told("HEAD^", "HEAD") == words
    markdown = "\n".join(command("diff", "HEAD^", "--markdown", "-")[1])
    assert "| **weakened** |" in markdown
    assert "new beside recall's: repeat loss rose 1.00 → 2.50; L0H1 0.90→0.60" in markdown
    assert command("diff", "HEAD^", "--html", "a.html", "--json", "a.json")[0] == 1
    (row,) = read_report(Path("a.json")).rows
    assert (row.alias, row.owner, row.passes) == ("tuned", "recall", False)
    assert row.details.approved.finding.values[0, 1] == 0.9


def test_what_it_is_held_to_is_told_beside_it_too(approved, told, store, baseline):
    store("tuned", baseline(0.9, tolerance=0.5))
    assert told().startswith("loosened test_heads tuned new beside recall's: tolerance of a value ")
    assert told().endswith("(default → mine)")


def test_what_drifted_is_new_beside_it(approved, told, store, baseline):
    store("tuned", baseline(0.88))
    assert told() == (
        "new test_heads tuned 1 head, L0H1 0.88; repeat loss 1.00; "
        "beside recall's: L0H1 0.90→0.88, 22 % of its tolerance"
    )


def test_a_copy_is_the_same(approved, told, store, baseline):
    store("tuned", baseline(0.9))
    assert told().endswith("; beside recall's: the same")


def test_of_a_tighter_tolerance_it_is_new(approved, told, store, baseline):
    own = baseline(0.9)
    narrow = replace(own.tolerance, value=Allowance(0.01, 0.1, 0.005))
    store("tuned", replace(own, tolerance=narrow))
    assert told().startswith("new test_heads tuned 1 head")
    assert "beside recall's: tolerance of a value 0.05 → 0.01" in told()


def test_another_quantity_of_another_model_is_not_what_served(approved, told, store, baseline):
    store("tuned", baseline(0.6, convention={"block": 8}))
    assert told() == "new test_heads tuned 1 head, L0H1 0.60; repeat loss 1.00"


def test_another_quantity_of_the_parent_served_all_the_same(approved, told, store, baseline):
    declare(approved, "tuned = ./tuned < recall")
    store("tuned", baseline(0.6, convention={"block": 8}))
    assert told() == (
        "incomparable test_heads tuned new beside recall's: convention.block differs: 4 → 8"
    )


def test_of_several_models_that_could_have_served_none_is_guessed(approved, told, store, baseline):
    store("other", baseline(0.6))
    approved.commit("Approve another")
    store("tuned", baseline(0.6))
    assert told().startswith("new test_heads tuned 1 head, L0H1 0.60")
    assert "beside" not in told()


@pytest.mark.parametrize("file", ["pytest.ini", "sub/pytest.ini", "pyproject.toml", "setup.cfg"])
def test_of_several_models_the_ini_names_the_parent(approved, told, store, baseline, file):
    folder = approved.path / "sub/deep"
    folder.mkdir(parents=True)
    for alias, value in (("recall", 0.9), ("other", 0.3)):
        store(alias, baseline(value), folder=folder)
    if file == "pyproject.toml":
        (approved.path / file).write_text(TOML)
    else:
        declare(approved, "other = x", "mid = y < recall", "tuned = z < mid", file=file)
    if file == "setup.cfg":
        path = approved.path / file
        path.write_text(path.read_text().replace("[pytest]", "[tool:pytest]"))
    approved.commit("Approve both")
    store("tuned", baseline(0.6), folder=folder)
    assert "new beside recall's: L0H1 0.90→0.60" in told()
    approved.commit("Accept less")
    assert "new beside recall's: L0H1 0.90→0.60" in told("HEAD^", "HEAD")


def test_a_parent_that_is_struck_out_in_the_same_change_served(approved, told, store, baseline):
    declare(approved, "tuned = ./tuned < recall")
    approved.commit("Declare the child")
    declare(approved, "tuned = ./tuned")
    store("tuned", baseline(0.6))
    assert told().startswith("weakened test_heads tuned new beside recall's")


def test_a_model_without_a_parent_is_new(approved, told, store, baseline):
    declare(approved, "tuned = ./tuned")
    store("tuned", baseline(0.6))
    assert told() == "new test_heads tuned 1 head, L0H1 0.60; repeat loss 1.00"


@pytest.mark.parametrize("text", [b"\xff", b"[tool", b"[tool]\npytest = 3\n"])
def test_an_ini_that_cannot_be_read_tells_nothing(approved, told, store, baseline, text):
    (approved.path / "pyproject.toml").write_bytes(text)
    (approved.path / "tox.ini").write_bytes(text)
    store("tuned", baseline(0.6))
    assert told().startswith("weakened test_heads tuned new beside recall's")


def test_a_parents_file_that_cannot_be_read_served_nothing(approved, told, store, baseline):
    next(approved.path.glob("__circuits__/recall/*/*.json")).write_text("{")
    approved.commit("Break it")
    store("tuned", baseline(0.6))
    assert told() == "new test_heads tuned 1 head, L0H1 0.60; repeat loss 1.00"


def test_a_finding_of_another_name_is_new(approved, told, store, baseline):
    store("tuned", baseline(0.6, name="late"))
    assert told() == "new test_heads (late) tuned 1 head, L0H1 0.60; repeat loss 1.00"
