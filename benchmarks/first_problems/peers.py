"""The peers of each problem, and the rates that were chosen for them.

`.venv/bin/python benchmarks/first_problems --tune` tries the rates of each peer, with the whole budget, and prints
the errors on the samples to choose with; RATES has the best ones.
"""

import classic
from factors import Factors, Gae, LightGcn, MarkedGraphs, PairStore, learn_by_least_squares
from learn import Network, Peer
from stores import Bipartite, Comparisons, Graphs, Padded, Tables, Walks

from networks import AxialTransformer, BipartiteGine, DeepSets, Gine, NodeGine, SetTransformer

__all__ = ["PEERS", "RATES"]

SETS = {"DeepSets": Peer(Network(DeepSets, Padded)), "transformer": Peer(Network(SetTransformer, Padded))}
FIXED, SHRINKAGE = (0.0,), (0.03, 0.1, 0.3)  # no rate; rates of boosting

PEERS: dict[str, dict[str, Peer]] = {
    "median": SETS,
    "blobs": {**SETS, "Gaussian mixtures, BIC": Peer(classic.PerSample(classic.estimate_blobs), FIXED)},
    "line": {
        **SETS,
        "repeated medians": Peer(classic.PerSample(classic.estimate_line), FIXED),
        "RANSAC": Peer(classic.PerSample(classic.estimate_slope_by_ransac), FIXED),
    },
    "triangles": {"GIN": Peer(Network(Gine, Graphs)), "GIN with walks": Peer(Network(Gine, Walks))},
    "molecules": {
        "GINE": Peer(Network(Gine, Graphs)),
        "ridge, counts of environments": Peer(classic.learn_environments, FIXED),
    },
    "links": {
        "SEAL, GINE": Peer(Network(Gine, MarkedGraphs, batch=32)),
        "GAE": Peer(Network(Gae, PairStore, batch=1000)),
        "LightGCN": Peer(Network(LightGcn, PairStore, batch=1000)),
        "Adamic-Adar": Peer(classic.learn_adamic_adar, FIXED),
        "boosting, features by hand": Peer(classic.Boosting(classic.describe_links), SHRINKAGE),
    },
    "ratings": {
        "factors, Adam": Peer(Network(Factors, PairStore, batch=1000)),
        "factors, ALS": Peer(learn_by_least_squares, (0.05, 0.1, 0.2, 0.4)),
        "LightGCN": Peer(Network(LightGcn, PairStore, batch=4000)),
    },
    "variables": {
        "axial transformer": Peer(Network(AxialTransformer, Tables, batch=16)),
        "lasso, BIC": Peer(classic.PerSample(classic.select_by_lasso), FIXED),
        "boosting, features by hand": Peer(classic.Boosting(classic.describe_variables), SHRINKAGE),
    },
    "join": {
        "bipartite GINE": Peer(Network(BipartiteGine, Bipartite)),
        "boosting, features by hand": Peer(classic.Boosting(classic.describe_customers), SHRINKAGE),
    },
    "ranking": {
        "GINE": Peer(Network(NodeGine, Comparisons)),
        "Bradley-Terry": Peer(classic.learn_bradley_terry, (0.3, 1.0, 3.0, 10.0)),
    },
}

RATES: dict[tuple[str, str], float] = {}
