"""Ground truth: that it shares no code with what it judges, and what it measures."""

import ast
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from evidence import harness, hidden_bench, hidden_truth, rivals, truth
from pytest_circuits import prompts
from pytest_circuits.prompts import agreement, indirect_object

#: So many that none is drawn twice in a block.
WORDS = 20_000
FORBIDDEN = {"pytest_circuits", "transformer_lens"}


def imported(path):
    """The modules that a file imports anywhere in it, in functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def reached(path):
    """The packages that a file and the modules of ours beside it import, at any depth."""
    packages, waiting, seen = set(), [path], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in imported(path):
            packages.add(module.split(".")[0])
            beside = Path(truth.__file__).parent / f"{module.removeprefix('evidence.')}.py"
            if module.startswith("evidence.") and beside.exists():
                waiting.append(beside)
    return packages


def test_ground_truth_shares_no_code_with_what_it_judges():
    packages = reached(Path(truth.__file__))
    assert {"torch", "transformers", "tokenizers"} <= packages  # second_model's, so it is followed
    assert not packages & FORBIDDEN


@pytest.mark.parametrize(
    "line", ["import transformer_lens.utilities", "from pytest_circuits import x"]
)
def test_an_import_inside_a_function_is_seen(tmp_path, line):
    (tmp_path / "sly.py").write_text(f"def f():\n    {line}\n")
    assert reached(tmp_path / "sly.py") & FORBIDDEN


def test_no_prompt_is_one_of_a_builder():
    taken = prompts.ioi(n=384, seed=0, templates=12)
    asked = truth.ioi_prompts()
    names = {name for _, *both in asked for name in both}
    assert len(asked) == 96
    assert not {prompt for prompt, *_ in asked} & set(taken.clean)
    for prompt in taken.clean:
        assert not names & set(prompt.replace(",", "").split())


def test_new_prompts_truth_training_and_rivals_share_no_names():
    suite = {*indirect_object._NAMES, *indirect_object._RESERVE}
    trained, others = {*hidden_bench.NAMES}, {*truth._NAMES, *hidden_truth.NAMES}
    assert not suite & others
    assert not suite & trained
    assert not trained & {*hidden_truth.NAMES}
    assert not {*rivals._NAMES} & (others | trained | {*indirect_object._NAMES})


def test_they_share_no_templates():
    ioi = [indirect_object._TEMPLATES, hidden_bench.TEMPLATES, truth._TEMPLATES]
    ioi += [hidden_truth.TEMPLATES, rivals._GIVING]
    agree = [agreement._TEMPLATES, agreement._NEW_TEMPLATES, hidden_bench.AGREEMENT_TEMPLATES]
    agree += [hidden_truth.AGREEMENT_TEMPLATES, rivals._AGREEING]
    for lists in (ioi, agree):
        every = [template for one in lists for template in one]
        assert len(every) == len({*every})


def test_the_harness_asks_other_sentences():
    asked = {begin for begin, *_ in harness.SENTENCES}
    assert len(asked) == len(harness.SENTENCES) == 64
    assert not asked & {begin for sentences in truth.CLOZE.values() for begin, *_ in sentences}


def test_rivals_and_truth_read_other_texts(monkeypatch):
    every = [f"text {number}" for number in range(40)]
    monkeypatch.setattr(truth, "documents", lambda *_: every)
    assert {*truth._chosen("modern"), *truth.set_aside("modern")} == {*every}
    assert not {*truth._chosen("modern")} & {*truth.set_aside("modern")}


def test_half_of_the_prompts_have_the_first_name_give():
    first = [
        prompt.index(giver) < prompt.index(receiver)
        for prompt, receiver, giver in truth.ioi_prompts()
    ]
    assert sum(first) == len(first) / 2


class Words:
    """A tokenizer of words; the first token begins every text."""

    bos_token_id = 0
    all_special_tokens = ("<s>",)

    def __init__(self, size=50):
        self._numbers = {"<s>": 0} | {f"w{number}": number for number in range(1, size)}

    def get_vocab(self):
        return self._numbers

    def __call__(self, text, add_special_tokens):
        assert not add_special_tokens
        for word in text.split():
            self._numbers.setdefault(word, len(self._numbers))
        return {"input_ids": [self._numbers[word] for word in text.split()]}


def model(logits_of):
    return lambda input_ids: SimpleNamespace(
        logits=torch.stack([logits_of(row) for row in input_ids])
    )


def copier(row):
    """Expects what followed the same token before, and nothing where there is no such token."""
    logits = torch.zeros(len(row), WORDS)
    for place, token in enumerate(row):
        for before in range(place - 1, -1, -1):
            if row[before] == token:
                logits[place, row[before + 1]] = 50.0
                break
    return logits


def test_repeats_cost_a_model_that_copies_nothing_and_one_that_guesses_the_vocabulary():
    tokenizer = Words(WORDS)
    # The first token of the second block follows one that was there once: it can't be foreseen.
    copied = truth.repeat_loss(model(copier), tokenizer, 20, 4)
    assert copied == pytest.approx(math.log(WORDS) / 20, rel=0.01)
    guessed = truth.repeat_loss(model(lambda row: torch.zeros(len(row), WORDS)), tokenizer, 20, 4)
    assert guessed == pytest.approx(math.log(WORDS))


def test_repeats_are_the_same_for_a_tokenizer_that_numbers_tokens_otherwise():
    seen = []

    def looking(row):
        seen.append(row.tolist())
        return torch.zeros(len(row), 200)

    class Turned(Words):
        def __init__(self):
            super().__init__()
            self._numbers = {"<s>": 0} | {f"w{number}": 50 - number for number in range(1, 50)}

    truth.repeat_loss(model(looking), Words(), 20, 4)
    truth.repeat_loss(model(looking), Turned(), 20, 4)
    plain, turned = seen[:4], seen[4:]
    assert [[0 if token == 0 else 50 - token for token in row] for row in plain] == turned
    assert plain != turned
    assert all(row[1:21] == row[21:] for row in plain)


def test_indirect_objects_are_the_name_that_did_not_give():
    tokenizer = Words()
    asked = truth.ioi_prompts()

    def names_once(row):
        """Prefers names that stand in the prompt once, by two logits."""
        counts = torch.bincount(row, minlength=200)
        return torch.where(counts == 1, 2.0, 0.0).expand(len(row), -1)

    found = truth.indirect_objects(model(names_once), tokenizer, asked)
    assert found == {"accuracy": 1.0, "logit_difference": pytest.approx(2.0)}
    other = truth.indirect_objects(model(lambda row: -names_once(row)), tokenizer, asked)
    assert other == {"accuracy": 0.0, "logit_difference": pytest.approx(-2.0)}


def test_sentences_are_judged_by_all_tokens_of_their_ends():
    tokenizer = Words()
    ends = [("one", "a b", "a c"), ("one", "a c", "a b")]
    tokenizer("one a b c", add_special_tokens=False)
    b = tokenizer.get_vocab()["b"]

    def likes_b(row):
        logits = torch.zeros(len(row), 200)
        logits[:, b] = 1.0
        return logits

    assert truth.cloze(model(likes_b), tokenizer, ends) == 0.5
    assert truth.cloze(model(likes_b), tokenizer, ends[:1]) == 1.0


@pytest.mark.parametrize("base", truth.CLOZE)
def test_there_are_sixty_different_sentences_to_complete(base):
    sentences = truth.CLOZE[base]
    assert len({begin + right for begin, right, _ in sentences}) >= 60
    assert all(right != wrong for _, right, wrong in sentences)
