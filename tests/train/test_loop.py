from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest
import torch

from tests.train.helpers import CLASSES, digits, noise, recipe, tiny
from vertebra.errors import DataError, Interrupted, RecipeError, WeightsError
from vertebra.train.checkpoint import Saving
from vertebra.train.feeding import bounds
from vertebra.train.interruption import Interruption
from vertebra.train.loop import Trainer
from vertebra.train.observer import Silent
from vertebra.train.recipe import AdamW, Augmentation, Sgd

ABC = ("a", "b", "c")


def same(one: Trainer, other: Trainer) -> bool:
    """Whether two trainers have the same network to the last bit."""
    mine, theirs = one.network.state_dict(), other.network.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


class Stop(Silent):
    """Stops training after some steps, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.left = after

    def stepped(self, status) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def test_digits_are_learnt_within_seconds():
    train, val = digits()
    made = recipe(batch=32, optimiser=Sgd(learning_rate=0.1), ema=0.9)
    trainer = Trainer(tiny(1, 10, width=24), made, train, val, classes=CLASSES)
    history = trainer.cycle(epochs=9, evaluations=3)
    assert [point.epoch for point in history.points] == [3, 6, 9]
    assert history.points[0].train_loss > history.points[-1].train_loss
    result = trainer.evaluate(val)
    assert result.top1 > 0.9 and result.top1 == pytest.approx(history.val_accuracy)
    assert result.probabilities.shape == (len(val), 10)
    np.testing.assert_allclose(result.probabilities.sum(1), 1, atol=1e-5)
    confusion = np.array(result.confusion)
    assert confusion.sum() == len(val) and confusion.trace() / len(val) == result.top1
    for label, name in enumerate(CLASSES):
        assert result.per_class[name] == confusion[label, label] / confusion[label].sum()


@pytest.mark.parametrize(
    "made",
    [
        recipe(ema=0.9, augmentation=Augmentation(crop=1, flip=True, rotation=5.0)),
        recipe(optimiser=AdamW(learning_rate=1e-3), mixup=0.2, layout="channels_last"),
    ],
)
@pytest.mark.parametrize("after", [1, 5, 14, 19])
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path, made, after):
    train, val = noise(70), noise(20, seed=1)
    whole = Trainer(tiny(dropout=0.2), made, train, val, classes=ABC)
    first = whole.cycle(epochs=4, evaluations=3)
    saving = Saving(path=tmp_path / "checkpoint", remedy="go on with --resume")
    stopped = Trainer(tiny(dropout=0.2), made, train, val, classes=ABC, observer=Stop(after), saving=saving)
    with pytest.raises(Interrupted, match=f"stopped at step {after} of 20; go on with --resume"):
        stopped.cycle(epochs=4, evaluations=3)
    fresh = Trainer(tiny(dropout=0.2, width=16), made, train, val, classes=ABC, saving=saving)
    second = fresh.resume(saving.path)
    assert same(whole, fresh)
    assert [(p.step, p.train_loss, p.val_loss) for p in first.points] == [
        (p.step, p.train_loss, p.val_loss) for p in second.points
    ]
    assert fresh.resume(saving.path) is None  # the checkpoint at the end has nothing left to do


def test_two_cycles_follow_each_other_and_resume_in_the_second(tmp_path):
    train = noise(64)
    whole = Trainer(tiny(), recipe(), train, classes=ABC)
    assert [whole.cycle(epochs=1).start, whole.cycle(epochs=2).start] == [0, 4]
    saving = Saving(path=tmp_path / "c")
    stopped = Trainer(tiny(), recipe(), train, classes=ABC, observer=Stop(7), saving=saving)
    stopped.cycle(epochs=1)
    with pytest.raises(Interrupted, match="stopped at step 3 of 8"):
        stopped.cycle(epochs=2)
    fresh = Trainer(tiny(), recipe(), train, classes=ABC)
    fresh.resume(saving.path)
    assert len(fresh.histories) == 2
    assert same(whole, fresh)


def test_a_plan_of_a_time_budget_gives_the_same_weights_again():
    train, val = noise(64), noise(10)
    timed = Trainer(tiny(), recipe(), train, val, classes=ABC)
    history = timed.cycle(seconds=0.3, evaluations=2)
    again = Trainer(tiny(), recipe(), train, val, classes=ABC)
    assert again.cycle(plan=history.plan, evaluations=2).plan == history.plan
    assert same(timed, again)


def test_a_seed_decides_everything_and_the_global_generator_nothing():
    train = noise(40)
    results = []
    for seed, disturbed in ((1, 0), (1, 5), (2, 0)):
        torch.manual_seed(disturbed)
        before = torch.random.get_rng_state()
        trainer = Trainer(tiny(dropout=0.3), recipe(seed=seed), train, classes=ABC)
        trainer.cycle(epochs=2)
        assert torch.equal(before, torch.random.get_rng_state())
        results.append(trainer.network.state_dict()["0.weight"])
    assert np.array_equal(results[0], results[1]) and not np.array_equal(results[0], results[2])


@pytest.mark.parametrize("after", [0.05, 0.8])  # while layout and precision are measured, and in the cycle
def test_ctrl_c_is_heard_and_the_handler_comes_back(tmp_path, after):
    trainer = Trainer(tiny(), recipe(), noise(64), classes=ABC, saving=Saving(path=tmp_path / "c"))
    before = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(Interrupted):
        trainer.cycle(seconds=60)
    timer.join()
    assert (tmp_path / "c").is_file()
    assert signal.getsignal(signal.SIGINT) is before


def test_layout_and_precision_are_measured_on_a_copy():
    net = tiny()
    before = [value.clone() for value in net.state_dict().values()]
    trainer = Trainer(net, recipe(precision="auto", layout="auto"), noise(32), classes=ABC)
    trainer._tune(Interruption())
    assert all(torch.equal(a, b) for a, b in zip(before, net.state_dict().values(), strict=True))
    assert len(trainer.setting.measured) == 4
    assert all(speed.images_per_second > 0 for speed in trainer.setting.measured)


@pytest.mark.parametrize(("count", "batch"), [(2, 128), (3, 2), (5, 2), (129, 128), (1000, 64), (7, 7)])
def test_an_epoch_is_cut_without_rest(count, batch):
    cuts = bounds(count, batch)
    sizes = np.diff(cuts)
    assert cuts[0] == 0 and cuts[-1] == count
    assert sizes.min() >= 2 and sizes.max() - sizes.min() <= 1 and sizes.max() <= max(batch, 3)


def test_weight_decay_spares_gains_and_biases():
    trainer = Trainer(tiny(), recipe(optimiser=Sgd(weight_decay=0.1)), noise(8), classes=ABC)
    kernels, vectors = trainer.optimiser.param_groups
    assert (kernels["weight_decay"], vectors["weight_decay"]) == (0.1, 0)
    assert [p.ndim for p in kernels["params"]] == [4, 4, 2] and {p.ndim for p in vectors["params"]} == {1}


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    path = tmp_path / "c"
    trainer = Trainer(tiny(), recipe(), noise(20), classes=ABC)
    trainer.cycle(epochs=1)
    trainer.save(path)
    for other, what in (
        (Trainer(tiny(width=8), recipe(), noise(20), classes=ABC), "network"),
        (Trainer(tiny(), recipe(batch=4), noise(20), classes=ABC), "recipe"),
        (Trainer(tiny(), recipe(), noise(21), classes=ABC), "number of training pictures"),
        (Trainer(tiny(), recipe(), noise(20), classes=("a", "b", "d")), "classes"),
    ):
        with pytest.raises(WeightsError, match=what):
            other.resume(path)


def test_a_loss_that_is_no_number_is_said():
    made = recipe(optimiser=Sgd(learning_rate=100.0, momentum=0.99), warmup=0.0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 64), torch.nn.Linear(64, 3))
    with pytest.raises(RecipeError, match=r"learning_rate: the training loss is (nan|inf).*lower it"):
        Trainer(net, made, noise(64), classes=ABC).cycle(epochs=30)


def test_parts_that_cannot_be_trained_with():
    with pytest.raises(DataError, match="two or more"):
        Trainer(tiny(), recipe(), noise(1), classes=ABC)
    with pytest.raises(DataError, match="train labels"):
        Trainer(tiny(), recipe(), noise(20), classes=("a", "b"))
    with pytest.raises(DataError, match="evaluate"):
        Trainer(tiny(), recipe(), noise(20), classes=ABC).evaluate(noise(0))
