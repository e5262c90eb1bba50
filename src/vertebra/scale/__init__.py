"""Networks scaled to what one can pay: compound scaling, and the largest that keeps a budget."""

from vertebra.scale.compound import Compound
from vertebra.scale.solve import Solution, to

__all__ = ["Compound", "Solution", "to"]
