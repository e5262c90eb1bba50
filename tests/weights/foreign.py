"""Checkpoints as other people's: a peer's tensors on the meta device under names that nobody knows."""

from __future__ import annotations

import random
import re

from torch import Tensor

from tests.parity import peer_of

State = dict[str, Tensor]
_WORD = re.compile(r"[A-Za-z_]+")


def state_of(name: str, source: str) -> State:
    """The peer's state_dict, shapes alone."""
    return dict(peer_of(name, source).state_dict())


def foreign_words(state: State, *, endings: bool = True) -> State:
    """Every word of every name another, the same each time; numbers stay, and endings (weight, bias, ...) if asked."""
    words: dict[str, str] = {}
    draw = random.Random(0)

    def other(found: re.Match[str]) -> str:
        return words.setdefault(found[0], "".join(draw.choices("qxzjkv", k=6)))

    def renamed(name: str) -> str:
        path, dot, ending = name.rpartition(".")
        return _WORD.sub(other, path) + dot + (ending if endings else _WORD.sub(other, ending))

    return {renamed(name): tensor for name, tensor in state.items()}


def anonymous(state: State) -> State:
    """Numbers for names, in the order of the file."""
    return {f"tensor{index}": tensor for index, tensor in enumerate(state.values())}


def random_names(state: State) -> State:
    """Names that say nothing, their endings kept."""
    draw = random.Random(1)
    return {f"{draw.getrandbits(64):x}.{name.rpartition('.')[2]}": tensor for name, tensor in state.items()}


def enumerated(state: State) -> State:
    """Modules numbered through as they lie in the file, with the endings of their tensors."""
    modules: dict[str, int] = {}
    found: State = {}
    for name, tensor in state.items():
        path, _, ending = name.rpartition(".")
        found[f"m{modules.setdefault(path, len(modules))}.{ending}"] = tensor
    return found


def enumerated_by_kind(state: State) -> State:
    """The same with numbers of their own for convolutions, matrices and the rest, as Keras has them."""
    modules: dict[str, str] = {}
    found: State = {}
    for name, tensor in state.items():
        path, _, ending = name.rpartition(".")
        if path not in modules:
            kind = {4: "conv", 2: "dense"}.get(tensor.ndim, "norm")
            modules[path] = f"{kind}_{sum(one.startswith(kind) for one in modules.values())}"
        found[f"{modules[path]}.{ending}"] = tensor
    return found


SCRAMBLED = {
    "words": foreign_words,
    "words and endings": lambda state: foreign_words(state, endings=False),
    "anonymous": anonymous,
    "random": random_names,
}


def reordered(state: State, seed: int = 0) -> State:
    """The order of siblings changed at random, at every level."""
    draw = random.Random(seed)
    tree: dict = {}
    for name, tensor in state.items():
        *path, last = name.split(".")
        node = tree
        for segment in path:
            node = node.setdefault((segment,), {})
        node[last] = tensor
    found: State = {}

    def walk(node: dict, path: tuple[str, ...]) -> None:
        keys = list(node)
        draw.shuffle(keys)
        for key in keys:
            if isinstance(key, tuple):
                walk(node[key], (*path, *key))
            else:
                found[".".join((*path, key))] = node[key]

    walk(tree, ())
    return found


def without_one(state: State, seed: int = 0) -> tuple[State, str]:
    """One tensor removed, and its name; counters of batches, which old checkpoints lack, are not chosen."""
    names = [name for name, tensor in state.items() if tensor.is_floating_point()]
    gone = random.Random(seed).choice(names)
    return {name: tensor for name, tensor in state.items() if name != gone}, gone
