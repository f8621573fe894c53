"""The bibliography: each entry says where to find its work, once, and is cited."""

import re
from collections import Counter

import pytest
from pybtex.database import Entry, parse_file
from small_book import ROOT

ENTRIES: dict[str, Entry] = dict(
    parse_file(str(ROOT / "book" / "references.bib"), bib_format="bibtex").entries
)
CITATION = re.compile(r"\{cite(?::[a-z]+)*\}`([^`]+)`")
FORMS = {
    "doi": re.compile(r"10\.\d{4,9}/\S+"),
    "url": re.compile(r"https://[\w.-]+\.[a-z]+/\S+"),
    "eprint": re.compile(r"\d{4}\.\d{4,5}"),
}
# Works that have neither, and why.
WITHOUT_ADDRESS = {
    "chellapilla2006high": "a workshop paper without a DOI",
    "elkan2001foundations": "these proceedings have no DOIs",
    "frostig2018compiling": "a workshop paper without a DOI",
    "krizhevsky2012imagenet": "these proceedings have no DOIs",
    "krogh1991simple": "these proceedings have no DOIs",
    "linnainmaa1970representation": "a thesis that is on paper alone",
    "lord1968statistical": "a book from before there were ISBNs",
    "maas2013rectifier": "a workshop paper without a DOI",
    "minsky1969perceptrons": "a book from before there were ISBNs",
    "nair2010rectified": "these proceedings have no DOIs",
    "tieleman2012rmsprop": "a lecture",
    "vanderputten2004bias": "its DOI could not be confirmed",
}


def cited() -> Counter:
    """Every key that a page or a lab cites."""
    pages = [*(ROOT / "book").rglob("*.md"), *(ROOT / "labs" / "source").rglob("*.md")]
    found = [match for path in pages for match in CITATION.findall(path.read_text("utf-8"))]
    return Counter(key.strip() for keys in found for key in keys.split(","))


def isbn_is_right(isbn: str) -> bool:
    """The last of thirteen digits makes the weighted sum a multiple of ten."""
    digits = isbn.replace("-", "")
    weighted = [int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)]
    return len(digits) == 13 and sum(weighted) % 10 == 0


@pytest.mark.parametrize("key", ENTRIES)
def test_each_entry_says_where_to_find_it(key):
    """A DOI, an address, an arXiv number or an ISBN, each in its right form."""
    fields = ENTRIES[key].fields
    wrong = {
        n: fields[n] for n, form in FORMS.items() if n in fields and not form.fullmatch(fields[n])
    }
    assert wrong == {}
    assert "isbn" not in fields or isbn_is_right(fields["isbn"])
    has_address = any(name in fields for name in (*FORMS, "isbn"))
    assert has_address != (key in WITHOUT_ADDRESS)
    assert ("eprint" in fields) == ("archiveprefix" in fields)


@pytest.mark.parametrize("key", ENTRIES)
def test_each_entry_has_title_people_and_the_year_in_its_key(key):
    """A key is the first author, the year and mostly a word, so that a wrong year is seen."""
    entry = ENTRIES[key]
    assert entry.fields["title"]
    assert entry.persons.get("author") or entry.persons.get("editor")
    assert re.fullmatch(r"[a-z]+(\d{4})[a-z0-9]*", key)[1] == entry.fields["year"]
    assert 1660 <= int(entry.fields["year"]) <= 2026


def test_no_work_is_listed_twice():
    """Neither a DOI nor an arXiv number comes back, nor a title by the same first author."""
    told = [
        (name, entry.fields[name])
        for entry in ENTRIES.values()
        for name in ("doi", "eprint")
        if name in entry.fields
    ]
    for entry in ENTRIES.values():
        title = re.sub(r"\W+", " ", entry.fields["title"]).strip().lower()
        told.append((str(entry.persons["author"][0]), title))
    assert [value for value, times in Counter(told).items() if times > 1] == []


def test_each_entry_is_cited_and_each_citation_has_an_entry():
    """What nobody cites is no reference, and a key without an entry leads nowhere."""
    keys = set(cited())
    assert sorted(set(ENTRIES) - keys) == []
    assert sorted(keys - set(ENTRIES)) == []


def test_a_wrong_isbn_is_noticed():
    """One wrong digit, or two that changed places, do not pass."""
    assert isbn_is_right("978-0-262-03561-3")
    assert not isbn_is_right("978-0-262-03561-4")
    assert not isbn_is_right("978-0-262-05361-3")
