"""`einnet train | eval | predict kg`."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from einnet.checks import check_count, check_real
from einnet.errors import CheckpointError, EinNetError
from einnet.plots.figures import check_picture
from einnet.tasks.app import Checkpoint, TaskApp, load_net, write_code
from einnet.tasks.console import Flag, Json, log
from einnet.tasks.kg.data import BUNDLED, KnowledgeGraph, check_splits, load
from einnet.tasks.report import Results, Suggestion, print_as
from einnet.train.options import check_fields
from einnet.train.run import Run

__all__ = ["KgApp", "KgConfig"]

Query = tuple[str, str | None, str | None]  # relation, head, tail
Source = Annotated[str, Parameter(name=("--dataset", "--data"))]


@Parameter(name="*", group="Data, network and loss")
@dataclass(frozen=True)
class KgConfig:
    """Data, network and loss."""

    dataset: Source = "kinship"
    """kinship, umls, nations, or a folder with train.txt, valid.txt and test.txt: head, relation and tail on each
    line, separated by tabs."""
    heads: int = 16
    "Features given to each operand of each pooling operation."
    hidden: int = 64
    "Features of the state at each pair of entities."
    depth: int = 4
    "Layers."
    dropout: float = 0.3
    "Probability of dropping a pooled value, and a value of a layer's update."
    lr: float = 3e-3
    "Peak learning rate."
    weight_decay: float = 0.5
    "Weight decay of the weight matrices."
    label_smoothing: float = 0.1
    "Share of the target that is spread over all candidates."
    mask_low: float = 0.02
    "Smallest share of the training facts that is hidden at a step."
    mask_high: float = 0.6
    "Largest share; the share is drawn again at each step."
    relation_loss: float = 1.0
    "Weight of predicting the relation, compared with head and tail; less where pairs have many relations."

    def __post_init__(self) -> None:
        check_fields(self, check_count, "heads", "hidden", "depth")
        check_fields(self, check_real, "lr", above=0)
        check_fields(self, check_real, "dropout", "label_smoothing", below=1)
        check_fields(self, check_real, "weight_decay", "relation_loss")
        if not 0 <= self.mask_low <= self.mask_high <= 1:
            raise EinNetError(f"expected 0 <= --mask-low <= --mask-high <= 1, got {self.mask_low} and {self.mask_high}")


class KgApp(TaskApp):
    """Learns which facts are missing from a knowledge graph."""

    name, config_class = "kg", KgConfig
    train_help = "Train on a knowledge graph, then rank the test facts."
    steps, validate_every, patience, auto_precision, sources = 800, 25, 10, "auto", ("dataset",)

    def load_data(self, config: KgConfig, seed: int, run: Run | None = None) -> KnowledgeGraph:
        return check_splits(_load(config.dataset, None if run is None else _relations(run)))

    def to_json(self, config: KgConfig, data: KnowledgeGraph) -> dict[str, Any]:
        source = config.dataset if config.dataset in BUNDLED else str(Path(config.dataset).resolve())
        notes = {"notes": list(data.notes)} if data.notes else {}
        return {"config": asdict(config) | {"dataset": source}, "relations": list(data.relations)} | notes

    def identify(self, data: KnowledgeGraph) -> Any:
        return data.entities, data.relations, data.train, data.valid, data.test

    def describe(self, config: KgConfig, data: KnowledgeGraph) -> str:
        entities, relations = len(data.entities), len(data.relations)
        return f"{data.name}: {entities} entities, {relations} relations, {len(data.train)} facts to learn from"

    def make_task(self, config: KgConfig, data: KnowledgeGraph, seed: int):
        from einnet.tasks.kg.network import Completion

        return Completion(data, config, seed)

    def load_net(self, run: Run):
        relations = len(_relations(run))
        return load_net(run.best, "aaH -> aaH", relations, 2 * relations, f"{relations} relations")

    def measure(self, net: Any, config: KgConfig, data: KnowledgeGraph) -> Results:
        from einnet.tasks.kg.evaluate import measure

        return measure(net, data)

    def suggest(self, run: Run, config: KgConfig, data: KnowledgeGraph) -> Suggestion:
        h, r, _ = data.test[0]
        head, relation = data.entities[h], data.relations[r]
        command = self.write_command("predict", run, "--head", head, "--relation", relation)
        query = f"einnet.tasks.kg.load({config.dataset!r}), {relation!r}, {head!r}, None"
        prediction = f"einnet.tasks.kg.answers(net, {query})[:3]"
        return Suggestion(command, write_code("einnet.tasks.kg", "einnet.EinNet.load", run, prediction))

    def evaluate(  # type: ignore[override]
        self,
        *,
        data: Source | None = None,
        network: Checkpoint = Checkpoint(),  # noqa: B008
        as_json: Json = False,
    ) -> int:
        """Rank the valid and test facts with a trained network.

        Args:
            data: A dataset as for training; without it, the one that the network was trained on.
        """
        run, config, graph = self.open_trained(network, data)
        check_splits(graph)
        return self.print_results(run, config, graph, as_json)

    def predict(
        self,
        *,
        relation: str,
        head: str | None = None,
        tail: str | None = None,
        top: int = 10,
        explain: Flag = False,
        plot: Path | None = None,
        data: Source | None = None,
        network: Checkpoint = Checkpoint(),  # noqa: B008
        as_json: Json = False,
    ) -> int:
        """Answer (head, relation, ?) or (?, relation, tail) with facts that are not known yet.

        einnet predict kg --head person1 --relation term4

        einnet predict kg --head person1 --relation term4 --explain --plot why.svg

        Args:
            relation: Name of the relation.
            head: Name of the head; then tails are ranked.
            tail: Name of the tail; then heads are ranked. With --explain, --head and --tail may both be given.
            top: How many new answers; the known ones are listed before them. With --explain, how many supporting facts.
            explain: Instead of the answers, show which known facts support the first new answer, or the fact with this
                head and this tail.
            plot: With --explain, draw the supporting facts to this file (.svg, .png or .pdf).
            data: A dataset as for training; without it, the one that the network was trained on.
        """
        if (head is None and tail is None) or (head is not None and tail is not None and not explain):
            expected = "--head for (head, relation, ?) or --tail for (?, relation, tail)"
            raise EinNetError(f"give {expected}, one of the two; with --explain also both")
        check_count(top, "--top")
        check_picture(plot)
        if plot is not None and not explain:
            raise EinNetError("--plot draws the facts that support an answer: add --explain")
        run, _, graph = self.open_trained(network, data)
        net, query = self.load_net(run), (relation, head, tail)
        return _explain(net, graph, query, top, plot, as_json) if explain else _answer(net, graph, query, top, as_json)

    def open_trained(self, network: Checkpoint, data: str | None) -> tuple[Run, KgConfig, KnowledgeGraph]:
        """A run, its config, and the data that is named or else the run's own."""
        run = network.find_run(self.name)
        config, _ = self.read_config(run)
        graph = _load(data or config.dataset, _relations(run))
        changes = self.find_changes(run, graph)
        if "config" in changes:  # the order of the relations is that of the network's features
            raise CheckpointError(f"{run.folder}: config changed since the run began: restore its config.json")
        if "data" in changes and data is None:
            log(f"{run.folder}: data changed since the run began")
        return run, config, graph


def _load(source: str, relations: Iterable[str] | None) -> KnowledgeGraph:
    """The graph; says what is unusual about it."""
    graph = load(source, relations)
    for note in graph.notes:
        log(f"{graph.name}: {note}")
    return graph


def _answer(net: Any, graph: KnowledgeGraph, query: Query, top: int, as_json: bool) -> int:
    from einnet.tasks.kg.predict import answers, print_answers

    ranked = answers(net, graph, *query)
    known = [a for a in ranked if a.known]
    new = ranked[len(known) :][:top]
    relation, head, tail = query
    title = f"({head or '?'}, {relation}, {tail or '?'})"
    content = {"query": title, "known": list(map(asdict, known)), "answers": list(map(asdict, new))}
    print_as(content, as_json, partial(print_answers, title, known, new))
    return 0


def _explain(net: Any, graph: KnowledgeGraph, query: Query, top: int, plot: Path | None, as_json: bool) -> int:
    from einnet.tasks.kg.explain import draw_explanation, explain_answer, print_explanation

    explanation = explain_answer(net, graph, *query, top)
    print_as(explanation.as_json(), as_json, partial(print_explanation, explanation))
    if plot is not None:
        draw_explanation(explanation, plot)
        log(f"drawn to {plot}")
    return 0


def _relations(run: Run) -> list[str]:
    """The relations of a run, in the order of the network's features."""
    try:
        return list(map(str, run.read_config()["relations"]))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{run.folder / 'config.json'} does not fit this version of EinNet: {error}") from None
