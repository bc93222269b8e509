"""Networks on the Hugging Face Hub, or in a folder of that layout: model.safetensors, config.json, README.md."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from einnet.checks import check_package
from einnet.errors import CheckpointError, EinNetError, did_you_mean
from einnet.files import cannot_write, replace_file

try:
    from huggingface_hub import ModelHubMixin, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
except ModuleNotFoundError:
    check_package("huggingface_hub", "the hub")
    raise

__all__ = ["OnHub", "fetch", "push", "save_folder"]

PROBLEMS = (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError, TypeError)

WEIGHTS = "model.safetensors"
MARK = "<!-- written by EinNet.save_pretrained, and again when a network is saved here -->"
OPTIONS = {"revision", "cache_dir", "force_download", "token", "local_files_only"}
CARD = """---
{{ card_data }}
---

{{ mark }}

# {{ signature }}

An equivariant network of EinNet for the signature `{{ signature }}`:
{{ parameters }} parameters.

| argument | value |
|---|---|
{% for name, value in config.items() %}| `{{ name }}` | {{ value }} |
{% endfor %}

```python
from einnet import EinNet

net = EinNet.from_pretrained("{{ repository }}")
```
"""


class OnHub(ModelHubMixin, library_name="einnet", tags=["einnet", "equivariance"], model_card_template=CARD):
    """A network with the hub's mixin; the weights are a file of `EinNet.save`, so no pickled code is run."""

    def __init__(self, net: Any):
        self.net = net

    def _save_pretrained(self, save_directory: Path) -> None:
        self.net.save(save_directory / WEIGHTS)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, revision: str | None, load: Callable, **how: Any) -> "OnHub":  # type: ignore[override]
        return cls(load(hf_hub_download(model_id, WEIGHTS, revision=revision, **how)))

    def describe(self, repository: str) -> dict[str, Any]:
        """The config, and what the card is made from."""
        config = asdict(self.net.config)
        parameters = f"{sum(p.numel() for p in self.net.parameters()):,}"
        about = {"signature": config["signature"], "config": config, "parameters": parameters, "mark": MARK}
        return {"config": config, "model_card_kwargs": about | {"repository": repository}}


def fetch(name: str | Path, options: dict[str, Any], load: Callable[[Path | str], Any]) -> Any:
    """The network in a folder or in a repository of the hub."""
    if unknown := sorted(set(options) - OPTIONS):
        raise EinNetError(
            f"from_pretrained has the options {', '.join(sorted(OPTIONS))}, got {unknown[0]!r}."
            + did_you_mean(unknown[0], OPTIONS)
        )
    if not isinstance(name, str | Path) or not str(name):
        raise EinNetError(f"from_pretrained takes a folder or the name of a repository, got {name!r}")
    if Path(name).is_dir():
        return load(Path(name) / WEIGHTS)
    if Path(name).is_file():
        raise CheckpointError(f"'{name}' is a file, not a folder: EinNet.load reads the file of one network")
    try:
        return OnHub.from_pretrained(name, load=load, **options).net
    except EinNetError:
        raise
    except (*PROBLEMS, AttributeError) as error:
        raise CheckpointError(
            f"'{name}' is no folder, and nothing of this name can be had from the hub: {error}"
        ) from None


def save_folder(net: Any, folder: Path) -> None:
    """Writes the files of the hub's layout to a folder; where one cannot be written, none is changed."""
    on_hub, card = OnHub(net), folder / "README.md"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".part-") as temporary:
            on_hub.save_pretrained(temporary, **on_hub.describe(folder.name))
            is_own_card = not card.is_file() or MARK in card.read_text(encoding="utf-8", errors="replace")
            for file in Path(temporary).iterdir():
                if is_own_card or file.name != card.name:  # a card of the user's own stays
                    replace_file(file, folder / file.name)
    except OSError as error:
        raise cannot_write(folder, error) from None


def push(net: Any, repository: str, options: dict[str, Any]) -> str:
    """Uploads the same files; the address of the commit."""
    on_hub = OnHub(net)
    try:
        return on_hub.push_to_hub(repository, **(on_hub.describe(repository) | options))
    except PROBLEMS as error:
        raise EinNetError(f"the network cannot be pushed to {repository!r}: {error}") from None
