"""Every error that vertebra raises on purpose.

A message is one line of up to four parts: where the fault is, what is wrong, what is allowed, what to do.
The command line prints that line and exits with code 2.  This module imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Sequence


def some(names: Sequence[str], shown: int = 3) -> str:
    """The first of the names, and how many more there are: how an error lists them."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


class VertebraError(Exception):
    """The root of vertebra's errors.

    ``where`` is the path to the fault (``$.stages[2].depth``, a file name), ``allowed`` what would have been accepted,
    ``remedy`` what the user can do now.
    """

    def __init__(
        self, what: str, *, where: str | None = None, allowed: str | None = None, remedy: str | None = None
    ) -> None:
        self.what = what
        self.where = where
        self.allowed = allowed
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        if self.allowed:
            line += f" (allowed: {self.allowed})"
        if self.remedy:
            line += f"; {self.remedy}"
        return " ".join(line.split())

    def at(self, where: str) -> VertebraError:
        """The same error with ``where`` put before the path it already carries."""
        path = where if self.where is None else where + self.where.removeprefix("$")
        return type(self)(self.what, where=path, allowed=self.allowed, remedy=self.remedy)


class ArchitectureError(VertebraError):
    """A node, block, stage or architecture that means nothing: wrong field, type or value."""


class ShapeError(VertebraError):
    """Shapes that do not fit: a kernel larger than its input, a map that vanishes, branches that disagree."""


class TransformError(VertebraError):
    """A transform that has no meaning for this architecture (a norm where there is none)."""


class UnknownNameError(VertebraError):
    """A name that is not in the registry."""


class UsageError(VertebraError):
    """Arguments that contradict one another."""


class DataError(VertebraError):
    """A data set that cannot be used: missing, empty, one class, classes that disagree between parts."""


class ImageError(DataError):
    """A picture that cannot be decoded, or that is refused by its header."""


class BudgetError(VertebraError):
    """A budget that is misspelt, contradictory, or that nothing fits."""


class BundleError(VertebraError):
    """A bundle that is incomplete, changed, or of an unknown version."""


class WeightsError(VertebraError):
    """Weights that cannot be read, or that do not belong to the network."""


class AmbiguousWeightsError(WeightsError):
    """Weights that fit a network in more than one way; the message shows two of them."""


class DownloadError(WeightsError):
    """Weights that a server does not give: not found, refused, broken off, or other bytes than were published."""


class AbsentError(DownloadError):
    """A file or a repository that its server has not."""


class OfflineError(DownloadError):
    """A server that cannot be reached, or a network that was forbidden."""


class EngineError(VertebraError):
    """An inference engine that cannot load or run an artifact."""


class ProfileError(VertebraError):
    """A device profile, or its database, that cannot be used: of another device or engine, corrupt, or newer."""


class OutputError(VertebraError):
    """A place that cannot be written, or that already holds something."""


class RecipeError(VertebraError):
    """A training recipe, or a run folder, that makes no sense."""


EXTRAS = {
    "huggingface_hub": "hub",
    "jinja2": "train",
    "matplotlib": "train",
    "onnx": "train",
    "openvino": "deploy",
    "pyarrow": "data",
    "sklearn": "demo",
    "torch": "train",
}
"""The extra that brings each optional module."""


class MissingExtraError(VertebraError):
    """An optional dependency that is not installed; the remedy names the extra."""

    @classmethod
    def behind(cls, error: ModuleNotFoundError) -> MissingExtraError | None:
        """For an import that failed: the error that names the extra; None where no extra brings that module."""
        module = (error.name or "").partition(".")[0]
        return cls.of(module, EXTRAS[module]) if module in EXTRAS else None

    @classmethod
    def of(cls, module: str, extra: str) -> MissingExtraError:
        return cls(f"{module} is not installed", remedy=f"pip install 'vertebra[{extra}]'")


class Interrupted(VertebraError):
    """The user stopped the work; what is done is kept and the remedy says how to go on."""
