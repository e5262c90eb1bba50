"""The page on scaling: EfficientNet-B1 to B7 by the rule beside the published ones, and how budgets are solved.

What it says stands in a template; every figure of ours is computed when the page is made.
"""

from __future__ import annotations

import math

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.costs.count import cost
from vertebra.report import text
from vertebra.report.page import filled
from vertebra.scale.compound import Compound
from vertebra.scale.solve import Solution, to
from vertebra.zoo.efficientnets import ROWS
from vertebra.zoo.registry import architecture

BASE = "efficientnet_b0"


class Member(msgspec.Struct, frozen=True):
    """A published member: its coefficients, and the phi that each of them alone would mean."""

    name: str
    title: str
    width: float
    depth: float
    resolution: int
    arch: Architecture
    phi_of_width: float
    phi_of_depth: float
    phi_of_resolution: float
    rule: Solution
    """The rule's largest network with no more MACs."""

    @property
    def excess(self) -> float:
        """By which part the rule's parameters differ from the published."""
        return abs(self.rule.cost.params / cost(self.arch).params - 1)


def scaling_page(search: str = "") -> str:
    """The page, as Markdown; ``search`` is its section on the search for coefficients.  Raises MissingExtraError
    without jinja2.
    """
    found = members()
    view = {
        "base": architecture(BASE),
        "coefficients": Compound(),
        "members": found,
        "by_name": {one.name: one for one in found},
        "half": Compound().of(architecture(BASE), 0.5),
        "one": Compound().of(architecture(BASE), 1),
        "just_above": Compound().of(architecture(BASE), 0.001),
        "search": search.strip(),
        "cost": cost,
        "short": text.short,
        "exact": text.exact,
        "depths": depths,
        "widths": widths,
        "maps": maps,
    }
    return filled("scaling.md.j2", view).rstrip() + "\n"


def members() -> tuple[Member, ...]:
    """B1 to B7."""
    coefficients, base = Compound(), architecture(BASE)
    found = []
    for member, width, depth, resolution, *_ in ROWS[1:]:
        name = f"efficientnet_b{member}"
        arch = architecture(name)
        found.append(
            Member(
                name=name,
                title=f"B{member}",
                width=width,
                depth=depth,
                resolution=resolution,
                arch=arch,
                phi_of_width=math.log(width, coefficients.beta),
                phi_of_depth=math.log(depth, coefficients.alpha),
                phi_of_resolution=math.log(resolution / base.resolution, coefficients.gamma),
                rule=to(base, macs=cost(arch).macs),
            )
        )
    return tuple(found)


def depths(arch: Architecture) -> str:
    """``1-2-2-3-3-4-1``"""
    return "-".join(str(stage.depth) for stage in arch.stages)


def maps(arch: Architecture) -> str:
    """The rows of the maps, largest first: ``112, 56, 28, 14, 7``."""
    rows = {part.leaves[1]: None for part in cost(arch).parts[:-1]}
    return ", ".join(map(str, rows))


def widths(arch: Architecture) -> str:
    """The channels that leave the stem and each stage."""
    return "-".join(str(part.width) for part in cost(arch).parts[:-1])
