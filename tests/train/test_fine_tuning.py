"""Training a classifier alone, and a backbone more slowly than its classifier."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.train.helpers import noise, recipe, tiny
from tests.train.test_loop import Stop, same
from vertebra.errors import Interrupted, RecipeError
from vertebra.train.checkpoint import Saving
from vertebra.train.evaluation import outputs
from vertebra.train.freezing import classifier
from vertebra.train.loop import Trainer
from vertebra.train.optimisers import SHARE, optimiser_for, set_rate
from vertebra.train.recipe import AdamW, Facts, Sgd, recipe_for
from vertebra.train.schedule import Plan
from vertebra.train.tuning import FLOAT32

ABC = ("a", "b", "c")


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.net.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_cycle_of_the_head_changes_the_classifier_and_nothing_else() -> None:
    """Not the running statistics either, though an evaluation comes in between."""
    trainer = Trainer(tiny(), recipe(), noise(64), noise(16, seed=1), classes=ABC)
    before = state(trainer)
    history = trainer.cycle(epochs=2, trains="head", evaluations=2)
    middle = state(trainer)
    assert history.plan == Plan.of(8, "head") and len(history.points) == 2
    assert changed(before, middle) == {"9.weight", "9.bias"}
    trainer.cycle(epochs=1)
    assert changed(middle, state(trainer)) == set(before)


def test_a_parameter_that_was_frozen_stays_frozen() -> None:
    net = tiny()
    net[0].weight.requires_grad_(False)
    trainer = Trainer(net, recipe(), noise(32), classes=ABC)
    before = state(trainer)
    trainer.cycle(epochs=1, trains="head")
    trainer.cycle(epochs=1)
    assert "0.weight" not in changed(before, state(trainer)) and "3.weight" in changed(before, state(trainer))


@pytest.mark.parametrize("made", [recipe(), recipe(optimiser=AdamW(learning_rate=1e-3), ema=0.9, backbone_rate=0.1)])
@pytest.mark.parametrize("after", [3, 8, 11])  # within the cycle of the head, at its end, in the next one
def test_a_run_stopped_around_the_head_goes_on_to_the_same_bits(tmp_path, made, after) -> None:
    train = noise(64)
    whole = Trainer(tiny(dropout=0.2), made, train, classes=ABC)
    whole.cycle(epochs=2, trains="head")
    whole.cycle(epochs=2)
    saving = Saving(path=tmp_path / "c")
    stopped = Trainer(tiny(dropout=0.2), made, train, classes=ABC, observer=Stop(after), saving=saving)
    with pytest.raises(Interrupted):
        stopped.cycle(epochs=2, trains="head")
        stopped.cycle(epochs=2)
    fresh = Trainer(tiny(dropout=0.2), made, train, classes=ABC)
    fresh.resume(saving.path)
    if len(fresh.histories) < 2:
        assert fresh.histories[0].plan.trains == "head"
        fresh.cycle(epochs=2)
    assert same(whole, fresh)


def test_the_plan_of_a_timed_head_gives_the_same_weights_again() -> None:
    timed = Trainer(tiny(), recipe(), noise(64), classes=ABC)
    history = timed.cycle(seconds=0.3, trains="head")
    assert history.plan.trains == "head"
    again = Trainer(tiny(), recipe(), noise(64), classes=ABC)
    again.cycle(plan=history.plan)
    assert same(timed, again)


def test_the_backbone_learns_at_its_share_of_the_rate() -> None:
    """Plain SGD: a first step is the gradient times the rate, so the classifier's is as without a share."""
    plain = recipe(optimiser=Sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0))
    slow = recipe(optimiser=plain.optimiser, backbone_rate=0.25)
    steps = []
    for made in (plain, slow):
        net = tiny()
        before = [parameter.clone() for parameter in net.parameters()]
        optimiser = optimiser_for(net, made)
        set_rate(optimiser, 0.1)
        nn.functional.cross_entropy(net(torch.ones(4, 3, 8, 8)), torch.tensor([0, 1, 2, 0])).backward()
        optimiser.step()
        steps.append([after.detach() - old for after, old in zip(net.parameters(), before, strict=True)])
    head = {id(parameter) for parameter in classifier(net).parameters()}
    for parameter, usual, less in zip(net.parameters(), *steps, strict=True):
        torch.testing.assert_close(less, usual if id(parameter) in head else 0.25 * usual)
    assert [group[SHARE] for group in optimiser.param_groups] == [1.0, 1.0, 0.25, 0.25]


def test_an_evaluation_leaves_each_module_in_its_mode() -> None:
    net = tiny()
    net.train()
    net[1].eval()
    outputs(net, noise(8), FLOAT32)
    assert net.training and net[0].training and not net[1].training


def test_a_network_without_a_classifier_has_no_head_to_train() -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(RecipeError, match="no classifier"):
        Trainer(net, recipe(), noise(16), classes=ABC).cycle(epochs=1, trains="head")


def test_pretrained_weights_are_changed_gently() -> None:
    facts = {"images": 5000, "size": 224, "classes": 10, "source_size": 300}
    plain, tuned = recipe_for(Facts(**facts)), recipe_for(Facts(**facts, pretrained=True))
    rate = tuned.optimiser.learning_rate * tuned.backbone_rate
    assert rate < plain.optimiser.learning_rate and tuned.backbone_rate < 1 == plain.backbone_rate
