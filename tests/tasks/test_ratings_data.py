"""Files of ratings as people have them, splits, and the axis of the ratings."""

import gzip

import numpy as np
import pytest

from einnet.errors import DataError
from einnet.tasks.ratings.data import Axis, load, read_ratings

ROWS = [("7", "m1", 4.0), ("7", "m2", 1.0), ("12", "m1", 3.5)]
EXPECTED = {(user, item): rating for user, item, rating in ROWS}


@pytest.mark.parametrize(
    "text",
    [
        "7\tm1\t4\t881250949\n7\tm2\t1\t881250949\n12\tm1\t3.5\t881250949\n",  # u.data
        "userId,movieId,rating,timestamp\r\n7,m1,4.0,1\r\n7,m2,1.0,2\r\n12,m1,3.5,3\r\n",
        "7::m1::4::1\n7::m2::1::2\n12::m1::3.5::3\n",  # ratings.dat
        "user\titem\trating\n7\tm1\t4\n7\tm2\t1\n12\tm1\t3.5\n",
        '"User-ID";"ISBN";"Book-Rating"\n"7";"m1";"4"\n"7";"m2";"1"\n"12";"m1";"3.5"\n',
        "rating,movie_id,user_id\n4,m1,7\n1,m2,7\n3.5,m1,12\n",  # the names say where the columns are
        "7 m1 4\n\n7   m2 1\n12 m1 3.5",
        "\ufeff7|m1|4\n7|m2|1\n12|m1|3.5\n",
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_files_as_people_have_them(tmp_path, text, is_packed):
    file = tmp_path / "ratings.txt"
    file.write_bytes(gzip.compress(text.encode()) if is_packed else text.encode())
    assert read_ratings(file) == (EXPECTED, [])


def test_names_with_a_comma_in_quotes(tmp_path):
    file = tmp_path / "ratings.csv"
    file.write_text('reviewer,title,stars\n"Doe, Ann","Heat, 1995",5\n')
    assert read_ratings(file)[0] == {("Doe, Ann", "Heat, 1995"): 5.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t2\t3\n1\t4\n", "line 2: expected 3 cells or more .* got 2"),
        ("1,2,3\n\n1,4,good\n", "line 3: expected a number as rating, got 'good'"),
        ("1,2,3\n1,4,nan\n", "line 2: expected a number"),
        ("1,2,3\n1,4,inf\n", "line 2: expected a number"),
        ("1,2,3\n,4,5\n", "line 2: the user is empty"),
        ("1,2,3\n1,,5\n", "line 2: the item is empty"),
        ("userId,movieId,rating\n1,2\n", "line 2: expected 3"),
        ("1\t2\n", "line 1: expected a user, an item and a rating, got 2 cells"),
        ("1,2,x\n", "line 1: expected a user"),
        ("\n  \n", "has no ratings"),
    ],
)
def test_messages_name_the_line(tmp_path, text, message):
    file = tmp_path / "ratings.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_ratings(file)


def test_what_is_left_out_or_unusual_is_said(tmp_path):
    file, test = tmp_path / "train.csv", tmp_path / "test.csv"
    lines = [f"u{k},i{j},{(k + j) % 5 + 1}" for k in range(6) for j in range(4)]
    file.write_text("\n".join(["who,what,how", *lines, "u0,i0,5"]))
    test.write_text("u0,i1,3\nu9,i2,4\n")
    ratings = load(file, test)
    assert [note.partition(" of ")[0] for note in ratings.notes] == ["the first line", "1 ratings", "1"]
    assert "names no user and item and rating: the first three columns" in ratings.notes[0]
    assert "the last of each pair counts" in ratings.notes[1] and "measured on only" in ratings.notes[2]
    assert ratings.sizes == (7, 4) and len(ratings.evidence) == 23 and len(ratings.test) == 2
    users, items = ratings.evidence.index
    is_repeated = (users == ratings.find_user("u0")) & (items == ratings.find_item("i0"))
    assert ratings.evidence.values[is_repeated].tolist() == [5.0]


def test_splits_are_disjoint_and_do_not_depend_on_the_order_of_the_lines(tmp_path):
    lines = [f"{k} {j} {(k * j) % 5 + 1}" for k in range(9) for j in range(11)]
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("\n".join(lines))
    second.write_text("\n".join(np.random.default_rng(0).permutation(lines)))
    a, b = load(first), load(second)
    for x, y in ((a.train, b.train), (a.valid, b.valid), (a.test, b.test)):
        assert np.array_equal(x.index, y.index) and np.array_equal(x.values, y.values)
    pairs = np.concatenate([a.train.index, a.valid.index, a.test.index], 1)
    assert pairs.shape[1] == len(lines) == len(set(map(tuple, pairs.T)))
    assert (len(a.test), len(a.valid)) == (10, 9)
    assert a.users == tuple(map(str, range(9)))  # numbers by size


@pytest.mark.parametrize(
    ("text", "message"),
    [("1,1,3\n1,2,4\n", "has 2 ratings to learn from"), ("\n".join(f"1,{k},3" for k in range(20)), "all ratings .* 3")],
)
def test_nothing_to_learn(tmp_path, text, message):
    file = tmp_path / "ratings.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        load(file)


def test_unknown_names_get_suggestions(tmp_path):
    file = tmp_path / "ratings.csv"
    file.write_text("\n".join(f"ann{k % 4},film{k},{k % 3}" for k in range(20)))
    with pytest.raises(DataError, match="unknown user 'anm1'. Did you mean 'ann1'"):
        load(file).find_user("anm1")
    with pytest.raises(DataError, match="unknown item 'x'. There are 20, such as film0"):
        load(file).find_item("x")


def test_an_axis_of_many_values_has_levels_in_equal_distances():
    axis = Axis.of(np.linspace(-10, 10, 333))
    assert np.allclose(axis.levels, np.linspace(0, 1, 100))
    assert axis.to_ratings(axis.to_positions(np.array([2.5]))).tolist() == [2.5]
