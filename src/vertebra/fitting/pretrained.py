"""From an offer of weights to a network for the data's classes that starts from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.arch.primitives import Linear
from vertebra.data.preprocess import Preprocess
from vertebra.errors import OutputError, WeightsError
from vertebra.fitting.offers import Offer
from vertebra.nn.construct import construct, layers_of
from vertebra.nn.initialise import initialise
from vertebra.weights.catalogue import find, statistics
from vertebra.weights.load import load
from vertebra.weights.matching import assign
from vertebra.weights.naming import classifier_of
from vertebra.weights.origin import Origin
from vertebra.weights.published import located

HERE = ("file", "hub")
"""Sources whose file is there by the time that it is offered."""
UNKNOWN = "unknown"
"""The naming of tensors that were aligned by structure."""

Say = Callable[[str], None]


class CacheError(WeightsError):
    """Weights for which the cache has no room, or that it cannot be written to."""


def network(arch: Architecture, offer: Offer, *, seed: int, say: Say = lambda line: None) -> nn.Module:
    """``arch`` (the offer's network with other classes, resolution or strides) with the offer's weights.

    The classifier is new, initialised with ``seed``.  ``say`` gets a line for each thing that was changed or chosen.
    Raises WeightsError where the weights cannot be had, be it that the disk is full, or are of another network.
    """
    with _of_the_weights():
        loaded = load(offer.arch, offer.source, classes=arch.classes, seed=seed)
    for line in remarks(loaded, offer.preprocess):
        say(f"{offer.name}: {line}")
    with torch.device("meta"):
        net = construct(arch)
    # Copies: what is loaded may be mapped from a file that somebody else replaces while this trains.
    assign(net, {name: value.clone() for name, value in loaded.state_dict().items()}, offer.source)
    # Always a new one: as many classes as before may still be others.
    head = [layer for layer in layers_of(arch) if isinstance(layer.node, Linear)][-1]
    initialise(net, [head], arch.initialisation, seed)
    return net


def usable(offers: Sequence[Offer], say: Say) -> tuple[Offer, ...]:
    """The offers but for files that are here and cannot be used, each of which is named in a line.

    Raises WeightsError where of several none can be used.
    """
    kept: list[Offer] = []
    faults: list[WeightsError] = []
    for offer in offers:
        try:
            if offer.source.partition(":")[0] in HERE:
                load(offer.arch, offer.source, classes=offer.arch.classes)
        except WeightsError as error:
            faults.append(error)
            if len(offers) > 1:
                say(f"{offer.name} is left out: {error}")
        else:
            kept.append(offer)
    if faults and not kept:
        raise faults[0]
    return tuple(kept)


def fetch(offer: Offer, within: float) -> None:
    """Bring a published weight into the cache within so many seconds; what has come by then is kept.

    Raises WeightsError where it cannot be had, or not in that time.
    """
    with _of_the_weights():
        located(find(offer.name, offer.source), within=within)


@contextmanager
def _of_the_weights() -> Iterator[None]:
    """A fault of the cache counts as one of the weights, CacheError: nothing else is written here."""
    try:
        yield
    except OutputError as error:
        raise CacheError(error.what, where=error.where, allowed=error.allowed, remedy=error.remedy) from None


def remarks(net: nn.Module, how: Preprocess) -> tuple[str, ...]:
    """What a user should know of loaded weights: a line for each thing that was changed or chosen, among them ``how``
    pictures are prepared where nothing says it, and some on how the tensors were matched where nobody knew their names.
    """
    origin: Origin = net.__dict__["weights"]  # load() leaves it there
    report, lines = origin.report, list(origin.notes)
    if report is not None and report.naming == UNKNOWN:
        lines += [line.strip() for line in str(report).removeprefix(f"{report.name}: ").splitlines()]
    if origin.preprocess is None:
        lines.append(f"its preprocessing is not known; taken as {statistics(how)}")
    return tuple(lines)


def fingerprint(net: nn.Module) -> str:
    """SHA-256 of the names and values of all but the classifier, whatever file they came in."""
    head = classifier_of(net.__dict__["arch"])
    body: Mapping[str, Tensor] = {name: value for name, value in net.state_dict().items() if name not in head}
    digest = hashlib.sha256()
    for name in sorted(body):
        value = body[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.numpy().data)
    return digest.hexdigest()


def check(found: str, expected: str | None, source: str) -> None:
    """Raise WeightsError where weights are not those that a run was begun with."""
    if expected is not None and found != expected:
        raise WeightsError(
            f"are other weights than before: SHA-256 {found[:12]}, not {expected[:12]}",
            where=source,
            remedy="bring back the weights that the run began with, or start anew",
        )
