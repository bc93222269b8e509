"""The errors' family and texts, and files that are written whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

import einnet
from einnet.errors import CheckpointError, DataError, EinNetError, NotationError, ShapeError, did_you_mean
from einnet.files import check_writable, write_whole


@pytest.mark.parametrize("child", [CheckpointError, DataError, NotationError, ShapeError])
def test_every_error_is_an_einnet_error_and_a_value_error(child):
    assert issubclass(child, EinNetError)
    assert issubclass(child, ValueError)
    assert einnet.EinNetError is EinNetError


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("wrong", "abc", 1), "wrong\n  abc\n   ^"),
        (("wrong", "abc", 0, 3, "do this"), "wrong\n  abc\n  ^^^\ndo this"),
        (("wrong", "abc", 3), "wrong\n  abc\n     ^"),
        (("wrong", "abc", 2, 2), "wrong\n  abc\n    ^"),
        (("wrong", "日本a", 1), "wrong\n  日本a\n    ^^"),
        (("wrong", "日\U0001f600c", 2), "wrong\n  日\U0001f600c\n      ^"),
        (("wrong", "e\u0301bc", 2), "wrong\n  e\u0301bc\n   ^"),
        (("wrong", "e\u0301bc", 1), "wrong\n  e\u0301bc\n   ^"),
    ],
    ids=[
        "one letter",
        "a span",
        "past the end",
        "an empty span",
        "wide",
        "after wide ones",
        "after an accent",
        "accent",
    ],
)
def test_a_notation_error_has_a_caret_below_the_place(arguments, text):
    assert str(NotationError(*arguments)) == text


def test_did_you_mean_names_the_close_words_only():
    assert did_you_mean("kinshp", ["kinship", "umls"]) == " Did you mean 'kinship'?"
    assert did_you_mean("zzz", ["kinship", "umls"]) == ""


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'EinNett'"):
        einnet.EinNett  # noqa: B018


@pytest.mark.parametrize("name", einnet.__all__)
def test_every_public_name_is_there_and_listed(name):
    assert getattr(einnet, name) is not None
    assert name in dir(einnet)


def test_a_file_is_written_whole(tmp_path):
    path = tmp_path / "new" / "folder" / "x.txt"
    with write_whole(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def fail_half_way() -> None:
        with write_whole(str(path)) as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        fail_half_way()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_a_new_file_has_the_default_permissions(tmp_path):
    plain, written = tmp_path / "plain", tmp_path / "written"
    plain.write_text("x")
    with write_whole(written) as temporary:
        temporary.write_text("x")
    assert stat.S_IMODE(os.stat(written).st_mode) == stat.S_IMODE(os.stat(plain).st_mode)


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for target in (pipe, tmp_path):
        with pytest.raises(OSError, match="folder or a device"), write_whole(target):
            pass
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def save(path, text="new"):
    with write_whole(path) as temporary:
        temporary.write_text(text)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640, 0o755, 0o444])
def test_a_file_that_is_saved_over_keeps_its_permissions(mode, tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    path.chmod(mode)
    save(path)
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_obeys_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        save(tmp_path / "x.txt")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == 0o600


@pytest.mark.parametrize("is_new", [False, True])
def test_a_symbolic_link_stays_and_its_file_is_written(is_new, tmp_path):
    (tmp_path / "there").mkdir()
    target, link, second = tmp_path / "there" / "x.txt", tmp_path / "link", tmp_path / "second"
    if not is_new:
        target.write_text("old")
        target.chmod(0o600)
    link.symlink_to(Path("there") / "x.txt")
    second.symlink_to(link)
    save(second)
    assert link.is_symlink() and second.is_symlink() and target.read_text() == "new"
    assert is_new or stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [p.name for p in target.parent.iterdir()] == ["x.txt"]


@pytest.mark.parametrize(
    "name", ["日本語" * 27 + ".txt", "x." + "é" * 120, "a" * 255, os.fsdecode(b"\xff\xfe.txt")], ids=list("abcd")
)
def test_every_name_that_a_file_can_have_can_be_written(name, tmp_path):
    save(tmp_path / name)
    assert (tmp_path / name).read_text() == "new"


def test_a_place_where_nothing_can_be_written_is_named_and_nothing_is_made(tmp_path):
    (tmp_path / "file").write_text("")
    for path, reason in ((tmp_path, "folder or a device"), (tmp_path / "file" / "x" / "y.svg", "not a folder")):
        with pytest.raises(OSError, match=reason) as caught:
            check_writable(path)
        assert str(path) in str(caught.value)
    check_writable(tmp_path / "new" / "folder" / "x.svg")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
