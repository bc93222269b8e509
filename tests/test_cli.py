"""The command line: what it prints, its exit codes, and that it is quick to start."""

import json
import subprocess
import sys

import pytest

from einnet import EinNet
from einnet.cli import main
from families import family_splits, write_families

SMALL = ["--hidden", "16", "--heads", "4", "--depth", "2", "--precision", "32"]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A folder with data and a run that was trained on it."""
    folder = tmp_path_factory.mktemp("cli")
    data = write_families(folder / "families")
    assert main(["train", "kg", "--data", str(data), "--out", str(folder / "runs"), "--steps", "200", *SMALL]) == 0
    return folder


def run_of(folder):
    return next((folder / "runs" / "kg").iterdir())


def test_a_run_holds_config_log_checkpoints_metrics_and_picture(run_folder):
    names = sorted(p.name for p in run_of(run_folder).iterdir())
    assert names == [
        "best.safetensors", "config.json", "curve.png", "index.html", "last.safetensors", "log.csv", "metrics.json",
        "relations.png",
    ]  # fmt: skip
    metrics = json.loads((run_of(run_folder) / "metrics.json").read_text())
    assert metrics["dataset"] == "families"
    assert metrics["test"]["train"]["pessimistic"]["mrr"] > 0.5  # chance is about 0.2


def test_eval_prints_one_json_object_with_the_same_metrics(run_folder, capsys):
    assert main(["eval", "kg", "--checkpoint", str(run_of(run_folder)), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads((run_of(run_folder) / "metrics.json").read_text())
    assert set(result["test"]["train+valid"]["realistic"]) == {"mrr", "hits@1", "hits@3", "hits@10"}


def test_eval_on_other_data_with_the_same_relations(run_folder, capsys):
    data = write_families(run_folder / "more", families=7)
    assert main(["eval", "kg", "--data", str(data), "--out", str(run_folder / "runs")]) == 0
    assert "more: test facts ranked" in capsys.readouterr().out


def test_predict_answers_by_name_with_known_facts_apart(run_folder, capsys):
    test = next(t for t in family_splits()["test"] if t[1] in ("parent", "child"))
    query = ["predict", "kg", "--checkpoint", str(run_of(run_folder)), "--relation", test[1]]
    assert main([*query, "--head", test[0], "--top", "2"]) == 0
    printed = capsys.readouterr().out
    assert f"({test[0]}, {test[1]}, ?)" in printed
    assert test[2] in printed
    assert main([*query, "--tail", test[2], "--top", "16", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    splits = family_splits()
    facts = {h: split for split in ("valid", "train") for h, r, t in splits[split] if (r, t) == test[1:]}
    assert {a["entity"]: a["known"] for a in result["known"]} == facts
    assert all(a["probability"] is None for a in result["known"])
    assert len(result["answers"]) == 16 - len(facts)
    assert sum(a["probability"] for a in result["answers"]) == pytest.approx(1, abs=1e-5)


def test_an_argument_is_called_as_in_the_usage(capsys):
    for command, argument in (("explain", "SIGNATURE"), ("pool", "TYPES"), ("laurent", "VARIABLES")):
        assert main([command, "--help"]) == 0
        assert f"Usage: einnet {command} [OPTIONS] {argument}\n" in capsys.readouterr().out
        assert main([command]) == 2
        assert f"parameter {argument} requires an argument" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["aH", "-"], ["aH,", "aaH"]])  # a shell takes > H as a file for the output
def test_a_signature_without_quotes_is_said_to_need_them(words, capsys):
    assert main(["explain", *words]) == 2
    assert '"aH -> H"' in capsys.readouterr().err


def test_resume_refuses_options_that_it_would_not_use(run_folder, capsys):
    assert main(["train", "kg", "--resume", str(run_of(run_folder)), "--lr", "0.1"]) == 2
    assert "--resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["predict", "kg", "--relation", "spouse", "--head", "ann11"], "'ann1'"),
        (["predict", "kg", "--relation", "spous", "--head", "ann1"], "'spouse'"),
        (["predict", "kg", "--relation", "spouse"], "--tail"),
        (["train", "kg", "--data", "/nowhere"], "'/nowhere'"),
        (["train", "kg", "--minutes", "-1"], "--minutes"),
        (["train", "kg", "--minutes", "nan"], "got nan"),
        (["train", "kg", "--lr", "-1"], "--lr"),
        (["train", "kg", "--heads", "0"], "--heads"),
        (["train", "kg", "--dropout", "1.5"], "--dropout"),
        (["train", "kg", "--label-smoothing", "2"], "--label-smoothing"),
        (["train", "kg", "--data", "families", "--out", "families/train.txt"], "families/train.txt"),
        (["eval", "kg", "--out", "runs", "--data", "nations"], "not trained on"),
        (["explain", "aH aaH -> aH"], "\n  aH aaH -> aH\n    ^"),
        (["eval", "kg", "--out", "/nowhere"], "/nowhere/kg"),
        (["explain", "aXH"], "'X'"),
    ],
)
def test_wrong_input_gets_a_short_message_and_exit_code_2(run_folder, capsys, monkeypatch, arguments, phrase):
    monkeypatch.chdir(run_folder)
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert phrase in printed and "Traceback" not in printed
    assert len(printed.splitlines()) <= 5


def test_a_damaged_checkpoint_is_named(run_folder, tmp_path, capsys):
    copy = tmp_path / "run"
    copy.mkdir()
    for path in run_of(run_folder).iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "best.safetensors").write_bytes((copy / "best.safetensors").read_bytes()[:100])
    assert main(["eval", "kg", "--checkpoint", str(copy)]) == 2
    assert "best.safetensors" in capsys.readouterr().err
    (copy / "best.safetensors").write_bytes((copy / "last.safetensors").read_bytes())
    assert main(["eval", "kg", "--checkpoint", str(copy)]) == 2
    assert "EinNet training state" in capsys.readouterr().err


def test_names_that_look_like_markup_are_printed_as_they_are(run_folder, tmp_path, capsys):
    facts = family_splits()
    for split, rows in facts.items():
        text = "".join("\t".join(t) + "\n" for t in rows).replace("ann0", "[/b]").replace("bob0", "[red]")
        (tmp_path / f"{split}.txt").write_text(text)
    query = ["predict", "kg", "--checkpoint", str(run_of(run_folder)), "--data", str(tmp_path), "--top", "16"]
    assert main([*query, "--relation", "parent", "--head", "[red]"]) == 0
    printed = capsys.readouterr().out
    assert "([red], parent, ?)" in printed
    assert "[/b]" in printed


def test_a_network_of_another_task_is_refused(run_folder, tmp_path, capsys):
    copy = tmp_path / "run"
    copy.mkdir()
    (copy / "config.json").write_text((run_of(run_folder) / "config.json").read_text())
    EinNet("aH", 4, 8).save(copy / "best.safetensors")
    assert main(["eval", "kg", "--checkpoint", str(copy)]) == 2
    assert "is a network aH -> aH" in capsys.readouterr().err.replace("'", "")


def test_explain_prints_group_maps_operations_plan_and_parameters(capsys):
    assert main(["explain", "aaH -> aH"]) == 0
    printed = capsys.readouterr().out
    for part in ("S(n_a)", "linear equivariant maps aa -> a: 5", "ab,bc->ac", "2a^3 + 2a^2", "parameters"):
        assert part in printed


def test_a_network_that_memory_does_not_hold_is_exit_code_2(tmp_path, capsys):
    assert main(["train", "pinv", "--hidden", str(10**11), "--steps", "1", "--out", str(tmp_path)]) == 2
    assert "not enough memory" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["trian"], ["train", "kgg"], ["train", "kg", "--step", "3"], ["explain"]])
def test_a_mistyped_command_is_exit_code_2(arguments, capsys):
    assert main(arguments) == 2


def test_help_is_quick_and_imports_no_torch():
    code = "import sys, time; from einnet.cli import main; main(['--help']);"
    code += "print('torch' in sys.modules, time.process_time(), file=sys.stderr)"
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        torch, used = done.stderr.split()
        seconds.append(float(used))
        assert "Train a network on a task" in done.stdout
        assert torch == "False"
    assert min(seconds) < 1.0  # of processor time, from the start of the interpreter
