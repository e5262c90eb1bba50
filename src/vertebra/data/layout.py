"""From a list of files to classes and parts: ``CLASS/…`` or ``train|val|test/CLASS/…``.  Touches no disk."""

from __future__ import annotations

from typing import NamedTuple

from vertebra.data.dataset import PARTS, Sample
from vertebra.errors import DataError, some

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}

# fmt: off
SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif",
})
LITTER = frozenset({
    "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information", "@eadir",
    "lost+found", "icon\r",
})
# fmt: on

EXPECTED = "CLASS/picture.jpg, or train/CLASS/picture.jpg with val and test beside train"


class Listing(NamedTuple):
    """What lies under a root: relative paths with ``/``, files and folders, and what could not be followed."""

    files: list[str]
    folders: list[str]
    ignored: list[str]


class Layout(NamedTuple):
    """The meaning of a listing."""

    classes: tuple[str, ...]
    parts: dict[str, tuple[Sample, ...]]
    ignored: tuple[str, ...]


class _Folder:
    """A folder of the tree: its own files, and the folders in it."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.folders: dict[str, _Folder] = {}

    def at(self, path: str) -> _Folder:
        here = self
        for name in filter(None, path.split("/")):
            here = here.folders.setdefault(name, _Folder())
        return here

    def everything(self) -> list[str]:
        """Paths of all files in it and below."""
        return self.files + [path for folder in self.folders.values() for path in folder.everything()]

    def holds_pictures(self) -> bool:
        """Whether pictures lie directly in it."""
        return any(looks_like_picture(path) for path in self.files)


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or left by an operating system: passed over in silence."""
    return name.startswith(".") or name.lower() in LITTER


def looks_like_picture(path: str) -> bool:
    """Whether the name ends as pictures' names do."""
    dot = path.rfind(".")
    return dot >= 0 and path[dot:].lower() in SUFFIXES


def arrange(listing: Listing, root: str) -> Layout:
    """The classes and parts of a listing.  Raises :class:`DataError`, naming ``root``, for what makes no data set."""
    top = _Folder()
    for path in listing.folders:
        top.at(path)
    for path in listing.files:
        top.at(path.rpartition("/")[0]).files.append(path)
    ignored = list(listing.ignored)
    while _is_wrapping(top):
        ignored += top.files
        (top,) = top.folders.values()
    if not top.everything():
        raise DataError("holds no picture" if top.folders else "is empty", where=root, allowed=EXPECTED)
    if not top.folders:
        raise DataError("has no class folders, only files", where=root, allowed=EXPECTED)
    ignored += top.files
    parts = _parts(top, root)
    if parts is None:
        parts = {"train": top}
    else:
        ignored += [f"{name}/" for name in top.folders if name.lower() not in PART_NAMES]
        ignored += [path for part in parts.values() for path in part.files]
    classes = _classes(parts, root)
    samples = {
        part: tuple(
            sorted(
                (Sample(path, classes.index(name)) for name in folder.folders for path in _below(folder, name)),
                key=lambda sample: sample.path,
            )
        )
        for part, folder in parts.items()
    }
    return Layout(classes, samples, tuple(sorted(ignored)))


def _is_wrapping(folder: _Folder) -> bool:
    """Whether the folder's only content is one folder around the data set, as archives have it."""
    if len(folder.folders) != 1 or folder.holds_pictures():
        return False
    ((name, inner),) = folder.folders.items()
    return name.lower() not in PART_NAMES and bool(inner.folders) and not inner.holds_pictures()


def _parts(top: _Folder, root: str) -> dict[str, _Folder] | None:
    """The folders of the parts, or ``None`` where the folders are classes."""
    named = [name for name in top.folders if name.lower() in PART_NAMES]
    others = len(top.folders) - len(named)
    parts: dict[str, _Folder] = {}
    for name in named:
        part = PART_NAMES[name.lower()]
        if part in parts:
            raise DataError(f"has two folders for the {part} part", where=root, remedy="keep one of them")
        parts[part] = top.folders[name]
    train = parts.get("train")
    if train is not None and train.folders and not train.holds_pictures():
        return {part: parts[part] for part in PARTS if part in parts}
    if not named or (len(named) == 1 and others):  # a class may be called 'train', after the vehicle
        return None
    if train is None:
        raise DataError(f"has a folder {named[0]!r} but no train part", where=root, allowed=EXPECTED)
    what = "pictures lie directly in the train part" if train.holds_pictures() else "the train part has no classes"
    raise DataError(what, where=root, allowed=EXPECTED)


def _below(folder: _Folder, name: str) -> list[str]:
    return folder.folders[name].everything()


def _classes(parts: dict[str, _Folder], root: str) -> tuple[str, ...]:
    train = parts["train"]
    classes = tuple(sorted(train.folders))
    for name in classes:
        if not _below(train, name):
            raise DataError(
                f"the class {name!r} has no image", where=root, remedy="add images to its folder, or remove it"
            )
    for part, folder in parts.items():
        strangers = sorted(name for name in folder.folders if name not in train.folders and _below(folder, name))
        if strangers:
            raise DataError(
                f"the {part} part has classes that train lacks: {some([repr(name) for name in strangers], 5)}",
                where=root,
                remedy="give train images of them, or remove them",
            )
        if not any(_below(folder, name) for name in folder.folders):
            raise DataError(f"the {part} part has no image", where=root, remedy="fill it, or remove its folder")
    if len(classes) < 2:
        raise DataError(f"has one class only, {classes[0]!r}", where=root, allowed="two classes or more")
    return classes
