"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from vertebra.bundle.files import check_free, replacing, write_whole
from vertebra.errors import OutputError


def test_texts_and_bytes_replace_what_stood_there(tmp_path: Path):
    path = tmp_path / "a.txt"
    write_whole(path, "one — \u6f22\n")
    assert path.read_bytes() == "one — \u6f22\n".encode()
    write_whole(path, b"two\r\n")
    assert path.read_bytes() == b"two\r\n"
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_what_stood_there_stands_after_a_failure(tmp_path: Path, failure):
    """And nothing beside it; no pattern such as ``*.txt`` meets the unfinished one."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(failure), replacing(path) as temporary:
        temporary.write_text("half")
        assert list(tmp_path.glob("*.txt")) == [path] and path.read_text() == "old"
        raise failure
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"] and path.read_text() == "old"


def test_a_place_that_cannot_be_written(tmp_path: Path):
    for path, reason in ((tmp_path / "none" / "a", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(OutputError) as caught:
            write_whole(path, b"a")
        assert str(caught.value) == f"{path}: cannot be written: {reason}"
    full = tmp_path / "full"
    with pytest.raises(OutputError, match="cannot be written: No space left on device"), replacing(full):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken(tmp_path: Path):
    check_free(tmp_path / "new", force=False)
    check_free(tmp_path, force=True)
    with pytest.raises(OutputError) as caught:
        check_free(tmp_path, force=False)
    assert str(caught.value) == f"{tmp_path}: already exists; use --force to replace it, or another name"
