"""load(): an architecture with anybody's weights, without values that would be thrown away."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import brief
from vertebra.errors import ArchitectureError, TransformError, WeightsError
from vertebra.nn.construct import construct, described
from vertebra.weights.adapting import reclassify, with_input_channels
from vertebra.weights.checkpoint import read_checkpoint
from vertebra.weights.matching import Matched, assign, match
from vertebra.weights.naming import weights_of
from vertebra.weights.origin import Origin
from vertebra.weights.sources import Offered, offered


def load(
    of: str | Architecture | None,
    weights: str | Path = "best",
    *,
    classes: int | None = None,
    channels: int | None = None,
    seed: int = 0,
) -> nn.Module:
    """A network with these weights, in evaluation mode.

    ``of`` is a registered name, an architecture, or None where the weights say themselves what they are of.
    ``weights`` is

    - ``"torchvision:IMAGENET1K_V2"``, ``"timm:a1_in1k"`` (see ``vertebra weights``) or ``"best"``: the highest
      published top-1 under a free licence;
    - ``"hub:owner/name"`` or ``"hub:owner/name@revision"``: a repository that vertebra or timm has written, or any
      with ``model.safetensors``;
    - ``"file:PATH"`` or a Path: a file or a folder, of ours or anybody's (safetensors, or a torch file, of which only
      tensors are read); ``"ordered:PATH"`` where nothing but the order in the file, that of execution, can tell.

    ``net.arch`` is the variant of the source that was recognised.  ``net.weights`` (:class:`Origin`) has the
    preprocessing (None where neither the file nor the source says it), the labels, the licence, the published
    accuracy, and a line for each thing that was changed or taken as given: with other ``classes`` than the weights'
    the classifier is a new one, initialised with ``seed``; for other ``channels`` the first kernel is summed (one) or
    repeated (more).
    Values of a file are mapped, not copied: don't write into the file while the network lives (``save`` replaces it,
    which is safe); training does not change the file.
    Raises UnknownNameError for the architecture; WeightsError for an unknown source or weight, a file that is missing,
    broken or wants to run code, tensors that are missing, too many, wrongly shaped or not finite
    (AmbiguousWeightsError where they fit in two ways), and weights without a classifier where none is asked for;
    DownloadError and OfflineError where they cannot be fetched, OutputError where the cache cannot be written;
    TransformError for ``classes`` or ``channels`` that the network cannot have.
    """
    if of is not None and not isinstance(of, str | Architecture):
        described(of)
        raise ArchitectureError("weights need a whole architecture", remedy="build(node, channels=) builds a node")
    for name, value in (("classes", classes), ("channels", channels)):
        if value is not None and (type(value) is not int or value < 1):
            raise TransformError(f"{name} of {brief(value)}", allowed="a whole number from 1")
    if classes is not None and isinstance(of, Architecture):
        of.with_classes(classes)  # raises, before anything is fetched, where there is no classifier
    offer = offered(of, weights)
    given = read_checkpoint(offer.path)
    matched = match(offer.arch, given, ordered=offer.ordered)
    origin = offer.origin.matched(matched.report, matched.variant.channels)
    return _network(of, offer, matched, origin, classes, channels, seed)


def _network(
    of: str | Architecture | None,
    offer: Offered,
    matched: Matched,
    origin: Origin,
    classes: int | None,
    channels: int | None,
    seed: int,
) -> nn.Module:
    stored, tensors, where = matched.variant, matched.tensors, str(offer.path)
    absent = bool(matched.report.absent)
    if absent and classes is None:
        raise WeightsError("has no classifier", where=where, remedy="say how many classes a new one has: classes=10")
    if isinstance(of, Architecture):
        if offer.exact:  # then what was not asked for by an argument must be the file's
            stored = stored if classes is not None or of.classes is None else stored.with_classes(of.classes)
            stored = stored if channels is not None else stored.with_channels(of.channels)
        classes = of.classes if classes is None else classes
        channels = of.channels if channels is None else channels
    if classes is not None:
        stored.with_classes(classes)  # raises where there is no classifier to change
    if absent:
        tensors = tensors | {name: _placeholder(stored, name) for name in matched.report.absent}
    if channels is not None and channels != stored.channels:
        stored, tensors, origin = with_input_channels(stored, tensors, origin, channels)
    with torch.device("meta"):
        net = construct(stored)
    assign(net, tensors, where)
    if classes is not None and (absent or stored.classes != classes):
        reclassify(net, stored.with_classes(classes), seed)
        was = "none" if absent else stored.classes
        note = f"the classifier is new: {classes} classes, where the weights have {was} (seed {seed})"
        origin = msgspec.structs.replace(
            origin.noting(note),
            labels=None,
            top1=None,
            resolution=None,
            top1_source=None,
        )
    net.__dict__["weights"] = origin
    return net.eval()


def _placeholder(arch: Architecture, name: str) -> Tensor:
    """A tensor that takes no memory, for one that is replaced at once."""
    return torch.zeros(()).expand(weights_of(arch)[name].shape)
