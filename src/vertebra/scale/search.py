"""The largest network on a path that keeps every limit: by looking at all that may, not by bisection.

Costs are step functions of phi and may fall as it grows (see ``steps``), so that a bisection could stop below a larger
network that fits too.  Here every network is looked at, from the top down, and the first that fits is the answer.  The
top is the one place where something is assumed: above a network that costs HOPELESS times a limit none keeps it.  What
falls where phi grows, a projection that a block no longer needs, is less; in the families here nothing falls but at phi
0, which is always looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vertebra.errors import BudgetError
from vertebra.scale.steps import Network, Path, alike

HOPELESS = 1.5
Count = Callable[[Network], float]


class Limit(NamedTuple):
    """What a network may cost.  ``counted`` says what it does, ``words`` say such a number to a person; ``floor`` is
    quicker than ``counted`` and never more.
    """

    name: str
    most: float
    counted: Count
    words: Callable[[float], str]
    floor: Count | None = None

    def broken_by(self, network: Network, factor: float = 1.0) -> bool:
        """Whether a network costs more than this, or than ``factor`` times this."""
        most = factor * self.most
        return (self.floor is not None and self.floor(network) > most) or self.counted(network) > most


class Found(NamedTuple):
    """The largest network that fits, and the next larger one, which does not (None where there is none)."""

    network: Network
    above: Network | None


def largest(path: Path, limits: Sequence[Limit], below: Network | None = None) -> Found:
    """The network with the largest phi that keeps every limit; raises BudgetError with the nearest where none does.

    ``below``: of those under this one alone, which is then taken not to fit.
    """
    index, top = _top(path, limits)
    above = below
    for network in path.downwards(index):
        if network.phi > top or (below is not None and _not_below(network, below)):
            continue
        if not any(limit.broken_by(network) for limit in limits):
            return Found(network, above)
        above = network
    raise _nothing(limits, _nearest(path, limits, max(index, 0)))


def _not_below(network: Network, other: Network) -> bool:
    return network.phi >= other.phi or alike(network.arch, other.arch)


def _top(path: Path, limits: Sequence[Limit]) -> tuple[int, float]:
    """A window of the path, and the phi in it, above which nothing fits."""

    def hopeless(phi: float) -> bool:
        network = path.at(phi) if phi else None  # the base, whose widths are its own, says nothing of its neighbours
        return network is not None and any(limit.broken_by(network, HOPELESS) for limit in limits)

    def ends_hopeless(index: int) -> bool:
        return any(hopeless(step.phi) for step in path.window(index)[:-4:-1])

    index, last = 0, path.windows.stop - 1
    if ends_hopeless(0):
        while index > path.windows.start and ends_hopeless(index - 1):
            index -= 1
    else:
        while index < last and not ends_hopeless(index):
            index += 1
    steps = path.window(index)
    low, high = 0, len(steps) - 1
    while low < high:  # somewhere from hopeless to not: wherever it ends, the step above is hopeless, or the last
        middle = (low + high) // 2
        low, high = (low, middle) if hopeless(steps[middle].phi) else (middle + 1, high)
    return index, steps[high].phi


def _nearest(path: Path, limits: Sequence[Limit], top: int) -> Network:
    """The network whose worst limit is broken by the smallest factor; of equals the one nearest to the base."""
    found, least = None, float("inf")
    for network in path.downwards(top):
        worst = 0.0
        for limit in limits:
            worst = max(worst, limit.counted(network) / limit.most)
            if worst > least:
                break
        if found is None or worst < least or (worst == least and abs(network.phi) < abs(found.phi)):
            found, least = network, worst
    if found is None:
        raise BudgetError(f"{path.base.name} cannot be scaled at all")
    return found


def _nothing(limits: Sequence[Limit], nearest: Network) -> BudgetError:
    broken = [limit for limit in limits if limit.broken_by(nearest)]
    asked = " and ".join(limit.words(limit.most) for limit in limits)
    has = " and ".join(limit.words(limit.counted(nearest)) for limit in broken)
    resolution = f"{nearest.arch.resolution} px"
    return BudgetError(
        f"no network fits {asked}",
        remedy=f"the nearest, {nearest.arch.name} at {resolution} (phi {nearest.phi:g}), has {has}: "
        f"{' and '.join(limit.name for limit in broken)} {'binds' if len(broken) == 1 else 'bind'}",
    )
