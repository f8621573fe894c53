"""Whose work lies where: every layout, and what students do to files and archives."""

import io
import json
import os
import socket
import stat
import zipfile
from pathlib import Path

import pytest

from dllab.authoring import read_lab
from dllab.authoring.build import to_json
from dllab.check.loading import find_lab
from dllab.errors import ArchiveError, NoSubmissionsError, UnreadableError
from dllab.grading import archives
from dllab.grading.archives import members, walk
from dllab.grading.submissions import find

NAME = "03_backpropagation"


@pytest.fixture(scope="module")
def lab():
    return find_lab(NAME)


@pytest.fixture(scope="module")
def solved(lab) -> bytes:
    return to_json(read_lab(lab.folder).solution_notebook()).encode()


@pytest.fixture(scope="module")
def untouched(lab) -> bytes:
    return to_json(read_lab(lab.folder).student_notebook()).encode()


@pytest.fixture
def hand_in(tmp_path, lab):
    """Return a function that writes files and finds the submissions among them, by student."""
    folder = tmp_path / "handed_in"
    folder.mkdir()

    def write(files, **options):
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return {submission.student: submission for submission in find(folder, lab, **options)}

    write.folder = folder
    return write


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def steps(submission) -> list[str]:
    return [repair.step for repair in submission.repairs]


LAYOUTS = {
    "files": ["ada.ipynb", "Bob Ross.ipynb"],
    "files with the lab's name": [f"ada_{NAME}.ipynb", f"{NAME} - Bob Ross (1).ipynb"],
    "folders": [f"ada/{NAME}.ipynb", "Bob Ross/work/x.ipynb"],
    "nbgrader": [f"submitted/ada/{NAME}/{NAME}.ipynb", f"submitted/Bob Ross/{NAME}/x.ipynb"],
    "nbgrader's inner folder": [f"ada/{NAME}/{NAME}.ipynb", f"Bob Ross/{NAME}/{NAME}.ipynb"],
    "wrapped": ["Lab 3 submissions/ada/x.ipynb", "Lab 3 submissions/Bob Ross/y.ipynb"],
}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_name_the_same_students(hand_in, solved, layout, packed):
    """However the files lie, packed or not, the same two students are found, with their work."""
    files = dict.fromkeys(LAYOUTS[layout], solved)
    found = hand_in({"submissions.zip": zipped(files)} if packed else files)
    assert sorted(found) == ["Bob Ross", "ada"]
    assert all(submission.content == solved for submission in found.values())
    assert not any(submission.problem for submission in found.values())


def test_canvas(hand_in, solved, untouched):
    """Name and number of the user; late flag and submission number left out; the newest wins."""
    found = hand_in(
        {
            "lovelaceada_LATE_123_456_lab-1.ipynb": solved,
            "lovelaceada_123_456_lab.ipynb": untouched,
            f"rossbob_9_10_{NAME}.ipynb": solved,
            "rossbob_11_12_answer.pdf": b"%PDF-1.7",
            f"smith_2024_{NAME}.ipynb": solved,
        }
    )
    assert list(found) == ["lovelaceada_123", "rossbob_11", "rossbob_9", "smith_2024"]
    assert found["lovelaceada_123"].content == solved
    assert steps(found["lovelaceada_123"]) == ["latest-attempt"]
    assert "answer.pdf" in found["rossbob_11"].problem


def test_moodle(hand_in, solved):
    """Name and number; text typed online is no file, and says so if there is nothing else."""
    found = hand_in(
        {
            "Ada Lovelace_12_assignsubmission_file_/x.ipynb": solved,
            "Ada Lovelace_12_assignsubmission_onlinetext_/onlinetext.html": b"<p>Hello</p>",
            "Bob Ross_13_assignsubmission_onlinetext_/onlinetext.html": b"<p>Hello</p>",
            "Zoë Müller_14_assignsubmission_file_x.ipynb": solved,
        }
    )
    assert list(found) == ["Ada Lovelace_12", "Bob Ross_13", "Zoë Müller_14"]
    assert found["Ada Lovelace_12"].content == found["Zoë Müller_14"].content == solved
    assert "no file" in found["Bob Ross_13"].problem


def test_nbgrader_course(hand_in, solved):
    """Only this lab's folders; the time stamp says when; who did another lab is not here."""
    stamp = b"2026-03-01 12:30:00.25 UTC\n"
    found = hand_in(
        {
            f"submitted/ada/{NAME}/{NAME}.ipynb": solved,
            f"submitted/ada/{NAME}/timestamp.txt": stamp,
            "submitted/ada/01_forward_propagation/x.ipynb": b"other",
            "submitted/bob/01_forward_propagation/x.ipynb": b"other",
            f"submitted/eve/{NAME}/timestamp.txt": stamp,
            f"release/{NAME}/{NAME}.ipynb": b"other",
            "gradebook.db": b"",
        }
    )
    assert list(found) == ["ada", "eve"]
    assert found["ada"].submitted_at == "2026-03-01T12:30:00+00:00"
    assert not found["ada"].repairs
    assert "no notebook" in found["eve"].problem


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-03-01 12:30:00 Europe/Berlin", "2026-03-01T11:30:00+00:00"),
        ("2026-03-01 12:30:00+02:00", "2026-03-01T10:30:00+00:00"),
        ("yesterday", "2026-01-02T03:04:05+00:00"),
        ("2026-03-01 12:30:00 ../../etc/passwd", "2026-01-02T03:04:05+00:00"),
    ],
)
def test_time_stamps(hand_in, solved, stamp, expected):
    """A time zone counts; what is no time stamp is ignored and the file's own time is used."""
    hand_in({f"ada/{NAME}/x.ipynb": solved, f"ada/{NAME}/timestamp.txt": stamp.encode()})
    os.utime(hand_in.folder / "ada" / NAME / "x.ipynb", (1767323045, 1767323045))
    assert hand_in({})["ada"].submitted_at == expected


def test_archive_for_each_student(hand_in, solved):
    """Each student's archive is that student's, whatever it is called inside."""
    inside = {f"work/{NAME}.ipynb": solved, "__MACOSX/work/._x.ipynb": b"junk"}
    found = hand_in({"ada.zip": zipped(inside), "bob.zip": zipped({"b.zip": zipped(inside)})})
    assert list(found) == ["ada", "bob"]
    assert all(submission.content == solved for submission in found.values())
    assert found["ada"].submitted_at


def test_one_archive_may_be_one_students(hand_in, solved):
    """A class of one: `ada.zip` is from ada."""
    assert list(hand_in({"ada.zip": zipped({f"{NAME}.ipynb": solved})})) == ["ada"]


def test_folder_may_be_an_archive_or_one_notebook(tmp_path, lab, solved):
    """`find` takes what an instructor has: a download as it is, or one student's file."""
    (tmp_path / "download.zip").write_bytes(zipped({"ada.ipynb": solved, "bob.ipynb": solved}))
    (tmp_path / "eve.ipynb").write_bytes(solved)
    assert [s.student for s in find(tmp_path / "download.zip", lab)] == ["ada", "bob"]
    assert [s.student for s in find(tmp_path / "eve.ipynb", lab)] == ["eve"]


def test_most_work_is_chosen(hand_in, solved, untouched):
    """Of several notebooks the one with the answers counts, and the student is told."""
    found = hand_in(
        {
            f"ada/{NAME}.ipynb": untouched,
            "ada/final.ipynb": solved,
            "ada/broken.ipynb": solved[:500],
            "ada/.ipynb_checkpoints/final-checkpoint.ipynb": solved,
        }
    )
    assert found["ada"].content == solved
    assert steps(found["ada"]) == ["chosen-file"]
    assert "3 files" in found["ada"].repairs[0].sentence
    assert "`final.ipynb`" in found["ada"].repairs[0].sentence


@pytest.mark.parametrize("name", ["x.ipynb.txt", "lab.json", "notebook", "X.IPYNB"])
def test_renamed_notebooks_are_found(hand_in, solved, name):
    """A notebook under another name or suffix is used; notes beside it are not."""
    found = hand_in({f"ada/{name}": solved, "ada/notes.txt": b"x = 1 # a note"})
    assert found["ada"].content == solved
    assert steps(found["ada"]) == ["renamed-file"]


def test_what_is_not_from_students_is_ignored(hand_in, solved):
    """Files of the instructor, the operating system and an earlier run are nobody's work."""
    found = hand_in(
        {
            "ada.ipynb": solved,
            "README.md": b"# Hello",
            "roster.csv": b"name",
            "course.toml": b"",
            ".DS_Store": b"",
            "grades/gradebook.sqlite": b"",
            "grades/feedback/ada.html": b"",
        }
    )
    assert list(found) == ["ada"]


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"eve/essay.pdf": b"%PDF-1.7", "eve/b.docx": b"PK"}, "only b.docx, essay.pdf"),
        ({"eve/notes.txt": b"dear teacher"}, "only notes.txt"),
        ({"eve.zip": b"PK\x03\x04 broken"}, "broken"),
        ({"eve.zip": b""}, "broken"),
        ({"eve.rar": b"Rar!"}, "only eve.rar"),
        ({"eve.zip": zipped({"a.zip": zipped({"b.zip": zipped({"c.zip": b""})})})}, "too often"),
        ({"eve.zip": zipped({"../../x.ipynb": b"{}"})}, "leads out"),
        ({"eve.zip": zipped({"/etc/x.ipynb": b"{}"})}, "leads out"),
        ({"eve.zip": zipped({"C:\\x.ipynb": b"{}"})}, "leads out"),
        ({"eve.zip": zipped({"..\\x.ipynb": b"{}"})}, "leads out"),
        ({"eve.zip": zipped({"x.ipynb": bytes(30_000_000)})}, "honestly"),
    ],
)
def test_problems_stay_with_their_student(hand_in, solved, files, word):
    """What cannot be used is said in a sentence; the others are graded."""
    found = hand_in({"ada.ipynb": solved, **files})
    assert word in found["eve"].problem
    assert found["eve"].content == b""
    assert found["ada"].content == solved


def test_empty_folder_is_a_student_without_work(hand_in, solved):
    """A student whose folder is empty is there, with a sentence."""
    (hand_in.folder / "eve").mkdir()
    assert "empty" in hand_in({"ada/x.ipynb": solved})["eve"].problem


def test_links_and_special_files_are_refused(hand_in, solved, tmp_path):
    """Nothing outside of a student's own files is read, and nothing that never ends."""
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(solved)
    (hand_in.folder / "soft.ipynb").symlink_to(secret)
    (hand_in.folder / "hard.ipynb").hardlink_to(secret)
    os.mkfifo(hand_in.folder / "pipe.ipynb")
    (hand_in.folder / "inner").mkdir()
    (hand_in.folder / "inner" / "x.ipynb").symlink_to(secret)
    (hand_in.folder / "folder").symlink_to(tmp_path)
    found = hand_in({"ada.ipynb": solved})
    words = {"soft": "symbolic", "hard": "hard link", "pipe": "pipe", "inner": "symbolic"}
    assert {name for name in found if found[name].problem} == {*words, "folder"}
    assert all(word in found[name].problem for name, word in words.items())


def test_sockets_are_refused(hand_in, solved, monkeypatch):
    """A Unix socket under a notebook's name is not opened."""
    monkeypatch.chdir(hand_in.folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("eve.ipynb")
        assert "socket" in hand_in({"ada.ipynb": solved})["eve"].problem


def test_what_changes_while_it_is_read(hand_in, solved, tmp_path):
    """A link put in a file's place after the listing is not followed either."""
    hand_in({"ada.ipynb": solved})
    entry = walk(hand_in.folder)[0]
    (hand_in.folder / "ada.ipynb").unlink()
    (hand_in.folder / "ada.ipynb").symlink_to(tmp_path)
    with pytest.raises(UnreadableError, match="cannot be read"):
        entry.read()


def test_unreadable_permissions(hand_in, solved, monkeypatch):
    """A file that may not be opened is that student's problem."""

    def refuse(path, flags):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(archives.os, "open", refuse)
    assert "permission denied" in hand_in({"eve.ipynb": solved})["eve"].problem


def test_huge_files_are_refused_without_reading_them(hand_in, solved, monkeypatch):
    """A file beyond the limit is refused with a sentence that says what to do."""
    with open(hand_in.folder / "eve.ipynb", "wb") as file:
        file.truncate(archives.MAX_FILE + 1)  # takes no room on the disk
    assert "clear the notebook's outputs" in hand_in({"ada.ipynb": solved})["eve"].problem


@pytest.mark.parametrize("flag", ["encrypted", "link", "method"])
def test_odd_members(hand_in, solved, flag):
    """Locked, linked and strangely packed members are refused, each with its own sentence."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("x.ipynb")
        if flag == "link":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
        info.compress_type = zipfile.ZIP_LZMA if flag == "method" else zipfile.ZIP_STORED
        archive.writestr(info, b"/etc/passwd")
    content = bytearray(stream.getvalue())
    if flag == "encrypted":
        content[content.index(b"PK\x01\x02") + 8] |= 1
    word = {"encrypted": "password", "link": "link", "method": "ordinary zip"}[flag]
    assert word in hand_in({"ada.ipynb": solved, "eve.zip": bytes(content)})["eve"].problem


def test_duplicate_names_in_an_archive(hand_in, solved, untouched):
    """Two files of one name: programs differ in which one they show, so neither is used."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.ipynb", solved)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.ipynb", untouched)
    found = hand_in({"ada.ipynb": solved, "eve.zip": stream.getvalue()})
    assert "two files of this name" in found["eve"].problem


def test_a_lying_archive_is_read_no_further_than_the_limit():
    """The declared size is not believed: reading ends at the limit or with an error."""
    content = bytearray(zipped({"x.ipynb": bytes(1_000_000)}))
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (100).to_bytes(4, "little")
    with pytest.raises(UnreadableError):
        members(bytes(content))[0].read(1000)


def test_too_many_members(monkeypatch):
    """An archive of countless files is refused before any is looked at."""
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    with pytest.raises(ArchiveError, match="holds 4 files"):
        members(zipped({f"{n}.txt": b"" for n in range(4)}))


def test_unsafe_name_in_the_class_archive(tmp_path, lab, solved):
    """In an archive of all students, one unsafe member costs only itself."""
    (tmp_path / "all.zip").write_bytes(zipped({"ada.ipynb": solved, "../../eve.ipynb": solved}))
    found = {submission.student: submission for submission in find(tmp_path / "all.zip", lab)}
    assert found["ada"].content == solved
    assert "leads out" in found["eve"].problem


def test_names_are_cleaned_and_stay_apart(hand_in, solved):
    """Characters that hide or disguise a name go; two names that become equal stay two students."""
    found = hand_in(
        {
            "ada.ipynb": solved,
            "ada\u200b.ipynb": solved,
            "e\tv\u202ee\n.ipynb": solved,
            "张伟.ipynb": solved,
            "Ada.ipynb": solved,
            "a" * 200 + ".ipynb": solved,
        }
    )
    assert {"ada", "Ada", "e v e", "张伟", "a" * 100} < set(found)
    assert len(found) == 6
    assert all(name.isprintable() for name in found)


def test_one_student_with_file_and_folder(hand_in, solved, untouched):
    """The same name twice is the same student, whose best notebook counts."""
    found = hand_in({"ada.ipynb": untouched, "ada/x.ipynb": solved, "ada (1).ipynb": untouched})
    assert list(found) == ["ada"]
    assert found["ada"].content == solved


def test_numbered_downloads_are_different_students(hand_in, solved):
    """Where a name says nothing but the lab and a number, nothing is merged."""
    found = hand_in({f"{NAME} (1).ipynb": solved, f"{NAME} (2).ipynb": solved})
    assert list(found) == [f"{NAME} (1)", f"{NAME} (2)"]


def test_names_that_are_not_utf8(hand_in, solved):
    """A file name in another encoding neither stops the class nor reaches a report as it is."""
    path = os.fsencode(hand_in.folder) + b"/zo\xeb.ipynb"
    Path(os.fsdecode(path)).write_bytes(solved)
    (found,) = hand_in({})
    json.dumps(found).encode("utf-8")
    assert found == "zo"


def test_only(hand_in, solved):
    """Only the students asked for; a name that nobody has is answered with the closest."""
    files = {"ada.ipynb": solved, "bob.ipynb": solved}
    assert list(hand_in(files, only=["bob"])) == ["bob"]
    with pytest.raises(NoSubmissionsError, match="did you mean 'bob'"):
        hand_in(files, only=["bobb"])


@pytest.mark.parametrize("files", [{}, {"course.toml": b"", "readme.txt": b"hello"}])
def test_nothing_found_says_what_was_looked_for(hand_in, files):
    """The error names the folder, what it holds and the layouts that are known."""
    with pytest.raises(NoSubmissionsError, match=r"Looked for .*Canvas.*Moodle.*nbgrader"):
        hand_in(files)


def test_missing_folder(tmp_path, lab):
    """A folder that is not there is an error of its own."""
    with pytest.raises(NoSubmissionsError, match="there is no folder"):
        find(tmp_path / "nothing", lab)


def test_digest_is_that_of_the_file(hand_in, solved):
    """Equal files have equal digests, also inside an archive; problems have one as well."""
    found = hand_in({"ada.ipynb": solved, "bob.zip": zipped({"x.ipynb": solved}), "eve.zip": b""})
    assert found["ada"].digest == found["bob"].digest != found["eve"].digest
    assert all(len(submission.digest) == 64 for submission in found.values())
