"""The contract's second pass: what is put in at a site changes what it should, and only that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from pytest_circuits.forward.anatomy import output_weights
from pytest_circuits.forward.precision import SAME, exact
from pytest_circuits.forward.trial import trial
from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import EllipsisType

    from torch import Tensor

    from pytest_circuits.forward.anatomy import Point
    from pytest_circuits.forward.contract import Candidate, Sites

    #: A part of a tensor, by what it is indexed with.
    Part = Tensor | EllipsisType | tuple[EllipsisType | int | slice, ...]

#: What is put in is multiplied by this: so much that a norm over all heads shows even where one of
#: many heads hardly changes it, and turned round, so that attention that is all on one token moves.
_FACTOR = -4.0
#: Attention to one token from here on is taken for all of it.
_SATURATED = 0.99
#: What a site's heads hold, for messages.
_HELD = {
    "head_q": "queries",
    "head_k": "keys",
    "head_v": "values",
    "head_out": "mixed values",
}
_PATTERN, _Z, _WRITTEN = "attn.hook_pattern", "attn.hook_z", "attn.hook_out"
_MID, _OUT = "hook_resid_mid", "hook_out"


class _Edit(NamedTuple):
    """One row of the second pass: what is put in at a candidate's points, in every layer."""

    site: str
    candidate: Candidate


def check_edits(sites: Sites) -> None:
    """Find fault with candidates that don't change what they should, or more than that."""
    edits = [
        _Edit(site, candidate)
        for site in (*_HELD, "attn_out", "added", "mlp_out", "resid_pre")
        for candidate in sites.candidates[site]
        if candidate.fault is None and any(candidate.points)
    ]
    (stream,) = sites.candidates["resid_pre"]
    if stream.fault is not None:
        for edit in edits:
            edit.candidate.fault = (
                "transformer-lens doesn't show the residual stream before its layers, so that "
                "nothing of a layer can be checked by itself"
            )
    elif not _SecondPass(sites, edits).succeeds():
        for edit in edits:  # to know which it was
            _SecondPass(sites, [edit]).succeeds()
    _check_heads(sites)


def _check_heads(sites: Sites) -> None:
    """What heads mix has to be known as theirs by something: what they mix, or what they write."""
    (heads,), (values,) = sites.candidates["head_out"], sites.candidates["head_v"]
    grouped = zip(sites.heads, sites.key_value_heads, strict=True)
    # Another group's values have left z of other heads as it was, so that these lie where they are
    # taken to be; with a single group there is no other.
    apart = values.fault is None and all(count > 1 for heads, count in grouped if heads)
    known = sites.summed or "head_pattern" not in sites.refusals or apart
    if heads.fault is None and not known:
        heads.fault = (
            "what its heads mix is not attention × values, and doesn't sum to what attention writes"
        )


def _after(seen: dict[str, Tensor], layer: int) -> Tensor | None:
    """The stream after a layer, or what the next layer gets; None if neither was shown."""
    return seen.get(f"blocks.{layer}.{_OUT}", seen.get(f"blocks.{layer + 1}.hook_in"))


def _whole(held: Tensor) -> Callable[[Tensor], None]:
    """Puts in all that a hook point held of one prompt."""

    def put(value: Tensor) -> None:
        value[:] = held

    return put


class _Moved(NamedTuple):
    """What an edit changed in a layer.

    Attributes:
        mine: whether anything of what it was to change.
        others: whether something else.
        differs: whether what was put in is another thing than what was there, so that it should.
    """

    mine: bool
    others: bool
    differs: bool


class _SecondPass:
    """The first prompt once as it is, and once for every edit."""

    def __init__(self, sites: Sites, edits: Sequence[_Edit]) -> None:
        self.sites, self.first, self.edits = sites, sites.first, edits
        self.putting: dict[tuple[str, int], Callable[[Tensor], None]] = {}
        for layer in sites.layers:
            self._hold_stream(layer)
        for row, edit in enumerate(edits, start=1):
            for layer, point in enumerate(edit.candidate.points):
                if point is not None and edit.site != "resid_pre":
                    self.putting[point.name, row] = self._edit(layer, point)

    def _hold_stream(self, layer: int) -> None:
        """Every row gets the first prompt's stream, but for that of the stream's own edit."""
        name = f"blocks.{layer}.hook_in"
        for row in range(len(self.edits) + 1):
            other = row > 0 and self.edits[row - 1].site == "resid_pre"
            self.putting[name, row] = _whole(self.first.seen[name][int(other)])
            end = f"blocks.{layer}.{_OUT}"
            if other and layer == self.sites.layers[-1] and end in self.first.seen:
                self.putting[end, row] = _whole(self.first.seen[end][1])

    def _edit(self, layer: int, point: Point) -> Callable[[Tensor], None]:
        """What the second prompt has there, put in: one head's, or one position's."""
        other = self.sites.held(point)[1]

        def put(value: Tensor) -> None:
            part = point.split(value)[0]
            if point.heads is None:
                part[-1] = other[-1]
            else:
                head = layer % point.heads
                part[:, head] = _FACTOR * other[:, head]

        return put

    def _put(self, name: str, value: Tensor, rows: Tensor) -> None:
        for place, row in enumerate(rows.tolist()):
            put = self.putting.get((name, row))
            if put is not None:
                put(value[place : place + 1])

    def succeeds(self) -> bool:
        """Run it and judge every edit; False if that can only be done one by one."""
        names = list(
            {name for name, _ in self.putting}
            | {
                f"blocks.{layer}.{hook}"
                for layer in self.sites.layers
                for hook in (_PATTERN, _Z, _WRITTEN, _MID, _OUT)
            }
            & set(self.first.seen)
        )
        tokens = self.first.tokens[:1].expand(len(self.edits) + 1, -1)
        try:
            logits, self.seen, _ = trial(
                self.first.runs, tokens, sorted(names), self._put, cached=self.first.past
            )
        except ModelError:  # too little memory
            raise
        except Exception as error:  # noqa: BLE001 — whatever an unknown architecture does then
            return self._blame(f"nothing can be put in there ({type(error).__name__})")
        for layer in self.sites.layers:
            found, before = _after(self.seen, layer), _after(self.first.seen, layer)
            if (
                found is not None
                and before is not None
                and not self.sites.near(found[0], before[0])
            ):
                return self._blame("putting its own values back changes the model")
        if not self.first.finite:
            return True
        for row, edit in enumerate(self.edits, start=1):
            edit.candidate.fault = self._fault(edit, row)
            if edit.site == "resid_pre":
                self._check_end(logits[row])
        return True

    def _blame(self, fault: str) -> bool:
        """Put a fault on the only edit; False if there are several."""
        if len(self.edits) == 1:
            self.edits[0].candidate.fault = fault
        return len(self.edits) == 1

    def _check_end(self, logits: Tensor) -> None:
        """With the other prompt's stream after the last layer, the logits are that prompt's."""
        (end,) = self.sites.candidates["resid_post"]
        if end.fault is None and not self.sites.near(logits, self.first.logits[1]):
            end.fault = "its logits are not read from what comes after its last layer"

    def _fault(self, edit: _Edit, row: int) -> str | None:
        """What is wrong with an edit; None if nothing is."""
        for layer, point in enumerate(edit.candidate.points):
            if point is None:
                continue
            moved = self._moved(edit.site, layer, point, row)
            if moved.others:
                if point.heads is None:
                    return f"in layer {layer}, what is put in isn't what is added to the stream"
                return f"what is put into one head's {_HELD[edit.site]} changes other heads too"
            if moved.differs and not moved.mine:
                return f"in layer {layer}, what is put in has no effect"
        return None

    def _moved(self, site: str, layer: int, point: Point, row: int) -> _Moved:
        """What an edit changed in its own layer."""
        own, other = self.sites.held(point)
        if point.heads is None and self._seen(layer, _OUT) is None:
            return _Moved(mine=True, others=False, differs=False)  # what it does isn't shown
        if site == "resid_pre":
            mine = self._changed(layer, _OUT, row)
            return _Moved(mine, others=False, differs=True)
        if point.heads is None:
            mid = f"blocks.{layer}.{_MID}" in self.seen and site != "mlp_out"
            seen = _MID if mid else _OUT
            mine = self._changed(layer, seen, row, (..., -1, slice(None)))
            others = self._changed(layer, seen, row, (..., slice(-1), slice(None)), SAME)
            difference = other[-1] - own[-1]
            if site != "mlp_out":
                others |= not self._added(layer, seen, row, difference)
            return _Moved(mine, others, bool(difference.any()))
        head = layer % point.heads
        difference = _FACTOR * other[:, head] - own[:, head]
        differs = bool(difference.any())
        if site == "head_out":
            mine = self._changed(layer, _WRITTEN, row)
            expected = self._expected(layer, head, difference)
            if expected is None:  # what it should write isn't known
                return _Moved(mine, others=False, differs=differs)
            written = self._seen(layer, _WRITTEN)
            assert written is not None
            others = not self.sites.near(written[row], expected.to(written))
            # A head may write nothing, whatever it mixes.
            return _Moved(mine, others, differs=False)
        heads = self.sites.heads[layer]
        share = heads // point.heads
        touched = torch.zeros(heads, dtype=torch.bool)
        touched[head * share : (head + 1) * share] = True
        mine = others = False
        # Queries and keys go on through the pattern alone; what the model makes of that is its own.
        shown = f"blocks.{layer}.{_PATTERN}" in self.seen
        observed = (_PATTERN,) if shown and site != "head_v" else (_PATTERN, _Z)
        for hook in observed:
            mine |= self._changed(layer, hook, row, touched)
            others |= self._changed(layer, hook, row, ~touched, SAME)
        if shown and site != "head_v":
            # Attention that is all on one token needn't move.
            most = self.seen[f"blocks.{layer}.{_PATTERN}"][0][touched, 1:].amax(-1)
            differs &= bool((most < _SATURATED).any())
        return _Moved(mine, others, differs)

    def _seen(self, layer: int, hook: str) -> Tensor | None:
        """What a hook point was given, ``[row, …]``."""
        if hook == _OUT:
            return _after(self.seen, layer)
        return self.seen.get(f"blocks.{layer}.{hook}")

    def _changed(
        self,
        layer: int,
        hook: str,
        row: int,
        part: Part = ...,
        bounds: dict[torch.dtype, float] | None = None,
    ) -> bool:
        """Whether a part of what a hook point holds is another than in the first row.

        By more than rounding, if there are bounds for it.
        """
        value = self._seen(layer, hook)
        if value is None:
            return False
        if hook == _Z:
            value = self.sites.by_head(layer, value)
        one, base = value[row][part], value[0][part]
        if bounds is None:
            return bool((one != base).any())
        return not self.sites.near(one, base, bounds, value[0])

    def _added(self, layer: int, seen: str, row: int, difference: Tensor) -> bool:
        """Whether the stream moved by what was put in, or by a multiple of it."""
        stream = self._seen(layer, seen)
        if stream is None:
            return True
        moved = exact(stream[row, -1]) - exact(stream[0, -1])
        put = exact(difference)
        factor = (moved @ put) / (put @ put).clamp_min(torch.finfo(put.dtype).tiny)
        return self.sites.sums(moved, factor * put, exact(stream[0, -1]))

    def _expected(self, layer: int, head: int, difference: Tensor) -> Tensor | None:
        """What attention should write with that difference in a head; None if it isn't known."""
        seen = self._seen(layer, _WRITTEN)
        if seen is None or "contributions" in self.sites.refusals:
            return None
        try:
            weights = output_weights(self.first.runs.bridge, layer, self.sites.heads[layer])[head]
        except ModelError:  # packed
            return None
        return exact(seen[0]) + exact(difference) @ exact(weights)
