"""`einnet train kg`, `einnet eval kg`, `einnet predict kg`.

Torch is imported inside the functions: the command line must be quick to answer --help.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from einnet.errors import CheckpointError, DataError, EinNetError
from einnet.tasks.common import fitted, from_config, interrupted, load_net, run_to_resume, run_to_use
from einnet.tasks.console import Json, say
from einnet.tasks.kg.settings import Settings
from einnet.train.options import Options
from einnet.train.run import Run

if TYPE_CHECKING:
    from einnet.nn import EinNet
    from einnet.tasks.kg.data import KnowledgeGraph

__all__ = ["evaluate", "predict", "train"]

STEPS, EVERY = 800, 25

Source = Annotated[str, Parameter(name=("--dataset", "--data"))]
Checkpoint = Annotated[Path | None, Parameter(name="--checkpoint")]
Explain = Annotated[bool, Parameter(negative="")]


def train(
    *,
    dataset: Source = "kinship",
    settings: Settings = Settings(),  # noqa: B008
    options: Options = Options(),  # noqa: B008
    resume: Path | None = None,
) -> int:
    """Train on a knowledge graph, then rank the test facts.

    Parameters
    ----------
    dataset
        kinship, umls, nations, or a folder with train.txt, valid.txt and test.txt: head,
        relation and tail on each line, separated by tabs.
    resume
        Folder of a run to go on with, with the run's own data, settings and options.
    """
    from einnet.tasks.kg.report import relations_picture, results
    from einnet.tasks.kg.task import Completion
    from einnet.tasks.report import concluded

    if resume is None:
        run, graph = _new_run(dataset, settings, options)
    else:
        run_to_resume(resume, "kg", settings, options)
        run, graph = _opened(None, resume, options.out)
        settings, options = from_config(run, Settings)
    say(
        f"{graph.name}: {len(graph.entities)} entities, {len(graph.relations)} relations, {len(graph.train)} facts to "
        f"learn from\nrun in {run.folder}"
    )

    def task() -> Completion:
        return Completion(graph, settings, options.seed)

    if not fitted(task, Completion, run, options, resume, steps=STEPS, every=EVERY):
        return interrupted(run, "kg")
    net = _net(run)
    metrics = _measure(net, graph)
    text = "relations with most test facts, heads as rows and tails as columns"
    pictures = {"relations.png": (text, lambda picture: relations_picture(net, graph, picture))}
    concluded(run, metrics, [results(graph.name, metrics, graph.bundled)], pictures)
    return 0


def evaluate(
    *,
    data: Source | None = None,
    checkpoint: Checkpoint = None,
    as_json: Json = False,
    out: Path = Path("runs"),
) -> int:
    """Rank the valid and test facts with a trained network.

    Parameters
    ----------
    data
        A dataset as for training; without it, the one that the network was trained on.
    checkpoint
        Folder of a run; without it, the newest in --out.
    as_json
        Print one JSON object and nothing else.
    out
        Where to look for the newest run.
    """
    from einnet.tasks.kg.report import results
    from einnet.tasks.report import show

    run, graph = _opened(data, checkpoint, out)
    metrics = _measure(_net(run), graph)
    if as_json:
        print(json.dumps(metrics))
    else:
        show([results(graph.name, metrics, graph.bundled)])
    return 0


def predict(
    *,
    relation: str,
    head: str | None = None,
    tail: str | None = None,
    top: int = 10,
    explain: Explain = False,
    plot: Path | None = None,
    checkpoint: Checkpoint = None,
    data: Source | None = None,
    as_json: Json = False,
    out: Path = Path("runs"),
) -> int:
    """Answer (head, relation, ?) or (?, relation, tail) with facts that are not known yet.

    einnet predict kg --head person1 --relation term4

    einnet predict kg --head person1 --relation term4 --explain --plot why.svg

    Parameters
    ----------
    relation
        Name of the relation.
    head
        Name of the head; then tails are ranked.
    tail
        Name of the tail; then heads are ranked. With --explain, --head and --tail may both be given.
    top
        How many new answers; the known ones are listed before them. With --explain, how many
        supporting facts.
    explain
        Instead of the answers, show which known facts support the first new answer, or the fact with
        this head and this tail.
    plot
        With --explain, draw the supporting facts to this file (.svg, .png or .pdf).
    checkpoint
        Folder of a run; without it, the newest in --out.
    data
        A dataset as for training; without it, the one that the network was trained on.
    as_json
        Print one JSON object and nothing else.
    out
        Where to look for the newest run.
    """
    if (head is None and tail is None) or (head is not None and tail is not None and not explain):
        raise EinNetError(
            "give --head for (head, relation, ?) or --tail for (?, relation, tail), one of the two; "
            "with --explain also both"
        )
    if top < 1:
        raise EinNetError(f"--top must be 1 or more, got {top}")
    if plot is not None and not explain:
        raise EinNetError("--plot draws the facts that support an answer: add --explain")
    if explain:
        return _explain(*_opened(data, checkpoint, out), relation, head, tail, top, plot, as_json)
    from einnet.tasks.kg.predict import answers
    from einnet.tasks.kg.report import print_answers

    run, graph = _opened(data, checkpoint, out)
    found = answers(_net(run), graph, relation, head, tail)
    known = [a for a in found if a.known]
    new = found[len(known) :][:top]
    query = f"({head or '?'}, {relation}, {tail or '?'})"
    if as_json:
        lists = {"known": [a.as_json() for a in known], "answers": [a.as_json() for a in new]}
        print(json.dumps({"query": query, **lists}))
    else:
        print_answers(query, known, new)
    return 0


def _explain(
    run: Run,
    graph: "KnowledgeGraph",
    relation: str,
    head: str | None,
    tail: str | None,
    top: int,
    plot: Path | None,
    as_json: bool,
) -> int:
    from einnet.plots.figures import check_picture_name
    from einnet.tasks.kg.explain import explained
    from einnet.tasks.kg.explain_report import explanation_picture, print_explanation

    if plot is not None:
        check_picture_name(plot)
    found = explained(_net(run), graph, relation, head, tail, top)
    if as_json:
        print(json.dumps(found.as_json()))
    else:
        print_explanation(found)
    if plot is not None:
        explanation_picture(found, plot)
        say(f"drawn to {plot}")
    return 0


def _new_run(dataset: str, settings: Settings, options: Options) -> "tuple[Run, KnowledgeGraph]":
    from einnet.tasks.kg.data import BUNDLED, load

    graph = load(dataset)
    config = {
        "data": dataset if dataset in BUNDLED else str(Path(dataset).resolve()),
        "settings": settings.as_json(),
        "options": options.as_json(),
        "relations": list(graph.relations),
    }
    return Run.create(options.out, "kg", config), graph


def _opened(data: str | None, checkpoint: Path | None, out: Path) -> "tuple[Run, KnowledgeGraph]":
    from einnet.tasks.kg.data import load

    run = run_to_use(checkpoint, out, "kg")
    trained_on, relations = _from_config(run)
    try:
        return run, load(data or trained_on, relations)
    except DataError as error:
        if "was not trained on" not in str(error):
            raise
        raise DataError(
            f"{error} It is the network in {run.folder}, trained on {trained_on}: name another run with --checkpoint, "
            f"or train one with 'einnet train kg --data {data}'"
        ) from None


def _from_config(run: Run) -> tuple[str, list[str]]:
    """The data and the order of its relations."""
    config: dict[str, Any] = run.read_config()
    from_config(run, Settings)
    try:
        return str(config["data"]), list(map(str, config["relations"]))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{run.folder / 'config.json'} does not fit this version of EinNet: {error}") from None


def _net(run: Run) -> "EinNet":
    relations = len(_from_config(run)[1])
    return load_net(run.best, "aaH -> aaH", relations, 2 * relations, f"{relations} relations")


def _measure(net: "EinNet", graph: "KnowledgeGraph") -> dict[str, Any]:
    from einnet.tasks.kg.evaluate import evaluate

    return {"dataset": graph.name, **evaluate(net, graph)}
