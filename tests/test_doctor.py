"""Does the doctor report what is missing instead of failing?"""

import builtins
import importlib.metadata
import json
import subprocess
import types

import pytest

from dllab import doctor
from dllab.doctor import Finding, Report


@pytest.fixture
def answers(monkeypatch):
    """Replace the process that imports Keras."""

    def set_answer(stdout="", stderr="", returncode=0, error=None):
        def run(command, **options):
            assert options["capture_output"]
            if error:
                raise error
            return types.SimpleNamespace(stdout=stdout, stderr=stderr, returncode=returncode)

        monkeypatch.setattr(doctor.subprocess, "run", run)

    set_answer(stdout='noise\n@["CPU with TensorFlow: no GPU", "cpu"]\n')
    return set_answer


@pytest.fixture
def bare(monkeypatch):
    """No package is installed."""

    def version(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(doctor, "version", version)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)


def finding(report, name):
    (found,) = [one for one in report.findings if one.name == name]
    return found


def test_here_everything_required_is_fine(answers):
    report = doctor.examine()
    assert report.ok, report
    names = [one.name for one in report.findings]
    assert names == list(doctor._CHECKS)
    assert finding(report, "Accelerator").text == "CPU with TensorFlow: no GPU"
    assert "hashes verified" in finding(report, "Data").text


def test_one_line_for_each_finding_with_its_next_step(capsys):
    Report(
        (
            Finding("Python", True, "3.11"),
            Finding("Packages", False, "missing: keras", "pip install dllab", required=True),
        )
    ).print()
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "✓ Python    3.11",
        "! Packages  missing: keras",
        "            → pip install dllab",
        "Something that the course needs is missing; follow the →.",
    ]


def test_only_what_is_required_decides():
    optional = Finding("Disk", False, "full")
    assert Report((optional,)).ok
    assert not Report((optional, Finding("Python", False, "2.7", required=True))).ok


def test_the_report_is_plain_values(answers):
    report = doctor.examine().to_dict()
    assert json.loads(json.dumps(report)) == report
    assert report["ok"] is True
    assert set(report["findings"][0]) == {"name", "ok", "text", "next_step", "required"}


def test_a_bare_environment_is_reported_line_by_line(answers, bare):
    report = doctor.examine()
    assert not report.ok
    assert finding(report, "Packages").text.startswith("missing: numpy, keras")
    assert not finding(report, "Keras backend").ok
    assert "dllab[lab]" in finding(report, "Jupyter").next_step


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"returncode": -11}, "exit status -11"),
        ({"returncode": 1, "stderr": "Traceback\nImportError: libcuda"}, "ImportError: libcuda"),
        ({"stdout": "nothing"}, "exit status 0"),
        ({"error": subprocess.TimeoutExpired("python", 1)}, "no answer within"),
        ({"error": OSError("cannot fork")}, "cannot fork"),
    ],
)
def test_a_backend_that_crashes_is_a_finding(answers, answer, said):
    answers(**answer)
    found = finding(doctor.examine(), "Accelerator")
    assert not found.ok
    assert said in found.text


def test_the_frameworks_beside_the_active_one_are_told_shortly(answers, monkeypatch):
    """What they compute on, or why not; a broken one is no failure of the course."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: True)
    answers(stdout='@["GPU Test with X: memory grows; more", "gpu"]')
    assert doctor._other_frameworks().text == "GPU Test with X; GPU Test with X"
    answers(returncode=1, stderr="ImportError: libcuda")
    found = doctor._other_frameworks()
    assert not found.ok
    assert found.text.startswith("tensorflow: Keras does not start: ImportError: libcuda; torch: ")
    assert "Other frameworks" not in doctor._REQUIRED


def test_one_framework_is_enough(monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert doctor._other_frameworks().ok


def test_a_check_that_cannot_run_keeps_whether_it_is_required(answers, monkeypatch):
    """An accelerator that cannot be examined must not count as fine."""
    answers(error=OSError("cannot fork"))
    assert not doctor.examine().ok


def test_damaged_data_is_named(monkeypatch):
    import dllab.data
    from dllab.errors import DamagedDataError

    def load(name):
        if name == "iris":
            raise DamagedDataError("hash differs")

    monkeypatch.setattr(dllab.data, "load", load)
    found = doctor._data()
    assert (found.ok, found.text) == (False, "iris (hash differs)")


@pytest.mark.parametrize(
    ("environment", "content", "expected"),
    [
        ("jax", '{"backend": "torch"}', "jax"),
        ("", '{"backend": "torch"}', "torch"),
        ("", "no json", "tensorflow"),
        ("", "[]", "tensorflow"),
        ("", None, "tensorflow"),
    ],
)
def test_the_backend_is_found_as_keras_finds_it(
    monkeypatch, tmp_path, environment, content, expected
):
    monkeypatch.setenv("KERAS_BACKEND", environment)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if content is not None:
        (tmp_path / "keras.json").write_text(content)
    assert doctor._configured_backend() == expected


def test_little_room_is_no_failure(monkeypatch):
    usage = types.SimpleNamespace(free=1e8)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(doctor, "_total_memory", lambda: 2.0)
    disk, memory = doctor._disk(), doctor._memory()
    assert (disk.ok, disk.text) == (False, "0.1 GB free here")
    assert not memory.ok
    assert not {"Disk", "Memory"} & set(doctor._REQUIRED)


def test_a_system_that_hides_its_memory_is_fine(monkeypatch):
    monkeypatch.delattr(doctor.os, "sysconf")
    assert doctor._memory().ok


def test_color_only_in_a_terminal(capsys, monkeypatch):
    assert doctor._colored("✓", True) == "✓"
    monkeypatch.setattr(doctor.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert doctor._colored("!", False) == "\x1b[33m!\x1b[0m"


def test_it_imports_no_framework(answers, monkeypatch):
    real = builtins.__import__

    def guarded(name, *args, **options):
        assert name.split(".")[0] not in ("tensorflow", "keras", "torch", "jax"), name
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", guarded)
    doctor.examine()
