"""Ratings of users for items, type `[ab]H`: hidden ratings are predicted from the known ones, as distributions.

Read in this order: `data` (files, splits, the axis of ratings), `estimates` (biases, factors and neighbours in closed
form), `network` (the network and how it learns), `baselines`, `evaluate` (errors, table and picture), `predict` (the
items that a user would rate highest), `app` (the config and the commands).
"""

from typing import TYPE_CHECKING

from einnet.tasks import import_lazily

if TYPE_CHECKING:
    from einnet.tasks.ratings.app import RatingsConfig
    from einnet.tasks.ratings.data import Ratings, load
    from einnet.tasks.ratings.estimates import Known
    from einnet.tasks.ratings.network import Forecast, forecast, make_net
    from einnet.tasks.ratings.predict import recommend

__all__ = ["Forecast", "Known", "Ratings", "RatingsConfig", "forecast", "load", "make_net", "recommend"]

__getattr__ = import_lazily(__name__, "app data estimates network predict")
