"""What is said of a grid search: the table, the heat map, and no more than the noise allows."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import msgspec
import numpy as np
import pytest

from vertebra.report.coefficient_page import HEAD, page, table, verdict
from vertebra.report.coefficient_plot import heat_map
from vertebra.report.coefficients import Cell, GridSearch, Trial
from vertebra.report.noise import honest_difference
from vertebra.report.svg import standalone
from vertebra.report.trend import trend


def cell(alpha: float, beta: float, gamma: float, *accuracies: float | None, cost: float = 2.0) -> Cell:
    trials = tuple(
        Trial(seed=seed, accuracy=one, loss=None, seconds=1.0, fault="the loss is nan" if one is None else None)
        for seed, one in enumerate(accuracies)
    )
    return Cell(alpha=alpha, beta=beta, gamma=gamma, resolution=round(20 * gamma), blocks=9, params=1000,
                macs=int(1e6 * cost), cost=cost, trials=trials)  # fmt: skip


def search(*cells: Cell, base: tuple[float, ...] = (0.5, 0.502)) -> GridSearch:
    return GridSearch(
        base="net", architecture={}, data="cifar10", classes=10, images=10_000, judged=7_500, epochs=8.0,
        seeds=tuple(range(len(base))), target=2.0, recipe={}, reference=cell(1, 1, 1, *base, cost=1.0), cells=cells,
        left_out=("alpha 3, beta 1: none",), seconds=100.0, environment={"machine": "a machine", "torch": "2"},
    )  # fmt: skip


CLEAR = search(cell(1.2, 1.1, 1.17, 0.60, 0.602), cell(2, 1, 1, 0.55, 0.552), cell(1, 1.4, 1, 0.599, 0.601))
"""Runs differ by 0.2 points: a spread of 0.14 with four degrees of freedom."""
NOISY = search(cell(1.2, 1.1, 1.17, 0.60, 0.64), cell(2, 1, 1, 0.59, 0.63), cell(1, 1.4, 1, 0.63, 0.58))


def test_the_noise_and_who_is_within_it() -> None:
    spread, freedom = CLEAR.noise
    assert (spread, freedom) == (pytest.approx(0.002 / 2**0.5), 4)
    assert CLEAR.least_difference == pytest.approx(honest_difference(spread, 4, 3, 2))
    assert CLEAR.winner == CLEAR.cells[0] and CLEAR.tied == (CLEAR.cells[2],)
    assert [one.alpha for one in CLEAR.ranked] == [1.2, 1, 2]


def test_the_verdict_claims_what_is_beyond_the_noise_and_no_more() -> None:
    said = " ".join(verdict(CLEAR))
    assert "60.10%, with alpha 1.2, beta 1.1, gamma 1.17: 10.00 points above the base's 50.10%" in said
    assert "1 of the 2 others cannot be told from the best" in said and "1 is worse beyond it" in said
    assert "Nearest to that here is alpha 1.2, beta 1.1, gamma 1.17, the best." in said
    assert "alpha 3, beta 1: none" in said
    assert "this search does not tell them apart" in " ".join(verdict(NOISY))
    alone = search(cell(1.2, 1.1, 1.17, 0.60, 0.602), cell(2, 1, 1, 0.55, 0.552))
    assert "more than the noise" in " ".join(verdict(alone)) and alone.tied == ()


def test_the_papers_coefficients_that_did_not_win_are_placed() -> None:
    one = search(cell(1.2, 1.1, 1.17, 0.55, 0.552), cell(2, 1, 1, 0.60, 0.602))
    assert "gamma 1.17: place 2 of 2, 5.00 points below the best, beyond the noise." in " ".join(verdict(one))
    # ln(2/1.2) = 0.51 away
    assert "Tan and Le" not in " ".join(verdict(search(cell(2, 1, 1, 0.60, 0.602))))


def test_one_seed_says_nothing_of_the_noise() -> None:
    one = search(cell(1.2, 1.1, 1.17, 0.60), cell(2, 1, 1, 0.50), base=(0.4,))
    assert one.least_difference is None and one.tied == (one.cells[1],)
    assert "the noise is not known" in " ".join(verdict(one))


def test_a_failed_trial_takes_its_candidate_out() -> None:
    failed = search(cell(1.2, 1.1, 1.17, 0.60, None), cell(2, 1, 1, 0.50, 0.51))
    assert failed.winner == failed.cells[1] and failed.cells[0].mean is None
    assert "60.00%, failed" in table(failed)
    assert verdict(search(cell(1, 1, 1.4, None, None))) == ("No candidate came to the end of its training.",)


def test_the_table_has_every_candidate_best_first() -> None:
    head, _, *rows = table(CLEAR).splitlines()
    assert [part.strip() for part in head.strip("|").split("|")] == list(HEAD)
    assert [row.split("|")[1].strip() for row in rows] == ["base", "1.2", "1", "2"]
    # 1.2 * 1.1^2 * 1.17^2
    assert [part.strip() for part in rows[1].strip("|").split("|")] == [
        "1.2", "1.1", "1.17", "1.99", "23", "2.00 M (2.00×)", "1.00 k", "60.00%, 60.20%", "60.10%"
    ]  # fmt: skip
    assert page(CLEAR, picture="heat.svg").count("](heat.svg)") == 1


@pytest.mark.parametrize("one", [CLEAR, NOISY, search(cell(1, 1, 1.4, None, None))], ids=["clear", "noisy", "failed"])
def test_the_heat_map_has_every_cell(one: GridSearch) -> None:
    root = ElementTree.fromstring(standalone(heat_map(one)))
    titles = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sorted(title.splitlines()[0] for title in titles) == sorted(each.name for each in one.cells)
    words = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
    for each in one.cells:
        assert ("failed" if each.mean is None else f"{100 * each.mean:.1f}%") in words


def test_the_record_comes_back_equal() -> None:
    assert msgspec.json.decode(msgspec.json.encode(CLEAR), type=GridSearch) == CLEAR


def spread_grid(depth: float, width: float, noise: float, seed: int = 0) -> GridSearch:
    """A plane of accuracies over log2 alpha and log2 beta^2, plus normal noise."""
    dice = np.random.default_rng(seed)
    made = []
    for alpha, beta in ((1, 1), (1.2, 1), (1.5, 1), (2, 1), (1, 1.2), (1.2, 1.2), (1, 1.4)):
        height = 0.6 + depth * math.log2(alpha) + width * 2 * math.log2(beta)
        gamma = max(1.0, math.sqrt(2 / (alpha * beta**2)))
        cost = 2 * float(dice.uniform(0.95, 1.05))
        made.append(cell(alpha, beta, gamma, *(height + noise * dice.normal(size=2)), cost=cost))
    return search(*made)


def test_the_trend_finds_a_plane() -> None:
    found = trend(spread_grid(0.03, -0.02, 0.0))
    assert found is not None
    assert (found.depth.value, found.width.value) == (pytest.approx(0.03), pytest.approx(-0.02))
    assert found.depth.beyond_noise and found.width.beyond_noise
    said = " ".join(verdict(spread_grid(0.03, -0.02, 0.0)))
    assert "+3.00 ± 0.00 points on depth and -2.00 ± 0.00 points on width" in said


def test_the_trends_errors_are_honest() -> None:
    """Truth is within 2.23 standard errors (Student's t, 10 degrees of freedom, 95%) in 95% of 400 searches."""
    inside = 0
    for seed in range(400):
        found = trend(spread_grid(0.0, 0.01, 0.01, seed))
        inside += found is not None and abs(found.width.value - 0.01) <= 2.228 * found.width.error
    assert inside / 400 == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / 400))


def test_no_trend_where_the_runs_do_not_decide_it() -> None:
    assert trend(search(cell(1, 1, 1.4, 0.5, 0.6), cell(2, 1, 1, 0.5, 0.6))) is None
    assert trend(search(cell(1, 1, 1.4, None, None))) is None
