"""Search by picture: which pictures of a collection look most like this one?

A network is trained for a moment to tell some classes; its embeddings (what reaches the classifier) then find pictures
of *other* classes, which it has never seen, by cosine similarity.  Without --data the pictures are scikit-learn's
scanned digits: trained on 0 to 5, searched among 6 to 9.

    python examples/nearest_neighbours.py --out runs/neighbours
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import vertebra as vb
from vertebra.data.load import load
from vertebra.data.preprocess import Preprocess
from vertebra.data.sources import Dataset, open_data
from vertebra.train.loop import Trainer
from vertebra.train.pixels import Pixels
from vertebra.train.recipe import Facts, recipe_for

NEIGHBOURS = 8


def pixels_of(dataset: Dataset, labels: Sequence[int], side: int, most: int) -> Pixels:
    """The pictures of some classes at ``side`` px, at most so many; their labels count from 0."""
    samples = [sample for sample in dataset.parts["train"] if sample.label in labels]
    samples = samples[:: max(1, len(samples) // most)]
    preprocess = Preprocess(size=side, resize=side, mean=(0.5,) * 3, std=(0.5,) * 3)
    images, found = load(dataset, samples, preprocess)
    return Pixels(images, np.searchsorted(labels, found), preprocess)


def trained(pixels: Pixels, classes: Sequence[str], network: str, epochs: float) -> nn.Module:
    """A network that tells these classes."""
    arch = vb.architecture(network).with_classes(len(classes)).with_resolution(pixels.preprocess.size)
    facts = Facts(images=len(pixels), size=arch.resolution, classes=len(classes), source_size=arch.resolution)
    trainer = Trainer(vb.build(arch), recipe_for(facts), pixels, classes=classes)
    trainer.cycle(epochs=epochs, evaluations=1)
    return trainer.network.eval()


def embeddings(net: nn.Module, pixels: Pixels) -> NDArray[np.float32]:
    """float32[N, D] of length 1: what reaches the network's classifier."""
    body = vb.embeddings(net).eval()
    with torch.inference_mode():
        vectors = torch.cat([body(images) for images, _ in pixels.batches(64)])
    return nn.functional.normalize(vectors).numpy()


def nearest(queries: NDArray[np.float32], collection: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """int64[Q, count]: the nearest first, by cosine similarity; a collection of millions would take an index."""
    return np.argsort(-(queries @ collection.T), axis=1, kind="stable")[:, :count]


def draw(pixels: Pixels, queries: Sequence[int], found: NDArray[np.int64], names: Sequence[str], path: Path) -> None:
    """Each query at the left, its neighbours beside it, those of another class framed in red."""
    from matplotlib.figure import Figure

    labels = pixels.labels.numpy()
    figure = Figure(figsize=(1.1 * (1 + found.shape[1]), 1.25 * len(queries)), layout="constrained")
    axes = figure.subplots(len(queries), 1 + found.shape[1], squeeze=False)
    for row, (query, neighbours) in enumerate(zip(queries, found, strict=True)):
        for column, index in enumerate((query, *neighbours)):
            one = axes[row, column]
            one.imshow(pixels.images[index].numpy())
            one.set(xticks=[], yticks=[])
            one.set_title(names[labels[index]], fontsize=9, pad=2)
            right = labels[index] == labels[query]
            for spine in one.spines.values():
                spine.set(linewidth=2.5, color="black" if not column else "#009e73" if right else "#d55e00")
    axes[0, 0].set_ylabel("query")
    figure.savefig(path, dpi=100)


def main(arguments: Sequence[str] | None = None) -> float:
    """Train, embed, search, write the picture; returns the share of neighbours that are of the query's class."""
    parser = argparse.ArgumentParser(description="Nearest neighbours over embeddings, among classes never seen.")
    parser.add_argument("--data", default="digits", help="a folder CLASS/*.jpg, a .tar of one, or digits")
    parser.add_argument("--network", default="cifar_resnet20")
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--side", type=int, default=16, help="of the network's input, px")
    parser.add_argument("--most", type=int, default=2000, help="pictures to train on, and to search among")
    parser.add_argument("--out", type=Path, default=Path("runs/neighbours"))
    chosen = parser.parse_args(arguments)

    dataset = open_data(chosen.data)
    count = len(dataset.classes)
    cut = round(0.6 * count)
    seen, unseen = list(range(cut)), list(range(cut, count))
    net = trained(
        pixels_of(dataset, seen, chosen.side, chosen.most), dataset.classes[:cut], chosen.network, chosen.epochs
    )

    collection = pixels_of(dataset, unseen, chosen.side, chosen.most)
    vectors = embeddings(net, collection)
    # Each picture is a query, and its nearest neighbour is itself.
    found = nearest(vectors, vectors, 1 + NEIGHBOURS)[:, 1:]
    labels = collection.labels.numpy()
    share = float((labels[found] == labels[:, None]).mean())
    chance = float(np.square(np.bincount(labels) / len(labels)).sum())
    print(f"of the {NEIGHBOURS} nearest, {100 * share:.1f}% are of the query's class (by chance {100 * chance:.0f}%)")
    chosen.out.mkdir(parents=True, exist_ok=True)
    queries = np.random.default_rng(0).choice(len(labels), 6, replace=False)
    draw(collection, queries, found[queries], dataset.classes[cut:], chosen.out / "neighbours.png")
    print(f"picture: {chosen.out / 'neighbours.png'}")
    return share


if __name__ == "__main__":
    main()
