"""Writes the catalogue of pretrained weights from torchvision and timm themselves.

    python tools/make_catalogue.py                          # facts anew, timm's accuracies as they stand in the file
    python tools/make_catalogue.py --accuracy FILE          # timm's accuracies from a file
    python tools/make_catalogue.py --check FILE [FILE ...]  # writes nothing: compares with tables of facts

torchvision carries the accuracies of its weights.  timm does not: it publishes them apart, as ``results-imagenet.csv``
(columns ``model``, ``img_size``, ``top1``).  ``--accuracy`` takes that file, or JSON of this form:
``{"resnet50": {"weights": {"a1_in1k": {"top1": "80.386", "at": "224"}}}}``.

Left out, because nothing could be done with them: torchvision's weights without a classifier, timm's that are not on
the hub or lack the last normalisation (``fcmae``), and preprocessing that cannot be said (squashed first, cut then).
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

PLACE = ROOT / "src" / "vertebra" / "weights"
CATALOGUE = PLACE / "catalogue.json"
LABELS = PLACE / "imagenet1k.json"

TIMM_FAMILIES = re.compile(
    r"convnext|densenet\d|efficientnet_(b\d|lite|es|em|el)|efficientnetv2|tf_efficientnet(v2)?_|inception_v3|(se)?mnasnet_"
    r"|semnasnet_|(tf_)?mobilenetv[123]_|resnet\d|resnetv2_|resnext\d|seresnet\d|seresnext\d|vgg\d|wide_resnet\d"
)
"""The models whose weights are listed; those without a counterpart in the registry are hidden when the file is read."""

TORCHVISION_FAMILIES = re.compile(
    r"alexnet|convnext|densenet|efficientnet|googlenet|inception|mnasnet|mobilenet|resnet|resnext|vgg|wide_resnet"
)

TORCHVISION_LICENCE = "bsd-3-clause"
"""That of the project, and what timm gives for the copies of these weights; torchvision states none for each."""

HALVES = {"googlenet", "inception_v3"}
"""torchvision's two networks that were trained on inputs with mean and deviation 0.5.  Its transforms say ImageNet's
statistics, and the network turns them back (``transform_input``) when its weights are asked for."""

TIMM_SOURCE = "timm results-imagenet.csv"


def main() -> None:
    """Write the two files, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", type=Path, help="timm's accuracies: results-imagenet.csv, or JSON")
    parser.add_argument("--check", type=Path, nargs="+", help="JSON tables of facts to compare with; writes nothing")
    options = parser.parse_args()
    if options.check:
        sys.exit(checked(options.check))
    from tests import peers

    torchvision, timm = peers.torchvision(), peers.timm()
    weights = [*of_torchvision(torchvision), *of_timm(timm, accuracies(options.accuracy))]
    head = {one.__name__: one.__version__.partition("+")[0] for one in (torchvision, timm)}
    rows = ",\n".join("  " + json.dumps(one) for one in weights)
    CATALOGUE.write_text(f'{{\n "made_from": {json.dumps(head)},\n "weights": [\n{rows}\n ]\n}}\n')
    names = torchvision.models.ResNet50_Weights.DEFAULT.meta["categories"]
    source = f"torchvision {head['torchvision']}, ResNet50_Weights.DEFAULT.meta"
    lines = ",\n".join("  " + json.dumps(name) for name in names)
    LABELS.write_text(f'{{\n "source": {json.dumps(source)},\n "classes": [\n{lines}\n ]\n}}\n')
    print(f"{len(weights)} weights, {CATALOGUE.stat().st_size} bytes; {len(names)} classes")


def of_torchvision(torchvision: Any) -> Iterator[dict[str, Any]]:
    """Each classification weight: file with its hash, accuracy, preprocessing."""
    version = torchvision.__version__.partition("+")[0]
    for model in torchvision.models.list_models(module=torchvision.models):
        if not TORCHVISION_FAMILIES.match(model):
            continue
        every = torchvision.models.get_model_weights(model)
        for weight in every:
            if weight.meta.get("categories") is None:
                print(f"left out: torchvision {model} {weight.name}, which has no classifier")
                continue
            transforms = weight.transforms()
            (size,), (resize,) = transforms.crop_size, transforms.resize_size
            yield {
                "source": "torchvision",
                "model": model,
                "tag": weight.name,
                "file": weight.url.rpartition("/")[2],
                "bytes": round(weight.meta["_file_size"] * 2**20),
                "licence": TORCHVISION_LICENCE,
                "classes": len(weight.meta["categories"]),
                "input": {
                    "size": size,
                    "resize": resize,
                    "interpolation": transforms.interpolation.value,
                    "mean": [0.5] * 3 if model in HALVES else list(transforms.mean),
                    "std": [0.5] * 3 if model in HALVES else list(transforms.std),
                },
                "top1": weight.meta["_metrics"]["ImageNet-1K"]["acc@1"],
                "resolution": size,
                "top1_source": f"torchvision {version}",
                "default": weight is every.DEFAULT,
            }


def of_timm(timm: Any, figures: dict[str, tuple[float, int]]) -> Iterator[dict[str, Any]]:
    """Each weight on the hub of the families."""
    for model in timm.list_models():
        if not TIMM_FAMILIES.match(model):
            continue
        known = [name for name in timm.list_models(f"{model}.*", pretrained=True) if name.startswith(f"{model}.")]
        default = timm.get_pretrained_cfg(model)
        for name in known:
            config = timm.get_pretrained_cfg(name)
            if not config.hf_hub_id:
                print(f"left out: timm {name}, which is not on the hub")
                continue
            if config.tag == "fcmae":
                print(f"left out: timm {name}, which lacks the last normalisation")
                continue
            if config.crop_mode == "squash" and config.crop_pct != 1:
                print(f"left out: timm {name}, squashed to {config.crop_pct}")
                continue
            top1, resolution = figures.get(name, (None, None))
            # An accuracy that was measured at the larger test size belongs to that preprocessing.
            larger = config.test_input_size and config.test_input_size[1]
            at_test = resolution is not None and resolution == larger != config.input_size[1]
            yield {
                "source": "timm",
                "model": model,
                "tag": config.tag,
                "repository": config.hf_hub_id,
                "bytes": stored_bytes(timm, model, config.num_classes),
                "licence": config.license,
                "classes": config.num_classes,
                "input": entered(config, test=at_test),
                **({"larger": entered(config, test=True)} if larger and not at_test else {}),
                **({"top1": top1, "resolution": resolution, "top1_source": TIMM_SOURCE} if top1 else {}),
                "default": config.tag == default.tag,
            }


def entered(config: Any, *, test: bool) -> dict[str, Any]:
    """What a weight wants of a picture, at the size of its training or at that meant for tests."""
    side = (config.test_input_size if test else config.input_size)[1]
    share = (test and config.test_crop_pct) or config.crop_pct
    squash = config.crop_mode == "squash"
    return {
        "size": side,
        "resize": math.floor(side / share),  # as timm.data.transforms_factory
        **({"fit": "squash"} if squash else {}),
        "interpolation": config.interpolation,
        "mean": list(config.mean),
        "std": list(config.std),
    }


def stored_bytes(timm: Any, model: str, classes: int) -> int:
    """Bytes of the tensors of a model; its file has some thousand more."""
    import torch

    with torch.device("meta"):
        net = timm.create_model(model, pretrained=False, num_classes=classes)
    return sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())


def accuracies(path: Path | None) -> dict[str, tuple[float, int]]:
    """Top-1 in percent and resolution in pixels by ``model.tag``."""
    if path is None:
        rows = json.loads(CATALOGUE.read_text())["weights"] if CATALOGUE.is_file() else []
        return {
            f"{row['model']}.{row['tag']}": (row["top1"], row["resolution"])
            for row in rows
            if row["source"] == "timm" and row.get("top1") is not None
        }
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return {row["model"]: (float(row["top1"]), int(row["img_size"])) for row in csv.DictReader(file)}
    return {
        f"{model}.{tag}": (float(weight["top1"]), int(weight["at"]))
        for model, facts in json.loads(path.read_text()).items()
        for tag, weight in facts["weights"].items()
        if weight.get("top1") is not None
    }


def checked(paths: list[Path]) -> int:
    """The number of facts that differ from those of the tables; each is printed."""
    rows = {(row["source"], row["model"], row["tag"]): row for row in json.loads(CATALOGUE.read_text())["weights"]}
    faults = compared = 0
    for path in paths:
        for model, facts in json.loads(path.read_text()).items():
            for tag, theirs in facts["weights"].items():
                source = "torchvision" if "url" in theirs else "timm"
                ours = rows.get((source, model, tag))
                if ours is None:
                    print(f"not in the catalogue: {source} {model} {tag}")
                    continue
                for what, expected, found in FACTS[source](model, theirs, ours):
                    compared += 1
                    if expected != found:
                        faults += 1
                        print(f"{source} {model} {tag} {what}: {found!r}, expected {expected!r}")
    print(f"{compared} facts compared, {faults} differ")
    return min(faults, 1)


Fact = tuple[str, Any, Any]


def torchvision_facts(model: str, theirs: dict[str, Any], ours: dict[str, Any]) -> Iterator[Fact]:
    """(what, expected, found) of one of torchvision's weights."""
    yield "file", theirs["url"].rpartition("/")[2], ours["file"]
    yield "top1", theirs["acc1"], ours["top1"]
    for key, name in (("crop", "size"), ("resize", "resize")):
        yield name, theirs[key], [ours["input"][name]]
    yield "interpolation", theirs["interpolation"], ours["input"]["interpolation"]
    for key in ("mean", "std"):
        yield key, [0.5] * 3 if model in HALVES else theirs[key], ours["input"][key]


def timm_facts(model: str, theirs: dict[str, Any], ours: dict[str, Any]) -> Iterator[Fact]:
    """(what, expected, found) of one of timm's weights."""
    number = theirs["top1"] and float(theirs["top1"])
    yield "repository", theirs["hub_id"], ours["repository"]
    yield "licence", theirs["license"], ours["licence"]
    yield "classes", theirs["num_classes"], ours["classes"]
    yield "top1", number, ours.get("top1")
    yield "resolution", theirs["at"] and int(theirs["at"]), ours.get("resolution")
    used = {"size": theirs["input_size"], "crop": theirs["crop_pct"], "found": ours["input"]}
    if theirs["at"] and int(theirs["at"]) != theirs["input_size"][1]:
        used = {"size": theirs["test_input_size"], "crop": theirs["test_crop_pct"], "found": ours["input"]}
    yield "size", used["size"], [3, used["found"]["size"], used["found"]["size"]]
    yield "resize", math.floor(used["size"][1] / used["crop"]), used["found"]["resize"]
    for key in ("interpolation", "mean", "std"):
        yield key, theirs[key], ours["input"][key]
    if "larger" in ours:
        yield "test size", theirs["test_input_size"], [3, ours["larger"]["size"], ours["larger"]["size"]]
        share = theirs["test_crop_pct"] or theirs["crop_pct"]
        yield "test resize", math.floor(theirs["test_input_size"][1] / share), ours["larger"]["resize"]


FACTS = {"torchvision": torchvision_facts, "timm": timm_facts}


if __name__ == "__main__":
    main()
