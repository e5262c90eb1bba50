"""Tensors into a network: recognised by their names or aligned by structure, then put into their places."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.errors import AmbiguousWeightsError, WeightsError, some
from vertebra.weights.alignment import aligned
from vertebra.weights.checkpoint import Checkpoint
from vertebra.weights.naming import OURS, namings
from vertebra.weights.recognition import Fit, fit, readings
from vertebra.weights.report import Report

Slots = dict[str, tuple[dict[str, Tensor | None], str]]
VARIANCE = "running_var"
KNOWN = 0.5
"""With this part of a source's names, a checkpoint counts as that source's, and what is wrong in it is an error."""


class Matched(msgspec.Struct, frozen=True):
    """A checkpoint as the weights of a network of ours."""

    variant: Architecture
    """The network as the recognised source has it, with the checkpoint's own number of classes and input channels."""
    tensors: dict[str, Tensor]
    """Under our names and in our shapes; they share the checkpoint's memory.  A classifier's may be missing: see
    ``report.absent``."""
    report: Report


def match(of: Architecture, tensors: Mapping[str, Tensor], *, ordered: bool = False) -> Matched:
    """The checkpoint's ``tensors`` as the weights of ``of``, whoever saved them.

    Names are tried first: our own, then those of every project that has the network of that name, whose variant is then
    taken.  Unknown names are aligned by structure: role, shape, what stands together, numbers in the names; and
    never by the order in the file, unless the caller vouches with ``ordered`` that it is that of execution.
    Raises AmbiguousWeightsError, with two of the candidates, where more than one match is consistent with the evidence;
    WeightsError for tensors that are missing, too many, of a wrong shape or no floating-point numbers.  Values are not
    looked at: ``assign`` does that.
    """
    given = tensors if isinstance(tensors, Checkpoint) else Checkpoint(tensors)
    fits: list[Fit] = []
    for naming in namings(of):
        found: list[Fit] = []
        for reading in readings(given):
            found.append(fit(naming, reading))
            if not (found[-1].faults or found[-1].left or reading.left):  # nothing lies beside it
                break
        whole = [one for one in found if not one.faults]
        _only_one(whole, given)
        if naming.source == OURS and whole:
            return _matched(whole[0], given)
        fits += whole[:1] or found
    whole = [one for one in fits if not one.faults]
    if whole:
        return _matched(_the_one(whole, of, given), given)
    best = max(fits, key=lambda one: one.known)
    if best.known >= KNOWN:
        raise WeightsError(best.faults, where=given.where, remedy="check that they are of this architecture")
    return Matched(*aligned(of, given, ordered=ordered))


def _only_one(whole: list[Fit], given: Checkpoint) -> None:
    """Raise AmbiguousWeightsError where the same names stand below two prefixes: a student and its teacher, say."""
    if len(whole) > 1:
        first, second = (one.reading.prefix for one in whole[:2])
        raise AmbiguousWeightsError(
            f"holds the network twice: {first}* and {second}*", where=given.where, remedy="save the one that you mean"
        )


def _matched(one: Fit, given: Checkpoint) -> Matched:
    return Matched(one.variant, one.tensors, one.report(given))


def _the_one(whole: list[Fit], of: Architecture, given: Checkpoint) -> Fit:
    """The fit of several; one that is the architecture asked for is taken, since asking for it is evidence."""
    first = whole[0]
    others = [one for one in whole[1:] if one.variant.hash != first.variant.hash or one.pairs != first.pairs]
    if not others:
        return first
    asked = [one for one in whole if one.naming.variant == of]
    if asked:
        return asked[0]
    raise AmbiguousWeightsError(
        f"the names are {first.naming.source}'s and {others[0].naming.source}'s, whose {first.variant.name} differ in "
        "what no tensor shows",
        where=given.where,
        remedy="give the architecture itself: "
        + " or ".join(f"zoo.registry.variant({first.variant.name!r}, {o.naming.source!r})" for o in (first, others[0])),
    )


def slots(net: nn.Module) -> Slots:
    """Where each parameter and buffer stands: by its full name, the dictionary that holds it and its name there."""
    found: Slots = {}
    for path, module in net.named_modules():
        prefix = f"{path}." if path else ""
        for holder in (module._parameters, module._buffers):
            for name, tensor in holder.items():
                if tensor is not None:
                    found[prefix + name] = (holder, name)
    return found


def assign(net: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Put ``tensors`` themselves, not copies, into ``net``, converted only where a type differs.

    Raises WeightsError, which names ``where`` they come from, unless names and shapes are exactly the network's and
    every value is finite, and every variance at least 0; then nothing has changed.
    """
    places = slots(net)
    _same_names(places.keys(), tensors.keys(), where)
    _same_shapes(places, tensors, where)
    _finite(tensors, where)
    _no_negative_variance(tensors, where)
    for path, (holder, name) in places.items():
        old = holder[name]
        new = tensors[path] if old is None else tensors[path].to(old.dtype)
        holder[name] = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new


def _same_names(expected: Collection[str], given: Collection[str], where: str) -> None:
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    faults = [
        f"{len(names)} of the {len(whole)} tensors {what}: {some(names)}"
        for names, whole, what in (
            (missing, expected, "of the network are missing"),
            (unexpected, given, "in it are not the network's"),
        )
        if names
    ]
    if faults:
        raise WeightsError(", and ".join(faults), where=where, remedy="check that they are of this architecture")


def _same_shapes(places: Slots, tensors: Mapping[str, Tensor], where: str) -> None:
    wrong = []
    for path, (holder, name) in places.items():
        expected = holder[name]
        if expected is not None and expected.shape != tensors[path].shape:
            wrong.append(f"{path} is {tuple(tensors[path].shape)} for {tuple(expected.shape)}")
    if wrong:
        remedy = "check width, classes and channels of the architecture"
        raise WeightsError(f"wrong shapes: {some(wrong)}", where=where, remedy=remedy)


def _finite(tensors: Mapping[str, Tensor], where: str) -> None:
    floats = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    broken = [name for name, tensor in floats.items() if not _has_finite_sum(tensor) and not tensor.isfinite().all()]
    if broken:
        raise WeightsError(f"NaN or infinity in {some(broken)}", where=where)


def _no_negative_variance(tensors: Mapping[str, Tensor], where: str) -> None:
    """No network has one, but a tensor that came to the wrong place does; its roots would be no numbers."""
    wrong = [name for name, tensor in tensors.items() if name.endswith(VARIANCE) and bool((tensor < 0).any())]
    if wrong:
        raise WeightsError(
            f"a negative variance in {some(wrong)}", where=where, remedy="check that they are of this architecture"
        )


def _has_finite_sum(tensor: Tensor) -> bool:
    """Whether the sum is finite; then every term is.  (It may overflow, so the opposite does not follow.)

    NumPy sums on one thread: torch's threads, woken for hundreds of tensors, cost seconds on a busy machine.
    """
    values = tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values.detach().cpu().numpy().sum()))
