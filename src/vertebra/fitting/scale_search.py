"""The grid search for alpha, beta and gamma, whole: candidates by cost, each trained as a small proxy, then a verdict.

It is fair by construction: every network gets the same pictures, the same recipe, the same number of passes over them
and the same seeds, and is judged on the same validation pictures; the test part is never read.  Minutes, where they are
what was asked for, become a number of passes once, before the first training, so that no candidate suffers from
whatever else the machine did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import from_json, to_json
from vertebra.arch.encoding import to_data
from vertebra.bundle.folder import write_bundle
from vertebra.data.split import thinned
from vertebra.errors import BudgetError, RecipeError
from vertebra.fitting import starting
from vertebra.fitting.coefficients import ALPHAS, BETAS, TARGET, Candidate, Grid, check_target, coefficients, grid
from vertebra.fitting.console import Quiet, Watcher
from vertebra.fitting.environment import environment
from vertebra.fitting.fit import MINUTES, output_for
from vertebra.fitting.job import Bar
from vertebra.fitting.looking import Look, look
from vertebra.fitting.pictures import MOST_PIXELS, Pictures
from vertebra.fitting.search_folder import Asked, Done, Known, SearchFolder
from vertebra.fitting.steps import Stopwatch
from vertebra.fitting.training import recipe_text
from vertebra.nn import build
from vertebra.report import text
from vertebra.report.coefficient_page import page
from vertebra.report.coefficient_plot import heat_map
from vertebra.report.coefficients import Cell, GridSearch, Trial
from vertebra.report.svg import standalone
from vertebra.scale.compound import far_from_two
from vertebra.train.checkpoint import Saving
from vertebra.train.device import device_named
from vertebra.train.feeding import Feed
from vertebra.train.loop import Trainer
from vertebra.train.recipe import Facts, Recipe, recipe_for
from vertebra.train.tuning import Setting, tuned
from vertebra.version import installed

IMAGES = 10_000
SEEDS = 2
MOST_EPOCHS = 200
RESULT, PAGE, PLOT = "search.json", "search.md", "heat-map.svg"


class Found(msgspec.Struct, frozen=True):
    """A finished search and the folder that holds its record, its page and its heat map."""

    path: Path
    search: GridSearch


def search_coefficients(
    arch: Architecture,
    data: str | Path,
    *,
    minutes: float | None = None,
    epochs: float | None = None,
    images: int = IMAGES,
    seeds: int = SEEDS,
    resolution: int | None = None,
    alphas: Sequence[float] = ALPHAS,
    betas: Sequence[float] = BETAS,
    target: float = TARGET,
    recipe: str | Path | Recipe | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    force: bool = False,
    resume: bool = False,
    skip_bad: bool = False,
    watcher: Watcher | None = None,
) -> Found:
    """Search alpha, beta and gamma for a base network on data, as Tan and Le 2019 (section 3.3) did on ImageNet.

    Every candidate costs about ``target`` times the base's MACs, and is trained with ``seeds`` seeds from ``seed`` on,
    for ``epochs`` passes over ``images`` training pictures (or as many as ``minutes`` for everything allow).  The base
    itself is trained alike, as a reference.  ``resolution`` in px is the base's own by default; ``recipe`` is one for
    everyone, in float32.

    Raises UsageError and BudgetError for a grid without candidates, BudgetError for too few minutes, DataError for
    unusable data, RecipeError where every candidate's training fails, OutputError for a place that is taken, and
    Interrupted after Ctrl-C; ``resume`` then goes on.
    """
    asked = Asked(
        architecture=to_json(arch),
        data=str(data),
        minutes=MINUTES if minutes is None and epochs is None else minutes,
        epochs=epochs,
        images=images,
        seeds=seeds,
        resolution=resolution,
        alphas=coefficients("alphas", alphas),
        betas=coefficients("betas", betas),
        target=target,
        recipe=recipe_text(recipe),
        seed=seed,
        skip_bad=skip_bad,
    )
    check_target(target)  # before the pictures are looked at, which may take long
    if resolution is not None:
        arch.with_resolution(resolution)
    named = output_for(f"{Path(str(data)).name.split('.')[0]}-{arch.name}-scaling", out)
    folder = SearchFolder(starting.whole(named), asked, Known()).begun(force=force, resume=resume)
    with starting.running(folder) as watch:
        return _Search(folder, watch, watcher or Quiet()).run()


class _Search:
    """One search under way."""

    def __init__(self, folder: SearchFolder, watch: Stopwatch, watcher: Watcher) -> None:
        self.folder, self.watch, self.watcher = folder, watch, watcher
        asked = folder.request
        with watch.step("looking at the data"):
            self.look = _thinned(look(asked.data, seed=asked.seed, skip_bad=asked.skip_bad, watcher=watcher), asked)
        with watch.step("laying out candidates"):
            self.grid = _grid(asked, self.look)
        self.setting, self.recipe = _fixed(_recipe(asked, self.look, self.grid.base), asked.seed)
        self.pictures = Pictures(self.look.dataset, device_named(), watcher)
        self.seeds = tuple(range(asked.seed, asked.seed + asked.seeds))

    @property
    def networks(self) -> tuple[Candidate, ...]:
        """The base and the candidates, those of one resolution beside one another."""
        return tuple(sorted((self.grid.base, *self.grid.candidates), key=lambda one: one.arch.resolution))

    def run(self) -> Found:
        with self.watch.step("choosing the number of passes"):
            if self.folder.state.epochs is None:
                self.folder.note(epochs=self.folder.request.epochs or self._affordable())
        with self.watch.step("training"):
            self._train()
        search = self._result()
        if search.winner is None:
            faults = [one.trial.fault for one in self.folder.state.done if one.trial.fault is not None]
            raise RecipeError(f"no candidate could be trained: {faults[0] if faults else 'none ended'}", where="recipe")
        files = {
            RESULT: msgspec.json.format(msgspec.json.encode(search), indent=2) + b"\n",
            PAGE: page(search, picture=PLOT).encode(),
            PLOT: standalone(heat_map(search)).encode(),
        }
        write_bundle(self.folder.out, files, version=installed(), force=self.folder.state.replaces)
        self.folder.remove()
        return Found(self.folder.out, search)

    def _train(self) -> None:
        """Every network with one seed, then with the next: a search that is stopped knows all of them alike."""
        epochs, total = self.folder.state.epochs or 1.0, len(self.networks) * len(self.seeds)
        self.watcher.say(
            f"{text.many(len(self.grid.candidates), 'candidate')} and the base, {text.many(len(self.seeds), 'seed')}, "
            f"{text.many(epochs, 'pass', 'passes')} over {len(self.look.dataset.parts['train']):,} pictures each"
        )
        warning = far_from_two(self.folder.request.target)
        if warning:
            self.watcher.say(f"note: {warning}")
        for number, (seed, one) in enumerate(((seed, one) for seed in self.seeds for one in self.networks), 1):
            if self.folder.trial(one, seed) is None:
                trial = self._trial(one, seed, epochs, f"training {number} of {total}: {one.arch.name}, seed {seed}")
                self.folder.note(done=(*self.folder.state.done, Done(key=one.key, trial=trial)))
                self.folder.checkpoint(one, seed).unlink(missing_ok=True)
                reached = trial.fault or f"{100 * (trial.accuracy or 0.0):.2f}%"
                self.watcher.say(f"{number} of {total}: {one.arch.name}, seed {seed}: {reached}")

    def _trial(self, one: Candidate, seed: int, epochs: float, heading: str) -> Trial:
        path = self.folder.checkpoint(one, seed)
        begun = path.is_file()
        trainer = self._trainer(one, seed, Saving(path=path, remedy=self.folder.remedy))
        with self.watcher.task(heading) as advance:
            trainer.observer = Bar(advance)
            try:
                if begun:
                    trainer.resume(path)
                if not trainer.histories:
                    trainer.cycle(epochs=epochs, evaluations=1)
            except RecipeError as error:
                return Trial(seed=seed, accuracy=None, loss=None, seconds=trainer.seconds, fault=error.what)
        last = trainer.histories[-1].points[-1]
        return Trial(seed=seed, accuracy=last.val_accuracy, loss=last.val_loss, seconds=trainer.seconds)

    def _trainer(self, one: Candidate, seed: int, saving: Saving | None = None) -> Trainer:
        preprocess = self.look.preprocess(one.arch.resolution)
        if sum(self.pictures.bytes_at(side) for side in self._sides) > MOST_PIXELS:
            self.pictures.forget(preprocess)
        train, val = self.pictures.at(preprocess)
        recipe = msgspec.structs.replace(self.recipe, seed=seed)
        net = build(one.arch, seed=seed)
        net.to(memory_format=self.setting.memory_format)  # type: ignore[call-overload]
        trainer = Trainer(net, recipe, train, val, classes=self.look.dataset.classes, saving=saving)
        trainer.setting = self.setting
        return trainer

    @property
    def _sides(self) -> set[int]:
        return {one.arch.resolution for one in self.networks}

    def _affordable(self) -> float:
        """Whole passes that every network can have in the minutes, from a few measured steps of each."""
        minutes = self.folder.request.minutes or MINUTES
        each, judging = 0.0, 0.0
        with self.watcher.task("measuring training steps") as advance:
            for number, one in enumerate(self.networks, 1):
                trainer = self._trainer(one, self.seeds[0])
                feed = Feed(trainer.train, trainer.recipe)
                _, step = tuned(trainer.net, trainer.recipe, *feed.batch(0))
                each += step * feed.steps_per_epoch
                # Judging a picture takes about a third of training on it.
                judging += step * feed.steps_per_epoch * len(self.look.dataset.parts["val"]) / len(trainer.train) / 3
                advance(number, len(self.networks), "")
        left = 60 * minutes - self.watch.elapsed - len(self.seeds) * judging
        passes = int(left / (len(self.seeds) * each))
        if passes < 1:
            least = (60 * minutes - left + len(self.seeds) * each) / 60
            raise BudgetError(
                f"{minutes:g} minutes are too few for {len(self.networks)} networks with {len(self.seeds)} seeds",
                where="--minutes",
                allowed=f"about {least:.1f} or more for one pass over the pictures",
                remedy="or fewer --images, --seeds, --alphas or --betas",
            )
        return float(min(passes, MOST_EPOCHS))

    def _result(self) -> GridSearch:
        asked, base = self.folder.request, self.grid.base
        return GridSearch(
            base=base.arch.name,
            architecture=to_data(base.arch),
            data=self.look.dataset.name,
            classes=len(self.look.dataset.classes),
            images=len(self.look.dataset.parts["train"]),
            judged=len(self.look.dataset.parts["val"]),
            epochs=self.folder.state.epochs or 0.0,
            seeds=self.seeds,
            target=asked.target,
            recipe=msgspec.to_builtins(self.recipe),
            reference=_cell(base, self._trials),
            cells=tuple(_cell(one, self._trials) for one in self.grid.candidates),
            left_out=self.grid.left_out,
            seconds=self.watch.elapsed,
            environment=environment(),
        )

    def _trials(self, one: Candidate) -> tuple[Trial, ...]:
        found = (self.folder.trial(one, seed) for seed in self.seeds)
        return tuple(trial for trial in found if trial is not None)


def _cell(one: Candidate, trials: Callable[[Candidate], tuple[Trial, ...]]) -> Cell:
    return Cell(
        alpha=one.alpha,
        beta=one.beta,
        gamma=one.gamma,
        resolution=one.arch.resolution,
        blocks=one.blocks,
        params=one.params,
        macs=one.macs,
        cost=one.cost,
        trials=trials(one),
    )


def _thinned(seen: Look, asked: Asked) -> Look:
    return msgspec.structs.replace(seen, dataset=thinned(seen.dataset, asked.images, seed=asked.seed))


def _grid(asked: Asked, seen: Look) -> Grid:
    base = from_json(asked.architecture).with_classes(len(seen.dataset.classes)).with_channels(seen.channels)
    if asked.resolution is not None:
        base = base.with_resolution(asked.resolution)
    return grid(base, alphas=asked.alphas, betas=asked.betas, target=asked.target)


def _recipe(asked: Asked, seen: Look, base: Candidate) -> Recipe:
    """The one that was given, or the default for these data and the base."""
    if asked.recipe is not None:
        return Recipe.from_json(asked.recipe)
    facts = Facts(
        images=len(seen.dataset.parts["train"]),
        size=base.arch.resolution,
        classes=len(seen.dataset.classes),
        source_size=seen.side,
        grey=seen.inspection.grey,
    )
    return recipe_for(facts)


def _fixed(recipe: Recipe, seed: int) -> tuple[Setting, Recipe]:
    """Layout and precision for everyone: measured for each network they might differ, and with them the accuracies."""
    setting = Setting(
        layout="channels_last" if recipe.layout == "auto" else recipe.layout,
        precision="float32" if recipe.precision == "auto" else recipe.precision,
    )
    made = msgspec.structs.replace(recipe, layout=setting.layout, precision=setting.precision, seed=seed)
    return setting, made
