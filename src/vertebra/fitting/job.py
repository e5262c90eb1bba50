"""What the steps of a job share: the data, the pixels at each size, the trainers, the clock, whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from vertebra.data.preprocess import Preprocess
from vertebra.errors import RecipeError
from vertebra.fitting import pretrained
from vertebra.fitting.console import Advance, Watcher
from vertebra.fitting.halving import Contender
from vertebra.fitting.layout import Plan as Candidate
from vertebra.fitting.looking import Look
from vertebra.fitting.measuring import Measured
from vertebra.fitting.pictures import Pictures
from vertebra.fitting.run_folder import RunFolder
from vertebra.fitting.steps import Stopwatch
from vertebra.nn import build
from vertebra.train.checkpoint import Saving
from vertebra.train.device import device_named
from vertebra.train.history import Point
from vertebra.train.loop import Trainer
from vertebra.train.observer import Status
from vertebra.train.recipe import Facts, Recipe, recipe_for
from vertebra.train.schedule import Plan
from vertebra.train.tuning import Setting

EVALUATIONS = 12
"""Of the last cycle: enough points for a curve."""
HEAD_SHARE = 0.25
"""Of the first round of pretrained weights: their new classifier alone."""


class Job:
    """One job under way."""

    def __init__(self, look: Look, folder: RunFolder, watch: Stopwatch, watcher: Watcher) -> None:
        self.look = look
        self.folder = folder
        self.watch = watch
        self.watcher = watcher
        self.pictures = Pictures(look.dataset, device_named(), watcher)

    def preprocess(self, plan: Candidate) -> Preprocess:
        """That of the weights that a candidate starts from, or the data's own."""
        if plan.offer is None:
            return self.look.preprocess(plan.resolution)
        return plan.offer.preprocess_at(plan.resolution)

    def recipe(self, plan: Candidate) -> Recipe:
        """The recipe that was given, or the default for these data and this candidate."""
        if self.folder.request.recipe is not None:
            return Recipe.from_json(self.folder.request.recipe)
        facts = Facts(
            images=len(self.look.dataset.parts["train"]),
            size=plan.resolution,
            classes=len(self.look.dataset.classes),
            source_size=self.look.side,
            grey=self.look.inspection.grey,
            pretrained=plan.offer is not None,
        )
        return recipe_for(facts, seed=self.folder.request.seed)

    def _network(self, plan: Candidate, *, begun: bool) -> nn.Module:
        """New, or with the weights that it starts from; those are not fetched where a checkpoint has ``begun``."""
        request, known = self.folder.request, self.folder.state.fingerprints
        if plan.offer is None or begun:
            return build(plan.arch, seed=request.seed)
        net = pretrained.network(plan.arch, plan.offer, seed=request.seed, say=self.watcher.say)
        found = pretrained.fingerprint(net)
        pretrained.check(found, known.get(plan.name, request.fingerprint), plan.offer.source)
        self.folder.note(fingerprints={**known, plan.name: found})
        return net

    def pixels_fit(self, size: int) -> bool:
        """Whether training and validation pictures at a size fit the memory set aside for one size."""
        return self.pictures.fit(size)

    def forget_pixels(self, but: Preprocess) -> None:
        """Free the pictures that were prepared in any other way."""
        self.pictures.forget(but)

    def contender(self, measured: Measured) -> Contender:
        """A candidate with its trainer; where the job was stopped, as its checkpoint left it."""
        plan = measured.plan
        path = self.folder.checkpoint(plan.arch, plan.offer)
        net = self._network(plan, begun=path.is_file())
        train, val = self.pictures.at(self.preprocess(plan))
        trainer = Trainer(
            net,
            self.recipe(plan),
            train,
            val,
            classes=self.look.dataset.classes,
            saving=Saving(path=path, remedy=self.folder.remedy),
        )
        contender = Contender(measured=measured, trainer=trainer)
        if path.is_file():
            self._train(contender, f"going on with {plan.name}", lambda: trainer.resume(path))
        return contender

    def cycle(self, contender: Contender, seconds: float, heading: str, evaluations: int = 1) -> None:
        """One cycle of so many seconds under a bar; a loss that is no number becomes the contender's ``fault``.

        The first of pretrained weights begins with their new classifier alone.
        """
        rest = seconds - self._head_first(contender, heading, seconds=HEAD_SHARE * seconds)
        self._train(contender, heading, lambda: contender.trainer.cycle(seconds=rest, evaluations=evaluations))

    def cycle_epochs(self, contender: Contender, epochs: float, heading: str, evaluations: int = 1) -> None:
        """One cycle of so many passes over the data, as :meth:`cycle`."""
        rest = epochs - self._head_first(contender, heading, epochs=HEAD_SHARE * epochs)
        self._train(contender, heading, lambda: contender.trainer.cycle(epochs=rest, evaluations=evaluations))

    def cycle_plan(self, contender: Contender, plan: Plan, heading: str, evaluations: int = 1) -> None:
        """One cycle of the same steps as before."""
        self._train(contender, heading, lambda: contender.trainer.cycle(plan=plan, evaluations=evaluations))

    def _head_first(
        self, contender: Contender, heading: str, *, seconds: float | None = None, epochs: float | None = None
    ) -> float:
        """Train the new classifier of pretrained weights alone, for so long, once; what that takes of the first round.

        A new classifier's large gradients would spoil what the weights know (Kumar et al. 2022, section 3).
        """
        if contender.plan.offer is None or contender.rounds:
            return 0.0
        if not contender.trainer.histories:
            said = f"{heading}, classifier first"
            work = partial(contender.trainer.cycle, seconds=seconds, epochs=epochs, trains="head", evaluations=1)
            self._train(contender, said, work)
        return seconds or epochs or 0.0

    def _train(self, contender: Contender, heading: str, work: Callable[[], object]) -> None:
        if contender.fault is not None:
            return
        with self.watcher.task(heading) as advance:
            contender.trainer.observer = Bar(advance)
            try:
                work()
            except RecipeError as error:
                contender.fault = error
                self.watcher.say(f"{contender.plan.name} is out: {error.what}")


class Bar:
    """A trainer's observer that moves a bar."""

    def __init__(self, advance: Advance) -> None:
        self.advance = advance
        self.said = ""

    def loading(self, done: int, total: int) -> None:
        self.advance(done, total, "")

    def tuned(self, setting: Setting) -> None:
        self.said = f"{setting.precision}, {setting.layout}"

    def stepped(self, status: Status) -> None:
        self.advance(status.step, status.steps, f"epoch {status.epoch:.1f}  {self.said}")

    def evaluated(self, point: Point) -> None:
        if point.val_accuracy is not None:
            self.said = f"validation {100 * point.val_accuracy:.1f}%"
