"""`Affine`: units that are saved and moved with the network, and set for some features."""

import torch

from einnet.nn.networks.affine import Affine


def test_units_are_set_for_the_first_features_and_travel_with_the_module():
    units, x = Affine(3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    assert torch.equal(units(x), x) and repr(units) == "Affine(3)"
    units.set(shift=torch.tensor([1.0, 2.0]), scale=torch.tensor([4.0]))
    expected = torch.stack([(x[:, 0] - 1) * 4, x[:, 1] - 2, x[:, 2]], -1)
    assert torch.equal(units(x), expected)
    assert units.state_dict().keys() == {"shift", "scale"} and not list(units.parameters())
    copy = Affine(3)
    copy.load_state_dict(units.state_dict())
    assert torch.equal(copy.double()(x), expected)
    assert copy.half().scale.dtype == torch.float16 and Affine(3, device="meta").scale.is_meta
