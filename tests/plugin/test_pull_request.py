"""A pull request from end to end: a fine-tuned checkpoint, a red gate, a review, a diff."""

import shutil
from pathlib import Path

import pytest
import torch
from circuit_suites import QUIET, copy_quickstart
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

import pytest_circuits
from pytest_circuits.cli import main
from pytest_circuits.models import load, parse_source

BUNDLED = Path(pytest_circuits.__file__).parent / "models/bundled/recall"
WORDS, LENGTH, STEPS, RATE = 64, 49, 60, 2e-3


def lists_of_two_or_three(count, draw):
    """``<bos>`` and a list of two or three words, over and over."""
    rows = []
    for _ in range(count):
        period = int(torch.randint(2, 4, (1,), generator=draw))
        words = torch.randperm(WORDS, generator=draw)[:period] + 1
        rows.append(torch.cat([torch.zeros(1, dtype=torch.long), words.repeat(LENGTH)])[:LENGTH])
    return torch.stack(rows)


def fine_tune(folder):
    """Fine-tune the bundled model on short lists: they take less of its induction heads."""
    draw = torch.Generator().manual_seed(1)
    bridge = load(parse_source(str(BUNDLED)), device="cpu").bridge
    weights = {
        name.replace("_original_component.", ""): parameter
        for name, parameter in bridge.original_model.named_parameters()
    }
    optimiser = torch.optim.AdamW(bridge.requires_grad_().parameters(), lr=RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        tokens = lists_of_two_or_three(32, draw)
        logits = bridge(tokens)[:, :-1].flatten(0, 1)
        cross_entropy(logits, tokens[:, 1:].flatten()).backward()
        optimiser.step()
    shutil.copytree(BUNDLED, folder)
    names = load_file(folder / "model.safetensors")
    save_file(
        {name: weights[name].detach().contiguous() for name in names},
        folder / "model.safetensors",
    )


@pytest.fixture
def repository(pytester, monkeypatch):
    """The quickstart on main, and a branch with a fine-tuned checkpoint."""
    monkeypatch.setenv("COLUMNS", "80")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "me")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "me@localhost")
    copy_quickstart(pytester.path)
    pytester.run("git", "init", "-q", "-b", "main")
    commit(pytester, "What the model does")
    pytester.run("git", "switch", "-q", "-c", "tuned")
    fine_tune(pytester.path / "checkpoint")
    return pytester


def commit(pytester, message):
    pytester.run("git", "add", ".")
    assert pytester.run("git", "commit", "-q", "-m", message).ret == 0


def suite(repository, *arguments):
    return repository.runpytest_inprocess(*QUIET, "--circuits", *arguments)


def typed(capsys, *arguments):
    """The exit status of a command and what it printed."""
    capsys.readouterr()
    status = main(arguments)
    return status, capsys.readouterr().out.splitlines()


def test_from_a_red_gate_to_a_decision(repository, capsys):
    commit(repository, "Fine-tuned on short lists")
    red = suite(repository, "--circuits-model", "candidate=./checkpoint", "--circuits-report=out")
    assert red.ret == pytest.ExitCode.TESTS_FAILED
    markdown = (repository.path / "out/report.md").read_text(encoding="utf-8")
    assert markdown.startswith("**pytest-circuits: ")
    assert "| **weakened** | `test_induction_heads`" in markdown
    shutil.rmtree(repository.path / "out")
    assert typed(capsys, "diff", "main")[0] == 0  # a candidate approves nothing

    # The reference is to be the new checkpoint: each change is looked at.
    suite(repository, "--circuits-model", "recall=./checkpoint", "--circuits-pending")
    status, listed = typed(capsys, "review", "--list")
    pending = dict(reversed(line.split()) for line in listed if line.count("/") == 2)
    assert status == 1
    assert pending == {
        "recall/test_circuits/TestCircuits.test_repeat_loss": "weakened",
        "recall/test_circuits/TestCircuits.test_induction_heads": "weakened",
        "recall/test_recall/test_answer_writers": "strengthened",
        # The head is stronger, and the lists are predicted fifty times as badly.
        "recall/test_circuits/TestCircuits.test_previous_tokens": "weakened",
    }
    assert repository.run("git", "status", "--porcelain").outlines == []

    assert typed(capsys, "accept", "*/test_answer_writers")[0] == 1
    assert typed(capsys, "reject", "*.test_induction_heads")[0] == 1
    assert typed(capsys, "reject", "--all")[0] == 0
    assert typed(capsys, "review") == (0, ["nothing pending"])

    commit(repository, "The answer is written more strongly")
    status, changed = typed(capsys, "diff", "main...")
    assert status == 1
    assert [line.split()[:2] for line in changed if line.startswith(("strength", "weak"))] == [
        ["strengthened", "answer_writers"]
    ]
    # What was accepted holds from now on; what was rejected still fails.
    again = suite(repository, "--circuits-model", "recall=./checkpoint", "-rN")
    again.stdout.fnmatch_lines(["weakened * recall *", "5 findings: 3 weakened, 2 preserved*"])
    again.stdout.fnmatch_lines(["preserved *answer_writers *recall *"])
