"""The network that predicts ratings, and how it learns.

Users, items and known ratings have states side by side, types `aH, bH, [ab]H`; a hidden rating is asked for with
`at=`, so it counts nowhere. The inputs follow from the known ratings in closed form, so that nothing in the weights
belongs to a user, an item or a scale: the same network runs on other tables. At each step a random share of the
ratings is hidden and predicted from the rest.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import Buffer

from einnet.nn import EinNet
from einnet.tasks.ratings.data import Axis, Entries, Ratings
from einnet.tasks.ratings.estimates import ESTIMATES, NEIGHBOURS, RANK, Known
from einnet.train.optimizers import MuonAdamW
from einnet.train.task import Task

if TYPE_CHECKING:
    from einnet.tasks.ratings.app import RatingsConfig

__all__ = ["FEATURES", "OUT_FEATURES", "SIGNATURE", "Completion", "Forecast", "forecast", "make_net", "to_tensors"]

SIGNATURE = "aH, bH, [ab]H -> [ab]H"
FEATURES = (RANK + 4, RANK + 4, len(NEIGHBOURS) + 3)
OUT_FEATURES = len(ESTIMATES) + 4  # a weight of each estimate; a shift, a width and two shapes of the distribution
STEP = 0.3  # what 1 in the output means, in weights of the estimates and in standard deviations
SMALLEST = 0.5  # block of a step, as a share of the largest
STEEPEST, BISECTIONS = 1000.0, 32  # slopes of a distribution
MARGIN = 0.01  # of a mean from the ends of the axis
PRIOR = 5.0  # ratings of usual spread that each user and item is given


def make_net(config: "RatingsConfig") -> EinNet:
    """The network; ratings have half the features of users and items, as they are many. At first it changes nothing."""
    hidden = (2 * config.hidden, 2 * config.hidden, config.hidden)
    options = {"heads": config.heads, "depth": config.depth, "dropout": config.dropout}
    net = EinNet(SIGNATURE, FEATURES, OUT_FEATURES, hidden=hidden, **options)
    for weight in net.decoder.parameters():
        torch.nn.init.zeros_(weight)
    return net


def encode(known: Known) -> tuple[Tensor, Tensor, tuple]:
    """The inputs: of users and items the number of ratings, biases, spread and factors; of ratings what they are, and
    what the others would have made of them."""
    squares = known.residuals.square()[:, None]
    tables = []
    biases = (known.biases.user, known.rest.user), (known.biases.item, known.rest.item)
    for axis, (bias, rest) in enumerate(biases):
        count = known.counts[axis]
        total = torch.zeros_like(count).index_add(0, known.support.index[axis], squares[:, 0])
        spread = ((total + PRIOR) / (count + PRIOR)).log()
        columns = (count.log1p() / 2 - 1, bias / known.scale, rest, spread)
        tables.append(torch.cat([torch.stack(columns, 1), 3 * known.factors[axis]], 1))
    position = 2 * known.values - 1
    ratings = torch.cat([torch.stack([known.residuals, position, position.square()], 1), known.by_neighbours], 1)
    return tables[0], tables[1], (known.support, ratings)


class Forecast(NamedTuple):
    """For each pair a distribution over the axis of ratings, by its mean and its form, (M,) each.

    It is the exponential of a polynomial of degree four, whose linear part is such that the mean is as given.

    >>> middle = Forecast(*torch.tensor([[0.5], [0.2], [0.0], [0.0]]))
    >>> middle.log_chances(torch.tensor([0.0, 0.5, 1.0])).exp()           # of three levels
    tensor([[0.0404, 0.9192, 0.0404]])
    >>> middle.log_chances(torch.linspace(0, 1, 5)).exp()                 # and of five
    tensor([[0.0219, 0.2285, 0.4991, 0.2285, 0.0219]])
    >>> high = Forecast(*torch.tensor([[0.9], [0.2], [0.0], [0.0]]))
    >>> high.log_chances(torch.linspace(0, 1, 5)).exp() @ torch.linspace(0, 1, 5)
    tensor([0.9000])
    """

    mean: Tensor  # within the axis
    width: Tensor  # that the distribution would have, were it normal
    skew: Tensor
    tails: Tensor

    def log_chances(self, levels: Tensor) -> Tensor:
        """The logarithms of the probabilities of levels, positions from 0 to 1: (M, levels)."""
        s = 2 * levels - 1
        normal = -((levels - 0.5) / self.width[:, None]).square() / 2
        legendre = (5 * s**3 - 3 * s) / 2, (35 * s**4 - 30 * s**2 + 3) / 8
        form = normal + self.skew[:, None] * legendre[0] + self.tails[:, None] * legendre[1]
        slope = _find_slopes(form.detach(), self.mean.detach(), levels)
        chances = (form + slope * levels).softmax(-1)
        mean = (chances * levels).sum(-1)  # a step of Newton's method, which has the derivatives of the solution
        variance = ((chances * levels.square()).sum(-1) - mean.square()).detach().clamp(min=1e-6)
        return (form + (slope + ((self.mean - mean) / variance)[:, None]) * levels).log_softmax(-1)


def _find_slopes(form: Tensor, mean: Tensor, levels: Tensor) -> Tensor:
    """What is added for each unit of the axis so that the distributions have these means, (M, 1), by bisection."""
    low = torch.full_like(mean, -STEEPEST)
    high = -low
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_low = ((form + middle[:, None] * levels).softmax(-1) * levels).sum(-1) < mean
        low, high = torch.where(is_low, middle, low), torch.where(is_low, high, middle)
    return ((low + high) / 2)[:, None]


def forecast(net: EinNet, known: Known, pairs: Tensor, estimates: Tensor | None = None) -> Forecast:
    """The distribution of the ratings at pairs (2, M); `estimates` may be computed before."""
    estimates = known.estimate(pairs) if estimates is None else estimates
    weights, rest = (STEP * net(*encode(known), at=pairs)).float().split([len(ESTIMATES), 4], -1)
    shift, width, skew, tails = rest.unbind(-1)
    weights = weights + weights.new_tensor([*ESTIMATES.values()])
    mean = known.biases.predict(pairs) + known.scale * ((weights * estimates).sum(-1) + shift)
    return Forecast(mean.clamp(MARGIN, 1 - MARGIN), known.scale * width.clamp(-1.5, 1.5).exp(), skew, tails)


class Completion(Task):
    """Learns to complete one table of ratings; selects by the valid RMSE."""

    metric, higher_is_better = "rmse", False

    def __init__(self, ratings: Ratings, config: "RatingsConfig", seed: int):
        super().__init__(make_net(config), lr=config.lr, weight_decay=config.weight_decay, seed=seed)
        axis = ratings.axis
        self.config, self.sizes, self.span = config, ratings.sizes, axis.high - axis.low
        self.train_index, self.train_values = map(Buffer, to_tensors(ratings.train, axis))
        self.valid_index, self.valid_values = map(Buffer, to_tensors(ratings.valid, axis))
        self.levels = Buffer(torch.from_numpy(axis.levels).float())
        self.valid_inputs: Known | None = None  # computed once

    def loss(self, step: int) -> Tensor:
        low, high = self.config.hide_low, self.config.hide_high
        largest = min(self.config.block, len(self.train_values))
        number = int(largest * (SMALLEST + (1 - SMALLEST) * torch.rand(())))
        index, values, sizes = draw_block(self.train_index, self.train_values, self.sizes, number)
        share = low + (high - low) * torch.rand((), device=index.device) ** 2  # small ones more often
        is_hidden = torch.rand_like(values) < share
        is_hidden[torch.randperm(len(values), device=index.device)[:2]] = torch.tensor([True, False]).to(index.device)
        start = torch.randn(sizes[1], RANK, device=index.device)
        pairs, target = index[:, is_hidden], values[is_hidden]
        known = Known(index[:, ~is_hidden], values[~is_hidden], sizes, start, pairs)
        result = forecast(self.net, known, pairs, known.estimates)
        log_chances = result.log_chances(self.levels)
        nearest = (target[:, None] - self.levels).abs().argmin(1)
        square_error = ((result.mean - target) / known.scale).square().mean()
        return torch.nn.functional.nll_loss(log_chances, nearest) + self.config.square_loss * square_error

    @torch.no_grad()
    def validate(self, net: EinNet) -> dict[str, float]:
        if self.valid_inputs is None:
            self.valid_inputs = Known(self.train_index, self.train_values, self.sizes, pairs=self.valid_index)
        known = self.valid_inputs
        error = forecast(net, known, self.valid_index, known.estimates).mean - self.valid_values
        return {"rmse": self.span * float(error.square().mean().sqrt()), "mae": self.span * float(error.abs().mean())}

    def make_optimizer(self) -> torch.optim.Optimizer:
        return MuonAdamW(self.net.parameters(), self.lr, self.weight_decay)


def to_tensors(entries: Entries, axis: Axis) -> tuple[Tensor, Tensor]:
    """The index of ratings, and their positions on the axis."""
    return torch.from_numpy(entries.index), torch.from_numpy(axis.to_positions(entries.values)).float()


def draw_block(
    index: Tensor, values: Tensor, sizes: tuple[int, int], number: int
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """The ratings of random users for random items, about this number, with users and items numbered again."""
    if len(values) <= number:
        return index, values, sizes
    share = (number / len(values)) ** 0.5
    keep = [torch.rand(n, device=index.device) < share for n in sizes]
    numbers = [k.cumsum(0) - 1 for k in keep]
    rows = keep[0][index[0]] & keep[1][index[1]]
    if rows.sum() < 2:  # of a table with few ratings for each user
        return index, values, sizes
    block = torch.stack([n[i] for n, i in zip(numbers, index[:, rows], strict=True)])
    return block, values[rows], (int(keep[0].sum()), int(keep[1].sum()))
