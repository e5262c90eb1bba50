"""embed(): a vector for each picture of a collection, into one file; what was done before a stop is not done again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vertebra.arch.architecture import Architecture
from vertebra.bundle.manifest import MANIFEST
from vertebra.data.archive import open_tar
from vertebra.data.dataset import Dataset, Sample, Source
from vertebra.data.folder import FolderSource, scan
from vertebra.data.inspect import Bad
from vertebra.data.layout import looks_like_picture
from vertebra.data.preprocess import Preprocess, normalised, sized
from vertebra.data.sources import open_data
from vertebra.data.threads import each
from vertebra.errors import DataError, ImageError, Interrupted, UsageError
from vertebra.fitting.console import Advance, Quiet, Watcher
from vertebra.fitting.embedding_files import Job, Parts, check_place, written
from vertebra.fitting.finding import CONFIG, FILES, bundled, offer_for
from vertebra.fitting.offers import Offer, preprocess_of
from vertebra.fitting.pretrained import fingerprint, remarks
from vertebra.nn import embeddings
from vertebra.train.device import device_named, use_own_cores
from vertebra.train.memory import keep_freed_memory
from vertebra.weights.load import load
from vertebra.zoo.registry import aliases, architecture, names

AT_ONCE = 64
"""Pictures that go through the network together."""
A_PART = 256
"""Pictures whose vectors are written together: what a stop may lose."""


class Embedded(msgspec.Struct, frozen=True, kw_only=True):
    """What :func:`embed` leaves: the file at ``path`` with ``n`` vectors of ``size`` numbers, and the ``bad`` pictures
    that have none."""

    path: Path
    n: int
    size: int
    bad: tuple[Bad, ...]


class Model(msgspec.Struct, frozen=True):
    """A network that gives float32[N, D], what is done to pictures before, and how it and its weights are told.

    ``architecture`` is the hash of the network, ``remarks`` what a user should know of its weights, line by line.
    """

    net: nn.Module
    preprocess: Preprocess
    source: str
    fingerprint: str
    architecture: str
    remarks: tuple[str, ...]


def embed(
    model: str | Path | Architecture,
    data: str | Path,
    out: str | Path,
    *,
    weights: str | Path | None = None,
    resolution: int | None = None,
    force: bool = False,
    watcher: Watcher | None = None,
) -> Embedded:
    """A vector for each picture of ``data`` (a folder, with or without classes, or a ``.tar`` of one) into ``out``.

    ``model``: a bundle, a saved network (a folder, a file, ``hub:owner/name``), or an architecture or its registered
    name with the source of its ``weights``.  A vector is what reaches the network's classifier; its last map averaged
    over the positions where it has none.  ``out`` ends in
    ``.parquet`` (columns ``path``, ``label``, which is null without classes, and ``embedding``, a list of fixed size of
    float32) or ``.npz`` (arrays of the same names).  ``resolution`` in px is the weights' own by default; at another
    one the same part of a picture is seen.  Pictures that cannot be read are left out and listed.  After a stop the
    same call goes on.

    Raises DataError for data without a picture, WeightsError for weights that cannot be had, OutputError for a place
    that is taken, UsageError for arguments without sense, MissingExtraError without pyarrow, Interrupted after Ctrl-C.
    """
    watcher = watcher or Quiet()
    place = Path(os.path.abspath(out))
    check_place(place, force=force)
    dataset = collection(str(data), watcher)
    samples = dataset.samples
    use_own_cores()
    keep_freed_memory()
    ready = model_of(model, weights, resolution)
    for line in ready.remarks:
        watcher.say(f"note: {line}")
    job = Job.of(
        [(sample.path, _label(dataset, sample)) for sample in samples],
        fingerprint=ready.fingerprint,
        architecture=ready.architecture,
        preprocess=ready.preprocess,
        part=A_PART,
    )
    parts = Parts.opened(place, job, force=force)
    try:
        _embedded(ready, dataset, parts, watcher)
        bad = parts.bad()
        for path, reason in bad:
            watcher.say(f"left out: {path}: {reason}")
        n, size = written(place, parts, job, ready.source)
        parts.remove()
    except KeyboardInterrupt:
        raise Interrupted("stopped", remedy=f"the same command goes on (what is done is in {parts.path})") from None
    finally:
        parts.release()  # last: another run must find them locked until they are gone
    watcher.say(f"{n:,} embeddings of {size} numbers: {out}")
    return Embedded(path=Path(out), n=n, size=size, bad=bad)


def _embedded(model: Model, dataset: Dataset, parts: Parts, watcher: Watcher) -> None:
    """Every part that is not there yet."""
    samples = dataset.samples
    starts = range(0, len(samples), A_PART)
    done = sum(len(samples[start : start + A_PART]) for number, start in enumerate(starts) if parts.has(number))
    if done:
        watcher.say(f"going on after a stop: {done:,} of {len(samples):,} pictures are done")
    with watcher.task(f"embedding {len(samples):,} pictures") as advance:
        for number, start in enumerate(starts):
            some = samples[start : start + A_PART]
            if not parts.has(number):
                parts.write(number, *_vectors(model, dataset, some, start, advance))
            advance(start + len(some), len(samples), "")


def collection(spec: str, watcher: Watcher) -> Dataset:
    """The pictures, with classes where folders name them; else all pictures there are, under the label -1."""
    try:
        return open_data(spec)
    except DataError as error:
        found = _unlabelled(spec)
        if found is None:
            raise
        watcher.say(f"note: no labels: {error}")
        return found


def _unlabelled(spec: str) -> Dataset | None:
    """Every file that is named like a picture; None where there is none."""
    source: Source
    if os.path.isdir(spec):
        listing, source = scan(spec), FolderSource(os.path.abspath(spec))
    elif os.path.isfile(spec):
        listing, source = open_tar(spec)
    else:
        return None
    samples = tuple(Sample(path, -1) for path in sorted(listing.files) if looks_like_picture(path))
    if not samples:
        return None
    return Dataset(name=spec, root=spec, classes=(), parts={"train": samples}, source=source)


def model_of(model: str | Path | Architecture, weights: str | Path | None, resolution: int | None) -> Model:
    """The network that embeds; raises UsageError for a name without weights, and a bundle with others."""
    source = saved(model)
    if source is None:
        offer = _offer(model, weights)
        source, own = offer.source, offer.preprocess
        net = load(offer.arch, source)
    elif weights is None:
        net = load(None, source)
        origin = net.__dict__["weights"]
        own = origin.preprocess or preprocess_of(net.__dict__["arch"], origin.report.naming)
    else:
        raise UsageError("a saved network has its own weights", where="--weights", remedy="leave them out")
    arch: Architecture = net.__dict__["arch"]  # the variant that was recognised
    preprocess = own if resolution is None else at_resolution(own, resolution)
    body = embeddings(net).to(device_named()).eval()
    return Model(body, preprocess, source, fingerprint(net), arch.hash, remarks(net, own))


def saved(model: str | Path | Architecture) -> str | None:
    """The source of a network that was saved with its architecture: a folder, a file or a repository; else None.

    Raises UsageError for what can be nothing but a path, where no such thing is.
    """
    text = "" if isinstance(model, Architecture) else str(model)
    if not text or text in names() or text in aliases():
        return None
    if text.startswith("hub:"):
        return text
    path = _path(text)
    if (path / MANIFEST).is_file():
        return None
    if (path / CONFIG).is_file() or path.is_file():
        return f"file:{path.resolve()}"
    if ":" in text or os.sep in text or path.suffix.lower() in FILES or path.is_dir():
        what = "holds no bundle and no saved network" if path.is_dir() else "does not exist"
        raise UsageError(what, where=text, allowed="a bundle, a saved network, or a registered name with --weights")
    return None


def _path(text: str) -> Path:
    return Path(text.removeprefix("file:")).expanduser()


def at_resolution(own: Preprocess, size: int) -> Preprocess:
    """The same part of a picture at another ``size`` in px: the resize keeps its ratio to the cut."""
    return msgspec.structs.replace(own, size=size, resize=round(size * own.resize / own.size))


def _offer(model: str | Path | Architecture, weights: str | Path | None) -> Offer:
    if not isinstance(model, Architecture) and (_path(str(model)) / MANIFEST).is_file():
        if weights is not None:
            raise UsageError("a bundle has its own weights", where="--weights", remedy="leave them out")
        return bundled(_path(str(model)))
    arch = model if isinstance(model, Architecture) else architecture(str(model))
    offer = None if weights is None else offer_for(arch, str(weights))
    if offer is None:
        allowed = "auto, a file, torchvision:TAG, timm:TAG, hub:OWNER/NAME"
        raise UsageError(f"{arch.name} without weights knows nothing", where="--weights", allowed=allowed)
    return offer


def _vectors(
    model: Model, dataset: Dataset, samples: Sequence[Sample], start: int, advance: Advance
) -> tuple[NDArray[np.int64], NDArray[np.float32], tuple[Bad, ...]]:
    """Places among all samples and their vectors float32[N, D], and those that cannot be read."""
    places: list[int] = []
    vectors: list[NDArray[np.float32]] = []
    bad: list[Bad] = []
    for first in range(0, len(samples), AT_ONCE):
        advance(start + first, len(dataset.samples), "")
        some = samples[first : first + AT_ONCE]
        found = each(lambda sample: _picture(dataset, sample, model.preprocess), some)
        good = [index for index, one in enumerate(found) if not isinstance(one, Bad)]
        bad += [one for one in found if isinstance(one, Bad)]
        places += [start + first + index for index in good]
        if good:
            vectors.append(_through(model, np.stack([found[index] for index in good])))
    empty = np.zeros((0, 0), np.float32)
    return np.array(places, np.int64), np.concatenate(vectors) if vectors else empty, tuple(bad)


def _picture(dataset: Dataset, sample: Sample, preprocess: Preprocess) -> NDArray[np.uint8] | Bad:
    try:
        return sized(dataset.image(sample), preprocess)
    except ImageError as error:
        return Bad(sample.path, str(ImageError(error.what, allowed=error.allowed, remedy=error.remedy)))


def _through(model: Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    device = next(model.net.parameters()).device
    pixels = torch.from_numpy(normalised(images, model.preprocess)).to(device, memory_format=torch.channels_last)
    with torch.inference_mode():
        result: NDArray[np.float32] = model.net(pixels).float().cpu().numpy()
    return result


def _label(dataset: Dataset, sample: Sample) -> str | None:
    return dataset.classes[sample.label] if sample.label >= 0 else None
