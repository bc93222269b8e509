"""Networks on the Hugging Face Hub, or in a folder of that layout: model.safetensors, config.json, README.md."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from einnet.errors import CheckpointError, EinNetError, did_you_mean
from einnet.nn.net import EinNet

try:
    from huggingface_hub import ModelHubMixin, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
except ModuleNotFoundError:
    raise EinNetError("the hub needs the package huggingface_hub: install it, or the extra 'hub'") from None

__all__ = ["OnHub", "fetched"]

WEIGHTS = "model.safetensors"
OPTIONS = {"revision", "cache_dir", "force_download", "token", "local_files_only"}
CARD = """---
{{ card_data }}
---

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

    @classmethod
    def _from_pretrained(cls, *, model_id: str, revision: str | None, **how: Any) -> "OnHub":  # type: ignore[override]
        if Path(model_id).is_dir():
            return cls(EinNet.load(Path(model_id) / WEIGHTS))
        return cls(EinNet.load(hf_hub_download(model_id, WEIGHTS, revision=revision, **how)))

    def described(self, repository: str) -> dict[str, Any]:
        """What the files beside the weights are made from: the config, and what the card says."""
        settings = asdict(self.net.settings)
        parameters = f"{sum(p.numel() for p in self.net.parameters()):,}"
        about = {"signature": settings["signature"], "settings": settings, "parameters": parameters}
        return {"config": settings, "model_card_kwargs": about | {"repository": repository}}


def fetched(name: str | Path, options: dict[str, Any]) -> EinNet:
    """The network in a folder or in a repository of the hub."""
    if unknown := sorted(set(options) - OPTIONS):
        raise EinNetError(
            f"from_pretrained has the options {', '.join(sorted(OPTIONS))}, got {unknown[0]!r}."
            + did_you_mean(unknown[0], OPTIONS)
        )
    try:
        return OnHub.from_pretrained(name, **options).net
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError) as error:
        if isinstance(error, EinNetError):
            raise
        raise CheckpointError(
            f"'{name}' is no folder with {WEIGHTS}, and nothing of this name can be had from the hub: {error}"
        ) from None
