"""Sudoku as people write it: one puzzle in every way, where two ways are near each other, and what is left in doubt."""

import codecs
import gzip
import io
import json
import sys
import zipfile

import numpy as np
import pytest

from einnet.cli import main
from einnet.errors import DataError
from einnet.tasks.sudoku.app import SudokuApp, SudokuConfig
from einnet.tasks.sudoku.boards import follows_rules, format_board, parse_entries, read_boards, read_puzzles
from einnet.train.run import Run
from refusals import assert_refused

EASY = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
ROWS = [EASY[k : k + 9] for k in range(0, 81, 9)]
ZEROS = EASY.replace(".", "0")
BARRED = [f"{row[:3]}|{row[3:6]}|{row[6:]}" for row in ROWS]
SPACED = [" | ".join(" ".join(row[k : k + 3]) for k in (0, 3, 6)) for row in ROWS]


def in_bands(rows: list[str], rule: str, top: str = "", bottom: str = "") -> str:
    return "\n".join([top, *rows[:3], rule, *rows[3:6], rule, *rows[6:], bottom])


def table(delimiter: str, blank: str = "", header: str = "", index: str = "", digit: str = "{}") -> str:
    cells = [[blank if cell == "." else digit.format(cell) for cell in row] for row in ROWS]
    rows = [delimiter.join([index[k : k + 1]] * bool(index) + row) for k, row in enumerate(cells)]
    return "\n".join([delimiter.join(header)] * bool(header) + rows)


WAYS = {
    "a line": EASY,
    "zeros": ZEROS,
    "underscores": EASY.replace(".", "_"),
    "stars": EASY.replace(".", "*"),
    "question marks": EASY.replace(".", "?"),
    "crosses": EASY.replace(".", "x"),
    "dashes": EASY.replace(".", "-"),
    "a comment": f"{EASY} # rated 3.1",
    "a name and a rating": f"000000183b7d {EASY} 1.2",
    "groups of nine": " ".join(ROWS),
    "rows": "\n".join(ROWS),
    "rows of dashes": "\n".join(ROWS).replace(".", "-"),
    "Windows": "\r\n".join(ROWS),
    "a title": "Grid 01\n" + "\n".join(ROWS),
    "a title of nine letters": "Puzzle 123\n" + "\n".join(ROWS),
    "a date": "2021-01-02\n" + "\n".join(ROWS),
    "bands": in_bands(ROWS, ""),
    "bars": in_bands(SPACED, "------+-------+------"),
    "bars and dashes": in_bands([row.replace(".", "-") for row in SPACED], "------+-------+------"),
    "a frame": in_bands([f"|{row}|" for row in BARRED], "|---+---+---|", "*-----------*", "*-----------*"),
    "a frame of dots": in_bands([f"| {row} |" for row in SPACED], ":-------+-------:", ".-------.", "'-------'"),
    "box drawing": in_bands([f"║{row}║".replace("|", "│") for row in BARRED], "╠═══╪═══╪═══╣", "╔═══╗", "╚═══╝"),
    "only dashes between": in_bands(BARRED, "-----------"),
    "commas": table(",", "0"),
    "empty columns": table(","),
    "empty columns of tabs": table("\t"),
    "trailing commas": table(",", "0").replace("\n", ",\n") + ",",
    "markdown": "\n".join("| " + " | ".join(row).replace(".", " ") + " |" for row in ROWS),
    "Python": str([list(map(int, row.replace(".", "0"))) for row in ROWS]),
    "numpy": str(np.array([list(map(int, row.replace(".", "0"))) for row in ROWS])),
    "a line of numbers": " ".join(ZEROS),
    "two digits": " ".join(f"{int(d):02}" for d in ZEROS),
}


COUNT = "0123456789"
WAYS |= {f"{blank or 'nothing'} and {name}": table(delimiter, blank) for name, delimiter in
         {"commas": ",", "tabs": "\t", "semicolons": ";", "bars": "|"}.items()
         for blank in ("-1", "-1.0", "NaN", "nan", "None", "null", "NA", "<NA>", "N/A", "")}  # fmt: skip
WAYS |= {
    "-1 and spaces": table(" ", "-1"),
    "-1 on a line": " ".join(EASY).replace(".", "-1"),
    "floats": table(" ", "nan", digit="{}.0"),
    "numpy with floats": str(np.array([[np.nan if c == "." else float(c) for c in row] for row in ROWS])),
    "Python with None": str([[None if c == "." else int(c) for c in row] for row in ROWS]),
    "an index": table(",", "", "", COUNT),
    "an index and a header": table(",", "", ["", *COUNT[:9]], COUNT),
    "an index from 1": table(",", "0", ["", *COUNT[1:]], COUNT[1:]),
    "letters as an index": table(";", "", ["", *COUNT[1:]], "ABCDEFGHI"),
    "a header": table(",", "", COUNT[:9]),
    "a header from 1": table(",", "0", COUNT[1:]),
    "a header of names": table(",", "NaN", [f"c{k}" for k in range(9)]),
    "a printed frame of pandas": table("  ", "NaN", COUNT[:9], COUNT, "{}.0"),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_write_a_puzzle(way):
    (entry,) = parse_entries(WAYS[way])
    assert entry.solution is None and format_board(entry.puzzle, entry.symbols) == EASY


@pytest.mark.parametrize("between", ["\n", "\n\n", "\nGrid 2\n"])
@pytest.mark.parametrize("index", ["", COUNT])
def test_several_tables_with_headers(between, index):
    header = [""] * bool(index) + list(COUNT[:9])
    text = between.join([table(",", "", header, index)] * 2)
    assert [format_board(e.puzzle) for e in parse_entries(text)] == [EASY, EASY]


@pytest.mark.parametrize("number", [1, 8, 9, 10])
def test_boards_whose_rows_or_columns_count_have_no_labels(number):
    rows = [[(3 * (r % 3) + r // 3 + c) % 9 + 1 for c in range(9)] for r in range(9)]
    for board in (rows, [list(column) for column in zip(*rows, strict=True)]):
        entries = parse_entries("\n".join(",".join(map(str, row)) for row in board * number))
        assert [e.puzzle.tolist() for e in entries] == [board] * number


@pytest.mark.parametrize("label", ["\u00b2", "\u0663", "9" * 5000, "AB"])
def test_other_signs_are_no_labels(label):
    assert all(e.puzzle is None for e in parse_entries("\n".join([f"{label} 1 2 3 4"] * 9)))


GIVENS_OF_EASY = [(k // 9 + 1, k % 9 + 1, int(c)) for k, c in enumerate(EASY) if c != "."]
SOLVED_ROWS = [SOLVED[k : k + 9] for k in range(0, 81, 9)]
REFUSED = {
    "r1c1": ("\n".join("r{}c{} {}".format(*cell) for cell in GIVENS_OF_EASY), "single cells"),
    "R1C1=": ("\n".join("R{}C{}={}".format(*cell) for cell in GIVENS_OF_EASY), "single cells"),
    "triples": ("row,col,value\n" + "\n".join("{},{},{}".format(*cell) for cell in GIVENS_OF_EASY), "single cells"),
    "tuples": (str(GIVENS_OF_EASY), "single cells"),
    "side by side": ("\n".join(map("   ".join, zip(ROWS, SOLVED_ROWS, strict=True))), "side by side"),
    "three": ("\n".join(f"{' '.join(row * 3)}" for row in ROWS), "boards of 9x9 below each other"),
    "four": ("\n".join(f"{row} {row}" for row in ROWS * 2), "side by side"),
}


@pytest.mark.parametrize("way", REFUSED)
def test_ways_that_are_refused_with_their_name(way):
    text, phrase = REFUSED[way]
    (entry,) = parse_entries(text)
    assert entry.puzzle is None and phrase in entry.problem


PAIRS = {
    "index of pandas": f",puzzle,solution\n0,{ZEROS},{SOLVED}",
    "comma": f"{EASY},{SOLVED}",
    "semicolon": f"{EASY};{SOLVED}",
    "tab": f"{EASY}\t{SOLVED}",
    "space": f"{EASY} {SOLVED}",
    "bar": f"{EASY}|{SOLVED}",
    "quotes": f'"{ZEROS}", "{SOLVED}"',
    "Kaggle": f"quizzes,solutions\n{ZEROS},{SOLVED}",
    "further columns": f"id,puzzle,solution,clues,difficulty\n1,{EASY},{SOLVED},30,2.2",
    "the solution first": f"solution,puzzle\n{SOLVED},{EASY}",
    "JSON lines": json.dumps({"id": 3, "puzzle": EASY, "solution": SOLVED}),
    "cells in quotes": 'id,quiz,solution\n7,"{}","{}",30'.format(",".join(ZEROS), ",".join(SOLVED)),
    "cells with spaces": f"{' '.join(ZEROS)};{' '.join(SOLVED)}",
}


@pytest.mark.parametrize("way", PAIRS)
def test_ways_to_write_a_puzzle_with_its_solution(way):
    (entry,) = parse_entries(PAIRS[way])
    assert format_board(entry.puzzle) == EASY and format_board(entry.solution) == SOLVED


def test_several_boards_are_found_whatever_stands_between():
    grid = "\n".join(ROWS)
    for text in (
        f"Grid 01\n{grid}\nGrid 02\n{grid}", f"{grid}\n{grid}", f"{grid}\n\n{grid}", f"1.\n{grid}\n2.\n{grid}",
        f"{in_bands(ROWS, '')}\n\n{in_bands(ROWS, '')}", f"{EASY}\n\nthe next\n{grid}",
    ):  # fmt: skip
        assert [format_board(e.puzzle) for e in parse_entries(text)] == [EASY, EASY], text


@pytest.mark.parametrize("bad", ["\n".join(ROWS[1:]), "\n".join([*ROWS[:4], ROWS[4][:-1], *ROWS[5:]]),
                                 "\n".join([*ROWS[:4], "4..8%3..1", *ROWS[5:]]), EASY[:-1], EASY + "1"])  # fmt: skip
def test_a_bad_board_does_not_take_the_next_with_it(bad):
    grid = in_bands(ROWS, "------+-------+------")
    for text in (f"{grid}\n\n{bad}\n\n{grid}", f"Grid 1\n{grid}\nGrid 2\n{bad}\nGrid 3\n{grid}"):
        before, problem, after = parse_entries(text)
        assert format_board(before.puzzle) == format_board(after.puzzle) == EASY
        assert problem.puzzle is None and problem.problem


def test_rows_without_a_partner_are_never_a_board_of_two():
    part, rest = "\n".join(ROWS[:5]), "\n".join(ROWS[5:])
    assert all(e.puzzle is None for e in parse_entries(f"Grid 1\n{part}\nGrid 2\n{rest}"))


# --- sixteen cells and more ------------------------------------------------------------------------------------------

FULL = np.array([[(4 * (r % 4) + r // 4 + c) % 16 + 1 for c in range(16)] for r in range(16)])
GIVENS = np.where(np.random.default_rng(0).random((16, 16)) < 0.6, FULL, 0)
HEXADECIMAL = "0123456789ABCDEF"


def write(board: np.ndarray, symbols: str, between: str = "", newline: str = "", blank: str = ".") -> str:
    return newline.join(between.join(symbols[v - 1] if v else blank for v in row) for row in board.tolist())


def numbers(board: np.ndarray, form: str = "", newline: str = "\n") -> str:
    return newline.join(" ".join(f"{v:{form}}" for v in row) for row in board.tolist())


LARGE = {
    "letters after digits": (write(GIVENS, "123456789ABCDEFG"), "1", "G"),
    "zeros as blanks": (write(GIVENS, "123456789abcdefg", blank="0"), "1", "G"),
    "rows": (write(GIVENS, "123456789ABCDEFG", newline="\n"), "1", "G"),
    "letters": (write(GIVENS, "ABCDEFGHIJKLMNOP"), "A", "P"),
    "hexadecimal": (write(GIVENS, HEXADECIMAL), "0", "F"),
    "hexadecimal rows": (write(GIVENS, HEXADECIMAL.lower(), " ", "\n", "-"), "0", "F"),
    "numbers": (numbers(GIVENS), "1", "16"),
    "numbers of two digits": (numbers(GIVENS, "02"), "1", "16"),
    "numbers in columns": (numbers(GIVENS, "2"), "1", "16"),
    "numbers on a line": (numbers(GIVENS, newline=" "), "1", "16"),
    "digits in pairs": (numbers(GIVENS, "02").replace(" ", ""), "1", "16"),
    "numbers and empty columns": ("\n".join(",".join(str(v or "") for v in row) for row in GIVENS.tolist()), "1", "16"),
    "numbers from 0": (write(GIVENS, [str(k) for k in range(16)], " ", "\n"), "0", "15"),
}  # fmt: skip


@pytest.mark.parametrize("way", LARGE)
def test_ways_to_write_a_board_of_16x16(way):
    text, first, last = LARGE[way]
    (entry,) = parse_entries(text)
    assert np.array_equal(entry.puzzle, GIVENS) and (entry.symbols[0], entry.symbols[-1]) == (first, last)
    (again,) = parse_entries(format_board(entry.puzzle, entry.symbols))
    assert np.array_equal(again.puzzle, GIVENS) and again.symbols == entry.symbols


def test_numbers_on_a_line_are_no_board_of_another_side():
    board = np.zeros((16, 16), int)
    board.flat[:68] = 11  # 256 + 68 = 18 * 18 characters
    (entry,) = parse_entries(numbers(board, newline=" "))
    assert entry.puzzle.shape == (16, 16)


def test_zero_is_a_symbol_in_all_boards_of_a_file_in_hexadecimal():
    without_zero = np.where(GIVENS == 1, 0, GIVENS)
    texts = [write(FULL, HEXADECIMAL), write(GIVENS, HEXADECIMAL), write(without_zero, HEXADECIMAL)]
    entries = parse_entries("\n".join(texts))
    assert [e.symbols[0] for e in entries] == ["0", "0", "0"] and np.array_equal(entries[0].puzzle, FULL)
    (entry,) = parse_entries(f"{write(without_zero, HEXADECIMAL)},{write(FULL, HEXADECIMAL)}")
    assert follows_rules(entry.solution[None], entry.puzzle[None])[0]


def test_the_answer_is_in_the_symbols_of_the_puzzle(capsys):
    nearly = np.where(np.random.default_rng(1).random((16, 16)) < 0.9, FULL, 0)
    for symbols in (HEXADECIMAL, "ABCDEFGHIJKLMNOP"):
        assert main(["predict", "sudoku", write(nearly, symbols), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["solution"] == write(FULL, symbols)
    assert main(["predict", "sudoku", numbers(nearly)]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == [
        *"1234|5678|9",
        "10",
        "11",
        "12",
        "|",
        "13",
        "14",
        "15",
        "16",
    ]


def test_a_zero_in_doubt_is_asked_for():
    doubt = "0" + "." * 8 + "12345678." + "." * 63
    assert_refused(lambda: read_puzzles(doubt), DataError, "--symbols 012345678", "--symbols 123456789")
    assert (
        read_puzzles(doubt, "012345678")[0].puzzle[0, 0] == 1 and read_puzzles(doubt, "123456789")[0].puzzle[0, 0] == 0
    )
    for symbols in ("0123", "0012", "1234567", "wxyz"):
        with pytest.raises(DataError, match="--symbols"):
            read_puzzles(doubt, symbols)


# --- files -----------------------------------------------------------------------------------------------------------


def make_zip(text: str, *names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, text)
    return stream.getvalue()


TEXT = f"puzzle,solution\r\n{EASY},{SOLVED}\r\n"
CONTENTS = {
    "plain text called gz": TEXT.encode(),
    "gz": gzip.compress(TEXT.encode()),
    "zip": make_zip(TEXT, "sudoku.csv"),
    "zip of a Mac": make_zip(TEXT, "sudoku.csv", "__MACOSX/._sudoku.csv"),
    "mark": codecs.BOM_UTF8 + TEXT.encode(),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16 without mark": TEXT.encode("utf-16-le"),
    "UTF-32": gzip.compress(TEXT.encode("utf-32")),
    "two files": codecs.BOM_UTF8 + b"\n" + codecs.BOM_UTF8 + TEXT.encode(),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_files_are_read_by_their_content(kind, tmp_path, monkeypatch):
    (tmp_path / "p.gz").write_bytes(CONTENTS[kind])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONTENTS[kind])))
    for source in (str(tmp_path / "p.gz"), "~/p.gz", "-"):
        (puzzle,), (solution,), left_out = read_boards(source)
        assert (format_board(puzzle), format_board(solution), left_out) == (EASY, SOLVED, [])


def test_files_that_are_no_text_are_refused_with_the_place(tmp_path):
    (tmp_path / "p.txt").write_bytes(f"{EASY}\n# caf\u00e9\n".encode("latin-1"))
    assert_refused(lambda: read_boards(tmp_path / "p.txt"), DataError, "p.txt", "0xe9 in line 2", "UTF-8")
    (tmp_path / "p.zip").write_bytes(make_zip(TEXT, "a.csv", "b.csv"))
    assert_refused(lambda: read_boards(tmp_path / "p.zip"), DataError, "zip with 2 files")


def test_every_command_reads_what_predict_reads(tmp_path, capsys, monkeypatch):
    small = "1..2\n....\n....\n2..1\n"
    text = f"id,puzzle,solution\n1,1..4............,1234341221434321\n2,,\n3,1..2.............\n\nGrid 4\n{small}"
    (tmp_path / "p.csv").write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["predict", "sudoku", "~/p.csv"]) == 1
    first, second, third = capsys.readouterr().out.splitlines()
    assert (
        (second[:8], "17 cells" in second) == ("# line 4", True)
        and first.startswith("# 1..4")
        and third[:6] == "# 1..2"
    )
    assert main(["eval", "sudoku", "--data=~/p.csv", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["boards"] == 1 and json.loads(printed.out)["left_out"] == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{text}2..............., 2143432112343412\n"))
    app, config, run = SudokuApp(), SudokuConfig(data="-", puzzles=2), Run.create(tmp_path, "sudoku", {})
    boards = app.load_data(config, 0)
    app.save_data(config, boards, run)  # a run that is resumed finds what standard input had
    assert app.to_json(config, boards)["config"]["data"] is None
    assert np.array_equal(app.load_data(SudokuConfig(puzzles=2), 0, run), boards)


@pytest.mark.parametrize(("side", "shape"), [(4, [(4, 4)]), (9, [(9, 9)]), (16, 16 * [(4, 4)]), (20, [(20, 20)])])
def test_rows_are_lines_where_a_row_is_no_board(side, shape):
    assert [e.puzzle.shape for e in parse_entries("\n".join(["." * side] * side))] == shape


def test_lines_of_sixteen_cells_are_rows_if_most_cannot_be_boards_of_4x4():
    boards = ["1" + "." * 15] * 20
    entries = parse_entries("\n".join([*boards[:7], "5" + "." * 15, *boards[7:]]))
    assert [e.puzzle is None for e in entries] == [k == 7 for k in range(21)]
    rows = write(GIVENS, "123456789ABCDEFG", newline="\n").splitlines()
    assert [e.puzzle.shape for e in parse_entries("\n".join([*rows[:3], "." * 16, *rows[4:]]))] == [(16, 16)]


def test_paths_in_the_home_folder_are_read_and_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "p.txt").write_text("12..............,1234341221434321\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["predict", "sudoku", "~/p.txt", "--plot=~/steps.svg"]) in (0, 1)
    assert main(["eval", "sudoku", "--data=~/p.txt", "--checkpoint=~/nowhere"]) == 2
    assert str(tmp_path / "nowhere") in capsys.readouterr().err
    assert main(["predict", "sudoku", "--show-step"]) == 2
    assert "neither an option" in capsys.readouterr().err


BELOW = {
    "lines": f"{EASY}\n{SOLVED}",
    "sections": f"[Puzzle]\n{EASY}\n[Solution]\n{SOLVED}",
    "JSON": json.dumps({"quiz": EASY, "solution": SOLVED}, indent=1),
    "rows": "\n".join(ROWS) + "\n\n" + "\n".join(SOLVED[k : k + 9] for k in range(0, 81, 9)),
}


@pytest.mark.parametrize("way", BELOW)
def test_a_solution_below_its_puzzle_is_no_puzzle(way):
    entries = parse_entries("\n\n".join([BELOW[way]] * 2))
    assert [(format_board(e.puzzle), format_board(e.solution)) for e in entries] == [(EASY, SOLVED)] * 2


def test_boards_without_blanks_are_not_measured(tmp_path):
    file = tmp_path / "puzzles.txt"
    file.write_text("\n".join([EASY, EASY, SOLVED[::-1]]))
    puzzles, _, left_out = read_boards(file)
    assert len(puzzles) == 2 and "no blanks" in left_out[0]


def test_placed_digits_of_hodoku_are_cells():
    (entry,) = parse_entries(":0100:7:" + EASY.replace("9", "+9") + ":711 723::")
    assert format_board(entry.puzzle) == EASY
