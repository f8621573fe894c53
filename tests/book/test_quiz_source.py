"""What an author writes in a quiz is read, or refused with the place of the mistake."""

import pytest
from dllab_book import quiz_source

GOOD = """
- question: 'What is $2 + 2$?'
  answers:
    - wrong: '22'
      misconception: joined
      why: 'Numbers are added.'
    - right: '4'
      why: 'It is a sum.'
"""


def test_reads_questions_and_answers():
    """Text, the right answer, the misconception and the line arrive as written."""
    (question,) = quiz_source.parse(GOOD)
    assert question.text == "What is $2 + 2$?"
    assert [answer.right for answer in question.answers] == [False, True]
    assert question.answers[0].misconception == "joined"
    assert question.line == 1


def test_order_of_answers_depends_on_the_seed_alone():
    """The same seed gives the same order; some seed gives another; no answer is lost."""
    answers = "\n".join(f"    - wrong: 'w{i}'\n      why: 'x'" for i in range(5))
    (question,) = quiz_source.parse(GOOD.rstrip() + "\n" + answers)
    orders = {tuple(a.text for a in question.shuffled(f"seed {i}")) for i in range(10)}
    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(a.text for a in question.answers)}
    assert question.shuffled("seed 1") == question.shuffled("seed 1")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'22'", "'22", "is not valid YAML"),
        (GOOD, "just text", "should be a list of questions"),
        (GOOD, "[]", "should be a list of questions"),
        ("  answers:", "  answer:", "question 1, key `answers`: is missing"),
        ("wrong: '22'", "false: '22'", "question 1, answer 1: should have one of the keys"),
        ("wrong: '22'", "right: '22'", "key `misconception`: is unknown"),
        ("right: '4'", "wrong: '4'", "key `right`: exactly one answer should be right, not 0"),
        ("why: 'It is a sum.'", "because: 'x'", "question 1, answer 2, key `why`: is missing"),
        ("why: 'It is a sum.'", "why: ''", "question 1, answer 2, key `why`: should be text"),
        ("right: '4'", "right: 4", "question 1, answer 2, key `right`: should be text in quotes"),
        ("right: '4'", "right: '22'", "two answers are the same"),
        ("misconception: joined", "misconceptions: joined", "key `misconceptions`: is unknown"),
    ],
)
def test_names_what_is_wrong(old, new, message):
    """Each slip is answered with the question, the key and what should stand there."""
    with pytest.raises(quiz_source.QuizError, match=message.replace("[", r"\[")):
        quiz_source.parse(GOOD.replace(old, new))
