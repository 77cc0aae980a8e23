"""show, diff, history and review of baselines of models that have heads in some layers only."""

import io

import numpy as np
import pytest
from handmade_pending import left

from pytest_circuits.baselines.codec import read
from pytest_circuits.findings import Head

NAN = float("nan")


@pytest.fixture
def hybrid(baseline):
    """A baseline of a model without heads in layer 0; the second head of layer 1 has the role."""

    def make(value=0.9, *, other=0.1, **fields):
        values = np.array([[NAN, NAN], [other, value]])
        given = {"values": values, "errors": values / 10, "absent": np.isnan(values)}
        return baseline(**given | fields)

    return make


@pytest.fixture
def approved(repository, store, hybrid):
    """A repository in which one such baseline is committed."""
    path = store("recall", hybrid())
    repository.commit("Approve the heads")
    return path


def test_show_names_the_heads_that_are_there(repository, store, hybrid, command):
    status, lines, errors = command("show", store("recall", hybrid()))
    assert (status, errors) == (0, [])
    assert lines[1:4] == [
        "  induction_scores (attention probability, 3 samples)",
        "    L1H1       0.900 ± 0.090",
        "    L1H0       0.100 ± 0.010",
    ]
    assert not any("L0" in line or "nan" in line for line in lines)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"value": 0.88}, "preserved test_heads recall L1H1 0.90→0.88, 22 % of its tolerance"),
        (
            {"other": 0.12, "errors": np.array([[NAN, NAN], [0.01, 0.09]])},
            "preserved test_heads recall other values outside the role: L1H0 0.10→0.12",
        ),
        ({"value": 0.5}, "weakened test_heads recall L1H1 0.90→0.50;"),
    ],
)
@pytest.mark.usefixtures("approved")
def test_diff_tells_of_the_heads_that_are_there(store, hybrid, command, now, said):
    store("recall", hybrid(**now))
    status, lines, errors = command("diff")
    assert (status, errors) == (1, [])
    assert lines[1].startswith(said)


def test_diff_of_a_matrix_tells_of_the_cells_that_are_there(repository, store, hybrid, command):
    store("recall", hybrid(role=None))
    repository.commit("Approve the matrix")
    store("recall", hybrid(0.93, role=None))
    _, lines, _ = command("diff")
    assert lines[1] == "preserved test_heads recall L1H1 0.90→0.93, 33 % of its tolerance"


def test_a_layer_that_lost_its_heads_is_no_comparison(approved, store, hybrid, command, baseline):
    values = np.array([[0.0, 0.0], [0.1, 0.9]])
    store("recall", baseline(values=values, errors=values / 10))
    status, lines, _ = command("diff")
    assert status == 1
    assert lines[1:3] == [
        "incomparable test_heads recall",
        "             shape differs: layer 0 has no heads → layer 0 has 2 heads",
    ]


def test_history_tells_what_each_commit_did(approved, repository, store, hybrid, command):
    store("recall", hybrid(0.5))
    repository.commit("Retrain")
    status, lines, errors = command("history", "test_heads")
    assert (status, errors) == (0, [])
    assert any("L1H1 0.90→0.50" in line for line in lines)
    assert not any("nan" in line or "L0H" in line for line in lines)


def test_what_is_read_again_has_the_heads_that_are_there(approved):
    finding = read(approved)[""].finding
    assert finding.heads() == {Head(1, 1): 0.9, Head(1, 0): 0.1}


def test_review_shows_the_heads_that_are_there(repository, store, hybrid, monkeypatch, command):
    store("recall", hybrid())
    left(hybrid(0.5))
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    _, lines, errors = command("review")
    assert errors == []
    assert lines[1] == "  L1H1 0.90→0.50; behaviour held"
    assert "  L1H1                0.900  0.500  -0.400      0.090  ±0.050  weaker" in lines
    assert not any("nan" in line or "undefined" in line or "L0H" in line for line in lines)
