"""The misconception index, and the links to it.

- `Misconception`: one entry of a lab's `misconceptions.toml`, with the tasks that catch it
- `load(folder)`: all entries below `labs/source`, by id
- directive `misconceptions`: the index; role `misconception`: a link to one of its entries
- `link(misconception_id, env)`: the same link for other directives
- `reference(docname, label, title)`: a link to any label
"""

import ast
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective, SphinxRole

from .finding import finder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.config import Config
    from sphinx.environment import BuildEnvironment

KEYS = ("title", "wrong", "right", "section")


@dataclass(frozen=True)
class Misconception:
    """A wrong idea that the checks of a lab, or of several, catch and name."""

    id: str
    lab: str
    """The first lab that catches it."""
    title: str
    wrong: str
    right: str
    section: str
    catches: tuple[tuple[str, str, str], ...]
    """(lab, task, sentence that the learner sees) of each wrong solution that stands for it."""

    @property
    def label(self) -> str:
        """The label of the section that explains it."""
        return self.section.partition("#")[2]

    @property
    def anchor(self) -> str:
        """The label of its entry in the index."""
        return f"misconception-{self.id}"


def load(folder: Path) -> dict[str, Misconception]:
    """Read each `misconceptions.toml` below `folder`, in the order of the labs.

    Raises:
        ExtensionError: a key is missing or unknown, or two labs explain an id differently.
    """
    found: dict[str, Misconception] = {}
    for path in sorted(folder.glob("*/misconceptions.toml")):
        catches = _catches(path.with_name("mutants.py"))
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            _validate(path, name, table)
            caught = tuple((path.parent.name, *pair) for pair in catches.get(name, ()))
            entry = Misconception(
                name, path.parent.name, *(table[key] for key in KEYS), catches=caught
            )
            found[name] = _joined(found[name], entry) if name in found else entry
    return found


def _joined(first: Misconception, again: Misconception) -> Misconception:
    """Return the entry of an idea that a later lab meets again."""
    catches = first.catches + again.catches
    if replace(again, lab=first.lab, catches=first.catches) != first:
        raise ExtensionError(
            f"{again.lab}/misconceptions.toml, [{again.id}]: the id is already used by "
            f"{first.lab}, with another text; copy that entry, or choose another id"
        )
    return replace(first, catches=catches)


def _validate(path: Path, name: str, table: Any) -> None:
    where = f"{path.parent.name}/{path.name}, [{name}]"
    if not isinstance(table, dict) or set(table) != set(KEYS):
        raise ExtensionError(f"{where}: needs exactly the keys {', '.join(KEYS)}")
    if "#" not in table["section"]:
        raise ExtensionError(f"{where}: `section` should read page#label, got {table['section']!r}")


def _catches(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Map each misconception to the (task, sentence) pairs of the wrong solutions in `path`."""
    catches: dict[str, list[tuple[str, str]]] = {}
    if not path.exists():
        return catches
    # Read, not imported: a wrong solution may need packages that a build of the book lacks.
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for task, name in _mutant_decorators(node):
                sentence = (ast.get_docstring(node) or "").partition("\n")[0]
                catches.setdefault(name, []).append((task, sentence))
    return catches


def _mutant_decorators(node: ast.FunctionDef | ast.ClassDef) -> "Iterator[tuple[str, str]]":
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "mutant" and call.args:
            names = [k.value for k in call.keywords if k.arg == "misconception"]
            if names and isinstance(call.args[0], ast.Constant):
                yield call.args[0].value, ast.literal_eval(names[0])


def link(misconception_id: str, env: "BuildEnvironment") -> addnodes.pending_xref | None:
    """Return a link to the entry with this id, or `None` where there is no such entry."""
    entry = registry(env.app).get(misconception_id)
    if entry is None:
        return None
    return reference(env.docname, entry.anchor, entry.title)


def registry(app: "Sphinx") -> dict[str, Misconception]:
    """Return the entries of the book that is being built, by id."""
    return app.config.dllab_misconceptions


def reference(docname: str, label: str, title: str | None) -> addnodes.pending_xref:
    """Return a link to a label; without a `title` it reads as the section that it leads to."""
    text = nodes.inline("", title or label, classes=["std", "std-ref"])
    return addnodes.pending_xref(
        "",
        text,
        refdoc=docname,
        refdomain="std",
        reftype="ref",
        reftarget=label.lower(),
        refexplicit=title is not None,
        refwarn=True,
    )


class MisconceptionRole(SphinxRole):
    """Link to one entry of the index by its id."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the link; an unknown id is a warning."""
        reference = link(self.text, self.env)
        if reference is not None:
            return [reference], []
        message = self.inliner.reporter.warning(
            f"unknown misconception `{self.text}`: no lab's misconceptions.toml has this id",
            line=self.lineno,
        )
        return [nodes.literal(self.text, self.text)], [message]


class Misconceptions(SphinxDirective):
    """The index: one section for each lab, one entry for each of its misconceptions."""

    def run(self) -> list[nodes.Node]:
        """Build the sections."""
        sections: dict[str, nodes.section] = {}
        entries = list(registry(self.env.app).values())
        for entry in entries:
            if entry.lab not in sections:
                section = _section(f"misconceptions-{entry.lab}", _lab_title(entry.lab))
                section["classes"] = ["finder-group"]
                sections[entry.lab] = section
            sections[entry.lab] += self._entry(entry)
        for section in sections.values():
            self.state.document.note_implicit_target(section)
        return [_jumps(entries), finder("misconception", "misconception"), *sections.values()]

    def _entry(self, entry: Misconception) -> nodes.section:
        section = _section(entry.anchor, entry.title)
        section["names"] = [entry.anchor]
        section["classes"] = ["misconception"]
        self.state.document.note_explicit_target(section)
        section += self._paragraph("Wrong idea", entry.wrong)
        section += self._paragraph("What is true", entry.right)
        place = nodes.paragraph("", "", nodes.strong("", "Explained in"), nodes.Text(": "))
        place += reference(self.env.docname, entry.label, None)
        section += place
        section += self._catching(entry)
        return section

    def _paragraph(self, term: str, text: str) -> nodes.paragraph:
        paragraph = nodes.paragraph("", "", nodes.strong("", term), nodes.Text(": "))
        parsed = nodes.container()
        self.state.nested_parse([text], self.content_offset, parsed)
        for child in parsed.children:
            paragraph += child.children if isinstance(child, nodes.paragraph) else child
        return paragraph

    def _catching(self, entry: Misconception) -> list[nodes.Node]:
        paragraph = nodes.paragraph("", "", nodes.strong("", "Caught by"), nodes.Text(": "))
        labs = dict.fromkeys([entry.lab, *(lab for lab, _, _ in entry.catches)])
        for number, lab in enumerate(labs):
            paragraph += nodes.Text("; " if number else "")
            paragraph += self._tasks(lab, entry)
        paragraph += nodes.Text(".")
        said = [sentence for _, _, sentence in entry.catches if sentence]
        quotes = [nodes.paragraph("", f"The check says: “{said[0]}”")] if said else []
        return [paragraph, *quotes]

    def _tasks(self, lab: str, entry: Misconception) -> list[nodes.Node]:
        """Name a lab and its tasks that catch the idea."""
        page = self.env.app.builder.get_relative_uri(self.env.docname, f"labs/{lab}")
        named = [nodes.reference("", _lab_title(lab), refuri=page, internal=True)]
        tasks = dict.fromkeys(task for where, task, _ in entry.catches if where == lab)
        for number, task in enumerate(tasks):
            named += [nodes.Text(", " if number else ", task "), nodes.literal(task, task)]
        return named


def _jumps(entries: list[Misconception]) -> nodes.bullet_list:
    """Return a link to the section of each lab, with the number of its entries."""
    counts = Counter(entry.lab for entry in entries)
    return nodes.bullet_list(
        "",
        *(
            nodes.list_item(
                "",
                nodes.paragraph(
                    "",
                    "",
                    nodes.reference(
                        "", _lab_title(lab), refid=f"misconceptions-{lab}", internal=True
                    ),
                    nodes.Text(f" ({count})"),
                ),
            )
            for lab, count in counts.items()
        ),
        classes=["jump-list"],
    )


def _section(anchor: str, title: str) -> nodes.section:
    return nodes.section("", nodes.title("", title), ids=[anchor], names=[anchor])


def _lab_title(lab: str) -> str:
    number, _, words = lab.partition("_")
    return f"Lab {number}: {words.replace('_', ' ').capitalize()}"


def _load(app: "Sphinx", config: "Config") -> None:
    # A configuration value with rebuild="env": new or changed entries re-read the pages.
    config.dllab_misconceptions = load(Path(app.srcdir, config.dllab_labs))


def setup(app: "Sphinx") -> None:
    """Register the role, the directive and what they read."""
    app.add_config_value("dllab_labs", "labs/source", "", str)
    app.add_config_value("dllab_misconceptions", {}, "env", dict)
    app.connect("config-inited", _load)
    app.add_role("misconception", MisconceptionRole())
    app.add_directive("misconceptions", Misconceptions)
