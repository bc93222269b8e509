"""The peers of each problem, and the rates that were chosen for them.

`.venv/bin/python benchmarks/first_problems --tune` tries the rates of each peer, with the whole budget, and prints
the errors on the samples to choose with; RATES has the best ones.
Those of networks with 32 features were chosen with the whole budget, the others with a fraction: `--scale 0.25` for
sets, 0.05 to 0.2 for the rest; those of "variables" are not chosen yet: a tenth was too short to tell them apart.
"""

from functools import partial

import classic
from factors import Factors, Gae, LightGcn, MarkedGraphs, PairStore, learn_by_least_squares
from learn import Network, Peer
from peer_networks import AxialTransformer, BipartiteGine, DeepSets, Gine, NodeGine, make_set_transformer
from stores import Bipartite, Comparisons, Graphs, Padded, Tables, Walks

__all__ = ["PEERS", "RATES"]

SETS = {"DeepSets": Peer(Network(DeepSets, Padded)), "transformer": Peer(Network(make_set_transformer, Padded))}
FIXED, SHRINKAGE = (0.0,), (0.03, 0.1, 0.3)  # no rate; rates of boosting

PEERS: dict[str, dict[str, Peer]] = {
    "median": SETS,
    "blobs": {**SETS, "Gaussian mixtures, BIC": Peer(classic.PerSample(classic.estimate_blobs), FIXED)},
    "line": {
        **SETS,
        "repeated medians": Peer(classic.PerSample(classic.estimate_line), FIXED),
        "RANSAC": Peer(classic.PerSample(classic.estimate_slope_by_ransac), FIXED),
    },
    "triangles": {
        "GIN": Peer(Network(Gine, Graphs)),
        "GIN with walks": Peer(Network(Gine, Walks)),
        "GIN with walks, 32 features": Peer(Network(partial(Gine, width=32), Walks)),
    },
    "molecules": {
        "GINE": Peer(Network(Gine, Graphs)),
        "GINE, 32 features": Peer(Network(partial(Gine, width=32), Graphs)),
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
        "factors, ALS": Peer(learn_by_least_squares, (0.12, 0.16, 0.2, 0.25)),
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

RATES: dict[tuple[str, str], float] = {  # by problem and peer
    ("median", "DeepSets"): 0.01,
    ("median", "transformer"): 0.001,
    ("blobs", "DeepSets"): 0.003,
    ("blobs", "transformer"): 0.01,
    ("line", "DeepSets"): 0.01,
    ("line", "transformer"): 0.003,
    ("triangles", "GIN"): 0.003,
    ("triangles", "GIN with walks"): 0.03,
    ("triangles", "GIN with walks, 32 features"): 0.01,
    ("molecules", "GINE"): 0.003,
    ("molecules", "GINE, 32 features"): 0.03,
    ("links", "SEAL, GINE"): 0.003,
    ("links", "GAE"): 0.01,
    ("links", "LightGCN"): 0.001,
    ("links", "boosting, features by hand"): 0.03,
    ("ratings", "factors, Adam"): 0.003,
    ("ratings", "factors, ALS"): 0.16,
    ("ratings", "LightGCN"): 0.03,
    ("variables", "axial transformer"): 0.003,
    ("variables", "boosting, features by hand"): 0.1,
    ("join", "bipartite GINE"): 0.01,
    ("join", "boosting, features by hand"): 0.03,
    ("ranking", "GINE"): 0.01,
    ("ranking", "Bradley-Terry"): 1.0,
}
