import os
from pathlib import Path

import pytest

from autograd.files import write_file


def test_a_file_is_written_whole_with_ordinary_rights(tmp_path):
    path = tmp_path / "x.svg"
    write_file(path, b"new")
    write_file(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert [p.name for p in tmp_path.iterdir()] == ["x.svg"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x.svg"
    write_file(path, b"old")
    with pytest.raises(TypeError):
        write_file(path, "no bytes")
    assert path.read_bytes() == b"old"

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.svg"]


def test_a_missing_folder_is_an_error_of_the_system():
    with pytest.raises(FileNotFoundError):
        write_file(Path("/nowhere/x"), b"")


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path):
    target, link = tmp_path / "target.svg", tmp_path / "link.svg"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    write_file(Path("/dev/null"), b"gone")
    assert Path("/dev/null").is_char_device()
