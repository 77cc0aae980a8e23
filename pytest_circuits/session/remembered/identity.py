"""Which model a source is: its weights, its other files, how and on what it is loaded."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.baselines.atomic import write_text
from pytest_circuits.models.devices import device_type
from pytest_circuits.models.fingerprint import stamps_of
from pytest_circuits.models.loading import open_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_circuits.findings import Json
    from pytest_circuits.models import Source
    from pytest_circuits.models.fingerprint import Stamp
    from pytest_circuits.models.loading import LoadedModel
    from pytest_circuits.models.sources.source import Checkpoint, Others

#: Times of change are told apart from one to the next after this many nanoseconds at the latest.
_TICK = 2 * 10**9


@dataclass(frozen=True)
class Identity:
    """A model, as far as its numbers depend on it.

    Attributes:
        weights: the fingerprint of its weights.
        rest: a hash of all else that its numbers depend on: config, tokenizer, other files.
        dtype: the dtype that it is loaded in.
        device: the type of the device that it is loaded on.
        stamps: what its folder listed when these were told.
    """

    weights: str
    rest: str
    dtype: str
    device: str
    stamps: tuple[Stamp, ...]

    def document(self) -> dict[str, Json]:
        """The identity as part of a key; the folder's place is none of it."""
        return {
            "weights": self.weights,
            "files": self.rest,
            "dtype": self.dtype,
            "device": self.device,
        }

    def is_of(self, model: LoadedModel) -> bool:
        """Whether it is what a model was loaded from, and lies there still."""
        return model.stamps == self.stamps == stamps_of(model.checkpoint.files())


def identify(
    source: Source,
    device: str,
    dtype: str,
    *,
    notes: Path | None = None,
    others: Others | None = None,
) -> Identity | None:
    """The model that a source is now; None if that can't be told.

    Args:
        source: the source.
        device: the device that is asked for.
        dtype: the dtype that is asked for.
        notes: a folder of notes on weights, by which those that their folder lists as it did are
            taken for what they were; without it they are read.
        others: who may know the source, as for :func:`.open_checkpoint`: of what they may have,
            nobody can tell what it is.
    """
    try:
        checkpoint = open_checkpoint(source, others)
        # Before they are read: what changes meanwhile is noticed.
        stamps = stamps_of(checkpoint.files())
        weights = (
            _noted(checkpoint, stamps, notes)
            if notes is not None and checkpoint.is_all_in_files
            else checkpoint.fingerprint()
        )
        if weights is None:
            return None
        return Identity(
            weights=weights,
            rest=checkpoint.rest(),
            dtype=checkpoint.dtype(dtype),
            device=device_type(device),
            stamps=stamps,
        )
    except Exception:  # noqa: BLE001 — loading it will say what is wrong with it
        return None


def _noted(checkpoint: Checkpoint, stamps: tuple[Stamp, ...], notes: Path) -> str | None:
    """The fingerprint of weights: noted when their folder listed them as it does, or noted now."""
    note = notes / f"{hashlib.sha256(checkpoint.source.location.encode()).hexdigest()}.json"
    listed = [list(stamp) for stamp in stamps]
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["stamps"] == listed:
            return str(known["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    weights = checkpoint.fingerprint()
    # What changed just now may change again without another time of change.
    if stamps and all(mtime < time.time_ns() - _TICK for _, _, mtime, *_ in stamps):
        write_text(note, json.dumps({"stamps": listed, "weights": weights}))
    return weights
