"""What an author writes in a quiz: read from YAML and validated, with no Sphinx in it.

- `parse(text)`: the questions, each with its line
- `digest(*texts)`: a short name for what the texts say, the same in every build
- `QuizError`: says which question and which key are wrong, and how
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import yaml

__all__ = ["Answer", "Question", "QuizError", "digest", "parse"]


class QuizError(ValueError):
    """A quiz is written wrongly; the message names the question and the key."""


@dataclass(frozen=True)
class Answer:
    """One answer to choose: `text` and `why` are MyST."""

    right: bool
    text: str
    why: str
    misconception: str | None

    @property
    def key(self) -> str:
        """Return the name under which a browser remembers that this answer was chosen."""
        return digest(self.text)


@dataclass(frozen=True)
class Question:
    """One question with its answers in the author's order; `line` counts from the body's start."""

    text: str
    answers: tuple[Answer, ...]
    line: int

    def key(self, page: str) -> str:
        """Return the name of the question on `page`, wherever it stands there."""
        return digest(page, self.text)

    def shuffled(self, seed: str) -> tuple[Answer, ...]:
        """Return the answers in an order that depends on `seed` and their text alone."""

        def rank(answer: Answer) -> bytes:
            return hashlib.sha256(f"{seed}\n{answer.text}".encode()).digest()

        return tuple(sorted(self.answers, key=rank))


def digest(*texts: str) -> str:
    """Return a name of ten characters that depends on the words alone, not on line breaks.

    Example:
        >>> digest("one  two") == digest("one\\ntwo"), digest("one") == digest("two")
        (True, False)
    """
    words = "\n".join(" ".join(text.split()) for text in texts)
    return hashlib.sha256(words.encode()).hexdigest()[:10]


def parse(text: str) -> tuple[Question, ...]:
    """Read the body of a quiz.

    Raises:
        QuizError: not YAML, a missing or unknown key, or not exactly one right answer.
    """
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        items = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise QuizError(f"is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(items, list) or not items:
        raise QuizError("should be a list of questions, each starting with `- question:`")
    lines = [node.start_mark.line for node in tree.value]
    return tuple(
        _question(f"question {number}", item, line)
        for number, (item, line) in enumerate(zip(items, lines, strict=True), start=1)
    )


def _question(where: str, item: Any, line: int) -> Question:
    _check_keys(where, item, required={"question", "answers"})
    answers = item["answers"]
    if not isinstance(answers, list) or len(answers) < 2:
        raise QuizError(f"{where}, key `answers`: should be a list of two or more answers")
    read = tuple(
        _answer(f"{where}, answer {number}", answer) for number, answer in enumerate(answers, 1)
    )
    right = sum(answer.right for answer in read)
    if right != 1:
        raise QuizError(f"{where}, key `right`: exactly one answer should be right, not {right}")
    texts = [answer.text for answer in read]
    if len(set(texts)) < len(texts):
        raise QuizError(f"{where}, key `answers`: two answers are the same")
    return Question(_text(where, item, "question"), read, line)


def _answer(where: str, item: Any) -> Answer:
    if not isinstance(item, dict) or ("right" in item) == ("wrong" in item):
        raise QuizError(f"{where}: should have one of the keys `right` and `wrong`")
    kind = "right" if "right" in item else "wrong"
    optional = {"misconception"} if kind == "wrong" else set()
    _check_keys(where, item, required={kind, "why"}, optional=optional)
    name = _text(where, item, "misconception") if "misconception" in item else None
    return Answer(kind == "right", _text(where, item, kind), _text(where, item, "why"), name)


def _check_keys(
    where: str, item: Any, required: set[str], optional: set[str] = frozenset()
) -> None:
    if not isinstance(item, dict):
        raise QuizError(f"{where}: should have the keys {_names(required)}, is {item!r}")
    for key in sorted(required - set(item)):
        raise QuizError(f"{where}, key `{key}`: is missing")
    for key in sorted(set(map(str, item)) - required - optional):
        raise QuizError(
            f"{where}, key `{key}`: is unknown; known are {_names(required | optional)}"
        )


def _names(keys: set[str]) -> str:
    return ", ".join(f"`{key}`" for key in sorted(keys))


def _text(where: str, item: dict[str, Any], key: str) -> str:
    value = item[key]
    if not isinstance(value, str) or not value.strip():
        raise QuizError(f"{where}, key `{key}`: should be text in quotes, is {value!r}")
    return value.strip()
