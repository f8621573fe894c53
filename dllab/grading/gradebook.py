"""The gradebook: one SQLite file that keeps every attempt and every change of a mark.

- `Gradebook(path)`: open or make one; the only writer of its folder until it is closed
- `Gradebook(path, write=False)`: read one, also while another process writes it
- `Entry`: a grade with when and how it was handed in; `Run`; `Change`
- `FinalMark`, `MarkStep`: what a student gets, and how it came about (see `policy`)

Each result is one transaction, synced to the disk before `add` returns, in SQLite's rollback
journal: all is in one file, also on a network folder, and a reader never sees half a result.

Schema, `user_version` 1, `application_id` 0x444C4C42 ("DLLB"). Times are ISO 8601 in UTC.

| table | one row for each | columns |
| --- | --- | --- |
| labs | lab | lab, title, points |
| runs | run of `dllab grade` | run, lab, fingerprint, seed, options (JSON), versions (JSON), sandbox, started, ended (empty while it runs or if it was cut off), outcome |
| attempts | graded submission | attempt, run, student, lab, digest, fingerprint, seed, regrade, status, reason, earned, points, seconds, cpu_seconds, peak_memory, restarts, name, origin, submitted_at, time, grade (the whole `Grade` as canonical JSON); unique (student, lab, digest, fingerprint, seed, regrade) |
| tests | check of an attempt | attempt, position, task, test, points, earned, status, misconception |
| current | student and lab | lab, student, attempt, name, origin, submitted_at: which attempt counts |
| marks | student and lab | lab, student, attempt, status, reason, earned, points, late, adjustment, final, submitted_at, steps (JSON), time |
| changes | change of a mark | change, lab, student, old (NULL: first mark), new (NULL: none any more), reason, who, time |

A column holds text with lone surrogates (a file name that is not UTF-8) as `\\udcff`; the JSON in
`attempts.grade` gives back the very same student.
"""  # noqa: E501

import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dllab.errors import GradebookError, GradebookLockedError
from dllab.grading.records import Grade, Status, Submission, grade_from_json, to_json

__all__ = ["VERSION", "Change", "Entry", "FinalMark", "Gradebook", "MarkStep", "Run"]

VERSION = 1
APPLICATION = 0x444C4C42

_SCHEMA = """
CREATE TABLE labs (
    lab TEXT PRIMARY KEY, title TEXT NOT NULL, points INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, lab TEXT NOT NULL REFERENCES labs, fingerprint TEXT NOT NULL,
    seed INTEGER NOT NULL, options TEXT NOT NULL, versions TEXT NOT NULL, sandbox TEXT NOT NULL,
    started TEXT NOT NULL, ended TEXT NOT NULL DEFAULT '', outcome TEXT NOT NULL DEFAULT ''
);
CREATE TABLE attempts (
    attempt INTEGER PRIMARY KEY, run INTEGER REFERENCES runs, student TEXT NOT NULL,
    lab TEXT NOT NULL REFERENCES labs, digest TEXT NOT NULL, fingerprint TEXT NOT NULL,
    seed INTEGER NOT NULL, regrade INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    earned INTEGER NOT NULL, points INTEGER NOT NULL, seconds REAL NOT NULL,
    cpu_seconds REAL NOT NULL, peak_memory REAL NOT NULL, restarts INTEGER NOT NULL,
    name TEXT NOT NULL, origin TEXT NOT NULL, submitted_at TEXT NOT NULL, time TEXT NOT NULL,
    grade TEXT NOT NULL,
    UNIQUE (student, lab, digest, fingerprint, seed, regrade)
);
CREATE TABLE tests (
    attempt INTEGER NOT NULL REFERENCES attempts, position INTEGER NOT NULL, task TEXT NOT NULL,
    test TEXT NOT NULL, points INTEGER NOT NULL, earned INTEGER NOT NULL, status TEXT NOT NULL,
    misconception TEXT NOT NULL, PRIMARY KEY (attempt, position)
) WITHOUT ROWID;
CREATE TABLE current (
    lab TEXT NOT NULL REFERENCES labs, student TEXT NOT NULL,
    attempt INTEGER NOT NULL REFERENCES attempts, name TEXT NOT NULL, origin TEXT NOT NULL,
    submitted_at TEXT NOT NULL, PRIMARY KEY (lab, student)
) WITHOUT ROWID;
CREATE TABLE marks (
    lab TEXT NOT NULL REFERENCES labs, student TEXT NOT NULL,
    attempt INTEGER NOT NULL REFERENCES attempts, status TEXT NOT NULL, reason TEXT NOT NULL,
    earned INTEGER NOT NULL, points INTEGER NOT NULL, late REAL NOT NULL, adjustment REAL NOT NULL,
    final REAL NOT NULL, submitted_at TEXT NOT NULL, steps TEXT NOT NULL, time TEXT NOT NULL,
    PRIMARY KEY (lab, student)
) WITHOUT ROWID;
CREATE TABLE changes (
    change INTEGER PRIMARY KEY, lab TEXT NOT NULL REFERENCES labs, student TEXT NOT NULL,
    old REAL, new REAL, reason TEXT NOT NULL, who TEXT NOT NULL, time TEXT NOT NULL
);
"""
_BUSY = 60.0  # seconds to wait while a reader is in the way


@dataclass(frozen=True)
class Run:
    """One run of `dllab grade`; `ended` is '' while it runs, and if it was cut off."""

    id: int
    lab: str
    fingerprint: str
    seed: int
    options: dict[str, Any]
    versions: dict[str, Any]
    sandbox: str
    started: str
    ended: str = ""
    outcome: str = ""


@dataclass(frozen=True)
class Entry:
    """A grade, when and how it was handed in, and how many submissions there have been."""

    grade: Grade
    attempt: int
    run: int | None
    regrade: int
    name: str
    origin: str
    submitted_at: str
    time: str
    attempts: int = 1

    @property
    def student(self) -> str:
        """Who it is from."""
        return self.grade.student


@dataclass(frozen=True)
class MarkStep:
    """One step from the points earned to the mark: what, how much, why, and by whom."""

    kind: str  # late, adjustment, limit, rounding
    amount: float
    reason: str
    by: str = ""


@dataclass(frozen=True)
class FinalMark:
    """What a student gets: `final` is `earned` plus the amounts of all `steps`."""

    student: str
    lab: str
    attempt: int
    status: Status
    reason: str
    earned: int
    points: int
    final: float
    late: float = 0.0
    adjustment: float = 0.0
    submitted_at: str = ""
    steps: tuple[MarkStep, ...] = ()
    attempts: int = 1


@dataclass(frozen=True)
class Change:
    """A change of a mark; `old` is None for a first mark."""

    lab: str
    student: str
    old: float | None
    new: float | None
    reason: str
    who: str
    time: str


class Gradebook:
    """A gradebook's file. Use it as a context manager, or call `close`.

    Args:
        path: the file; made, readable only by you, if it is missing and `write` is true.
        write: False reads beside a writer, and changes nothing.

    Raises:
        GradebookError: the file is no gradebook, or one of a newer `dllab`, or is missing.
        GradebookLockedError: another run writes into the same folder.
    """

    def __init__(self, path: str | os.PathLike[str], *, write: bool = True) -> None:
        self.path = Path(path)
        self.run: Run | None = None
        self._guard = threading.RLock()
        self._lock = _take_lock(self.path) if write else None
        try:
            self._connection = _connect(self.path, write)
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> "Gradebook":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let another run have the folder."""
        self._connection.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        # All at once: an open cursor would hold a lock that keeps the writer waiting.
        with self._guard:
            return self._connection.execute(query, _bound(values)).fetchall()

    # runs

    def start_run(
        self,
        lab: str,
        *,
        fingerprint: str,
        seed: int,
        options: Mapping[str, Any] | None = None,
        versions: Mapping[str, Any] | None = None,
        sandbox: str = "",
        title: str = "",
        points: int = 0,
    ) -> Run:
        """Note that a run begins; grades added from now on belong to it.

        Args:
            lab: the lab's name.
            fingerprint: of the lab's files and `dllab`.
            seed: of the checks.
            options: how it was called, plain values.
            versions: of what matters, by name.
            sandbox: the level of confinement, one line.
            title: the lab's title, for people.
            points: the lab's points.
        """
        started = _now()
        options, versions = dict(options or {}), dict(versions or {})
        row = (lab, fingerprint, seed, _json(options), _json(versions), sandbox, started)
        with self._transaction() as connection:
            _know_lab(connection, lab, title, points)
            cursor = connection.execute(
                "INSERT INTO runs (lab, fingerprint, seed, options, versions, sandbox, started)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                _bound(row),
            )
        number = int(cursor.lastrowid or 0)
        self.run = Run(number, lab, fingerprint, seed, options, versions, sandbox, started)
        return self.run

    def end_run(self, outcome: str = "finished") -> None:
        """Note that the run has ended, and how."""
        if self.run is not None:
            with self._transaction() as connection:
                connection.execute(
                    "UPDATE runs SET ended = ?, outcome = ? WHERE run = ?",
                    _bound((_now(), outcome, self.run.id)),
                )
            self.run = None

    def runs(self, lab: str | None = None) -> list[Run]:
        """Return all runs, the oldest first."""
        rows = self._rows("SELECT * FROM runs WHERE ?1 IS NULL OR lab = ?1 ORDER BY run", lab)
        return [_run(row) for row in rows]

    def seed_of_last_run(self, lab: str, fingerprint: str) -> int | None:
        """Return the seed to go on with, or None if this version of the lab was never graded."""
        rows = self._rows(
            "SELECT seed FROM runs WHERE lab = ? AND fingerprint = ? ORDER BY run DESC LIMIT 1",
            lab,
            fingerprint,
        )
        return rows[0]["seed"] if rows else None

    def labs(self) -> dict[str, str]:
        """Return the titles of the labs that were graded, by name."""
        return {row["lab"]: row["title"] for row in self._rows("SELECT * FROM labs ORDER BY lab")}

    # attempts

    def add(self, grade: Grade, submission: Submission | None = None, *, regrade: int = 0) -> bool:
        """Store a grade and make it the one that counts; return False if it was there already.

        Args:
            grade: what came of a submission.
            submission: when and under which name it was handed in.
            regrade: 0 for the first grading; a higher number keeps another one of the same
                submission with the same seed.
        """
        handed_in = _handed_in(submission)
        with self._transaction() as connection:
            _know_lab(connection, grade.lab, "", grade.points)
            number = _find(connection, grade, regrade)
            if number is None:
                new, number = True, self._insert(connection, grade, handed_in, regrade)
            else:
                new = False
            _make_current(connection, grade.lab, grade.student, number, handed_in)
        return new

    def _insert(
        self,
        connection: sqlite3.Connection,
        grade: Grade,
        handed_in: tuple[str, str, str],
        regrade: int,
    ) -> int:
        row = (
            self.run.id if self.run else None,
            *_key(grade),
            regrade,
            grade.status,
            grade.reason,
            grade.earned,
            grade.points,
            grade.seconds,
            grade.cpu_seconds,
            grade.peak_memory,
            grade.restarts,
            *handed_in,
            _now(),
            to_json(grade),
        )
        marks = ", ".join("?" * len(row))
        cursor = connection.execute(
            "INSERT INTO attempts (run, student, lab, digest, fingerprint, seed, regrade, status,"
            " reason, earned, points, seconds, cpu_seconds, peak_memory, restarts, name, origin,"
            f" submitted_at, time, grade) VALUES ({marks})",
            _bound(row),
        )
        number = int(cursor.lastrowid or 0)
        connection.executemany(
            "INSERT INTO tests VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _test_rows(number, grade)
        )
        return number

    def graded(
        self,
        student: str,
        digest: str,
        fingerprint: str,
        seed: int,
        *,
        lab: str | None = None,
        regrade: int | None = None,
    ) -> bool:
        """Tell whether a submission has a grade already, with this or any regrade number."""
        rows = self._rows(
            "SELECT 1 FROM attempts WHERE student = ?1 AND digest = ?2 AND fingerprint = ?3"
            " AND seed = ?4 AND (?5 IS NULL OR lab = ?5) AND (?6 IS NULL OR regrade = ?6) LIMIT 1",
            student,
            digest,
            fingerprint,
            seed,
            lab,
            regrade,
        )
        return bool(rows)

    def keep(self, lab: str, submission: Submission, fingerprint: str, seed: int) -> bool:
        """Let the newest grade of an unchanged submission count; return False if it has none.

        Call it for each submission that need not be graded: a student may have gone back to an
        earlier file, or handed in the same file at another time.
        """
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT attempt FROM attempts WHERE lab = ? AND student = ? AND digest = ?"
                " AND fingerprint = ? AND seed = ? ORDER BY regrade DESC LIMIT 1",
                _bound((lab, submission.student, submission.digest, fingerprint, seed)),
            ).fetchone()
            if row is not None:
                handed_in = _handed_in(submission)
                _make_current(connection, lab, submission.student, row["attempt"], handed_in)
        return row is not None

    def last_regrade(self, lab: str, fingerprint: str, seed: int) -> int:
        """Return the highest regrade number in use, 0 if there is none."""
        rows = self._rows(
            "SELECT max(regrade) AS number FROM attempts"
            " WHERE lab = ? AND fingerprint = ? AND seed = ?",
            lab,
            fingerprint,
            seed,
        )
        return int(rows[0]["number"] or 0)

    def latest(self, lab: str | None = None) -> list[Grade]:
        """Return the grade that counts of each student, by student."""
        return [entry.grade for entry in self.entries(lab)]

    def entries(self, lab: str | None = None) -> list[Entry]:
        """Return what counts of each student, by student, with how it was handed in."""
        rows = self._rows(
            "SELECT a.attempt, a.run, a.regrade, a.time, a.grade, c.name, c.origin,"
            " c.submitted_at, (SELECT count(DISTINCT digest) FROM attempts AS b"
            " WHERE b.student = a.student AND b.lab = a.lab) AS attempts"
            " FROM current AS c JOIN attempts AS a USING (attempt)"
            " WHERE ?1 IS NULL OR c.lab = ?1 ORDER BY c.lab, c.student",
            lab,
        )
        return [_entry(row) for row in rows]

    def attempts(self, student: str, lab: str | None = None) -> list[Entry]:
        """Return everything that was ever graded of a student, the oldest first."""
        rows = self._rows(
            "SELECT *, 1 AS attempts FROM attempts"
            " WHERE student = ?1 AND (?2 IS NULL OR lab = ?2) ORDER BY attempt",
            student,
            lab,
        )
        return [_entry(row) for row in rows]

    # marks

    def marks(self, lab: str | None = None) -> list[FinalMark]:
        """Return the mark of each student, by student."""
        rows = self._rows(
            "SELECT m.*, a.grade, (SELECT count(DISTINCT digest) FROM attempts AS b"
            " WHERE b.student = m.student AND b.lab = m.lab) AS attempts"
            " FROM marks AS m JOIN attempts AS a USING (attempt)"
            " WHERE ?1 IS NULL OR m.lab = ?1 ORDER BY m.lab, m.student",
            lab,
        )
        return [_mark(row) for row in rows]

    def store_marks(
        self, lab: str, marks: Iterable[FinalMark], who: str = "dllab grade"
    ) -> list[Change]:
        """Store marks and record what changed, in one transaction; return the changes.

        The same marks again change nothing, and nothing is recorded.
        """
        changed = []
        with self._transaction() as connection:
            before = {
                row["student"]: row
                for row in connection.execute("SELECT * FROM marks WHERE lab = ?", _bound((lab,)))
            }
            for mark in marks:
                old = before.get(_text(mark.student))
                reason = self._why(connection, old, mark)
                if reason:
                    change = Change(
                        lab, mark.student, old and old["final"], mark.final, reason, who, _now()
                    )
                    _store_mark(connection, mark, change.time)
                    _store_change(connection, change)
                    changed.append(change)
        return changed

    def _why(self, connection: sqlite3.Connection, old: sqlite3.Row | None, mark: FinalMark) -> str:
        """Return what distinguishes a mark from the stored one, '' if nothing does."""
        if old is None:
            return "; ".join(["first mark", *(_describe(step) for step in mark.steps)])
        reasons = []
        if old["attempt"] != mark.attempt:
            digests = {
                row["digest"]
                for row in connection.execute(
                    "SELECT digest FROM attempts WHERE attempt IN (?, ?)",
                    (old["attempt"], mark.attempt),
                )
            }
            reasons.append("another submission counts" if len(digests) > 1 else "graded again")
        elif old["submitted_at"] != mark.submitted_at:
            reasons.append("handed in at another time")
        steps = [MarkStep(**step) for step in json.loads(old["steps"])]
        reasons += [_describe(step) for step in mark.steps if step not in steps]
        reasons += [f"no longer: {_describe(step)}" for step in steps if step not in mark.steps]
        if not reasons and old["final"] != mark.final:
            reasons.append("counted differently")
        return "; ".join(reasons)

    def record_change(
        self, lab: str, student: str, old: float | None, new: float | None, reason: str, who: str
    ) -> Change:
        """Record a change of a mark that was made elsewhere."""
        change = Change(lab, student, old, new, reason, who, _now())
        with self._transaction() as connection:
            _know_lab(connection, lab, "", 0)
            _store_change(connection, change)
        return change

    def changes(self, lab: str | None = None, student: str | None = None) -> list[Change]:
        """Return the changes of marks, the oldest first."""
        rows = self._rows(
            "SELECT lab, student, old, new, reason, who, time FROM changes"
            " WHERE (?1 IS NULL OR lab = ?1) AND (?2 IS NULL OR student = ?2) ORDER BY change",
            lab,
            student,
        )
        return [Change(**dict(row)) for row in rows]


def _connect(path: Path, write: bool) -> sqlite3.Connection:
    if not write and not path.is_file():
        raise GradebookError(f"there is no gradebook at {path}: grade a lab into its folder first")
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives its journal the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    try:
        _prepare(connection, path, write)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise GradebookError(
            f"{path} should be a gradebook, and SQLite cannot read it ({error}): "
            "move the file away, or give another folder with --out"
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, write: bool) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    if write:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN IMMEDIATE")
        empty = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        if empty and _pragma(connection, "application_id") == 0:
            for statement in _SCHEMA.split(";")[:-1]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    else:
        connection.execute("PRAGMA query_only = ON")
    if _pragma(connection, "application_id") != APPLICATION:
        raise GradebookError(
            f"{path} should be a gradebook of dllab, and is another program's database: "
            "give another folder with --out"
        )
    version = _pragma(connection, "user_version")
    if version != VERSION:
        raise GradebookError(
            f"{path} has schema {version}, and this dllab knows schema {VERSION}: "
            "use the dllab that wrote it, or give another folder with --out"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _take_lock(path: Path) -> int:
    """Return an open file whose lock ends with this process, however it ends.

    Raises:
        GradebookLockedError: another process has it.
    """
    import fcntl  # there is none on Windows, where only reading works

    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(
        path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 200, 0).decode("utf-8", "replace").strip() or "another process"
        os.close(handle)
        raise GradebookLockedError(
            f"{path.parent} is in use by {holder}: wait for it to end, or give another folder "
            "with --out"
        ) from error
    os.truncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    return handle


def _text(text: str) -> str:
    """Return text that SQLite can hold: lone surrogates become escapes, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _bound(values: Sequence[Any]) -> list[Any]:
    return [_text(value) if isinstance(value, str) else value for value in values]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _handed_in(submission: Submission | None) -> tuple[str, str, str]:
    if submission is None:
        return "", "", ""
    return submission.name, submission.origin, submission.submitted_at


def _key(grade: Grade) -> tuple[str, str, str, str, int]:
    return grade.student, grade.lab, grade.digest, grade.fingerprint, grade.seed


def _know_lab(connection: sqlite3.Connection, lab: str, title: str, points: int) -> None:
    connection.execute(
        "INSERT INTO labs VALUES (?1, ?2, ?3) ON CONFLICT (lab) DO UPDATE SET"
        " title = CASE ?2 WHEN '' THEN title ELSE ?2 END,"
        " points = CASE ?3 WHEN 0 THEN points ELSE ?3 END",
        _bound((lab, title, points)),
    )


def _find(connection: sqlite3.Connection, grade: Grade, regrade: int) -> int | None:
    row = connection.execute(
        "SELECT attempt FROM attempts WHERE student = ? AND lab = ? AND digest = ?"
        " AND fingerprint = ? AND seed = ? AND regrade = ?",
        _bound((*_key(grade), regrade)),
    ).fetchone()
    return None if row is None else row["attempt"]


def _make_current(
    connection: sqlite3.Connection,
    lab: str,
    student: str,
    attempt: int,
    handed_in: tuple[str, str, str],
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO current (lab, student, attempt, name, origin, submitted_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        _bound((lab, student, attempt, *handed_in)),
    )


def _test_rows(attempt: int, grade: Grade) -> list[list[Any]]:
    tests = [(task.task, test) for task in grade.tasks for test in task.tests]
    return [
        _bound(
            (
                attempt,
                position,
                task,
                test.test,
                test.points,
                test.earned,
                test.status,
                test.misconception.id if test.misconception else "",
            )
        )
        for position, (task, test) in enumerate(tests)
    ]


def _store_mark(connection: sqlite3.Connection, mark: FinalMark, time: str) -> None:
    row = (
        mark.lab,
        mark.student,
        mark.attempt,
        mark.status,
        mark.reason,
        mark.earned,
        mark.points,
        mark.late,
        mark.adjustment,
        mark.final,
        mark.submitted_at,
        _json([asdict(step) for step in mark.steps]),
        time,
    )
    connection.execute(
        f"INSERT OR REPLACE INTO marks VALUES ({', '.join('?' * len(row))})", _bound(row)
    )


def _store_change(connection: sqlite3.Connection, change: Change) -> None:
    connection.execute(
        "INSERT INTO changes (lab, student, old, new, reason, who, time)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        _bound(
            (
                change.lab,
                change.student,
                change.old,
                change.new,
                change.reason,
                change.who,
                change.time,
            )
        ),
    )


def _describe(step: MarkStep) -> str:
    by = f" ({step.by})" if step.by else ""
    return f"{step.kind} {step.amount:+g}: {step.reason}{by}"


def _run(row: sqlite3.Row) -> Run:
    entries = dict(row)
    entries["id"] = entries.pop("run")
    entries["options"] = json.loads(entries["options"])
    entries["versions"] = json.loads(entries["versions"])
    return Run(**entries)


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(
        grade=grade_from_json(row["grade"]),
        attempt=row["attempt"],
        run=row["run"],
        regrade=row["regrade"],
        name=row["name"],
        origin=row["origin"],
        submitted_at=row["submitted_at"],
        time=row["time"],
        attempts=row["attempts"],
    )


def _mark(row: sqlite3.Row) -> FinalMark:
    entries = dict(row)
    del entries["time"]
    # the column may show a name with escapes; the grade has it as it is
    entries["student"] = grade_from_json(entries.pop("grade")).student
    steps = json.loads(entries.pop("steps"))
    return FinalMark(**entries, steps=tuple(MarkStep(**step) for step in steps))
