"""Files appear under their names only when they are whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from polydoc_analytics.loaders.atomic_write import atomic_write, is_device


@pytest.mark.parametrize("is_durable", [False, True])
def test_a_file_is_replaced_when_all_of_it_is_written(tmp_path: Path, is_durable: bool) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with atomic_write(path, is_durable=is_durable) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_write(path) as first, atomic_write(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"


@pytest.mark.skipif(os.name == "nt", reason="no modes there")
def test_a_new_file_has_the_mode_that_the_process_gives(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a"):
        pass
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="no named pipes there")
def test_a_pipe_is_written_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with atomic_write(pipe) as file:
            file.write(b"new")
        assert os.read(reader, 10) == b"new"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no devices there")
@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/dev/fd/1", "/dev/../dev/stdout"])
def test_devices_are_written_and_never_replaced(path: str) -> None:
    assert is_device(path)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_one_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "a.txt", tmp_path / "link"
    link.symlink_to(target)
    for content in (b"new", b"newer"):
        with atomic_write(link) as file:
            file.write(content)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no devices there")
def test_rejected_rows_and_reports_may_go_to_a_link_to_a_device(cli, file, tmp_path: Path) -> None:
    link = tmp_path / "nothing"
    link.symlink_to("/dev/null")
    assert cli("usage", file(["nope"]), "--quarantine", link).code == 0
    assert link.is_symlink()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
