"""Making a bundle again: the same data, split, seed, recipe, layout, precision and steps, as its fit.json says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from vertebra.arch.codec import to_json
from vertebra.bundle.bundle import Bundle
from vertebra.bundle.manifest import RECORD
from vertebra.errors import BundleError
from vertebra.fitting import starting
from vertebra.fitting.console import Quiet, Watcher
from vertebra.fitting.offers import Offer
from vertebra.fitting.packing import FitResult, pack
from vertebra.fitting.run_folder import Request
from vertebra.fitting.training import measured_here, plan_for
from vertebra.train.recipe import Recipe
from vertebra.train.schedule import Plan
from vertebra.train.tuning import Setting


class Record(msgspec.Struct, frozen=True):
    """What is read of a fit.json: the request, the winner's recipe and setting, the steps of each of its cycles, and
    the weights that it began with, if any."""

    request: Request
    recipe: Recipe
    setting: Setting
    cycles: tuple[Plan, ...]
    offer: Offer | None = None
    fingerprint: str | None = None


def repeat(
    bundle: str | Path, out: str | Path, *, force: bool = False, resume: bool = False, watcher: Watcher | None = None
) -> FitResult:
    """Train a bundle's network again, step for step, and pack it into ``out``.

    On a CPU with the same number of threads and the same versions the weights come out equal to the last bit.  A run
    that gave threads up to other programs for a while, or another machine, comes close.

    Raises BundleError for a bundle without a usable fit.json, and as :func:`vertebra.fit` does.
    """
    opened = Bundle(bundle)
    record = _record(opened)
    fixed: dict[str, Any] = {"layout": record.setting.layout, "precision": record.setting.precision}
    recipe = msgspec.structs.replace(record.recipe, **fixed)
    request = msgspec.structs.replace(
        record.request,
        architecture=to_json(opened.architecture),
        recipe=recipe.to_json().decode(),
        plans=record.cycles,
        offer=record.offer,
        fingerprint=record.fingerprint,
    )
    with starting.job(request, Path(out), force=force, resume=resume, watcher=watcher or Quiet()) as job:
        measured = measured_here(job, plan_for(opened.architecture, job.look, record.offer))
        with job.watch.step("training"):
            contender = job.contender(measured)
            for number, plan in enumerate(request.plans, 1):
                if len(contender.trainer.histories) < number:
                    job.cycle_plan(contender, plan, f"cycle {number} of {len(request.plans)}")
            if contender.fault is not None:
                raise contender.fault
        return pack(job, contender, [measured], [contender])


def _record(bundle: Bundle) -> Record:
    path = bundle.path / RECORD
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except OSError as error:
        raise BundleError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BundleError(f"does not say how it was made: {error}", where=str(path)) from None
