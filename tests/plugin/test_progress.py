"""The line on the terminal while a measurement takes long."""

import os
import re
import subprocess
import sys

import pytest
from circuit_suites import EXAMPLES, QUIET

from pytest_circuits import Circuit, PromptPairs, measures
from pytest_circuits.forward import Runs
from pytest_circuits.forward.runs import Nobody
from pytest_circuits.models import load, parse_source
from pytest_circuits.session.progress import ProgressLine, progress_text

pty = pytest.importorskip("pty", reason="a pseudo terminal is POSIX's")

# What it says


@pytest.mark.parametrize(
    ("done", "elapsed", "said"),
    [
        (0, 1.5, "patch head_out  0/270 cells"),
        (120, 6.4, "patch head_out  120/270 cells  44 %  8 s left"),
        (120.9, 6.4, "patch head_out  120/270 cells  44 %  8 s left"),
        (3 * (80 / 3), 1.0, "patch head_out  80/270 cells  29 %  3 s left"),
        (27, 12.0, "patch head_out  27/270 cells  10 %  2 min left"),
        (1, 30.0, "patch head_out  1/270 cells  0 %  2 h 14 min left"),
        (269.9999999, 9.0, "patch head_out  270/270 cells  100 %  1 s left"),
    ],
)
def test_the_line_tells_steps_share_and_time_left(done, elapsed, said):
    assert progress_text("patch head_out", done, 270, "cells", elapsed) == said


class Screen:
    """Keeps what is shown; None where it is taken away."""

    def __init__(self):
        self.shown = []

    def show(self, text):
        self.shown.append(text)

    def erase(self):
        self.shown.append(None)


@pytest.fixture
def made():
    """A line, its screen, and a clock that stands still."""
    now, screen = [100.0], Screen()
    line = ProgressLine(screen, lambda: now[0])

    def steps(count, seconds=0.1):
        for _ in range(count):
            now[0] += seconds
            line.advance(1)
        return [text for text in screen.shown if text]

    return line, screen, steps


def test_nothing_is_said_of_what_is_over_within_a_second(made):
    line, screen, steps = made
    line.begin("patch", 9, "cells")
    assert steps(9) == []
    line.end()
    assert screen.shown == [None]


def test_then_it_is_said_five_times_a_second_at_most(made):
    line, screen, steps = made
    line.begin("patch", 1024, "cells")
    assert len(steps(128, 1 / 64)) == 5
    assert screen.shown[0] == "patch  64/1024 cells  6 %  15 s left"
    line.end()
    assert screen.shown[-1] is None


def test_slow_steps_are_said_one_by_one(made):
    line, _, steps = made
    line.begin("run", 4, "prompts")
    assert [text.split()[1] for text in steps(3, 5.0)] == ["1/4", "2/4", "3/4"]


def test_what_is_done_is_not_said_any_more(made):
    line, _, steps = made
    line.begin("run", 2, "prompts")
    assert len(steps(2, 5.0)) == 1


def test_a_loop_in_a_loop_is_a_part_of_its_steps(made):
    line, screen, steps = made
    line.begin("copying_scores", 30, "layers")
    line.begin("record resid_post", 8, "prompts")
    assert steps(5, 1.0) == []
    line.end()
    assert screen.shown == []
    assert steps(1, 1.0) == ["copying_scores  1/30 layers  3 %  3 min left"]
    line.end()
    assert screen.shown[-1] is None


def test_the_next_loop_begins_anew(made):
    line, _, steps = made
    line.begin("one", 9, "cells")
    first = steps(2, 2.0)
    line.end()
    line.begin("two", 9, "cells")
    assert steps(5) == first
    line.end()


def test_a_text_is_shown_at_once_and_taken_away_whatever_happens(made):
    line, screen, _ = made
    with pytest.raises(OSError), line.saying("loading org/name"):  # noqa: PT011 — any
        raise OSError
    assert screen.shown == ["loading org/name", None]


# What is told of


class Listener:
    """Keeps what loops tell; fails where they don't end as they begin."""

    def __init__(self):
        self.open, self.told = [], []

    def begin(self, what, total, unit):
        self.open.append([what, unit, total, 0.0])

    def advance(self, steps):
        self.open[-1][-1] += steps

    def end(self):
        self.told.append(tuple(self.open.pop()))


@pytest.fixture(scope="module")
def bridge():
    return load(parse_source("bundled:recall"), "cpu", "auto").bridge


@pytest.fixture
def runs(bridge):
    made = Runs(bridge)
    made.progress = Listener()
    return made


RECALL_PAIRS = EXAMPLES / "quickstart" / "recall.json"
PAIRS = PromptPairs.from_json(RECALL_PAIRS)
CIRCUIT = Circuit(["L1H0", "L1H1", "L1H3"])
#: Measures, the loop that takes longest in each, and how many steps that has.
LONG = {
    "patch": (lambda runs: measures.patch(runs, PAIRS), "patch head_out", 8),
    "patch at positions": (
        lambda runs: measures.patch(runs, PAIRS, positions=["END", -2]), "patch head_out", 16
    ),
    "attribution_patching": (
        lambda runs: measures.attribution_patching(runs, PAIRS), "gradients at head_out", 16
    ),
    "ablate": (lambda runs: measures.ablate(runs, PAIRS, heads="each", value="zero"), "ablate", 8),
    "faithfulness": (
        lambda runs: measures.faithfulness(runs, PAIRS, CIRCUIT, value="zero", null=19),
        "faithfulness", 1,
    ),
    "completeness": (
        lambda runs: measures.completeness(runs, PAIRS, CIRCUIT, value="zero", subsets=4),
        "completeness", None,
    ),
    "minimality": (
        lambda runs: measures.minimality(runs, PAIRS, CIRCUIT, value="zero", subsets=4),
        "minimality", None,
    ),
    "induction_scores": (measures.induction_scores, "repeated tokens", 15),
    "attention_between": (
        lambda runs: measures.attention_between(runs, PAIRS, key=0), "attention_between", 16
    ),
    "copying_scores": (
        lambda runs: measures.copying_scores(runs, PAIRS, at=["END"]), "copying_scores", 2
    ),
    "head_attribution": (
        lambda runs: measures.head_attribution(runs, PAIRS), "head_attribution", 16
    ),
    "logit_lens": (lambda runs: measures.logit_lens(runs, PAIRS), "logit_lens", 2),
    "accuracy": (lambda runs: measures.accuracy(runs, PAIRS), "run", 16),
    "text_loss": (lambda runs: measures.text_loss(runs, ["dog star dog star"]), "losses", 1),
    "canary": (measures.canary, "canary", None),
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_long_loops_tell_how_far_they_are_and_get_to_their_end(runs, name):
    measure, what, total = LONG[name]
    measure(runs)
    assert runs.progress.open == []
    told = [(steps, done) for named, _, steps, done in runs.progress.told if named == what]
    assert told
    assert total in (None, told[0][0])
    for _, _, steps, done in runs.progress.told:
        assert done == pytest.approx(steps)


def test_a_measure_that_fails_has_told_that_it_is_over(runs):
    def broken(*_):
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 — the metric's own
        measures.patch(runs, PAIRS, metric=broken)
    assert runs.progress.open == []


def test_outside_of_pytest_nobody_listens(bridge):
    runs = Runs(bridge)
    measures.patch(runs, PAIRS)
    assert isinstance(runs.progress, Nobody)


# On a terminal

PLAIN = """
import logging
import time

import pytest

from pytest_circuits.session import progress

progress._PATIENCE, progress._PAUSE = 0.02, 0.01


class Nobody:
    def begin(self, *_):
        pass

    def advance(self, _):
        pass

    def end(self):
        pass


@pytest.fixture
def line(request):
    made = progress.progress_line(request.config)
    (request.config.rootpath / f"made-{request.node.name}").write_text(repr(made is not None))
    return made or Nobody()


def loop(line, what, fail_at=None, log_at=None):
    line.begin(what, 6, "cells")
    try:
        for step in range(6):
            time.sleep(0.015)
            print("captured")
            if step == fail_at:
                raise OSError("broken")
            if step == log_at:
                logging.getLogger("x").warning("hello from a hook")
            line.advance(1)
    finally:
        line.end()


def test_fast():
    pass


def test_long(line):
    loop(line, "patch head_out")


def test_with_output(line, capfd):
    loop(line, "patch \\x1b[31mred\\n 東京")
    assert capfd.readouterr().out == 6 * "captured\\n"


def test_logs(line):
    loop(line, "run", log_at=3)


def test_fails(line):
    loop(line, "ablate", fail_at=4)


def test_last():
    pass
"""


def on_a_terminal(folder, *options, columns=80, term="xterm"):
    """What pytest writes to a pseudo terminal, as it comes."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": term, "COLUMNS": str(columns), "PYTHONUTF8": "1"}
    arguments = [sys.executable, "-m", "pytest", *QUIET, "-p", "no:cacheprovider", *options]
    process = subprocess.Popen(
        arguments, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # how Linux says that there is no more
            break
        if not part:
            break
        written += part
    process.wait()
    os.close(ours)
    return written.decode()


def screen_of(stream):
    """The lines that a terminal shows in the end."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[\r\n]|[^\r\n\x1b]+", stream):
        if token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token.endswith("m") and token[0] == "\x1b":
            continue
        elif token == "\x1b[A":
            row -= 1
        elif token == "\x1b[K":
            lines[row] = lines[row][:column]
        elif token[0] == "\x1b":
            assert token.endswith("C"), f"{token!r} is nothing that the line needs"
            column += int(token[2:-1])
        else:
            lines[row] = (
                lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            )
            column += len(token)
    return [line.rstrip() for line in lines]


def results(lines):
    """pytest's own lines of what it ran, with what stood there for a time left out."""
    start = next(n for n, line in enumerate(lines) if line.startswith("test_plain.py"))
    end = next(n for n, line in enumerate(lines) if line.strip("=_") == " FAILURES ")
    return [line.rstrip() for line in lines[start:end] if line]


@pytest.fixture
def plain(suite):
    suite.write("test_plain.py", PLAIN)
    return suite.path


def run_quietly(folder, *options):
    """What pytest writes where there is no terminal."""
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *QUIET, "-p", "no:cacheprovider", *options],
        cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"COLUMNS": "80", "TERM": "xterm", "PYTHONUTF8": "1"},
    )  # fmt: skip
    return result.stdout


STYLES = {
    "plain": (),
    "classic": ("-o", "console_output_style=classic"),
    "count": ("-v", "-o", "console_output_style=count"),
    "sys": ("--capture=sys",),
}


@pytest.mark.parametrize(
    "style",
    [
        "plain",
        pytest.param("classic", marks=pytest.mark.nightly),
        "count",
        pytest.param("sys", marks=pytest.mark.nightly),
    ],
)
def test_when_all_is_over_the_terminal_shows_what_pytest_wrote(plain, style):
    stream = on_a_terminal(plain, *STYLES[style])
    assert "patch head_out  " in stream
    assert " cells  " in stream
    shown = results(screen_of(stream))
    assert shown == results(run_quietly(plain, *STYLES[style]).splitlines())
    assert not any("cells" in line for line in shown)


def test_the_line_makes_room_for_live_logs(plain):
    options = ("-v", "--log-cli-level=INFO")
    stream = on_a_terminal(plain, *options)
    assert "run  5/6 cells" in stream
    shown = results(screen_of(stream))
    assert [line for line in shown if "hello from a hook" in line]
    assert shown == results(run_quietly(plain, *options).splitlines())


def test_the_line_is_no_wider_than_the_terminal_and_obeys_no_name(plain):
    stream = on_a_terminal(plain, columns=30)
    said = [part for part in re.split(r"[\r\n]|\x1b\[K", stream) if "/6 cell" in part]
    assert "patch ?[31mred  ??  5/6 cells" in [part[:29] for part in said]
    assert max(map(len, said)) < 30


@pytest.mark.parametrize(
    ("options", "term"),
    [
        pytest.param(("-q",), "xterm", id="quiet"),
        pytest.param(("-n", "2"), "xterm", id="on workers"),
        pytest.param(("--capture=no",), "xterm", id="not captured", marks=pytest.mark.nightly),
        pytest.param(
            ("--capture=tee-sys",), "xterm", id="captured and shown", marks=pytest.mark.nightly
        ),
        pytest.param((), "dumb", id="on a dumb terminal"),
    ],
)
def test_there_is_no_line(plain, options, term):
    assert " cells" not in on_a_terminal(plain, *options, term=term)
    assert (plain / "made-test_long").read_text() == "False"


def test_without_a_terminal_there_is_no_line(plain):
    assert " cells" not in run_quietly(plain)
    assert (plain / "made-test_long").read_text() == "False"


SLOW = """
import time

from pytest_circuits.session import progress
from pytest_circuits.forward import Runs

progress._PATIENCE, progress._PAUSE = 0.02, 0.0
fast = Runs.forward


def slow(self, *arguments, **options):
    time.sleep(0.02)
    return fast(self, *arguments, **options)


Runs.forward = slow
Runs.rows_at_once = lambda self, positions: 4
"""

MEASURED = """
from pytest_circuits import PromptPairs

PAIRS = PromptPairs.from_json(FILE)


def test_scores(circuits):
    circuits.induction_scores()


def test_broken(circuits):
    import pytest

    def read(logits, answers, wrong):
        nonlocal calls
        calls += 1
        if calls > 16:
            raise OSError
        return (logits.gather(1, answers[:, None]) - logits.gather(1, wrong[:, None]))[:, 0]

    calls = 0
    with pytest.raises(OSError):
        circuits.patch(PAIRS, metric=read)
    print("went on")
"""


@pytest.mark.nightly
def test_a_slow_measurement_is_told_of_and_one_that_fails_leaves_no_line(suite):
    suite.write("conftest.py", SLOW)
    suite.write("test_slow.py", MEASURED.replace("FILE", repr(str(RECALL_PAIRS))))
    stream = on_a_terminal(suite.path, "--circuits", "-v")
    assert re.search(r"\nrepeated tokens  \d/10 sequences  \d0 %  \d s left", stream)
    assert re.search(r"patch head_out  \d/8 cells  \d+ %  ", stream)
    lines = screen_of(stream)
    assert [line.split() for line in lines if line.startswith("test_slow.py")] == [
        ["test_slow.py::test_scores[recall]", "PASSED", "[", "50%]"],
        ["test_slow.py::test_broken[recall]", "PASSED", "[100%]"],
    ]
    assert not any(" cells" in line or "sequences" in line for line in lines)
