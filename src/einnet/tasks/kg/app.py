"""`einnet train | eval | predict kg`."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from einnet.checks import check_choice, check_count, check_real
from einnet.errors import CheckpointError, EinNetError
from einnet.plots.figures import check_picture
from einnet.tasks.app import Checkpoint, TaskApp, load_net, write_code
from einnet.tasks.console import Flag, Json, log
from einnet.tasks.kg.data import BUNDLED, KnowledgeGraph, check_splits, load
from einnet.tasks.report import Results, Suggestion, print_as
from einnet.train.options import Options, check_fields
from einnet.train.run import Run

__all__ = ["KgApp", "KgConfig"]

STATES = ("auto", "dense", "sparse")
DEFAULTS = {
    "dense": {
        "hidden": 64, "depth": 4, "dropout": 0.3, "lr": 3e-3, "weight_decay": 0.5, "label_smoothing": 0.1,
        "mask_low": 0.02, "mask_high": 0.6,
    },
    "sparse": {
        "hidden": 32, "depth": 5, "dropout": 0.0, "lr": 5e-3, "weight_decay": 0.01, "label_smoothing": 0.0,
        "mask_low": 0.0, "mask_high": 0.3,
    },
}  # fmt: skip
SPARSE_SCHEDULE = {"steps": 10_000, "validate_every": 250, "patience": 10, "auto_precision": "32"}
Query = tuple[str, str | None, str | None]  # relation, head, tail
Source = Annotated[str, Parameter(name=("--dataset", "--data"))]


@Parameter(name="*", group="Data, network and loss")
@dataclass(frozen=True)
class KgConfig:
    """Data, network and loss."""

    dataset: Source = "kinship"
    """kinship, umls, nations, or a folder with train.txt, valid.txt and test.txt: head, relation and tail on each
    line, separated by tabs."""
    state: str = "auto"
    """dense (a state for each pair of entities), sparse (a state for each entity, for one question at a time), or auto:
    sparse for graphs of more than 500 entities in which less than 5% of the pairs have a fact."""
    heads: int = 16
    "Features given to each operand of each pooling operation; of a dense state."
    hidden: int | None = None
    "Features of the state; by default 64 at each pair of entities, or 32 at each entity."
    depth: int | None = None
    "Layers; by default 4, or 5 of a sparse state, which then sees paths of five facts."
    dropout: float | None = None
    "Probability of dropping a pooled value, and a value of a layer's update; by default 0.3, sparse 0."
    lr: float | None = None
    "Peak learning rate; by default 3e-3, sparse 5e-3."
    weight_decay: float | None = None
    "Weight decay of the weight matrices; by default 0.5, sparse 0.01."
    label_smoothing: float | None = None
    "Share of the target that is spread over all candidates; by default 0.1; of a dense state."
    mask_low: float | None = None
    "Smallest share of the training facts that is hidden at a step; by default 0.02, sparse 0 besides what is asked."
    mask_high: float | None = None
    "Largest share; the share is drawn again at each step; by default 0.6, sparse 0.3."
    relation_loss: float = 1.0
    "Weight of predicting the relation, compared with head and tail; less where pairs have many; of a dense state."
    batch: int = 16
    "Questions of a step; of a sparse state."
    entities: int = 4096
    "Largest neighbourhood that a question sees; of a sparse state."

    def __post_init__(self) -> None:
        check_choice(self.state, "--state", STATES)
        check_fields(self, check_count, "heads", "hidden", "depth", "batch")
        check_fields(self, check_count, "entities", minimum=2)
        check_fields(self, check_real, "lr", above=0)
        check_fields(self, check_real, "dropout", "label_smoothing", below=1)
        check_fields(self, check_real, "weight_decay", "relation_loss")
        low, high = (0 if x is None else x for x in (self.mask_low, self.mask_high))
        if not 0 <= low <= (1 if self.mask_high is None else high) <= 1:
            raise EinNetError(f"expected 0 <= --mask-low <= --mask-high <= 1, got {self.mask_low} and {self.mask_high}")

    def with_defaults(self, state: str) -> "KgConfig":
        """The config of a dense or a sparse state, in which nothing is left to the default.

        >>> KgConfig(depth=3).with_defaults("sparse").hidden
        32
        """
        missing = {name: value for name, value in DEFAULTS[state].items() if getattr(self, name) is None}
        return replace(self, state=state, **missing)


class KgApp(TaskApp):
    """Learns which facts are missing from a knowledge graph."""

    name, config_class = "kg", KgConfig
    train_help = "Train on a knowledge graph, then rank the test facts."
    steps, validate_every, patience, auto_precision, sources = 800, 25, 10, "auto", ("dataset",)

    def load_data(self, config: KgConfig, seed: int, run: Run | None = None) -> KnowledgeGraph:
        graph = check_splits(_load(config.dataset, None if run is None else _relations(run)))
        if not _is_sparse(config, graph):
            graph.check_size()
        return graph

    def complete_config(self, config: KgConfig, data: KnowledgeGraph) -> KgConfig:
        return config.with_defaults("sparse" if _is_sparse(config, data) else "dense")

    def make_schedule(self, config: KgConfig) -> dict[str, Any]:
        return super().make_schedule(config) | (SPARSE_SCHEDULE if config.state == "sparse" else {})

    def read_config(self, run: Run) -> tuple[KgConfig, Options]:
        """As of every task; the state of runs before there was a choice is dense."""
        config, options = super().read_config(run)
        return (config.with_defaults("dense") if config.state == "auto" else config), options

    def to_json(self, config: KgConfig, data: KnowledgeGraph) -> dict[str, Any]:
        source = config.dataset if config.dataset in BUNDLED else str(Path(config.dataset).resolve())
        notes = {"notes": list(data.notes)} if data.notes else {}
        return {"config": asdict(config) | {"dataset": source}, "relations": list(data.relations)} | notes

    def identify(self, data: KnowledgeGraph) -> Any:
        return data.entities, data.relations, data.train, data.valid, data.test

    def describe(self, config: KgConfig, data: KnowledgeGraph) -> str:
        entities, relations = len(data.entities), len(data.relations)
        facts = f"{len(data.train)} facts to learn from"
        return f"{data.name}: {entities} entities, {relations} relations, {facts}; {config.state} state"

    def make_task(self, config: KgConfig, data: KnowledgeGraph, seed: int):
        from einnet.tasks.kg.network import Completion
        from einnet.tasks.kg.query_task import QueryTask

        return (QueryTask if _is_sparse(config, data) else Completion)(data, config, seed)

    def load_net(self, run: Run):
        relations, (config, _) = len(_relations(run)), self.read_config(run)
        if config.state == "sparse":
            from einnet.tasks.kg.query_net import FEATURES, SIGNATURE

            net = load_net(run.best, SIGNATURE, FEATURES, 1, "questions")
            if net.config.relations != 2 * relations:
                problem = f"{run.best} is a network for {net.config.relations // 2} relations"
                raise CheckpointError(f"{problem}, the config of its run has {relations}")
            return net
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
        load = "einnet.tasks.kg.QueryNet.load" if config.state == "sparse" else "einnet.EinNet.load"
        return Suggestion(command, write_code("einnet.tasks.kg", load, run, prediction))

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


def _is_sparse(config: KgConfig, graph: KnowledgeGraph) -> bool:
    """Whether the state is sparse: as the config says, or else as suits the graph."""
    return graph.is_sparse if config.state == "auto" else config.state == "sparse"


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
