"""Cells about one framework's own API are tagged, give a reason, and no other cell needs them."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dllab.authoring import lint
from dllab.authoring.backends import BACKENDS, find_backend_mistakes, for_backend, only_on
from dllab.authoring.build import chapter_paths, lab_paths
from dllab.authoring.project import find_root
from dllab.authoring.source import read_myst
from dllab.errors import ParameterError

REASON = "# TensorFlow's own API: a tape records what it differentiates\n"


def tagged(source, *backends):
    return new_code_cell(source, metadata={"tags": [f"only-{name}" for name in backends]})


def notebook(*cells):
    return new_notebook(
        cells=[new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    )


def mistakes(*cells):
    return list(find_backend_mistakes(notebook(*cells)))


def test_other_backends_cells_are_left_out_with_their_reason():
    """Numbers are those of the whole notebook, and the notebook itself stays as it is."""
    whole = notebook("a = 1", tagged(REASON + "b = 2", "tensorflow"), "c = 3")
    whole.cells.insert(0, new_markdown_cell("# Title"))
    for backend in ("jax", "torch"):
        rest, left_out = for_backend(whole, backend)
        assert [cell.source for cell in rest.cells] == ["# Title", "a = 1", "c = 3"]
        assert [(one.cell, one.reason) for one in left_out] == [
            (3, "TensorFlow's own API: a tape records what it differentiates")
        ]
    rest, left_out = for_backend(whole, "tensorflow")
    assert len(rest.cells) == len(whole.cells) == 4
    assert left_out == ()


def test_a_backend_that_keras_does_not_have_is_refused():
    with pytest.raises(ParameterError, match="'theano'"):
        for_backend(notebook(), "theano")


SOUND = {
    "untagged": ["import keras", "x = keras.ops.ones(3)", "import torch"],
    "tagged": [tagged(REASON + "import tensorflow as tf", "tensorflow")],
    "one uses another": [
        tagged(REASON + "import tensorflow as tf\nw = tf.Variable(1.0)", "tensorflow"),
        tagged(REASON + "with tf.GradientTape() as tape:\n    y = w * w", "tensorflow"),
    ],
    "beside other frameworks": [
        "import jax\nimport tensorflow as tf\nimport torch",
        "sums = tf.reduce_sum([1.0]), torch.ones(1).sum()",
        new_code_cell("v = tf.Variable(1.0)", metadata={"tags": ["tab-tensorflow"]}),
    ],
    "given a new value first": [
        tagged(REASON + "loss = 1", "tensorflow"),
        "for x in range(3):\n    loss = x\n    print(loss)",
    ],
    "given a new value in between": [tagged(REASON + "y = 1", "jax"), "y = 2", "print(y)"],
    "a name of a function's own": [
        tagged(REASON + "y = 1", "jax"),
        "def f(y):\n    return [z + y for z in range(3)]",
    ],
    "two backends, then one of them": [
        tagged(REASON + "y = 1", "jax", "torch"),
        tagged(REASON + "print(y)", "torch"),
    ],
    "words that look like it": ["platform = 'tf'\nprint(platform.tfidf)"],
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_notebook_is_not_reported(name):
    assert mistakes(*SOUND[name]) == []


WRONG = {
    "no reason": ([tagged("x = 1", "jax")], 1, "without a reason"),
    "the tag repeated": ([tagged("# only JAX\nx = 1", "jax")], 1, "without a reason"),
    "unknown": ([tagged(REASON, "theano")], 1, "unknown tag `only-theano`"),
    "import": (["import tensorflow as tf"], 1, "`import tensorflow` is TensorFlow's own"),
    "from": (["from tensorflow.keras import layers"], 1, "`import tensorflow.keras` is"),
    "use": (["x = 1", "y = tf.constant(1)"], 2, "`tf` is TensorFlow's own API"),
    "tape": (["from a import GradientTape\nGradientTape()"], 1, "`GradientTape` is"),
    "needed": ([tagged(REASON + "y = 1", "jax"), "print(y)"], 2, "`y` comes from cell 1"),
    "needed in a function": (
        [tagged(REASON + "y = 1", "jax"), "def f(x):\n    return x + y"],
        2,
        "`y` comes from cell 1, which runs only on jax",
    ),
    "needed by another backend": (
        [tagged(REASON + "y = 1", "jax"), tagged(REASON + "print(y)", "torch")],
        2,
        "`y` comes from cell 1",
    ),
    "changed": (["y = 1", tagged(REASON + "y = 2", "jax"), "print(y)"], 3, "comes from cell 2"),
    "used before its new value": (
        [tagged(REASON + "y = 1", "jax"), "for x in range(3):\n    y = y + x"],
        2,
        "`y` comes from cell 1",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_reported_with_its_cell(name):
    cells, number, message = WRONG[name]
    ((cell, sentence),) = mistakes(*cells)
    assert cell == number
    assert message in sentence


def test_the_rule_holds_for_labs_and_chapters(repository):
    """`dllab author lint` reports a lab's and a chapter's cell."""
    (lab,) = (repository / "labs" / "source").glob("*/lab.md")
    assert lint(root=repository) == []
    text = lab.read_text("utf-8")
    wrong = "```{code-cell} ipython3\nimport tensorflow as tf\n```\n\n## Open task"
    lab.write_text(text.replace("## Open task", wrong, 1), "utf-8")
    (problem,) = lint(["91_sample"], root=repository)
    assert "TensorFlow's own API" in problem.message


def test_the_tags_of_the_course_name_keras_backends():
    """Some cells of the course are tagged, each for backends that there are."""
    root = find_root()
    files = [*chapter_paths(root), *(folder / "lab.md" for folder in lab_paths(root))]
    found = {name for file in files for cell in read_myst(file).cells for name in only_on(cell)}
    assert found
    assert found <= set(BACKENDS)
