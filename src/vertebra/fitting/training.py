"""Training one network that was chosen, and packing it like a winner of fit()."""

from __future__ import annotations

from pathlib import Path

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import to_json
from vertebra.costs.budget import Budgets
from vertebra.errors import RecipeError
from vertebra.fitting import starting
from vertebra.fitting.console import Quiet, Watcher
from vertebra.fitting.finding import NONE, offer_for
from vertebra.fitting.fit import MINUTES, output_for, seconds_left
from vertebra.fitting.halving import Contender
from vertebra.fitting.job import EVALUATIONS, Job
from vertebra.fitting.layout import Plan, costed
from vertebra.fitting.looking import Look
from vertebra.fitting.measuring import Measured, measure
from vertebra.fitting.offers import Offer
from vertebra.fitting.packing import FitResult, pack
from vertebra.fitting.run_folder import Request, Timed
from vertebra.train.recipe import Recipe


def train_bundle(
    arch: Architecture,
    data: str | Path,
    *,
    minutes: float | None = None,
    epochs: float | None = None,
    resolution: int | None = None,
    recipe: str | Path | Recipe | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    force: bool = False,
    resume: bool = False,
    skip_bad: bool = False,
    weights: str | Path = NONE,
    watcher: Watcher | None = None,
) -> FitResult:
    """Train an architecture for so many ``minutes`` (of the whole job) or ``epochs``, and pack it as a bundle.

    The classifier becomes the data's; ``resolution`` in px is the architecture's own by default.  ``recipe`` is a value
    or a ``recipe.json``.  ``weights``: ``"none"``, or the source of pretrained ones to start from, as
    :func:`vertebra.load` takes it, or a file or a bundle.
    Raises as :func:`vertebra.fit` does, and RecipeError for a senseless recipe or length.
    """
    if minutes is not None and epochs is not None:
        raise RecipeError("both minutes and epochs are given", allowed="one of them")
    made = recipe_text(recipe)
    offer = offer_for(arch, str(weights))  # after the recipe: it may have to ask the hub
    begun = arch if offer is None else offer.arch  # as the source has it, in what no tensor shows too
    sized = begun if resolution is None else begun.with_resolution(resolution)
    request = Request(
        data=str(data),
        budgets=Budgets(),
        minutes=MINUTES if minutes is None and epochs is None else minutes,
        epochs=epochs,
        seed=seed,
        skip_bad=skip_bad,
        architecture=to_json(sized),
        recipe=made,
        offer=offer,
    )
    place = output_for(f"{Path(str(data)).name.split('.')[0]}-{arch.name}", out)
    with starting.job(request, place, force=force, resume=resume, watcher=watcher or Quiet()) as job:
        measured = measured_here(job, plan_for(sized, job.look, offer))
        with job.watch.step("training"):
            contender = job.contender(measured)
            _trained(job, contender)
            if contender.fault is not None:
                raise contender.fault
        return pack(job, contender, [measured], [contender])


def recipe_text(recipe: str | Path | Recipe | None) -> str | None:
    """The recipe as JSON; read here, so that a fault in it is found before anything else is done."""
    if recipe is None:
        return None
    if isinstance(recipe, Recipe):
        return recipe.to_json().decode()
    try:
        text = Path(recipe).read_bytes()
    except OSError as error:
        raise RecipeError(f"cannot be read: {error.strerror}", where=str(recipe)) from None
    try:
        return Recipe.from_json(text).to_json().decode()
    except RecipeError as error:
        raise error.at(f"{recipe}: ") from None


def plan_for(arch: Architecture, seen: Look, offer: Offer | None = None) -> Plan:
    """An architecture with the classes of the data, costed; with their channels too, or those of the weights."""
    channels = seen.channels if offer is None else offer.arch.channels
    fitted = arch.with_classes(len(seen.dataset.classes)).with_channels(channels)
    return costed(fitted, family=arch.name, home=arch.resolution, offer=offer)


def measured_here(job: Job, plan: Plan) -> Measured:
    """The plan's latency on this machine; that of a stopped job stands."""
    known = next((one for one in job.folder.state.timed if one.name == plan.name), None)
    with job.watch.step("measuring"):
        measured = measure(
            plan,
            job.preprocess(plan),
            job.look.image,
            job.folder.request.budgets,
            known=None if known is None else (known.latency, known.bytes),
        )
    job.folder.note(timed=(Timed(name=plan.name, latency=measured.latency, bytes=measured.bytes),))
    return measured


def _trained(job: Job, contender: Contender) -> None:
    if contender.rounds:
        return
    heading, epochs = f"training {contender.plan.name}", job.folder.request.epochs
    if epochs is not None:
        job.cycle_epochs(contender, epochs, heading, EVALUATIONS)
        return
    if job.folder.state.final_seconds is None:
        job.folder.note(final_seconds=seconds_left(job, [contender.measured]))
    job.cycle(contender, job.folder.state.final_seconds or 1.0, heading, EVALUATIONS)
