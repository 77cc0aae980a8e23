"""A mechanism that changed while its behaviour held: new prompts decide what that means."""

import json
import re
from pathlib import Path

import pytest
from circuit_suites import copy_of_recall, counts, edit_baseline

from pytest_circuits.prompts import repeated_phrases
from pytest_circuits.session.models import RunModels

TEST = """
from pytest_circuits import prompts

PAIRS = prompts.repeated_phrases(n=4, length=5)


def test_writers(circuits, circuit_snapshot):
    assert circuits.head_attribution(PAIRS) == circuit_snapshot
"""
#: These tests approve on few prompts.
FEW = ("-W", "ignore::pytest_circuits.session.snapshot.TooFewPromptsWarning")
_PAIRS = repeated_phrases(n=4, length=5)
_USED = {word for text in (*_PAIRS.clean, *_PAIRS.corrupted) for word in text.split()}


def others(suite):
    """The ids of words that the test's prompts don't have."""
    tokenizer = suite.path / "intact/tokenizer.json"
    if not tokenizer.exists():
        copy_of_recall(suite.path / "intact")
    vocabulary = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    return [at for word, at in vocabulary.items() if word not in {*_USED, "<bos>"}]


def head(number):
    return slice(16 * number, 16 * number + 16)


def rerouted(tensors):
    """One of four induction heads is silent, and another one does more: the answer is as likely."""
    tensors["layers.1.attn.o.weight"][:, head(0)] = 0
    tensors["layers.1.attn.o.weight"][:, head(1)] *= 1.5
    tensors["head.weight"] *= 1.5


def moved(tensors):
    """Two heads have changed places."""
    for name, tensor in tensors.items():
        if name.startswith("layers.1.attn"):
            whole = tensor.T if name.endswith("o.weight") else tensor
            if not name.endswith("o.bias"):
                whole[[*range(32, 64)]] = whole[[*range(48, 64), *range(32, 48)]]


def weaker(tensors):
    tensors["layers.1.attn.o.weight"][:, head(0)] = 0


@pytest.fixture
def approved(suite):
    """A suite whose baseline was recorded with recall, and candidates beside it."""
    suite.write("test_writers.py", TEST)
    suite.approve()
    return suite


def candidate(suite, change, name="candidate"):
    """A candidate in a folder of its own."""
    folder = suite.path / name
    copy_of_recall(folder, change)
    return f"--circuits-model={name}=./{name}"


def damaged_elsewhere(suite):
    """What is re-routed, and can't say most words that the test's prompts don't have."""

    def change(tensors):
        rerouted(tensors)
        tensors["head.weight"][others(suite)] *= 0.3

    return candidate(suite, change, "damaged")


def verdicts(suite, *arguments):
    """A run, and the verdicts of its report."""
    path = suite.path / "report.json"
    path.unlink(missing_ok=True)
    result = suite.run("--circuits", f"--circuits-json={path}", *arguments)
    tests = json.loads(path.read_text(encoding="utf-8"))["tests"]
    return result, [each for test in tests for each in test["verdicts"].values()]


def verdict(suite, *arguments):
    result, (one,) = verdicts(suite, *arguments)
    return result, one


@pytest.fixture
def loaded(monkeypatch):
    """The sources of the models that were asked for, in order, each once."""
    sources = {}
    load = RunModels.load

    def loading(self, source):
        sources[source.text] = None
        return load(self, source)

    monkeypatch.setattr(RunModels, "load", loading)
    return sources


# what decides


def test_what_does_the_same_on_new_prompts_is_re_routed_and_passes(approved):
    result, found = verdict(approved, candidate(approved, rerouted))
    assert result.ret == 0
    assert (found["verdict"], found["passes"]) == ("weakened", True)
    assert "re-routed, holds on new prompts: logit diff 1" in found["headline"]
    settlement = found["settlement"]
    assert (settlement["outcome"], settlement["why"]) == ("holds", "")
    assert [each["name"] for each in settlement["behaviours"]] == ["logit_diff", "accuracy"]
    assert settlement["prompts"].startswith("64 pairs: repeated_phrases(n=64, seed=")
    result.stdout.fnmatch_lines(["*re-routed, holds on new*"])


def test_what_fails_on_new_prompts_is_hidden_damage_and_fails(approved):
    result, found = verdict(approved, damaged_elsewhere(approved))
    assert counts(result) == {"failed": 1}
    assert (found["verdict"], found["passes"]) == ("weakened", False)
    assert found["headline"].startswith("hidden damage, fails on new prompts: logit diff ")
    (first, _) = found["settlement"]["behaviours"]
    assert first["difference"] < -first["tolerance"]
    assert first["interval"][1] < 0
    result.stdout.fnmatch_lines(["E*hidden damage, fails on new prompts*", "E*on new prompts:*"])


def test_what_moved_is_asked_too(approved):
    result, found = verdict(approved, candidate(approved, moved))
    assert (result.ret, found["verdict"]) == (0, "relocated")
    assert found["settlement"]["outcome"] == "holds"


def test_what_moved_and_fails_on_new_prompts_is_weakened(approved):
    def change(tensors):
        moved(tensors)
        tensors["head.weight"][others(approved)] *= 0.3

    result, found = verdict(approved, candidate(approved, change))
    assert (result.ret, found["verdict"]) == (1, "weakened")
    assert found["settlement"]["outcome"] == "fails"


@pytest.mark.parametrize(
    ("gate", "statuses"),
    [
        ("behaviour", {"rerouted": 0, "damaged": 1, "weaker": 1}),
        ("change", {"rerouted": 1, "damaged": 1, "weaker": 1}),
        ("never", {"rerouted": 0, "damaged": 0, "weaker": 0}),
    ],
)
def test_so_does_every_gate_decide(approved, gate, statuses):
    models = [
        candidate(approved, rerouted, "rerouted"),
        damaged_elsewhere(approved),
        candidate(approved, weaker, "weaker"),
    ]
    result, found = verdicts(approved, *models, f"--circuits-gate={gate}")
    assert [each["passes"] for each in found] == [not status for status in statuses.values()]
    assert result.ret == max(statuses.values())


def test_the_page_shows_what_a_run_says(approved):
    page = (Path(__file__).parents[2] / "docs/verdicts.md").read_text(encoding="utf-8")
    shown = page[page.index("```console\nweakened test_writers") :].split("\n", 1)[1]
    shown, behind = shown.split("```", 1)
    detail = " ".join(behind.split("`")[1].split())
    said = approved.run("--circuits", damaged_elsewhere(approved)).stdout.str()
    assert _numberless(shown) in _numberless(said)
    assert _numberless(detail) in _numberless(said)


def _numberless(text):
    return re.sub(r"-?[0-9]+\.[0-9]+", "#", text)


# nothing is drawn unless something asks


def test_nothing_is_loaded_where_nothing_asks(approved, loaded):
    (approved.path / "test_loss.py").write_text(
        "def test_loss(circuits, circuit_snapshot):\n"
        "    assert circuits.repeat_loss() == circuit_snapshot\n"
    )
    approved.approve("-k", "test_loss")
    loaded.clear()

    def change(tensors):
        tensors["head.weight"][others(approved)] *= 0.3

    _, found = verdicts(approved, candidate(approved, change))
    assert [each["verdict"] for each in found] == ["weakened", "preserved"]
    assert [each["settlement"] for each in found] == [None, None]
    assert list(loaded) == ["./candidate"]


def test_the_reference_is_loaded_where_something_asks(approved, loaded):
    verdict(approved, candidate(approved, rerouted))
    assert list(loaded) == ["./candidate", "bundled:recall"]


def test_what_is_remembered_loads_nothing_and_says_the_same(approved, loaded):
    model = damaged_elsewhere(approved)
    _, first = verdict(approved, model)
    loaded.clear()
    _, again = verdict(approved, model)
    assert again["settlement"] == first["settlement"]
    assert not loaded


def test_another_checkpoint_gets_other_prompts(approved):
    def slightly(tensors):
        rerouted(tensors)
        tensors["head.weight"] *= 1.001

    models = [candidate(approved, rerouted, "one"), candidate(approved, slightly, "two")]
    _, (one, two) = verdicts(approved, *models)
    assert one["settlement"]["seed"] != two["settlement"]["seed"]
    assert one["settlement"]["outcome"] == two["settlement"]["outcome"] == "holds"
    _, (renamed,) = verdicts(approved, "--circuits-model=other=./one")
    assert renamed["settlement"] == one["settlement"]


def test_always_looks_at_what_is_preserved_too(approved):
    def change(tensors):
        tensors["head.weight"][others(approved)] *= 0.3

    model = candidate(approved, change)
    result, found = verdict(approved, model)
    assert (result.ret, found["verdict"], found["settlement"]) == (0, "preserved", None)
    result, found = verdict(approved, model, "--circuits-new-prompts=always")
    assert (result.ret, found["verdict"]) == (1, "weakened")
    # Nothing changed in the mechanism: that would be hidden damage.
    assert found["headline"].startswith("fails on new prompts: logit diff ")


def test_top_k_accuracy_of_pairs_by_name_is_asked_with_its_k(suite):
    suite.write(
        "test_own.py",
        f"{OWN}\ndef test_it(circuits, circuit_snapshot):\n"
        "    assert circuits.top_k_accuracy(pairs=PAIRS, k=2) == circuit_snapshot\n",
    )
    suite.approve()
    model = candidate(suite, rerouted)
    _, found = verdict(suite, model, "--circuits-new-prompts=always")
    assert [each["name"] for each in found["settlement"]["behaviours"]] == ["top_k_accuracy"]


def test_an_owner_that_can_not_be_loaded_is_no_stack_trace(approved):
    """Its weights are the baseline's, so that the configuration has to be asked."""
    for file in approved.baseline_files().values():
        edit_baseline(file, lambda document: document["values"][1].__setitem__(1, 5.0))
    ini = approved.path / "pytest.ini"
    ini.write_text(ini.read_text().replace("bundled:recall", "./gone/base"))
    assert "gone" in why(approved, "--circuits-model=cand=bundled:recall")


def test_never_settles_nothing(approved, loaded):
    result, found = verdict(approved, candidate(approved, rerouted), "--circuits-new-prompts=never")
    assert (result.ret, found["passes"]) == (1, False)
    assert found["settlement"]["why"] == "new prompts are never asked (command line)"
    assert list(loaded) == ["./candidate"]


@pytest.mark.parametrize("where", ["ini", "environment"])
def test_it_is_set_elsewhere_too(approved, where, monkeypatch):
    if where == "ini":
        approved.ini(circuits_new_prompts="never")
    else:
        monkeypatch.setenv("PYTEST_CIRCUITS_NEW_PROMPTS", "never")
    result, found = verdict(approved, candidate(approved, rerouted))
    assert found["settlement"]["outcome"] == "not settled"
    result.stdout.fnmatch_lines(["circuits: new prompts never (*"])


def test_another_word_is_refused(approved):
    result = approved.run("--circuits", "--circuits-new-prompts=often")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*new prompts 'often' (command line) is not one of always, auto*"])


# what settles nothing


def why(suite, *arguments):
    """Why a run settles nothing: then what the mechanism's kind says is what the gate does."""
    result, found = verdict(suite, *arguments)
    assert found["settlement"]["outcome"] == "not settled"
    assert (found["passes"], result.ret) == (False, 1)
    return found["settlement"]["why"]


def test_a_reference_that_is_not_there_settles_nothing(approved):
    model = candidate(approved, rerouted)
    approved.ini("recall = ./not-here")
    assert "not-here" in why(approved, model)


def test_another_reference_than_the_baseline_was_recorded_with_settles_nothing(approved):
    model = candidate(approved, rerouted)
    approved.ini("recall = bundled:recall-finetuned")
    assert why(approved, model) == (
        "recall does not have the weights that the baseline was recorded with"
    )


def test_a_model_held_against_its_own_baseline_settles_nothing(approved):
    candidate(approved, rerouted)
    assert "is recall's own" in why(approved, "--circuits-model=recall=./candidate")


def test_a_model_that_is_the_same_settles_nothing(approved):
    def change(document):
        document["values"][1][1] += 2.0

    for file in approved.baseline_files().values():
        edit_baseline(file, change)
    assert why(approved) == "its weights are those that the baseline was recorded with"


OWN = """
import pytest
from pytest_circuits import PromptPairs, measures, prompts

PAIRS = prompts.repeated_phrases(n=4, length=5)
OWN = PromptPairs(PAIRS.clean, PAIRS.corrupted, PAIRS.answers, PAIRS.wrong_answers)
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("circuits.head_attribution(OWN)", "pairs has no held-out prompts: give further pairs*"),
        ("measures.head_attribution(circuits.runs, PAIRS)", "the test measured it itself*"),
    ],
    ids=["no held-out prompts", "by hand"],
)
def test_what_can_not_be_drawn_or_measured_again_settles_nothing(suite, body, said):
    from fnmatch import fnmatch

    suite.write(
        "test_own.py",
        f"{OWN}\ndef test_it(circuits, circuit_snapshot):\n    assert {body} == circuit_snapshot\n",
    )
    suite.approve()
    assert fnmatch(why(suite, candidate(suite, rerouted)), said)


def test_what_was_measured_under_ablation_settles_nothing(suite):
    suite.write(
        "test_own.py",
        f"{OWN}\ndef test_it(circuits, circuit_snapshot):\n"
        "    with circuits.ablated(heads=['L1H2']) as silent:\n"
        "        found = silent.head_attribution(PAIRS)\n"
        "    assert found == circuit_snapshot\n",
    )
    suite.approve()
    assert why(suite, candidate(suite, rerouted)) == "it was measured under circuits.ablated"


def test_a_metric_of_the_suite_s_own_settles_nothing(suite):
    suite.write(
        "test_own.py",
        f"{OWN}\n"
        "def chosen(logits, answers, wrong_answers):\n"
        "    return logits.gather(1, answers[:, None])[:, 0]\n\n\n"
        "def test_it(circuits, circuit_snapshot):\n"
        "    found = circuits.ablate(PAIRS, heads='each', value='zero', metric=chosen)\n"
        "    assert found == circuit_snapshot\n",
    )
    suite.approve()
    _, found = verdict(suite, candidate(suite, weaker))
    assert found["settlement"]["outcome"] == "not settled"
    assert found["settlement"]["why"].startswith("its metric is a function of the suite's own")


# users' own held-out prompts


def test_held_out_pairs_are_what_is_drawn(suite):
    suite.write(
        "test_own.py",
        f"{OWN}\n"
        "NEW = prompts.repeated_phrases(n=30, length=7, seed=9)\n"
        "BOTH = PromptPairs(\n"
        "    PAIRS.clean, PAIRS.corrupted, PAIRS.answers, PAIRS.wrong_answers, held_out=NEW\n"
        ")\n\n\n"
        "def test_it(circuits, circuit_snapshot):\n"
        "    assert circuits.head_attribution(BOTH) == circuit_snapshot\n",
    )
    suite.approve()
    result, found = verdict(suite, damaged_elsewhere(suite))
    assert (result.ret, found["settlement"]["outcome"]) == (1, "fails")
    assert found["settlement"]["prompts"] == "30 pairs: repeated_phrases(n=30, seed=9, length=7)"


# repeated tokens


@pytest.mark.parametrize(
    ("asked", "blocks"),
    [("block=6", [6, 12]), ("block=16", [16, 24]), ("", [12, 24])],
    ids=["twice as long", "what the context has room for", "none that is longer"],
)
def test_repeats_are_drawn_anew_at_two_lengths(suite, asked, blocks):
    suite.write(
        "test_own.py",
        "from pytest_circuits import prompts\n\n\n"
        "def test_it(circuits, circuit_snapshot):\n"
        f"    tokens = prompts.repeated_tokens({asked})\n"
        "    assert circuits.previous_token_scores(tokens) == circuit_snapshot\n",
    )
    suite.approve()

    def change(tensors):
        """Heads 2 and 3 of the first layer have changed places."""
        for name, tensor in tensors.items():
            if name.startswith("layers.0.attn") and not name.endswith("o.bias"):
                whole = tensor.T if name.endswith("o.weight") else tensor
                whole[[*range(32, 64)]] = whole[[*range(48, 64), *range(32, 48)]]

    result, found = verdict(suite, candidate(suite, change))
    assert (result.ret, found["verdict"]) == (0, "relocated")
    settlement = found["settlement"]
    assert settlement["outcome"] == "holds"
    names = [each["name"] for each in settlement["behaviours"]]
    assert names == [f"repeat_loss, block {block}" for block in blocks]


# approval


def test_hidden_damage_is_not_approved(approved):
    model = damaged_elsewhere(approved)
    before = approved.age()
    approved.ini("recall = bundled:recall", "damaged = ./damaged < recall")
    result = approved.run("--circuits", "--circuits-model=damaged", "--snapshot-update", *FEW)
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["*hidden damage, fails on new prompts*", "*in a waiver*"])
    assert approved.stamps() == before
    assert model


def test_it_is_with_a_waiver_that_says_why(approved):
    damaged_elsewhere(approved)
    approved.ini("recall = bundled:recall", "damaged = ./damaged < recall")
    marker = '@pytest.mark.circuits(accept="weakened", until="2999-01-31", reason="few words")'
    text = TEST.replace("def test_writers", f"{marker}\ndef test_writers")
    approved.write("test_writers.py", f"import pytest\n{text}")
    result = approved.run("--circuits", "--circuits-model=damaged", "--snapshot-update", *FEW)
    assert counts(result) == {"passed": 1}
    assert len(approved.baseline_files()) == 2


def test_what_is_re_routed_is_approved(approved):
    candidate(approved, rerouted)
    approved.ini("recall = bundled:recall", "candidate = ./candidate < recall")
    result = approved.run("--circuits", "--circuits-model=candidate", "--snapshot-update", *FEW)
    assert counts(result) == {"passed": 1}
    assert len(approved.baseline_files()) == 2


def test_a_pending_finding_warns_of_hidden_damage(approved):
    damaged_elsewhere(approved)
    approved.ini("recall = bundled:recall", "damaged = ./damaged < recall")
    approved.run("--circuits", "--circuits-model=damaged", "--circuits-pending", *FEW)
    (pending,) = approved.path.rglob(".pending/**/*.json")
    (finding,) = json.loads(pending.read_text(encoding="utf-8"))["findings"]
    assert finding["headline"].startswith("hidden damage, fails on new prompts")
    assert finding["warning"].startswith("it fails on new prompts")


# who hears of it


def test_plugins_hear_of_the_settlement(approved):
    approved.write(
        "conftest.py",
        "def pytest_circuits_verdict(verdict):\n"
        "    new = verdict.settlement.behaviours[0]\n"
        "    print(verdict.kind, verdict.settlement.outcome, new.name, new.prompts)\n",
    )
    result = approved.run("--circuits", damaged_elsewhere(approved), "-s")
    result.stdout.fnmatch_lines(["*weakened fails logit_diff 64*"])


def test_workers_of_xdist_say_the_same(approved):
    model = damaged_elsewhere(approved)
    _, here = verdict(approved, model)
    _, there = verdict(approved, model, "-n1", "--circuits-fresh")
    assert there["settlement"] == here["settlement"]


def test_a_test_that_holds_its_model_is_settled_too(approved):
    text = TEST.replace("circuits, circuit_snapshot", "circuits, circuit_model, circuit_snapshot")
    approved.write("test_writers.py", text)
    result, found = verdict(approved, damaged_elsewhere(approved))
    assert (result.ret, found["settlement"]["outcome"]) == (1, "fails")
