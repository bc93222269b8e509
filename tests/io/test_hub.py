"""Networks in the hub's layout, offline: a folder instead of the hub, and what would be uploaded."""

import errno
import json
import os
import shutil

import pytest
import torch

from einnet import EinNet
from einnet.errors import CheckpointError, EinNetError

hub = pytest.importorskip("huggingface_hub")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def make_net() -> EinNet:
    torch.manual_seed(0)
    return EinNet("abcH -> aH; a->b", 2, 3, heads=2, hidden=8, depth=1, terms=["abc->abc", "abc,abc->abc"]).eval()


def is_same(net, loaded):
    x = torch.randn(2, 3, 4, 5, 2)
    return torch.equal(net(x), loaded(x)) and net.config == loaded.config and not loaded.training


def test_a_folder_holds_weights_config_and_a_card_and_comes_back(tmp_path):
    net = make_net()
    net.save_pretrained(tmp_path / "net")
    assert sorted(p.name for p in (tmp_path / "net").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert is_same(net, EinNet.from_pretrained(tmp_path / "net"))
    assert is_same(net, EinNet.load(tmp_path / "net" / "model.safetensors"))  # one format
    config = json.loads((tmp_path / "net" / "config.json").read_text())
    assert config["signature"] == "abcH -> aH; a->b" and config["heads"] == 2
    card = (tmp_path / "net" / "README.md").read_text()
    assert "library_name: einnet" in card and "`abcH -> aH; a->b`" in card and "| `heads` | 2 |" in card


def test_what_is_pushed_is_what_comes_back(tmp_path, monkeypatch):
    seen = {}

    def upload(self, *, folder_path, **options):
        seen.update(options)
        shutil.copytree(folder_path, tmp_path / "remote")
        return "commit"

    monkeypatch.setattr(
        hub.HfApi, "create_repo", lambda self, repo_id, **_: hub.RepoUrl(f"https://huggingface.co/{repo_id}")
    )
    monkeypatch.setattr(hub.HfApi, "upload_folder", upload)
    net = make_net()
    assert net.push_to_hub("someone/lists", commit_message="first") == "commit"
    assert seen["repo_id"] == "someone/lists" and seen["commit_message"] == "first"
    assert is_same(net, EinNet.from_pretrained(tmp_path / "remote"))
    assert 'EinNet.from_pretrained("someone/lists")' in (tmp_path / "remote" / "README.md").read_text()


def test_missing_networks_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="'someone/nothing'"):
        EinNet.from_pretrained("someone/nothing")
    with pytest.raises(CheckpointError, match="model.safetensors"):
        EinNet.from_pretrained(tmp_path)
    (tmp_path / "net.safetensors").touch()
    with pytest.raises(CheckpointError, match="EinNet.load"):
        EinNet.from_pretrained(tmp_path / "net.safetensors")
    for name in (None, ""):
        with pytest.raises(EinNetError, match=f"got {name!r}"):
            EinNet.from_pretrained(name)


def test_a_folder_that_cannot_take_another_network_keeps_its_own(tmp_path, monkeypatch):
    make_net().save_pretrained(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        EinNet("aH, aH -> H", (1, 1), 1, hidden=8, depth=1).save_pretrained(tmp_path)
    assert caught.value.errno == errno.ENOSPC and str(tmp_path) in str(caught.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize("config", ["{", "null", "[1]"])
def test_weights_are_read_whatever_else_the_folder_has(tmp_path, config):
    net = make_net()
    net.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(config)
    assert is_same(net, EinNet.from_pretrained(tmp_path))


def test_the_card_is_that_of_the_network_unless_it_was_edited(tmp_path):
    EinNet("aH, aH -> H", (1, 1), 1, hidden=8, depth=1).save_pretrained(tmp_path)
    make_net().save_pretrained(tmp_path)
    card = tmp_path / "README.md"
    assert "`abcH -> aH; a->b`" in card.read_text() and "aH, aH" not in card.read_text()
    card.write_text("mine")
    make_net().save_pretrained(tmp_path)
    assert card.read_text() == "mine"


def test_what_cannot_be_pushed_or_saved_is_refused(tmp_path):
    for name in ("no such/name/at all", None):
        with pytest.raises(EinNetError, match=f"pushed to {name!r}"):
            make_net().push_to_hub(name)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="not a folder"):
        make_net().save_pretrained(tmp_path / "file")


def test_a_file_of_another_program_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="another program"):
        EinNet.from_pretrained(tmp_path)


def test_a_mistyped_option_is_no_other_version(tmp_path):
    with pytest.raises(EinNetError, match="'revison'.*'revision'"):
        EinNet.from_pretrained(tmp_path, revison="v2")
