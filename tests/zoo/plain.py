"""Patching, gradients, lens and attribution as plain loops: Hugging Face and torch's hooks."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from zoo.family import HEAD_SITES, LAYER_SITES
from zoo.places import ATTENTION, Place, columns_of, module_of

from pytest_circuits.testing import word_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn
    from zoo.family import Family

    # What is seen on prompts, by site and layer: ``[row, position, …]`` with heads third where
    # there are any (``head_pattern``: ``[row, head, query, key]``), None in a layer without it.
    Layers = list[Tensor | None]


class Plain:
    """A plain model, and what is seen in it."""

    tokenizer = word_tokenizer()

    def __init__(self, family: Family, model: nn.Module) -> None:
        self.family, self.model = family, model
        self.layers, self.heads = family.layers, family.heads
        self.unembedding: nn.Module = model.get_output_embeddings()
        self.blocks = [model.get_submodule(family.block.format(n)) for n in range(self.layers)]
        self.outputs = self._modules(family.output)
        #: Of each layer, whether it has attention.
        self.attends = [one is not None for one in self._modules(family.attention or family.output)]
        self.norm = module_of(model, family.norm)
        end = module_of(model, family.end) or self.norm or self.unembedding
        self.end = Place(end, "in")
        self.places = self._places()

    def _modules(self, names: str) -> list[nn.Module | None]:
        return [module_of(block, names) for block in self.blocks]

    def _attentions(self) -> list[nn.Module | None]:
        """The modules that call the function that computes attention; none if they have their own.

        They are what values come from a part of.
        """
        parents = [name.rpartition(".")[0] for name in self.family.values.split("|")]
        found = [
            module_of(block, "|".join(parents)) if attends else None
            for block, attends in zip(self.blocks, self.attends, strict=True)
        ]
        homes = {sys.modules[type(one).__module__] for one in found if one is not None}
        return found if all(hasattr(home, ATTENTION) for home in homes) else [None] * self.layers

    def _places(self) -> dict[str, list[Place | None]]:
        family = self.family

        def at(
            modules: Sequence[nn.Module | None],
            where: str = "out",
            columns: Callable[[int], Tensor] | None = None,
        ) -> list[Place | None]:
            return [None if one is None else Place(one, where, columns) for one in modules]

        attentions = self._attentions()
        attn = self.outputs
        if family.attention_norm:
            norms = self._modules(family.attention_norm)
            attn = [one if has else None for one, has in zip(norms, attn, strict=True)]
        elif family.attention:
            attn = self._modules(family.attention)
        places = {
            "resid_pre": at(self.blocks, "in"),
            "resid_post": at(self.blocks),
            "attn_out": at(attn) if family.joins else [],
            "mlp_out": at(self._modules(family.mlp)),
            "mixer_out": at(self._modules(family.mixer)),
            "head_out": self._heads(self.outputs, "in"),
            "first": at([module_of(self.blocks[0], family.first_norm)]),
        }
        if family.mlp_beside:
            places["mlp_out"] = [
                None if place is None else replace(place, beside=beside)
                for place, beside in zip(
                    places["mlp_out"], self._modules(family.mlp_beside), strict=True
                )
            ]
        if family.attention_norm:
            places["before_norm"] = at(attn, "in")
        for kind, (name, given) in enumerate(
            {"queries": "query", "keys": "key", "values": "value"}.items()
        ):
            if family.assembled:
                places[f"head_{given[0]}"] = at(attentions, given)
            else:
                of = self._modules(getattr(family, name))
                places[f"head_{given[0]}"] = self._heads(of, "out", kind)
        # What patterns mix, and where they do: a gate may come after it.
        has = any(one is not None for one in attentions)
        places["mixed"] = at(attentions, "mixed") if has else places["head_out"]
        places["mixed_values"] = at(attentions, "value") if has else places["head_v"]
        if has:
            places["head_pattern"] = at(attentions, "pattern")
        return {site: layers for site, layers in places.items() if any(layers)}

    def _heads(
        self, modules: Sequence[nn.Module | None], where: str, kind: int | None = None
    ) -> list[Place | None]:
        """Where heads lie: queries (0), keys (1), values (2), or what they have mixed."""
        return [
            None if one is None else Place(one, where, self._columns(kind, layer))
            for layer, one in enumerate(modules)
        ]

    def _columns(self, kind: int | None, layer: int) -> Callable[[int], Tensor]:
        return columns_of(self.family, kind, self.heads_of(layer))

    def heads_of(self, layer: int) -> int:
        """How many heads a layer with attention has."""
        return (self.family.heads_by_layer or [self.heads] * self.layers)[layer]

    def scale(self, part: str) -> float:
        """What a part is multiplied with before it joins the residual stream."""
        return self.family.scales.get(part, 1.0)

    @property
    def sites(self) -> list[str]:
        """The sites it has, in some layer."""
        known = set(self.places)
        apart = not (self.family.parallel or self.family.after)
        if apart and any(self._joins(layer) for layer in range(self.layers)):
            known.add("resid_mid")
        if "mixed" in self.places:
            known.add("head_pattern")
        known -= set(self.family.unlooped)
        return [site for site in (*LAYER_SITES, *HEAD_SITES) if site in known]

    def run(self, tokens: Tensor, changes: Sequence[tuple[Place, Any]], **options: Any) -> Any:
        """What the model returns, with hooks on for this pass."""
        with ExitStack() as hooks:
            for place, change in changes:
                hooks.enter_context(place.on(change, tokens.shape[1]))
            return self.model(tokens, use_cache=False, **options)

    def logits(self, tokens: Tensor) -> Tensor:
        """``[row, position, vocabulary]``."""
        with torch.no_grad():
            logits: Tensor = self.run(tokens, []).logits
        return logits

    def patterns(self, tokens: Tensor) -> Layers:
        """The attention that the model itself shows."""
        with torch.no_grad():
            shown = self.run(tokens, [], output_attentions=True).attentions or ()
        given = [one for one in shown if one is not None]
        assert len(given) == sum(self.attends)
        return [given.pop(0) if attends else None for attends in self.attends]

    def see(self, tokens: Tensor) -> dict[str, Any]:
        """All activations, and the logits ``[row, position, vocabulary]``."""
        seen: dict[str, Any] = {site: [None] * self.layers for site in self.places}

        def keep(site: str, layer: int) -> Callable[[Tensor], None]:
            return lambda part: seen[site].__setitem__(layer, part.clone())

        changes = [
            (place, keep(site, layer))
            for site, layers in self.places.items()
            for layer, place in enumerate(layers)
            if place is not None
        ]
        with torch.no_grad():
            seen["logits"] = self.run(tokens, changes).logits
        if any(self.attends):
            seen["head_pattern"] = self.patterns(tokens)
        seen["resid_mid"] = [self._joined(seen, layer) for layer in range(self.layers)]
        return seen

    def _joined(self, seen: dict[str, Any], layer: int) -> Tensor | None:
        """The stream between attention and MLP."""
        parts = [self.scale(part) * seen[f"{part}_out"][layer] for part in self._joins(layer)]
        return self.begins(seen, layer) + sum(parts) if parts else None

    def begins(self, seen: dict[str, Any], layer: int) -> Tensor:
        """The stream that a layer's parts are added to."""
        of = "first" if layer == 0 and "first" in seen else "resid_pre"
        begins: Tensor = seen[of][layer]
        return begins

    def _has(self, part: str, layer: int) -> bool:
        return self.places.get(f"{part}_out", [None] * self.layers)[layer] is not None

    def _joins(self, layer: int) -> list[str]:
        """The parts that join the stream before a layer's MLP; none if it has no MLP."""
        joining = [part for part in ("attn", "mixer") if self._has(part, layer)]
        return joining if self._has("mlp", layer) else []

    def to_put_in(
        self, site: str, clean: dict[str, Any], corrupted: dict[str, Any]
    ) -> tuple[list[Place | None], Layers]:
        """Where a clean run's activation goes into a corrupted one's, and what goes there.

        ``resid_mid`` is what the MLP reads, and what goes on past it: it is put in with a part that
        joins it. A pattern is put in with what it mixes.
        """
        if site == "resid_mid":
            places: list[Place | None] = []
            source: Layers = []
            for layer in range(self.layers):
                before, goal = corrupted["resid_mid"][layer], clean["resid_mid"][layer]
                if before is None:
                    places.append(None)
                    source.append(None)
                    continue
                part = self._joins(layer)[0]
                places.append(self.places[f"{part}_out"][layer])
                moved = (goal - before) / self.scale(part)
                source.append(corrupted[f"{part}_out"][layer] + moved)
            return places, source
        if site == "head_pattern":
            mixed = [
                None if pattern is None else mix(pattern, values)
                for pattern, values in zip(
                    clean["head_pattern"], corrupted["mixed_values"], strict=True
                )
            ]
            return self.places["mixed"], mixed
        return self.places[site], clean[site]

    def with_cells(
        self, tokens: Tensor, places: Sequence[Place | None], source: Layers, *, each: bool
    ) -> Tensor:
        """Logits at the last position with one cell of other activations put in at a time.

        Args:
            tokens: the prompts.
            places: where, of each layer.
            source: what is put in, of each layer, ``[row, position, …]``.
            each: whether positions go in one by one.

        Returns:
            ``[row, layer, position, vocabulary]``, ``[row, layer, head, vocabulary]``, or
            ``[row, layer, head, position, vocabulary]``; NaN where there is nothing to put in.
        """
        known = [one for one in source if one is not None]
        of_positions: list[Any] = list(range(tokens.shape[1])) if each else [slice(None)]
        of_heads: list[Any] = [None]
        if known[0].ndim == 4:
            of_heads = list(range(max(one.shape[2] for one in known)))
        cells = [
            (slice(None), position) if head is None else (slice(None), position, head)
            for head, position in product(of_heads, of_positions)
        ]
        rows = len(tokens)
        shape = (rows, self.layers, len(cells))
        nothing = torch.zeros(shape[1:], dtype=torch.bool)

        def put_in(layer: int, given: Tensor) -> Callable[[Tensor], None]:
            def change(part: Tensor) -> None:
                copies = part.unflatten(0, shape)
                for index, cell in enumerate(cells):
                    if not nothing[layer, index]:
                        copies[:, layer, index][cell] = given[cell].to(part.dtype)

            return change

        changes = []
        for layer, (place, given) in enumerate(zip(places, source, strict=True)):
            if place is None or given is None:
                nothing[layer] = True
                continue
            for index, cell in enumerate(cells):
                nothing[layer, index] = len(cell) == 3 and cell[2] >= given.shape[2]
            changes.append((place, put_in(layer, given)))
        with torch.no_grad():
            out = self.run(tokens.repeat_interleave(self.layers * len(cells), dim=0), changes)
        logits = out.logits[:, -1].unflatten(0, shape)
        logits = logits.masked_fill(nothing[None, :, :, None], torch.nan)
        counts = [len(of) for of in (of_heads, of_positions) if of not in ([None], [slice(None)])]
        return logits.unflatten(2, tuple(counts)) if len(counts) > 1 else logits

    def gradients(
        self, tokens: Tensor, corrupted: dict[str, Any], read: Callable[[Tensor], Tensor]
    ) -> dict[str, Layers]:
        """∂(a number read off the last logits)/∂(activation), by site and shaped like it."""
        sites = {
            "head_pattern": "mixed",
            **{site: site for site in self.sites if site not in ("head_pattern", "resid_mid")},
        }
        if "mixer_out" in self.places:
            sites["mixer_out"] = "mixer_out"
        added: dict[tuple[str, int], Tensor] = {}
        changes = []
        for site, where in sites.items():
            for layer, place in enumerate(self.places.get(where, ())):
                if place is None or corrupted[site][layer] is None:
                    continue
                extra = torch.zeros_like(corrupted[site][layer], requires_grad=True)
                added[site, layer] = extra
                values = corrupted["mixed_values"][layer] if site == "head_pattern" else None
                changes.append((place, _adding(extra, values)))
        with torch.enable_grad():
            number = read(self.run(tokens, changes).logits[:, -1]).sum()
            back = torch.autograd.grad(number, list(added.values()))
        found: dict[str, Layers] = {site: [None] * self.layers for site in (*sites, "resid_mid")}
        for (site, layer), gradient in zip(added, back, strict=True):
            found[site][layer] = gradient
        for layer in range(self.layers):
            if corrupted["resid_mid"][layer] is not None:
                part = self._joins(layer)[0]
                gradient = found[f"{part}_out"][layer]
                assert gradient is not None
                found["resid_mid"][layer] = gradient / self.scale(part)
        return found


def mix(pattern: Tensor, values: Tensor) -> Tensor:
    """z of patterns ``[row, head, query, key]`` and values ``[row, key, key-value head, d_head]``.

    Head h reads from key-value head h // (heads / key-value heads).
    """
    heads, grouped = pattern.shape[1], values.shape[2]
    of = torch.arange(heads) // (heads // grouped)
    return (pattern @ values[:, :, of].transpose(1, 2)).transpose(1, 2)


def _adding(extra: Tensor, values: Tensor | None) -> Callable[[Tensor], Any]:
    if values is None:
        return lambda part: part.add_(extra)
    return lambda part: part.add_(mix(extra, values))
