"""What a reader takes home: complete, without solutions, the same bytes for the same inputs."""

import html
import io
import json
import re
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from dllab_book import downloads
from small_book import ROOT, SITE

from dllab.authoring import read_lab
from dllab.authoring.build import chapter_paths
from dllab.authoring.leaks import solution_lines
from dllab.authoring.passes import chapter_notebook
from dllab.authoring.source import read_myst

SOURCES = sorted(path.parent for path in ROOT.glob("labs/source/*/lab.md"))
TOP = "deep-learning-labs/"


@pytest.fixture(scope="module")
def labs() -> dict[str, bytes]:
    """The files of the labs' zip in the built site."""
    return unpacked(SITE / "downloads" / downloads.LABS)


@pytest.fixture(scope="module")
def wheel(labs) -> dict[str, bytes]:
    """The files of the wheel in the labs' zip."""
    name = next(name for name in labs if name.endswith(".whl"))
    with zipfile.ZipFile(io.BytesIO(labs[name])) as archive:
        return {inside: archive.read(inside) for inside in archive.namelist()}


@pytest.fixture(scope="module")
def texts(labs, wheel) -> list[tuple[str, bytes]]:
    """Each file's name and what can be read in it, with single spaces."""
    return [
        (name, squeeze(text))
        for name, content in {**labs, **wheel}.items()
        if not name.endswith(("mutants.bin", ".whl"))
        for text in readings(name, content)
    ]


def unpacked(path: Path) -> dict[str, bytes]:
    if not path.exists():
        pytest.fail("there is no built book: run `make book`")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_all_that_a_lab_needs_is_in_the_zip(labs, wheel):
    """Each student notebook as it is handed out, the package, versions, data cards, licenses."""
    notebooks = sorted(ROOT.glob("labs/*.ipynb"))
    assert len(notebooks) == len(SOURCES)
    for path in notebooks:
        assert labs[f"{TOP}labs/{path.name}"] == path.read_bytes()
    assert labs[f"{TOP}constraints.txt"] == (ROOT / "constraints.txt").read_bytes()
    for name in ("MIT License", "Attribution 4.0", "dllab/data/files/LICENSES.md"):
        assert name in labs[f"{TOP}LICENSES.txt"].decode()
    assert "Iris" in labs[f"{TOP}DATA_CARDS.txt"].decode()
    data = {path.name for path in ROOT.glob("dllab/data/files/*.npz")}
    assert data
    assert data <= {name.rpartition("/")[2] for name in wheel}


def test_readme_names_the_files_that_are_there(labs):
    """The commands work on the names in the zip, and it says what needs a network."""
    text = labs[f"{TOP}README.txt"].decode()
    wheel = next(name for name in labs if name.endswith(".whl")).removeprefix(TOP)
    assert f'"./{wheel}[lab]"' in text
    assert "-c constraints.txt" in text
    assert "needs a network" in text
    assert len(re.findall(r"^\d\. ", text, re.MULTILINE)) == 3


@pytest.mark.parametrize("folder", SOURCES, ids=lambda folder: folder.name)
def test_no_solution_is_in_the_zip(texts, folder):
    """No two lines in a row of a solution stand in any file, packed or not.

    Single lines such as `return gradient` are nobody's property. The mutants are left out: they
    are packed because they come close to solutions.
    """
    lines = [squeeze(line.encode()) for line in solution_lines(read_lab(folder).notebook)]
    pairs = [first + b" " + second for first, second in pairwise(lines)]
    assert pairs
    for name, text in texts:
        found = [pair for pair in pairs if pair in text]
        assert not found, f"{name} holds {found[0]!r}"


def squeeze(text: bytes) -> bytes:
    return b" ".join(text.split())


def readings(name: str, content: bytes) -> list[bytes]:
    """Return a file's content, the code in it if it is a notebook, what is inside if compressed."""
    if name.endswith(".ipynb"):
        cells = json.loads(content)["cells"]
        return [content, "\n".join("".join(cell["source"]) for cell in cells).encode()]
    try:
        return [content, zlib.decompress(content)]
    except zlib.error:
        return [content]


def test_no_path_of_this_machine_is_inside(labs, wheel):
    """Nothing says in which folder the zip was made."""
    here = str(ROOT).encode()
    inside = {**labs, **wheel, **unpacked(SITE / "downloads" / downloads.CHAPTERS)}
    assert [name for name, content in inside.items() if here in content] == []
    assert [name for name in inside if name.startswith("/") or ".." in name.split("/")] == []


def test_same_inputs_give_the_same_bytes(tmp_path):
    """Two zip files of the same repository are equal: no time, no order, no owner is in them."""
    entries = downloads.labs_entries(ROOT)
    downloads.write_zip(tmp_path / "first.zip", entries)
    again = dict(reversed(downloads.labs_entries(ROOT).items()))
    downloads.write_zip(tmp_path / "second.zip", again)
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.zip", "second.zip"]


def test_an_unchanged_zip_is_not_made_again(tmp_path):
    """Only what goes into a zip decides whether it is made; a change is noticed."""
    source, made = tmp_path / "source.txt", []
    source.write_text("one", encoding="utf-8")

    def entries():
        made.append(source.read_bytes())
        return {"source.txt": source.read_bytes()}

    for text in ("one", "one", "two", "two"):
        source.write_text(text, encoding="utf-8")
        downloads._kept(tmp_path / "made.zip", [source], entries)
    assert made == [b"one", b"two"]
    assert unpacked(tmp_path / "made.zip") == {"source.txt": b"two"}


def test_a_zip_that_cannot_be_made_leaves_the_old_one(tmp_path):
    """Nobody gets half a file."""
    path = tmp_path / "made.zip"
    downloads.write_zip(path, {"a.txt": b"a"})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        downloads.write_zip(path, {"a.txt": b"a", "b.txt": 3})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("chapter", chapter_paths(ROOT), ids=lambda path: path.stem)
def test_each_chapter_can_be_downloaded_from_its_page_and_in_the_zip(chapter):
    """Both notebooks have the chapter's own code cells, which the suite runs, and no outputs."""
    name = chapter.relative_to(ROOT / "book").with_suffix(".ipynb").as_posix()
    expected = code(json.loads(json.dumps(chapter_notebook(read_myst(chapter)))))
    assert expected
    packed = unpacked(SITE / "downloads" / downloads.CHAPTERS)[f"deep-learning-chapters/{name}"]
    assert code(json.loads(packed)) == expected
    served = SITE / "_sources" / "book" / name
    assert code(json.loads(served.read_text(encoding="utf-8"))) == expected
    page = (SITE / "book" / name).with_suffix(".html").read_text(encoding="utf-8")
    assert f'_sources/book/{name}"' in page


def code(notebook) -> list[str]:
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells)
    return ["".join(cell["source"]).strip() for cell in cells]


def test_the_page_links_each_file_with_its_size():
    """What is offered is there, and its size is the one that the page names."""
    page = html.unescape((SITE / "book" / "appendix" / "downloads.html").read_text("utf-8"))
    offered = re.findall(r'href="\.\./\.\./downloads/([^"]+)"', page)
    assert {downloads.LABS, downloads.CHAPTERS} <= set(offered)
    assert sorted(offered) == sorted(path.name for path in (SITE / "downloads").iterdir())
    for name in offered:
        size = downloads.Download(SITE / "downloads" / name, name, "", "").size
        assert f"<p>{size}</p>" in page, name
