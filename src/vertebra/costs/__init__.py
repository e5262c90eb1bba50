"""What a network costs: folds over the tree."""

from vertebra.costs.count import Cost, LayerCost, PartCost, cost

__all__ = ["Cost", "LayerCost", "PartCost", "cost"]
