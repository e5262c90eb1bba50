"""The model card of a network that is saved or pushed: what it is, what it costs, where its weights come from."""

from __future__ import annotations

import html
import json
import re

from vertebra.arch.architecture import Architecture
from vertebra.costs.count import Cost
from vertebra.costs.count import cost as cost_of
from vertebra.data.preprocess import Preprocess
from vertebra.weights.origin import Origin

_SIGNS = re.compile(r"[\\`*_\[\]|~#]")


def card(arch: Architecture, origin: Origin | None, place: str) -> str:
    """Markdown with the hub's YAML head.  ``place`` is the repository or folder that a reader loads it from.

    Every cost is computed from the architecture, at the side of the preprocessing, or else at the architecture's own.
    """
    origin = origin or Origin(name="")
    side = origin.preprocess.size if origin.preprocess is not None else arch.resolution
    parts = [
        _head(origin),
        f"# {_plain(arch.name)}\n\n{_what(arch)}",
        _costs(cost_of(arch, resolution=side)),
        _weights(origin),
        _preprocessing(origin.preprocess),
        _use(place),
        f"## Architecture\n\nSHA-256 of the expanded tree and the image's channels: `{arch.hash}`",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(origin: Origin) -> str:
    lines = ["library_name: vertebra", "pipeline_tag: image-classification"]
    if origin.licence:
        lines.append(f"license: {json.dumps(origin.licence)}")
    lines.append('tags: ["vertebra", "image-classification", "cnn", "backbone"]')
    return "---\n" + "\n".join(lines) + "\n---"


def _what(arch: Architecture) -> str:
    use = f"an image classifier with {arch.classes} classes" if arch.classes else "an image backbone without a head"
    size = f"{arch.channels} x {arch.resolution} x {arch.resolution}"
    return f"A convolutional network, {use}, meant for images of {size}. Made with vertebra."


def _costs(costs: Cost) -> str:
    rows = [
        (part.part, _plain(part.block), " x ".join(map(str, part.leaves)), f"{part.params:,}", f"{part.macs:,}")
        for part in costs.parts
    ]
    lines = ["| part | block | output | parameters | MACs |", "|---|---|---|---:|---:|"]
    table = "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
    return (
        f"## Cost\n\nComputed from the architecture, for one image of {costs.resolution} px.\n\n"
        f"- parameters: {costs.params:,} ({costs.parameter_bytes / 1e6:.1f} MB in float32)\n"
        f"- multiply-accumulates: {costs.macs:,}\n- activations (outputs of convolutions): {costs.activations:,}"
        f"\n\n{table}"
    )


def _weights(origin: Origin) -> str:
    lines = [f"- from: `{origin.name}`"] if origin.name else []
    if origin.top1 is not None:
        lines.append(f"- top-1 {origin.top1}% at {origin.resolution} px, {_plain(origin.top1_source or '')}")
    if origin.licence:
        lines.append(f"- licence: {_plain(origin.licence)}")
    if origin.labels:
        lines.append(f"- classes: {len(origin.labels)}, named in `config.json`")
    lines += [f"- {_plain(note)}" for note in origin.notes]
    return "## Weights\n\n" + "\n".join(lines) if lines else ""


def _preprocessing(how: Preprocess | None) -> str:
    if how is None:
        return ""
    first = f"both sides to {how.size} px" if how.fit == "squash" else f"the shorter side to {how.resize} px"
    then = "" if how.fit == "squash" else f", the middle {how.size} x {how.size} px cut out"
    return (
        f"## Preprocessing\n\nResized ({how.interpolation}, antialiased): {first}{then}; {how.colour}; "
        f"(pixel / 255 - mean) / deviation, mean {list(how.mean)}, deviation {list(how.std)}."
    )


def _use(place: str) -> str:
    return (
        "## Use\n\n```python\nimport vertebra\n\n"
        f"net = vertebra.from_pretrained({json.dumps(place)})\n"
        "net.weights.preprocess  # what a picture must go through\nnet.arch  # the architecture as data\n```"
    )


def _plain(words: str) -> str:
    """Words on one line that Markdown and HTML leave as they are."""
    return _SIGNS.sub(lambda sign: "\\" + sign[0], html.escape(" ".join(words.split()), quote=False))
