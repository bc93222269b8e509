"""The site is built without a warning and is complete: pages, links, anchors, pictures, formulas, the API."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import tostring

import pytest

import einnet
import einnet.nn
import einnet.operations
import einnet.terms

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}

sys.path.insert(0, str(DOCS))
from build_site import build  # noqa: E402
from mathml import read  # noqa: E402

sys.path.remove(str(DOCS))


class Page(HTMLParser):
    """The anchors of a page, where it links to, and what it loads."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.silent: list[str] = []  # pictures without a text
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADED and LOADED[tag] in values:
            self.loaded.append(values[LOADED[tag]])
        if tag == "img" and not values.get("alt"):
            self.silent.append(values.get("src", ""))


def find_faults(site: Path) -> list[str]:
    """Broken links, what is loaded from elsewhere, and pictures without a text."""
    pages = {file: Page(file.read_text()) for file in site.rglob("*.html")}
    faults = []
    for file, page in pages.items():
        where = file.relative_to(site)
        faults += [f"{where} loads {url}" for url in page.loaded if _is_elsewhere(url)]
        faults += [f"{where} shows {url} without a text" for url in page.silent]
        for url in (*page.links, *page.loaded):
            if _is_elsewhere(url) or file.name == "404.html":  # its paths begin at the root of a server
                continue
            parts = urlsplit(url)
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file.resolve()
            if not target.is_file():
                faults.append(f"{where} leads to {url}, which does not exist")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                faults.append(f"{where} leads to {url}: the page has no such anchor")
    for file in site.rglob("*.css"):
        imported = re.findall(r"(?:@import\s+|url\()[\"']?((?:https?:)?//[^\"')]*)", file.read_text())
        faults += [f"{file.relative_to(site)} loads {url}" for url in imported]
    return faults


def _is_elsewhere(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.netloc) or parts.scheme not in ("", "data", "mailto")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site").resolve() / "site"
    build(folder)
    return folder


def test_the_site_is_complete_and_loads_nothing_from_elsewhere(site):
    assert len(list(site.rglob("*.html"))) > 30
    assert find_faults(site) == []


def list_pages(nav: list) -> list[str]:
    """The pages of a navigation."""
    names = []
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            names += list_pages(value) if isinstance(value, list) else [value]
    return names


def test_every_page_is_in_the_navigation():
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    written = [f.relative_to(DOCS) for f in DOCS.rglob("*.md")]
    tables = [f.relative_to(ROOT) for f in (ROOT / "benchmarks").glob("*.md")]
    assert sorted(list_pages(nav)) == sorted(map(str, written + tables))


def test_every_public_name_is_in_the_reference(site):
    anchors = set().union(*(Page(file.read_text()).ids for file in (site / "api").glob("*.html")))
    assert {name for name in einnet.__all__ if f"einnet.{name}" not in anchors} == set()
    for module in (einnet.nn, einnet.operations, einnet.terms):
        paths = {name: {f"einnet.{name}", f"{module.__name__}.{name}"} for name in module.__all__}
        assert {name for name in paths if not paths[name] & anchors} == set()


def test_formulas_are_mathml_and_doctests_are_code(site):
    text = (site / "tasks" / "pinv.html").read_text()
    assert "<math>" in text
    for file in site.rglob("*.html"):
        page = file.read_text()
        spans = re.findall(r'class="arithmatex">(.{6})', page, re.DOTALL)
        assert all(s.startswith("<math") for s in spans), file
        assert not re.search(r"<p>(?:<[^>]*>)?(?:>>>|&gt;&gt;&gt;)", page), f"a doctest that is no code in {file}"


def test_the_copy_button_takes_code_without_prompts_and_outputs(site):
    pages = [file.read_text() for file in site.rglob("*.html")]
    blocks = [
        b for page in pages for b in re.findall(r'"language-pycon highlight" data-copy="(.*?)">', page, re.DOTALL)
    ]
    assert len(blocks) > 150 and sum(page.count('"language-pycon') for page in pages) == len(blocks)
    for block in blocks:
        ast.parse(unescape(block))
    assert (
        '"language-console highlight" data-copy="einnet explain &quot;abH -&gt; abH&quot;"'
        in (site / "tour.html").read_text()
    )


@pytest.mark.slow
def test_code_fits_its_column(site, tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromedriver on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--window-size=700,1400", f"--user-data-dir={tmp_path}"):
        options.add_argument(argument)
    with webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver"))) as browser:
        browser.get((site / "tour.html").as_uri())
        clipped = """return [...document.querySelectorAll('.highlight code')].filter(c => c.scrollWidth > c.clientWidth
            && (c.closest('.language-pycon') || getComputedStyle(c).overflowX != 'auto')).map(c => c.innerText)"""
        assert browser.execute_script(clipped) == []


@pytest.mark.parametrize(
    ("tex", "mathml"),
    [
        ("a - 12", "<mi>a</mi><mo>−</mo><mn>12</mn>"),
        (r"x_{ij}", "<msub><mi>x</mi><mrow><mi>i</mi><mi>j</mi></mrow></msub>"),
        (r"A^\top", "<msup><mi>A</mi><mi>⊤</mi></msup>"),
        ("x''_i", "<msubsup><mi>x</mi><mi>i</mi><mrow><mo>′</mo><mo>′</mo></mrow></msubsup>"),
        (r"\sum_i^n i", "<munderover><mo>∑</mo><mi>i</mi><mi>n</mi></munderover><mi>i</mi>"),
        (r"\max_i", "<munder><mo>max</mo><mi>i</mi></munder>"),
        (r"\log n", '<mrow><mi>log</mi><mspace width="0.1em"></mspace></mrow><mi>n</mi>'),
        (
            r"\sqrt{n}\,\text{of all }",
            '<msqrt><mi>n</mi></msqrt><mspace width="0.17em"></mspace><mtext>of all </mtext>',
        ),
        (r"\left\{\frac1n\right\}", "<mo>{</mo><mfrac><mn>1</mn><mi>n</mi></mfrac><mo>}</mo>"),
        (
            r"\begin{pmatrix}a & b\\c & d\end{pmatrix}",
            '<mrow><mo>(</mo><mtable class="pmatrix"><mtr><mtd><mrow><mi>a</mi></mrow></mtd><mtd><mrow><mi>b</mi></mrow></mtd>'
            "</mtr><mtr><mtd><mrow><mi>c</mi></mrow></mtd><mtd><mrow><mi>d</mi></mrow></mtd></mtr></mtable><mo>)</mo></mrow>",
        ),
    ],
)
def test_a_formula_as_mathml(tex, mathml):
    markup = tostring(read(tex), "unicode", short_empty_elements=False)
    assert re.sub(r' (?:stretchy|movablelimits)="\w+"', "", markup) == f"<math><mrow>{mathml}</mrow></math>"
    assert read(tex, display=True).get("display") == "block"


@pytest.mark.parametrize(
    ("tex", "phrase"),
    [
        ("x_", "too early"),
        ("{x", "'}' is missing"),
        ("x}", "'}' is out of place"),
        (r"\text x", "in braces"),
        (r"\text{x", "in braces"),
        (r"\begin{array}x\end{array}", r"'\begin'"),
        (r"\begin{cases}x", r"'\end'"),
    ],
)
def test_a_formula_that_is_not_read(tex, phrase):
    with pytest.raises(ValueError, match=re.escape(phrase)):
        read(tex)


def test_the_search_knows_the_pages(site):
    index = (site / "search.json").read_text()
    assert all(word in index for word in ("tasks/sudoku.html", "Newton-Schulz", "assert_equivariant"))


NOTEBOOKS = sorted((ROOT / "examples").glob("*.py"))


def read_cells(site: Path, name: str) -> list[tuple[str, str]]:
    content = json.loads((site / "examples" / f"{name}.ipynb").read_text())
    assert (content["nbformat"], content["metadata"]["kernelspec"]["name"]) == (4, "python3")
    return [(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]]


@pytest.mark.parametrize("name", [file.stem for file in NOTEBOOKS])
def test_a_notebook_is_an_ipynb_file_without_what_is_not_public(site, name):
    (_, badge), (_, install), *cells = read_cells(site, name)
    assert f"colab.research.google.com/github/einnet/einnet/blob/gh-pages/examples/{name}.ipynb" in badge
    assert "git+https://github.com/einnet/einnet" in install
    source = (ROOT / "examples" / f"{name}.py").read_text()
    assert sum(kind == "markdown" for kind, _ in cells) == source.count("    mo.md(r")
    code = "\n".join(text for kind, text in cells if kind == "code")
    modules = {m for m in re.findall(r"from (einnet[\w.]*) import", code) if m.startswith("einnet.tasks")}
    assert all(re.fullmatch(r"einnet\.tasks\.\w+", module) for module in modules)
    ast.parse(code)


@pytest.mark.slow
@pytest.mark.parametrize("name", [file.stem for file in NOTEBOOKS])
def test_the_cells_of_a_notebook_run_in_their_order(site, name):
    pytest.importorskip("marimo")
    names, code = {}, [text for kind, text in read_cells(site, name)[2:] if kind == "code"]
    for text in code:
        exec(text, names)
    assert code and len(names) > 1


def test_a_page_leads_to_notebooks_and_to_colab(site):
    page = Page((site / "how-to" / "notebooks.html").read_text())
    assert "../examples/sets.ipynb" in page.links
    assert "https://colab.research.google.com/github/einnet/einnet/blob/gh-pages/examples/sets.ipynb" in page.links


@pytest.fixture
def small(tmp_path):
    """A site of one page."""
    for folder in ("docs", "benchmarks", "src"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file in (*DOCS.glob("*.py"), DOCS / "site.css"):
        shutil.copy(file, tmp_path / "docs")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("[there](nowhere.md)", "page does not exist"),
        ("[there](#no-such-heading)", "anchor does not exist"),
        (r"A formula, $\unheard{x}$.", r"'\unheard'"),
        ("::: einnet.no_such_name", "no_such_name"),
    ],
)
def test_what_is_wrong_ends_the_build(small, text, phrase):
    (small / "docs" / "index.md").write_text(f"# One page\n\n{text}\n")
    with pytest.raises(RuntimeError, match="not been built") as caught:
        build(small / "site", small)
    assert phrase in str(caught.value)
    assert not (small / "site").exists()


def test_a_site_replaces_the_one_before(small):
    (small / "docs" / "index.md").write_text("# One page\n\nIt has $x_i$ and [itself](index.md).\n")
    (small / "site").mkdir()
    (small / "site" / "old.html").write_text("old")
    build(small / "site", small)
    assert "<math>" in (small / "site" / "index.html").read_text()
    assert not (small / "site" / "old.html").exists()


def test_links_out_of_the_pages_become_names(small):
    (small / "src" / "code.py").write_text("")
    (small / "benchmarks" / "table.md").write_text("# A table\n")
    links = "[table](../benchmarks/table.md), [src/code.py](../src/code.py), [`code`](../src/code.py)"
    (small / "docs" / "index.md").write_text(f"# One page\n\n{links}\n")
    build(small / "site", small)
    page = (small / "site" / "index.html").read_text()
    assert '<a href="benchmarks/table.html">table</a>' in page
    assert "<code>src/code.py</code>, <code>code</code>" in page


def test_the_checker_finds_faults(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="b.html#there">b</a><a href="#here">a</a><a href="c.html">c</a>'
        '<a href="https://example.org/">far</a><img src="x.png"><script src="https://example.org/x.js"></script>'
    )
    (tmp_path / "b.html").write_text("<p>nothing</p>")
    (tmp_path / "x.css").write_text("@import url(https://example.org/font.css);")
    assert find_faults(tmp_path) == [
        "a.html loads https://example.org/x.js",
        "a.html shows x.png without a text",
        "a.html leads to b.html#there: the page has no such anchor",
        "a.html leads to c.html, which does not exist",
        "a.html leads to x.png, which does not exist",
        "x.css loads https://example.org/font.css",
    ]


def test_the_command_says_what_is_wrong(small):
    (small / "docs" / "index.md").write_text("# One page\n\n[there](nowhere.md)\n")
    result = subprocess.run([sys.executable, "docs/build_site.py"], cwd=small, capture_output=True, text=True)
    assert result.returncode == 1 and "page does not exist" in result.stderr and "Traceback" not in result.stderr
    assert subprocess.run([sys.executable, "docs/build_site.py", "--draft"], cwd=small).returncode == 0
    assert (small / "site" / "index.html").is_file()
