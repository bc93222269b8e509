"""Graphs: messages are einsums, and two graphs that only an operation of order 5 tells apart."""

import marimo

__generated_with = "0.25.0"
app = marimo.App(width="medium", app_title="Graphs")

with app.setup:
    from io import BytesIO

    import marimo as mo
    import networkx as nx
    import torch
    from matplotlib.figure import Figure
    from torch.nn.functional import binary_cross_entropy_with_logits

    import einnet
    from einnet import EinNet
    from einnet.nn import EinPool
    from einnet.testing import assert_equivariant


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Graphs

    A graph is a relation over a set: $x_{ij}$ says something about the edge from $i$ to $j$. If the nodes are listed in
    another order, rows and columns are permuted *together*. So the type is `aaH`, one letter twice. You will see

    - that message passing is an einsum, and which other einsums there are;
    - two graphs that message passing, and even all operations of up to four factors, cannot tell apart, and the
      operation that does, the *bridge*;
    - a network with several inputs, nodes and edges, `aH, aaH -> aH`.

    ## Messages

    Each node sends its value along its edges, and each node adds up what it gets: $y_j = \sum_i x_i A_{ij}$. As an
    einsum it is `a,ab->b`. Operations of this kind work on two tensors side by side, one with a value for each node
    and one with a value for each pair.
    """)


@app.cell
def _():
    house = nx.Graph([(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4)])  # a square with a roof
    edges = torch.tensor(nx.to_numpy_array(house))
    _nodes = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    _send = EinPool(["a,ab->b"], ("aH", "aaH"), normalize=None)
    _received, _ = _send(_nodes[:, None], edges[..., None])
    assert torch.equal(_received[:, 0], edges @ _nodes)
    assert _received[4, 0] == 1 + 2  # the roof hears from its two neighbours
    print(_send.plan)
    return (edges,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    In the type `aa` alone the row of a node has its value, and the same message is a product, `ab,ab->ab`, and then
    a sum. All linear maps of a relation to itself are 15; a matrix product is what they cannot do. It counts walks of
    two steps, and where a walk of two steps meets an edge there is a triangle. Message passing alone cannot see those.
    """)


@app.cell
def _(edges):
    assert einnet.series("aa -> aa", order=1).dof[1] == 15
    _walk = EinPool(["ab,bc->ac"], normalize=None)
    _walks = _walk(edges[..., None].expand(5, 5, 2))[..., 0]
    assert torch.equal(_walks, edges @ edges)
    _triangles = (_walks * edges).sum(1) / 2  # each triangle of a node is met in both directions
    assert _triangles.tolist() == [1, 1, 0, 0, 1]  # the roof
    print("triangles at each node:", _triangles.tolist())


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Two graphs that look alike

    The squares of a 4 by 4 board, joined if a rook can go from one to the other, are a graph of 16 nodes. The
    *Shrikhande graph* has 16 nodes as well. In both, each node has 6 neighbours, any two neighbours have 2 common
    neighbours, and any other two nodes have 2 common neighbours, too. So counts of neighbours, walks and triangles
    agree. But they are different graphs. Look at the neighbours of one node: two triangles in one, a ring in the other.
    """)


@app.cell
def _():
    _four = nx.complete_graph(4)
    rook = nx.convert_node_labels_to_integers(nx.cartesian_product(_four, _four))
    _steps = [(0, 1), (1, 0), (1, 1)]
    _board = [(i, j) for i in range(4) for j in range(4)]
    _ring = nx.Graph([((i, j), ((i + p) % 4, (j + q) % 4)) for i, j in _board for p, q in _steps])
    shrikhande = nx.convert_node_labels_to_integers(_ring, ordering="sorted")
    pair = [torch.tensor(nx.to_numpy_array(g)) for g in (rook, shrikhande)]
    assert not nx.is_isomorphic(rook, shrikhande)
    for _a in pair:
        assert torch.equal(_a @ _a, 4 * torch.eye(16) + 2 * torch.ones(16, 16))  # 6 on the diagonal, 2 elsewhere

    _figure = Figure(figsize=(7.4, 3.9), layout="constrained")
    for _panel, _graph, _name in zip(_figure.subplots(1, 2), (rook, shrikhande), ("rook", "Shrikhande"), strict=True):
        _near = _graph.subgraph(_graph[0])
        _parts = [list(nx.dfs_preorder_nodes(_near, min(part))) for part in nx.connected_components(_near)]
        assert sorted(map(len, _parts)) == ([3, 3] if _graph is rook else [6])
        _around = [i for part in _parts for i in part]
        _at = nx.shell_layout(_graph, [[0], _around, sorted(set(_graph) - {0} - set(_around))])
        nx.draw_networkx_edges(_graph, _at, edge_color="#cccccc", width=0.7, ax=_panel)
        nx.draw_networkx_edges(_near, _at, edge_color="#c0392b", width=2, ax=_panel)
        _colours = ["#222222" if i == 0 else "#c0392b" if i in _around else "#bbbbbb" for i in _graph]
        nx.draw_networkx_nodes(_graph, _at, nodelist=list(_graph), node_color=_colours, node_size=60, ax=_panel)
        _panel.set_title(f"{_name}: a node and its neighbours", fontsize=9)
        _panel.set_axis_off()
    _figure.savefig(_png := BytesIO(), dpi=110)
    mo.image(_png.getvalue(), alt="the two graphs")
    return (pair,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Which operations does a network of type `aa` need to see the difference? Up to order 4 nothing new appears beyond
    products and matrix products: every einsum is a composition of them. At order 5 there is one that is not.
    """)


@app.cell
def _():
    _operations = einnet.pooling("aaH", order=5)
    assert [str(t) for t in _operations.by_order[5]] == ["ab,ac,bc,bd,cd->ad"]
    assert not _operations.by_order[3] and not _operations.by_order[4]
    print(_operations)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    It goes from $a$ to $d$ by two ways, $b$ and $c$, with a *bridge* between $b$ and $c$. Give it the graph in all five
    places. On an edge $ad$ it then counts the ways in which $a, b, c, d$ are all joined, as the four squares of a row
    of the rook's board are. The Shrikhande graph has no such four.
    """)


@app.cell
def _(pair):
    _bridge = EinPool(["ab,ac,bc,bd,cd->ad"], normalize=None)
    _counts = []
    for _a in pair:
        _value = _bridge(_a[..., None].repeat(1, 1, 5))[..., 0]
        _counts.append(float((_value * _a).sum() / 24))  # four nodes can be named a, b, c, d in 24 ways
    assert _counts == [8, 0]  # four rows and four columns of the board
    print("sets of four nodes that are all joined:", *_counts)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Now two networks `aaH -> H` with random weights, in double precision, one without the bridge and one with it. What
    the first gives for the two graphs differs by rounding only; no training will change that. As a control, one graph
    is given twice, its nodes in another order.
    """)


@app.cell
def _(pair):
    _order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    for _limit in (2, 5):
        torch.manual_seed(0)
        _net = EinNet("aaH -> H", 1, 8, heads=4, hidden=16, depth=3, order=_limit).double().eval()
        with torch.no_grad():
            _one, _two, _again = (_net(a[..., None]) for a in (*pair, pair[0][_order][:, _order]))
        _apart, _control = float((_one - _two).abs().max()), float((_one - _again).abs().max())
        assert _control < 1e-13 and (_apart > 1e-8 if _limit == 5 else _apart < 1e-13)
        print(f"order {_limit}: the two graphs {_apart:.0e} apart, one graph and itself {_control:.0e}")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Nodes and edges

    Often both nodes and edges have features, and so there are two inputs: `aH, aaH -> aH`. An example: people with or
    without a red hat, and friendships, some of them close. Who belongs to three close friends with red hats? This
    needs node features, edge features and triangles at once.
    """)


@app.function
def make_friends(graphs, n, seed):
    """Hats (graphs, n, 1), friendships and close ones (graphs, n, n, 2), and who belongs to such a three."""
    draw = {"generator": torch.Generator().manual_seed(seed)}
    hats = (torch.rand(graphs, n, **draw) < 0.6).float()
    chance, close = torch.rand(graphs, n, n, **draw).triu(1), torch.rand(graphs, n, n, **draw) < 0.7
    some = (chance > 0) & (chance < 0.55)
    ties = torch.stack([some, some & close], -1).float()
    ties = ties + ties.transpose(1, 2)
    among = ties[..., 1] * hats[:, :, None] * hats[:, None, :]  # close, between red hats
    return hats[..., None], ties, torch.einsum("zab,zbc,zca->za", among, among, among) > 0


@app.cell
def _():
    def _train(**operations):
        torch.manual_seed(0)
        net = EinNet("aH, aaH -> aH", (1, 2), 1, heads=4, hidden=16, depth=2, **operations)
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=250, pct_start=0.1)
        for step in range(250):
            hats, ties, target = make_friends(32, 12, seed=step)
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(net(hats, ties)[..., 0], target.float()).backward()
            optimizer.step()
            schedule.step()
        return net.eval()

    _hats, _ties, _target = make_friends(300, 12, seed=10**6)
    _nets = {
        "messages only": _train(terms=["ab->ab", "aa->aa", "ab->ba", "ab->ac", "ab,ab->ab"]),
        "with ab,bc->ac": _train(),
    }
    _right = {}
    for _name, _net in _nets.items():
        assert_equivariant(_net, "aH, aaH -> aH", sizes={"a": 9})
        with torch.no_grad():
            _right[_name] = float(((_net(_hats, _ties)[..., 0] > 0) == _target).float().mean())
        print(f"{_name:15}  {_right[_name]:.1%} right")
    print(f"{'always no':15}  {1 - float(_target.float().mean()):.1%} right")
    assert _right["with ab,bc->ac"] > 0.98 and _right["messages only"] < 0.95


if __name__ == "__main__":
    app.run()
