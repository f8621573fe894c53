"""`quiz`: questions that the reader answers in the page.

Without JavaScript the page shows each question with its answers, and a folded key that says
which is right and why. The script `quiz.js` turns the answers into choices with feedback.
What an author writes is described in `quiz_source`; what a browser remembers of the answers,
in `progress`.
"""

from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from . import progress, quiz_source
from .misconceptions import link

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LETTERS = "ABCDEFGHIJ"


class quiz(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes like this)
    """All questions of one directive."""


class quiz_question(nodes.General, nodes.Element):  # noqa: N801
    """A question: its legend, further blocks, the choices, the key."""


class quiz_legend(nodes.General, nodes.TextElement):  # noqa: N801
    """The question's first paragraph."""


class quiz_choice(nodes.General, nodes.TextElement):  # noqa: N801
    """An answer to choose."""


class quiz_key(nodes.General, nodes.Element):  # noqa: N801
    """The folded part: one `quiz_verdict` for each answer."""


class quiz_verdict(nodes.General, nodes.Element):  # noqa: N801
    """Whether an answer is right, and why."""


class Quiz(SphinxDirective):
    """The directive: a YAML body as `quiz_source.parse` reads it."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Validate the body and build the questions."""
        try:
            questions = quiz_source.parse("\n".join(self.content))
        except quiz_source.QuizError as error:
            raise self.error(f"{self.env.docname}: quiz {error}") from error
        node = quiz()
        self.set_source_info(node)
        for number, question in enumerate(questions, start=1):
            node += self._question(number, question)
        return [node]

    def _question(self, number: int, question: quiz_source.Question) -> quiz_question:
        key = question.key(self.env.docname)
        node = quiz_question(ids=[f"quiz-{key}"], key=key)
        named = {a.misconception: None for a in question.answers if a.misconception}
        if not progress.note_question(self.env, key, tuple(named)):
            raise self.error(
                f"{self.env.docname}: quiz question {number}: the page asks the same question twice"
            )
        blocks = self._parse(question.text, question.line)
        if not isinstance(blocks[0], nodes.paragraph):
            raise self.error(f"{self.env.docname}: quiz question {number} should start with text")
        node += quiz_legend("", "", *blocks[0].children, number=number)
        node += blocks[1:]
        folded = quiz_key()
        answers = question.shuffled(f"{self.env.docname} {question.text}")
        for letter, answer in zip(LETTERS, answers, strict=False):
            node += self._choice(number, letter, answer, question.line)
            folded += self._verdict(number, letter, answer, question.line)
        node += folded
        return node

    def _choice(
        self, number: int, letter: str, answer: quiz_source.Answer, line: int
    ) -> nodes.Node:
        blocks = self._parse(answer.text, line)
        if len(blocks) != 1 or not isinstance(blocks[0], nodes.paragraph):
            raise self.error(
                f"{self.env.docname}: quiz question {number}, answer {answer.text!r}: "
                "should be a single paragraph"
            )
        return quiz_choice(
            "",
            "",
            *blocks[0].children,
            letter=letter,
            right=answer.right,
            key=answer.key,
            misconception=answer.misconception,
        )

    def _verdict(
        self, number: int, letter: str, answer: quiz_source.Answer, line: int
    ) -> quiz_verdict:
        verdict = quiz_verdict(letter=letter, right=answer.right)
        verdict += self._parse(answer.why, line)
        if answer.misconception is None:
            return verdict
        reference = link(answer.misconception, self.env)
        if reference is None:
            verdict += self.state.document.reporter.warning(
                f"{self.env.docname}: quiz question {number}, key `misconception`: "
                f"unknown id `{answer.misconception}`",
                line=self.lineno + line,
            )
            return verdict
        verdict += nodes.paragraph("", "", nodes.Text("Misconception: "), reference)
        return verdict

    def _parse(self, text: str, line: int) -> list[nodes.Node]:
        container = nodes.container()
        self.state.nested_parse(text.splitlines(), self.content_offset + line, container)
        return container.children


def _visit_quiz(translator: Any, node: quiz) -> None:
    page = progress.address(translator.builder, translator.builder.current_docname)
    place = {"data-progress": page} if page else {}
    translator.body.append(translator.starttag(node, "div", CLASS="quiz", **place))


def _depart_quiz(translator: Any, _node: quiz) -> None:
    translator.body.append("</div>\n")


def _visit_question(translator: Any, node: quiz_question) -> None:
    attributes = {"CLASS": "quiz-question", "data-question": node["key"]}
    translator.body.append(translator.starttag(node, "fieldset", **attributes))


def _depart_question(translator: Any, _node: quiz_question) -> None:
    translator.body.append("</fieldset>\n")


def _visit_legend(translator: Any, node: quiz_legend) -> None:
    translator.body.append(f'<legend><span class="quiz-number">Question {node["number"]}.</span> ')


def _depart_legend(translator: Any, _node: quiz_legend) -> None:
    translator.body.append("</legend>\n")


def _visit_choice(translator: Any, node: quiz_choice) -> None:
    name = node.parent["ids"][0]
    known = ' data-right=""' if node["right"] else ""
    if node["misconception"]:
        known += f' data-misconception="{node["misconception"]}"'
    letter = node["letter"]
    translator.body.append(
        f'<label class="quiz-choice"><input type="radio" name="{name}" value="{letter}" '
        f'data-answer="{node["key"]}"{known}><span class="quiz-letter">{letter}.</span> <span>'
    )


def _depart_choice(translator: Any, _node: quiz_choice) -> None:
    translator.body.append("</span></label>\n")


def _visit_key(translator: Any, _node: quiz_key) -> None:
    translator.body.append(
        '<details class="quiz-key"><summary>Show the answers</summary>\n'
        '<ul class="quiz-verdicts">\n'
    )


def _depart_key(translator: Any, _node: quiz_key) -> None:
    translator.body.append("</ul></details>\n")


def _visit_verdict(translator: Any, node: quiz_verdict) -> None:
    kind, word = ("right", "Right") if node["right"] else ("wrong", "Not quite")
    translator.body.append(
        f'<li class="quiz-verdict quiz-{kind}" data-letter="{node["letter"]}">'
        f'<p class="quiz-word"><span class="quiz-letter">{node["letter"]}.</span> {word}</p>\n'
    )


def _depart_verdict(translator: Any, _node: quiz_verdict) -> None:
    translator.body.append("</li>\n")


def _pass(_translator: Any, _node: nodes.Node) -> None:
    """Show only the children."""


def setup(app: "Sphinx") -> None:
    """Register the directive and its nodes."""
    plain = (_pass, _pass)
    for node, html in {
        quiz: (_visit_quiz, _depart_quiz),
        quiz_question: (_visit_question, _depart_question),
        quiz_legend: (_visit_legend, _depart_legend),
        quiz_choice: (_visit_choice, _depart_choice),
        quiz_key: (_visit_key, _depart_key),
        quiz_verdict: (_visit_verdict, _depart_verdict),
    }.items():
        app.add_node(node, html=html, latex=plain, text=plain)
    app.add_directive("quiz", Quiz)
