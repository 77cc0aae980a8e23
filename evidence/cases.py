"""A case: a checkpoint that is judged, made from a base model when it is needed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidence.models import BASES
from evidence.storage import passing_folder
from evidence.training import Recipe, change, load, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Raised when an edit changes, so that nothing older is taken for the same.
_VERSION = 2


@dataclass(frozen=True)
class Case:
    """A checkpoint by its recipe.

    Attributes:
        name: unlike every other case's of the model.
        kind: what the seeds of one recipe have in common.
        base: the base model's name.
        seed: what was drawn by it, the order of the texts say; 0 where nothing is drawn.
        edit: changes the base model in place, and gives its tokenizer as it was or another one.
        recipe: the training that the edit needs; None where it needs none.
    """

    name: str
    kind: str
    base: str
    seed: int
    edit: Callable[[PreTrainedModel, PreTrainedTokenizerBase], PreTrainedTokenizerBase]
    recipe: Recipe | None = None

    def key(self) -> str:
        """What the checkpoint is made of, as a hash."""
        base = BASES[self.base].digest()
        said = [_VERSION, base, self.name, None if self.recipe is None else self.recipe.key()]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:8]

    def checkpoint(self) -> AbstractContextManager[Path]:
        """A folder that transformers loads, in float32; it is gone afterwards.

        What the case needs is trained first if that wasn't done before.
        """
        return passing_folder(self.name, self._save)

    def _save(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        base = BASES[self.base].folder()
        model = load(base)
        tokenizer = self.edit(model, AutoTokenizer.from_pretrained(base))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def trained(
    recipe: Recipe, scale: float = 1.0, layers: Callable[[int], bool] | None = None
) -> Callable[[PreTrainedModel, PreTrainedTokenizerBase], PreTrainedTokenizerBase]:
    """An edit that adds what a training changed.

    Args:
        recipe: the training, done first if it wasn't before.
        scale: what the change is multiplied by.
        layers: whether a layer's part is added; all of it, and the embeddings', unless given.
    """

    def edit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        values = dict(model.named_parameters())
        for name, by in change(train(recipe)).items():
            if layers is None or ((layer := layer_of(name)) is not None and layers(layer)):
                values[name].data += scale * by
        return tokenizer

    return edit


def layer_of(name: str) -> int | None:
    """The layer that a parameter belongs to: 3 for ``model.layers.3.mlp.up_proj.weight``."""
    return next((int(part) for part in name.split(".") if part.isdecimal()), None)
