"""Each mistake in a chapter is reported, with its cell."""

import pytest

from dllab.authoring import lint
from dllab.authoring.lint_chapter import SECTIONS, lint_chapter

CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Sample chapter

:::{admonition} What you will be able to do
:class: objectives
:::

## A puzzle

## The smallest example by hand

## The mathematics

## From scratch

```{code-cell} ipython3
---
mystnb: {figure: {name: fig-s, caption: "A line."}, image: {alt: "A rising line."}}
---
plot.curves({"a": [1, 2]})
```

## In Keras

## What goes wrong

## Try it

```{try-it} sample
:alt: A line
```

## Check yourself

```{quiz}
- question: 'Why?'
```

## Exercises

````{exercise}
Do it.
````

````{solution} it
Done.
````

## Summary

{term}`Line`, {cite:p}`someone`
"""


@pytest.fixture
def chapter(repository):
    path = repository / "book" / "start" / "sample.md"
    path.parent.mkdir()
    path.write_text(CHAPTER)
    return path


def test_a_chapter_with_all_parts_is_sound(chapter, repository):
    assert lint_chapter(chapter) == []
    assert lint(root=repository) == []


PARTS = [":class: objectives", "## A puzzle", "## The smallest example by hand"]
PARTS += ["## The mathematics", "## From scratch", "## In Keras", "## What goes wrong", "{try-it}"]
PARTS += ["{quiz}", "````{exercise}", "````{solution}", "## Summary", "{term}`", "{cite:p}`"]


@pytest.mark.parametrize(("part", "name"), [*zip(PARTS, SECTIONS, strict=True)])
def test_a_missing_part_is_reported_by_name(chapter, part, name):
    assert part in CHAPTER
    chapter.write_text(CHAPTER.replace(part, "text"))
    assert [problem.message for problem in lint_chapter(chapter)] == [f"the chapter lacks {name}"]


MISTAKES = {
    "no-caption": (', caption: "A line."', "", "the figure has no caption"),
    "no-name": ("name: fig-s, ", "", "the figure has no name"),
    "no-alt": (', image: {alt: "A rising line."}', "", "the figure has no alt text"),
    "no-figure": ("mystnb: {figure", "mystnb: {code", "draws a figure without name, caption"),
    "install": ("plot.curves", "# pip install x\nplot.curves", "no cell installs software"),
    "long": ("plot.curves", 20 * "x = 1\n" + "plot.curves", "the cell has 21 lines"),
    "wide": ("plot.curves", "#" + 100 * "x" + "\nplot.curves", "line 1 of the cell has 101"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_with_its_cell(chapter, name):
    old, new, message = MISTAKES[name]
    assert old in CHAPTER
    chapter.write_text(CHAPTER.replace(old, new))
    (problem,) = lint_chapter(chapter)
    assert problem.file == chapter
    assert problem.cell == 2
    assert message in problem.message


@pytest.mark.parametrize(
    "code",
    ["def f():\n    plot.curves({})", "plot.use_style()", "plt.close()", "f = lambda: plt.plot(1)"],
)
def test_what_draws_nothing_needs_no_caption(chapter, code):
    settings, _, _ = CHAPTER.partition("mystnb:")
    _, _, after = CHAPTER.partition('plot.curves({"a": [1, 2]})')
    chapter.write_text(settings.removesuffix("---\n") + "\n" + code + after)
    assert lint_chapter(chapter) == []


def test_an_appendix_need_not_be_a_chapter(chapter, repository):
    chapter.rename(repository / "book" / "appendix" / "cards.md")
    path = repository / "book" / "appendix" / "cards.md"
    path.write_text(CHAPTER.replace("## Summary", ""))
    assert lint(root=repository) == []
