"""The files of embed(): the parts of a run under way, and the table at its end."""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.bundle.files import replacing, write_whole
from vertebra.data.inspect import Bad
from vertebra.data.preprocess import Preprocess
from vertebra.errors import DataError, MissingExtraError, OutputError, UsageError

Rows = Sequence[tuple[str, str | None]]
"""(path, label) of each picture."""
FORMATS = (".parquet", ".npz")
JOB = "job.json"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What decides every vector; a run goes on only where all of it is the same.  ``rows`` is no part of the file."""

    fingerprint: str
    """SHA-256 of the weights."""
    architecture: str
    """The network's hash: strides and activations show in no tensor."""
    preprocess: Preprocess
    collection: str
    """SHA-256 of paths and labels."""
    part: int
    """Pictures in a part."""
    rows: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def of(cls, rows: Rows, *, fingerprint: str, architecture: str, preprocess: Preprocess, part: int) -> Job:
        """For these pictures and this network."""
        return cls(
            fingerprint=fingerprint,
            architecture=architecture,
            preprocess=preprocess,
            collection=hashlib.sha256(msgspec.json.encode(rows)).hexdigest(),
            part=part,
            rows=tuple(rows),
        )

    def to_json(self) -> bytes:
        """All but the rows."""
        return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(self, rows=())), indent=2)


def check_place(out: Path, *, force: bool) -> None:
    """Raise UsageError for another kind of file, OutputError for a place that is taken, MissingExtraError."""
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"{out.name!r}", where="--out", allowed="a name that ends in .parquet or .npz")
    if out.is_dir():
        raise OutputError("is a folder", where=str(out), remedy="choose another --out")
    if out.exists() and not force:
        raise OutputError("already exists", where=str(out), remedy="choose another --out, or replace it with --force")
    if out.suffix.lower() == ".parquet":
        _pyarrow()


def _pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError.of("pyarrow", "data") from None


class Parts:
    """``OUT.part``: a file of vectors for each thousand pictures; locked while a run uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: TextIOWrapper | None = None

    @classmethod
    def opened(cls, out: Path, job: Job, *, force: bool) -> Parts:
        """New, or those of the same job that was stopped; raises OutputError for those of another, or one under way."""
        parts = cls(out.with_name(f"{out.name}.part"))
        try:
            parts.path.mkdir(parents=True, exist_ok=True)
            parts._lock = (parts.path / ".lock").open("w")
            fcntl.flock(parts._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            parts.release()
            raise OutputError("is in use by a run under way", where=str(parts.path), remedy="wait for it") from None
        except OSError as error:
            raise OutputError(f"cannot be made: {error.strerror}", where=str(parts.path)) from None
        known = parts.path / JOB
        if known.is_file() and known.read_bytes() != job.to_json():
            if not force:
                parts.release()
                raise OutputError(
                    "holds a stopped run of another model or other pictures",
                    where=str(parts.path),
                    remedy="go on with that one, or start anew with --force",
                )
            for path in parts.path.glob("*.npz"):
                path.unlink()
        write_whole(known, job.to_json())
        return parts

    def has(self, number: int) -> bool:
        """Whether a part is done."""
        return self._part(number).is_file()

    def write(self, number: int, places: NDArray[np.int64], vectors: NDArray[np.float32], bad: Sequence[Bad]) -> None:
        """A part, whole or not at all."""
        buffer = io.BytesIO()
        listed = np.frombuffer(msgspec.json.encode(bad), np.uint8)
        np.savez(buffer, places=places, vectors=vectors, bad=listed)
        write_whole(self._part(number), buffer.getvalue())

    def read(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Places and vectors, part by part."""
        for path in self._all():
            with np.load(path) as part:
                if len(part["places"]):
                    yield part["places"], part["vectors"]

    def bad(self) -> tuple[Bad, ...]:
        """The pictures that could not be read."""
        found: list[Bad] = []
        for path in self._all():
            with np.load(path) as part:
                found += msgspec.json.decode(part["bad"].tobytes(), type=list[Bad])
        return tuple(found)

    def release(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """The table is written."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _part(self, number: int) -> Path:
        return self.path / f"{number:06}.npz"

    def _all(self) -> list[Path]:
        return sorted(self.path.glob("*.npz"))


def written(out: Path, parts: Parts, job: Job, source: str) -> tuple[int, int]:
    """Write the table under a temporary name, then rename it; the vectors' number and size.

    Raises DataError where no picture could be read, OutputError where the place cannot be written.
    """
    size = next((vectors.shape[1] for _, vectors in parts.read()), None)
    if size is None:
        parts.remove()
        raise DataError("none of the pictures can be read", where=str(out), remedy="nothing was written")
    write = _parquet if out.suffix.lower() == ".parquet" else _npz
    with replacing(out) as temporary:
        n = write(temporary, parts, job, size, source)
    return n, size


def _parquet(path: Path, parts: Parts, job: Job, size: int, source: str) -> int:
    import pyarrow
    import pyarrow.parquet

    made = {"vertebra": job.to_json(), "weights": source.encode(), "bad": msgspec.json.encode(parts.bad())}
    schema = pyarrow.schema(
        [
            pyarrow.field("path", pyarrow.string(), nullable=False),
            pyarrow.field("label", pyarrow.string()),
            pyarrow.field("embedding", pyarrow.list_(pyarrow.float32(), size), nullable=False),
        ],
        metadata=made,
    )
    n = 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for places, vectors in parts.read():
            rows = [job.rows[place] for place in places]
            flat = pyarrow.array(vectors.reshape(-1), pyarrow.float32())
            columns = [
                pyarrow.array([row[0] for row in rows], pyarrow.string()),
                pyarrow.array([row[1] for row in rows], pyarrow.string()),
                pyarrow.FixedSizeListArray.from_arrays(flat, size),
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
            n += len(places)
    return n


def _npz(path: Path, parts: Parts, job: Job, size: int, source: str) -> int:
    found = list(parts.read())
    rows = [job.rows[place] for places, _ in found for place in places]
    with path.open("wb") as file:  # to a name, numpy would add its ending
        np.savez(
            file,
            path=np.array([row[0] for row in rows]),
            label=np.array([row[1] or "" for row in rows]),
            embedding=np.concatenate([vectors for _, vectors in found]),
        )
    return len(rows)
