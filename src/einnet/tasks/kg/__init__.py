"""Knowledge graph completion: which facts (head, relation, tail) are missing?

Read in this order: `data` (triples), `network` (the network with a state for each pair of entities, and its loss),
`facts`, `query_net` and `query_task` (the network with a state for each entity, for large graphs), `scorers` and
`ranking` (filtered ranks), `evaluate` (metrics, table and picture), `predict` (answers), `explain` (the facts that
support an answer), `app` (the config and the commands).
"""

from typing import TYPE_CHECKING

from einnet.tasks import import_lazily

if TYPE_CHECKING:
    from einnet.tasks.kg.app import KgConfig
    from einnet.tasks.kg.data import KnowledgeGraph, load
    from einnet.tasks.kg.evaluate import compute_metrics
    from einnet.tasks.kg.explain import draw_explanation, explain_answer, print_explanation
    from einnet.tasks.kg.facts import MessageGraph
    from einnet.tasks.kg.network import completion_loss, make_net
    from einnet.tasks.kg.predict import answers
    from einnet.tasks.kg.query_net import QueryNet
    from einnet.tasks.kg.query_task import make_query_net
    from einnet.tasks.kg.scorers import score_tables

__all__ = [
    "KgConfig",
    "KnowledgeGraph",
    "MessageGraph",
    "QueryNet",
    "answers",
    "completion_loss",
    "compute_metrics",
    "draw_explanation",
    "explain_answer",
    "load",
    "make_net",
    "make_query_net",
    "print_explanation",
    "score_tables",
]

__getattr__ = import_lazily(__name__, "app data evaluate explain facts network predict query_net query_task scorers")
