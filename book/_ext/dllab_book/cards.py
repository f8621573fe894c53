"""Chapter cards: at the top of each chapter, and one for each chapter on the front page.

A chapter begins with an admonition of class `objectives`: a table of ids and objectives, and a
paragraph for each field. Nothing of it is written twice: the front page reads it from there.

    **You build** one sentence.
    **You need** links to other chapters, and what else.
    **Reading** takes about 70 minutes, **running** all cells about 30 seconds.
    **The lab** {doc}`/labs/03_backpropagation`, or why there is none.

- `chapters(toc)`: the numbered chapters of the table of contents, by part
- `read_card(text, docname)`: a chapter's card from its source
- `CardError`: a card lacks a field; the message names chapter and field
- `chapter-cards`: the directive for the front page
"""

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from . import quiz_source
from .quiz import quiz_question

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["Card", "CardError", "Chapter", "Objective", "chapters", "read_card"]

HEADING = re.compile(r"^# (.+)$", re.MULTILINE)
CARD = re.compile(r"^(:{3,}) *\{admonition\}[^\n]*\n:class: objectives\n(.*?)^\1 *$", re.M | re.S)
ROW = re.compile(r"^\| *([A-Z]+-\d+) *\| *(.+?) *\|$", re.MULTILINE)
# A field goes on to the end of its paragraph.
FIELD = r"\*\*{name}\*\*:? *(.+?) *(?:\n\n|\Z)"
MINUTES = re.compile(r"takes about\s+(\d+)\s+minutes")
SECONDS = re.compile(r"\*\*running\*\*\s+all\s+cells\s+about\s+(\d+)\s+seconds")
QUIZ = re.compile(r"^(`{3,}|:{3,}) *\{quiz\} *\n(.*?)^\1 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\{(?:doc|ref)\}`[^`]+`|\[[^\]]+\]\([^)]+\)")
DOC = re.compile(r"\{doc\}`(?:([^`<]*?) *<([^>`]+)>|([^`]+))`")


class CardError(ValueError):
    """A chapter's card is incomplete; the message names the chapter and the field."""


@dataclass(frozen=True)
class Chapter:
    """A chapter's place in the book."""

    docname: str
    part: str
    number: int


@dataclass(frozen=True)
class Objective:
    """What one can do after the chapter; the text is MyST."""

    id: str
    text: str


@dataclass(frozen=True)
class Card:
    """What a chapter says of itself; `builds`, `needs` and `labs` are MyST."""

    title: str
    objectives: tuple[Objective, ...]
    builds: str
    needs: tuple[str, ...]
    labs: tuple[str, ...]
    minutes: int
    seconds: int
    questions: int


def chapters(toc: dict[str, Any]) -> list[Chapter]:
    """Return the chapters of all numbered parts, in their order."""
    found: list[Chapter] = []
    for part in toc.get("parts", []):
        if part.get("numbered"):
            for page in part["chapters"]:
                found.append(Chapter(page["file"], part["caption"], len(found) + 1))
    return found


def read_card(text: str, docname: str) -> Card:
    """Read a chapter's card from its source.

    Raises:
        CardError: a field is missing, or not written as the module's docstring says.
    """
    box = _search(CARD, text, docname, "the admonition of class `objectives`")[2]
    objectives = tuple(Objective(*row) for row in ROW.findall(box))
    if not objectives:
        raise CardError(f"{docname}: the card has no objectives: write rows `| ID-1 | … |`")
    fields = {name: _field(box, docname, name) for name in ("You build", "You need", "The lab")}
    questions = sum(len(quiz_source.parse(body)) for _, body in QUIZ.findall(text))
    return Card(
        title=_search(HEADING, text, docname, "a title (`# …`)")[1],
        objectives=objectives,
        builds=fields["You build"],
        needs=_links(fields["You need"], docname),
        labs=_links(fields["The lab"], docname),
        minutes=int(_search(MINUTES, box, docname, "`**Reading** takes about N minutes`")[1]),
        seconds=int(_search(SECONDS, box, docname, "`**running** all cells about N seconds`")[1]),
        questions=questions,
    )


def _search(pattern: re.Pattern[str], text: str, docname: str, what: str) -> re.Match[str]:
    match = pattern.search(text)
    if match is None:
        raise CardError(f"{docname}: the chapter's card lacks {what}")
    return match


def _field(box: str, docname: str, name: str) -> str:
    pattern = re.compile(FIELD.format(name=re.escape(name)), re.DOTALL)
    match = _search(pattern, box, docname, f"the field `**{name}** …`")
    return " ".join(match[1].split())


def _links(text: str, docname: str) -> tuple[str, ...]:
    """Return the links in `text`, those to documents from the book's root."""
    return tuple(_absolute(link, docname) for link in LINK.findall(text))


def _absolute(link: str, docname: str) -> str:
    match = DOC.fullmatch(link)
    if match is None:
        return link
    target = posixpath.join(posixpath.dirname(f"/{docname}"), match[2] or match[3])
    target = posixpath.normpath(target)
    return f"{{doc}}`{match[1]} <{target}>`" if match[1] else f"{{doc}}`{target}`"


class chapter_cards(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes like this)
    """The cards of one part."""


class chapter_card(nodes.General, nodes.Element):  # noqa: N801
    """A chapter's card."""


class card_goals(nodes.General, nodes.Element):  # noqa: N801
    """The folded objectives."""


class ChapterCards(SphinxDirective):
    """A section for each part of the book, with a card for each chapter."""

    def run(self) -> list[nodes.Node]:
        """Read the table of contents and the chapters; build the sections."""
        root = Path(self.env.srcdir)
        toc = root / "_toc.yml"
        self.env.note_dependency(str(toc))
        parts: dict[str, nodes.section] = {}
        for chapter in chapters(yaml.safe_load(toc.read_text(encoding="utf-8"))):
            if chapter.part not in parts:
                parts[chapter.part] = self._part(chapter.part)
            parts[chapter.part].children[-1].append(self._card(root, chapter))
        return list(parts.values())

    def _part(self, caption: str) -> nodes.section:
        anchor = nodes.make_id(f"part-{caption}")
        section = nodes.section("", nodes.title("", caption), ids=[anchor], names=[anchor])
        self.state.document.note_explicit_target(section)
        section += chapter_cards()
        return section

    def _card(self, root: Path, chapter: Chapter) -> chapter_card:
        path = root / f"{chapter.docname}.md"
        self.env.note_dependency(str(path))
        try:
            card = read_card(path.read_text(encoding="utf-8"), chapter.docname)
        except (CardError, quiz_source.QuizError) as error:
            raise self.error(f"chapter-cards: {error}") from error
        node = chapter_card(chapter=chapter.docname)
        number = nodes.inline("", str(chapter.number), classes=["chapter-card-number"])
        link = self._inline(f"{{doc}}`{card.title} </{chapter.docname}>`")
        node += nodes.paragraph("", "", number, *link, classes=["chapter-card-title"])
        builds = card.builds[0].upper() + card.builds[1:]
        node += nodes.paragraph("", "", *self._inline(builds))
        node += self._facts(card)
        node += self._goals(card)
        return node

    def _facts(self, card: Card) -> nodes.definition_list:
        count = card.questions
        facts = {
            "Time": f"{card.minutes} minutes to read, {card.seconds} seconds to run",
            "Questions": str(count) if count else "",
            "Needs": ", ".join(card.needs),
            "Lab": ", ".join(card.labs),
        }
        rows = [(name, self._inline(value)) for name, value in facts.items() if value]
        return _definitions(rows, "chapter-card-facts")

    def _goals(self, card: Card) -> card_goals:
        goals = card_goals(count=len(card.objectives))
        items = [nodes.list_item("", _paragraph(self._inline(o.text))) for o in card.objectives]
        goals += nodes.bullet_list("", *items)
        return goals

    def _inline(self, text: str) -> list[nodes.Node]:
        container = nodes.container()
        self.state.nested_parse([text], self.content_offset, container)
        return container.children[0].children if container.children else []


def _paragraph(children: list[nodes.Node]) -> nodes.paragraph:
    return nodes.paragraph("", "", *children)


def _definitions(rows: list[tuple[str, list[nodes.Node]]], name: str) -> nodes.definition_list:
    items = [
        nodes.definition_list_item(
            "", nodes.term("", term), nodes.definition("", _paragraph(value))
        )
        for term, value in rows
    ]
    return nodes.definition_list("", *items, classes=[name])


def _shape_card(_app: "Sphinx", doctree: nodes.document) -> None:
    """Turn the table and the paragraphs of a chapter's card into a list and its facts."""
    for box in doctree.findall(nodes.admonition):
        if "objectives" in box["classes"] and next(box.findall(nodes.table), None) is not None:
            questions = len(list(doctree.findall(quiz_question)))
            title, table, *fields = box.children
            box.children = []
            body = nodes.container(classes=["objectives-body"])
            body += [_objectives(table), _own_facts(fields, questions)]
            box += [title, body]


def _objectives(table: nodes.table) -> nodes.bullet_list:
    """Return the rows of the table's body as a list; the id of each becomes an anchor."""
    listed = nodes.bullet_list(classes=["objective-list"])
    for row in next(table.findall(nodes.tbody)).children:
        name, text = (entry.children[0] for entry in row.children)
        label = nodes.inline("", name.astext(), classes=["objective-id"])
        paragraph = nodes.paragraph("", "", label, nodes.Text(" "), *text.children)
        listed += nodes.list_item("", paragraph, classes=["objective"])
    return listed


def _own_facts(fields: list[nodes.Node], questions: int) -> nodes.Element:
    rows: list[tuple[str, list[nodes.Node]]] = []
    for field in fields:
        text = field.astext()
        # The parser puts an empty text before what begins with markup.
        strong, *rest = [part for part in field.children if part.astext()] or [None]
        if not isinstance(strong, nodes.strong):
            continue
        if strong.astext() == "Reading":
            minutes, seconds = re.search(r"(\d+)\s+minutes", text), re.search(r"(\d+)\s+sec", text)
            if minutes and seconds:
                sentence = f"{minutes[1]} minutes to read, {seconds[1]} seconds to run"
                rows.append(("Time", [nodes.Text(sentence)]))
                continue
        rows.append((strong.astext().removeprefix("The ").capitalize(), _trimmed(rest)))
    if questions:
        rows.append(("Questions", [nodes.Text(f"{questions}, marked in the page")]))
    return _definitions(rows, "chapter-facts")


def _trimmed(children: list[nodes.Node]) -> list[nodes.Node]:
    if children and isinstance(children[0], nodes.Text):
        return [nodes.Text(children[0].astext().lstrip(" :")), *children[1:]]
    return children


def _visit_cards(translator: Any, node: chapter_cards) -> None:
    # Without its bullets Safari reads a list as plain text, unless it has the role.
    translator.body.append(translator.starttag(node, "ol", CLASS="chapter-cards", role="list"))


def _depart_cards(translator: Any, _node: chapter_cards) -> None:
    translator.body.append("</ol>\n")


def _visit_card(translator: Any, node: chapter_card) -> None:
    attributes = {"data-chapter": node["chapter"]}
    translator.body.append(translator.starttag(node, "li", CLASS="chapter-card", **attributes))


def _depart_card(translator: Any, _node: chapter_card) -> None:
    translator.body.append("</li>\n")


def _visit_goals(translator: Any, node: card_goals) -> None:
    translator.body.append(
        f'<details class="chapter-card-goals"><summary>{node["count"]} things you will be able '
        "to do</summary>\n"
    )


def _depart_goals(translator: Any, _node: card_goals) -> None:
    translator.body.append("</details>\n")


def _pass(_translator: Any, _node: nodes.Node) -> None:
    """Show only the children."""


def setup(app: "Sphinx") -> None:
    """Register the directive and its nodes."""
    plain = (_pass, _pass)
    for node, html in {
        chapter_cards: (_visit_cards, _depart_cards),
        chapter_card: (_visit_card, _depart_card),
        card_goals: (_visit_goals, _depart_goals),
    }.items():
        app.add_node(node, html=html, latex=plain, text=plain)
    app.add_directive("chapter-cards", ChapterCards)
    app.connect("doctree-read", _shape_card)
