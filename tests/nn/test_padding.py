"""Padded batches: each sample gives what it gives alone, whatever the type."""

import pytest
import torch

from einnet import EinNet
from einnet.errors import ShapeError
from einnet.nn import pad
from refusals import assert_refused

SAMPLES = {
    "aH": [(3, 2), (5, 2), (1, 2), (0, 2)],
    "abH": [(3, 4, 2), (2, 6, 2), (5, 1, 2)],
    "aaH": [(3, 3, 2), (5, 5, 2)],
    "abH; a->b": [(2, 3, 2), (4, 2, 2)],
    "abcH; a->b, b->c": [(2, 3, 2, 2), (3, 1, 4, 2)],
}


@pytest.mark.parametrize("symmetry", SAMPLES)
def test_a_sample_gives_in_a_batch_what_it_gives_alone(symmetry):
    torch.manual_seed(0)
    head, _, dependencies = symmetry.partition(";")
    net = EinNet(f"{head} -> H" + f"; {dependencies}" * bool(dependencies), 2, 3, heads=3, hidden=8, depth=2).eval()
    samples = [torch.randn(shape) for shape in SAMPLES[symmetry]]
    x, mask = pad(samples, symmetry)
    y = net(x, mask=mask)
    for k, sample in enumerate(samples):
        assert torch.allclose(y[k], net(sample), atol=1e-5)


def test_masks_have_the_shapes_that_networks_take():
    x, mask = pad([torch.ones(2, 3, 1), torch.ones(4, 2, 1)], "abH; a->b")
    assert x.shape == (2, 4, 3, 1) and x.sum() == 2 * 3 + 4 * 2
    assert mask["a"].shape == (2, 4) and mask["b"].shape == (2, 4, 3)
    assert torch.equal(mask["b"], x[..., 0] > 0)


def test_the_dtype_stays():
    assert pad([torch.ones(2, 1, dtype=torch.int64)], "aH")[0].dtype == torch.int64


@pytest.mark.parametrize(
    ("samples", "phrase"),
    [
        ([], "samples"),
        (
            [torch.ones(2, 3), torch.ones(2, 3, dtype=torch.int64)],
            "torch.int64",
        ),
        ([torch.ones(2, 3, 1)], "got (2, 3, 1)"),
        (
            [torch.ones(2, 3), torch.ones(2, 4)],
            "got (2, 4)",
        ),
    ],
)
def test_samples_that_do_not_fit_are_named(samples, phrase):
    assert_refused(lambda: pad(samples, "aH"), ShapeError, phrase)


def test_samples_are_tensors():
    assert_refused(lambda: pad([torch.ones(2, 3), [1]], "aH"), TypeError, "sample 1", "list")
    assert_refused(lambda: pad(torch.ones(2, 3, 1), "aH"), TypeError, "samples", "Tensor")


def test_joint_axes_are_of_one_size():
    with pytest.raises(ShapeError, match="sample 1"):
        pad([torch.ones(2, 2, 1), torch.ones(2, 3, 1)], "aaH")
