"""From what a user calls weights to a file here, the architecture that it is of, and what came with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import brief
from vertebra.bundle.manifest import MANIFEST, WEIGHTS
from vertebra.errors import AbsentError, ArchitectureError, DownloadError, UsageError, WeightsError
from vertebra.weights.cache import holdings, verified
from vertebra.weights.catalogue import HUB_FILE, Weight, best, everything, find, known
from vertebra.weights.files import metadata, readable
from vertebra.weights.hub import Repository, Visit
from vertebra.weights.origin import HEADER, Described, Origin, read_description
from vertebra.weights.published import located
from vertebra.weights.transport import ForbiddenError
from vertebra.weights.variants import as_given, as_in
from vertebra.zoo.registry import aliases, architecture, entry, names, variant

Named = str | Architecture | None
CONFIG = "config.json"
FILES = (HUB_FILE, "pytorch_model.bin")
"""What weights are called in a folder or a repository, in the order in which they are looked for."""
BEST = "best"
ALLOWED = "torchvision:TAG, timm:TAG, hub:OWNER/NAME[@REVISION], file:PATH, ordered:PATH, best, or a Path"


class Offered(NamedTuple):
    """A file of weights, the architecture to match it with, and what came with it."""

    path: Path
    arch: Architecture
    origin: Origin
    exact: bool = False
    """Whether classes and channels of ``arch`` are a claim about the file: an architecture with a file of one's own."""
    ordered: bool = False
    """Whether the user vouches that the file's order is that of execution."""


def offered(of: Named, weights: str | Path) -> Offered:
    """The file that ``weights`` names, downloaded if need be.

    Raises WeightsError for an unknown source or weight, UnknownNameError for an unknown architecture, UsageError where
    neither names one, and whatever downloading raises.
    """
    if isinstance(weights, Path):
        return _file(of, str(weights))
    if not isinstance(weights, str):
        raise WeightsError(f"expected a source of weights, got {brief(weights)}", allowed=ALLOWED)
    scheme, _, rest = weights.partition(":")
    scheme = BEST if weights == BEST else scheme
    if scheme not in SOURCES or not (rest or scheme == BEST):
        remedy = f"write file:{weights}" if weights and Path(weights).exists() else "see `vertebra weights`"
        raise WeightsError(f"unknown source of weights {brief(weights)}", allowed=ALLOWED, remedy=remedy)
    try:
        return SOURCES[scheme](of, rest)
    except (AbsentError, ForbiddenError):
        raise
    except DownloadError as error:
        said = (error.remedy, holdings(), "a file of your own: weights='file:PATH'")
        remedy = "; ".join(one for one in said if one)
        raise type(error)(error.what, where=error.where, allowed=error.allowed, remedy=remedy) from None


# -- the catalogue -------------------------------------------------------------------------------------------------


def _torchvisions(of: Named, tag: str) -> Offered:
    return _taken(of, find(_name(of), f"torchvision:{tag}"))


def _timms(of: Named, tag: str) -> Offered:
    return _taken(of, find(_name(of), f"timm:{tag}"))


def _best(of: Named, _: str) -> Offered:
    name = _name(of)
    weight = best(name)
    rated = [one for one in known()[entry(name)[1].name] if one.top1 is not None]
    if not rated:
        return _taken(of, weight, f"best: {weight.name}, the choice of {weight.source}; no accuracy is known")
    notes = [f"best: {weight.name}, top-1 {weight.top1}% at {weight.resolution} px ({weight.top1_source})"]
    higher = max(rated, key=lambda one: one.top1 or 0)
    if (higher.top1 or 0) > (weight.top1 or 0):
        notes.append(f"{higher.name} has {higher.top1}%, under the licence {higher.licence}: ask for it by name")
    return _taken(of, weight, *notes)


def _taken(of: Named, weight: Weight, *notes: str) -> Offered:
    arch = as_in(of, weight.source) if of is not None else architecture(_name(of))
    return Offered(located(weight), arch, Origin.published(weight, weight.name, *notes))


# -- repositories, folders and files -------------------------------------------------------------------------------


def _hub(of: Named, text: str) -> Offered:
    visit, name = Visit(Repository.parsed(text)), f"hub:{text}"
    notes: list[str] = []
    try:
        config = visit.first((CONFIG,))
    except ForbiddenError:
        raise
    except DownloadError:  # the cache may have the weights without it
        config = None
        notes.append(f"without its {CONFIG}, which is not in the cache")
    path = visit.first(FILES)
    if path is None:
        remedy = "check its name, or set HF_TOKEN if it is not open to everybody"
        raise AbsentError("has no weights, or does not exist", where=name, allowed=", ".join(FILES), remedy=remedy)
    said = None if config is None else _description(config, name, f"{name} {CONFIG}")
    offer = _said(of, path, said, name)
    return offer._replace(origin=offer.origin.noting(*visit.notes, *notes))


def _file(of: Named, text: str) -> Offered:
    path = Path(text).expanduser()
    name = f"file:{text}"
    if (path / MANIFEST).is_file():
        return _bundle(of, path, name)
    if path.is_dir():
        inside = [path / file for file in FILES if (path / file).is_file()]
        if not inside:
            raise WeightsError("holds no weights", where=str(path), allowed=f"a file, or a folder with {FILES[0]}")
        return _said(of, inside[0], _beside(inside[0], name), name)
    readable(path)
    weight = _recognised(path)
    if weight is not None and verified(path, weight.sha256):
        note = f"recognised as {weight.model} {weight.name}"
        arch = _of_weight(of, weight)
        return Offered(path, arch, Origin.published(weight, name, note), exact=isinstance(of, Architecture))
    header = metadata(path).get(HEADER)
    said = read_description(header, name, str(path)) if header else None
    if said is None and path.name in FILES:
        said = _beside(path, name)
    return _said(of, path, said, name)


def _bundle(of: Named, path: Path, name: str) -> Offered:
    """The network of a bundle, whose files are checked against its manifest first."""
    from vertebra.bundle.bundle import load_bundle  # an engine comes with it

    bundle = load_bundle(path)
    origin = Origin(name=name, preprocess=bundle.preprocess, labels=bundle.labels)
    return _said(of, path / WEIGHTS, Described(bundle.architecture, origin, bundle.architecture.name), name)


def _ordered(of: Named, text: str) -> Offered:
    return _file(of, text)._replace(ordered=True)


def _beside(path: Path, name: str) -> Described | None:
    config = path.with_name(CONFIG)
    return _description(config, name, str(config)) if config.is_file() else None


def _description(config: Path, name: str, where: str) -> Described | None:
    try:
        raw = config.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", where=where) from None
    return read_description(raw, name, where)


def _recognised(path: Path) -> Weight | None:
    """The published weight that a file's own name says it is."""
    for weight in everything():
        if path.name == weight.file and weight.sha256:
            return weight
        if path.name == f"{weight.model}.{weight.tag}.safetensors":
            return weight
    return None


def _of_weight(of: Named, weight: Weight) -> Architecture:
    if of is not None:
        return as_in(of, weight.source) if isinstance(of, Architecture) else _variant_or_own(of, weight.source)
    for name, of_name in known().items():
        if weight in of_name:
            return variant(name, weight.source)
    raise WeightsError(f"is of {weight.model}, which is not in the registry", remedy="give the architecture")


def _variant_or_own(name: str, source: str) -> Architecture:
    return variant(name, source) if source in entry(name)[1].peers else architecture(name)


def _said(of: Named, path: Path, said: Described | None, name: str) -> Offered:
    """What a description beside the file says, held against what was asked for."""
    if isinstance(of, Architecture):
        own = of if said is None or said.arch is None else as_given(of, said.arch)
        return Offered(path, own, said.origin if said else Origin(name=name), exact=True)
    if said is None:
        return Offered(path, architecture(_name(of)), Origin(name=name))
    if of is not None and entry(of)[1].name != _registered(said.called):
        raise WeightsError(
            f"is of {said.called}, not of {of}", where=name, remedy="leave the name out: load(None, ...)"
        )
    if said.arch is None:
        remedy = "give an architecture of your own: load(arch, ...)"
        raise WeightsError(f"is of {brief(said.called)}, which is not in the registry", where=name, remedy=remedy)
    return Offered(path, said.arch, said.origin)


def _registered(name: str) -> str:
    """Our name of a network that another project may call otherwise."""
    return entry(name)[1].name if name in names() or name in aliases() else name


def _name(of: Named) -> str:
    if of is None:
        raise UsageError(
            "nothing says which architecture these weights are of", remedy="name it: load('resnet50', ...)"
        )
    if not isinstance(of, str | Architecture):
        raise ArchitectureError(
            f"expected an architecture or its name, got {brief(of)}", remedy="a node has no weights of its own"
        )
    return of if isinstance(of, str) else of.name


SOURCES: dict[str, Callable[[Named, str], Offered]] = {
    BEST: _best,
    "torchvision": _torchvisions,
    "timm": _timms,
    "hub": _hub,
    "file": _file,
    "ordered": _ordered,
}
"""What may stand before the colon."""
