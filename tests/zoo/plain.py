"""Patching, gradients, lens and attribution as plain loops: Hugging Face and torch's hooks."""

from __future__ import annotations

import math
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

from pytest_circuits.testing import word_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn
    from zoo.family import Family

    # What is seen on prompts, by site and layer: ``[row, position, …]`` with heads third where
    # there are any (``head_pattern``: ``[row, head, query, key]``), None in a layer without it.
    Layers = list[Tensor | None]

#: What there is at each position of a layer, and for each head of it.
LAYER_SITES = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
HEAD_SITES = ("head_out", "head_q", "head_k", "head_v", "head_pattern")

#: The function that computes attention in most of transformers' modules.
_ATTENTION = "eager_attention_forward"


@dataclass(frozen=True)
class Place:
    """Where an activation lies: what goes into a module or comes out of it, or a part of that.

    Attributes:
        module: the module.
        where: ``in`` what goes into it, ``out`` what comes out of it, ``query``, ``key`` or
            ``value`` what it gives the function that computes attention, ``mixed`` or ``pattern``
            what that gives back.
        columns: from the width of what lies there to the columns of each head,
            ``[head, d_head]``; None for all of it, in a stream.
    """

    module: nn.Module
    where: str = "out"
    columns: Callable[[int], Tensor] | None = None

    def on(self, change: Callable[[Tensor], None], positions: int) -> Any:
        """While entered, a hook is there that changes the part ``[row, position, …]`` in place."""

        def changed(value: Any) -> Any:
            if isinstance(value, tuple | list):
                first, *rest = value
                return type(value)((changed(first), *rest))
            copy = value.clone(memory_format=torch.contiguous_format)
            # Some MLPs see all tokens in one row; some norms see heads as an axis of their own.
            flat = copy.view(-1, positions, copy.numel() // (_rows(copy, positions) * positions))
            if self.columns is None:
                change(flat)
            else:
                columns = self.columns(flat.shape[-1])
                part = flat[..., columns]
                change(part)
                flat[..., columns] = part
            return copy

        if self.where == "out":
            return self.module.register_forward_hook(lambda _, args, value: changed(value))
        if self.where != "in":
            return self._within_attention(change)

        def before(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
            if args:
                return changed(args), named
            return args, named | {"hidden_states": changed(named["hidden_states"])}

        return self.module.register_forward_pre_hook(before, with_kwargs=True)

    @contextmanager
    def _within_attention(self, change: Callable[[Tensor], None]) -> Iterator[None]:
        home = sys.modules[type(self.module).__module__]
        attend = getattr(home, _ATTENTION)

        def attending(module: nn.Module, *args: Any, **named: Any) -> Any:
            if module is not self.module:
                return attend(module, *args, **named)
            given = list(args)
            if self.where in _GIVEN:
                index = _GIVEN.index(self.where)
                given[index] = _changed_heads(given[index], change)
            mixed, pattern = attend(module, *given, **named)
            if self.where == "mixed":
                mixed = mixed.clone()
                change(mixed)
            if self.where == "pattern":
                change(pattern.clone())  # to be seen only
            return mixed, pattern

        with mock.patch.object(home, _ATTENTION, attending):
            yield


#: The first arguments of that function, behind the module.
_GIVEN = ("query", "key", "value")


def _rows(value: Tensor, positions: int) -> int:
    """How many rows there are: tokens are the first axis, or rows and positions the first two."""
    if value.ndim > 2:
        return value.shape[0] * value.shape[1] // positions
    return value.shape[0] // positions


def _changed_heads(value: Tensor, change: Callable[[Tensor], None]) -> Tensor:
    """``[row, head, position, d_head]``, changed as ``[row, position, head, d_head]``."""
    part = value.transpose(1, 2).clone(memory_format=torch.contiguous_format)
    change(part)
    return part.transpose(1, 2)


def module_of(block: nn.Module, names: str) -> nn.Module | None:
    """The module of a name, or of the first of several that is there."""
    for name in filter(None, names.split("|")):
        try:
            return block.get_submodule(name)
        except AttributeError:
            continue
    return None


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
        return found if all(hasattr(home, _ATTENTION) for home in homes) else [None] * self.layers

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
        family = self.family
        of = family.heads_by_layer or [family.heads] * self.layers
        return [
            None if one is None else Place(one, where, _columns(family, kind, heads))
            for one, heads in zip(modules, of, strict=True)
        ]

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
        given = iter([one for one in shown if one is not None])
        return [next(given) if attends else None for attends in self.attends]

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
        return self._begins(seen, layer) + sum(parts) if parts else None

    def _begins(self, seen: dict[str, Any], layer: int) -> Tensor:
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
                None if pattern is None else _mix(pattern, values)
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

    def lens(self, tokens: Tensor, seen: dict[str, Any]) -> Tensor:
        """What the end of the model makes of the stream behind each layer, ``[row, layer, …]``."""
        streams = torch.stack(seen["resid_post"], dim=1)  # [row, layer, position, d_model]

        def change(part: Tensor) -> None:
            part.copy_(streams.flatten(0, 1))

        with torch.no_grad():
            out = self.run(tokens.repeat_interleave(self.layers, dim=0), [(self.end, change)])
        logits: Tensor = out.logits[:, -1].unflatten(0, (len(tokens), self.layers))
        return logits

    def attributed(
        self, seen: dict[str, Any], answers: Sequence[int], wrong: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """What parts write into logit(answer) − logit(wrong) at the last position.

        Returns:
            of heads, ``[row, layer, head]``, of components, ``[row]`` by label, and the whole
            before final soft-capping, ``[row]``.
        """
        weight: Any = self.unembedding.weight
        along = (weight[list(answers)] - weight[list(wrong)]).double()
        last = seen["resid_post"][-1][:, -1]
        final, shift = frozen(self.norm, last)
        bias = along.new_zeros(len(along)) + along @ shift
        unembedding: Any = self.unembedding
        if getattr(unembedding, "bias", None) is not None:
            more = unembedding.bias.double()
            bias = bias + more[list(answers)] - more[list(wrong)]
        scale = self.family.logit_scale
        gains = [self._gain(layer) for layer in range(self.layers)]

        def written(part: Tensor, layer: int = self.layers) -> Tensor:
            """What that adds, joining the stream in a layer; by default behind all of them."""
            factor = scale * math.prod(gains[layer:])
            return factor * (final(part.double()) * along).sum(-1)

        heads = torch.full((self.layers, len(along), self.heads), torch.nan, dtype=torch.float64)
        components = {"embedding": written(self._begins(seen, 0)[:, -1], 0)}
        for layer in range(self.layers):
            for part in ("attn", "mixer", "mlp"):
                given = seen.get(f"{part}_out", [None] * self.layers)[layer]
                if given is not None:
                    components[f"L{layer} {part}"] = self.scale(part) * written(given[:, -1], layer)
            if self.outputs[layer] is not None:
                shares = self.scale("attn") * written(self._shares(seen, layer), layer)
                heads[layer, :, : len(shares)] = shares.T
        bias = scale * bias
        return heads.transpose(0, 1), components | {"bias": bias}, written(last) + bias

    def _gain(self, layer: int) -> float:
        """What the stream behind a layer is multiplied with."""
        return float(getattr(self.blocks[layer], self.family.gain)) if self.family.gain else 1.0

    def _shares(self, seen: dict[str, Any], layer: int) -> Tensor:
        """What each head of a layer adds at the last position, ``[head, row, d_model]``."""
        output: Any = self.outputs[layer]
        mixed = seen["head_out"][layer][:, -1]  # [row, head, d_head]
        alone = torch.eye(mixed.shape[1], dtype=mixed.dtype)[:, None, :, None] * mixed
        with torch.no_grad():
            shares: Tensor = output(alone.flatten(2)) - output(torch.zeros_like(mixed).flatten(1))
        if not self.family.attention_norm:
            return shares.double()
        norm = module_of(self.blocks[layer], self.family.attention_norm)
        through, _ = frozen(norm, seen["before_norm"][layer][:, -1])
        return through(shares.double())


def frozen(norm: nn.Module | None, seen: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """A norm with the scale that it has on these ``[row, d_model]``, and its bias.

    With that scale it is γ ⊙ (x − mean x)/σ + β, without centring for an RMS norm. All of it is
    read off what the norm itself gives, however it stores its weight: β is its value at 0, γ follows
    from its value at a vector with mean 0 and variance 1, and it centres if it maps a constant to β.
    """
    if norm is None:
        return lambda part: part, torch.zeros(seen.shape[-1], dtype=torch.float64)
    given = seen.new_ones(1, seen.shape[-1])
    signs = given * (1 - 2 * (torch.arange(seen.shape[-1]) % 2))
    with torch.no_grad():
        shift = norm(torch.zeros_like(given)).double()
        weight = (norm(signs).double() - shift) * signs.double()
        centres = bool((norm(given).double() - shift).abs().max() < 1e-3 * weight.abs().max())
        values = (norm(seen).double() - shift) / weight

    def centred(part: Tensor) -> Tensor:
        return part - part.mean(-1, keepdim=True) if centres else part

    last = centred(seen.double())
    share = (values * last).sum(-1, keepdim=True) / last.square().sum(-1, keepdim=True)
    return lambda part: weight * centred(part) * share, shift[0]


def _columns(family: Family, kind: int | None, heads: int) -> Callable[[int], Tensor]:
    """Where queries (0), keys (1) or values (2) lie in what they come from, or heads in z."""
    grouped = family.key_value_heads

    def columns(width: int) -> Tensor:
        every = torch.arange(width)
        if kind is None:
            return every.view(heads, -1)
        if family.layout == "interleaved":
            return every.view(heads, 3, -1)[:, kind]
        if family.layout == "grouped":
            groups = every.view(grouped, heads // grouped + 2, -1)
            return groups[:, kind - 3] if kind else groups[:, :-2].flatten(0, 1)
        if family.layout == "parts":
            return every.view(4, 3, heads // 4, -1)[:, (0, 2, 1)[kind]].flatten(0, 1)
        sizes = (heads, grouped, grouped)
        if family.layout == "stacked":
            return every.view(sum(sizes), -1)[sum(sizes[:kind]) : sum(sizes[: kind + 1])]
        return every.view(sizes[kind], -1)

    return columns


def _mix(pattern: Tensor, values: Tensor) -> Tensor:
    """z of patterns ``[row, head, query, key]`` and values ``[row, key, key-value head, d_head]``.

    Head h reads from key-value head h // (heads / key-value heads).
    """
    heads, grouped = pattern.shape[1], values.shape[2]
    of = torch.arange(heads) // (heads // grouped)
    return (pattern @ values[:, :, of].transpose(1, 2)).transpose(1, 2)


def _adding(extra: Tensor, values: Tensor | None) -> Callable[[Tensor], Any]:
    if values is None:
        return lambda part: part.add_(extra)
    return lambda part: part.add_(_mix(extra, values))
