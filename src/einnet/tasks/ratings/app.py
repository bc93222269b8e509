"""`einnet train | eval | predict ratings`."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cyclopts import Parameter

from einnet.checks import check_count, check_real
from einnet.errors import EinNetError
from einnet.tasks.app import Checkpoint, TaskApp, load_net, write_code
from einnet.tasks.console import Json, Source, log
from einnet.tasks.ratings.data import Ratings, load
from einnet.tasks.report import Results, Suggestion, print_as
from einnet.train.options import check_fields
from einnet.train.run import Run

__all__ = ["RatingsApp", "RatingsConfig"]


@Parameter(name="*", group="Data, network and loss")
@dataclass(frozen=True)
class RatingsConfig:
    """Data, network and loss."""

    data: str | None = None
    """A file with a user, an item and a rating on each line: with tabs, commas or :: between them, packed or not, with
    the columns' names or without."""
    test: str | None = None
    "A file with the ratings to measure on; without it, a tenth of --data that is not learned from."
    hidden: int = 16
    "Features of the state of each rating; users and items have twice as many."
    heads: int = 8
    "Features given to each operand of each pooling operation."
    depth: int = 2
    "Layers."
    dropout: float = 0.1
    "Probability of dropping a pooled value, and a value of an update, while learning."
    hide_low: float = 0.1
    "Smallest share of the ratings that is hidden at a step."
    hide_high: float = 0.8
    "Largest share; the share is drawn again at each step, small ones more often."
    block: int = 100_000
    "Most ratings at a step, those of random users for random items; their number is drawn again at each step."
    square_loss: float = 3.0
    "Weight of the square error, compared with the cross-entropy of the levels."
    lr: float = 8e-3
    "Peak learning rate."
    weight_decay: float = 0.1
    "Decoupled, as in AdamW."

    def __post_init__(self) -> None:
        check_fields(self, check_count, "hidden", "heads", "depth")
        check_fields(self, check_count, "block", minimum=100)
        check_fields(self, check_real, "lr", above=0)
        check_fields(self, check_real, "dropout", below=1)
        check_fields(self, check_real, "weight_decay", "square_loss")
        if not 0 <= self.hide_low <= self.hide_high <= 1:
            raise EinNetError(f"expected 0 <= --hide-low <= --hide-high <= 1, got {self.hide_low} and {self.hide_high}")


class RatingsApp(TaskApp):
    """Learns to predict ratings."""

    name, config_class = "ratings", RatingsConfig
    train_help = "Learn to predict the ratings of users for items."
    steps, validate_every, warmup, sources = 400, 20, 10, ("data", "test")

    def load_data(self, config: RatingsConfig, seed: int, run: Run | None = None) -> Ratings:
        if config.data is None:
            raise EinNetError("give a file of ratings: --data FILE, with a user, an item and a rating on each line")
        return _load(config.data, config.test)

    def to_json(self, config: RatingsConfig, data: Ratings) -> dict[str, Any]:
        paths = {k: None if (v := getattr(config, k)) is None else str(Path(v).resolve()) for k in self.sources}
        return {"config": asdict(config) | paths} | ({"notes": list(data.notes)} if data.notes else {})

    def describe(self, config: RatingsConfig, data: Ratings) -> str:
        users, items = data.sizes
        return f"{data.name}: {users:,} users, {items:,} items, {len(data.train):,} ratings to learn from"

    def make_task(self, config: RatingsConfig, data: Ratings, seed: int):
        from einnet.tasks.ratings.network import Completion

        return Completion(data, config, seed)

    def load_net(self, run: Run):
        from einnet.tasks.ratings.network import FEATURES, OUT_FEATURES, SIGNATURE

        return load_net(run.best, SIGNATURE, FEATURES, OUT_FEATURES, "ratings")

    def measure(self, net: Any, config: RatingsConfig, data: Ratings) -> Results:
        from einnet.tasks.ratings.evaluate import measure

        return measure(net, data)

    def suggest(self, run: Run, config: RatingsConfig, data: Ratings) -> Suggestion:
        user = data.users[data.test.index[0, 0]]
        prediction = f"einnet.tasks.ratings.recommend(net, einnet.tasks.ratings.load({config.data!r}), {user!r})[:3]"
        code = write_code("einnet.tasks.ratings", "einnet.EinNet.load", run, prediction)
        return Suggestion(self.write_command("predict", run, "--user", user), code)

    def evaluate(  # type: ignore[override]
        self,
        *,
        data: Source | None = None,
        test: Source | None = None,
        network: Checkpoint = Checkpoint(),  # noqa: B008
        as_json: Json = False,
    ) -> int:
        """Measure a trained network on ratings that it is not shown, next to means and a matrix factorisation.

        Args:
            data: A file of ratings as for training, also of other users, items and levels; without it, the one that
                the network was trained on.
            test: A file with the ratings of --data to measure on; without it, a tenth of them.
        """
        run, config, ratings = self.open_trained(network, data, test)
        return self.print_results(run, config, ratings, as_json)

    def predict(
        self,
        *,
        user: str,
        item: str | None = None,
        top: int = 10,
        data: Source | None = None,
        network: Checkpoint = Checkpoint(),  # noqa: B008
        as_json: Json = False,
    ) -> int:
        """Name the items that a user would rate highest, among those that the user has not rated.

        einnet predict ratings --user 42

        einnet predict ratings --user me --data my_ratings.csv

        Args:
            user: Name of the user, as in the file.
            item: Name of an item: the chances of each rating of it instead.
            top: How many items.
            data: A file of ratings as for training, also of other users, items and levels; without it, the one that
                the network was trained on.
        """
        check_count(top, "--top")
        run, _, ratings = self.open_trained(network, data, None)
        from einnet.tasks.ratings.predict import print_recommendations, recommend

        answers = recommend(self.load_net(run), ratings, user, item)[:top]
        content = {"user": user, "items": [asdict(a) for a in answers]}
        print_as(content, as_json, partial(print_recommendations, user, answers))
        return 0

    def open_trained(
        self, network: Checkpoint, data: Path | None, test: Path | None
    ) -> tuple[Run, RatingsConfig, Ratings]:
        """A run, its config, and the data that are named or else the run's own."""
        run = network.find_run(self.name)
        config, _ = self.read_config(run)
        if data is None and test is not None:
            raise EinNetError("--test has ratings of the users and items of --data: give both")
        if data is not None:
            return run, config, _load(data, test)
        ratings = _load(config.data, config.test)
        if "data" in self.find_changes(run, ratings):
            log(f"{run.folder}: data changed since the run began")
        return run, config, ratings


def _load(data: Path | str, test: Path | str | None) -> Ratings:
    """The ratings; says what is unusual about them."""
    ratings = load(data, test)
    for note in ratings.notes:
        log(note)
    return ratings
