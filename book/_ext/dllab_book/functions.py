"""Reference pages of the package, from the docstrings in its source.

- directive `functions`: a section for each module in its body, in it one for each public name.
  A line of the body is a module, or `module: name name` for some of its names.
- directive `function-list`: every name that the book's `functions` directives describe, with
  its first sentence and a link

The docstrings are Markdown with formulas, so they are read as the book's pages are.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from . import docstrings
from .finding import finder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

CHAPTER = re.compile(r"`(chapter-[a-z0-9-]+)`")
TITLES = {
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Raises": "Raises",
    "Example": "Example",
}
PYTHON_KINDS = {"data": "data", "property": "property"}


class function_list(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes like this)
    """The place of the list, which is made once every page is read."""


def anchor(name: str) -> str:
    """Return the anchor of a dotted name."""
    return name.replace(".", "-")


def _found(env: "BuildEnvironment") -> dict[str, list[docstrings.Module]]:
    """Map each page to the modules that it describes."""
    if not hasattr(env, "dllab_functions"):
        env.dllab_functions = {}
    return env.dllab_functions


class Functions(SphinxDirective):
    """The sections of some modules."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Read the modules and build their sections."""
        self.assert_has_content()
        sections = []
        for line in filter(str.strip, self.content):
            name, _, only = line.partition(":")
            try:
                module = docstrings.read(
                    Path(self.env.srcdir, self.config.dllab_package),
                    name.strip(),
                    tuple(only.split()),
                )
            except (LookupError, OSError) as error:
                raise self.error(f"{self.env.docname}: functions: {error}") from error
            for path in module.files:
                self.env.note_dependency(str(path))
            _found(self.env).setdefault(self.env.docname, []).append(module)
            sections.append(self._module(module))
        return sections

    def _module(self, module: docstrings.Module) -> nodes.section:
        self.known = {name.name: name.full for name in (*self._errors(), *module.names)}
        section = self._section(module.name, "module")
        opening = module.parts[0].text.split("\n\n")[0] if module.parts else ""
        section += self._parse(opening)
        for name in module.names:
            section += self._name(name)
        return section

    def _errors(self) -> tuple[docstrings.Name, ...]:
        """Return the package's own errors: every module names them."""
        if not self.config.dllab_errors:
            return ()
        root = Path(self.env.srcdir, self.config.dllab_package)
        return docstrings.read(root, self.config.dllab_errors).names

    def _section(self, full: str, kind: str) -> nodes.section:
        title = full if kind == "module" else full.rpartition(".")[2]
        section = nodes.section(
            "", nodes.title("", "", nodes.literal(title, title)), ids=[anchor(full)]
        )
        section += self._target(full, kind)
        return section

    def _target(self, full: str, kind: str) -> addnodes.index:
        """Make the name known to cross-references, the search and the index."""
        python = self.env.get_domain("py")
        python.note_object(full, PYTHON_KINDS.get(kind, kind), anchor(full), location=self.state)
        place, _, name = full.rpartition(".")
        call = "()" if kind in {"function", "method"} else ""
        entry = f"{name}{call} (in {place})" if kind != "module" else f"{full} (module)"
        return addnodes.index(entries=[("single", entry, anchor(full), "", None)])

    def _name(self, name: docstrings.Name) -> nodes.section:
        section = self._section(name.full, name.kind)
        section += self._signature(name)
        section += self._parts(name.parts)
        if name.bases:
            text = " and ".join(f"`{base}`" for base in name.bases)
            section += self._parse(f"Extends {text}.")
        if name.members:
            section += self._head("Methods and properties")
            section += nodes.definition_list(
                "", *(self._member(member) for member in name.members), classes=["api-members"]
            )
        return section

    def _signature(self, name: docstrings.Name) -> nodes.Node:
        return nodes.literal_block(
            name.signature, name.signature, language="python", classes=["api-signature"]
        )

    def _member(self, member: docstrings.Name) -> nodes.definition_list_item:
        target = self._target(member.full, member.kind)
        flat = re.sub(r",?\n\)", ")", re.sub(r"\(\n\s+", "(", member.signature))
        signature = " ".join(flat.split())
        term = nodes.term(
            "", "", target, nodes.literal(signature, signature), ids=[anchor(member.full)]
        )
        return nodes.definition_list_item(
            "", term, nodes.definition("", *self._parts(member.parts))
        )

    def _head(self, text: str) -> nodes.paragraph:
        return nodes.paragraph("", "", nodes.strong("", text), classes=["api-head"])

    def _parts(self, parts: tuple[docstrings.Part, ...]) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        for part in parts:
            if part.head == "Example":
                found += [self._head("Example"), self._example(part.text)]
            elif part.items:
                found += [self._head(TITLES[part.head]), self._items(part)]
            elif part.head:
                found += self._parse(f"**{TITLES.get(part.head, part.head)}**: {part.text}")
            else:
                found += self._parse(part.text)
        return found

    def _example(self, text: str) -> nodes.literal_block:
        return nodes.literal_block(text, text, language="pycon")

    def _items(self, part: docstrings.Part) -> nodes.definition_list:
        items = nodes.definition_list(classes=["api-items"])
        for item in part.items:
            term = nodes.term("", "", self._linked(nodes.literal(item.name, item.name)))
            body = nodes.definition("", *self._parse(item.text))
            items += nodes.definition_list_item("", term, body)
        return items

    def _linked(self, literal: nodes.literal) -> nodes.Node:
        """Return the literal as a link where it names something on the same page."""
        text = literal.astext()
        full = self.known.get(text)
        return _object(self.env.docname, full, text) if full else literal

    def _parse(self, text: str) -> list[nodes.Node]:
        container = nodes.container()
        marked = CHAPTER.sub(r"{ref}`\1`", text)
        self.state.nested_parse(marked.splitlines(), self.content_offset, container)
        for literal in list(container.findall(nodes.literal)):
            link = self._linked(literal)
            if link is not literal:
                literal.parent.replace(literal, link)
        return container.children


def _object(page: str, full: str, text: str) -> addnodes.pending_xref:
    return addnodes.pending_xref(
        "",
        nodes.literal(text, text),
        refdoc=page,
        refdomain="py",
        reftype="obj",
        reftarget=full,
        refexplicit=True,
        refwarn=True,
    )


class FunctionList(SphinxDirective):
    """The list of all names."""

    def run(self) -> list[nodes.Node]:
        """Leave the place; the names are known once every page is read."""
        node = function_list()
        self.set_source_info(node)
        return [node]


def _fill_lists(app: "Sphinx", doctree: nodes.document, page: str) -> None:
    for place in list(doctree.findall(function_list)):
        made = [
            part
            for target, module in _in_order(app.env)
            for part in _listed(app, page, target, module)
        ]
        place.replace_self([finder("function-entry", "name"), *made])


def _in_order(env: "BuildEnvironment") -> "Iterable[tuple[str, docstrings.Module]]":
    for page in env.toctree_includes.get(env.config.root_doc, []):
        for target in [page, *env.toctree_includes.get(page, [])]:
            for module in _found(env).get(target, []):
                yield target, module


def _listed(app: "Sphinx", page: str, target: str, module: docstrings.Module) -> list[nodes.Node]:
    address = app.builder.get_relative_uri(page, target)

    def link(full: str, text: str) -> nodes.reference:
        code = nodes.literal(text, text)
        return nodes.reference("", "", code, refuri=f"{address}#{anchor(full)}", internal=True)

    head = nodes.paragraph("", "", link(module.name, module.name), classes=["api-head"])
    items = nodes.bullet_list()
    for name in module.names:
        sentence = docstrings.first_sentence(name.parts)
        said = [nodes.Text(": ")] if sentence else []
        text = nodes.paragraph("", "", link(name.full, name.name), *said, *_code(sentence))
        items += nodes.list_item("", text, classes=["function-entry"])
    return [nodes.container("", head, items, classes=["finder-group"])]


def _code(sentence: str) -> "Iterable[nodes.Node]":
    """Return a sentence with what stands in backticks as code."""
    for index, text in enumerate(sentence.split("`")):
        if text:
            yield nodes.literal(text, text) if index % 2 else nodes.Text(text)


def _purge(_app: "Sphinx", env: "BuildEnvironment", page: str) -> None:
    _found(env).pop(page, None)


def _merge(
    _app: "Sphinx", env: "BuildEnvironment", pages: set[str], other: "BuildEnvironment"
) -> None:
    _found(env).update({page: found for page, found in _found(other).items() if page in pages})


def _pass(_translator: Any, _node: nodes.Node) -> None:
    """Show nothing: the list has been put in its place."""


def setup(app: "Sphinx") -> None:
    """Register the directives."""
    app.add_config_value("dllab_package", ".", "env", str)
    app.add_config_value("dllab_errors", "dllab.errors", "env", str)
    plain = (_pass, _pass)
    app.add_node(function_list, html=plain, latex=plain, text=plain)
    app.add_directive("functions", Functions)
    app.add_directive("function-list", FunctionList)
    app.connect("env-purge-doc", _purge)
    app.connect("env-merge-info", _merge)
    app.connect("doctree-resolved", _fill_lists)
