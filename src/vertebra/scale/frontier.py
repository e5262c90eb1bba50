"""The frontier: which scaled networks hold the most for what they cost, without training any.

On a Pareto front of costs alone the smallest network wins everything.  What is looked for is *capacity* under a cost:

- **Paid** is one quantity, the one that a user has a budget for: predicted latency, else MACs, else parameters.
- **Held** are the counts that are not paid: of MACs, parameters and activations.  Within a family, trained alike, more
  of them is more accuracy as long as the dimensions are scaled together (Tan and Le 2019, section 3).  Networks that
  were scaled in different ways to equal MACs reach about the same accuracy, and differ widely in parameters,
  activations and run time (Dollár, Singh and Girshick 2021, Fast and Accurate Model Scaling, arXiv:2103.06877).
- A variant **beats** another of its family if it pays no more, holds no less of each count, and is not equal in all.
  The frontier is what none beats: more capacity would have to be paid for.
- **Families are not compared by counts**, since a multiply-accumulate does not do the same in each (VGG-16 has 40 times
  those of EfficientNet-B0, and is less accurate).  Between them stands what is published: a variant is shown with the
  most accurate published member of its family that it holds in all three counts, and the least accurate that holds it.
- The **best for a budget** in a family is, of all within the budget, the one that holds the most accurate published
  member, and of those the one with the most MACs.  Where latency is paid it is on the frontier, since what beats it
  would hold all that it holds.  Families are listed by that member's accuracy.

So what is shown is exact (counts), predicted (latency) or published (accuracy), and no accuracy is made up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.costs.budget import Range
from vertebra.errors import BudgetError, UsageError
from vertebra.scale.bases import every_member
from vertebra.scale.pareto import pareto
from vertebra.scale.references import Bracket, Reference, bracketed, references
from vertebra.scale.space import space
from vertebra.scale.variants import Clock, Quantity, Variant, Variants
from vertebra.zoo.entry import Family

COUNTS: tuple[Quantity, ...] = ("macs", "params", "activations")
VARIANTS = 5000
"""Laid out where no number is asked for."""
MOST_BUDGETS = 10
"""Budgets that are shown at two or three a decade; of a longer range there is one a decade."""

Limits = Mapping[Quantity, Range]


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """The best of one family for a budget, and the published members of it that it holds and that hold it.

    ``index``: its place among the frontier's variants.  ``interval``: of its predicted latency in ms, where known.
    """

    budget: float
    index: int
    variant: Variant
    above: Reference | None
    below: Reference | None
    interval: tuple[float, float] | None = None


class Frontier(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Variants within the limits, in ascending order of what is paid, and which of them none of their family beats.

    ``laid_out``: how many there were before the limits.  ``best``: by budget, and for each by the published accuracy of
    what is held.
    """

    paid: Quantity
    limits: dict[Quantity, Range]
    laid_out: int
    variants: Variants
    mask: NDArray[np.bool_]
    bracket: Bracket
    budgets: tuple[float, ...]
    best: tuple[Best, ...]

    @property
    def held(self) -> tuple[Quantity, ...]:
        """The counts of which more is better."""
        return tuple(one for one in COUNTS if one != self.paid)

    @property
    def in_reach(self) -> NDArray[np.bool_]:
        """Which variants pay at least what was asked for as the lower end."""
        least = self.limits[self.paid].least if self.paid in self.limits else 0.0
        return np.asarray(self.variants.column(self.paid) >= least)

    @property
    def reached(self) -> int:
        """How many variants are in reach."""
        return int(self.in_reach.sum())

    @property
    def places(self) -> NDArray[np.intp]:
        """The places of the frontier's variants that are in reach."""
        return np.flatnonzero(self.mask & self.in_reach)


def frontier(
    families: Sequence[Family],
    *,
    limits: Limits,
    clock: Clock | None = None,
    interval: Callable[[Architecture], tuple[float, float]] | None = None,
    variants: int = VARIANTS,
    classes: int = 1000,
    sides: tuple[int, int] | None = None,
) -> Frontier:
    """The frontier of about so many scaled variants of every member of these families.

    ``limits``: what a variant may cost, in ms and counts; of what is paid the lower end is only where the budgets
    begin.  ``clock`` predicts latencies (ms), and ``interval`` where one lies; without them MACs are paid, or
    parameters where they alone are limited.
    ``sides``: resolutions in px, from and to.  Raises BudgetError, with what binds and the nearest variant, where none
    keeps the limits; UsageError for none of anything, and for a latency that nothing predicts.
    """
    if clock is None and "latency" in limits:
        raise UsageError("a latency is limited, and nothing predicts it", remedy="hand in clock=")
    if not families or variants < 1:
        raise UsageError(f"{variants} variants of {len(families)} families", allowed="at least one of each")
    laid_out = space(every_member(families, classes=classes), variants=variants, sides=sides)
    within = _kept(laid_out, {name: limit for name, limit in limits.items() if name != "latency"}, _paid(limits, clock))
    if clock is not None:
        within = within.timed(clock)
    found = frontier_of(within, limits, paid=_paid(limits, clock), known=references(families, classes=classes))
    best = found.best
    if interval is not None:
        made = found.variants.arch
        best = tuple(msgspec.structs.replace(one, interval=interval(made(one.index))) for one in best)
    return msgspec.structs.replace(found, laid_out=len(laid_out), best=best)


def frontier_of(variants: Variants, limits: Limits, *, paid: Quantity, known: Sequence[Reference]) -> Frontier:
    """The frontier of variants that are laid out, and timed if latency is paid or limited; raises BudgetError."""
    within = _kept(variants, limits, paid)
    within = within.where(np.argsort(within.column(paid), kind="stable"))
    mask, bracket = unbeaten(within, paid), bracketed(within, known)
    budgets = budgets_of(limits.get(paid, Range()), within.column(paid))
    best = tuple(one for budget in budgets for one in _best(within, bracket, paid, budget))
    return Frontier(
        paid=paid,
        limits=dict(limits),
        laid_out=len(variants),
        variants=within,
        mask=mask,
        bracket=bracket,
        budgets=budgets,
        best=best,
    )


def unbeaten(variants: Variants, paid: Quantity) -> NDArray[np.bool_]:
    """Which variants none of their family beats: see the definition above."""
    columns = [variants.column(paid), *(-variants.column(one) for one in COUNTS if one != paid)]
    mask = np.zeros(len(variants), bool)
    family = variants.family
    for place in range(len(variants.families)):
        own = np.flatnonzero(family == place)
        mask[own[pareto([column[own] for column in columns])]] = True
    return mask


def budgets_of(reach: Range, values: NDArray[Any]) -> tuple[float, ...]:
    """The budgets to show: 1, 2 and 5 of each decade, and both ends of the range.

    Of a range without a lower end that is its upper end alone; without both, as far as the values reach.
    """
    if math.isinf(reach.most) and not reach.least:
        return _round_numbers(float(values.min()), float(values.max())) or (float(values.max()),)
    most = float(values.max()) if math.isinf(reach.most) else reach.most
    if not reach.least:
        return (most,)
    between = (value for value in _round_numbers(reach.least, most) if reach.least < value < most)
    return tuple(dict.fromkeys((min(reach.least, most), *between, most)))


def _round_numbers(least: float, most: float) -> tuple[float, ...]:
    decades = range(math.floor(math.log10(least)), math.floor(math.log10(most)) + 1)
    for digits in ((1, 2, 5), (1,)):
        every = (digit * 10.0**decade for decade in decades for digit in digits)
        found = tuple(value for value in every if least <= value <= most)
        if len(found) <= MOST_BUDGETS:
            break
    return found


def _best(variants: Variants, bracket: Bracket, paid: Quantity, budget: float) -> tuple[Best, ...]:
    costs, family = variants.column(paid), variants.family
    top1 = np.nan_to_num(bracket.top1, nan=-1.0)
    found = []
    for place in range(len(variants.families)):
        own = np.flatnonzero((family == place) & (costs <= budget))
        if not len(own):
            continue
        earlier = -np.arange(len(variants))  # of twins the one that is registered first
        order = (earlier, variants.activations, variants.params, -costs, variants.macs, top1)  # the last counts first
        index = int(own[np.lexsort([column[own] for column in order])[-1]])
        found.append(
            Best(
                budget=budget,
                index=index,
                variant=variants.variant(index),
                above=bracket.above_of(index),
                below=bracket.below_of(index),
            )
        )
    return tuple(sorted(found, key=_standing))


def _standing(one: Best) -> tuple[int, float]:
    """Accuracies on 1000 classes before those on ten, the better first, what holds nothing published last."""
    return (0, 0.0) if one.above is None else (-(one.above.task or 0), -one.above.top1)


def _paid(limits: Limits, clock: Clock | None) -> Quantity:
    if clock is not None:
        return "latency"
    return "params" if "params" in limits and "macs" not in limits else "macs"


def _kept(variants: Variants, limits: Limits, paid: Quantity) -> Variants:
    """Those that keep the limits; of what is paid the lower end is no limit."""
    masks, meant = {}, dict(limits)
    for name, limit in limits.items():
        values = variants.column(name)
        masks[name] = (values >= limit.least) & (values <= limit.most)
        if name == paid and masks[name].any():
            meant[name], masks[name] = Range(most=limit.most), values <= limit.most
    every = np.logical_and.reduce([np.ones(len(variants), bool), *masks.values()])
    if not every.any():
        raise _nothing(variants, meant, masks)
    return variants.where(every)


def _nothing(variants: Variants, limits: Limits, masks: Mapping[Quantity, NDArray[np.bool_]]) -> BudgetError:
    """What binds, and the variant that comes nearest."""
    if not len(variants):
        return BudgetError("no network fits pictures this small", remedy="allow a larger --resolution")
    empty = next((name for name, mask in masks.items() if not mask.any()), None)
    if empty is not None:
        # Latencies are those of the variants that keep the other limits.
        others = [_limit_said(name, limits[name]) for name in masks if name != empty == "latency"]
        whose = f" with {' and '.join(others)}" if others else ""
        index = _nearest(variants, {empty: limits[empty]})
        values = variants.column(empty)
        which = {int(values.argmin()): "least", int(values.argmax()): "most"}.get(index, "nearest")
        return BudgetError(
            f"no variant{whose} has {_limit_said(empty, limits[empty])}",
            where=f"--{empty}",
            remedy=f"the {which} is {_said(empty, values[index])} ({variants.variant(index).name})",
        )
    binding = {name: int(mask.sum()) for name, mask in masks.items() if not mask.all()}
    index = _nearest(variants, {name: limits[name] for name in binding})
    has = " and ".join(_said(name, variants.column(name)[index]) for name in binding)
    alone = ", ".join(f"--{name} alone leaves {count:,}" for name, count in binding.items())
    return BudgetError(
        "no variant keeps all limits: " + " and ".join(_limit_said(name, limits[name]) for name in binding),
        remedy=f"the nearest, {variants.variant(index).name}, has {has}; of {len(variants):,} variants {alone}",
    )


def _nearest(variants: Variants, limits: Limits) -> int:
    """The place of the variant that misses the limit it breaks most by the smallest factor."""
    factors = [
        np.maximum(variants.column(name) / limit.most, limit.least / variants.column(name))
        for name, limit in limits.items()
    ]
    return int(np.maximum.reduce(factors).argmin())


def _limit_said(name: Quantity, limit: Range) -> str:
    least = f"at least {_said(name, limit.least)}" if limit.least else ""
    most = f"at most {_said(name, limit.most)}" if not math.isinf(limit.most) else ""
    return " and ".join(part for part in (least, most) if part)


def _said(name: Quantity, value: float) -> str:
    return f"{value:.3g} ms" if name == "latency" else f"{int(value):,} {WORDS[name]}"


WORDS: dict[Quantity, str] = {
    "latency": "ms",
    "macs": "MACs",
    "params": "parameters",
    "activations": "activations",
}
