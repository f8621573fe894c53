"""Cells of several frameworks become one set of tabs; nothing else on a page changes."""

import re

import nbformat
import pytest
from dllab_book import tabs
from docutils import nodes
from docutils.utils import new_document
from small_book import ROOT, build_book, write_book
from sphinx_design.shared import is_component

CELL = '```{{code-cell}} ipython3\n:tags: [{tag}]\n\nprint("{text}" * 2)\n```\n\n'


def cells(*pairs: tuple[str, str]) -> str:
    """The source of code cells with a tag each that print a word twice."""
    return "".join(CELL.format(tag=tag, text=text) for tag, text in pairs)


def document(*tags: str | None) -> nodes.document:
    """A page as MyST-NB makes it: a cell for each tag, a paragraph for each None."""
    page = new_document("page")
    for number, tag in enumerate(tags):
        if tag is None:
            page += nodes.paragraph("", "between")
        else:
            metadata = {"tags": [tag] if tag else []}
            page += nodes.container(
                nb_element="cell_code", cell_metadata=metadata, classes=["cell"], number=number
            )
    return page


def sets(page: nodes.document) -> list[list[tuple[str, list[int]]]]:
    """Each set of tabs as (label, numbers of its cells)."""
    return [
        [
            (item[0].astext(), [cell["number"] for cell in item[1].children])
            for item in tab_set.children
        ]
        for tab_set in page.findall(lambda node: is_component(node, "tab-set"))
    ]


def test_neighbors_become_one_set():
    """Tabs stand in the order of their cells; cells around them stay where they are."""
    page = document("", "tab-numpy", "tab-torch", "tab-keras", "")
    assert tabs.fold(page) == []
    assert sets(page) == [[("NumPy", [1]), ("PyTorch", [2]), ("Keras", [3])]]
    assert [child.get("number") for child in page.children] == [0, None, 4]


def test_neighbors_of_one_framework_share_a_tab():
    """A step that needs two cells has both in its tab."""
    page = document("tab-jax", "tab-jax", "tab-torch")
    assert tabs.fold(page) == []
    assert sets(page) == [[("JAX", [0, 1]), ("PyTorch", [2])]]


@pytest.mark.parametrize("between", [(), (None,), ("",)])
def test_a_new_set_begins(between):
    """A tag that comes again, a text or another cell ends a set."""
    page = document("tab-jax", "tab-torch", *between, "tab-jax", "tab-torch")
    assert tabs.fold(page) == []
    assert [[label for label, _ in found] for found in sets(page)] == [["JAX", "PyTorch"]] * 2


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (("tab-numpy", None, ""), "`tab-numpy`: a set of one tab"),
        (("tab-numpy", "tab-numpy"), "`tab-numpy`: a set of one tab"),
        (("tab-numpy", "tab-tensorflow", "tab-pytorch"), "`tab-pytorch`: no such tab"),
    ],
)
def test_a_mistake_is_told_and_the_cell_stays(tags, said):
    """An unknown tag or a lonely tab is a sentence; no cell is lost."""
    page = document(*tags)
    before = [node for node in page.findall(nodes.container) if "number" in node]
    (_, message), *rest = tabs.fold(page)
    assert message.startswith(said)
    assert rest == []
    after = [node for node in page.findall(nodes.container) if "number" in node]
    assert after == before


def test_the_page_has_tabs_that_work_without_scripts(tmp_path):
    """Radio buttons and labels switch; code and outputs are in the page; the choice is shared.

    The notebook beside the page has the same cells, one after the other.
    """
    twice = cells(("tab-numpy", "ab"), ("tab-torch", "cd"))
    write_book(tmp_path, f"(demo-section)=\n# Page\n\nFirst.\n\n{twice}\nSecond.\n\n{twice}")
    built = build_book(tmp_path)
    assert built.status == 0, built.output
    page = built.page()
    radios = re.findall(r'<input[^>]*type="radio"[^>]*>', page)
    assert len(radios) == 4
    assert sum("checked" in radio for radio in radios) == 2
    assert len({re.search(r'name="([^"]+)"', radio)[1] for radio in radios}) == 2
    for name in ("numpy", "torch"):
        assert page.count(f'data-sync-group="framework" data-sync-id="{name}"') == 2
    assert "tabs.js" in page
    contents = page.split("sd-tab-content docutils")[1:]
    assert ["abab" in part and "cell_input" in part for part in contents] == [True, False] * 2
    assert ["cdcd" in part for part in contents] == [False, True] * 2
    notebook = nbformat.read(next(tmp_path.rglob("jupyter_execute/page.ipynb")), as_version=4)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "code", "code", "markdown", "code", "code"]


def test_a_mistake_fails_a_strict_build(tmp_path):
    """The warning names page and line."""
    write_book(tmp_path, f"(demo-section)=\n# Page\n\n{cells(('tab-cobol', 'ab'))}")
    built = build_book(tmp_path)
    assert built.status != 0
    assert re.search(r"page\.md:\d+: WARNING: `tab-cobol`: no such tab", built.output)


def test_paper_shows_every_tab():
    """On paper and when a page is printed, no tab is hidden and each label stands above its own."""
    for name in ("print.css", "dllab.css"):
        sheet = (ROOT / "book" / "_static" / name).read_text(encoding="utf-8")
        rule = re.search(r"\.sd-tab-set > \.sd-tab-content \{([^}]*)\}", sheet)
        assert rule
        assert "display: block !important" in rule[1]
        assert "order: 0" in rule[1]
