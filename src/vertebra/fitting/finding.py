"""Which pretrained weights the candidates of a job may start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.bundle.bundle import Bundle
from vertebra.bundle.manifest import MANIFEST
from vertebra.bundle.manifest import WEIGHTS as BUNDLED
from vertebra.errors import UnknownNameError, UsageError, WeightsError, some
from vertebra.fitting.asking import as_asked
from vertebra.fitting.looking import Look
from vertebra.fitting.offers import Offer, preprocess_of
from vertebra.fitting.pretrained import usable
from vertebra.fitting.reaching import reachable
from vertebra.weights import catalogue
from vertebra.weights.checkpoint import read_checkpoint
from vertebra.weights.files import readable
from vertebra.weights.matching import match
from vertebra.weights.published import address, at_hand
from vertebra.weights.sources import Offered, offered
from vertebra.weights.transport import offline
from vertebra.weights.variants import as_given, as_in
from vertebra.zoo.registry import entry, families, names, variant

AUTO, NONE, BEST = "auto", "none", "best"
FILES = (".safetensors", ".pth", ".pt", ".bin")
CONFIG = "config.json"
PUBLISHED = ("torchvision", "timm")
LEAST_SIDE = 32
"""Pixels: weights made at 224 px know nothing of smaller pictures."""
MOST_BYTES = 120_000_000
"""Of a file that is downloaded unasked."""
MOST_A_FAMILY = 4
"""Networks of a family that are considered unasked, the smallest ones."""

Say = Callable[[str], None]


def named(weights: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """The sources that a user names, as text; raises UsageError for none, and for several where one excludes others."""
    given = (weights,) if isinstance(weights, str | Path) else tuple(weights)
    texts = tuple(str(one) for one in given)
    if not texts or not all(texts):
        raise UsageError("no source is named", where="--weights", allowed=f"{AUTO}, {NONE}, or sources")
    if len(texts) > 1 and {AUTO, NONE} & set(texts):
        raise UsageError(f"{', '.join(texts)}", where="--weights", allowed=f"{AUTO} or {NONE} alone, or sources")
    return texts


def find(sources: Sequence[str], seen: Look, say: Say) -> tuple[Offer, ...]:
    """The offers of these sources; files of the catalogue are not downloaded yet.

    Files that were named are read now, and those that cannot be used are left out in a line.
    Raises WeightsError for a named source that is unknown or holds no weights, and where none can be used.
    """
    if not sources or sources[0] == NONE:
        return ()
    if sources[0] == AUTO:
        return _unasked(seen, say)
    return usable([offer for source in sources for offer in _of(source, say)], say)


def offer_for(arch: Architecture, source: str) -> Offer | None:
    """The offer of one source for one architecture; None for ``"none"``.

    Its network is ``arch`` itself, as the source has it, in the weights' own channels and classes.  It always counts as
    at hand, since a source that was named is fetched: the offer is the same one after the download.
    Raises WeightsError for a source that is unknown, or has no weights of that name, or those of another network.
    """
    return None if source == NONE else msgspec.structs.replace(_asked(arch, source), at_hand=True)


def _asked(arch: Architecture, source: str) -> Offer:
    path = _path(source)
    if (path / MANIFEST).is_file():
        offer = bundled(path)
        return as_asked(as_given(arch, offer.arch), offer)
    if path.exists() or _is_path(source):
        local = f"file:{path.resolve()}"
        return _matched(offered(arch, local), local, arch.name)
    if source in (AUTO, BEST) or source.partition(":")[0] in PUBLISHED:
        best = source in (AUTO, BEST)
        weight = catalogue.best(arch.name) if best else catalogue.find(arch.name, source)
        return as_asked(as_in(arch, weight.source), _published(arch.name, weight))
    return _matched(offered(arch, source), source, arch.name)  # a repository, or an error that says what may stand here


def _matched(found: Offered, source: str, name: str) -> Offer:
    """The offer of a file for an architecture that was named: as the project has it whose names the tensors carry.

    Raises WeightsError for a file that is broken, or of another network.
    """
    matched = match(found.arch, read_checkpoint(found.path), ordered=found.ordered)
    return _offer(found._replace(arch=matched.variant), source, name, matched.report.naming)


# -- unasked -------------------------------------------------------------------------------------------------------


def _unasked(seen: Look, say: Say) -> tuple[Offer, ...]:
    """Of each family's smallest networks what is at hand, and what can be downloaded."""
    if seen.side < LEAST_SIDE:
        say(f"pretrained weights: none are sought for pictures of {seen.side} px")
        return ()
    found: list[Offer] = []
    hosts: dict[str, bool] = {}
    for family in families():
        chosen = {one.name: _chosen(one.name) for one in family.entries}
        known = sorted(((one.bytes, name, one) for name, one in chosen.items() if one is not None), key=lambda x: x[:2])
        for _, name, weight in known[:MOST_A_FAMILY]:
            if at_hand(weight) or _can_be_fetched(address(weight), hosts):
                found.append(_published(name, weight))
    silent = " and ".join(host for host, answers in hosts.items() if not answers)
    if not found:
        away = "the network is switched off" if offline() else f"{silent} cannot be reached"
        say(f"pretrained weights: none could be had: the cache holds none, and {away}; training from scratch")
    elif silent:
        say(f"pretrained weights: {silent} cannot be reached; only what is elsewhere is tried")
    return tuple(found)


def _chosen(name: str) -> catalogue.Weight | None:
    """Of an architecture's weights the best that is at hand, else the best that is small and free."""
    rated = [one for one in catalogue.weights_of(name) if one.classes and one.top1 is not None]
    here = [one for one in rated if at_hand(one)]
    small = [one for one in rated if one.free and one.bytes <= MOST_BYTES]
    return max(here or small, key=lambda one: one.top1 or 0, default=None)


def _can_be_fetched(url: str, hosts: dict[str, bool]) -> bool:
    """Whether its server answers; each is asked once."""
    if offline():
        return False
    host = urlsplit(url).netloc
    if host not in hosts:
        hosts[host] = reachable(url)
    return hosts[host]


# -- named ---------------------------------------------------------------------------------------------------------


def _path(source: str) -> Path:
    scheme, colon, rest = source.partition(":")
    return Path(rest if colon and scheme in ("file", "folder") else source).expanduser()


def _is_path(source: str) -> bool:
    """Whether a source can be nothing but a path, be there something or not."""
    scheme, colon, _ = source.partition(":")
    return scheme in ("file", "folder") if colon else Path(source).suffix.lower() in FILES


def _of(source: str, say: Say) -> Iterator[Offer]:
    """The offers of one named source."""
    scheme, path = source.partition(":")[0], _path(source)
    if path.is_dir():
        yield from _folder(path, say)
    elif path.is_file():
        yield _file(path)
    elif source == BEST or scheme in PUBLISHED:
        yield from _tagged(source)
    elif scheme == "hub":
        yield _offer(offered(None, source), source)
    elif _is_path(source):
        readable(path)
    else:
        allowed = f"{AUTO}, {NONE}, {BEST}, a folder, a file, a bundle, torchvision:TAG, timm:TAG, hub:OWNER/NAME"
        raise WeightsError(f"unknown source of weights {source!r}", where="--weights", allowed=allowed)


def _tagged(source: str) -> Iterator[Offer]:
    """Every architecture that has a weight of this name, or its best."""
    found = False
    for name in catalogue.known():
        try:
            weight = catalogue.best(name) if source == BEST else catalogue.find(name, source)
        except WeightsError:
            continue
        found = True
        yield _published(name, weight)
    if not found:
        raise WeightsError(f"no weight {source!r} is known", where="--weights", remedy="see `vertebra weights`")


def _folder(folder: Path, say: Say) -> Iterator[Offer]:
    """A bundle, a saved network, or a folder of such folders and of files named for architectures."""
    if _is_one(folder):
        yield _one(folder)
        return
    found, strange = 0, []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and _is_one(path):
            found += 1
            yield _one(path)
        elif path.is_file() and path.suffix.lower() in FILES:
            try:
                offer = _file(path)
            except (UnknownNameError, UsageError):
                strange.append(path.name)
                continue
            found += 1
            yield offer
    if strange:
        say(f"note: {folder}: not named for an architecture: {some(strange)}")
    if not found:
        allowed = "files named for architectures (resnet18.safetensors), bundles"
        raise WeightsError("holds no weights", where=str(folder), allowed=allowed)


def _is_one(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() or (folder / CONFIG).is_file()


def _one(folder: Path) -> Offer:
    if (folder / MANIFEST).is_file():
        return bundled(folder)
    return _local(folder, offered(None, f"file:{folder.resolve()}"))


def bundled(folder: Path) -> Offer:
    """The offer of a bundle; raises BundleError for one that is not whole."""
    opened = Bundle(folder)
    weights = (folder / BUNDLED).resolve()
    return Offer.of(opened.architecture, f"file:{weights}", opened.preprocess, size=weights.stat().st_size)


def _file(path: Path) -> Offer:
    """A file that says what it is of, or is named for it: ``resnet18-5c106cde.pth``, ``resnet18.mine.safetensors``."""
    source = f"file:{path.resolve()}"
    try:
        return _local(path, offered(None, source))
    except UsageError:
        name = entry_named(path.name)
        if name is None:
            raise UnknownNameError(
                "is not named for an architecture", where=str(path), remedy="name it so: resnet18.safetensors"
            ) from None
    found = offered(name, source)
    try:
        return _matched(found, source, name)
    except WeightsError:  # find() says so, and takes what else there is
        return _local(path, found, name)


def entry_named(file: str) -> str | None:
    """The architecture that a file is named for; what follows a dash or a dot may be anything."""
    stem = file
    while "." in stem or "-" in stem:
        stem = stem[: max(stem.rfind("."), stem.rfind("-"))]
        try:
            return entry(stem)[1].name
        except UnknownNameError:
            continue
    return None


# -- offers --------------------------------------------------------------------------------------------------------


def _published(name: str, weight: catalogue.Weight) -> Offer:
    return Offer.of(
        variant(name, weight.source),
        weight.name,
        weight.input.preprocess(),
        name=entry(name)[1].name,
        family=entry(name)[0].name,
        size=weight.bytes,
        at_hand=at_hand(weight),
        licence=weight.licence,
    )


def _local(path: Path, found: Offered, name: str | None = None) -> Offer:
    return _offer(found, f"file:{path.resolve()}", name)


def _offer(found: Offered, source: str, name: str | None = None, naming: str = "") -> Offer:
    name = name or found.arch.name
    return Offer.of(
        found.arch,
        source,
        found.origin.preprocess or preprocess_of(found.arch, naming),
        name=name,
        family=entry(name)[0].name if name in names() else None,
        size=found.path.stat().st_size,
        licence=found.origin.licence,
    )
