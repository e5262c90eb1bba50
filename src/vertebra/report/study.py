"""What a report is made of: measurements as plain, frozen data that go to JSON and come back equal.

Nothing here computes with pictures or tensors; a picture is its PNG bytes (base64 in JSON).  Fractions, such as an
accuracy, are between 0 and 1.  A number that JSON cannot hold (not a number, infinite) is rendered as a dash.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One round of successive halving as one candidate lived through it; ``seconds`` and ``epochs`` are cumulative."""

    round: int
    seconds: float
    epochs: float
    val_accuracy: float


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One architecture that was considered.

    ``width`` and ``depth`` are multipliers of the family's base, ``resolution`` is in px, ``bytes`` the size of the
    weights.  The two times are medians at batch 1, or None where a candidate was ruled out before it was measured.
    ``over`` says in a sentence which budget it breaks, None if it fits all.
    """

    name: str
    family: str
    width: float
    depth: float
    resolution: int
    params: int
    macs: int
    bytes: int
    network_ms: float | None
    preprocess_ms: float | None
    fits: bool
    over: str | None
    accuracies: tuple[Rung, ...]
    winner: bool
    weights: str | None = None
    """The source of the pretrained weights that it started from; None: from scratch."""
    licence: str | None = None
    """Of those weights, as far as it is known."""

    @property
    def latency_ms(self) -> float | None:
        """Network and preprocessing together, ms; None where one of them was not measured."""
        if self.network_ms is None or self.preprocess_ms is None:
            return None
        return self.network_ms + self.preprocess_ms

    @property
    def accuracy(self) -> float | None:
        """Validation accuracy after the last round that it took part in; None if it was never trained."""
        return self.accuracies[-1].val_accuracy if self.accuracies else None


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a learning curve; ``seconds`` of training so far.  None where a value was not taken."""

    epoch: float
    seconds: float
    train_loss: float | None
    val_accuracy: float | None
    val_loss: float | None
    learning_rate: float


class Mistake(msgspec.Struct, frozen=True, kw_only=True):
    """A test picture that the network got wrong; ``probability`` is what it gave the class that it predicted."""

    path: str
    png: bytes
    truth: str
    predicted: str
    probability: float


class SamplePicture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of the data set, for the overview."""

    png: bytes
    label: str


class DataOverview(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in the data: ``counts`` is images per part per class, ``median_size`` (height, width) in px,
    ``skipped`` the unreadable pictures as (path, reason)."""

    name: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    median_size: tuple[int, int]
    notes: tuple[str, ...]
    samples: tuple[SamplePicture, ...]
    skipped: tuple[tuple[str, str], ...]


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """The exported network as measured and checked.

    Times are medians at batch 1 on pictures of ``image_size`` (height, width).  ``largest_difference`` is the largest
    difference of any probability between artifact and network over ``compared`` pictures; ``agreeing`` of them have
    the same first class.
    """

    engine: str
    threads: int
    bytes: int
    network_ms: float
    preprocess_ms: float
    image_size: tuple[int, int]
    largest_difference: float
    agreeing: int
    compared: int

    @property
    def latency_ms(self) -> float:
        """Network and preprocessing together, ms."""
        return self.network_ms + self.preprocess_ms


class StageCost(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the cost table: the stem, a stage or the head of the winner."""

    stage: str
    block: str
    depth: int
    width: int
    stride: int
    output_shape: str
    params: int
    macs: int
    activations: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the study and how long it took."""

    name: str
    seconds: float


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What starting from pretrained weights brought: the best candidate of each kind after the same ``round`` of
    halving, and so after the same ``seconds`` of training.  Accuracies are of the validation part.
    """

    round: int
    seconds: float
    weights: str
    pretrained: str
    pretrained_accuracy: float
    scratch: str
    scratch_accuracy: float

    @property
    def points(self) -> float:
        """Of accuracy, in percent; below 0 where training from scratch was better."""
        return 100 * (self.pretrained_accuracy - self.scratch_accuracy)


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """The largest network of a family that is expected within a latency.

    ``ms`` is expected, network and preprocessing at batch 1, and lies between ``low_ms`` and ``high_ms`` in nine of ten
    cases; where it was ``measured`` all three are the measured median.  ``last``: nothing larger of the family was laid
    out.
    """

    family: str
    name: str
    resolution: int
    params: int
    macs: int
    ms: float
    low_ms: float
    high_ms: float
    measured: bool
    last: bool


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that was trained: its measured latency, its validation accuracy, and after how many ``epochs``."""

    name: str
    family: str
    latency_ms: float
    val_accuracy: float
    epochs: float


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What a latency would buy: the largest of each family; ``share`` is its part of the basis.

    ``trained``: the best of the candidates whose measured latency lies between the allowance before and this one.
    """

    latency_ms: float
    share: float
    reaches: tuple[Reach, ...]
    trained: Trained | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A family's frontier, from quick to slow: (expected ms, MACs, name) of what holds more than all quicker ones."""

    family: str
    points: tuple[tuple[float, int, str], ...]


class Further(msgspec.Struct, frozen=True, kw_only=True):
    """What other latencies would buy: the families that were trained, the winner's first.

    ``basis_ms``: what the allowances are shares of: the budget if one was given (``budgeted``), else what the winner
    takes.
    ``predicted_by`` says what predicts.  Of ``checked`` networks nine of ten were measured between ``interval`` times
    what was expected of them (0: too few were, and it is what the profile says of itself).
    """

    budgeted: bool
    basis_ms: float
    predicted_by: str
    interval: tuple[float, float]
    checked: int
    allowances: tuple[Allowance, ...]
    lines: tuple[Line, ...]


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the page and the card show.

    ``created`` is an ISO date and time, ``study_started`` an ISO date, ``days`` the whole days between them (0 on the
    first day).  ``budgets`` are as the user wrote them; ``latency_budget_ms`` repeats the one that the plot and the
    headline need.  ``confusion`` has a row for each true class, counted on the test part.  ``environment`` may hold a
    ``machine``: one line that is put beside every latency.  ``bundle`` is the name of the bundle's folder.
    ``brought``: None where candidates of one kind alone were trained.  ``further``: None where nothing was searched.
    """

    title: str
    created: str
    study_started: str
    days: int
    data: DataOverview
    budgets: tuple[str, ...]
    latency_budget_ms: float | None
    candidates: tuple[Candidate, ...]
    winner: str
    curves: dict[str, tuple[Point, ...]]
    confusion: tuple[tuple[int, ...], ...]
    val_accuracy: float
    test_accuracy: float
    test_n: int
    per_class: dict[str, float]
    mistakes: tuple[Mistake, ...]
    costs: tuple[StageCost, ...]
    artifact: Artifact
    steps: tuple[Step, ...]
    environment: dict[str, str]
    recipe: dict[str, Any]
    seed: int
    bundle: str
    brought: Brought | None = None
    further: Further | None = None
