"""The training loop: cosine cycles over one network, interruptible at every step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vertebra.errors import DataError, Interrupted, RecipeError
from vertebra.train import checkpoint, freezing, resuming
from vertebra.train.averaging import Average
from vertebra.train.checkpoint import Saving
from vertebra.train.crowding import Threads
from vertebra.train.cycle import Cycle, Pace, cycle_of
from vertebra.train.evaluation import Evaluation, judged, outputs
from vertebra.train.feeding import Feed, check_parts
from vertebra.train.history import History, Point
from vertebra.train.interruption import Interruption, heard
from vertebra.train.objective import loss_of
from vertebra.train.observer import Observer, Silent, Status
from vertebra.train.optimisers import optimiser_for, set_rate
from vertebra.train.pixels import Pixels
from vertebra.train.recipe import Recipe
from vertebra.train.schedule import Part, Plan, factor
from vertebra.train.tuning import FLOAT32, Setting, tuned

SLOW_STEP = 0.4
"""Seconds from which on Ctrl-C does not wait for the end of a step."""


class Trainer:
    """Trains ``net`` (float32[B, C, S, S] -> float32[B, classes]) on ``train``, in place.

    One :meth:`cycle` follows another from the weights as they are, each with an optimiser of its own.  What is kept
    is the *last* weights of a cycle, or their average where the recipe has an ``ema``: never the best on ``val``,
    which would make its accuracy too good to be true.  Everything random is a function of the recipe's seed and the
    step.
    """

    def __init__(
        self,
        net: nn.Module,
        recipe: Recipe,
        train: Pixels,
        val: Pixels | None = None,
        *,
        classes: Sequence[str],
        observer: Observer | None = None,
        saving: Saving | None = None,
    ) -> None:
        check_parts(train, val, len(classes))
        self.net = net.to(train.device)
        self.recipe = recipe
        self.train = train
        self.val = val if val is not None and len(val) else None
        self.classes = tuple(classes)
        self.observer = observer or Silent()
        self.saving = saving
        self.setting: Setting | None = None
        self.step = 0
        self.seconds = 0.0
        self.average: Average | None = None
        self._parameters = freezing.trainable(net)
        self.optimiser = optimiser_for(net, recipe)
        self.current: Cycle | None = None
        self.histories: tuple[History, ...] = ()
        self._feed = Feed(train, recipe)
        self._step_seconds = 0.0
        self._threads = Threads()
        self._losses: list[Tensor] = []

    @property
    def steps_per_epoch(self) -> int:
        """Batches that an epoch is cut into."""
        return self._feed.steps_per_epoch

    @property
    def network(self) -> nn.Module:
        """The network that is evaluated and kept: the average of the weights where the recipe has one, else the net
        itself."""
        return self.net if self.average is None else self.average.net

    def cycle(
        self,
        *,
        seconds: float | None = None,
        epochs: float | None = None,
        plan: Plan | None = None,
        trains: Part = "all",
        evaluations: int = 4,
    ) -> History:
        """One cycle of ``trains``, warm-up and cosine, as long as one of ``seconds`` (evaluations included), ``epochs``
        or ``plan`` says.  A plan says itself what it trains.

        ``evaluations`` of them are spread evenly, the last at the end.  Raises RecipeError for a length without sense
        and for a loss that is no number, :class:`Interrupted` after Ctrl-C.
        """
        begin = time.perf_counter()
        with self._interruptible(timed=seconds is not None) as stop:
            self._tune(stop)
            self.current = cycle_of(
                start=self.step,
                evaluations=evaluations,
                steps_per_epoch=self.steps_per_epoch,
                step_seconds=self._step_seconds,
                seconds=seconds,
                epochs=epochs,
                plan=plan,
                trains=trains,
            )
            self._losses.clear()
            self.prepare(self.current.plan.trains)
            self.average = Average(self.net, self.recipe.ema) if self.recipe.ema else None
            return self._run(self.current, begin, stop)

    def prepare(self, trains: Part) -> None:
        """Readies the network for a cycle that trains this part of it, with an optimiser of its own."""
        freezing.prepare(self.net, self._parameters, trains)
        self.optimiser = optimiser_for(self.net, self.recipe)

    def resume(self, path: Path) -> History | None:
        """Takes over a checkpoint and ends its cycle; None where that was at its end already.

        On a CPU in float32 the result is equal to the last bit to that of a run without interruption (in time
        budgets: with the same plan).  Raises WeightsError for a damaged checkpoint, or one of another network or
        other data.
        """
        resuming.restore(self, checkpoint.load(path), str(path))
        if self.current is None:
            return None
        begin = time.perf_counter() - self.current.seconds
        with self._interruptible(timed=self.current.budget is not None) as stop:
            self._tune(stop)
            return self._run(self.current, begin, stop)

    def evaluate(self, pixels: Pixels) -> Evaluation:
        """Judges :attr:`network` in float32; raises DataError where there is no picture."""
        if not len(pixels):
            raise DataError("no picture to evaluate on", where="images")
        with Threads():
            logits = outputs(self.network, pixels, FLOAT32)
        return judged(logits, pixels.labels.cpu().numpy(), self.classes)

    def save(self, path: Path) -> None:
        """Writes a checkpoint; raises OutputError."""
        self.settle_losses()
        checkpoint.save(path, resuming.state(self))

    @contextmanager
    def _interruptible(self, *, timed: bool) -> Iterator[Interruption]:
        """Ctrl-C becomes :class:`Interrupted`; threads and the global generator come back as they were."""
        devices = [self.train.device] if self.train.device.type == "cuda" else []
        threads = self._threads if timed and not devices else nullcontext()
        with heard() as stop, threads, torch.random.fork_rng(devices=devices):
            try:
                yield stop
            except KeyboardInterrupt:
                raise self._interrupted(stop) from None

    def _run(self, cycle: Cycle, begin: float, stop: Interruption) -> History:
        self._steps(cycle, begin, stop)
        history = self._finished(cycle, time.perf_counter() - begin)
        self._save_now()
        stop.check()
        return history

    def _steps(self, cycle: Cycle, begin: float, stop: Interruption) -> None:
        saved = time.perf_counter()
        pace = Pace()
        self._save_now()
        while True:
            done = self.step - cycle.start
            cycle.seconds = time.perf_counter() - begin
            if cycle.due(done):
                if cycle.budget is not None:
                    self._threads.look()
                self._judge(cycle, stop)
            if done >= cycle.plan.steps_at(done):
                return
            stop.check()
            before = time.perf_counter()
            self._one_step(cycle, done, stop)
            now = time.perf_counter()
            cycle.seconds = now - begin
            self._step_seconds = pace.took(now - before) or self._step_seconds
            stop.patient = now - before < SLOW_STEP
            if cycle.budget is not None:
                self._threads.took(now - before)
            if pace.known and cycle.wants_revision(done + 1):
                cycle.revise(done + 1, self._step_seconds, self._evaluation_seconds(cycle))
                pace.restart()
            self._report(cycle, done + 1)
            if self.saving is not None and now - saved > self.saving.every:
                self._save_now()
                saved = time.perf_counter()

    def _one_step(self, cycle: Cycle, done: int, stop: Interruption) -> None:
        rate = self.recipe.optimiser.learning_rate * factor(done, cycle.plan.steps_at(done), self.recipe.warmup)
        set_rate(self.optimiser, rate)
        with stop.torn():
            loss = loss_of(self.net, self.recipe, self.setting or FLOAT32, self.step, *self._feed.batch(self.step))
            loss.backward()
            self.optimiser.step()
            self.optimiser.zero_grad(set_to_none=True)
            if self.average is not None:
                self.average.update()
            self.step += 1
            self._losses.append(loss.detach())

    def _tune(self, stop: Interruption) -> None:
        if self.setting is not None:
            return
        stop.patient = False
        images, labels = self._feed.batch(self.step)
        self.setting, self._step_seconds = tuned(self.net, self.recipe, images, labels)
        self.net.to(memory_format=self.setting.memory_format)  # type: ignore[call-overload]
        stop.patient = True
        self.observer.tuned(self.setting)

    def _judge(self, cycle: Cycle, stop: Interruption) -> None:
        begin = time.perf_counter()
        self.settle_losses()
        loss = cycle.mean_loss
        if loss is not None and not np.isfinite(loss):
            raise RecipeError(
                f"the training loss is {loss} at step {self.step}",
                where="recipe.optimiser.learning_rate",
                remedy="lower it",
            )
        result: Evaluation | None = None
        if self.val is not None:
            logits = outputs(self.network, self.val, self.setting or FLOAT32, stop.check)
            result = judged(logits, self.val.labels.cpu().numpy(), self.classes)
        took = time.perf_counter() - begin
        done = self.step - cycle.start
        cycle.seconds += took
        cycle.evaluating += took
        point = Point(
            step=self.step,
            epoch=self.step / self.steps_per_epoch,
            seconds=self.seconds + cycle.seconds,
            train_loss=loss,
            val_loss=result.loss if result else None,
            val_accuracy=result.top1 if result else None,
            learning_rate=float(self.optimiser.param_groups[0]["lr"]),
        )
        cycle.settle(done, point)
        self.observer.evaluated(point)

    def _evaluation_seconds(self, cycle: Cycle) -> float:
        """Of one evaluation: as measured, or before the first as a third of training on as many pictures."""
        if cycle.points or self.val is None:
            return cycle.evaluating / max(1, len(cycle.points))
        return self._step_seconds * len(self.val) / (len(self.train) / self.steps_per_epoch) / 3

    def settle_losses(self) -> None:
        """Reads the losses of the latest steps from the device (they are left there, since reading waits for it)."""
        if self.current is not None:
            self.current.add([float(loss) for loss in self._losses])
        self._losses.clear()

    def _report(self, cycle: Cycle, done: int) -> None:
        self.observer.stepped(
            Status(
                step=done,
                steps=cycle.plan.steps_at(done),
                epoch=self.step / self.steps_per_epoch,
                seconds=cycle.seconds,
                train_loss=cycle.points[-1].train_loss if cycle.points else None,
                learning_rate=float(self.optimiser.param_groups[0]["lr"]),
            )
        )

    def _save_now(self) -> None:
        if self.saving is not None:
            self.save(self.saving.path)

    def _interrupted(self, stop: Interruption) -> Interrupted:
        cycle = self.current
        at = f"stopped at step {self.step - cycle.start} of {cycle.plan.steps}" if cycle else "stopped before a step"
        if self.saving is None:
            return Interrupted(at)
        if stop.whole:
            self.save(self.saving.path)
        return Interrupted(at, where=str(self.saving.path), remedy=self.saving.remedy)

    def _finished(self, cycle: Cycle, seconds: float) -> History:
        cycle.seconds = seconds
        images = (self.step - cycle.start) / self.steps_per_epoch * len(self.train)
        history = cycle.history(images, self.setting or FLOAT32)
        self.seconds += seconds
        self.histories = (*self.histories, history)
        self.current = None
        return history
