"""The frontier of 100,000 scaled variants of every family: laid out, costed exactly, their Pareto sets; on one core.

Each part is timed in a fresh process, caches cold: CPU time of the process.  With a profile of this device in the
database latencies are predicted too.

    python bench/frontier.py [N]
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time

LIMIT_S = 30.0
"""For all of it, with 100,000 variants."""


def once(wanted: int, engine: str) -> dict[str, float]:
    """CPU seconds of each step for about so many variants; ``engine`` names the one whose profile predicts."""
    from vertebra.costs.count import cost
    from vertebra.errors import ProfileError
    from vertebra.latency.kept import predictor_of
    from vertebra.latency.setting import Setting
    from vertebra.latency.sweep import Sweep
    from vertebra.scale.bases import every_member, families_named
    from vertebra.scale.frontier import frontier_of
    from vertebra.scale.references import references
    from vertebra.scale.space import space

    gc.set_threshold(50_000, 20, 20)  # as the command line does
    begun = time.process_time()
    families = families_named(None)
    variants = space(every_member(families, classes=1000), variants=wanted)
    laid_out = time.process_time()
    seconds = {"variants": float(len(variants)), "costs": laid_out - begun}
    paid = "macs"
    try:
        kept = predictor_of(Setting(engine=engine))
        variants, paid = variants.timed(Sweep.of(kept.predictor.profile)), "latency"
    except ProfileError as error:
        print(f"no prediction: {error}", file=sys.stderr)
    predicted = time.process_time()
    found = frontier_of(variants, {}, paid=paid, known=references(families, classes=1000))
    done = time.process_time()
    seconds |= {"prediction": predicted - laid_out, "frontier": done - predicted, "kept": float(len(found.places))}
    sample = range(0, len(variants), max(1, len(variants) // 300))
    archs = [variants.arch(place) for place in sample]
    right = sum(
        cost(arch).macs == variants.macs[place] and cost(arch).params == variants.params[place]
        for arch, place in zip(archs, sample, strict=True)
    )
    return seconds | {"checked": float(len(archs)), "right": float(right)}


def main(wanted: int) -> None:
    from vertebra.engines.device import describe

    print(f"{describe()}; one core, fresh process, caches cold, CPU time")
    for engine in ("onnxruntime", "openvino"):
        command = [sys.executable, __file__, "--once", str(wanted), engine]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(done.stderr, end="")
        one = json.loads(done.stdout.splitlines()[-1])
        whole = one["costs"] + one["prediction"] + one["frontier"]
        print(f"\n{one['variants']:,.0f} variants, {engine}")
        print(f"laid out and costed   {one['costs']:7.2f} s   {one['variants'] / one['costs']:9,.0f} a second")
        if one["prediction"] > 0.1:
            rate = one["variants"] / one["prediction"]
            print(f"latencies predicted   {one['prediction']:7.2f} s   {rate:9,.0f} a second")
        print(f"the Pareto sets       {one['frontier']:7.2f} s   {one['kept']:9,.0f} variants on them")
        print(f"whole                 {whole:7.2f} s   at most {LIMIT_S:g} s for 100,000")
        print(f"against the cost fold {one['right']:.0f} of {one['checked']:.0f} variants equal in MACs and parameters")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--once", number, engine]:
            print(json.dumps(once(int(number), engine)))
        case _:
            main(int(sys.argv[1]) if len(sys.argv) > 1 else 110_000)
