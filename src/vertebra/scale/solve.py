"""Compound scaling solved for budgets: the largest phi that fits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import brief
from vertebra.costs.budget import Budgets, parse_budgets
from vertebra.costs.count import Cost, cost
from vertebra.costs.memory import memory as memory_of
from vertebra.costs.memory import timeline
from vertebra.errors import ArchitectureError, TransformError, UsageError
from vertebra.scale.compound import Compound, Multipliers
from vertebra.scale.search import Found, Limit, largest
from vertebra.scale.steps import Network, Path, alike, check_scalable
from vertebra.scale.timing import Clock, Timed, within


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """A scaled network, and what stopped it from being larger.

    ``binds``: the budgets that the next larger network, ``above``, would break (``macs``, ``params``, ``memory``,
    ``latency``), and ``beyond`` says by what; empty where there is none, since multipliers may be no larger, or where
    no budget was asked.  ``above_phi`` is that network's phi.
    ``predicted_ms`` and ``measured_ms``: its latency, as far as it was asked for.
    """

    base: Architecture
    coefficients: Compound
    phi: float
    arch: Architecture
    above: Architecture | None = None
    above_phi: float | None = None
    binds: tuple[str, ...] = ()
    beyond: str = ""
    predicted_ms: float | None = None
    measured_ms: float | None = None

    @property
    def multipliers(self) -> Multipliers:
        """Width, depth and resolution multipliers at this phi."""
        return self.coefficients.multipliers(self.phi)

    @property
    def width(self) -> float:
        """The width multiplier; channels are rounded after it."""
        return self.multipliers.width

    @property
    def depth(self) -> float:
        """The depth multiplier; the depths of stages are rounded up after it."""
        return self.multipliers.depth

    @property
    def resolution(self) -> int:
        """Side of its images in px."""
        return self.arch.resolution

    @property
    def cost(self) -> Cost:
        """Its cost at its own resolution."""
        return cost(self.arch)

    @property
    def memory_bytes(self) -> int:
        """Weights and the peak of activations at inference, for one image in float32."""
        return _memory(self.arch)

    @property
    def why(self) -> str:
        """What stopped it, in a sentence."""
        if self.above is None:
            return "no budget binds: no larger multipliers are allowed"
        binds = f"{' and '.join(self.binds)} {'binds' if len(self.binds) == 1 else 'bind'}"
        larger = f"{self.above.name} at {self.above.resolution} px (phi {self.above_phi:g})"
        return f"{binds}: the next larger network, {larger}, {self.beyond}"

    def summary(self) -> dict[str, Any]:
        """Everything as plain data: counts, pixels, multipliers, ms."""
        return {
            "name": self.arch.name,
            "base": self.base.name,
            "phi": self.phi,
            "width": self.width,
            "depth": self.depth,
            "resolution": self.resolution,
            "resolution_multiplier": self.multipliers.resolution,
            "params": self.cost.params,
            "macs": self.cost.macs,
            "activations": self.cost.activations,
            "memory_bytes": self.memory_bytes,
            "predicted_ms": self.predicted_ms,
            "measured_ms": self.measured_ms,
            "binds": self.binds,
            "alpha": self.coefficients.alpha,
            "beta": self.coefficients.beta,
            "gamma": self.coefficients.gamma,
            "hash": self.arch.hash,
        }


def at(arch: Architecture, phi: float, *, coefficients: Compound | None = None) -> Solution:
    """The network at a phi, no budget asked.

    Raises TransformError for a phi at which there is no network, ShapeError where a map vanishes at it.
    """
    _check(arch)
    coefficients = coefficients or Compound()
    coefficients.multipliers(phi)  # what is no number is another fault
    try:
        scaled = coefficients.of(arch, phi)
    except (ArchitectureError, TransformError) as error:  # a depth of 0, a multiplier out of range
        where = f"{error.where}: " if error.where else ""
        raise TransformError(
            f"{arch.name} has no network at phi {phi:g}: {where}{error.what}",
            allowed=error.allowed,
            remedy="name one nearer to 0, or a budget",
        ) from error
    _check(scaled)
    return Solution(base=arch, coefficients=coefficients, phi=phi + 0.0, arch=scaled)


def to(
    arch: Architecture,
    *,
    macs: str | float | None = None,
    params: str | float | None = None,
    memory: str | float | None = None,
    latency: str | float | None = None,
    predict: Clock | None = None,
    measure: Clock | None = None,
    coefficients: Compound | None = None,
    fixed: Collection[str] = (),
    only: Collection[str] = (),
) -> Solution:
    """The network with the largest phi that keeps every budget, scaled from ``arch`` by compound scaling.

    Budgets are numbers or text: ``macs`` and ``params`` are counts (``"600M"``), ``memory`` bytes (``"200MB"``) of
    weights and peak activations for one image in float32, ``latency`` ms (``"8ms"``).  ``predict`` and ``measure`` give
    the latency of an architecture in ms; see ``timing.within``.  Dimensions in ``fixed``, or all but those in ``only``,
    stay as they are.

    Raises UsageError without a budget and for dimensions that make no sense, BudgetError for budgets that are misspelt
    or that nothing fits (with the nearest network and what binds), TransformError for a network that cannot be scaled
    in a dimension, ShapeError for one that does not fit its own resolution.
    """
    budgets = parse_budgets(macs=macs, params=params, memory=memory, latency=latency)
    chosen = (coefficients or Compound()).restricted(fixed=fixed, only=only)
    _check(arch)
    limits = _limits(budgets)
    if not limits and budgets.latency_ms is None:
        raise UsageError("no budget is given", allowed="macs, params, memory, latency")
    check_scalable(arch, chosen)
    path = Path(arch, chosen)
    if budgets.latency_ms is None:
        found = largest(path, limits)
        return _solution(path, found, limits)
    timed = within(path, limits, budgets.latency_ms, predict, measure)
    return _solution(path, timed.found, (*limits, timed.limit), timed)


def _solution(path: Path, found: Found, limits: Collection[Limit], timed: Timed | None = None) -> Solution:
    network, above = found
    binds, beyond = ((), "") if above is None else _stopped(above, limits, timed)
    return Solution(
        base=path.base,
        coefficients=path.coefficients,
        phi=network.phi,
        arch=network.arch,
        above=above and above.arch,
        above_phi=above and above.phi,
        binds=binds,
        beyond=beyond,
        predicted_ms=timed and timed.predicted_ms,
        measured_ms=timed and timed.measured_ms,
    )


def _stopped(above: Network, limits: Collection[Limit], timed: Timed | None) -> tuple[tuple[str, ...], str]:
    """The limits that the next larger network breaks, and by what."""
    broken = [limit for limit in limits if limit.broken_by(above)]
    if broken:
        exact = [one.words(one.counted(above)) for one in broken if one.name != "latency"]
        slow = [one.words(one.counted(above)) for one in broken if one.name == "latency"]
        said = [f"has {' and '.join(exact)}"] if exact else []
        said += [f"is estimated at {ms}" for ms in slow]
        return tuple(limit.name for limit in broken), " and ".join(said)
    return ("latency",), _too_slow(above, timed)


def _too_slow(above: Network, timed: Timed | None) -> str:
    """Why the next larger was not taken, which by estimate would do."""
    slow = timed and timed.slow
    if slow is None:
        return "was not tried: this one is near enough"
    if alike(slow.network.arch, above.arch):
        return f"was measured at {slow.ms:.3g} ms"
    return f"was not tried: {slow.network.arch.name} was measured at {slow.ms:.3g} ms"


def _check(arch: Architecture) -> None:
    """Raise ArchitectureError for what is no architecture, ShapeError where it does not fit its own resolution."""
    if not isinstance(arch, Architecture):
        raise ArchitectureError(f"expected an architecture, got {brief(arch)}")
    _ = cost(arch).macs


def _limits(budgets: Budgets) -> tuple[Limit, ...]:
    """Those that are exact, the quickest to count first."""
    found = []
    if budgets.params is not None:
        found.append(Limit("params", budgets.params, lambda network: network.cost.params, _words("parameters")))
    if budgets.macs is not None:
        found.append(Limit("macs", budgets.macs, lambda network: network.cost.macs, _words("MACs")))
    if budgets.memory_bytes is not None:
        words = _words("bytes of memory")
        found.append(Limit("memory", budgets.memory_bytes, lambda network: _memory(network.arch), words, _least_memory))
    return tuple(found)


def _words(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value:,.0f} {unit}"


def _memory(arch: Architecture) -> int:
    return memory_of(arch).inference_total_bytes


def _least_memory(network: Network) -> float:
    """Without the running statistics, which are little, and without the peak of training, which is not asked."""
    peak = max((moment.bytes for moment in timeline(network.arch)), default=0)
    return network.cost.parameter_bytes + peak
