"""Gradients of a number at every cell of a site, from one pass forward and one back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pytest_circuits.forward.prompted import grouped
from pytest_circuits.forward.runs import exact
from pytest_circuits.forward.sites import check_site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from pytest_circuits.forward.runs import Runs
    from pytest_circuits.forward.sites import Site


def gradients(
    runs: Runs,
    site: Site,
    prompts: Sequence[Sequence[int]],
    read: Callable[[Tensor, tuple[int, ...]], Tensor],
) -> list[tuple[Tensor, ...]]:
    """How a number of each prompt changes with what the site holds there.

    Args:
        runs: the model.
        site: where.
        prompts: what is run.
        read: from logits at the last position ``[row, vocabulary]`` and the rows' prompt indices
            to one number each; differentiable.

    Returns:
        the gradients, ``[group][layer]``, tensors ``[row, position, …]`` with heads third where
        the site has any; exact, on the CPU.

    Raises:
        ModelError: if the model has no such site.
        ValueError: if the number has no gradient.
    """
    check_site(runs, site)
    found = []
    with runs.watched(f"gradients at {site.name}", len(prompts), "prompts") as advance:
        for rows, tokens in grouped(runs, prompts):
            # A gradient with respect to nothing added is one with respect to what it is added to,
            # whatever the model does with the tensor that the hook was given.
            added: list[Tensor] = []
            hooks = [(site.at(layer), _add_nothing(added)) for layer in range(runs.layers)]
            logits = runs.forward(tokens, hooks, differentiable=True)[:, -1]
            numbers = read(logits, rows)
            if not numbers.requires_grad:
                raise ValueError(
                    "this metric has no gradient (it counts, ranks or detaches), so that nothing "
                    "can be estimated from one; patch instead"
                )
            # Prompts don't touch each other, so the gradient of their sum holds each one's own.
            back = torch.autograd.grad(numbers.sum(), added)
            found.append(tuple(exact(gradient) for gradient in back))
            advance(len(rows))
    return found


def _add_nothing(added: list[Tensor]) -> Callable[..., Tensor]:
    def hook(value: Tensor, **_: object) -> Tensor:
        added.append(torch.zeros_like(value, requires_grad=True))
        return value + added[-1]

    return hook
