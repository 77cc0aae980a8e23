"""The files of findings: equal to the last bit, or measured again."""

import dataclasses
import inspect
import os

import numpy as np
import pytest

from pytest_circuits import Circuit, measures, prompts
from pytest_circuits.baselines.writing import SCRATCH
from pytest_circuits.findings import Behaviour, Canary, Direction, Finding, Null, Role
from pytest_circuits.forward import Runs
from pytest_circuits.models import load, parse_source
from pytest_circuits.session.cache import NotRememberedWarning, Remembered, Store

PAIRS = prompts.PromptPairs(
    ["dog star dog", "leaf cat leaf", "cat dog cat"],
    ["dog cat dog", "leaf dog leaf", "cat leaf cat"],
    ["star", "cat", "dog"],
    ["cat", "dog", "leaf"],
    positions={"first": ["dog", "leaf", "cat"]},
)
HEADS = Circuit(["L1H0", "L1H3"])


def same(one, other):
    """Whether two values are of one type and equal to the last bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if dataclasses.is_dataclass(one):
        return same(vars(one), vars(other))
    if isinstance(one, dict):
        return list(one) == list(other) and same(list(one.values()), list(other.values()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


def a_finding(values=(), **fields):
    """A finding with something of everything."""
    values = np.array([[np.pi, -0.0], [1e-300, 2 / 3]]) if values == () else values
    given = {
        "role": Role("mover", 1 / 3),
        "profiles": {"L0H1": np.array([1 / 3, 2 / 3])},
        "nulls": {"L0H1": Null(1 / 7, 0.05)},
        "companion": (
            Behaviour("a", np.float64(1 / 3), 0.1, 3, Direction.LOWER, "nats", vital=True),
            Behaviour(
                "b", 1 / 3, np.nan, 3, Direction.HIGHER, "share", judged=False,
                interval=(0.1, 1.0), profile=np.array([True, False]),
            ),
        ),
        "canary": Canary(1 / 3, "text", "1f"),
        "raw": {"x": np.zeros((3, 0)), "y": np.arange(6, dtype=np.int32).reshape(2, 3).T},
        "per_sample": np.asfortranarray(np.arange(12.0).reshape(3, 2, 2)),
        "clustering": ("a", ("b", 1), None),
        "provenance": {"versions": {"a": "1"}, "list": [1, 1.0, True, None]},
    }  # fmt: skip
    return Finding(
        "mine", "value", "logits", Direction.TWO_SIDED, ("layer", "head"), values,
        np.full((2, 2), np.nan), 3, 3, {"seed": 0}, {"kind": "pairs"}, **{**given, **fields},
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "findings")


def test_a_finding_comes_back_to_the_last_bit(store):
    entry = Remembered(a_finding(), ("dropped a word",))
    store.put("key", entry)
    found = store.get("key")
    assert same(found, entry)
    assert found.finding.per_sample.flags.writeable


@pytest.fixture(scope="module")
def runs():
    return Runs(load(parse_source("bundled:recall")).bridge)


EVERY = {
    "ablate": lambda runs: measures.ablate(runs, PAIRS, heads=["L1H0"], value="zero"),
    "attention_between": lambda runs: measures.attention_between(runs, PAIRS, key="first"),
    "attention_scores": lambda runs: measures.attention_scores(
        runs, PAIRS, mask=np.tri(4, dtype=bool), name="mine"
    ),
    "completeness": lambda runs: measures.completeness(runs, PAIRS, HEADS, subsets=2, value="zero"),
    "copying_scores": lambda runs: measures.copying_scores(runs, PAIRS, at=["first"]),
    "faithfulness": lambda runs: measures.faithfulness(runs, PAIRS, HEADS, value="zero"),
    "kl_divergence": lambda runs: measures.kl_divergence(runs, PAIRS, to=runs),
    "minimality": lambda runs: measures.minimality(runs, PAIRS, HEADS, subsets=2, value="zero"),
    "text_loss": lambda runs: measures.text_loss(runs, ["dog star dog"]),
}


def of_model_and_pairs(name):
    """The call of a measure that takes a model, or a model and pairs; None of any other."""
    measure = getattr(measures, name)
    _, *others = inspect.signature(measure).parameters.values()
    needed = [one.name for one in others if one.default is one.empty]
    if needed == ["pairs"]:
        return lambda runs: measure(runs, PAIRS)
    return None if needed else measure


EVERY |= {
    name: call
    for name in measures.__all__
    if name not in {*EVERY, "canary", "ablated"} and (call := of_model_and_pairs(name))
}


@pytest.mark.parametrize("name", EVERY)
def test_what_every_measure_finds_comes_back_to_the_last_bit(store, runs, name):
    finding = dataclasses.replace(EVERY[name](runs), canary=measures.canary(runs))
    store.put("key", Remembered(finding))
    assert same(store.get("key"), Remembered(finding))


def test_every_measure_is_tried():
    assert set(measures.__all__) - set(EVERY) == {"canary", "ablated"}


@pytest.mark.parametrize(
    "part", [{"provenance": {"a": object()}}, {"convention": {1: "a"}}, {"clustering": ({1},)}]
)
def test_what_could_not_come_back_is_not_stored(store, part):
    store.put("key", Remembered(dataclasses.replace(a_finding(), **part)))
    assert store.get("key") is None


def test_a_folder_that_cannot_be_written_holds_nothing(tmp_path):
    (tmp_path / "findings").write_text("a file")
    store = Store(tmp_path / "findings")
    with pytest.warns(NotRememberedWarning, match="findings can't be written") as warned:
        store.put("key", Remembered(a_finding()))
    assert len(warned) == 1
    store.put("other", Remembered(a_finding()))  # and warns no second time
    assert store.get("key") is None
    store.shrink()


def flip(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:100],
        lambda data: data[:-1],
        lambda data: flip(data, -2),
        lambda data: flip(data, len(data) // 2),
        lambda data: data.replace(b"0.05", b"0.06"),
        lambda data: b"{}",
    ],
)
def test_a_damaged_entry_is_none_and_written_anew(store, tmp_path, damage):
    store.put("key", Remembered(a_finding()))
    (path,) = (tmp_path / "findings").iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert store.get("key") is None
    store.put("key", Remembered(a_finding()))
    assert same(store.get("key"), Remembered(a_finding()))


def test_those_that_were_not_used_for_longest_leave(store, tmp_path):
    folder = tmp_path / "findings"
    for number, key in enumerate("abc"):
        store.put(key, Remembered(a_finding()))
        os.utime(folder / f"{key}.safetensors", (number, number))
    size = (folder / "a.safetensors").stat().st_size
    (folder / f"{SCRATCH}1-left").mkdir()
    os.utime(folder / f"{SCRATCH}1-left", (1, 1))
    store.get("a")
    store.shrink(2 * size)
    assert sorted(path.name for path in folder.iterdir()) == ["a.safetensors", "c.safetensors"]
    store.shrink(2 * size - 1)
    assert [path.name for path in folder.iterdir()] == ["a.safetensors"]
