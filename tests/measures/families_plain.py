"""Patching, gradients, lens and attribution as plain loops: Hugging Face and torch's hooks."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from measures.families import D_HEAD, HEADS, LAYERS

from pytest_circuits.testing import word_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from measures.families import Family
    from torch import Tensor, nn

#: What there is at each position of a layer, and for each head of it.
LAYER_SITES = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
HEAD_SITES = ("head_out", "head_q", "head_k", "head_v", "head_pattern")


class Place(NamedTuple):
    """Where an activation lies: what goes into a module or comes out of it, or a part of that.

    Attributes:
        module: the module.
        inputs: whether it is what goes in.
        part: from ``[row, position, width]`` to a view of the part, heads third if it has any.
    """

    module: nn.Module
    inputs: bool
    part: Callable[[Tensor], Tensor]

    def on(self, change: Callable[[Tensor], None], positions: int) -> Any:
        """Put a hook there that changes the part in place; its handle takes it off again."""

        def changed(value: Any) -> Any:
            first, *rest = value if isinstance(value, tuple) else (value,)
            copy = first.clone()
            # OPT's MLP sees all tokens in one row.
            change(self.part(copy.view(-1, positions, copy.shape[-1])))
            return (copy, *rest) if isinstance(value, tuple) else copy

        if not self.inputs:
            return self.module.register_forward_hook(lambda _, args, value: changed(value))

        def before(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
            if args:
                return changed(args), named
            return args, named | {"hidden_states": changed(named["hidden_states"])}

        return self.module.register_forward_pre_hook(before, with_kwargs=True)


class Plain:
    """A plain model.

    What was seen on prompts is a dictionary of activations by site, ``[layer, row, position, …]``
    with heads fourth where there are any (``head_pattern``: ``[layer, row, head, query, key]``).
    """

    tokenizer = word_tokenizer()

    def __init__(self, family: Family, model: nn.Module) -> None:
        self.family, self.model = family, model
        self.unembedding = model.get_output_embeddings()
        self.norm = model.get_submodule(family.norm)
        self.blocks = [model.get_submodule(family.block.format(layer)) for layer in range(LAYERS)]
        self.outputs = [block.get_submodule(family.output) for block in self.blocks]
        self.places = self._places()

    def _places(self) -> dict[str, list[Place]]:
        family = self.family

        def all_layers(name: str, part: Callable[[Tensor], Tensor], *, inputs: bool = False) -> Any:
            modules = [block.get_submodule(name) if name else block for block in self.blocks]
            return [Place(module, inputs, part) for module in modules]

        def whole(value: Tensor) -> Tensor:
            return value

        def heads(value: Tensor) -> Tensor:
            return value.unflatten(-1, (-1, D_HEAD))

        def of(kind: int) -> Callable[[Tensor], Tensor]:
            """Queries, keys or values."""
            if family.layout == "interleaved":
                return lambda value: value.unflatten(-1, (HEADS, 3, D_HEAD))[:, :, :, kind]
            if family.layout == "stacked":
                sizes = (HEADS, family.key_value_heads, family.key_value_heads)
                rows = slice(sum(sizes[:kind]), sum(sizes[: kind + 1]))
                return lambda value: heads(value)[:, :, rows]
            return heads

        places = {
            "resid_pre": all_layers("", whole, inputs=True),
            "resid_post": all_layers("", whole),
            "attn_out": all_layers(family.attention_norm or family.output, whole),
            "head_out": all_layers(family.output, heads, inputs=True),
            "head_q": all_layers(family.queries, of(0)),
            "head_k": all_layers(family.keys, of(1)),
            "head_v": all_layers(family.values, of(2)),
        }
        if family.mlp:
            places["mlp_out"] = all_layers(family.mlp, whole)
        if family.attention_norm:
            places["before_norm"] = all_layers(family.attention_norm, whole, inputs=True)
        return places

    @property
    def sites(self) -> list[str]:
        """The sites it has."""
        has_mid = self.family.mlp and not self.family.parallel
        derived = {"resid_mid"} if has_mid else set()
        known = {*self.places, *derived, "head_pattern"}
        return [site for site in (*LAYER_SITES, *HEAD_SITES) if site in known]

    def run(self, tokens: Tensor, changes: Sequence[tuple[Place, Any]], **options: Any) -> Any:
        """What the model returns, with hooks on for this pass."""
        with ExitStack() as hooks:
            for place, change in changes:
                hooks.enter_context(place.on(change, tokens.shape[1]))
            return self.model(tokens, **options)

    def see(self, tokens: Tensor) -> dict[str, Tensor]:
        """All activations, and the logits ``[row, position, vocabulary]``."""
        seen: dict[str, list[Tensor]] = {site: [] for site in self.places}
        changes = [
            (place, lambda part, site=site: seen[site].append(part.clone()))
            for site, places in self.places.items()
            for place in places
        ]
        with torch.no_grad():
            out = self.run(tokens, changes, output_attentions=True)
        found = {site: torch.stack(layers) for site, layers in seen.items()}
        found["head_pattern"] = torch.stack(list(out.attentions))
        found["resid_mid"] = found["resid_pre"] + found["attn_out"]
        found["logits"] = out.logits
        return found

    def patched(
        self,
        tokens: Tensor,
        site: str,
        clean: dict[str, Tensor],
        corrupted: dict[str, Tensor],
        *,
        each: bool,
    ) -> Tensor:
        """Logits at the last position with one cell of the clean run put in at a time.

        Args:
            tokens: the corrupted prompts.
            site: where.
            clean: what was seen on the clean ones.
            corrupted: the same of the corrupted ones.
            each: whether positions go in one by one.

        Returns:
            ``[row, layer, position, vocabulary]``, ``[row, layer, head, vocabulary]``, or
            ``[row, layer, head, position, vocabulary]``.
        """
        where, source = site, clean.get(site)
        if site == "resid_mid":  # what the MLP reads, and what goes on past it
            where, source = "attn_out", clean["resid_mid"] - corrupted["resid_pre"]
        if site == "head_pattern":
            where = "head_out"
            source = self._mix(clean["head_pattern"], corrupted["head_v"])
        of_positions = range(tokens.shape[1]) if each else [slice(None)]
        of_heads = range(source.shape[3]) if site in HEAD_SITES else [None]
        cells = [
            (slice(None), position) if head is None else (slice(None), position, head)
            for head, position in product(of_heads, of_positions)
        ]
        shape = (len(tokens), LAYERS, len(cells))

        def put_in(layer: int) -> Callable[[Tensor], None]:
            def change(part: Tensor) -> None:
                copies = part.unflatten(0, shape)
                for index, cell in enumerate(cells):
                    copies[:, layer, index][cell] = source[layer][cell]

            return change

        changes = [(place, put_in(layer)) for layer, place in enumerate(self.places[where])]
        with torch.no_grad():
            out = self.run(tokens.repeat_interleave(LAYERS * len(cells), dim=0), changes)
        counts = [len(of) for of in (of_heads, of_positions) if of not in ([None], [slice(None)])]
        return out.logits[:, -1].unflatten(0, (len(tokens), LAYERS, *counts))

    def _mix(self, pattern: Tensor, values: Tensor) -> Tensor:
        """z of patterns ``[…, head, query, key]`` and values ``[…, key, key-value head, d_head]``.

        Head h reads from key-value head h // (heads / key-value heads).
        """
        of = torch.arange(HEADS) // (HEADS // self.family.key_value_heads)
        return (pattern @ values[..., of, :].transpose(-3, -2)).transpose(-3, -2)

    def gradients(
        self, tokens: Tensor, corrupted: dict[str, Tensor], read: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        """∂(a number read off the last logits)/∂(activation), by site and shaped like it."""
        added = {
            site: torch.zeros_like(corrupted[site], requires_grad=True)
            for site in self.sites
            if site != "resid_mid"
        }

        def add(site: str, layer: int) -> Callable[[Tensor], None]:
            if site == "head_pattern":
                values = corrupted["head_v"][layer]
                return lambda part: part.add_(self._mix(added[site][layer], values))
            return lambda part: part.add_(added[site][layer])

        changes = [
            (place, add(site, layer))
            for site in added
            for layer, place in enumerate(
                self.places["head_out" if site == "head_pattern" else site]
            )
        ]
        with torch.enable_grad():
            number = read(self.run(tokens, changes).logits[:, -1]).sum()
            back = torch.autograd.grad(number, list(added.values()))
        found = dict(zip(added, back, strict=True))
        # Both are all that the attention adds to.
        return found | {"resid_mid": found["attn_out"]}

    def lens(self, seen: dict[str, Tensor], *, capped: bool = True) -> Tensor:
        """What the end of the model makes of the stream behind each layer, ``[layer, row, …]``."""
        cap = self.family.options.get("final_logit_softcapping") if capped else None
        with torch.no_grad():
            logits = self.unembedding(self.norm(seen["resid_post"][:, :, -1]))
        return logits if cap is None else cap * (logits / cap).tanh()

    def attributed(
        self, seen: dict[str, Tensor], answers: Sequence[int], wrong: Sequence[int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What parts write into logit(answer) − logit(wrong) at the last position.

        Returns:
            of heads, ``[row, layer, head]``, and of components, ``[row]`` by label.
        """
        weight = self.unembedding.weight.double()
        along = weight[list(answers)] - weight[list(wrong)]
        final = self._frozen(self.norm, seen["resid_post"][-1, :, -1])

        def written(part: Tensor) -> Tensor:
            return (final(part.double()) * along).sum(-1)

        heads = []
        components = {"embedding": written(seen["resid_pre"][0, :, -1])}
        for layer, output in enumerate(self.outputs):
            components[f"L{layer} attn"] = written(seen["attn_out"][layer, :, -1])
            if self.family.mlp:
                components[f"L{layer} mlp"] = written(seen["mlp_out"][layer, :, -1])
            mixed = seen["head_out"][layer, :, -1]  # [row, head, d_head]
            alone = torch.eye(HEADS)[:, None, :, None] * mixed
            with torch.no_grad():
                share = output(alone.flatten(2)) - output(torch.zeros_like(mixed).flatten(1))
            share = share.double()
            if self.family.attention_norm:
                norm = self.blocks[layer].get_submodule(self.family.attention_norm)
                share = self._frozen(norm, seen["before_norm"][layer, :, -1])(share)
            heads.append(written(share).T)
        bias = torch.zeros(len(along), dtype=torch.float64)
        if getattr(self.norm, "bias", None) is not None:
            bias = bias + along @ self.norm.bias.double()
        if getattr(self.unembedding, "bias", None) is not None:
            more = self.unembedding.bias.double()
            bias = bias + more[list(answers)] - more[list(wrong)]
        return torch.stack(heads, dim=1), components | {"bias": bias}

    def _frozen(self, norm: Any, seen: Tensor) -> Callable[[Tensor], Tensor]:
        """A norm with the scale that it has on these, without its bias."""
        last, weight = seen.double(), norm.weight.double() + self.family.offset
        if isinstance(norm, torch.nn.LayerNorm):
            scale = (last.var(-1, unbiased=False, keepdim=True) + norm.eps).sqrt()
            return lambda part: weight * (part - part.mean(-1, keepdim=True)) / scale
        epsilon = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
        scale = (last.square().mean(-1, keepdim=True) + epsilon).sqrt()
        return lambda part: weight * part / scale
