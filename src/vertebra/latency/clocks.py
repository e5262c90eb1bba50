"""How long a network takes here: by the profile of this device where there is one, and by measurement."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vertebra.arch.architecture import Architecture
from vertebra.data.threads import cores
from vertebra.errors import ProfileError
from vertebra.latency.database import Database
from vertebra.latency.kept import predictor_of
from vertebra.latency.measure import measure as measured
from vertebra.latency.setting import Setting

Clock = Callable[[Architecture], float]


class Clocks(NamedTuple):
    """The latency in ms of a network at its own resolution; ``note`` says why it cannot be predicted, or whose
    profile predicts it where that is another's."""

    predict: Clock | None
    measure: Clock
    note: str | None


def clocks(
    engine: str = "onnxruntime", precision: str = "fp32", threads: int | None = None, *, anyway: bool = False
) -> Clocks:
    """Both for batch 1; all cores by default.  What is measured is kept in the profile database.

    ``anyway`` predicts by the profile of another device or setting where there is none of these: measurement corrects
    it.

    Raises EngineError for a setting that is not allowed, ProfileError for a database that cannot be used.
    """
    setting = Setting(engine=engine, precision=precision, threads=cores() if threads is None else threads)

    def measure(arch: Architecture) -> float:
        with Database() as database:
            (one,) = measured([arch], setting, keep=database.add)
        return one.median_ms

    Database().close()  # a fault of the database is an error, a profile that is absent or broken a note
    try:
        kept = predictor_of(setting, anyway=anyway)
    except ProfileError as error:
        return Clocks(None, measure, f"nothing is predicted, networks are measured alone: {error}")
    return Clocks(lambda arch: kept.predictor.predict(arch).ms, measure, kept.note)
