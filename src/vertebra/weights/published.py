"""The file of a published weight, wherever it is.  No torch."""

from __future__ import annotations

import os
from pathlib import Path

from vertebra.weights.cache import locked, store, verified, write_receipt
from vertebra.weights.catalogue import TORCHVISION, Weight
from vertebra.weights.download import fetch
from vertebra.weights.hub import Repository, Visit
from vertebra.weights.progress import bar
from vertebra.weights.transport import Remote, limited, patient


def located(weight: Weight, *, within: float | None = None) -> Path:
    """The file of a published weight: in the folder that VERTEBRA_WEIGHTS names, in the cache, or downloaded to it.

    ``within`` so many seconds, or however long it takes.
    Raises WeightsError for a file that is not the published one, and what ``fetch`` raises.
    """
    patience = patient() if within is None else limited(within)
    for path in _in_plain_folder(weight):
        if verified(path, weight.sha256):
            return path
    if weight.repository is not None:
        return Visit(Repository(weight.repository), patience).obtain(weight.file, fresh=False)
    path = _cached(weight)
    if not verified(path, weight.sha256):
        remote = Remote(url=address(weight), sha256=weight.sha256, patience=patience)
        with locked(path, patience):
            if not verified(path, weight.sha256):  # another process may have been quicker
                with bar(weight.file) as progress:
                    digest = fetch(remote, path, progress)
                write_receipt(path, digest, url=remote.url)
    return path


def at_hand(weight: Weight) -> bool:
    """Whether the file is there without a download; it is not read."""
    return any(place.is_file() for place in (*_in_plain_folder(weight), _cached(weight)))


def address(weight: Weight) -> str:
    """Where the file would be downloaded from."""
    if weight.repository is not None:
        return Repository(weight.repository).url(weight.file)
    return f"{os.environ.get('VERTEBRA_TORCHVISION', '').rstrip('/') or TORCHVISION}/{weight.file}"


def _cached(weight: Weight) -> Path:
    folder = store() / weight.source if weight.repository is None else Repository(weight.repository).folder
    return folder / weight.file


def _in_plain_folder(weight: Weight) -> tuple[Path, ...]:
    """Where people keep a weight in a folder of theirs: under its published name, or timm's name of the model."""
    plain = os.environ.get("VERTEBRA_WEIGHTS")
    if not plain:
        return ()
    folder, whole = Path(plain).expanduser(), f"{weight.model}.{weight.tag}"
    if weight.repository is None:
        return (folder / weight.file,)
    return (folder / f"{whole}.safetensors", folder / whole / weight.file, folder / weight.repository / weight.file)
