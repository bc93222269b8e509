"""Networks on the Hugging Face Hub, or in a folder of that layout: model.safetensors, config.json, README.md."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from einnet.errors import CheckpointError, EinNetError, did_you_mean
from einnet.files import cannot_write
from einnet.nn.net import EinNet

try:
    from huggingface_hub import ModelHubMixin, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
except ModuleNotFoundError:
    raise EinNetError("the hub needs the package huggingface_hub: install it, or the extra 'hub'") from None

__all__ = ["OnHub", "fetched", "pushed", "saved"]

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
{% for name, value in settings.items() %}| `{{ name }}` | {{ value }} |
{% endfor %}

```python
from einnet import EinNet

net = EinNet.from_pretrained("{{ repository }}")
```
"""


class OnHub(ModelHubMixin, library_name="einnet", tags=["einnet", "equivariance"], model_card_template=CARD):
    """A network beside the hub's mixin; the weights are a file of `EinNet.save`, so no pickled code is run."""

    def __init__(self, net: EinNet):
        self.net = net

    def _save_pretrained(self, save_directory: Path) -> None:
        self.net.save(save_directory / WEIGHTS)
        card = save_directory / "README.md"
        if card.is_file() and MARK in card.read_text(errors="replace"):
            card.unlink()  # ours, perhaps of another network; one that somebody wrote is kept

    @classmethod
    def _from_pretrained(cls, *, model_id: str, revision: str | None, **how: Any) -> "OnHub":  # type: ignore[override]
        return cls(EinNet.load(hf_hub_download(model_id, WEIGHTS, revision=revision, **how)))

    def described(self, repository: str) -> dict[str, Any]:
        """What the files beside the weights are made from: the config, and what the card says."""
        settings = asdict(self.net.settings)
        parameters = f"{sum(p.numel() for p in self.net.parameters()):,}"
        about = {"signature": settings["signature"], "settings": settings, "parameters": parameters, "mark": MARK}
        return {"config": settings, "model_card_kwargs": about | {"repository": repository}}


def fetched(name: str | Path, options: dict[str, Any]) -> EinNet:
    """The network in a folder or in a repository of the hub."""
    if unknown := sorted(set(options) - OPTIONS):
        raise EinNetError(
            f"from_pretrained has the options {', '.join(sorted(OPTIONS))}, got {unknown[0]!r}."
            + did_you_mean(unknown[0], OPTIONS)
        )
    if Path(name).is_dir():
        return EinNet.load(Path(name) / WEIGHTS)
    try:
        return OnHub.from_pretrained(name, **options).net
    except EinNetError:
        raise
    except (*PROBLEMS, AttributeError) as error:
        raise CheckpointError(
            f"'{name}' is no folder, and nothing of this name can be had from the hub: {error}"
        ) from None


def saved(net: EinNet, folder: Path) -> None:
    """Writes the files of the hub's layout to a folder."""
    on_hub = OnHub(net)
    try:
        on_hub.save_pretrained(folder, **on_hub.described(str(folder)))
    except OSError as error:
        raise error if str(folder) in str(error) and error.filename is None else cannot_write(folder, error) from None


def pushed(net: EinNet, repository: str, options: dict[str, Any]) -> str:
    """Uploads the same files; the address of the commit."""
    on_hub = OnHub(net)
    try:
        return on_hub.push_to_hub(repository, **(on_hub.described(repository) | options))
    except PROBLEMS as error:
        raise EinNetError(f"the network cannot be pushed to {repository!r}: {error}") from None
