"""Training the second base model: from a kill on, it goes on to the same weights."""

import pytest
from safetensors.torch import load_file

from evidence import second_model, storage

pytestmark = pytest.mark.nightly


class KilledError(Exception):
    """Stands for a kill in the middle of a step."""


def test_training_that_was_interrupted_ends_with_the_same_weights(monkeypatch, tmp_path):
    words = " ".join(f"word{number % 97} thing{number % 89}" for number in range(400))
    monkeypatch.setattr(second_model, "documents", lambda _: (words,) * 3)
    monkeypatch.setattr(second_model, "_STEPS", 5)
    monkeypatch.setattr(second_model, "_SAVE_EVERY", 2)
    step = second_model._step

    def killed_at_3(*args):
        if args[-1] == 3:
            raise KilledError
        return step(*args)

    def train(cache):
        monkeypatch.setenv(storage.VARIABLE, str(tmp_path / cache))
        second_model.train(tmp_path / cache / "second")

    train("whole")
    monkeypatch.setattr(second_model, "_step", killed_at_3)
    with pytest.raises(KilledError):
        train("killed")
    assert not (tmp_path / "killed" / "second").exists()
    seen = []
    monkeypatch.setattr(second_model, "_step", lambda *args: seen.append(args[-1]) or step(*args))
    train("killed")
    assert seen == [2, 3, 4]
    one, other = (
        load_file(tmp_path / cache / "second" / "model.safetensors")
        for cache in ("whole", "killed")
    )
    assert all(one[name].equal(other[name]) for name in one)
