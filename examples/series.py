"""Seven symmetries worked by hand: which coefficients of a power series must be equal, and why."""

import marimo

__generated_with = "0.25.0"
app = marimo.App(width="medium", app_title="The series, worked by hand")

with app.setup:
    import tempfile
    from io import BytesIO
    from itertools import permutations, product
    from pathlib import Path

    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    import einnet
    from einnet.plots import draw_sharing
    from einnet.taylor import rotations


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # The series, worked by hand

    Some functions do not care how their input is arranged: the mean of three numbers is the same in any order. A
    function that we want to learn may have such a symmetry. Then many of its parameters must be equal. This notebook
    finds out which, in seven small cases: first by hand, then with `einnet`.

    Write the function as a power series in its inputs $x_1, \dots, x_n$, up to order 2:

    $$F(x) = a + \sum_i b_i x_i + \sum_{i,j} C_{ij}\, x_i x_j$$

    A symmetry $g$ takes the value at place $i$ to place $g(i)$: $(gx)_{g(i)} = x_i$. Put $gx$ into the series and
    rename the summation index:

    $$F(gx) = a + \sum_i b_{g(i)} x_i + \sum_{i,j} C_{g(i)g(j)}\, x_i x_j$$

    $F$ is *invariant* if $F(gx) = F(x)$ for every $x$ and every $g$. Compare coefficients: $b_{g(i)} = b_i$ and
    $C_{g(i)g(j)} = C_{ij}$. So coefficients are equal if some $g$ moves one index tuple onto the other. All tuples that
    can be moved onto each other are an *orbit*. **There is one free number for each orbit.**

    One remark. Since $x_i x_j = x_j x_i$, the function fixes only the sum $C_{ij} + C_{ji}$. We count them as two
    numbers all the same, as if the factors came from two inputs, $C(x, y)$; with `commutative=True` they are one.

    Some helpers follow. `orbits` tries all group elements on all index tuples, without `einnet`. `check` fails if a
    series does not have one free number for each orbit, if its value is not the sum of numbers times our einsums, or
    if moving the input changes an einsum. In a `picture`, equal colours are equal numbers.
    """)


@app.function
def orbits(group, order):
    """The sets of index tuples that the group moves onto each other."""
    places = range(len(group[0]))
    return {frozenset(tuple(g[i] for i in entry) for g in group) for entry in product(places, repeat=order)}


@app.function
def random(*shape):
    """Random numbers, the same ones each time."""
    return np.random.default_rng(0).normal(size=shape)


@app.function
def check(series, group, einsums, shape):
    """Fails unless the series has one number for each orbit, and is the sum of number times einsum."""

    def values(x):
        return np.concatenate([[1], *(np.ravel(np.einsum(e, *[x] * (e.count(",") + 1))) for e in einsums)])

    assert series.dof == tuple(len(orbits(group, k)) for k in range(series.order + 1))
    x, numbers = random(*shape), random(series.total)
    assert np.isclose(series.evaluate(x, numbers), numbers @ values(x))
    assert all(np.allclose(values(x.ravel()[list(g)].reshape(shape)), values(x)) for g in group)
    print(series)


@app.function
def picture(series):
    """The sharing picture, to be shown in the notebook."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sharing.png"
        draw_sharing(series, path)
        return mo.image(path.read_bytes(), alt="sharing picture", style={"max-width": "100%"})


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1. Three numbers in any order

    $F(x_1, x_2, x_3)$ is the same in any order: the mean of three marks, or their spread. All $3! = 6$ permutations are
    symmetries. In `einnet` the type is `a`: one axis, which may be permuted.

    *By hand.* Swap places 1 and 2. The term $b_1 x_1 + b_2 x_2$ becomes $b_1 x_2 + b_2 x_1$. It must be the same for
    all $x$, so $b_1 = b_2$. With the other swaps, $b_1 = b_2 = b_3$. A pair $(i, i)$ can be moved to any other
    $(j, j)$, so the diagonal of $C$ is one number. A pair of two different places can be moved to any other such pair,
    so the rest of $C$ is one number. No permutation makes different places equal, so these two numbers are free.

    *Count.* $1 + 1 + 2 = 4$ free numbers, of $1 + 3 + 9 = 13$. Besides the constant they multiply the einsums `i->`
    (the sum), `i,i->` (the sum of squares) and `i,j->` (the square of the sum).
    """)


@app.cell
def _():
    any_order = list(permutations(range(3)))
    permutation = einnet.series("a ->", order=2, sizes={"a": 3})
    assert permutation.dof == (1, 1, 2) and permutation.total == 4
    assert sum(permutation.sharing(k).size for k in range(3)) == 13
    check(permutation, any_order, ["i->", "i,i->", "i,j->"], shape=(3,))
    picture(permutation)
    return any_order, permutation


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2. Four numbers around a circle

    Four sensors form a circle, and it does not matter which one we call the first. The symmetries are the cyclic
    shifts $i \to i + s$, with indices modulo 4. They are not all permutations, so no type describes them. We give a
    generator instead: `[1, 2, 3, 0]` says that $i$ goes to $i + 1$.

    *By hand.* Every place can be shifted to every other, so $b$ is one number. A shift moves $(i, j)$ to
    $(i + s, j + s)$: the difference $j - i$ stays. Two pairs with the same difference are a shift apart. So
    $C_{ij} = p_{j - i}$, one number for each of the differences 0, 1, 2, 3. Such a matrix is called *circulant*.

    *Count.* $1 + 1 + 4 = 6$. If the factors commute, the differences 1 and 3 are one: $1 + 1 + 3 = 5$.
    """)


@app.cell
def _():
    _shifts = [[(i + s) % 4 for i in range(4)] for s in range(4)]
    _translation = einnet.series_of([[1, 2, 3, 0]], order=2)
    assert _translation.dof == (1, 1, 4) == tuple(len(orbits(_shifts, k)) for k in range(3))
    assert _translation.total == 6 and einnet.series_of([[1, 2, 3, 0]], order=2, commutative=True).total == 5
    assert all(_translation.sharing(2)[i, j] == (j - i) % 4 for i in range(4) for j in range(4))  # circulant
    # No einsum says "d places on". The FFT finds all the sums over i of x_i x_(i+d) in n log n; `evaluate` uses it too.
    _x, _p = random(4), random(6)
    _by_fft = _p[0] + _p[1] * _x.sum() + _p[2:] @ np.fft.ifft(abs(np.fft.fft(_x)) ** 2).real
    assert np.isclose(_by_fft, _p[0] + _p[1] * _x.sum() + _x @ _p[2:][_translation.sharing(2)] @ _x)  # C written out
    assert np.allclose([_translation.evaluate(_x[s], _p) for s in _shifts], _by_fft)
    print(_translation)
    picture(_translation)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3. Any unit of measurement

    $F(x_1, x_2, x_3)$ is the same in metres and in feet: $F(cx) = F(x)$ for every factor $c \neq 0$. The ratio
    $x_1 / x_2$ is an example. It has a negative exponent, so we need a *Laurent* series: a sum of terms
    $x_1^{e_1} x_2^{e_2} x_3^{e_3}$. We let each exponent go from $-2$ to $2$; that makes $5^3 = 125$ terms.

    *By hand.* Scaling multiplies the term by $c^{e_1 + e_2 + e_3}$. That is 1 for every $c$ only if
    $e_1 + e_2 + e_3 = 0$. So most coefficients are zero, and the others are free. In any order, the exponents may be
    $(0, 0, 0)$: 1 term. $(-1, 0, 1)$: 6. $(-2, 0, 2)$: 6. $(-2, 1, 1)$: 3. $(2, -1, -1)$: 3.

    *Count.* $1 + 6 + 6 + 3 + 3 = 19$ of 125. If a cyclic shift of the variables is a symmetry too, it shares
    coefficients among the 19 terms. It leaves $(0, 0, 0)$ alone and moves the other 18 in threes: $1 + 18/3 = 7$.
    """)


@app.cell
def _():
    _scale = einnet.laurent(3, powers=range(-2, 3))
    assert _scale.dof == 19 and len(_scale.powers) ** 3 == 125
    assert _scale.groups == {(0, 0, 0): 1, (-1, 0, 1): 6, (-2, 0, 2): 6, (-2, 1, 1): 3, (-1, -1, 2): 3}
    _with_shift = einnet.laurent(3, powers=range(-2, 3), generators=[[1, 2, 0]])
    assert _with_shift.dof == 7
    _x, _p, _q = abs(random(3)) + 0.5, random(19), random(7)
    _value = _p @ [np.prod(_x**e) for e in _scale.exponents.astype(float)]
    assert np.allclose([_scale.evaluate(c * _x, _p) for c in (1, 0.3048, 100, -1)], _value)
    assert np.isclose(_with_shift.evaluate(np.roll(5 * _x, 1), _q), _with_shift.evaluate(_x, _q))
    print(_scale, str(_with_shift).splitlines()[0], sep="\n")

    # A dot for each term, with its exponents. One colour is one coefficient, if the shift is a symmetry too.
    _axis = (_figure := Figure(figsize=(4.5, 4.2), layout="constrained")).subplots()
    _axis.scatter(*_scale.exponents[:, :2].T, c=_with_shift.sharing, cmap="Set2", s=1300)
    for _e in _scale.exponents.tolist():
        _axis.text(_e[0], _e[1], "{},{},{}".format(*_e), ha="center", va="center", fontsize=8)
    _axis.set(xlabel="$e_1$", ylabel="$e_2$", xlim=(-2.6, 2.6), ylim=(-2.6, 2.6))
    _figure.savefig(_png := BytesIO(), dpi=110)
    mo.image(_png.getvalue(), alt="the 19 scale-invariant terms in 7 colours")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4. Two rows with two features

    Two players, each with two values, say height and weight: a matrix $x_{ih}$ with rows $i$ and features $h$. The
    players have no order, but height and weight are different things. The only symmetry is to swap the rows. The type
    is `aH`; a lowercase axis is permuted, `H` is not.

    *By hand.* The swap gives $b_{1h} = b_{2h}$ for each feature $h$: 2 free numbers of 4. $C$ has four indices,
    $C_{ih,jl}$, and the swap acts on $i$ and $j$ at once: $C_{1h,1l} = C_{2h,2l}$ and $C_{1h,2l} = C_{2h,1l}$. So there
    is a number for "the same row" and one for "different rows", as in case 1, for each of the 4 choices of $(h, l)$.

    *Count.* $1 + 2 + 8 = 11$ of $1 + 4 + 16 = 21$. No tuple stays where it is, so exactly half are free. The einsums
    are those of case 1 for each feature: `ih->h`, `ih,il->hl` and `ih,jl->hl`.
    """)


@app.cell
def _():
    _swap_rows = [[0, 1, 2, 3], [2, 3, 0, 1]]  # places 0 and 1 are the first row, 2 and 3 the second
    _rows = einnet.series("aH ->", order=2, sizes={"a": 2, "H": 2})
    assert _rows.dof == (1, 2, 8) and _rows.total == 11
    check(_rows, _swap_rows, ["ih->h", "ih,il->hl", "ih,jl->hl"], shape=(2, 2))
    picture(_rows)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 5. A table with rows and columns in any order

    Two people rate two films: a matrix $x_{ij}$ with person $i$ and film $j$. People can be reordered, and so can
    films, independently. The type is `ab`: two letters, two permutations. At 2 by 2 the group has 4 elements: swap the
    rows or not, swap the columns or not.

    *By hand.* Every entry can be moved to every other, so $b$ is one number. For two entries $(i, j)$ and $(k, l)$
    permuting rows and columns keeps two things: whether they are in the same row, $i = k$, and in the same column,
    $j = l$. It keeps nothing else. So $C$ has $2 \cdot 2 = 4$ free numbers: the same entry, the same row only, the same
    column only, neither.

    *Count.* $1 + 1 + 4 = 6$, of 21. An einsum of order 2 is `ij,ik->`: the squares of the rows' sums, added up.
    """)


@app.cell
def _():
    _swaps = [[0, 1, 2, 3], [2, 3, 0, 1], [1, 0, 3, 2], [3, 2, 1, 0]]  # of nothing, rows, columns, both
    _matrix = einnet.series("ab ->", order=2, sizes={"a": 2, "b": 2})
    assert _matrix.dof == (1, 1, 4) and _matrix.total == 6
    _einsums = ["ij->", "ij,ij->", "ij,ik->", "ij,kj->", "ij,kl->"]
    assert [str(t) for k in (1, 2) for t in _matrix.contractions(k)] == _einsums
    check(_matrix, _swaps, _einsums, shape=(2, 2))
    picture(_matrix)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 6. A relation: who likes whom

    Two people, and $x_{ij}$ says how much $i$ likes $j$. Rows and columns are now the same people. When the people are
    reordered, both axes are permuted *together*. The type is `aa`: one letter twice, one permutation.

    *By hand.* Only one swap is left besides doing nothing, and it moves $(i, j)$ to $(g(i), g(j))$. It cannot make
    $x_{11}$ (to like oneself) into $x_{12}$. So $b_{11} = b_{22}$ and $b_{12} = b_{21}$: 2 numbers. $C_{ij,kl}$ has
    $2^4 = 16$ index tuples, and the swap changes every index. So the 16 fall into pairs: 8 numbers. If the factors
    commute, $C_{ij,kl} = C_{kl,ij}$ as well. Then `ii,ij` is `ij,ii`, and `ii,ji` is `ij,jj`: 6 numbers.

    *Count.* $1 + 2 + 8 = 11$ of 21; commutative, $1 + 2 + 6 = 9$. Less symmetry than in case 5, so more freedom.
    """)


@app.cell
def _():
    _swap_people = [[0, 1, 2, 3], [3, 2, 1, 0]]
    _relation = einnet.series("aa ->", order=2, sizes={"a": 2})
    assert _relation.dof == (1, 2, 8) and _relation.total == 11
    assert einnet.series("aa ->", order=2, sizes={"a": 2}, commutative=True).dof == (1, 2, 6)
    check(_relation, _swap_people, [str(t) for k in (1, 2) for t in _relation.contractions(k)], shape=(2, 2))
    picture(_relation)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 7. The output is permuted too

    Now the output is a list as well: three marks in, three adjusted marks out. Reordering the input must reorder the
    output in the same way, $F(gx) = g F(x)$. Such a function is *equivariant*. Up to order 1,
    $F(x)_i = a_i + \sum_j B_{ij} x_j$.

    *By hand.* The value at place $g(i)$ must be the old value at place $i$: $F(gx)_{g(i)} = F(x)_i$. Compare
    coefficients: $a_{g(i)} = a_i$ and $B_{g(i)g(j)} = B_{ij}$. So the output's index moves with the others, and again
    there is one number for each orbit. All $a_i$ are equal. $B$ has one number on the diagonal and one off it.

    *Count.* $1 + 2 = 3$ of $3 + 9 = 12$. The einsums of order 1 are `i->i` (the mark itself) and `j->i` (the sum).
    """)


@app.cell
def _(any_order, permutation):
    _equivariant = einnet.series("a -> a", order=1, sizes={"a": 3})
    assert _equivariant.dof == (1, 2) and _equivariant.total == 3
    assert [str(t) for t in _equivariant.contractions(1)] == ["i->i", "j->i"]
    # The output counts as one more slot: order k has as many numbers as order k + 1 of case 1.
    assert _equivariant.dof == permutation.dof[1:] == tuple(len(orbits(any_order, k + 1)) for k in (0, 1))
    _x, _p = random(3), random(3)
    _y = _equivariant.evaluate(_x, _p)
    assert np.allclose(_y, _p[0] + _p[1] * _x + _p[2] * _x.sum())
    assert all(np.allclose(_equivariant.evaluate(_x[list(g)], _p), _y[list(g)]) for g in any_order)
    print(_equivariant)
    picture(_equivariant)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    That is a general rule. If $F$ is equivariant, then $G(z, x) = \sum_i z_i F(x)_i$ is invariant, and its coefficients
    are those of $F$. **An equivariant series of order $k$ is an invariant one of order $k + 1$, with one slot set aside
    for the output.** So everything that follows is said for invariants and holds for both.

    ## Two bases

    An orbit says *exactly* which indices are equal, and the pictures show orbits. The einsum of the same name says that
    *at least* these are equal: `i,j->` has the pairs with $i = j$ in it. Write $E$ for the sum over an orbit and $T$
    for the einsum. In case 1, $T(i = j) = E(i = j)$ and $T(\text{all}) = E(i = j) + E(i \neq j)$. Solve for $E$:
    $E(i \neq j) = T(\text{all}) - T(i = j)$. This is the smallest *Moebius inversion*. With more slots there are more
    terms, but always whole numbers. Both bases describe the same functions.

    Contractions are cheaper. The sum of $x_i x_j$ over all pairs takes $n^2$ products; as $(\sum_i x_i)^2$ it is one.

    ## All sizes at once

    For all large $n$ the count is the same. An orbit says which slots hold equal indices; that is a way to put
    the slots into groups. The numbers of ways are the *Bell numbers*. A linear map from `aa` to `aa` has four slots, so
    it has 15 free numbers. If $n$ is smaller than the number of slots, some patterns do not fit: five slots cannot hold
    five different indices of $\{1, 2, 3, 4\}$, so $n = 4$ has 51 orbits and not 52.
    """)


@app.cell
def _(permutation):
    assert permutation.to_contraction([0, 0, 0, 1]).tolist() == [0, 0, -1, 1]  # E(i != j) = T(all) - T(i = j)
    _x, _every_size = random(1000), einnet.series("a ->", order=2)
    _pair_by_pair = np.outer(_x, _x)[~np.eye(1000, dtype=bool)].sum()
    assert np.isclose(_every_size.evaluate(_x, [0, 0, -1, 1]), _pair_by_pair)

    _bell = [einnet.series(f"{t} -> {t}", order=1).dof[1] for t in ("a", "aa", "aaa")]
    assert _bell == [2, 15, 203]
    _five = einnet.series("aaaaa ->", order=1)
    assert _five.dof[1] == 52 and _five.dof_at({"a": 4})[1] == 51 == len(orbits(list(permutations(range(4))), 5))
    print("linear maps of a, aa, aaa to themselves:", *_bell)
    n = mo.ui.slider(1, 5, value=3, label="n", show_value=True)
    return (n,)


@app.cell
def _(n):
    _maps = einnet.series("aa -> aa", order=1, sizes={"a": n.value})
    assert _maps.dof[1] == len(orbits(list(permutations(range(n.value))), 4))
    _fit = mo.md(f"Choose a size. Of the 15 linear maps from `aa` to `aa`, **{_maps.dof[1]}** fit at n = {n.value}.")
    mo.vstack([_fit, n, picture(_maps)])


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Rotations: a group without orbits to list

    Rotations do not move indices, they mix coordinates. The equation is the same: a linear map $W$ is
    equivariant if $g W = W g$ for every rotation $g$. It is linear in $W$, so the solutions are a null space. It
    suffices to ask it of infinitesimal rotations.

    An example: maps from 3 by 3 matrices to 3 by 3 matrices, where $R$ takes $M$ to $R M R^T$. Three are easy to guess:
    $M$ itself, $M^T$, and $\operatorname{tr}(M)$ times the identity. `linear_maps` shows that there are no others.

    ## From the series to the layer

    With $H$ features each einsum has a free tensor, as in case 4. For `aH -> aH` at order 2 there are five einsums with
    $H^3$ numbers each. At $H = 64$ that is 1,310,720: too many. So we write each tensor as a sum of a few products,
    $Q_{ghl} = \sum_r U_{gr} V_{hr} W_{lr}$. With 16 products it has $3 \cdot 64 \cdot 16$ numbers. A linear map $V$,
    $W$ of the features, an einsum for each $r$, and a linear map $U$ back: that is a layer. The file `docs/low-rank.md`
    of the repository continues from here. It builds a layer that is equal to a series.
    """)


@app.cell
def _():
    _maps = einnet.linear_maps(source=rotations(3) ** 2, target=rotations(3) ** 2)
    assert _maps.rank == 3
    _guessed = [np.einsum(t, np.eye(3), np.eye(3)) for t in ("ik,jl->ijkl", "il,jk->ijkl", "ij,kl->ijkl")]
    _maps_twice = np.concatenate([np.reshape(_guessed, (3, 81)), _maps.basis.reshape(3, 81)])
    # the same maps, mixed
    assert np.linalg.matrix_rank(_maps_twice[:3]) == np.linalg.matrix_rank(_maps_twice, tol=1e-9) == 3

    _rotation, _m, _p = np.linalg.qr(random(3, 3))[0], random(9), random(3)
    _rotation *= np.linalg.det(_rotation)  # 1 or -1
    _twice = np.kron(_rotation, _rotation)  # takes the 9 entries of M to those of R M R^T
    assert np.allclose(_maps.evaluate(_twice @ _m, _p), _twice @ _maps.evaluate(_m, _p))
    print(_maps)
    _series = einnet.series("aH -> aH", order=2, sizes={"a": 10, "H": 64})
    assert _series.dof == (64, 2 * 64**2, 5 * 64**3) and _series.dof[2] == 1_310_720
    print(f"aH -> aH with 64 features, order 2: {_series.dof[2]:,} free numbers; with 16 heads {5 * 3 * 64 * 16:,}")


if __name__ == "__main__":
    app.run()
