"""An operation in words, for tables and pictures."""

from einnet.terms import Term

__all__ = ["describe_term"]


def describe_term(term: Term) -> str:
    """A term as a phrase; a dense operand with two indices is a matrix.

    >>> describe_term(Term("ab->ac"))
    'sum of each row, broadcast along c'
    >>> describe_term(Term("ab,bc->ac"))
    'matrix product'
    >>> describe_term(Term("ab,ac,bc,bd,cd->ad"))
    'contraction of 5 operands over b, c'
    >>> describe_term(Term("a,ab->ab"))
    'product of 2 operands'
    """
    phrases = [_describe_operand(term) if term.order == 1 else _describe_product(term)]
    if term.broadcast_indices:
        phrases.append(f"broadcast along {', '.join(term.broadcast_indices)}")
    if any(term.output.count(i) > 1 for i in term.output) and term.output not in term.operands:
        phrases.append("put on a diagonal")
    return ", ".join(filter(None, phrases)) or ("as it is" if term.operands[0] == term.output else "transpose")


def _describe_operand(term: Term) -> str:
    """What is read of the only operand; empty if it is all of it."""
    (operand,), summed = term.operands, term.summed_indices
    is_diagonal = any(operand.count(i) > 1 for i in operand)
    if len(operand) == 2 and summed and not (is_diagonal or any(term.brackets)):
        parts = {operand[:1]: "sum of each column", operand[1:]: "sum of each row", operand: "sum of all"}
        return parts[summed]
    return ", ".join(["diagonal"] * is_diagonal + [f"sum over {', '.join(summed)}"] * bool(summed))


def _describe_product(term: Term) -> str:
    if all(t == term.output for t in term.operands):
        return "pointwise product" + f" of {term.order}" * (term.order > 2)
    if _is_chain(term) and not any(term.brackets):
        return "matrix product" if term.order == 2 else f"product of {term.order} matrices"
    operands = f"of {term.order} operands"
    return (
        f"contraction {operands} over {', '.join(term.summed_indices)}"
        if term.summed_indices
        else f"product {operands}"
    )


def _is_chain(term: Term) -> bool:
    """Whether the operands, as edges, are a path from the first index of the output to the last."""
    edges, index = [set(t) for t in term.operands], term.output[0] if term.output else ""
    while edges:
        following = [e for e in edges if index in e]
        if len(following) != 1 or len(following[0]) != 2:
            return False
        edges.remove(following[0])
        (index,) = following[0] - {index}
    return len(term.output) == 2 and index == term.output[1] != term.output[0]
