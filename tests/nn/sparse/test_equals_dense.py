"""Random signatures, terms and supports: sparse networks equal dense ones with the supports as masks of index tuples.

Supports are irregular, disconnected, empty, directed, with loops and isolated elements; axes have size 0 and 1.
"""

from random import Random

import pytest
import torch

from einnet import EinLayer
from einnet.nn import EinLinear, EinPool
from einnet.nn.sparse import Support
from networks import randomize
from nn.sparse.draw import draw_options, draw_signature, draw_term, draw_terms, has_default_terms
from nn.sparse.twins import Case, assert_same, assert_same_modules, dense_text

BATCHES = [(), (), (2,), (2, 3), (0,)]
DENSITIES = [0.0, 0.1, 0.3, 0.3, 0.6, 1.0]


def seeds(number: int, more: int) -> pytest.MarkDecorator:
    """So many cases by default, and more with --all."""
    slow = [pytest.param(k, marks=pytest.mark.slow) for k in range(number, number + more)]
    return pytest.mark.parametrize("seed", [*range(number), *slow])


def draw_sizes(random: Random) -> dict[str, int]:
    return {c: random.choice([0, 1, 2, 3, 4, 4, 5]) for c in "abc"}


def draw_case(seed: int) -> Case:
    """A network, with the default operations where there are some and they are few, else with drawn ones."""
    random = Random(seed)
    signature, options = draw_signature(random), draw_options(random)
    terms = draw_terms(random, signature)
    density = {"".join(t.axes): random.choice(DENSITIES) for t in signature.inputs if t.is_sparse}
    arguments = (str(signature), random.choice(BATCHES), density, draw_sizes(random), seed)
    if len(signature.inputs) > 2 or "order" not in options:
        options = {k: v for k, v in options.items() if k != "order"} | {"terms": terms}
    return Case(*arguments, **options)


@seeds(30, 170)
def test_a_network_equals_its_dense_twin(seed):
    case = draw_case(seed)
    case.net.eval()
    case.twin.eval()
    assert_same(case)


@seeds(6, 60)
def test_default_operations(seed):
    random = Random(seed)
    signature = draw_signature(random)
    while not has_default_terms(signature):
        signature = draw_signature(random)
    assert_same(Case(str(signature), random.choice(BATCHES), random.choice(DENSITIES), draw_sizes(random), seed))


@seeds(20, 180)
def test_a_pool_of_random_terms(seed):
    """Terms of up to four operands, in all semirings."""
    random = Random(seed)
    signature, sizes = draw_signature(random), draw_sizes(random)
    types, options = list(dict.fromkeys(signature.types)), {"normalize": random.choice([None, "size"])}
    options["reduction"] = random.choice(
        ["sum", "max", "min", "minmax", "logsumexp", "attention", {"sum": 1, "max": 1}]
    )
    terms = [draw_term(random, types, random.choice([1, 2, 3, 4])) for _ in range(3)]
    pool = EinPool(terms, types, **options)
    twin = EinPool([t.dense for t in terms], [t.dense for t in types], **options)
    widths = [2 * n for n in ([pool.fan_in] if len(types) == 1 else pool.fan_in)]
    names = draw_terms(random, signature)
    case = Case(str(signature), random.choice(BATCHES), random.choice(DENSITIES), sizes, seed, terms=names)
    assert_same_modules(case, types, widths, pool, twin)


@pytest.mark.parametrize("options", [{}, {"chunks": 2}, {"norm": None, "normalize": None}], ids=str)
@pytest.mark.parametrize("order", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_cycles_in_a_layer(order, options):
    """Triangles; 4-cycles and 5-cycles, which no products of edges compose."""
    types = ("aH", "[aa]H")
    case = Case("aH, [aa]H -> aH", (2,), 0.5, {"a": 6}, order, order=1)
    layer = randomize(EinLayer(types, 4, 2, order=order, dtype=torch.float64, **options))
    names = [dense_text(str(t)) for t in layer.pool.plan.terms]
    twin = EinLayer([dense_text(t) for t in types], 4, 2, terms=names, dtype=torch.float64, **options)
    twin.load_state_dict(layer.state_dict())
    assert max(t.order for t in layer.pool.plan.terms) == order
    assert_same_modules(case, layer.types, [4, 4], layer, twin)


@seeds(8, 40)
def test_a_linear_map_equals_its_dense_twin(seed):
    random = Random(seed)
    signature = draw_signature(random)
    names = draw_terms(random, signature)
    case = Case(str(signature), random.choice(BATCHES), random.choice(DENSITIES), draw_sizes(random), seed, terms=names)
    widths = case.widths(str(signature))
    linear = randomize(EinLinear(str(signature), widths, 3, dtype=torch.float64))
    twin = EinLinear(dense_text(str(signature)), widths, 3, dtype=torch.float64)
    twin.load_state_dict(linear.state_dict())
    case.net, case.twin = linear, twin
    assert_same(case)


@seeds(6, 30)
def test_states_and_outputs(seed):
    """Of each iteration; a state from elsewhere; masks of the elements with supports."""
    case = draw_case(seed + 1000)
    mask = {c: torch.rand(*case.batch, n, generator=case.generator) < 0.7 for c, n in case.sizes.items()}
    mask = {} if case.net.signature.dependencies else mask
    inputs, dense = (
        case.inputs(case.values),
        [case.to_dense(t, x) for t, x in zip(case.types, case.values, strict=True)],
    )
    case.net.eval(), case.twin.eval()
    assert_same(case, mask=mask)
    states = case.net.states(*inputs, mask=mask, iterations=2)
    twins = case.twin.states(*dense, mask=mask | case.masks, iterations=2)
    for one, two in zip(states, twins, strict=True):
        for t, x, y in zip(case.net.hidden_types, one, two, strict=True):
            assert torch.allclose(x, case.gather(y, t), rtol=1e-10, atol=1e-10)
    *_, y = case.net.outputs(*inputs, mask=mask, iterations=2)
    z = case.twin.decode(two, *dense, mask=mask | case.masks)
    assert torch.allclose(y[1] if isinstance(y, tuple) else y, case.gather(z, case.output), rtol=1e-10, atol=1e-10)


@seeds(12, 60)
def test_equivariance_with_the_supports(seed):
    """A random group element moves dense inputs and the index tuples; another order of the entries that of the output."""
    case = draw_case(seed + 2000)
    case.net.eval()
    g = case.net.signature.random_element(case.sizes, seed)
    orders = {t: torch.randperm(s.entries, generator=case.generator) for t, s in case.supports.items()}
    moved = {t: Support(g.act_on_index(s.index, t)[:, orders[t]], s.sizes) for t, s in case.supports.items()}
    images = [
        (moved[t], x[..., orders[t], :]) if t.is_sparse else g.act(x, t)
        for t, x in zip(case.types, case.values, strict=True)
    ]
    y, z, t = case.net(*case.inputs(case.values)), case.net(*images), case.output
    expected = y[1][..., orders[t], :] if t.is_sparse else g.act(y, t)
    assert torch.allclose(z[1] if t.is_sparse else z, expected, rtol=1e-8, atol=1e-10)
