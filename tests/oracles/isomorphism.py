"""Whether two terms are the same, by trying all bijections of their indices."""

from collections import Counter
from itertools import permutations

from einnet import Term


def same(left: Term, right: Term) -> bool:
    left_indices, right_indices = sorted(left.indices), sorted(right.indices)
    if len(left_indices) != len(right_indices) or left.order != right.order:
        return False
    target = Counter(right.operands)
    for image in permutations(right_indices):
        to = dict(zip(left_indices, image, strict=True))
        if any(len(i) > 1 and i[0] != j[0] for i, j in to.items()):
            continue  # an index with a class keeps it
        moved = Counter(tuple(to[i] for i in t) for t in left.operands)
        if moved == target and tuple(to[i] for i in left.output) == right.output:
            return True
    return False
