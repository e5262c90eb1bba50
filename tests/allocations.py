"""What torch allocates on a CPU, as its profiler sees it: the peak of a pass beside weights and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch._C._profiler import _EventType
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

Events = list[tuple[int, int, int]]
"""(time, address, bytes) in order; bytes are negative where memory is freed."""


def events_of(work: Callable[[], object]) -> Events:
    """Every allocation and release while ``work`` runs."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    found: Events = []
    left = list(recorded.profiler.kineto_results.experimental_event_tree())
    while left:
        event = left.pop()
        left.extend(event.children)
        if event.tag == _EventType.Allocation:
            fields = event.typed[1]
            found.append((event.start_time_ns, fields.ptr, fields.alloc_size))
    return sorted(found)


def peak(events: Events, apart: Iterable[int] = ()) -> int:
    """The most that was allocated at once since the first event; what stands at the addresses ``apart`` in the end is
    left out.
    """
    last = {address: place for place, (_, address, size) in enumerate(events) if size > 0 and address in set(apart)}
    skipped = set(last.values())
    live, now, most = {}, 0, 0
    for place, (_, address, size) in enumerate(events):
        if size > 0 and place not in skipped:
            live[address] = size
            now += size
            most = max(most, now)
        elif size < 0 and address in live:
            now -= live.pop(address)
    return most


def inference_peak(net: nn.Module, images: Tensor) -> int:
    """Bytes at the peak of a pass without gradients, the images included."""
    net.eval()
    with torch.inference_mode():
        net(images)  # what is made once is made now
        return peak(events_of(lambda: net(images))) + images.nbytes


def training_peak(net: nn.Module, images: Tensor) -> int:
    """Bytes at the peak of a forward and backward pass, the images included, the gradients of weights not."""
    net.train()
    for _ in range(2):
        net.zero_grad(set_to_none=True)
        events = events_of(lambda: _step(net, images))
    gradients = [weight.grad.untyped_storage().data_ptr() for weight in net.parameters() if weight.grad is not None]
    return peak(events, gradients) + images.nbytes


def _step(net: nn.Module, images: Tensor) -> None:
    out = net(images)
    gradient = torch.ones_like(out)
    out.backward(gradient)


def checkpointed(net: nn.Module, what: str) -> nn.Module:
    """The network with its stages, or the blocks in them, run again in the backward pass."""
    for stage in net.get_submodule("stages").children():
        for part in [stage] if what == "stage" else stage.children():
            part.forward = partial(checkpoint, part.forward, use_reentrant=False, preserve_rng_state=False)
    return net
