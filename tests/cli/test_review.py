"""pytest-circuits review: what is pending, one by one, and what is answered."""

import io
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from handmade_pending import left, names_in, place_of

from pytest_circuits.findings import Canary

HEADS = "recall/test_heads/test_heads"
PROMPT = "(a)ccept (r)eject (s)kip (A)ccept all (R)eject all (q)uit (?) > "


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def answer(command, monkeypatch):
    """Run ``review`` with answers piped to it."""

    def run(answers, *arguments):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
        return command("review", *arguments)

    return run


@pytest.fixture
def three(store, baseline):
    """Three pending findings: a new one, a weakened one, and a strengthened one."""
    new = left(baseline(0.8), test="test_new")
    store("recall", baseline(0.9, canary=Canary(4.0, "text", "abc")))
    weakened = left(baseline(0.5, canary=Canary(4.0, "text", "abc")))
    store("recall", baseline(0.6), test="test_better")
    strengthened = left(baseline(0.9), test="test_better")
    return weakened, new, strengthened


def exists(paths):
    return [path.exists() for path in paths]


# What is shown


def test_a_finding_is_shown_with_its_verdict_and_its_numbers(answer, three):
    status, out, errors = answer("q\n")
    assert (status, errors) == (1, [])
    assert out == [
        "1 of 3  weakened  test_heads.py::test_heads (recall)",
        "  L0H1 0.90→0.50; behaviour held",
        "    weaker: L0H1 0.90→0.50 (tolerance 0.09)",
        "    induction heads summed strength 0.90 → 0.50 (tolerance 0.10)",
        "    specific to this circuit: the loss on a fixed text held 4.00 → 4.00",
        "",
        "  induction score (attention probability); induction heads: 0.40 or more",
        "  head             baseline    now  change  tolerance   error",
        "  L0H1                0.900  0.500  -0.400      0.090  ±0.050  weaker",
        "  summed strength     0.900  0.500  -0.400      0.100       -  weaker",
        "  repeat loss         1.000  1.000  +0.000      0.150  ±0.010  (nats)",
        "",
        f"{PROMPT}q",
        "3 findings pending",
    ]


def test_they_come_worst_first_and_a_new_one_shows_what_was_measured(answer, three):
    _, out, _ = answer("s\n" * 3)
    titles = [line for line in out if " of 3 " in line]
    assert titles == [
        "1 of 3  weakened  test_heads.py::test_heads (recall)",
        "2 of 3  new  test_heads.py::test_new (recall)",
        "3 of 3  strengthened  test_heads.py::test_better (recall)",
    ]
    start = out.index(titles[1])
    assert out[start : start + 10] == [
        titles[1],
        "  1 head, L0H1 0.80; repeat loss 1.00",
        "",
        "  induction score (attention probability); induction heads: 0.40 or more",
        "  there is no baseline to compare it with",
        "  head           now   error",
        "  L0H1         0.800  ±0.080",
        "  repeat loss  1.000  ±0.010  (nats)",
        "",
        f"{PROMPT}s",
    ]


def test_what_is_incomparable_has_no_tolerances(answer, store, baseline):
    store("recall", baseline())
    left(baseline(convention={"block": 8}))
    _, out, _ = answer("s\n")
    assert out[:9] == [
        "1 of 1  incomparable  test_heads.py::test_heads (recall)",
        "  convention.block differs: 4 → 8",
        "",
        "  induction score (attention probability); induction heads: 0.40 or more",
        "  not the quantity that the baseline holds, so only what was measured now:",
        "  convention.block differs: 4 → 8",
        "  head           now   error",
        "  L0H1         0.900  ±0.090",
        "  repeat loss  1.000  ±0.010  (nats)",
    ]


def test_values_of_another_shape_are_not_put_side_by_side(answer, store, baseline):
    store("recall", baseline())
    left(baseline(values=np.ones((2, 2)), errors=np.ones((2, 2))))
    _, out, _ = answer("s\n")
    assert out[5:7] == ["  shape differs: 1 × 2 → 2 × 2", "  head           now   error"]


def test_of_many_heads_the_foremost_are_shown(answer, store, baseline):
    values = np.linspace(0.5, 0.9, 12).reshape(1, 12)
    store("recall", baseline(values=values, errors=values / 10))
    left(baseline(values=values - 0.2, errors=values / 10))
    _, out, _ = answer("s\n")
    assert sum(line.startswith("  L0H") for line in out) == 11  # the headline is one
    assert "  and 2 more, all beyond tolerance" in out


def test_a_child_says_whose_baseline_it_was_held_against(answer, store, baseline):
    store("recall", baseline(0.9))
    left(baseline(0.5), alias="tuned", owners=("tuned", "recall"), failure="AssertionError: no")
    _, out, _ = answer("s\n")
    assert out[-8:-2] == [
        "",
        "  held against the baseline of recall: accepting it gives tuned one of its own",
        "  something else kept its test from passing, which accepting it does not change:",
        "    AssertionError: no",
        "",
        f"{PROMPT}s",
    ]


MINE = {"source": "bundled:recall", "weights": "sha256:08662c1e431c"}
THEIRS = {"source": "bundled:recall-finetuned", "weights": "sha256:b8319f7c1a50"}


@pytest.mark.parametrize(
    ("approved", "said"),
    [
        (THEIRS, ["  measured on bundled:recall (sha256:08662c1e…), and the baseline on",
                  "    bundled:recall-finetuned (sha256:b8319f7c…)"]),
        ({**MINE, "weights": "sha256:0"}, [
            "  measured on bundled:recall (sha256:08662c1e…), and the baseline on",
            "    bundled:recall (sha256:0)"]),
        ({**MINE, "device": "cuda"}, []),
        ({}, ["  measured on bundled:recall (sha256:08662c1e…)"]),
        (None, ["  measured on bundled:recall (sha256:08662c1e…)"]),
    ],
    ids=["another source", "other weights", "the same", "an unknown one", "no baseline"],
)  # fmt: skip
def test_what_it_was_measured_on_is_said_where_the_baseline_was_not(
    answer, store, baseline, approved, said
):
    if approved is not None:
        store("recall", baseline(0.9, provenance=approved))
    left(baseline(0.5, provenance={**MINE, "device": "cpu"}))
    _, out, _ = answer("s\n")
    start = next(number for number, line in enumerate(out) if line.startswith("  repeat loss")) + 1
    assert out[start:-3] == (["", *said, ""] if said else [""])


def test_that_its_test_file_is_gone_is_said(answer, baseline):
    left(baseline())
    Path("test_heads.py").unlink()
    _, out, _ = answer("s\n")
    assert out[-5:-3] == ["  there is no test_heads.py any more", ""]


def test_an_outdated_one_says_so_before_anybody_accepts_it(answer, three, store, baseline):
    store("recall", baseline(0.7))
    status, out, errors = answer("a\nq\n")
    assert "  it can't be accepted: recall's baseline has changed since: measure again" in out
    assert status == 1
    assert errors == [
        (
            f"{HEADS}: recall's baseline has changed since: measure again (`pytest --circuits "
            f"--circuits-pending`)"
        )
    ]
    assert exists(three) == [True] * 3


def test_a_baseline_that_cannot_be_read_is_said_and_can_be_skipped(answer, three):
    place_of().path.write_text("{")
    status, out, errors = answer("a\ns\ns\n")
    assert any(line.startswith("  it can't be accepted:") for line in out)
    assert status == 3
    assert errors[0].startswith(f"{place_of().path}:1: is not JSON")


def test_nothing_that_a_terminal_obeys_is_printed(answer, baseline, store):
    nasty = "\x1b[2J\x07\u202e\x9b31m"
    store("recall", baseline(0.9, name=nasty))
    left(baseline(0.5, name=nasty), nodeid=f"test_x.py::test[{nasty}-recall]", failure=nasty)
    status, out, errors = answer("a\n")
    assert status == 0
    assert errors == []
    assert all(line.isprintable() for line in out)


def test_lines_fit_a_terminal(answer, baseline, store):
    long = "a-name-that-goes-on-" * 6
    values = np.linspace(0.5, 0.9, 4).reshape(1, 4)
    labels = {"layer": ("of the input",), "head": tuple(f"{long}{n}" for n in range(4))}
    fields = {"labels": labels, "axes": ("layer", "head"), "role": None}
    store("recall", baseline(values=values, errors=values / 10, name="x", **fields))
    left(baseline(values=values - 0.2, errors=values / 10, name="x", **fields), failure="so " * 60)
    _, out, _ = answer("?\ns\n")
    assert [line for line in out if len(line) > 80] == []


# What is answered


def test_answers_are_done_one_after_the_other(answer, three):
    status, out, _ = answer("a\nr\ns\n")
    assert status == 1
    assert f"accepted {HEADS}" in out
    assert "rejected recall/test_heads/test_new" in out
    assert out[-1] == "1 finding pending"
    assert exists(three) == [False, False, True]
    assert place_of().path.exists()
    assert not place_of(test="test_new").path.exists()


@pytest.mark.parametrize(("key", "word"), [("A", "accepted"), ("R", "rejected")])
def test_a_capital_decides_on_all_that_follow(answer, three, key, word):
    status, out, _ = answer(f"s\n{key}\n")
    assert status == 1
    assert [line for line in out if line.startswith(word)] == [
        f"{word} recall/test_heads/test_new",
        f"{word} recall/test_heads/test_better",
    ]
    assert exists(three) == [True, False, False]


def test_everything_decided_is_a_clean_exit(answer, three):
    status, out, _ = answer("accept\nreject\nA\n")
    assert (status, out[-1]) == (0, "nothing pending")
    assert answer("") == (0, ["nothing pending"], [])


def test_help_and_what_is_no_key_ask_again(answer, three):
    _, out, _ = answer("?\n\n\x1b[A\nr\nq\n")
    assert out.count("  a  accept: what was measured becomes the baseline") == 3
    assert r"there is no key '\x1b[A'" in out
    assert exists(three) == [False, True, True]


def test_answers_that_are_no_text_are_no_keys(three):
    done = subprocess.run(
        [sys.executable, "-m", "pytest_circuits.cli", "review"],
        input=b"\xff\xfe\nr\n", capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"")
    assert exists(three)[1:] == [True, True]


def test_the_end_of_the_answers_is_the_end(answer, three):
    status, out, _ = answer("r\n")
    assert (status, out[-1]) == (1, "2 findings pending")


@pytest.mark.parametrize("stdin", [io.StringIO(""), None])
def test_where_nobody_answers_they_are_listed(command, three, monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    assert command("review") == (
        1,
        [
            f"weakened      {HEADS}",
            "              L0H1 0.90→0.50; behaviour held",
            "new           recall/test_heads/test_new",
            "              1 head, L0H1 0.80; repeat loss 1.00",
            "strengthened  recall/test_heads/test_better",
            "              L0H1 0.60→0.90",
            "3 findings pending",
            "to decide, run `pytest-circuits review` in a terminal, or `pytest-circuits",
            "  accept KEY` and `pytest-circuits reject KEY`",
        ],
        [],
    )


def test_a_list_asks_nothing(command, three):
    status, out, _ = command("review", "--list")
    assert (status, out[0], out[-1]) == (1, f"weakened      {HEADS}", "3 findings pending")
    assert command("review", "elsewhere")[0] == 2


def test_only_a_folder_is_looked_in(command, three):
    Path("there").mkdir()
    assert command("review", "there") == (0, ["nothing pending"], [])


# In a terminal

#: What is started in the background ignores Ctrl-C, and so do its children.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pytest_circuits.cli import main
sys.exit(main(["review"]))
"""


@pytest.fixture
def terminal(three):
    """``review`` in a terminal of its own: what to type to, and the process."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    yield Terminal(ours, process)
    process.kill()
    process.wait()
    os.close(ours)


class Terminal:
    """A terminal that a process runs in."""

    def __init__(self, file, process):
        self._file, self.process, self.text = file, process, ""

    def until(self, words):
        """Read until the process has said so, or has ended."""
        end = time.monotonic() + 30
        while words not in self.text and time.monotonic() < end:
            if not select.select([self._file], [], [], 1)[0]:
                continue
            try:
                self.text += os.read(self._file, 4096).decode()
            except OSError:  # the other side is closed
                break
        assert words in self.text, self.text
        self.text = self.text.partition(words)[2]

    def type(self, keys):
        os.write(self._file, keys.encode())


def test_in_a_terminal_it_waits_for_answers(terminal, three):
    terminal.until(PROMPT)
    terminal.type("a\n")
    terminal.until(f"accepted {HEADS}")
    terminal.until(PROMPT)
    terminal.type("\x04")  # the end of what is typed
    terminal.until("2 findings pending")
    assert terminal.process.wait(30) == 1
    assert exists(three) == [False, True, True]


def test_ctrl_c_leaves_what_was_decided_and_says_what_is_pending(terminal, three):
    terminal.until(PROMPT)
    terminal.type("r\n")
    terminal.until(PROMPT)
    os.killpg(terminal.process.pid, signal.SIGINT)
    terminal.until("2 findings pending")
    assert terminal.process.wait(30) == 1
    assert "Traceback" not in terminal.text
    assert exists(three) == [False, True, True]


def test_ctrl_c_in_the_middle_of_a_decision_loses_nothing(three, command, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pytest_circuits.baselines.pending_files.drop", stop)
        patch.setattr(sys, "stdin", io.StringIO("a\n"))
        status, out, errors = command("review")
        assert (status, out[-1], errors) == (1, "3 findings pending", [])
        assert command("accept", "--all")[0] == 2
    assert names_in(three[0]) == [""]
    assert command("accept", "--all")[0] == 0
