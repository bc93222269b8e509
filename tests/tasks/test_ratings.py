"""The ratings task: estimates against dense oracles, symmetries, other scales, the commands."""

import json

import numpy as np
import pytest
import torch

from einnet.errors import EinNetError
from einnet.nn import Support
from einnet.tasks.ratings.app import RatingsApp, RatingsConfig
from einnet.tasks.ratings.baselines import BASELINES, predict_by_baselines
from einnet.tasks.ratings.data import load
from einnet.tasks.ratings.estimates import RANK, Known, estimate_by_neighbours, fit_biases, fit_factors
from einnet.tasks.ratings.network import Completion, Forecast, draw_block, forecast, make_net
from einnet.tasks.ratings.predict import recommend

TINY = ["--hidden", "4", "--heads", "2", "--depth", "1"]
CONFIG = RatingsConfig(hidden=4, heads=2, depth=1)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Forty users with two tastes, thirty items of two kinds, half of the ratings known."""
    generator = np.random.default_rng(0)
    taste, kind = generator.integers(0, 2, 40), generator.integers(0, 2, 30)
    ratings = np.clip(3 + 1.5 * (2 * (taste[:, None] == kind) - 1) + generator.normal(0, 0.4, (40, 30)), 1, 5).round()
    rows = [f"u{u},i{i},{ratings[u, i]:g}" for u in range(40) for i in range(30) if generator.random() < 0.5]
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    path.write_text("\n".join(["userId,itemId,rating", *rows]))
    return path


def draw_table(users=12, items=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    cells = torch.rand(users, items, generator=generator)
    index = (cells < 0.5).nonzero().T
    return index, torch.randint(0, 5, (index.shape[1],), generator=generator) / 4, (users, items)


def to_dense(index, values, sizes):
    table = torch.zeros(*sizes, dtype=torch.float64)
    table[tuple(index)] = values.double()
    return table


def test_biases_solve_their_normal_equations():
    index, values, sizes = draw_table()
    biases = fit_biases(Support(index, sizes), values.double(), (2.0, 0.5))
    for _ in range(300):  # alternate until it is exact
        rest = to_dense(index, values - biases.mean, sizes)
        present = to_dense(index, torch.ones_like(values), sizes)
        item = ((rest - present * biases.user[:, None]).sum(0)) / (present.sum(0) + 0.5)
        user = ((rest - present * item).sum(1)) / (present.sum(1) + 2.0)
        biases = type(biases)(biases.mean, user, item)
    exact = biases.predict(index)
    assert torch.allclose(
        fit_biases(Support(index, sizes), values.double(), (2.0, 0.5)).predict(index), exact, atol=0.02
    )


def test_factors_are_a_minimum_of_the_penalized_error():
    index, values, sizes = draw_table()
    residuals = values.double() - 0.5
    start = torch.randn(sizes[1], 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, y = (t.requires_grad_() for t in fit_factors(Support(index, sizes), residuals, 2, 0.3, 500, start))
    error = (residuals - (x[index[0]] * y[index[1]]).sum(1)).square().sum()
    (error + 0.3 * (x.square().sum() + y.square().sum())).backward()
    assert x.grad.abs().max() < 1e-4 and y.grad.abs().max() < 1e-4


def test_estimates_by_neighbours_are_those_of_plain_loops():
    index, values, sizes = draw_table()
    residuals = values - values.mean()
    x, present = to_dense(index, residuals, sizes), to_dense(index, torch.ones_like(values), sizes)
    pairs = torch.tensor([[0, 3, 3, 11], [1, 1, 8, 4]])
    estimates = estimate_by_neighbours(Support(index, sizes), residuals, present.sum(0).float(), pairs)
    for (u, i), row in zip(pairs.T.tolist(), estimates, strict=True):
        sums, totals = np.zeros(2), np.array([0.1, 0.02])
        for j in range(sizes[1]):
            if j == i or not present[u, j]:
                continue
            raters = [v for v in range(sizes[0]) if present[v, i] and present[v, j]]
            norm = sum(x[v, i] ** 2 for v in raters) * sum(x[v, j] ** 2 for v in raters)
            correlation = float(sum(x[v, i] * x[v, j] for v in raters) / max(norm, 1e-12) ** 0.5)
            correlation *= len(raters) / (len(raters) + 50)
            share = len(raters) / float((present[:, i].sum() + 5) * (present[:, j].sum() + 5)) ** 0.5
            weights = np.array([correlation * share**2, share**3])
            sums, totals = sums + weights * float(x[u, j]), totals + abs(weights)
        assert np.allclose(row.numpy(), sums / totals, atol=1e-5)


def test_estimates_do_not_depend_on_the_chunks(monkeypatch):
    index, values, sizes = draw_table()
    known, pairs = Known(index, values, sizes), torch.cartesian_prod(torch.arange(12), torch.arange(9)).T
    expected = known.estimate(pairs)
    assert torch.allclose(Known(index, values, sizes, pairs=pairs).estimates, expected, atol=1e-6)
    monkeypatch.setattr("einnet.tasks.ratings.estimates.CHUNK", 20)
    assert torch.allclose(known.estimate(pairs), expected, atol=1e-6)


def test_users_and_items_may_be_permuted():
    index, values, sizes = draw_table()
    net, start = make_net(CONFIG).eval(), torch.randn(sizes[1], RANK)
    for weight in net.decoder.parameters():
        torch.nn.init.normal_(weight)  # which are zero at first
    pairs = torch.tensor([[0, 5, 11, 0], [8, 0, 3, 8]])
    orders = [torch.randperm(n) for n in sizes]
    permuted = [torch.stack([p[i] for p, i in zip(orders, x, strict=True)]) for x in (index, pairs)]
    new_start = torch.empty_like(start).index_copy(0, orders[1], start)
    with torch.no_grad():
        expected = forecast(net, Known(index, values, sizes, start), pairs)
        result = forecast(net, Known(permuted[0], values, sizes, new_start), permuted[1])
    for x, y in zip(result, expected, strict=True):
        assert torch.allclose(x, y, atol=1e-4)


def test_users_and_items_without_ratings_get_the_mean_of_all_at_least_nearly():
    index, values, _ = draw_table()
    known = Known(index, values, (14, 10))
    pair = torch.tensor([[13], [9]])
    assert known.biases.predict(pair).item() == pytest.approx(values.mean().item())
    assert known.estimate(pair).abs().max() < 0.1  # the mean of what neighbours leave
    result = forecast(make_net(CONFIG).eval(), known, pair)
    assert all(x.isfinite().all() for x in result)


@pytest.mark.parametrize("levels", [2, 5, 10, 100])
def test_a_forecast_is_a_distribution_with_its_mean_on_any_levels(levels):
    torch.manual_seed(0)
    mean, (skew, tails) = torch.linspace(0.01, 0.99, 8), torch.randn(2, 8)
    axis, width = torch.linspace(0, 1, levels), torch.linspace(0.05, 1, 8)
    chances = Forecast(mean, width, skew, tails).log_chances(axis).exp()
    assert torch.allclose(chances.sum(1), torch.ones(8)) and torch.allclose(chances @ axis, mean, atol=1e-3)


def test_the_chances_of_a_forecast_have_the_derivatives_of_differences():
    torch.manual_seed(0)
    parts = [torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (0.7, 0.3, 0.2, -0.1)]
    axis = torch.linspace(0, 1, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *p: Forecast(*p).log_chances(axis), parts, eps=1e-4, atol=1e-3)


def test_an_affine_change_of_the_ratings_changes_the_predictions_alike(file, tmp_path):
    doubled = tmp_path / "doubled.csv"
    lines = [line.split(",") for line in file.read_text().splitlines()[1:]]
    doubled.write_text("\n".join(f"{u},{i},{20 * float(r) - 7:g}" for u, i, r in lines))
    net = make_net(CONFIG).eval()
    first, second = (recommend(net, load(path), "u3")[:5] for path in (file, doubled))
    assert [a.item for a in first] == [a.item for a in second]
    assert [20 * a.expected - 7 for a in first] == pytest.approx([a.expected for a in second], abs=1e-3)


def test_the_rating_that_is_asked_for_counts_nowhere(file, tmp_path):
    lines = file.read_text().splitlines()
    user, item, rating = lines[5].split(",")
    changed = tmp_path / "changed.csv"
    changed.write_text("\n".join([*lines[:5], f"{user},{item},{6 - float(rating):g}", *lines[6:]]))
    net = make_net(CONFIG).eval()
    first, second = (recommend(net, load(path), user, item) for path in (file, changed))
    assert first[0].chances == pytest.approx(second[0].chances, abs=1e-6)
    assert first[0].number == sum(line.split(",")[1] == item for line in lines[1:]) - 1


def test_what_is_hidden_in_training_is_in_no_input(file, monkeypatch):
    calls = []

    def note(net, known, pairs, estimates):
        calls.append((known, pairs))
        return forecast(net, known, pairs, estimates)

    monkeypatch.setattr("einnet.tasks.ratings.network.forecast", note)
    task = Completion(load(file), CONFIG, seed=0)
    for step in range(3):
        task(step)
    for known, pairs in calls:
        visible = set(map(tuple, known.support.index.T.tolist()))
        assert pairs.shape[1] and visible.isdisjoint(map(tuple, pairs.T.tolist()))
        assert known.counts[0].sum() == known.counts[1].sum() == len(visible) == len(known.values)


def test_a_prediction_does_not_depend_on_what_else_is_asked():
    index, values, sizes = draw_table()
    net = make_net(CONFIG).eval()
    for weight in net.decoder.parameters():
        torch.nn.init.normal_(weight)
    unknown = torch.ones(sizes, dtype=torch.bool)
    unknown[tuple(index)] = False
    pairs = unknown.nonzero().T[:, :20:5]
    with torch.no_grad():
        together = forecast(net, Known(index, values, sizes), pairs)
        alone = [forecast(net, Known(index, values, sizes), pairs[:, k : k + 1]) for k in range(4)]
    assert torch.allclose(together.mean, torch.cat([f.mean for f in alone]), atol=1e-5)
    assert torch.allclose(together.skew, torch.cat([f.skew for f in alone]), atol=1e-5)


def test_recommended_items_are_those_that_the_user_has_not_rated(file):
    ratings = load(file)
    answers = recommend(make_net(CONFIG).eval(), ratings, "u0")
    rated = {line.split(",")[1] for line in file.read_text().splitlines() if line.startswith("u0,")}
    assert {a.item for a in answers} == set(ratings.items) - rated
    assert sorted(answers, key=lambda a: -a.expected) == answers
    assert all(sum(a.chances.values()) == pytest.approx(1, abs=1e-5) for a in answers)


def test_blocks_have_about_so_many_ratings_numbered_again():
    torch.manual_seed(0)
    index, values, sizes = draw_table(60, 80)
    assert draw_block(index, values, sizes, len(values)) == (index, values, sizes)
    numbers = []
    for _ in range(20):
        block, rest, small = draw_block(index, values, sizes, 600)
        numbers.append(len(rest))
        assert block.shape[1] == len(rest) and (block.amax(1) < torch.tensor(small)).all()
    assert 450 < np.mean(numbers) < 750


def test_a_table_in_which_a_block_is_empty_is_used_whole():
    index, sizes = torch.arange(300).expand(2, -1), (300, 300)
    torch.manual_seed(0)
    block, _, _ = draw_block(index, torch.rand(300), sizes, 1)
    assert block.shape[1] in (300, 2, 3, 4)


def test_baselines_are_chosen_on_valid_and_know_no_asked_rating(file):
    ratings = load(file)
    tables = [(torch.from_numpy(e.index), torch.from_numpy(e.values).float()) for e in (ratings.train, ratings.valid)]
    index, values = torch.from_numpy(ratings.test.index), torch.from_numpy(ratings.test.values).float()
    predictions = predict_by_baselines(*tables, index, ratings.sizes)
    assert tuple(predictions) == BASELINES
    errors = [float((predictions[name] - values).square().mean().sqrt()) for name in BASELINES]
    assert errors[2] < errors[0] / 1.5 and errors[2] < errors[1] / 1.5  # tastes are no biases


def test_it_learns(file):
    task = Completion(load(file), RatingsConfig(hidden=8, heads=4, depth=1, lr=1e-2), seed=0)
    optimizer = torch.optim.AdamW(task.net.parameters(), 1e-2)
    torch.manual_seed(0)
    before = task.validate(task.net.eval())["rmse"]
    task.net.train()
    for step in range(30):
        optimizer.zero_grad()
        task(step).backward()
        optimizer.step()
    assert task.validate(task.net.eval())["rmse"] < min(0.75, before)


def test_a_network_runs_on_other_users_items_and_levels(file, tmp_path, capsys):
    assert RatingsApp().main(["train", "--data", str(file), *TINY, "--steps", "2", "--out", str(tmp_path)]) == 0
    (run,) = (tmp_path / "ratings").iterdir()
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["test"]) == {"EinNet", *BASELINES} and set(metrics["test"]["EinNet"]) == {"rmse", "mae"}
    table, test = tmp_path / "other.tsv", tmp_path / "test.tsv"
    table.write_text("\n".join(f"p{k}\tq{j}\t{(3 * k + j) % 10 / 2 + 0.5}" for k in range(8) for j in range(9)))
    test.write_text("p1\tq77\t4.5\nnew\tq2\t3\n")
    capsys.readouterr()
    options = ["--checkpoint", str(run), "--data", str(table)]
    assert RatingsApp().main(["eval", *options, "--test", str(test), "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["ratings"], metrics["levels"], metrics["users"], metrics["items"]) == (2, 10, 9, 10)
    assert RatingsApp().main(["predict", *options, "--user", "p3", "--item", "q4", "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["items"]
    assert list(answer["chances"]) == ["0.5", "1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5", "5"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "give a file of ratings: --data FILE"),
        (["train", "--data", "no-such-file.csv"], "no-such-file.csv cannot be read"),
        (["train", "--hide-low", "0.7", "--hide-high", "0.2"], "0 <= --hide-low <= --hide-high"),
    ],
)
def test_wrong_input(arguments, message, capsys):
    assert RatingsApp().main(arguments) == 2
    assert message in capsys.readouterr().err


def test_no_ratings_for_the_steps_is_an_error():
    with pytest.raises(EinNetError, match="--block must be 100 or more"):
        RatingsConfig(block=5)
