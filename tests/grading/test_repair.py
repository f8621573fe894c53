"""Reading and mending alone: every form a file comes in, and every step of the table."""

import inspect
import json
import re
import zipfile
from io import BytesIO

import pytest

from dllab.authoring import read_lab
from dllab.authoring.build import to_json
from dllab.check.loading import find_lab, lab_names, read_lab_folder
from dllab.errors import UnreadableError
from dllab.grading import notebook, repair, steps, submissions
from dllab.grading.names import bound, parse, plain, used
from dllab.grading.notebook import Cell, RawCell, read
from dllab.grading.released import Released, released
from dllab.grading.repair import STEPS, mend

HEAD = 'def twice(x):\n    """Return 2 x."""\n'
STUB = f'{HEAD}    raise NotImplementedError("twice: replace this line")'
DONE = f"{HEAD}    return 2 * x"
NO_LAB = Released("none", (), ())


def as_json(*sources: object, **more: object) -> bytes:
    cells = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"cells": cells, "nbformat": 4, **more}).encode()


def sources(content: bytes) -> list[str]:
    return [cell.source for cell in read(content)[0]]


def code(*texts: str) -> list[RawCell]:
    return [RawCell("code", text, number) for number, text in enumerate(texts, start=1)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Released:
    """A lab with one task, given code that it needs, and an experiment."""
    folder = tmp_path_factory.mktemp("labs") / "90_twice"
    folder.mkdir()
    cells = [
        {"source": "import numpy as np\nlab = 1", "kind": "setup", "task": ""},
        {"source": "def helper(x):\n    return x", "kind": "given", "task": ""},
        {"source": STUB, "kind": "task", "task": "twice"},
        {"source": 'lab.check("twice")', "kind": "check", "task": "twice"},
        {"source": "y = twice(helper(np.ones(3)))", "kind": "uses-solution", "task": ""},
    ]
    (folder / "released.json").write_text(json.dumps({"cells": cells}))
    (folder / "checks.py").write_text("")
    return released(read_lab_folder(folder))


SETUP, HELPER = "import numpy as np\nlab = 1", "def helper(x):\n    return x"


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("source", ["x = 1\ny = 2", ["x = 1\n", "y = 2"], ["x = 1\r\n", "y = 2"]])
def test_sources_as_text_and_as_lines(source):
    """Both ways to write a source are read, with one kind of line end."""
    assert sources(as_json(source)) == ["x = 1\ny = 2"]


@pytest.mark.parametrize("source", [None, 3, {"a": 1}, [1, None, ["x"]], True])
def test_sources_of_wrong_types_are_empty(source):
    """A source that is no text holds no code, and stops nothing."""
    assert sources(as_json(source, "x = 1")) == ["", "x = 1"]


def test_cells_of_wrong_types():
    """Entries that are no cells are counted and left out; code cells keep their numbers."""
    entries = [None, 3, "x", {"cell_type": "markdown", "source": "a"}, {"source": "b"}, {}]
    entries += [{"outputs": [], "source": "c"}, {"cell_type": "code", "source": "d"}]
    cells, repairs = read(json.dumps({"cells": entries}).encode())
    assert [(cell.kind, cell.source, cell.number) for cell in cells] == [
        ("markdown", "a", 0),
        ("raw", "b", 0),
        ("raw", "", 0),
        ("code", "c", 1),
        ("code", "d", 2),
    ]
    assert [repair.step for repair in repairs] == ["damaged-cells"]


@pytest.mark.parametrize("number", [2, 3, "four", None, -1, 10**30])
def test_the_format_number_decides_nothing(number):
    """The file's structure says which format it has."""
    assert sources(as_json("x = 1", nbformat=number)) == ["x = 1"]


def test_formats_2_and_3():
    """Old formats keep cells in worksheets and code in `input`."""
    cells = [{"cell_type": "code", "input": ["x = 1\n", "y = 2"]}, {"cell_type": "heading"}]
    sheets = [{"cells": cells}, None, {"cells": [{"cell_type": "code", "input": "z = 3"}]}]
    found, repairs = read(json.dumps({"worksheets": sheets, "nbformat": 3}).encode())
    assert [cell.source for cell in found if cell.kind == "code"] == ["x = 1\ny = 2", "z = 3"]
    assert [repair.step for repair in repairs] == ["old-format"]


def test_what_a_server_wraps_a_notebook_in():
    """The answer of a Jupyter server's contents service holds the notebook."""
    inner = json.loads(as_json("x = 1"))
    assert sources(json.dumps({"type": "notebook", "content": inner}).encode()) == ["x = 1"]


@pytest.mark.parametrize(
    ("encoding", "step"),
    [
        ("utf-8", None),
        ("utf-8-sig", "byte-order-mark"),
        ("utf-16", "encoding"),
        ("utf-16-le", "encoding"),
        ("utf-16-be", "encoding"),
        ("utf-32", "encoding"),
        ("latin-1", "encoding"),
        ("cp1252", "encoding"),
    ],
)
def test_encodings(encoding, step):
    """Letters beyond ASCII survive every encoding that editors write."""
    text = json.dumps({"cells": [{"cell_type": "code", "source": "ä = 'é'"}]}, ensure_ascii=False)
    cells, repairs = read(text.encode(encoding))
    assert [cell.source for cell in cells] == ["ä = 'é'"]
    assert [repair.step for repair in repairs] == ([step] if step else [])


def test_a_broken_character_costs_only_itself():
    """UTF-8 with one broken byte stays UTF-8."""
    content = as_json("PLACE").replace(b"PLACE", "größe = 'ü' # ".encode() + b"\xff")
    assert sources(content) == ["größe = 'ü' # \ufffd"]


def test_lone_surrogates_and_null_characters():
    """What cannot be written as UTF-8 does not leave the reader."""
    (source,) = sources(b'{"cells": [{"cell_type": "code", "source": "a\\ud800\\u0000 = 1"}]}')
    assert source == "a? = 1"


@pytest.mark.parametrize("value", ["NaN", "1e999", "-Infinity", "9" * 100_000])
def test_odd_numbers(value):
    """Numbers that JSON does not know, or that take minutes to convert, are only numbers."""
    content = f'{{"x": {value}, "cells": [{{"cell_type": "code", "source": "x"}}]}}'
    assert sources(content.encode()) == ["x"]


ZIP = BytesIO()
with zipfile.ZipFile(ZIP, "w") as archive:
    archive.writestr("x.ipynb", "{}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \n\0", "empty"),
        (as_json("x = 1", metadata={})[:-30], "cut off"),
        (as_json("x = 1")[:-1], "cut off"),
        (b'{"cells": [,]}', "line 1"),
        (b'{\n<<<<<<< HEAD\n "cells": []\n=======\n>>>>>>> b\n}', "merge conflict"),
        (b'{"error": "not found"}', "no cells"),
        (b'{"cells": {"a": 1}}', "no cells"),
        (b'[{"cells": [{"cell_type": "code", "source": "x = 1"}]}]', "no cells"),
        (b"<!DOCTYPE html><html><body>Login</body></html>", "web page"),
        (b"\n <html><body>502</body></html>", "web page"),
        (b"# Title\n\n```python\ndef f(): pass\n```\nText, and more.\n", "Markdown"),
        (b"Dear teacher, my notebook does not open.", "neither a notebook nor Python"),
        (b"hello", "plain text"),
        (ZIP.getvalue(), "zip archive"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n", "picture"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
        (bytes(range(256)) * 4, "neither"),
        (b'{"cells": ' + b"[" * 200_000, "nested too deeply"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (as_json(*[""] * (notebook.MAX_CELLS + 1)), "cells, more than"),
        (as_json("x = 1\n" * 600_000), "characters of code"),
    ],
)
def test_unreadable_files_say_what_they_are(content, words):
    """Each file that is no notebook is refused in a sentence of its own."""
    with pytest.raises(UnreadableError) as raised:
        read(content)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 200
    assert str(raised.value).endswith(".")


def test_text_after_the_end():
    """What follows a whole notebook is left out."""
    cells, repairs = read(as_json("x = 1") + b"\n}\n>>> garbage")
    assert [cell.source for cell in cells] == ["x = 1"]
    assert [repair.step for repair in repairs] == ["trailing-text"]


@pytest.mark.parametrize(
    ("script", "cells"),
    [
        ("import numpy as np\n\ndef f(x):\n    return x\n", 1),
        ("# %%\nx = 1\n# %% [markdown]\n# Text\n# %%\ny = 2\n", 3),
        ("#!/usr/bin/env python\n# coding: utf-8\n\n# In[1]:\n\nx = 1\n\n# In[ ]:\n\ny = 2\n", 3),
        ('"""A docstring."""\nx = 1\n', 1),
        ("[x for x in range(3)]\nz = 4\n", 1),
        ("{'a': 1}\nz = 4\n", 1),
    ],
)
def test_scripts_are_read_as_notebooks(script, cells):
    """A Python file is split where editors and nbconvert mark cells."""
    found, repairs = read(script.encode())
    assert len(found) == cells
    assert [repair.step for repair in repairs] == ["script"]


# ---------------------------------------------------------------- looking at code


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("%time x = 1\ny = 2", "pass\ny = 2"),
        ("!pip install a \\\n   b\nx = 1", "pass\n#\nx = 1"),
        ("if x:\n    %cd a\n    y = 1", "if x:\n    pass\n    y = 1"),
        ("files = !ls\nnp.sum?", "files = None\npass"),
        ("\n%%time\nx = 1", "#\n#\nx = 1"),
        ("%%bash\nls\nls", "#\n#\n#"),
        ("z = (5\n  % 3)", "z = (5\n  % 3)"),
        ("!ls\nz = (5\n  % 3)", "pass\nz = (5\n  % 3)"),
    ],
)
def test_lines_keep_their_numbers(source, python):
    """Lines for IPython are replaced one by one, and remainders are left alone."""
    assert plain(source) == python


def test_bound_names():
    """All that binds a name at the top level counts, and nothing inside of functions."""
    source = (
        "import a.b, c as d\nfrom e import f\ng = h, (i, *j) = 1, (2, 3)\nk: int = 1\nl += 1\n"
        "with open(x) as m:\n    n = 1\nfor o in p:\n    pass\nelse:\n    q = 1\n"
        "try:\n    r = 1\nexcept E as s:\n    t = 1\nif (u := 1):\n    def v(w): y = 1\n"
        "match 1:\n    case 1:\n        z = 1\n[aa for aa in p]\n"
    )
    assert bound(parse(source)) >= set("adfghijklmnoqrtuvz")
    assert not bound(parse(source)) & {"w", "y", "aa", "x", "p"}


def test_names_that_are_read():
    """A name counts if it comes from the notebook, not if it is a parameter or local."""
    source = "def f(X, y):\n    z = X\n    return [g(a) for a in z] + h\nprint(k)"
    assert used(source) == {"g", "h", "print", "k"}


@pytest.mark.parametrize(
    "source",
    [
        "(" * 10_000,
        "-" * 100_000 + "1",
        "x" + ".a" * 100_000,
        "[" * 90 + "]" * 90,
        "\0",
        "é" * 600_000,
    ],
    ids=range(6),
)
def test_hostile_code_is_only_looked_at(source):
    """Code that breaks parsers is no Python or is left alone; nothing is raised."""
    cells, _ = mend(code(source, DONE), NO_LAB)
    assert Cell(DONE, 2) in cells


def test_nothing_is_run(capsys):
    """Looking at code never runs it, not even a decorator, default, annotation or magic."""
    decorated = "@print\ndef f(x=print('ran')) -> print('ran'): pass"
    source = f"print('ran')\n{decorated}\nclass A(print('a')): pass"
    mend(code(source, "%run x.py", "!touch /tmp/never", f"{source}\n("), NO_LAB)
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- mending


@pytest.mark.parametrize("name", lab_names())
@pytest.mark.parametrize("kind", ["student", "solution", "nbgrader"])
def test_nothing_to_mend_in_what_the_course_hands_out(name, kind):
    """A lab's own notebooks need no repair; checks and experiments are not run."""
    source = read_lab(find_lab(name).folder)
    content = to_json(getattr(source, f"{kind}_notebook")()).encode()
    raw, repairs = read(content)
    cells, more = mend(raw, released(find_lab(name)))
    assert (*repairs, *more) == ()
    shown = "\n".join(cell.source for cell in cells)
    assert "lab.check" not in shown
    assert "lab.progress" not in shown
    assert set(released(find_lab(name)).asked) <= {n for c in cells for n in bound(parse(c.source))}


@pytest.mark.parametrize("name", lab_names())
def test_released_cells_hold_no_solution(name):
    """What the grader knows of a lab has stubs and no solution region."""
    text = "\n".join(cell.source for cell in released(find_lab(name)).cells)
    assert "SOLUTION" not in text
    assert "raise NotImplementedError" in text


def test_released_is_read_once():
    """All submissions of a run share one `Released`."""
    assert released(find_lab(lab_names()[0])) is released(find_lab(lab_names()[0]))


def test_every_step_has_a_sentence_and_every_sentence_a_step():
    """The table and the code name the same steps."""
    text = "\n".join(inspect.getsource(module) for module in (notebook, repair, submissions))
    assert set(re.findall(r'repaired\(\s*"([a-z-]+)"', text)) | {"install", "magics"} == set(
        steps.SENTENCES
    )
    assert all(step.__doc__ for step in STEPS)


def test_sentences_show_student_text_on_one_short_line():
    """A sentence quotes at most 80 characters, none of them hidden."""
    sentence = steps.repaired("magics", 1, line="a`\n\x1b[2J\u202e" + "x" * 200).sentence
    assert sentence.isprintable()
    assert len(sentence) < 150


def test_missing_code_is_put_back_at_its_place(lab):
    """Setup first; given code behind what comes before it in the lab."""
    cells, repairs = mend(code("z = 1", DONE), lab)
    assert [cell.source for cell in cells] == [SETUP, HELPER, "z = 1", DONE]
    assert [cell.number for cell in cells] == [0, 0, 1, 2]
    assert sorted(repair.step for repair in repairs) == ["given-code", "setup-cell"]


def test_own_version_of_given_code_stays(lab):
    """Who rewrites what the lab gives keeps the own version."""
    own = "def helper(x):\n    return 1 * x"
    cells, repairs = mend(code(SETUP, own, DONE), lab)
    assert [cell.source for cell in cells] == [SETUP, own, DONE]
    assert repairs == ()


def test_experiment_runs_where_it_is_needed_or_changed(lab):
    """The lab's experiment is left out, unless a cell uses its names or it was changed."""
    experiment = "y = twice(helper(np.ones(3)))"
    base = (SETUP, HELPER, DONE, experiment)
    assert experiment not in [cell.source for cell in mend(code(*base), lab)[0]]
    needed = mend(code(*base, "def more():\n    return y"), lab)[0]
    assert experiment in [cell.source for cell in needed]
    changed = mend(code(*base[:3], experiment + " + 1"), lab)[0]
    assert experiment + " + 1" in [cell.source for cell in changed]


def test_stub_never_replaces_work(lab):
    """A stub after the work goes, a stub before it stays, an edited docstring changes nothing."""
    late = mend(code(SETUP, HELPER, DONE, STUB.replace("Return", "Give") + "\nz = 1"), lab)
    assert "NotImplementedError" not in "".join(cell.source for cell in late[0])
    assert "z = 1" in late[0][-1].source
    early = mend(code(SETUP, HELPER, STUB, DONE), lab)
    assert [cell.source for cell in early[0]] == [SETUP, HELPER, STUB, DONE]
    assert early[1] == ()
    assigned = mend(code(SETUP, HELPER, "twice = lambda x: 2 * x", STUB), lab)
    assert [repair.step for repair in assigned[1]] == ["untouched-copy"]


def test_later_work_replaces_earlier_work(lab):
    """The last version counts, also where an older one was copied behind it on purpose."""
    first, second = DONE, DONE.replace("2 * x", "x + x")
    cells, repairs = mend(code(SETUP, HELPER, first, second, first), lab)
    assert [cell.source for cell in cells][-3:] == [first, second, first]
    assert repairs == ()


def test_text_cell_with_a_stub_stays_text(lab):
    """Only an answer that no code cell holds is taken from a text cell."""
    for text, expected in ((STUB, 0), (DONE, 1), (f"Look:\n\n~~~python\n{DONE}\n~~~\nDone.", 1)):
        cells, _ = mend([*code(SETUP, HELPER), RawCell("markdown", text)], lab)
        assert sum(DONE in cell.source for cell in cells) == expected
    both = mend([*code(SETUP, HELPER, DONE), RawCell("markdown", DONE.replace("2", "3"))], lab)[0]
    assert "3 * x" not in "".join(cell.source for cell in both)


def test_broken_cell_keeps_its_good_statements(lab):
    """A statement that is not Python costs itself; decorators and `else` stay."""
    good = "@print\ndef a():\n    return 1\n\nif a:\n    b = 1\nelse:\n    b = 2"
    cells, repairs = mend(code(SETUP, HELPER, f"{good}\nprint('x'\n\nc = [\n  1,\n]\n{DONE}"), lab)
    kept = parse(cells[-1].source)
    assert bound(kept) >= {"a", "b", "twice"}
    assert repairs[0].cell == 3
    assert repairs[0].sentence.startswith("Line 9")


def test_broken_draft_never_replaces_work(lab):
    """Of a cell that could never have run, nothing takes the place of what did run."""
    draft = "def twice(x):\n    return 3 * x\n\ndef other(:\n    pass"
    cells, _ = mend(code(SETUP, HELPER, DONE, draft), lab)
    assert "3 * x" not in "".join(cell.source for cell in cells)


@pytest.mark.parametrize(
    ("cell", "runs"),
    [
        ('lab.check("twice")', False),
        ("lab.progress()", False),
        ('display(_result := lab.check("twice"))\n_result.points', False),
        ('print(lab.check("twice"))', False),
        ('my = 1; lab.check("twice")', True),
        ('lab.check("twice"); import os', True),
        ('f(lab.check("twice"))', True),
    ],
)
def test_check_cells(lab, cell, runs):
    """A cell that only checks is not run; one that does more is."""
    cells, repairs = mend(code(SETUP, HELPER, DONE, cell), lab)
    assert (cell in [c.source for c in cells]) is runs
    assert repairs == ()


def test_lab_under_another_name(lab):
    """Checks are recognized whatever the learner calls the lab."""
    cells, _ = mend(code(f"{SETUP}\nmy = dllab.lab('x')", HELPER, DONE, "my.check('twice')"), lab)
    assert len(cells) == 3


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n%matplotlib inline\ny = 2",
        "from google.colab import drive; x = 1\ndrive.mount('/x')\ny = 2",
        "import google.colab\ngoogle.colab.output.clear()\nx = 1\ny = 2",
        "“x”\nx = 1\ny = 2",
        "x = 1\u00a0+ 2\ny\u200b = 2",
        "!pip install a \\\n  b\n%pip install c\nx = 1\ny = 2",
        "%%timeit\nx = 1\ny = 2",
        "<<<<<<< HEAD\nx = 1\n||||||| base\nx = 0\n=======\nx = 2\n>>>>>>> b\ny = 2",
        "  x = 1\n  y = 2",
    ],
)
def test_mended_cells_are_python(lab, source):
    """Whatever was mended, the rest of the cell runs; repairs name the cell."""
    cells, repairs = mend(code(SETUP, HELPER, DONE, source), lab)
    assert bound(parse(cells[-1].source)) >= {"x", "y"}
    assert repairs
    assert {repair.cell for repair in repairs} == {4}


def test_text_is_only_straightened_where_code_is_broken(lab):
    """Curly quotes inside of a string are the learner's."""
    source = "text = 'curly “quotes”\u00a0and – dashes'"
    assert mend(code(SETUP, HELPER, DONE, source), lab)[0][-1].source == source


def test_reused_names_are_put_back_only_if_they_cannot_be_called(lab):
    """Run the cells: a value gives way to the function, another function does not."""
    for last, expected in (("twice = twice(3)", 6), ("twice = lambda x: 3 * x", 9)):
        cells, _ = mend(code(SETUP, HELPER, DONE, last), lab)
        names: dict = {}
        for cell in cells:
            exec(cell.source, names)  # this test's own text
        assert names["twice"](3) == expected


def test_names_of_python_are_put_back_only_where_functions_call_them(lab):
    """`sum = 0` gives way where a function calls `sum`, and stays where one reads it."""
    for body, gone in (("sum([x])", True), ("sum + x", False), ("x", False)):
        own = f"def g(x):\n    return {body}"
        cells, _ = mend(code(SETUP, HELPER, DONE, own, "sum = 0"), lab)
        names: dict = {}
        for cell in cells:
            exec(cell.source, names)  # this test's own text
        assert ("sum" not in names) is gone


def test_numbers_are_the_students(lab):
    """Cells keep the number they have in the notebook, whatever is left out."""
    cells, _ = mend(code('lab.check("twice")', SETUP, "", HELPER, "%%bash\nls", DONE), lab)
    assert [cell.number for cell in cells] == [2, 4, 6]
