"""`einnet.predict` on all forms of inputs, compared with the network itself."""

import numpy as np
import pytest
import torch

import einnet
from einnet import EinNetError

SMALL = {"steps": 4, "hidden": 8, "heads": 2, "depth": 1}
RNG = np.random.default_rng(0)


def test_predict_takes_what_fit_takes():
    sets = [RNG.normal(size=(n, 2)) for n in (3, 5, 4, 6) * 10]
    totals = np.array([x.sum() for x in sets])
    net = einnet.fit("aH -> H", sets, totals, **SMALL)
    tensors = [torch.tensor(x, dtype=torch.float32) for x in sets]
    x, present = einnet.nn.pad(tensors, "aH")
    torch.testing.assert_close(einnet.predict(net, sets, batch_size=7), net(x, mask=present).detach())
    torch.testing.assert_close(einnet.predict(net, np.stack(sets[::4])), net(torch.stack(tensors[::4])).detach())
    net.train()
    einnet.predict(net, sets[:2])
    assert net.training
    with pytest.raises(EinNetError, match=r"features, got \(3,\)"):
        einnet.predict(net, [np.zeros((4, 3))])

    element_net = einnet.fit("aH -> aH", sets, [np.where(x[:, 0] > 0, "up", "down") for x in sets], **SMALL)
    names = einnet.predict(element_net, sets[:3])
    assert [n.shape for n in names] == [(3,), (5,), (4,)]
    assert set(np.concatenate(names)) <= {"up", "down"}
    right = [element_net.config.classes[k] for k in element_net(tensors[1]).argmax(-1)]
    assert names[1].tolist() == right


def test_predict_of_graphs_and_of_pairs():
    graphs = []
    for n in (4, 6, 5) * 10:
        index = np.argwhere(RNG.random((n, n)) < 0.4).T
        graphs.append((RNG.normal(size=(n, 3)), (index, np.ones((index.shape[1], 1)))))
    net = einnet.fit("aH, [aa]H -> H", graphs, [x.sum() for x, _ in graphs], **SMALL)
    together = einnet.predict(net, graphs, batch_size=4)
    alone = torch.stack([einnet.predict(net, [graph])[0] for graph in graphs])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    nodes = einnet.fit("aH, [aa]H -> aH", graphs, [x[:, :1] for x, _ in graphs], **SMALL)
    assert [y.shape for y in einnet.predict(nodes, graphs[:3])] == [(4, 1), (6, 1), (5, 1)]

    index = np.argwhere(RNG.random((8, 6)) < 0.7).T
    table = einnet.nn.Support(torch.tensor(index), (8, 6)), torch.rand(index.shape[1], 1)
    stars = einnet.fit("[ab]H -> [ab]H", table, table[1], at=index, **SMALL)
    pairs = np.array([[0, 7], [3, 5]])
    torch.testing.assert_close(
        einnet.predict(stars, table, at=pairs), stars(table, at=torch.tensor(pairs)).detach(), check_stride=False
    )


def test_predict_takes_a_dataset_without_a_look_at_its_targets():
    sets, totals = torch.randn(40, 5, 2), torch.randn(40)
    net = einnet.fit("aH -> H", torch.utils.data.TensorDataset(sets, totals), **SMALL)
    dataset = torch.utils.data.TensorDataset(sets, torch.full((40,), torch.nan))
    torch.testing.assert_close(einnet.predict(net, dataset), net(sets).detach())
