"""save_pretrained(), push_to_hub(), from_pretrained(): as users of huggingface_hub's mixin know them.

A folder or repository holds ``config.json`` (the architecture as data, preprocessing, labels), ``model.safetensors``
and ``README.md`` (the model card).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from huggingface_hub import ModelCard, ModelHubMixin, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from torch import Tensor, nn

from vertebra.arch.encoding import to_data
from vertebra.bundle.files import write_whole
from vertebra.errors import AbsentError, DownloadError, OfflineError, OutputError, WeightsError
from vertebra.nn.wrapping import unwrapped
from vertebra.weights.card import card
from vertebra.weights.catalogue import HUB_FILE
from vertebra.weights.described import architecture_in, origin_in
from vertebra.weights.load import load
from vertebra.weights.origin import description
from vertebra.weights.save import save
from vertebra.weights.sources import CONFIG

T = TypeVar("T")
TRANSPORT: type[Exception] = HfHubHTTPError.__mro__[1]
"""The base of all that huggingface_hub's HTTP client raises, whichever client that is."""
CARD = "README.md"


class Backbone(nn.Module, ModelHubMixin, library_name="vertebra", pipeline_tag="image-classification"):
    """A network of ours with the hub's methods: ``save_pretrained``, ``push_to_hub``, ``from_pretrained``.

    ``net`` is the network itself; calling the backbone calls it.  ``place`` is where the card says that it is found.
    """

    def __init__(self, net: nn.Module, place: str | None = None) -> None:
        super().__init__()
        self.net = net
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        """What ``net`` gives."""
        out: Tensor = self.net(x)
        return out

    def _save_pretrained(self, save_directory: Path) -> None:
        _write(self.net, save_directory, self.place or str(save_directory))

    @classmethod
    def _from_pretrained(  # type: ignore[override]  # the base's last argument takes anything; we take nothing
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
    ) -> Backbone:
        if Path(model_id).is_dir():
            return cls(load(None, f"file:{model_id}"))
        for file in (CONFIG, HUB_FILE):
            path = hf_hub_download(
                repo_id=model_id,
                filename=file,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                token=token,
                local_files_only=local_files_only,
            )
        return cls(load(None, f"file:{Path(path).parent}"))

    def generate_model_card(self, *args: object, **options: object) -> ModelCard:
        """The card with the computed costs."""
        return ModelCard(_card(self.net, self.place or "."))


def save_pretrained(net: nn.Module, folder: str | Path) -> None:
    """Write a network to a folder that ``from_pretrained`` and ``load(None, "file:FOLDER")`` read.

    Each file is written whole under another name and renamed.  Raises WeightsError for a network without ``net.arch``,
    OutputError where the folder cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", where=str(folder)) from None
    _write(net, folder, str(folder))


def push_to_hub(
    net: nn.Module,
    repo_id: str,
    *,
    commit_message: str = "Push model using vertebra.",
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
) -> str:
    """Put a network into a repository of the hub, made if need be; returns the address of the commit.

    Arguments are those of huggingface_hub's ``push_to_hub``.  Raises WeightsError for a network without ``net.arch``
    and for a name that no repository can have, DownloadError where the hub refuses, OfflineError where it cannot be
    reached.
    """
    architecture_in(unwrapped(net))  # raises, for a network without one, before anything is asked of the hub

    def push() -> str:
        backbone = Backbone(net, repo_id)
        address: str = backbone.push_to_hub(
            repo_id,
            commit_message=commit_message,
            private=private,
            token=token,
            branch=branch,
            create_pr=create_pr,
        )
        return address

    return _typed(push, repo_id)


def from_pretrained(
    pretrained_model_name_or_path: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> nn.Module:
    """The network of a folder or a repository, in evaluation mode, with ``net.arch`` and ``net.weights``.

    Arguments are those of huggingface_hub's ``from_pretrained``, and its cache is used; ``load(None, "hub:...")`` does
    the same through vertebra's own.  Raises WeightsError for what is there but no network of ours or timm's,
    AbsentError for a repository, revision or file that the hub has not, OfflineError where it cannot be reached.
    """
    name = str(pretrained_model_name_or_path)
    _no_path(name, told=isinstance(pretrained_model_name_or_path, Path))

    def fetch() -> nn.Module:
        found = Backbone.from_pretrained(
            name,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        return found.net

    return _typed(fetch, name)


def _no_path(name: str, *, told: bool) -> None:
    """Raise WeightsError for what is meant as a path and is no folder: the hub is not asked for it.

    ``told``: it was given as a Path.
    """
    if Path(name).is_file():
        raise WeightsError("is no folder", where=name, remedy="a file is read by load(None, 'file:PATH')")
    if not Path(name).exists() and (told or name.startswith((".", "/", "~"))):
        raise WeightsError("does not exist", where=name, allowed="a folder, or owner/name of a repository")


def _write(net: nn.Module, folder: Path, place: str) -> None:
    net = unwrapped(net)
    said = _described(net)
    save(net, folder / HUB_FILE)
    write_whole(folder / CONFIG, msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n")
    write_whole(folder / CARD, _card(net, place))


def _described(net: nn.Module) -> dict[str, object]:
    """The description with the expanded tree beside it, whose meaning no later change of a block can move."""
    arch = architecture_in(net)
    return {**description(arch, origin_in(net, arch)), "expanded": to_data(arch.tree(), defaults=True)}


def _card(net: nn.Module, place: str) -> str:
    arch = architecture_in(unwrapped(net))
    return card(arch, origin_in(unwrapped(net), arch), place)


def _typed(work: Callable[[], T], where: str) -> T:
    """What ``work`` returns; what huggingface_hub raises becomes an error of ours, on one line."""
    try:
        return work()
    except HFValidationError as error:
        raise WeightsError(f"is no repository: {error}", where=where, allowed="owner/name") from None
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise AbsentError(f"is not on the hub: {_first(error)}", where=where, remedy="check name and token") from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise OfflineError(f"is not in the cache: {_first(error)}", where=where) from None
    except EntryNotFoundError as error:
        raise AbsentError(f"lacks a file: {_first(error)}", where=where, allowed=f"{CONFIG}, {HUB_FILE}") from None
    except LocalTokenNotFoundError:
        raise DownloadError("needs a token", where=where, remedy="set HF_TOKEN, or run `hf auth login`") from None
    except HfHubHTTPError as error:
        raise DownloadError(f"was refused by the hub: {_first(error)}", where=where) from None
    except (OSError, TRANSPORT) as error:
        raise OfflineError(f"cannot be reached: {_first(error)}", where=where) from None


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
