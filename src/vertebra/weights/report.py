"""What a match found out: which tensor went where and on what evidence, and what was left."""

from __future__ import annotations

from typing import Literal

import msgspec

from vertebra.errors import some

Evidence = Literal["name", "shape", "group", "number", "order"]
"""``name``: a known name; ``shape``: role and shape fit no other; ``group``: it stands with others that fit nowhere
else; ``number``: the numbers in the names; ``order``: the order in the file, where the user vouched for it."""

SHOWN = 6
"""Names on a line of a report."""


class Pair(msgspec.Struct, frozen=True):
    """One tensor of ours, the checkpoint's that it takes, and why."""

    ours: str
    theirs: str
    evidence: Evidence
    shape: tuple[int, ...]
    reshaped: tuple[int, ...] | None = None
    """Our shape, where theirs is another of the same values."""


class Left(msgspec.Struct, frozen=True):
    """Something of the checkpoint that the network does not take, and why."""

    name: str
    why: str


class Report(msgspec.Struct, frozen=True):
    """How a checkpoint became the weights of a network; its text is meant for reading."""

    name: str
    """The architecture."""
    naming: str
    """Whose names they are: ``ours``, ``torchvision``, ``timm``, or ``unknown``."""
    pairs: tuple[Pair, ...]
    left: tuple[Left, ...] = ()
    made: tuple[str, ...] = ()
    """Counters of batches, which old checkpoints lack: they start at zero."""
    absent: tuple[str, ...] = ()
    """Tensors of the classifier that the checkpoint has not: the network needs a new one."""
    unwrapped: tuple[str, ...] = ()
    """Nests and prefixes that were taken off."""

    def __str__(self) -> str:
        """Some lines: how it matched, what was reshaped, what was left."""
        lines = [f"{self.name}: {len(self.pairs)} tensors, {NAMING.get(self.naming, f'named as in {self.naming}')}"]
        if self.unwrapped:
            lines.append(f"  unwrapped: {', '.join(self.unwrapped)}")
        if self.naming == "unknown":
            lines += [f"  by {EVIDENCE[kind]}: {some(texts, SHOWN)}" for kind, texts in self._by_evidence().items()]
        reshaped = [
            f"{pair.theirs} {pair.shape} as {pair.ours} {pair.reshaped}" for pair in self.pairs if pair.reshaped
        ]
        absent = [f"{name} is not in it" for name in self.absent]
        rows = (("reshaped", reshaped), ("made", [f"{name}: 0" for name in self.made]), ("needs a new head", absent))
        lines += [f"  {what}: {some(texts, SHOWN)}" for what, texts in rows if texts]
        return "\n".join([*lines, *(f"  left {why}: {some(names, SHOWN)}" for why, names in self._left().items())])

    def _by_evidence(self) -> dict[Evidence, list[str]]:
        found: dict[Evidence, list[str]] = {}
        for pair in self.pairs:
            found.setdefault(pair.evidence, []).append(f"{pair.theirs} -> {pair.ours}")
        return found

    def _left(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for one in self.left:
            found.setdefault(f"({one.why})", []).append(one.name)
        return found


NAMING = {
    "ours": "under our own names",
    "unknown": "aligned by structure (what no tensor shows, such as an epsilon, is taken as ours)",
}

EVIDENCE: dict[Evidence, str] = {
    "name": "name",
    "shape": "role and shape alone",
    "group": "the group that it stands in",
    "number": "the numbers in the names",
    "order": "the order in the file",
}
