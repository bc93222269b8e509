"""Peers without gradients: estimators of scikit-learn and SciPy, alone or on features made by hand."""

import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import networkx
import numpy as np
import torch
from samples import Pairs, Predict, Problem, Samples
from scipy.sparse import csr_array
from torch import Tensor

__all__ = [
    "Boosting",
    "PerSample",
    "describe_customers",
    "describe_links",
    "describe_variables",
    "estimate_blobs",
    "estimate_line",
    "estimate_slope_by_ransac",
    "learn_adamic_adar",
    "learn_bradley_terry",
    "learn_environments",
    "select_by_lasso",
]


class PerSample:
    """An estimator that learns nothing from other samples."""

    def __init__(self, estimate: Callable[..., np.ndarray]):
        self.estimate = estimate

    def __call__(self, problem: Problem, samples: Any, seconds: float, rate: float, seed: int) -> Predict:
        def predict(samples: Samples) -> Tensor:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rows = [self.estimate(*(x.numpy() for x in inputs)) for inputs in samples.inputs]
            return torch.from_numpy(np.concatenate(rows)).float()

        return predict


class Boosting:
    """Gradient boosting of scikit-learn on features made by hand: a row for each target. `rate` is its rate.

    At most half of the time is for features: of as many samples as this allows.
    """

    def __init__(self, describe: Callable[[Any], np.ndarray]):
        self.describe = describe

    def __call__(self, problem: Problem, samples: Any, seconds: float, rate: float, seed: int) -> Predict:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        x, y = self.describe_some(samples, seconds / 2)
        options = {"max_iter": 1000, "learning_rate": rate, "early_stopping": len(y) > 100, "random_state": seed}
        if y.dtype != bool:
            model = HistGradientBoostingRegressor(loss="absolute_error", **options).fit(x, y)
            return lambda samples: torch.from_numpy(model.predict(self.describe(samples))).float()[:, None]
        if y.all() or not y.any():
            return lambda samples: torch.zeros(len(self.describe(samples)), 1)
        classifier = HistGradientBoostingClassifier(**options).fit(x, y)
        return lambda samples: torch.from_numpy(classifier.decision_function(self.describe(samples))).float()[:, None]

    def describe_some(self, samples: Any, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        start, parts, targets = time.process_time(), [], []
        for k in range(0, len(samples), 50):
            part = samples.select(range(k, min(k + 50, len(samples))))
            parts.append(self.describe(part))
            targets += part.targets
            if time.process_time() - start > seconds:
                break
        return np.concatenate(parts), torch.cat(targets).numpy()


def estimate_blobs(points: np.ndarray) -> np.ndarray:
    """Logits of the numbers of blobs: the Bayesian criteria of mixtures of round Gaussians, negative."""
    from sklearn.mixture import GaussianMixture

    mixtures = [GaussianMixture(k, covariance_type="spherical", random_state=0).fit(points) for k in range(1, 7)]
    return -np.array([[mixture.bic(points) for mixture in mixtures]])


def estimate_line(points: np.ndarray) -> np.ndarray:
    """The slope by repeated medians (Siegel 1982)."""
    from scipy.stats import siegelslopes

    return np.array([[siegelslopes(points[:, 1], points[:, 0]).slope]])


def estimate_slope_by_ransac(points: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import RANSACRegressor

    model = RANSACRegressor(random_state=0, residual_threshold=0.3).fit(points[:, :1], points[:, 1])
    return model.estimator_.coef_[None]


def select_by_lasso(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Variables with a coefficient, at the strength that the Bayesian criterion chooses."""
    from sklearn.linear_model import LassoLarsIC

    return (np.abs(LassoLarsIC("bic").fit(x[..., 0], y[:, 0]).coef_) > 1e-6)[:, None] - 0.5


def describe_variables(samples: Samples) -> np.ndarray:
    """For each variable: its correlations with the response, by shapes and with products, and the ranks of these."""
    rows = []
    for table, response in samples.inputs:
        x, y = table[..., 0].numpy(), response[:, 0].numpy()
        shapes = np.stack([x, np.abs(x), x**2, np.sin(2 * x)])
        products = np.abs(correlate(np.einsum("na,nb->nab", x, x).reshape(len(x), -1), y)).reshape(x.shape[1], -1)
        np.fill_diagonal(products, 0)
        scores = np.stack([*(np.abs(correlate(s, y)) for s in shapes), products.max(1)], 1)
        best = np.broadcast_to(np.sort(scores.max(1))[-3:], (len(scores), 3))
        ranks = (-scores).argsort(0).argsort(0)
        lasso = select_by_lasso(table.numpy(), response.numpy())
        rows.append(np.concatenate([scores, ranks, best, lasso, np.full((len(scores), 1), len(x))], 1))
    return np.concatenate(rows)


def correlate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The correlation of each column with y."""
    x, y = x - x.mean(0), y - y.mean()
    return y @ x / np.maximum(np.linalg.norm(x, axis=0) * np.linalg.norm(y), 1e-9)


def describe_customers(samples: Samples) -> np.ndarray:
    """For each customer, what joins give: totals and means over orders, of products and of their customers."""
    rows = []
    for customers, products, (index, orders) in samples.inputs:
        (i, j), quantity, price = index.numpy(), orders[:, 0].numpy(), products[:, 0].numpy()
        discount, number, shape = customers[:, 0].numpy(), len(customers), (len(customers), len(products))
        bought = csr_array((np.ones(len(i)), (i, j)), shape=shape).toarray()
        of_product = np.stack([bought.sum(0), np.bincount(j, quantity, len(price)), discount @ bought], 1)
        of_product[:, 1:] /= np.maximum(of_product[:, :1], 1)
        columns = np.stack([quantity, price[j], quantity * price[j], *of_product[j].T], 1)
        totals = np.stack([np.bincount(i, column, number) for column in columns.T], 1)
        count = np.bincount(i, minlength=number)[:, None]
        rows.append(np.concatenate([discount[:, None], count, totals, totals / count], 1))
    return np.concatenate(rows)


def describe_links(pairs: Pairs) -> np.ndarray:
    """Common neighbours, Jaccard, Adamic and Adar, resources, degrees, without the link between the pair itself."""
    assert pairs.graph is not None
    graph = networkx.Graph(pairs.graph.T.tolist())
    graph.add_nodes_from(range(pairs.sizes[0]))
    rows = []
    for i, j in pairs.index.T.tolist():
        common, either = set(graph[i]) & set(graph[j]), (set(graph[i]) | set(graph[j])) - {i, j}
        degrees = sorted(graph.degree[k] - graph.has_edge(i, j) for k in (i, j))
        weights = [sum(f(graph.degree[k]) for k in common) for f in (lambda d: 1 / np.log(d), lambda d: 1 / d)]
        rows.append([len(common), len(common) / max(1, len(either)), *weights, *degrees, degrees[0] * degrees[1]])
    return np.array(rows)


def learn_adamic_adar(problem: Problem, pairs: Any, seconds: float, rate: float, seed: int) -> Predict:
    return lambda pairs: torch.from_numpy(describe_links(pairs)[:, 2:3]).float()


def list_environments(samples: Samples) -> list[Counter]:
    """How often each kind of atom occurs, alone, with its bonds, and with its neighbours (Morgan's radius 1)."""
    counters = []
    for nodes, (index, bonds) in samples.inputs:
        kinds, (i, j) = [tuple(row.nonzero()[:, 0].tolist()) for row in nodes], index.tolist()
        around: list[list] = [[] for _ in kinds]
        for a, b, bond in zip(i, j, bonds.argmax(1).tolist(), strict=True):
            around[a].append((bond, kinds[b]))
        counter = Counter(kinds)
        counter.update((kind, tuple(sorted(b for b, _ in near))) for kind, near in zip(kinds, around, strict=True))
        counter.update((kind, tuple(sorted(near)), 1) for kind, near in zip(kinds, around, strict=True))
        counters.append(counter)
    return counters


def learn_environments(problem: Problem, samples: Any, seconds: float, rate: float, seed: int) -> Predict:
    """Ridge regression of scikit-learn on counts of environments; its strength by cross-validation."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import RidgeCV

    def count(samples: Samples) -> list[dict[str, int]]:
        return [{str(key): number for key, number in counter.items()} for counter in list_environments(samples)]

    vectors = DictVectorizer(sparse=False)
    x, y = vectors.fit_transform(count(samples)), torch.cat(samples.targets).numpy()
    model = RidgeCV(np.logspace(-2, 2, 9)).fit(x, y)
    return lambda samples: torch.from_numpy(model.predict(vectors.transform(count(samples)))).float()[:, None]


def learn_bradley_terry(problem: Problem, samples: Any, seconds: float, rate: float, seed: int) -> Predict:
    """Scores whose differences are logits of the results, with a normal prior of precision `rate` (Newton's method)."""

    def estimate(wins: Tensor) -> Tensor:
        w = wins[..., 0].double()
        rounds, score = w + w.T, w.new_zeros(len(w))
        for _ in range(20):
            chance = torch.sigmoid(score[:, None] - score)
            slope = rate * score + (rounds * chance - w).sum(1)
            weight = rounds * chance * (1 - chance)
            score = score - torch.linalg.solve(torch.diag(weight.sum(1) + rate) - weight, slope)
        return score.float()[:, None]

    return lambda samples: torch.cat([estimate(wins) for (wins,) in samples.inputs])
