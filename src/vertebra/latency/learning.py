"""How an estimator is learned from timed units and timed networks.  Needs torch.

The truth is the time of whole networks as they run; the times of units tell the networks' parts apart.  An engine that
notes each operation's time is slowed down by it, differently for each kind, so::

    network = start + sum of unit over its units + what streaming its weights takes     (as it runs)
    noted unit = unit * factor of its kind + overhead                                   (as the engine notes it)

Both lines are fitted at once, on logarithms, with a loss that outliers cannot rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vertebra.errors import ProfileError
from vertebra.latency.engines import torch_module
from vertebra.latency.estimator import Array, Dense, Estimator, Streaming, excess
from vertebra.latency.features import KINDS, NUMBERS, columns_of, features, megabytes
from vertebra.latency.profile import TimedNetwork, TimedUnit

if TYPE_CHECKING:
    from torch import Tensor

HIDDEN = (64, 64)
"""Wider ones (96, 160) erred as much and took longer to learn."""
MEMBERS = 2
"""Networks whose mean is used: it erred less on families that were left out than one of them; four no less than two."""
STEPS = 2500
UNITS, NETWORKS = 2048, 64
"""Of a step."""

RATE = 4e-3
STARTS = (2e-3, 2e-2, 2e-2, 16.0)
"""From where learning goes: the overhead of noting (ms), the start (ms), a megabyte's milliseconds, the cache's MB."""
LEAST_MS = 5e-4
"""Below that a time is rounding."""

FEWEST = 30
"""Networks without which nothing is learned."""

UNIT_KNEE, NETWORK_KNEE = 0.1, 0.05
"""Relative errors above which the loss grows linearly."""


def learn(
    units: Sequence[TimedUnit],
    networks: Sequence[TimedNetwork],
    *,
    left_out: Sequence[Collection[int]] = (frozenset(),) * MEMBERS,
    steps: int = STEPS,
    advance: Callable[[int, int], None] | None = None,
) -> Estimator:
    """An estimator of these times; ``networks`` count their units by their places in ``units``.

    ``left_out`` holds, for each member, the places of the networks that it does not learn from.  Units without a time
    (None) only stand in networks.  Raises ProfileError for fewer than FEWEST networks, MissingExtraError without torch.
    """
    torch = torch_module()
    check_enough(len(networks))
    table = _Table.of(units, networks, torch)
    trained = []
    for member, places in enumerate(left_out):
        done = member * steps
        tick = None if advance is None else (lambda step, done=done: advance(done + step, len(left_out) * steps))
        trained.append(_trained(table.without(places, torch), torch, seed=member, steps=steps, tick=tick))
    start, per_mb, cache = (math.exp(float(np.mean(ends))) for ends in zip(*(one.ends for one in trained), strict=True))
    return Estimator(
        mean=Array.of(table.mean),
        scale=Array.of(table.scale),
        members=tuple(one.layers for one in trained),
        start_ms=start,
        streaming=Streaming(ms_per_mb=per_mb, cache_mb=cache),
    )


def check_enough(timed: int) -> None:
    """Raises ProfileError for fewer than FEWEST networks."""
    if timed < FEWEST:
        allowed, remedy = f"at least {FEWEST}", "give it more minutes"
        raise ProfileError(f"{timed} networks were timed", allowed=allowed, remedy=remedy)


class _Member(NamedTuple):
    layers: tuple[Dense, ...]
    ends: tuple[float, float, float]
    """Logarithms: of the start's milliseconds, of those of a megabyte, and of the cache's megabytes."""


class _Table(NamedTuple):
    """What is learned from, as tensors."""

    mean: np.ndarray
    scale: np.ndarray
    features: Tensor
    kinds: Tensor
    timed: Tensor
    """Places of the units that have a time."""
    logs: Tensor
    weights: Tensor
    networks: list[tuple[Tensor, Tensor]]
    """Places and counts of each network's units."""
    read: Tensor
    """Megabytes of weights that each network reads."""
    totals: Tensor
    """The logarithms of the networks' milliseconds."""

    @classmethod
    def of(cls, units: Sequence[TimedUnit], networks: Sequence[TimedNetwork], torch: Any) -> _Table:
        columns = columns_of(one.unit for one in units)
        rows, reads = features(columns), megabytes(columns)
        mean, scale = rows.mean(0), rows.std(0) + 1e-3
        mean[NUMBERS:], scale[NUMBERS:] = 0.0, 1.0
        timed = [place for place, one in enumerate(units) if one.ms is not None]
        times = torch.tensor([max(units[place].ms or 0.0, LEAST_MS) for place in timed])
        weights = times.sqrt() * torch.tensor([float(units[place].times) for place in timed]).sqrt()
        return cls(
            mean,
            scale,
            torch.from_numpy((rows - mean) / scale),
            torch.tensor([KINDS.index(one.unit.kind) for one in units]),
            torch.tensor(timed, dtype=torch.long),
            times.log(),
            weights / weights.mean() if timed else weights,
            [_counted(one, torch) for one in networks],
            torch.tensor([sum(reads[place] * times for place, times in one.units) for one in networks]).float(),
            torch.tensor([one.ms for one in networks]).log(),
        )

    def without(self, places: Collection[int], torch: Any) -> _Table:
        """The networks at some places left out."""
        kept = [place for place in range(len(self.networks)) if place not in places]
        at = torch.tensor(kept, dtype=torch.long)
        return self._replace(
            networks=[self.networks[place] for place in kept], read=self.read[at], totals=self.totals[at]
        )


def _counted(network: TimedNetwork, torch: Any) -> tuple[Tensor, Tensor]:
    places, counts = zip(*network.units, strict=True)
    return torch.tensor(places), torch.tensor(counts, dtype=torch.float32)


def _trained(table: _Table, torch: Any, *, seed: int, steps: int, tick: Callable[[int], None] | None) -> _Member:
    draw = torch.Generator().manual_seed(seed)
    net = _network(table.features.shape[1], torch, draw)
    noted = torch.zeros(len(KINDS), requires_grad=True)  # logarithm of the factor of each kind
    ends = torch.tensor([math.log(value) for value in STARTS], requires_grad=True)
    groups = [{"params": net.parameters(), "weight_decay": 1e-3}, {"params": [noted, ends], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        loss = _network_loss(table, net, ends[1:].exp(), torch, draw) + 0.05 * noted.square().mean()
        if len(table.timed):
            loss = loss + _unit_loss(table, net, noted, ends[0], torch, draw)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if tick is not None:
            tick(step + 1)
    dense = [one for one in net if isinstance(one, torch.nn.Linear)]
    layers = tuple(Dense(Array.of(one.weight.detach().numpy().T), Array.of(one.bias.detach().numpy())) for one in dense)
    start, per_mb, cache = ends[1:].tolist()
    return _Member(layers, (start, per_mb, cache))


def _network(width: int, torch: Any, draw: Any) -> Any:
    """Linear layers with SiLU between, started by LeCun's rule (variance 1 / inputs) from a generator of their own."""
    layers: list[Any] = []
    for enters, leaves in zip((width, *HIDDEN), (*HIDDEN, 1), strict=True):
        linear = torch.nn.utils.skip_init(torch.nn.Linear, enters, leaves)
        with torch.no_grad():
            linear.weight.normal_(0, math.sqrt(1 / enters), generator=draw)
            linear.bias.zero_()
        layers += [linear, torch.nn.SiLU()]
    return torch.nn.Sequential(*layers[:-1])


def _unit_loss(table: _Table, net: Any, noted: Tensor, overhead: Tensor, torch: Any, draw: Any) -> Any:
    chosen = torch.randint(len(table.timed), (UNITS,), generator=draw)
    places = table.timed[chosen]
    logs = net(table.features[places]).squeeze(1) + noted[table.kinds[places]]
    error = torch.logaddexp(logs, overhead) - table.logs[chosen]
    return (table.weights[chosen] * _huber(error, UNIT_KNEE, torch)).mean()


def _network_loss(table: _Table, net: Any, ends: Tensor, torch: Any, draw: Any) -> Any:
    chosen = torch.randperm(len(table.networks), generator=draw)[:NETWORKS].tolist()
    places = torch.cat([table.networks[one][0] for one in chosen])
    counts = torch.cat([table.networks[one][1] for one in chosen])
    owners = torch.cat([torch.full_like(table.networks[one][0], row) for row, one in enumerate(chosen)])
    times = net(table.features[places]).squeeze(1).exp() * counts
    start, per_mb, cache = ends
    streamed = per_mb * excess(table.read[chosen], cache)
    totals = torch.zeros(len(chosen)).index_add(0, owners, times) + start + streamed
    return _huber(totals.log() - table.totals[chosen], NETWORK_KNEE, torch).mean()


def _huber(error: Tensor, knee: float, torch: Any) -> Any:
    """Over ``knee``, so that errors beyond it count as they are."""
    size = error.abs()
    return torch.where(size < knee, size * size / (2 * knee), size - knee / 2)
