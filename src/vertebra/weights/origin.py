"""What comes with weights: where they are from, what they want of a picture, the names of their classes, their licence.

It stands on a loaded network as ``net.weights``, in the ``config.json`` of a saved folder, and in the header of a
saved file.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import from_data
from vertebra.arch.encoding import to_data
from vertebra.arch.record import brief
from vertebra.data.preprocess import Preprocess
from vertebra.errors import DataError, UnknownNameError, VertebraError, WeightsError
from vertebra.version import installed
from vertebra.weights.catalogue import IMAGENET, Weight, imagenet, statistics, usual
from vertebra.weights.report import Report
from vertebra.zoo.registry import variant

FORMAT = 1
HEADER = "vertebra"
"""The key of the description in a safetensors header."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a network's weights come from and what came with them; None where that is not known.

    ``name`` is what ``vertebra.load`` was asked for.  ``top1`` in percent was published for these weights at
    ``resolution`` px; a new classifier makes it and ``labels`` None.  ``notes`` say in a line each what was changed or
    chosen; ``report`` how the tensors were matched.
    """

    name: str
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    licence: str | None = None
    top1: float | None = None
    resolution: int | None = None
    top1_source: str | None = None
    notes: tuple[str, ...] = ()
    report: Report | None = None

    def noting(self, *lines: str) -> Origin:
        """A copy with more notes."""
        return msgspec.structs.replace(self, notes=(*self.notes, *lines))

    def matched(self, report: Report, channels: int) -> Origin:
        """A copy with the report, and with the preprocessing of the project whose names the tensors have.

        That is taken, and noted, where nothing else says it, the network sees so many ``channels``, and all that the
        project has published of it agrees in mean and deviation, as torchvision's GoogLeNet does in 0.5.
        """
        known = msgspec.structs.replace(self, report=report)
        found = usual(report.name, report.naming) if self.preprocess is None else None
        if found is None or not found[1] or len(found[0].mean) != channels:
            return known
        how = found[0].preprocess()
        note = f"its preprocessing is not known; taken as that of {report.naming}'s weights: {statistics(how)}"
        return msgspec.structs.replace(known.noting(note), preprocess=how)

    @classmethod
    def published(cls, weight: Weight, name: str, *notes: str) -> Origin:
        """That of a weight of the catalogue."""
        return cls(
            name=name,
            preprocess=weight.input.preprocess(),
            labels=weight.labels,
            licence=weight.licence,
            top1=weight.top1,
            resolution=weight.resolution,
            top1_source=weight.top1_source,
            notes=notes,
        )


class Described(msgspec.Struct, frozen=True):
    """An architecture and what came with its weights, as a file beside them says.

    ``arch`` is None for a network that is not here; ``called`` is what the file calls it.
    """

    arch: Architecture | None
    origin: Origin
    called: str


def description(arch: Architecture, origin: Origin | None) -> dict[str, Any]:
    """A network's architecture and what came with its weights as plain data."""
    kept: dict[str, Any] = {}
    if origin is not None:
        plain = msgspec.to_builtins(origin)
        kept = {name: plain[name] for name in _KEPT if plain[name] is not None}
    return {
        "library_name": "vertebra",
        "vertebra": installed(),
        "format": FORMAT,
        "architecture": to_data(arch),
        "hash": arch.hash,
        **kept,
    }


_KEPT = ("name", "preprocess", "labels", "licence", "top1", "resolution", "top1_source")


class _Ours(msgspec.Struct, frozen=True):
    """The fields of a description of ours that are read."""

    format: int
    architecture: dict[str, Any]
    hash: str
    name: str = ""
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    licence: str | None = None
    top1: float | None = None
    resolution: int | None = None
    top1_source: str | None = None


def read_description(raw: bytes | str, name: str, where: str) -> Described | None:
    """What a ``config.json``, ours or timm's, says of the weights beside it; None where it says nothing that we know.

    Raises WeightsError for a description of ours that is broken, of a later format, or whose blocks have since changed
    their meaning.
    """
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WeightsError(f"cannot be read: {error}", where=where) from None
    if not isinstance(found, dict):
        return None
    if found.get("library_name") == "vertebra":
        return _ours(found, name, where)
    return _timms(found, name) if isinstance(found.get("architecture"), str) else None


def _ours(found: dict[str, Any], name: str, where: str) -> Described:
    try:
        read = msgspec.convert(found, _Ours)
        arch = from_data(read.architecture, Architecture, "$.architecture")
    except (msgspec.ValidationError, VertebraError) as error:
        raise WeightsError(f"cannot be read: {error}", where=where) from None
    if read.format != FORMAT:
        raise WeightsError(f"is of format {read.format}", where=where, allowed=str(FORMAT), remedy="update vertebra")
    if arch.hash != read.hash:
        raise WeightsError(
            "describes another network than when it was written: a block has changed its meaning",
            where=where,
            remedy="use the version of vertebra that it names",
        )
    origin = Origin(
        name=name,
        preprocess=read.preprocess,
        labels=read.labels,
        licence=read.licence,
        top1=read.top1,
        resolution=read.resolution,
        top1_source=read.top1_source,
    )
    return Described(arch, origin, arch.name)


def _timms(found: dict[str, Any], name: str) -> Described:
    """timm's ``config.json``: ``architecture``, ``num_classes`` and ``pretrained_cfg``, or all of it at the top."""
    config = found.get("pretrained_cfg")
    config = {**found, **config} if isinstance(config, dict) else found
    called: str = found["architecture"]
    arch: Architecture | None
    try:
        arch = variant(called, "timm")
    except UnknownNameError:
        arch = None
    classes = found.get("num_classes", config.get("num_classes"))
    if arch is not None and isinstance(classes, int) and classes > 0 and arch.classes is not None:
        arch = arch.with_classes(classes)
    labels = found.get("label_names", config.get("label_names", config.get("labels")))
    known = imagenet() if classes == IMAGENET and labels is None else None
    if isinstance(labels, list) and len(labels) == classes and all(isinstance(one, str) for one in labels):
        known = tuple(labels)
    licence = config.get("license")
    origin = Origin(name=name, labels=known, licence=licence if isinstance(licence, str) else None)
    try:
        return Described(arch, msgspec.structs.replace(origin, preprocess=_timms_preprocess(config)), called)
    except (DataError, TypeError, ValueError, LookupError) as error:
        return Described(arch, origin.noting(f"its preprocessing is not known: {brief(str(error))}"), called)


def _timms_preprocess(config: dict[str, Any]) -> Preprocess:
    _, height, width = config.get("input_size", (3, 224, 224))
    mode, share = config.get("crop_mode", "center"), config.get("crop_pct", 0.875)
    squash = mode == "squash"
    if height != width or mode not in ("center", "squash") or (squash and share != 1):
        raise DataError(f"{width} x {height} px, {mode} {share}", where=f"{config['architecture']}", allowed="a square")
    return Preprocess(
        size=height,
        resize=math.floor(height / share),
        fit="squash" if squash else "crop",
        interpolation=config.get("interpolation", "bicubic"),
        mean=tuple(config.get("mean", (0.485, 0.456, 0.406))),
        std=tuple(config.get("std", (0.229, 0.224, 0.225))),
    )
