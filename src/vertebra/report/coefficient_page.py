"""A grid search as a page of Markdown: what was done, the picture, the table, and what may be concluded."""

from __future__ import annotations

import math
import statistics

from vertebra.report import text
from vertebra.report.coefficients import PAPER, Cell, GridSearch
from vertebra.report.trend import Slope, trend

HEAD = ("alpha", "beta", "gamma", "product", "px", "MACs", "parameters", "accuracy by seed", "mean")
NEAR = 0.2
"""Candidates farther from the paper's coefficients (see below) are not compared with them."""


def page(search: GridSearch, *, picture: str) -> str:
    """The whole page; ``picture`` is the heat map's address as seen from it."""
    return f"# Grid search for alpha, beta and gamma: {search.base} on {search.data}\n\n{section(search, picture)}"


def section(search: GridSearch, picture: str) -> str:
    """What stands under a heading of one's own."""
    parts = (
        _done(search),
        f"![Mean validation accuracy over alpha and beta]({picture})",
        "*Each cell is a candidate: its mean validation accuracy, and the gamma that follows. Orange: the best. "
        "Bold: not told from the best.*",
        table(search),
        "\n".join(f"- {sentence}" for sentence in verdict(search)),
        _machine(search),
    )
    return "\n\n".join(parts) + "\n"


def table(search: GridSearch) -> str:
    """The base and the candidates, the best first; then those that failed."""
    failed = [one for one in search.cells if one.mean is None]
    lines = [f"| {' | '.join(HEAD)} |", f"|{'--:|' * len(HEAD)}"]
    rows = [cells(one, base=one is search.reference) for one in (search.reference, *search.ranked, *failed)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def cells(one: Cell, *, base: bool = False) -> tuple[str, ...]:
    """A candidate's row under HEAD; the base's coefficients are all 1."""
    each = ", ".join("failed" if trial.accuracy is None else _percent(trial.accuracy) for trial in one.trials)
    return (
        "base" if base else f"{one.alpha:.3g}",
        "1" if base else f"{one.beta:.3g}",
        f"{one.gamma:.3g}",
        "1" if base else f"{one.compound.product:.2f}",
        str(one.resolution),
        f"{text.short(one.macs)} ({one.cost:.2f}{text.TIMES})",
        text.short(one.params),
        each,
        text.NONE if one.mean is None else _percent(one.mean),
    )


def verdict(search: GridSearch) -> tuple[str, ...]:
    """What may be concluded, and what may not, a sentence or two each."""
    best = search.winner
    if best is None:
        return ("No candidate came to the end of its training.",)
    sentences = (_best(search, best), _noise(search, best), _leaning(search), _papers(search, best), _costs(search))
    return tuple(sentence for sentence in (*sentences, _left_out(search), _product(best)) if sentence)


def _done(search: GridSearch) -> str:
    base = search.reference
    return (
        f"Base: `{search.base}` at {base.resolution} px ({text.exact(base.params)} parameters, "
        f"{text.exact(base.macs)} MACs, {base.blocks} blocks). {text.many(len(search.cells), 'candidate')} at about "
        f"{search.target:g} times its MACs, each trained with {text.many(len(search.seeds), 'seed')} for "
        f"{text.many(search.epochs, 'pass', 'passes')} over the same "
        f"{text.exact(search.images)} training pictures of {search.data}, with the same recipe, and judged on the "
        f"same {text.exact(search.judged)} validation pictures. The test part was not read. Alpha and beta lie on a "
        "grid; gamma is the resolution at which the network's exact MACs come nearest to the target."
    )


def _best(search: GridSearch, best: Cell) -> str:
    said = f"The best mean is {_percent(best.mean or 0.0)}, with {best.name}"
    base = search.reference.mean
    if base is None or best.mean is None:
        return said + "."
    gain = f"{_points(abs(best.mean - base))} {'above' if best.mean >= base else 'below'} the base's {_percent(base)}"
    return f"{said}: {gain}, for {best.cost:.2f} times its MACs."


def _noise(search: GridSearch, best: Cell) -> str:
    least, (spread, freedom), others = search.least_difference, search.noise, len(search.ranked) - 1
    if not others:
        return "There is no other candidate to compare it with."
    second = search.ranked[1]
    gap = _points((best.mean or 0.0) - (second.mean or 0.0))
    if least is None:
        return (
            f"It leads the second ({second.name}) by {gap}, but with one run of each network the noise is not known, "
            "so nothing says that this is more than chance."
        )
    measured = (
        f"From seed to seed an accuracy varies by {_points(spread)} (standard deviation, pooled over all networks, "
        f"{freedom} degrees of freedom), so of {others + 1} means of {len(search.seeds)} runs two must differ by "
        f"{_points(least)} to be told apart (Tukey's range test, 5%)."
    )
    lead = f"{measured} The best leads the second ({second.name}) by {gap}"
    if not search.tied:
        return f"{lead}: more than the noise."
    worse = others - len(search.tied)
    if not worse:
        return f"{lead}, and no candidate is far enough from it: **this search does not tell them apart.**"
    return (
        f"{lead}, which is within the noise: **{len(search.tied)} of the {others} others cannot be told from the "
        f"best**, and {worse} {'is' if worse == 1 else 'are'} worse beyond it."
    )


def _leaning(search: GridSearch) -> str:
    """The plane through all runs."""
    found = trend(search)
    if found is None:
        return ""
    said = " and ".join(
        f"{_change(slope)} on {name}" for name, slope in (("depth", found.depth), ("width", found.width))
    )
    return f"Over all runs, a doubling of cost that is spent so and not on resolution changes the accuracy by {said}."


def _change(slope: Slope) -> str:
    noise = "" if slope.beyond_noise else " (within the noise)"
    return f"{100 * slope.value:+.2f} ± {100 * slope.error:.2f} points{noise}"


def _papers(search: GridSearch, best: Cell) -> str:
    """How the candidate nearest to the paper's alpha and beta did; nothing where none is near."""
    one = min(search.ranked, key=_from_paper)
    if _from_paper(one) > NEAR or one.mean is None or best.mean is None:
        return ""
    theirs = f"alpha {PAPER.alpha:g}, beta {PAPER.beta:g}, gamma {PAPER.gamma:g}"
    said = f"Tan and Le found {theirs} for EfficientNet-B0 on ImageNet. Nearest to that here is {one.name}"
    if one == best:
        return f"{said}, the best."
    within = "within the noise" if one in search.tied else "beyond the noise"
    place = search.ranked.index(one) + 1
    return f"{said}: place {place} of {len(search.ranked)}, {_points(best.mean - one.mean)} below the best, {within}."


def _from_paper(one: Cell) -> float:
    """How far a candidate's alpha and beta are from the paper's, in the natural logarithm of cost."""
    return math.hypot(math.log(one.alpha / PAPER.alpha), 2 * math.log(one.beta / PAPER.beta))


def _costs(search: GridSearch) -> str:
    costs = [one.cost for one in search.ranked]
    means = [one.mean or 0.0 for one in search.ranked]
    said = f"The candidates cost {min(costs):.2f} to {max(costs):.2f} times the base's MACs"
    if len(costs) < 3 or len(set(means)) < 2 or len(set(costs)) < 2:
        return said + "."
    link = statistics.correlation(costs, means)
    return f"{said}; the correlation of that cost with the mean accuracy is {link:.2f}."


def _left_out(search: GridSearch) -> str:
    return f"Left out by rounding: {'; '.join(search.left_out)}." if search.left_out else ""


def _product(best: Cell) -> str:
    """A warning where the best coefficients are not the paper's kind: rounding makes costs, not products, alike."""
    warning = best.compound.warning
    return f"Of the best, {warning}." if warning else ""


def _machine(search: GridSearch) -> str:
    known = search.environment
    packages = "".join(f", {name} {known[name]}" for name in ("vertebra", "torch") if name in known)
    return f"It took {text.duration(search.seconds)} on {known.get('machine', 'an unknown machine')}{packages}."


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _points(share: float) -> str:
    """A difference of accuracies in percentage points."""
    return f"{100 * share:.2f} points"
