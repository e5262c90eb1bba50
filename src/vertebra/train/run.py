"""``vertebra train``: one architecture on one data set, from pictures to a folder with weights and what they
reached."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import nn

from vertebra.arch import codec
from vertebra.arch.architecture import Architecture
from vertebra.data.dataset import Dataset
from vertebra.data.load import load
from vertebra.data.preprocess import Preprocess
from vertebra.errors import ArchitectureError, DataError, OutputError, RecipeError
from vertebra.nn.construct import build
from vertebra.train.checkpoint import write_whole
from vertebra.train.device import device_named, use_own_cores
from vertebra.train.evaluation import Evaluation
from vertebra.train.history import History
from vertebra.train.loop import Saving, Trainer
from vertebra.train.memory import keep_freed_memory
from vertebra.train.observer import Observer, Silent
from vertebra.train.pixels import Pixels
from vertebra.train.recipe import Recipe

CHECKPOINT = "checkpoint"
FILES = ("recipe.json", "architecture.json", "preprocess.json", "labels.json", "history.json", "weights.safetensors")


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How long to train: one of ``minutes`` (evaluations included, decoding not) and ``epochs``."""

    minutes: float | None = None
    epochs: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.minutes, self.epochs) if value is not None]
        if len(given) != 1 or isinstance(given[0], bool) or not 0 < given[0] < 1e7:
            shown = f"minutes {self.minutes}, epochs {self.epochs}"
            raise RecipeError(shown, where="budget", allowed="one of minutes and epochs, above 0")


class RunResult(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a run gives back: the trained network's architecture with the data's classes, its weights, and how it did.

    ``val`` and ``test`` are None where the data has no such part.
    """

    out: Path
    architecture: Architecture
    preprocess: Preprocess
    recipe: Recipe
    classes: tuple[str, ...]
    history: History
    weights: Mapping[str, NDArray[np.generic]]
    network: nn.Module
    val: Evaluation | None
    test: Evaluation | None
    seconds: float


def train_run(
    arch: Architecture,
    dataset: Dataset,
    preprocess: Preprocess,
    recipe: Recipe,
    out: Path,
    *,
    budget: Budget,
    resume: bool = False,
    force: bool = False,
    observer: Observer | None = None,
    device: str = "auto",
    save_every: float = 30.0,
    remedy: str | None = None,
) -> RunResult:
    """Trains ``arch`` on the data's train part into the folder ``out``.

    ``resume`` goes on from the folder's checkpoint (with the same architecture, recipe and data), ``force`` replaces
    the folder.  ``remedy`` is what Ctrl-C tells the user.  Raises OutputError where ``out`` exists or cannot be
    written, DataError, ImageError, RecipeError, WeightsError (a damaged checkpoint), and :class:`Interrupted` after
    Ctrl-C.
    """
    begin = time.perf_counter()
    watch = observer or Silent()
    network = arch.with_classes(len(dataset.classes))
    _check(network, dataset, preprocess)
    place = device_named(device)
    open_folder(out, resume=resume, force=force)
    use_own_cores()
    keep_freed_memory()
    parts = _pixels(dataset, preprocess, watch, place)
    net = build(network, seed=recipe.seed)
    write_inputs(out, network, preprocess, recipe, dataset.classes)
    saving = Saving(path=out / CHECKPOINT, every=save_every, remedy=remedy or f"go on with --resume --out {out}")
    trainer = Trainer(
        net, recipe, parts["train"], parts.get("val"), classes=dataset.classes, observer=watch, saving=saving
    )
    history = _trained(trainer, budget, resume)
    write_whole(out / "history.json", msgspec.json.format(msgspec.json.encode(history), indent=2) + b"\n")
    weights = trainer.weights()
    write_whole(out / "weights.safetensors", safetensors.numpy.save(weights))
    val, test = (trainer.evaluate(parts[name]) if name in parts else None for name in ("val", "test"))
    return RunResult(
        out=out,
        architecture=network,
        preprocess=preprocess,
        recipe=recipe,
        classes=dataset.classes,
        history=history,
        weights=weights,
        network=trainer.network.eval(),
        val=val,
        test=test,
        seconds=time.perf_counter() - begin,
    )


def open_folder(out: Path, *, resume: bool, force: bool) -> None:
    """Makes the run's folder; raises OutputError where it exists (and neither is given), cannot be written, or holds
    no checkpoint to go on from.  ``force`` empties only a folder of an earlier run."""
    try:
        if resume:
            if not (out / CHECKPOINT).is_file():
                raise OutputError("holds no checkpoint", where=str(out), remedy="start without --resume")
            return
        if out.exists():
            if not force:
                raise OutputError("exists already", where=str(out), remedy="use --force, --resume or another folder")
            _empty(out)
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / ".probe", b"")
        (out / ".probe").unlink()
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=str(out)) from None


def _empty(out: Path) -> None:
    names = {entry.name for entry in out.iterdir()}
    if names and not names & {*FILES, CHECKPOINT}:
        raise OutputError("is not a folder of an earlier run", where=str(out), remedy="choose another folder")
    for entry in out.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _check(arch: Architecture, dataset: Dataset, preprocess: Preprocess) -> None:
    if len(dataset.classes) < 2:
        raise DataError("has one class", where=dataset.root, allowed="two or more")
    if arch.resolution != preprocess.size:
        raise ArchitectureError(
            f"{arch.name} is meant for {arch.resolution} px, the preprocessing gives {preprocess.size}",
            remedy=f"use with_resolution({preprocess.size})",
        )
    if arch.channels != preprocess.channels:
        raise ArchitectureError(
            f"{arch.name} takes {arch.channels} channels, the preprocessing gives {preprocess.channels}",
            remedy=f"use with_channels({preprocess.channels})",
        )


def _pixels(dataset: Dataset, preprocess: Preprocess, observer: Observer, device: torch.device) -> dict[str, Pixels]:
    total = len(dataset.samples)
    images, labels = load(dataset, dataset.samples, preprocess, progress=observer.loading)
    parts: dict[str, Pixels] = {}
    start = 0
    for name, samples in dataset.parts.items():
        end = start + len(samples)
        parts[name] = Pixels(images[start:end], labels[start:end], preprocess, device=device)
        start = end
    observer.loading(total, total)
    return parts


def _trained(trainer: Trainer, budget: Budget, resume: bool) -> History:
    evaluations = 10
    if resume and trainer.saving is not None:
        history = trainer.resume(trainer.saving.path)
        if history is not None:
            return history
        if trainer.histories:
            return trainer.histories[-1]
    if budget.minutes is not None:
        return trainer.cycle(seconds=60 * budget.minutes, evaluations=evaluations)
    return trainer.cycle(epochs=budget.epochs, evaluations=evaluations)


def write_inputs(
    out: Path, arch: Architecture, preprocess: Preprocess, recipe: Recipe, classes: tuple[str, ...]
) -> None:
    """Writes what the run was started with; raises OutputError."""
    write_whole(out / "recipe.json", recipe.to_json())
    write_whole(out / "architecture.json", codec.to_json(arch).encode())
    write_whole(out / "preprocess.json", preprocess.to_json())
    write_whole(out / "labels.json", msgspec.json.format(msgspec.json.encode(classes), indent=2) + b"\n")
