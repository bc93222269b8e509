"""The learning curve marks the best value, whichever way is better."""

import pytest
from matplotlib.figure import Figure

from einnet.plots.figures import draw_learning_curve


@pytest.mark.parametrize(("higher_is_better", "best"), [(True, "0.5, step 10"), (False, "0.001, step 20")])
def test_the_best_value_is_the_one_that_is_chosen(tmp_path, monkeypatch, higher_is_better, best):
    titles = []
    saved = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda f, *a, **k: (titles.extend(x.get_title() for x in f.axes), saved(f, *a, **k))
    )
    log = tmp_path / "log.csv"
    log.write_text("step,loss,error\n10,3.0,0.5\n20,0.1,0.001\n30,-0.2,0.01\n")
    draw_learning_curve(log, tmp_path / "curve.png", "error", higher_is_better)
    assert f"best valid error: {best}" in titles and (tmp_path / "curve.png").stat().st_size > 1000
