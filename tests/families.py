"""A small made-up knowledge graph: families in which every relation follows from who is whose parent."""

from pathlib import Path

import numpy as np

from einnet.tasks.kg.data import KnowledgeGraph

Triple = tuple[str, str, str]


def family_triples(families: int = 4) -> list[Triple]:
    """In each family two parents with two children: parent, child, spouse and sibling facts."""
    facts: list[Triple] = []
    for k in range(families):
        a, b, c, d = (f"{role}{k}" for role in ("ann", "bob", "cat", "dan"))
        facts += [(x, "parent", y) for x in (a, b) for y in (c, d)]
        facts += [(y, "child", x) for x in (a, b) for y in (c, d)]
        facts += [(a, "spouse", b), (b, "spouse", a), (c, "sibling", d), (d, "sibling", c)]
    return facts


def family_splits(families: int = 4) -> dict[str, list[Triple]]:
    facts = family_triples(families)
    order = np.random.default_rng(1).permutation(len(facts))
    shuffled = [facts[k] for k in order]
    cut = len(facts) // 8
    return {"valid": shuffled[:cut], "test": shuffled[cut : 2 * cut], "train": shuffled[2 * cut :]}


def family_graph(families: int = 4) -> KnowledgeGraph:
    return KnowledgeGraph.of(family_splits(families), "families")


def write_families(folder: Path, families: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, facts in family_splits(families).items():
        (folder / f"{split}.txt").write_text("".join("\t".join(t) + "\n" for t in facts))
    return folder


def descent(people: int = 30):
    """A tree of parents and the grandparents that follow; all that follow from a quarter of the middles are test facts.

    Also the middle of each grandparent fact.
    """
    rng = np.random.default_rng(2)
    parent = {f"p{k}": f"p{rng.integers(max(0, (k - 1) // 3), max(1, (k + 1) // 2))}" for k in range(1, people)}
    middle = {(parent[m], c): m for c, m in parent.items() if m in parent}
    middles = sorted(set(middle.values()))
    hidden = set(rng.choice(middles, len(middles) // 4, replace=False).tolist())
    follow = {m: [(a, "grandparent", c) for (a, c), m_of_pair in middle.items() if m_of_pair == m] for m in middles}
    known = [fact for m in middles if m not in hidden for fact in follow[m]]
    facts = {
        "train": [(p, "parent", c) for c, p in parent.items()] + known[1:],
        "valid": known[:1],
        "test": [fact for m in sorted(hidden) for fact in follow[m]],
    }
    return KnowledgeGraph.of(facts, "descent"), middle
