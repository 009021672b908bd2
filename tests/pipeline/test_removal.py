from pathlib import Path

import pytest

from pipeline.removal import Removal


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_bytes(b"x" * 10)
    return path


def test_folders_are_removed_and_counted_by_kind(tmp_path):
    removal = Removal(tmp_path)
    for name in ("a", "b"):
        removal.remove("Model", _folder(tmp_path / name))
    removal.remove("Examples", _folder(tmp_path / "c"), at_once=True)
    removal.remove("Examples", tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []
    assert {kind: (one.count, one.size) for kind, one in removal.freed.items()} == {
        "Model": (2, 20),
        "Examples": (1, 10),
    }
    assert removal.failures == []


def test_a_dry_run_only_counts(tmp_path):
    removal = Removal(tmp_path, dry_run=True)
    folder = _folder(tmp_path / "a")
    removal.remove("Model", folder)
    assert (folder / "file").exists()
    assert removal.freed["Model"].size == 10


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("order", [("a", "a/b", "a"), ("a/b", "a/b", "a")])
def test_what_lies_in_what_was_counted_is_not_counted_again(tmp_path, order, dry_run):
    _folder(tmp_path / "a")
    _folder(tmp_path / "a" / "b")
    removal = Removal(tmp_path, dry_run=dry_run)
    for path in order:
        removal.remove("Model", tmp_path / path)
    assert removal.freed["Model"].size == 20
    assert removal.freed["Model"].count == len(set(order)) - (order[0] == "a")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("a/other", True),
        ("a/kept", False),  # it stays
        ("a/kept/within", False),
        ("a", False),  # it holds what stays
        (".", False),
        ("..", False),
        ("a/../../outside", False),
    ],
)
def test_what_stays_and_what_lies_outside_are_not_to_be_removed(tmp_path, path, allowed):
    removal = Removal(tmp_path, {tmp_path / "a" / "kept"})
    assert removal.allows(tmp_path / path) == allowed
    assert removal.links == []


def test_what_lies_behind_a_link_is_noted_and_left(tmp_path):
    outside = _folder(tmp_path / "outside")
    root = _folder(tmp_path / "root")
    (root / "link").symlink_to(outside)
    removal = Removal(root)
    assert not removal.allows(root / "link" / "file")
    assert removal.links == [root / "link" / "file"]


def test_a_root_that_is_a_link_itself_is_meant(tmp_path):
    _folder(tmp_path / "disk" / "a")
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    assert Removal(tmp_path / "root").allows(tmp_path / "root" / "a")
