"""The model card of a bundle, as Markdown: what it is, how good and how fast it is, what it must not be used for."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from vertebra.report import text, usage
from vertebra.report.study import Candidate, Study

_ANYWHERE = re.compile(r"[\\`*_\[\]|~]")
_AT_THE_START = re.compile(r"^([#+=-]|\d+(?=[.)]))")  # a heading or a list
_CLASSES = 100  # a card names so many classes; labels.json has all


def card(study: Study) -> str:
    """The card of the bundle that ``study`` made; names and paths in it are escaped."""
    parts = [
        _what(study), _data(study), _accuracy(study), _speed(study), _costs(study), _preprocessing(study),
        _use(study), _limits(study), _origin(study),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def escaped(words: str) -> str:
    """One line of ``words`` that Markdown and HTML leave as it is."""
    line = _ANYWHERE.sub(lambda sign: "\\" + sign[0], html.escape(" ".join(text.visible(words).split()), quote=False))
    return _AT_THE_START.sub(lambda sign: sign[0] + "\\" if sign[0].isdigit() else "\\" + sign[0], line)


def _what(study: Study) -> str:
    one = next((one for one in study.candidates if one.winner), None)
    family = f" of the family {escaped(one.family)}, at {one.resolution} px" if one else ""
    begun = _begun(one, study) if one and one.weights else ""
    return (
        f"# {escaped(study.title)}\n\nAn image classifier with {len(study.data.classes)} classes: the network "
        f"{escaped(study.winner)}{family}. It was chosen among {len(study.candidates)} candidates "
        f"for these budgets: {escaped(', '.join(study.budgets) or 'none')}.{begun}"
    )


def _begun(one: Candidate, study: Study) -> str:
    """Whose weights it began with, under which licence, and what that brought."""
    licence = f" (licence: {escaped(one.licence)})" if one.licence else " (look up their licence)"
    found = study.brought
    said = f"\n\nIt was fine-tuned from pretrained weights, {escaped(one.weights or '')}{licence}."
    if found is None:
        return said
    return said + (
        f" After the same {text.duration(found.seconds)} of training the best candidate with pretrained weights had "
        f"{text.percent(found.pretrained_accuracy)} on the validation part, the best from scratch "
        f"{text.percent(found.scratch_accuracy)}."
    )


def _data(study: Study) -> str:
    data = study.data
    parts = [f"{text.exact(sum(counts.values()))} in {escaped(part)}" for part, counts in data.counts.items()]
    height, width = data.median_size
    names = ", ".join(escaped(name) for name in data.classes[:_CLASSES])
    more = len(data.classes) - _CLASSES
    lines = [f"Trained on {escaped(data.name)}: images {', '.join(parts)}."]
    lines += [f"Median size of a picture: {width} {text.TIMES} {height} px."]
    lines += [f"Classes: {names}" + (f", and {more} more (`labels.json`)" if more > 0 else "") + "."]
    lines += [f"Unreadable pictures that were left out: {len(data.skipped)}."] if data.skipped else []
    return "## Data\n\n" + "\n\n".join([*lines, *([_list(data.notes)] if data.notes else [])])


def _accuracy(study: Study) -> str:
    n = study.test_n
    return (
        f"## Accuracy\n\n{text.percent(study.test_accuracy, n)} on {text.exact(n)} test images that took no part in "
        f"any choice (95% Wilson interval: {text.interval(study.test_accuracy, n)}). On the validation part, by which "
        f"the network was chosen: {text.percent(study.val_accuracy)}. Accuracy of each class: `report.html`."
    )


def _speed(study: Study) -> str:
    made = study.artifact
    machine = study.environment.get("machine")
    where = f"on {escaped(machine)}" if machine else "on the machine below"
    height, width = made.image_size
    return (
        f"## Speed\n\n{text.ms(made.latency_ms)} for one picture of {width} {text.TIMES} {height} px (network "
        f"{text.ms(made.network_ms)}, preprocessing {text.ms(made.preprocess_ms)}; medians), measured with "
        f"{escaped(made.engine)} on {made.threads} thread{'s' * (made.threads != 1)} {where}. Elsewhere it differs: "
        "measure it there."
    )


def _costs(study: Study) -> str:
    params, macs = (sum(getattr(row, name) for row in study.costs) for name in ("params", "macs"))
    return (
        f"## Cost\n\n- parameters: {text.exact(params)}\n- multiply-accumulates for one picture: {text.exact(macs)}\n"
        f"- artifact: {text.size(study.artifact.bytes)}"
    )


def _preprocessing(study: Study) -> str:
    made = study.artifact
    return (
        "## Preprocessing\n\nIt is inside `model.onnx`: raw 8-bit RGB of any size goes in, probabilities come out. "
        "`preprocess.json` says what is done (resize, crop, mean, deviation), `labels.json` names the outputs. "
        f"The artifact was compared with the network on {text.exact(made.compared)} pictures: the same class for "
        f"{text.exact(made.agreeing)}, largest difference of a probability {made.largest_difference:.1e}."
    )


def _use(study: Study) -> str:
    commands = "\n".join(usage.shell(study.bundle))
    return "## Use\n\n" + _fenced(commands, "sh") + "\n\n" + _fenced(usage.python(study.bundle), "python")


def _limits(study: Study) -> str:
    return "## Limits\n\n" + _list(
        [
            "It always answers with one of its classes, also for a picture that shows none of them.",
            "The accuracy holds for pictures like those of the test part; other cameras, lights or places change it.",
            "The probabilities were not calibrated.",
        ]
    )


def _origin(study: Study) -> str:
    facts = _list(f"{name}: {value}" for name, value in study.environment.items())
    return (
        f"## Origin\n\nMade {escaped(study.created)} with seed {study.seed}, {study.days} days after the study began "
        f"({escaped(study.study_started)}). `vertebra fit --from {escaped(study.bundle)}` makes it again.\n\n{facts}"
    )


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def _fenced(code: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"
