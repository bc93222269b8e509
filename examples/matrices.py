"""Matrices whose rows and columns have no order: who likes which film, and an operation of order 3."""

import marimo

__generated_with = "0.25.0"
app = marimo.App(width="medium", app_title="Matrices")

with app.setup:
    import tempfile
    from io import BytesIO
    from pathlib import Path

    import marimo as mo
    import numpy as np
    import torch
    from matplotlib.figure import Figure
    from torch import nn
    from torch.nn.functional import binary_cross_entropy_with_logits

    import einnet
    from einnet import EinNet
    from einnet.plots import draw_sharing
    from einnet.testing import assert_equivariant, equivariance_error


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Matrices

    People rate films. It does not matter who is in the first row, nor which film is in the first column: rows may be
    permuted, and columns may, independently. The type is `abH`. You will see

    - why there are exactly four linear maps, and that row and column means are among them;
    - ratings that no mean can complete, and the operation of order 3 that can;
    - a network that learns this from small tables and completes large ones, and a perceptron that does not.

    ## Four linear maps

    A linear map from tables to tables has a coefficient for each pair of an output entry and an input entry. Permuting
    rows and columns cannot change whether the two are in the same row, and whether they are in the same column. It can
    change everything else. So there are $2 \cdot 2 = 4$ kinds of pairs, and one free number for each.
    """)


@app.cell
def _():
    maps = einnet.series("ab -> ab", order=1)
    assert [str(t) for t in maps.contractions(1)] == ["ij->ij", "ik->ij", "kj->ij", "kl->ij"]
    _small = einnet.series("ab -> ab", order=1, sizes={"a": 3, "b": 3})
    assert _small.dof[1] == 4 and _small.sharing(1).size == 81
    print(maps)
    with tempfile.TemporaryDirectory() as _folder:
        draw_sharing(_small, _path := Path(_folder) / "sharing.png")
        _png = _path.read_bytes()
    mo.image(_png, alt="the shared coefficients", style={"max-width": "100%"})
    return (maps,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    The four are the entry itself, the sum of its row, the sum of its column, and the sum of the table. Some people give
    high marks, and some films are good. The usual first model takes a person's mean plus a film's mean minus the mean
    of all. It is made of these four, with coefficients $0,\ 1/m,\ 1/n,\ {-1/nm}$. On a table that is a sum
    $u_i + v_j$ it makes no error.
    """)


@app.cell
def _(maps):
    _u, _v = np.random.default_rng(0).normal(size=(2, 5))
    _table = _u[:, None] + _v[None, :4]
    _n, _m = _table.shape
    _model = maps.evaluate(_table, [0, 0, 1 / _m, 1 / _n, -1 / (_n * _m)])  # the first number is the constant
    assert np.allclose(_model, _table.mean(1, keepdims=True) + _table.mean(0) - _table.mean())
    assert np.allclose(_model, _table)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Ratings that no mean can complete

    Now people are of two camps, and films of two kinds; each camp likes one kind and dislikes the other. With
    $u_i = \pm 1$ and $v_j = \pm 1$ the rating is the product $r_{ij} = u_i v_j$, a *factor model* of rank 1. Two fifths
    of the ratings are known. Means say nothing: each camp likes as much as it dislikes.

    But look at three known ratings around a corner. If Ada and Ben agree on film $b$, they agree on every film. So

    $$r_{ad} = u_a v_d = (u_a v_b)(u_c v_b)(u_c v_d) = r_{ab}\, r_{cb}\, r_{cd},$$

    and the sum over all $b$ and $c$ is a vote of all such corners. It is an einsum of order 3, `ab,cb,cd->ad`.
    """)


@app.function
def camps(tables, n, m, seed):
    """Tables for the network (the rating or 0, and whether it is known), all ratings, which are known."""
    generator = torch.Generator().manual_seed(seed)
    people, films = (2.0 * torch.randint(2, (tables, k), generator=generator) - 1 for k in (n, m))
    ratings = people[:, :, None] * films[:, None, :]
    known = torch.rand(ratings.shape, generator=generator) < 0.4
    return torch.stack([ratings * known, known.float()], -1), ratings, known


@app.cell
def _():
    _x, _ratings, _known = camps(300, 8, 6, seed=10**6)
    _vote = torch.einsum("zab,zcb,zcd->zad", *[_x[..., 0]] * 3)
    assert ((_vote * _ratings) >= 0).all()  # the vote is never wrong, but it may be a tie: no corner is known
    voted = float((_vote[~_known] != 0).float().mean())
    assert 0.7 < voted < 0.95
    print(f"there is a corner for {voted:.1%} of the missing ratings")
    return (voted,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Where there is no corner there may be a longer path, two corners one after the other. That is what layers are for.

    Is this operation one of those that a network of type `abH` needs? `einnet.pooling` computes the smallest set of
    operations from which all others can be composed. At order 3 there is one, and it is this one. Operations of order 1
    and 2 cannot replace it.
    """)


@app.cell
def _():
    _operations = einnet.pooling("ab", order=3)
    assert [str(t) for t in _operations.by_order[3]] == ["ab,cb,cd->ad"]
    assert einnet.generates([t for t in _operations if t.order < 3], "ab,cb,cd->ad", "ab") is None
    print(_operations)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Learning

    The networks are not told about camps. They see tables of 8 people and 6 films, new ones at each step, and learn to
    fill the gaps. One has the operations up to order 2, one has them up to order 3. The third is a perceptron of more
    parameters, with more steps; its tables come in any order of rows and columns, too.
    """)


@app.function
def train(net, steps):
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        x, ratings, known = camps(32, 8, 6, seed=step)
        logits = net(x).reshape(ratings.shape)
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(logits[~known], (ratings[~known] > 0).float()).backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@app.function
@torch.no_grad()
def accuracy(net, n, m):
    """The share of the missing ratings of 300 fresh tables that are right."""
    x, ratings, known = camps(300, n, m, seed=10**6)
    right = (net(x).reshape(ratings.shape) > 0) == (ratings > 0)
    return float(right[~known].float().mean())


@app.cell
def _(voted):
    def _make(order):
        torch.manual_seed(0)
        return EinNet("abH -> abH", 2, 1, heads=4, hidden=16, depth=2, order=order)

    second, net = train(_make(2), 300), train(_make(3), 300)
    torch.manual_seed(0)
    _layers = [nn.Linear(96, 30), nn.ReLU(), nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 48)]
    perceptron = train(nn.Sequential(nn.Flatten(), *_layers), 1000)
    _shares = {}
    for _name, _net in (("order 2", second), ("order 3", net), ("perceptron", perceptron)):
        _shares[_name] = accuracy(_net, 8, 6)
        print(f"{_name:10}  {sum(p.numel() for p in _net.parameters()):,} parameters  {_shares[_name]:.1%} right")
    assert _shares["order 3"] > voted + (1 - voted) / 2  # more than all corners and guesses
    assert max(_shares["order 2"], _shares["perceptron"]) < 0.6  # chance is a half
    return net, perceptron


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Without the operation of order 3 the network can only guess, and so does the perceptron.

    ## Larger tables

    The sizes are no part of the network. It has seen tables of 8 by 6. Here are larger ones. They are easier: there are
    more corners.
    """)


@app.cell
def _(net):
    _shares = {(n, m): accuracy(net, n, m) for n, m in ((8, 6), (16, 12), (30, 20))}
    assert _shares[16, 12] > 0.97 and _shares[30, 20] > 0.97
    print(*(f"{n} x {m}: {share:.1%}" for (n, m), share in _shares.items()), sep="   ")

    _x, _ratings, _known = camps(1, 30, 20, seed=0)
    with torch.no_grad():
        _answer = net(_x)[0, :, :, 0].sigmoid() * 2 - 1
    _input = _x[0, :, :, 0].masked_fill(~_known[0], torch.nan)
    _rows, _columns = _ratings[0, :, 0].argsort(), _ratings[0, 0].argsort()  # by camp and by kind
    _figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    _tables = {"known": _input, "completed": _answer, "completed, sorted": _answer[_rows][:, _columns]}
    for _panel, (_name, _table) in zip(_figure.subplots(1, 3), _tables.items(), strict=True):
        _panel.imshow(_table, cmap="RdBu", vmin=-1.3, vmax=1.3, aspect="auto")
        _panel.set(title=_name, xlabel="films", ylabel="people", xticks=[], yticks=[])
    _figure.savefig(_png := BytesIO(), dpi=110)
    mo.image(_png.getvalue(), alt="the known ratings, and the completed table")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What the type promises

    If rows and columns are permuted, the answers of the network are permuted with them. The perceptron gives other
    answers.
    """)


@app.cell
def _(net, perceptron):
    assert_equivariant(net, "abH -> abH", sizes={"a": 8, "b": 6})
    _error = equivariance_error(
        lambda x: perceptron(x).reshape(-1, 8, 6, 1), "abH", {"a": 8, "b": 6}, features=2, dtype=torch.float32
    )
    assert _error > 0.1
    print(f"perceptron: up to {_error:.0%} of the largest answer")


if __name__ == "__main__":
    app.run()
