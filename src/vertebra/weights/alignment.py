"""Alignment by structure: a checkpoint whose names nobody knows, matched by role, shape, grouping and numbering.

What counts as evidence, and what does not:

- the role of a tensor, from the ending of its name (``weight``, ``running_var``) or from what stands beside it, and
  its shape, extents of 1 aside;
- what stands together: tensors whose group (all that shares the start of a name) has a content that occurs equally
  often in the network are those of such a group;
- the numbers in names: ``layer1.0.conv1`` comes before ``layer1.0.conv2``, unless something shows that they are not in
  the order of execution: what is certain without them, what they themselves lead to elsewhere, or the order in the
  file, where it is another one.

The order in the file alone is no evidence: it is that of definition, not of execution, and nothing in the file could
show that two siblings of one shape have changed places.  Only a caller who vouches for it has it used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

from torch import Tensor, int64, zeros

from vertebra.arch.architecture import Architecture
from vertebra.arch.node import Weight
from vertebra.errors import WeightsError
from vertebra.weights.checkpoint import AVERAGED, Checkpoint
from vertebra.weights.evidence import Item, ambiguous, extents, in_file, misleading, numbered, refined
from vertebra.weights.naming import classifier_of, weights_of
from vertebra.weights.recognition import reshaped
from vertebra.weights.report import Evidence, Left, Pair, Report

ENDINGS = {
    **dict.fromkeys(("weight", "kernel", "w"), "weight"),
    **dict.fromkeys(("bias", "b", "beta", "offset"), "bias"),
    **dict.fromkeys(("gamma", "gain", "scale", "layer_scale"), "gain"),
    **dict.fromkeys(("running_mean", "moving_mean", "mean"), "mean"),
    **dict.fromkeys(("running_var", "moving_variance", "moving_var", "var", "variance"), "var"),
    **dict.fromkeys(("num_batches_tracked", AVERAGED), "counter"),
}
"""What the last segment of a name says of a tensor's role; ``weight`` is a kernel, or the gain of a norm."""


def aligned(arch: Architecture, given: Checkpoint, *, ordered: bool) -> tuple[Architecture, dict[str, Tensor], Report]:
    """The architecture with the checkpoint's number of classes, its tensors under our names, and the report.

    Raises AmbiguousWeightsError and WeightsError as ``match`` does.
    """
    theirs, left = _items(given)
    arch = _with_their_classes(arch, theirs)
    declared = weights_of(arch)
    ours = [Item(name, _role(name, weight), _bare(weight.shape)) for name, weight in declared.items()]
    ours = [item for item in ours if item.role != "counter"]
    _same_counts(ours, theirs, given.where)
    chosen = _in_order(ours, theirs, given) if ordered else _by_evidence(ours, theirs, given)
    found: dict[str, Tensor] = {}
    pairs = []
    for name, (other, evidence) in chosen.items():
        shape, tensor = declared[name].shape, given[other]
        shaped = reshaped(tensor, shape)
        if shaped is None:
            raise WeightsError(f"{other} is {tuple(tensor.shape)} for {name} of {shape}", where=given.where)
        if not tensor.is_floating_point():
            raise WeightsError(f"no floating-point numbers: {other} is {tensor.dtype}", where=given.where)
        found[name] = shaped
        pairs.append(Pair(name, other, evidence, tuple(tensor.shape), None if tuple(tensor.shape) == shape else shape))
    made = tuple(name for name, weight in declared.items() if weight.role == "counter")
    found.update({name: zeros((), dtype=int64) for name in made})
    report = Report(arch.name, "unknown", tuple(pairs), (*given.left, *left), made, (), given.unwrapped)
    return arch, found, report


def _role(name: str, weight: Weight) -> str:
    return name.rpartition("_")[2] if weight.role == "statistic" else weight.role


def _bare(shape: Iterable[int]) -> tuple[int, ...]:
    return tuple(extent for extent in shape if extent != 1)


def _items(given: Checkpoint) -> tuple[list[Item], list[Left]]:
    """Their tensors with the roles that can be told, and those that no network of ours has."""
    modules: dict[str, list[str]] = {}
    left = []
    for name, tensor in given.items():
        module, _, ending = name.rpartition(".")
        if ENDINGS.get(ending) == "counter" or not (tensor.is_floating_point() or tensor.numel() > 1):
            left.append(Left(name, "counter"))
        else:
            modules.setdefault(module, []).append(name)
    roles: dict[str, str] = {}
    for names in modules.values():
        roles.update(_roles({name: given[name] for name in names}))
    return [Item(name, roles[name], _bare(given[name].shape)) for name in given if name in roles], left


def _roles(module: Mapping[str, Tensor]) -> dict[str, str]:
    """Roles within one module: by the endings of names, else where there is but one that a tensor can have."""
    roles = {}
    for name, tensor in module.items():
        role = ENDINGS.get(name.rpartition(".")[2], "") if "." in name else ""
        roles[name] = ("kernel" if tensor.ndim > 1 else "gain") if role == "weight" else role
    unknown = [name for name, role in roles.items() if not role]
    kernels = [name for name in unknown if len(_bare(module[name].shape)) > 1]
    vectors = [name for name in unknown if name not in kernels]
    roles.update(dict.fromkeys(kernels, "kernel"))
    if len(vectors) == 1 and "." in vectors[0]:
        beside = [name for name in module if roles[name] == "kernel"]
        if len(module) == 1:
            roles[vectors[0]] = "gain"
        elif len(beside) == 1 and len(module) == 2 and module[beside[0]].shape[0] == module[vectors[0]].numel():
            roles[vectors[0]] = "bias"
    return roles


def _with_their_classes(arch: Architecture, theirs: Sequence[Item]) -> Architecture:
    """The number of classes of the one matrix that can be the classifier, where none has ours."""
    names = classifier_of(arch)
    if not names:
        return arch
    classes, features = _bare(weights_of(arch)[names[0]].shape)[:1] or (1,), weights_of(arch)[names[0]].shape[1]
    heads = {item.shape for item in theirs if len(item.shape) == 2 and item.shape[1] == features}
    others = {_bare(weight.shape) for name, weight in weights_of(arch).items() if name not in names}
    if (*classes, features) in heads or len(heads - others) != 1:
        return arch
    ((out, _),) = heads - others
    return arch.with_classes(out)


def _same_counts(ours: Sequence[Item], theirs: Sequence[Item], where: str) -> None:
    """Raise WeightsError unless both sides have equally many tensors of every shape."""
    wanted, had = Counter(item.shape for item in ours), Counter(item.shape for item in theirs)
    faults = []
    for what, more in (("too few", wanted - had), ("too many", had - wanted)):
        if more:
            listed = [f"{number} of {extents(shape)}" for shape, number in more.most_common()]
            faults.append(
                f"{more.total()} tensors {what} ({', '.join(listed[:3])}{', ...' if len(listed) > 3 else ''})"
            )
    if faults:
        raise WeightsError(
            f"its names are unknown, and by shape there are {' and '.join(faults)}",
            where=where,
            remedy="check that it is of this architecture",
        )


# -- by evidence ---------------------------------------------------------------------------------------------------


def _by_evidence(ours: Sequence[Item], theirs: Sequence[Item], given: Checkpoint) -> dict[str, tuple[str, Evidence]]:
    """Our names to theirs; raises AmbiguousWeightsError where the evidence leaves a choice or disagrees with itself."""
    where, order = given.where, _order(given)
    theirs = _told(ours, theirs, where)
    _same_roles(ours, theirs, where)
    labels = refined(ours, theirs)
    plain = Counter((item.role, item.shape) for item in ours)
    members: dict[Hashable, list[Item]] = {}
    for item in theirs:
        members.setdefault(labels[1][item.name], []).append(item)
    slots_of: dict[Hashable, list[Item]] = {}
    for item in ours:
        slots_of.setdefault(labels[0][item.name], []).append(item)
    places = {item.name: place for place, item in enumerate(ours)}
    certain = {members[label][0].name: places[slots[0].name] for label, slots in slots_of.items() if len(slots) == 1}
    untrue = misleading(certain)
    found = [(slots, numbered(members[label], slots, where, untrue)) for label, slots in slots_of.items()]
    # Together they may say what each alone does not: the third block's second layer before the second block's third.
    untrue = misleading({item.name: places[slot.name] for pairs in found for slot, item in zip(*pairs, strict=True)})
    chosen: dict[str, tuple[str, Evidence]] = {}
    for slots, items in found:
        numbered(items, slots, where, untrue)
        in_file(items, slots, where, order)
        for slot, item in zip(slots, items, strict=True):
            alone: Evidence = "shape" if plain[item.role, item.shape] == 1 else "group"
            chosen[slot.name] = (item.name, alone if len(slots) == 1 else "number")
    return {item.name: chosen[item.name] for item in ours}


def _order(given: Checkpoint) -> dict[str, int]:
    """Where each tensor stands in the file; empty where that is the alphabet's doing, and so says nothing."""
    names = list(given)
    sorts = not given.in_order or names == sorted(names)
    return {} if sorts else {name: place for place, name in enumerate(names)}


def _told(ours: Sequence[Item], theirs: Sequence[Item], where: str) -> list[Item]:
    """Their tensors, each with a role; raises AmbiguousWeightsError for one whose role nothing tells."""
    told = []
    for item in theirs:
        if not item.role:
            slots = [slot for slot in ours if slot.shape == item.shape]
            other = next((one for one in theirs if one.shape == item.shape and one is not item), None)
            if other is not None:
                raise ambiguous(item.name, other.name, slots, where)
            item = Item(item.name, slots[0].role, item.shape)
        told.append(item)
    return told


def _same_roles(ours: Sequence[Item], theirs: Sequence[Item], where: str) -> None:
    wanted, had = (Counter((item.role, item.shape) for item in side) for side in (ours, theirs))
    few, many = wanted - had, had - wanted
    if few or many:
        (role, shape), (other, _) = next(iter(few)), next(iter(many))
        raise WeightsError(
            f"its names are unknown, and of the tensors of {extents(shape)} too few are a {role}, too many a {other}",
            where=where,
            remedy="check that it is of this architecture",
        )


# -- in the order of the file --------------------------------------------------------------------------------------


def _in_order(ours: Sequence[Item], theirs: Sequence[Item], given: Checkpoint) -> dict[str, tuple[str, Evidence]]:
    """One after the other; raises WeightsError at the first that does not fit."""
    if not given.in_order:
        raise WeightsError(
            "safetensors keep no order", where=given.where, remedy="use a torch file, or names that are known"
        )
    for place, (slot, item) in enumerate(zip(ours, theirs, strict=True)):
        if slot.shape != item.shape or (item.role and item.role != slot.role):
            raise WeightsError(
                f"not in the order of execution: tensor {place} is {item.name}, {item.role or 'unknown'} of "
                f"{extents(item.shape)}, where {slot.name}, {slot.role} of {extents(slot.shape)}, should stand",
                where=given.where,
            )
    return {slot.name: (item.name, "order") for slot, item in zip(ours, theirs, strict=True)}
