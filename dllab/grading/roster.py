"""Who is who: students of a grading run and rows of another system's list.

- `Person`: a row's identifiers and names
- `pair(students, people)`: a `Pairing`; never a guess

A student of ours is whatever the submission's path said: a login, a number, a name, or a name
and a number as the learning platforms put them into the files' names.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Pairing", "Person", "pair", "squashed", "tidy"]

_WITH_NUMBER = re.compile(r"(?P<name>.+?)[_ ](?P<number>\d+)\Z")


@dataclass(frozen=True)
class Person:
    """One row of a list: where it is, what identifies it, what it is called."""

    row: int
    ids: frozenset[str]
    names: frozenset[str]
    label: str

    @classmethod
    def of(cls, row: int, ids: Iterable[str], names: Iterable[str], label: str) -> "Person":
        """Return a person from the cells of a row."""
        spelled = {form for name in names for form in _spellings(name)}
        return cls(row, frozenset(filter(None, map(tidy, ids))), frozenset(spelled), label)


@dataclass(frozen=True)
class Pairing:
    """Which student is in which row.

    Args:
        rows: student → row.
        unmatched: students whom no row fits.
        ambiguous: student → labels of the rows that fit equally well.
    """

    rows: dict[str, int] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)


def tidy(text: str) -> str:
    """Return text for comparison: one form of each letter, no case, single spaces.

    >>> tidy("  Ada\\u00a0 LOVELACE ")
    'ada lovelace'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def squashed(text: str) -> str:
    """Return letters and digits only: how platforms write a name into a file's name.

    >>> squashed("O'Neil, Zoë 2nd")
    'oneilzoë2nd'
    """
    return "".join(letter for letter in tidy(text) if letter.isalnum())


def pair(students: Sequence[str], people: Sequence[Person]) -> Pairing:
    """Find each student's row: by identifier, else by name and number, by address, by name.

    The first of these that fits any row decides. More than one row, or one row for two
    students, is ambiguous and pairs nobody.
    """
    found = {student: _fitting(student, people) for student in students}
    claims = Counter(fits[0].row for fits in found.values() if len(fits) == 1)
    rows, ambiguous = {}, {}
    for student, fits in found.items():
        if len(fits) > 1 or (fits and claims[fits[0].row] > 1):
            ambiguous[student] = tuple(person.label for person in fits)
        elif fits:
            rows[student] = fits[0].row
    unmatched = tuple(student for student, fits in found.items() if not fits)
    return Pairing(rows, unmatched, ambiguous)


def _fitting(student: str, people: Sequence[Person]) -> list[Person]:
    name = tidy(student)
    numbered = _WITH_NUMBER.match(name)
    rules: list[Callable[[Person], bool]] = [lambda person: name in person.ids]
    if numbered:
        called, counted = numbered["name"], numbered["number"]
        rules.append(
            lambda person: counted in person.ids and not person.names.isdisjoint(_forms(called))
        )
    rules.append(lambda person: any(name == id.partition("@")[0] for id in person.ids if "@" in id))
    rules.append(lambda person: not person.names.isdisjoint(_forms(name)))
    for rule in rules:
        if fits := [person for person in people if rule(person)]:
            return fits
    return []


def _forms(text: str) -> set[str]:
    # Canvas drops all but the letters of English from the names of files
    plain = "".join(letter for letter in squashed(text) if letter.isascii())
    return {text, squashed(text), plain} - {""}


def _spellings(name: str) -> set[str]:
    """Return a name as "First Last" and "Last, First", spaced and squashed."""
    plain = tidy(name)
    orders = {plain}
    if "," in plain:
        last, _, first = (part.strip() for part in plain.partition(","))
        orders |= {f"{first} {last}", f"{last} {first}"}
    elif " " in plain:
        first, _, last = plain.rpartition(" ")
        orders |= {f"{last}, {first}", f"{last} {first}"}
    return {form for order in orders for form in _forms(order)}
