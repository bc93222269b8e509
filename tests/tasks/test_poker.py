"""The poker task: cards, deals and winners, the network's symmetries, a short training, the command line."""

import io
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from einnet.cli import main
from einnet.errors import DataError, EinNetError
from einnet.tasks.poker.app import PokerConfig
from einnet.tasks.poker.evaluate import accuracy
from einnet.tasks.poker.hands import CATEGORIES, card_name, classify_hands, deals, draw_rare_deals, read_hands, winners
from einnet.tasks.poker.network import (
    FEATURES,
    SIGNATURE,
    Winning,
    choose_winners,
    encode_cards,
    make_net,
    one_hot_cards,
)
from einnet.testing import assert_equivariant

SMALL = PokerConfig(deals=300, hidden=8, heads=4, depth=2, batch=32)


def test_deals_are_from_one_deck_and_always_the_same():
    dealt = deals(50, 9, 5, seed=3)
    assert all(len(set(table.ravel())) == 45 for table in dealt) and dealt.min() == 0 and dealt.max() == 51
    assert np.array_equal(dealt, deals(50, 9, 5, seed=3))
    assert not np.array_equal(dealt, deals(50, 9, 5, seed=4))


@pytest.mark.parametrize(("players", "cards"), [(1, 5), (4, 4), (4, 8), (11, 5), (8, 7)])
def test_deals_that_a_deck_does_not_give(players, cards):
    with pytest.raises(DataError, match="52"):
        deals(1, players, cards, 0)


@pytest.mark.parametrize(
    ("text", "won"),
    [
        ("AS KS QS JS TS | 2C 2D 2H 3S 3D", [True, False]),
        ("2C 2D 2H 3S 3D | AC AD AH KS QD", [True, False]),  # a full house beats three aces
        ("AC 2D 3H 4S 5D | KC QD JH TS 8D", [True, False]),  # the ace counts low in a straight
        ("AC KD QH JS 9D | AD KH QS JC 9C", [True, True]),  # a tie
        ("AC KD QH JS 9D | AD KH QS JC 8C | 2C 3C 4D 5H 7S", [True, False, False]),
        ("2C 3C 4C 5C 7C 9D 9S | AD AH KS QC JH 2D 3D", [True, False]),  # seven cards: the best five
    ],
)
def test_who_wins(text, won):
    assert winners(read_hands(text)[None])[0].tolist() == won


def test_the_rules_by_another_evaluator():
    dealt = deals(300, 4, 5, seed=1)
    values = [[_value(hand) for hand in table] for table in dealt.tolist()]
    expected = np.array([[v == max(row) for v in row] for row in values])
    assert np.array_equal(expected, winners(dealt))


def _value(hand: list[int]) -> tuple:
    """Categories by counting: the independent oracle."""
    ranks = sorted((c // 4 for c in hand), reverse=True)
    groups = sorted(((ranks.count(r), r) for r in set(ranks)), reverse=True)
    counts, order = [g for g, _ in groups], [r for _, r in groups]
    if order == [12, 3, 2, 1, 0]:
        order = [3, 2, 1, 0, -1]
    straight = len(order) == 5 and order[0] - order[4] == 4
    flush = len({c % 4 for c in hand}) == 1
    category = next(
        k for k, holds in enumerate([
            straight and flush, counts[0] == 4, counts == [3, 2], flush, straight, counts[0] == 3, counts[:2] == [2, 2],
            counts[0] == 2, True,
        ]) if holds
    )  # fmt: skip
    return -category, order


@pytest.mark.parametrize("cards", [5, 7])
def test_rare_deals_have_every_kind_of_hand_equally_often(cards):
    dealt = draw_rare_deals(400, 4, cards, seed=0)
    assert all(len(set(table.ravel())) == 4 * cards for table in dealt)
    assert np.array_equal(dealt, draw_rare_deals(400, 4, cards, seed=0))
    names = classify_hands(dealt)[:, :2]
    assert set(names.ravel()) == set(CATEGORIES)
    if cards == 5:
        assert all(50 < (names == name).sum() < 130 for name in CATEGORIES)  # 89 of 800 expected
        best = np.array([[-_value(hand)[0] for hand in table[:2]] for table in dealt.tolist()])
        assert np.array_equal(np.array(list(CATEGORIES))[best], names)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("AS KS QS JS TS | 2C 2D 2H 3S AS", "players 1 and 2"),
        ("AS AS QS JS TS | 2C 2D 2H 3S 3D", "player 1"),
        ("AS KS QS JS 1S | 2C 2D 2H 3S 3D", "'1S'"),
        ("AS KS QS JS TX | 2C 2D 2H 3S 3D", "'TX'"),
        ("AS KS QS JS S | 2C 2D 2H 3S 3D", "'S'"),
        ("AS KS QS JS TS", "two players"),
        ("AS KS QS JS TS | 2C 2D 2H 3S", "5, 4 cards"),
        ("AS KS QS JS | 2C 2D 2H 3S", "4, 4 cards"),
        ("", "two players"),
        ("AS KS QS JS TS | 2C 2D 2H 3S 1 D", "'1'"),
        ("Ann AS KS QS JS TS | 2C 2D 2H 3S 3D", "'ANN'"),
        ("AS KS QS JS TS | 2C 2D 2H 3S 3D3", "'3D3'"),
        ("AS KS QS JS TS | 2C 2D 2H 3S 🃏", "no card"),
        ("[AS KS] [2C 2D]", "2, 2 cards"),
        ("AS KS QS JS TS [2C 2D 2H 3S 3D] [4C 4D 4H 5S 5D]", "15 cards|two players"),
    ],
)
def test_hands_that_cannot_be_read(text, phrase):
    with pytest.raises(DataError, match=phrase):
        read_hands(text)


@pytest.mark.parametrize(
    "text",
    [
        "[As Ks Qs Js Ts] [2c 2d 2h 3s 3d]",
        "AsKsQsJsTs 2c2d2h3s3d",
        "AsKsQsJsTs, 2c2d2h3s3d",
        "AS,KS,QS,JS,10S|2C,2D,2H,3S,3D|",
        "A♠ K♠ Q♠ J♠ 10♠ | 2♣ 2♦ 2♥ 3♠ 3♦",
        "A♠️K♠️Q♠️J♠️10♠️ vs. 2♣️2♦️2♥️3♠︎3♦︎",
        "♤A ♤K ♤Q ♤J ♤10; ♧2 ♢2 ♡2 ♤3 ♢3",
        "SA SK SQ SJ S10\nC2 D2 H2 S3 D3\n",
        "🂡🂮🂭🂫🂪 | 🃒 🃂 🂲 🂣 🃃",
        "Player 1: As Ks Qs Js Ts\r\nPlayer 2: 2c 2d 2h 3s 3d",
        "1. As Ks Qs Js Ts\n2. 2c 2d 2h 3s 3d",
        "Seat 1: Ann (button) showed [As Ks Qs Js Ts] and won\nSeat 2: Bob showed [2c 2d 2h 3s 3d] and lost",
        "Ace of Spades, King of Spades, queen of spades, JACK OF SPADES, 10 of spades | two of clubs, 2 of diamonds,"
        " 2 of hearts, three of spades, 3 of diamonds",
        '[["As", "Ks", "Qs", "Js", "Ts"], ["2c", "2d", "2h", "3s", "3d"]]',
        "Ａｓ Ｋｓ Ｑｓ Ｊｓ １０ｓ | 2c-2d-2h-3s-3d",
    ],
)
def test_hands_as_people_write_them(text):
    assert read_hands(text).tolist() == [[51, 47, 43, 39, 35], [0, 1, 2, 7, 5]]


def test_a_name_before_the_second_hand_of_a_line_takes_no_hand_away():
    cards = ["2H 3D 5S 9C KD", "2C 3H 4S 8C AH", "4C 5C 6C 7C 8D", "4D 5D 6D 7D 9H"]
    text = "Ann: {} Bob: {}\nTom: {}, Player 4: {}".format(*cards)
    assert read_hands(text).tolist() == read_hands(" | ".join(cards)).tolist()


def test_hands_in_a_file(run, tmp_path, capsys, monkeypatch):
    content = "As Ks Qs Js Ts\n2c 2d 2h 3s 3d\n".encode("utf-16")
    (tmp_path / "hands.txt").write_bytes(content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    for source in ("-", str(tmp_path / "hands.txt")):
        assert main(["predict", "poker", source, "--checkpoint", str(run), "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)["players"]) == 2
    assert main(["predict", "poker", "nowhere.txt", "--checkpoint", str(run)]) == 2
    assert "no file at nowhere.txt" in capsys.readouterr().err


def test_cards_are_written_as_they_are_read():
    text = " ".join(map(card_name, range(5))) + " | " + " ".join(map(card_name, range(5, 10)))
    assert read_hands(text).ravel().tolist() == list(range(10))
    assert np.array_equal(read_hands(text.lower()), read_hands(text))


def test_the_cards_as_a_tensor():
    x = one_hot_cards(np.array([[[51, 0]]]))
    assert x.shape == (1, 1, 2, 4, 13) and x.sum() == 2
    assert x[0, 0, 0, 3, 12] == 1 and x[0, 0, 1, 0, 0] == 1


def test_the_pooled_input_counts_ranks_and_squares_the_counts():
    hand = read_hands("AS AC AD KS 2C | 3S 4S 5S 6S 7S")[None]
    counts, squares = encode_cards(hand)[0, 0, 0, 0].split(13)[1:]
    assert {r: int(n) for r, n in enumerate(counts) if n} == {12: 3, 11: 1, 0: 1}
    assert torch.equal(squares, counts**2)


def test_the_network_has_every_symmetry_of_a_deal():
    net = make_net(SMALL).double().eval()
    assert_equivariant(net, SIGNATURE, {"a": 4, "b": 3, "c": 4}, features=FEATURES)
    dealt = deals(20, 5, 5, seed=0)
    renamed = dealt // 4 * 4 + np.array([2, 0, 3, 1])[dealt % 4]
    with torch.no_grad():
        one, two = (net(encode_cards(d).double()) for d in (dealt, renamed))
    assert torch.allclose(one, two, atol=1e-12)


def test_ties_are_players_nearly_as_probable_as_the_best():
    logits = torch.tensor([[3.0, 2.995, 0.0], [3.0, 2.98, 2.995]])
    assert choose_winners(logits).tolist() == [[True, True, False], [True, False, True]]


def test_held_out_deals_are_not_learned_from():
    task = Winning(SMALL, seed=0)
    assert task.held_out == 30
    task.deals[-30:] = -4  # no card
    for step in range(20):
        task.loss(step)
    with pytest.raises(RuntimeError):
        encode_cards(task.deals[-30:])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    arguments = ["--deals", "2000", "--hidden", "16", "--heads", "8", "--depth", "2", "--batch", "64"]
    assert main(["train", "poker", "--steps", "300", "--out", str(out), *arguments]) == 0
    return next((out / "poker").iterdir())


def test_a_run_learns_something_and_is_measured(run, capsys):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["accuracy"]["4 players, 5 cards"] > 0.4  # chance is 0.25
    assert metrics["accuracy"]["2 players, 5 cards"] > metrics["accuracy"]["9 players, 5 cards"]
    assert main(["eval", "poker", "--checkpoint", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == metrics


def test_predict_says_who_wins(run, capsys):
    text = "AS KS QS JS TS | 2C 2D 2H 3S 3D | 4C 5C 8H 9S KD"
    assert main(["predict", "poker", text, "--checkpoint", str(run), "--json"]) == 0
    players = json.loads(capsys.readouterr().out)["players"]
    assert [p["wins by the rules"] for p in players] == [True, False, False]
    assert sum(p["chance"] for p in players) == pytest.approx(1, abs=1e-5)
    moved = " | ".join(text.split(" | ")[k] for k in (2, 0, 1))
    assert main(["predict", "poker", moved, "--checkpoint", str(run), "--json"]) == 0
    moved_players = json.loads(capsys.readouterr().out)["players"]
    assert [p["chance"] for p in moved_players] == pytest.approx([players[k]["chance"] for k in (2, 0, 1)], abs=1e-5)
    assert main(["predict", "poker", text, "--checkpoint", str(run)]) == 0
    assert "AS KS QS JS TS" in capsys.readouterr().out
    assert main(["predict", "poker", text + " AS", "--checkpoint", str(run)]) == 2
    assert "twice" in capsys.readouterr().err


def test_the_chance_of_a_rare_hand_is_as_large_as_the_network_is_right(run, capsys):
    assert set(json.loads((run / "metrics.json").read_text())["by hand"]) == set(CATEGORIES)
    text = "AS KS QS JS TS | 2C 2D 2H 3S 3D"
    assert main(["predict", "poker", text, "--checkpoint", str(run), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    measured, chance = answer["measured"], max(p["chance"] for p in answer["players"])
    assert measured["best hand"] == "straight flush" and measured["deals"] > 100
    assert chance <= max(0.5, 0.5 * (measured["right"] - 0.5) / (measured["chance"] - 0.5) + 0.5) + 1e-6
    assert main(["predict", "poker", text, "--checkpoint", str(run)]) == 0
    assert "Best hand: straight flush" in capsys.readouterr().out


def test_a_run_without_metrics_says_that_its_chances_are_not_measured(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("metrics.json"))
    assert main(["predict", "poker", "AS KS QS JS TS | 2C 2D 2H 3S 3D", "--checkpoint", str(copy)]) == 0
    assert "has not measured" in capsys.readouterr().out


def test_a_share_of_the_deals_may_be_rare_ones():
    task = Winning(replace(SMALL, rare=0.5), seed=0)
    rare = classify_hands(task.deals.numpy()[:135])[:, :2]
    assert len(task.deals) == 300 and (rare == "straight flush").mean() > 0.05
    assert np.array_equal(task.deals[135:], deals(165, 4, 5, seed=1))  # those held out are usual ones


def test_settings_that_no_deck_allows_are_refused():
    for wrong in ({"players": 1}, {"cards": 8}, {"players": 9, "cards": 7}):
        with pytest.raises(EinNetError, match="52"):
            PokerConfig(**wrong)


def test_accuracy_counts_exact_sets():
    class Says(torch.nn.Module):
        def forward(self, x):
            return torch.tensor([[[1.0], [1.0], [0.0]], [[1.0], [0.0], [0.0]]])

    dealt = deals(2, 3, 5, seed=0)
    won = np.array([[True, True, False], [True, True, False]])
    assert accuracy(Says(), dealt, won) == 0.5
