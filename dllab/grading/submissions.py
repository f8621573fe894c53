r"""Find what students handed in, however their files lie: one `Submission` for each student.

- `find(folder, lab)`: the submissions, in the order of the students' names
- `find_each(folder, lab)`: the same, one after the other
- `find_one(folder, lab)`: the submission of the one student whose files are in a folder

Who a submission is from is read from its path alone. Each file or folder directly below `folder`
(or in it, if it is a zip archive) belongs to one student:

| layout | student |
| --- | --- |
| `ada.ipynb`, `ada_03_backpropagation.ipynb`, `ada (1).ipynb` | `ada` |
| `ada/anything.ipynb`, `ada.zip` | `ada` |
| Canvas: `lovelaceada_LATE_123_456_lab-1.ipynb` | `lovelaceada_123` |
| Moodle: `Ada Lovelace_123_assignsubmission_file_/lab.ipynb` | `Ada Lovelace_123` |
| nbgrader: `submitted/ada/03_backpropagation/03_backpropagation.ipynb` | `ada` |

A zip archive of any of these is read as it is. Of several notebooks the one that holds the most
of the lab's answers is graded, of several attempts the latest. A student whose file cannot be
used gets a submission with a `problem`; nothing that one student does stops the others.

When a submission was handed in is what nbgrader's `timestamp.txt` says, else when the file (or
the student's archive) was last changed, which copying may alter. In an archive of the whole class
it is not known.
"""

import difflib
import fnmatch
import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from dllab.check.loading import LabFiles, lab_names
from dllab.errors import NoSubmissionsError, UnreadableError
from dllab.grading.archives import Entry, members, single, walk
from dllab.grading.notebook import is_notebook, read
from dllab.grading.records import Repair, Submission
from dllab.grading.released import Released, released
from dllab.grading.repair import written
from dllab.grading.steps import repaired

__all__ = ["find", "find_each", "find_one"]

MAX_CANDIDATES = 20  # notebooks of one student that are looked into
LARGEST_TO_COMPARE = 50_000_000  # bytes; a larger one among several is not looked into

_JUNK = re.compile(
    r"\..*|__MACOSX|__pycache__|Thumbs\.db|desktop\.ini|~\$.*|Icon\r|node_modules|venv|.*\.pyc",
    re.IGNORECASE,
)
_GENERIC = re.compile(
    r"(all|class|course|downloads?|exports?|hand-?ins?|submissions?|submitted|.*[ _-]submissions?"
    r"|submissions?[ _-].*)\Z",
    re.IGNORECASE,
)
_MOODLE = re.compile(
    r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*))?\Z"
)
_CANVAS = re.compile(
    r"(?P<name>[^_].*?)_(?P<late>LATE_)?(?P<user>\d+)_(?P<submission>\d+)_(?P<file>.+)\Z",
    re.DOTALL,
)
_COPY = re.compile(r"(?:[ _-]*\(\d+\)|[ _-]+(?:copy|kopie|copie)(?:[ _-]?\d+)?)\Z", re.IGNORECASE)
_ATTEMPT = re.compile(r"-(\d{1,3})\Z")
_DOCUMENTS = {".pdf", ".docx", ".doc", ".odt", ".rtf", ".html", ".htm", ".md", ".rar", ".7z"} | {
    ".gz",
    ".tgz",
    ".tar",
    ".xz",
    ".bz2",
}
_RENAMED = {".json", ".txt", ".py", ".nb", ".bak", ""}


def find(folder: Path, lab: LabFiles, only: Collection[str] = ()) -> list[Submission]:
    """Return one submission for each student, sorted by student.

    Args:
        folder: the folder, a zip archive of it, or one notebook.
        lab: what was to be done; of several notebooks, its tasks decide.
        only: return these students' submissions only; `*` and `?` stand for any letters.

    Raises:
        NoSubmissionsError: nothing in it looks like a submission, or none is of a student in
            `only`.
    """
    return list(find_each(folder, lab, only))


def find_each(folder: Path, lab: LabFiles, only: Collection[str] = ()) -> Iterator[Submission]:
    """Return the same as `find`, one after the other: a class need not fit into memory."""
    folder = Path(folder)
    entries = _open(folder, lab)
    students = _named(_by_student(entries, lab))
    if not students:
        raise NoSubmissionsError(_nothing(folder, lab, entries))
    if only:
        students = _only(students, only)
    handed_out = released(lab)
    return (_submission(name, students[name], handed_out) for name in sorted(students))


def find_one(folder: Path, lab: LabFiles, student: str = "student") -> Submission:
    """Return what one student handed in, all of whose files are in a folder of their own."""
    files = [_File(entry, entry.parts) for entry in _tidied(walk(Path(folder)))]
    if not files:
        problem = "Nothing was handed in."
        return Submission(student, "", _digest(problem), problem=problem)
    return _submission(student, files, released(lab))


# ---------------------------------------------------------------- the class


def _open(folder: Path, lab: LabFiles) -> list[Entry]:
    """Return all files of the class, without wrappers around them."""
    if folder.is_dir():
        entries = _tidied(walk(folder))
        alone = entries[0] if len(entries) == 1 else None
        if alone and _is_zip(alone) and not alone.problem:
            entries = _inside_or_itself(folder / alone.name, alone, lab)
    elif folder.is_file():
        archive = _has_suffix(folder.name, ".zip")
        entries = _members_of_class(folder) if archive else [single(folder)]
    else:
        raise NoSubmissionsError(f"`folder`: there is no folder or zip archive {str(folder)!r}")
    return _unwrapped(entries, lab)


def _members_of_class(path: Path) -> list[Entry]:
    try:
        return _tidied(members(path, of_class=True))
    except UnreadableError as error:
        raise NoSubmissionsError(f"{path}: {error}") from None


def _inside_or_itself(path: Path, alone: Entry, lab: LabFiles) -> list[Entry]:
    """Return what is in the only archive of a folder, unless it is one student's."""
    try:
        inside = _tidied(members(path, of_class=True))
    except UnreadableError:
        return [alone]
    return inside if _is_class(Path(alone.name).stem, inside, lab) else [alone]


def _unwrapped(entries: list[Entry], lab: LabFiles) -> list[Entry]:
    """Leave out folders that hold the whole class: `submitted/`, `Lab 3 submissions/`."""
    for _ in range(3):
        tops = {entry.parts[0] for entry in entries}
        if "submitted" in tops:  # an nbgrader course, with release and feedback beside it
            tops = {"submitted"}
        inside = [e.below(1) for e in entries if e.parts[0] in tops and len(e.parts) > 1]
        if len(tops) != 1 or not inside or not _is_class(next(iter(tops)), inside, lab):
            break
        entries = inside
    return entries


def _is_class(name: str, inside: Sequence[Entry], lab: LabFiles) -> bool:
    """Return whether a single folder or archive holds many students' work, not one's."""
    tops = {entry.parts[0] for entry in inside}
    if any(_MOODLE.match(top) or _canvas(top, lab) for top in tops):
        return True
    if any(len(entry.parts) > 2 and entry.parts[1] == lab.name for entry in inside):
        return True
    if _GENERIC.match(name) or lab.name in name:
        return lab.name not in tops
    folders = {entry.parts[0] for entry in inside if len(entry.parts) > 1 and _is_ipynb(entry)}
    return len(folders) > 1 or sum(_is_zip(entry) for entry in inside) > 1


def _tidied(entries: Iterable[Entry]) -> list[Entry]:
    """Leave out what operating systems and editors put beside files, and grading's own output."""
    kept = [e for e in entries if e.parts and not any(_JUNK.fullmatch(part) for part in e.parts)]
    ours = {e.parts[0] for e in kept if len(e.parts) == 2 and e.name == "gradebook.sqlite"}
    return [entry for entry in kept if entry.parts[0] not in ours]


# ---------------------------------------------------------------- who it is from


@dataclass(frozen=True)
class _File:
    """An entry of one student's, its path below the student, and which attempt it is."""

    entry: Entry
    inside: tuple[str, ...]
    attempt: tuple[int, int] = (0, 0)
    series: str = ""  # files of one series are attempts at the same thing
    text_only: bool = False


def _by_student(entries: Iterable[Entry], lab: LabFiles) -> dict[str, list[_File]]:
    """Sort the files by student, as their paths name them."""
    students: dict[str, list[_File]] = {}
    for entry in entries:
        if not entry.parts or (len(entry.parts) == 1 and not _is_handed_in(entry, lab)):
            continue
        student, file = _identify(entry, lab)
        students.setdefault(unicodedata.normalize("NFC", student), []).append(file)
    return _without_other_labs(students, lab)


def _identify(entry: Entry, lab: LabFiles) -> tuple[str, _File]:
    parts = entry.parts
    top = parts[0]
    if moodle := _MOODLE.match(top):
        inside = parts[1:] or (moodle["file"] or top,)
        text_only = moodle["kind"] == "onlinetext"
        return f"{moodle['name']}_{moodle['number']}", _File(entry, inside, text_only=text_only)
    if len(parts) > 1 or entry.kind == "folder":
        return top, _File(entry, parts[1:])
    if canvas := _canvas(top, lab):
        stem, suffix = _split(canvas["file"])
        number = _ATTEMPT.search(stem)
        attempt = (int(canvas["submission"][:18]), int(number[1]) if number else 0)
        series = _ATTEMPT.sub("", stem) + suffix
        file = _File(entry, (canvas["file"],), attempt, series)
        return f"{canvas['name']}_{canvas['user']}", file
    return _from_stem(_split(top)[0], lab.name), _File(entry, (top,))


def _canvas(name: str, lab: LabFiles) -> re.Match[str] | None:
    """Return how Canvas put a name together; `smith_2024_03_backpropagation` is not Canvas'."""
    found = _CANVAS.match(name)
    if found and lab.name in name and name.index(lab.name) < found.start("file"):
        return None
    return found


def _from_stem(stem: str, lab: str) -> str:
    """Return a student from a file's name without suffix, lab name and copy marks.

    >>> _from_stem("ada_03_backpropagation (1)", "03_backpropagation")
    'ada'
    >>> _from_stem("03_backpropagation (1)", "03_backpropagation")
    '03_backpropagation (1)'
    """
    spelled = r"[ _-]*".join(map(re.escape, re.split(r"[ _-]+", lab)))
    shorter = stem
    while (cut := _COPY.sub("", shorter)) != shorter:
        shorter = cut
    student = re.sub(rf"(?<![a-z0-9]){spelled}(?![a-z0-9])", "", shorter, flags=re.IGNORECASE)
    return student.strip(" _-.") or stem.strip() or "unnamed"


def _is_handed_in(entry: Entry, lab: LabFiles) -> bool:
    """Return whether a file directly in the folder is some student's, not the instructor's."""
    if entry.kind == "folder" or entry.problem or _MOODLE.match(entry.name):
        return True
    if _canvas(entry.name, lab) or _is_ipynb(entry) or _is_zip(entry):
        return True
    stem, suffix = _split(entry.name)
    if suffix in _DOCUMENTS:
        return not stem.lower().startswith(("readme", "index", "report"))
    return suffix in _RENAMED and suffix != ".py" and _looks_like_notebook(entry)


def _without_other_labs(students: dict[str, list[_File]], lab: LabFiles) -> dict[str, list[_File]]:
    """In nbgrader's layout, keep this lab's folder, and leave out who handed in other labs only."""

    def of_lab(files: list[_File], names: Collection[str]) -> list[_File]:
        return [file for file in files if file.inside[:1] and file.inside[0] in names]

    if not any(of_lab(files, [lab.name]) for files in students.values()):
        return students
    others = set(lab_names()) - {lab.name}
    kept = {}
    for student, files in students.items():
        here = of_lab(files, [lab.name])
        if here:
            kept[student] = here
        elif len(of_lab(files, others)) < len(files):
            kept[student] = files
    return kept


def _named(students: dict[str, list[_File]]) -> dict[str, list[_File]]:
    """Give students names without control characters; those that become equal stay apart."""
    clean = {raw: _clean(raw) for raw in students}
    taken = list(clean.values())
    return {
        name if name == raw or taken.count(name) == 1 else f"{name}-{_digest(raw)[:8]}": students[
            raw
        ]
        for raw, name in clean.items()
    }


def _clean(text: str, longest: int = 100) -> str:
    """Return text to show and compare: visible characters, single spaces.

    >>> _clean("Ada\\u202e \\n Lovelace")
    'Ada Lovelace'
    """
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
    shown = "".join(" " if unicodedata.category(c) in hidden else c for c in text)
    return " ".join(shown.split())[:longest] or "unnamed"


def _digest(content: str | bytes) -> str:
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()


def _only(students: dict[str, list[_File]], only: Collection[str]) -> dict[str, list[_File]]:
    wanted = {name: [s for s in students if s == name or _fits(s, name)] for name in only}
    missing = [name for name, found in wanted.items() if not found]
    if missing:
        close = difflib.get_close_matches(missing[0], list(students), n=1, cutoff=0.5)
        guess = f"did you mean {close[0]!r}? " if close else ""
        listed = ", ".join(sorted(students)[:10])
        raise NoSubmissionsError(
            f"`only`: nothing was handed in by {missing[0]!r}: {guess}"
            f"There are {len(students)} submissions, among them those of {listed}"
        )
    chosen = set().union(*wanted.values())
    return {student: files for student, files in students.items() if student in chosen}


def _fits(student: str, pattern: str) -> bool:
    """Tell whether a name fits a pattern, in which `*` and `?` stand for any letters."""
    return fnmatch.fnmatchcase(student, pattern.replace("[", "[[]"))


def _nothing(folder: Path, lab: LabFiles, entries: Sequence[Entry]) -> str:
    shown = ", ".join(sorted({_clean(entry.parts[0], 40) for entry in entries})[:5])
    there = f"it holds {shown}" if entries else "it is empty"
    return (
        f"`folder`: no submission in {str(folder)!r}; {there}. Looked for notebooks (.ipynb) or "
        "zip archives of each student, a folder for each student, a Canvas or Moodle download, "
        f"and nbgrader's submitted/STUDENT/{lab.name}/"
    )


# ---------------------------------------------------------------- one student's file


@dataclass(frozen=True)
class _Choice:
    """A notebook that may be the one to grade; content is empty where there is a problem."""

    file: _File
    content: bytes = b""
    problem: str = ""
    renamed: bool = False


def _submission(student: str, files: list[_File], handed_out: Released) -> Submission:
    try:
        choice, repairs = _choose(files, handed_out)
    except UnreadableError as error:
        return _unusable(student, files[0], str(error))
    if choice.problem:
        return _unusable(student, choice.file, choice.problem)
    return Submission(
        student=student,
        name=_clean(choice.file.inside[-1] if choice.file.inside else choice.file.entry.name),
        digest=_digest(choice.content),
        content=choice.content,
        submitted_at=_submitted_at(choice.file, files),
        origin=_origin(choice.file),
        repairs=tuple(repairs),
    )


def _unusable(student: str, file: _File, problem: str) -> Submission:
    return Submission(
        student=student,
        name=_clean(file.entry.name),
        digest=_digest(f"{_origin(file)}\n{problem}"),
        submitted_at=_iso(file.entry.modified),
        origin=_origin(file),
        problem=problem,
    )


def _origin(file: _File) -> str:
    return "/".join(_clean(part) for part in file.entry.parts)


def _choose(files: list[_File], handed_out: Released) -> tuple[_Choice, list[Repair]]:
    """Return the notebook to grade, and what there is to say about the choice.

    Raises:
        UnreadableError: there is none.
    """
    files, problems = _unpacked(files)
    notebooks = [file for file in files if _is_ipynb(file.entry)]
    usable = [file for file in notebooks if not file.entry.problem]
    renamed = [] if usable else [file for file in files if _may_be_renamed(file)]
    if not usable and not renamed:
        problems += [file.entry.problem for file in notebooks + files if file.entry.problem]
        raise UnreadableError(problems[0] if problems else _no_notebook(files))
    latest, repairs = _latest(usable or renamed)
    choices = [_load(file, not usable) for file in latest[:MAX_CANDIDATES]]
    best = choices[0] if len(choices) == 1 else _most_work(choices, handed_out)
    name = _clean(best.file.inside[-1] if best.file.inside else best.file.entry.name)
    if len(choices) > 1:
        repairs.append(repaired("chosen-file", count=len(latest), name=name))
    elif _is_renamed(best, handed_out.lab):
        repairs.append(repaired("renamed-file", name=name))
    return best, repairs


def _is_renamed(choice: _Choice, lab: str) -> bool:
    """Return whether a file has another name than it was handed out with."""
    if choice.renamed:
        return True
    flat = len(choice.file.entry.parts) == 1  # its name is the student's
    return not flat and choice.file.inside[-1:] != (f"{lab}.ipynb",)


def _unpacked(files: list[_File], depth: int = 2) -> tuple[list[_File], list[str]]:
    """Return the files with archives replaced by what is in them, and which could not be."""
    found: list[_File] = []
    problems: list[str] = []
    for file in files:
        if not _is_zip(file.entry) or file.entry.problem:
            found.append(file)
            continue
        try:
            if not depth:
                raise UnreadableError("The zip archives are packed into one another too often.")
            inside = members(file.entry.read(), file.entry.modified)
            if refused := [entry for entry in inside if entry.problem]:
                raise UnreadableError(f"{refused[0].problem}")
        except UnreadableError as error:
            problems.append(str(error))
            continue
        below = [
            replace(file, entry=replace(e, parts=(*file.entry.parts, *e.parts)), inside=e.parts)
            for e in _tidied(inside)
        ]
        more, worse = _unpacked(below, depth - 1)
        found += more
        problems += worse
    return found, problems


def _latest(files: list[_File]) -> tuple[list[_File], list[Repair]]:
    """Of several attempts at the same thing, keep the latest."""
    series: dict[str, list[_File]] = {}
    for number, file in enumerate(files):
        series.setdefault(file.series or f"file {number}", []).append(file)
    kept = [max(attempts, key=lambda file: file.attempt) for attempts in series.values()]
    for attempts, file in zip(series.values(), kept, strict=True):
        if len(attempts) > 1:
            name = _clean(file.inside[-1])
            return kept, [repaired("latest-attempt", count=len(attempts), name=name)]
    return kept, []


def _load(file: _File, renamed: bool) -> _Choice:
    try:
        return _Choice(file, file.entry.read(), renamed=renamed)
    except UnreadableError as error:
        return _Choice(file, problem=str(error))


def _most_work(choices: list[_Choice], handed_out: Released) -> _Choice:
    """Return the notebook with the most answers; then by name, then the newest."""

    def rank(choice: _Choice) -> tuple[bool, int, bool, float]:
        named = choice.file.inside[-1:] == (f"{handed_out.lab}.ipynb",)
        answers = -1 if choice.problem else _answers(choice.content, handed_out)
        return not choice.problem, answers, named, choice.file.entry.modified or 0.0

    return max(choices, key=rank)


def _answers(content: bytes, handed_out: Released) -> int:
    """Return how many of the lab's answers a notebook holds; -1 if it cannot be read."""
    if len(content) > LARGEST_TO_COMPARE:
        return 0
    try:
        cells, _ = read(content)
    except UnreadableError:
        return -1
    return len(written(cells, handed_out))


def _no_notebook(files: list[_File]) -> str:
    names = sorted({_clean(f.entry.name, 40) for f in files if f.entry.kind == "file"})
    if not names:
        return "The folder or archive is empty: hand in the notebook (.ipynb)."
    if all(file.text_only for file in files):
        return "Text was handed in, but no file: hand in the notebook (.ipynb)."
    return f"There is no notebook (.ipynb), only {', '.join(names[:3])}."


# ---------------------------------------------------------------- names, suffixes, times


def _split(name: str) -> tuple[str, str]:
    """Return stem and suffix in lower case; `.ipynb.txt` is one suffix."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem or len(suffix) > 6 or not suffix.isalnum():
        return name, ""
    inner, inner_dot, before = stem.rpartition(".")
    if inner_dot and inner and before.lower() == "ipynb":
        return inner, f".ipynb.{suffix.lower()}"
    return stem, f".{suffix.lower()}"


def _has_suffix(name: str, suffix: str) -> bool:
    return _split(name)[1] == suffix


def _is_ipynb(entry: Entry) -> bool:
    return entry.kind == "file" and _has_suffix(entry.name, ".ipynb")


def _is_zip(entry: Entry) -> bool:
    return entry.kind == "file" and _has_suffix(entry.name, ".zip")


def _may_be_renamed(file: _File) -> bool:
    entry = file.entry
    if entry.kind != "file" or entry.problem or file.text_only or entry.name == "timestamp.txt":
        return False
    suffix = _split(entry.name)[1]
    if suffix.startswith(".ipynb."):
        return True
    return suffix in _RENAMED and _looks_like_notebook(entry, scripts=suffix == ".py")


def _looks_like_notebook(entry: Entry, scripts: bool = False) -> bool:
    try:
        content = entry.read()
        if not scripts:
            return is_notebook(content)
        read(content)
    except UnreadableError:
        return False
    return True


def _submitted_at(chosen: _File, files: Sequence[_File]) -> str:
    """Return when a notebook was handed in, ISO 8601 in UTC, or ''."""
    folder = chosen.entry.parts[:-1]
    for file in files:
        if file.entry.name == "timestamp.txt" and file.entry.parts[:-1] == folder:
            try:
                text = file.entry.read(200).decode("utf-8", "replace")
            except UnreadableError:
                continue
            if when := _parse_time(text):
                return when
    return _iso(chosen.entry.modified)


def _parse_time(text: str) -> str:
    """Return nbgrader's time stamp as ISO 8601 in UTC, or '' if it is none.

    >>> _parse_time("2026-03-01 12:30:00.5 UTC")
    '2026-03-01T12:30:00+00:00'
    """
    words = text.split()
    zone: Callable[[], ZoneInfo] = lambda: ZoneInfo(words[2] if len(words) == 3 else "UTC")  # noqa: E731
    try:
        moment = datetime.fromisoformat(" ".join(words[:2]))
        local = moment if moment.tzinfo else moment.replace(tzinfo=zone())
        return local.astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, KeyError, OSError, OverflowError):
        return ""


def _iso(seconds: float | None) -> str:
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
