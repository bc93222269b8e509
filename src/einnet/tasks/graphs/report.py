"""What `einnet bench brec` shows: pairs told apart by category, beside published results."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from einnet.tasks.report import make_table

__all__ = ["PUBLISHED", "results"]

# Wang and Zhang, *An Empirical Study of Realized GNN Expressiveness*, 2024, table 2; its Regular has the
# 4-vertex-condition and distance-regular pairs too.
PUBLISHED = {
    "3-WL test": {"Basic": 60, "Regular": 50, "Extension": 100, "CFI": 60},
    "PPGN": {"Basic": 60, "Regular": 50, "Extension": 100, "CFI": 23},
    "KP-GNN": {"Basic": 60, "Regular": 106, "Extension": 98, "CFI": 11},
    "I2-GNN": {"Basic": 60, "Regular": 100, "Extension": 100, "CFI": 21},
}
BREC = {"Basic": 60, "Regular": 100, "Extension": 100, "CFI": 100, "4-Vertex_Condition": 20, "Distance_Regular": 20}
IN_REGULAR = ("Regular", "4-Vertex_Condition", "Distance_Regular")


def results(found: Mapping[str, Any], title: str) -> list[Table | str]:
    """A row for each category; the published numbers below where the file is that of BREC."""
    exact = "exact" in found["total"]
    how = f"{found['protocol']} networks with operations of up to {found['order']} operands, {found['depth']} layers"
    table = make_table(f"{title}: {how}")
    columns = ["category", "pairs", "told apart", *["in exact arithmetic"] * exact, "false positives"]
    for k, name in enumerate(columns):
        table.add_column(name, justify="left" if k == 0 else "right")
    for name, row in (*found["categories"].items(), ("all", found["total"])):
        table.add_row(Text(name), *(str(row[k]) for k in ("pairs", "apart", *["exact"] * exact, "false positives")))
    shown: list[Table | str] = [table]
    if exact:
        shown.append(_clarity(found))
    if {c: row["pairs"] for c, row in found["categories"].items()} == BREC:
        shown.append(_published(found))
    return [*shown, f"{found['seconds']:,.0f} s of one core, at most {found['peak_mib']:,} MiB"]


def _clarity(found: Mapping[str, Any]) -> str:
    names = ("smallest ratio of a pair told apart", "largest ratio of a pair not told apart")
    near, far = (found[n] for n in names)
    text = [f"{near:.1e} times where told apart" if near else "", f"{far:.1e} times where not" if far else ""]
    control = found["largest ratio of relabelled copies"]
    return (
        "Outputs for the two graphs differ, relative to those for relabelled copies of one graph, by at least "
        f"{' and at most '.join(t for t in text if t)}; for a further copy by at most {control:.1f} times."
    )


def _published(found: Mapping[str, Any]) -> Table:
    title = "beside published results: the 3-WL test itself, the others trained for each pair"
    table = Table(title=title, title_justify="left")
    for k, name in enumerate(("", "Basic 60", "Regular 140", "Extension 100", "CFI 100", "all")):
        table.add_column(name, justify="left" if k == 0 else "right")
    apart = {c: row["apart"] for c, row in found["categories"].items()}
    ours = {c: apart.get(c, 0) for c in ("Basic", "Extension", "CFI")}
    ours["Regular"] = sum(apart[c] for c in IN_REGULAR)
    for name, row in {f"EinNet, {found['protocol']}": ours, **PUBLISHED}.items():
        numbers = [row[c] for c in ("Basic", "Regular", "Extension", "CFI")]
        table.add_row(name, *map(str, (*numbers, sum(numbers))))
    return table
