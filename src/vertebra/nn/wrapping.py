"""What other tools put around a network."""

from __future__ import annotations

from torch import nn
from torch.nn.parallel import DistributedDataParallel

COMPILED = "_orig_mod"
"""The only child of what ``torch.compile`` returns, by which it is told: its class is private."""


def unwrapped(net: nn.Module) -> nn.Module:
    """The network within what ``torch.compile`` and data parallelism put around it, or the network itself."""
    while True:
        if isinstance(net, nn.DataParallel | DistributedDataParallel):
            net = net.module
        elif isinstance(net, nn.Module) and list(net._modules) == [COMPILED]:
            net = net.get_submodule(COMPILED)
        else:
            return net
