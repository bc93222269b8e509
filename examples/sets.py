"""Sets: which point does not belong? DeepSets' layer follows from the type, and one size teaches all sizes."""

import marimo

__generated_with = "0.25.0"
app = marimo.App(width="medium", app_title="Sets")

with app.setup:
    import tempfile
    from io import BytesIO
    from pathlib import Path

    import marimo as mo
    import torch
    from matplotlib.figure import Figure
    from torch import nn
    from torch.nn.functional import cross_entropy

    import einnet
    from einnet import EinNet
    from einnet.nn import EinLinear
    from einnet.plots import draw_sharing
    from einnet.testing import assert_equivariant


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Sets

    A set of things has no first one. If we store it as a list, the order of the list means nothing. You will see

    - that this alone says how a linear layer on sets must look;
    - how a network `aH -> aH` learns to find the point that does not belong, and beats a perceptron of the same size;
    - that a network which was trained on ten points works for fifty;
    - how sets of different sizes share a batch: masks.

    ## The layer follows from the type

    The type of a set of things with features is `aH`: an axis `a` that may be permuted, and features `H`. We want a
    value for each thing, so the signature is `aH -> aH`. A linear map takes $x_1, \dots, x_n$ to
    $y_i = \sum_j W_{ij}\, x_j$. If the things are reordered, the $y_i$ must be reordered in the same way. Then many of
    the $W_{ij}$ are equal. In the picture equal colours are equal numbers.
    """)


@app.cell
def _():
    _maps = einnet.series("a -> a", order=1, sizes={"a": 5})
    assert [str(t) for t in _maps.contractions(1)] == ["i->i", "j->i"]
    assert _maps.dof[1] == 2 and _maps.sharing(1).size == 25
    print(_maps)
    with tempfile.TemporaryDirectory() as _folder:
        draw_sharing(_maps, _path := Path(_folder) / "sharing.png")
        _png = _path.read_bytes()
    mo.image(_png, alt="the shared coefficients", style={"max-width": "100%"})


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Of 25 numbers two are free: one on the diagonal, one off it. As einsums they are `i->i`, the thing itself, and
    `j->i`, the sum over all. With features each number becomes a matrix, and with a mean in place of the sum

    $$y_i = A\, x_i + B\, \tfrac1n \textstyle\sum_j x_j + c.$$

    That is the layer of *DeepSets*. It is no choice: there are no other linear maps. `EinLinear` is this layer.
    """)


@app.cell
def _():
    torch.manual_seed(0)
    _layer = EinLinear("aH -> aH", in_features=3, out_features=4)
    _a, _b = _layer.weight[:, :3], _layer.weight[:, 3:]  # one matrix for each of the two terms
    _x = torch.randn(7, 3)
    assert torch.allclose(_layer(_x), _x @ _a.T + _x.mean(0) @ _b.T, atol=1e-6)  # c is zero in the beginning
    print([str(t) for t in _layer.plans[0].terms])


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Linear layers with activations between them get far. But a spread, say, is a sum of *squares*. `einnet` adds the
    smallest set of products from which every other einsum of sets can be composed. For sets it is a single one, the
    product of two values of the same thing, whatever the order.
    """)


@app.cell
def _():
    assert [str(t) for t in einnet.pooling("aH", order=5)] == ["a->a", "a->b", "a,a->a"]
    # The variance of a set, from these operations: a square, means, a square.
    _x = torch.randn(9)
    assert torch.isclose((_x * _x).mean() - _x.mean() * _x.mean(), _x.var(correction=0))
    print(einnet.pooling("aH", order=5))


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## The point that does not belong

    Points lie on a line, in any direction, and one of them is off it. Which one? A point alone does not tell. And the
    odd one need not be the one farthest from the others: it is a question about all of them.
    """)


@app.function
def with_outlier(sets, n, seed):
    """Sets of n points in the plane (sets, n, 2), and which of them is off the line."""
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator}
    along, off = torch.randn(sets, n, **draw), 0.05 * torch.randn(sets, n, **draw)
    odd = torch.randint(n, (sets,), **draw)
    side = 2 * torch.randint(2, (sets,), **draw) - 1
    off[torch.arange(sets), odd] = side * (0.7 + torch.rand(sets, **draw))
    off = off + torch.randn(sets, 1, **draw)  # the line need not pass through the origin
    angle = torch.pi * torch.rand(sets, 1, **draw)
    points = [along * angle.cos() - off * angle.sin(), along * angle.sin() + off * angle.cos()]
    return torch.stack(points, -1), odd


@app.function
def train(net, n, steps):
    """Learns from fresh sets of n points at each step, so no set is seen twice."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        points, odd = with_outlier(64, n, seed=step)
        optimizer.zero_grad()
        cross_entropy(net(points).reshape(64, n), odd).backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@app.function
@torch.no_grad()
def accuracy(net, n):
    """The share of 1,000 fresh sets of n points in which the odd one is found."""
    points, odd = with_outlier(1000, n, seed=10**6)
    return float((net(points).reshape(1000, n).argmax(1) == odd).float().mean())


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    The network gives each point a number, and the largest one wins. The other network is a perceptron that sees the
    twenty coordinates. It has as many parameters and twice as many sets. The order of the points is random, so both
    see permuted data; but the perceptron has to learn that the order means nothing.
    """)


@app.cell
def _():
    torch.manual_seed(0)
    net = train(EinNet("aH -> aH", 2, 1, heads=8, hidden=24, depth=2), n=10, steps=500)
    _layers = [nn.Linear(20, 66), nn.ReLU(), nn.Linear(66, 66), nn.ReLU(), nn.Linear(66, 10)]
    perceptron = train(nn.Sequential(nn.Flatten(), *_layers), n=10, steps=1000)
    _sizes = [sum(p.numel() for p in f.parameters()) for f in (net, perceptron)]
    assert abs(_sizes[0] / _sizes[1] - 1) < 0.05
    _shares = [accuracy(f, 10) for f in (net, perceptron)]
    assert _shares[0] > 0.9 and _shares[1] < 0.7
    for _name, _number, _share in zip(("EinNet", "perceptron"), _sizes, _shares, strict=True):
        print(f"{_name:10}  {_number:,} parameters  {_share:.1%} found among 10 points")
    return net, perceptron


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What the type promises

    If the points are listed in another order, the answer of `aH -> aH` is the same point, exactly. The perceptron often
    changes its mind.
    """)


@app.cell
def _(net, perceptron):
    assert_equivariant(net, "aH -> aH", sizes={"a": 10}, features=2)
    _points, _ = with_outlier(1000, 10, seed=7)
    _order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    _same = []
    for _f in (net, perceptron):
        with torch.no_grad():
            _before, _after = (_f(x).reshape(1000, 10).argmax(1) for x in (_points, _points[:, _order]))
        _same.append(float((_order[_after] == _before).float().mean()))
    assert _same[0] > 0.999 and _same[1] < 0.8
    print(f"the same point after reordering: EinNet {_same[0]:.1%}, perceptron {_same[1]:.1%}")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Nothing in the network depends on the number of points. It has seen ten at a time; here are fifty. The perceptron
    has twenty inputs and cannot even be asked.
    """)


@app.cell
def _(net):
    _shares = {n: accuracy(net, n) for n in (10, 20, 50)}
    assert min(_shares.values()) > 0.9
    print("found among", *(f"{n} points: {share:.1%}" for n, share in _shares.items()), sep="  ")

    _figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    for _panel, _n in zip(_figure.subplots(1, 3), _shares, strict=True):
        _points, _odd = with_outlier(1, _n, seed=4)
        with torch.no_grad():
            _chance = net(_points)[0, :, 0].softmax(0)
        assert _chance.argmax() == _odd
        _x, _y = _points[0].T
        _panel.scatter(_x, _y, c=_chance, cmap="coolwarm", vmin=0, vmax=1, edgecolor="#444444", linewidth=0.5)
        _panel.set(title=f"{_n} points", xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    _figure.savefig(_png := BytesIO(), dpi=110)
    mo.image(_png.getvalue(), alt="three sets, the odd point in red")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Sets of different sizes in one batch

    A tensor needs one size, so smaller sets are padded, and a *mask* is True for the real points. Padding contributes
    nothing and its output is zero. So each set has the result that it has alone, for any values in the padding.
    """)


@app.cell
def _(net):
    _sizes = (4, 9, 12)
    _sets = [with_outlier(1, n, seed=n)[0][0] for n in _sizes]
    _batch = torch.full((3, 12, 2), 1e3)  # what fills up does not matter
    for _row, _set in zip(_batch, _sets, strict=True):
        _row[: len(_set)] = _set
    _present = torch.arange(12) < torch.tensor(_sizes)[:, None]
    with torch.no_grad():
        _together = net(_batch, mask=_present)
        for _row, _set in zip(_together, _sets, strict=True):
            assert torch.allclose(_row[: len(_set)], net(_set), atol=1e-4)
            assert (_row[len(_set) :] == 0).all()
    print(_present.int())


if __name__ == "__main__":
    app.run()
