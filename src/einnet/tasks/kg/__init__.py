"""Knowledge graph completion: which facts (head, relation, tail) are missing?

Read in this order: `data` (triples), `network` (the network and its loss), `evaluate` (filtered ranking, table and
picture), `predict` (answers), `explain` (the facts that support an answer), `app` (the config and the commands).
"""

from typing import TYPE_CHECKING

from einnet.tasks import import_lazily

if TYPE_CHECKING:
    from einnet.tasks.kg.app import KgConfig
    from einnet.tasks.kg.data import KnowledgeGraph, load
    from einnet.tasks.kg.evaluate import compute_metrics, score_tables
    from einnet.tasks.kg.explain import draw_explanation, explain_answer, print_explanation
    from einnet.tasks.kg.network import completion_loss, make_net
    from einnet.tasks.kg.predict import answers

__all__ = [
    "KgConfig",
    "KnowledgeGraph",
    "answers",
    "completion_loss",
    "compute_metrics",
    "draw_explanation",
    "explain_answer",
    "load",
    "make_net",
    "print_explanation",
    "score_tables",
]

__getattr__ = import_lazily(__name__, "app data evaluate explain network predict")
