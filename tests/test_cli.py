"""Does each command parse, call its one function and print what it says?"""

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest
from typer.testing import CliRunner

import dllab
from dllab import cli, doctor
from dllab.doctor import Finding, Report
from dllab.errors import ParameterError


@pytest.fixture
def run(monkeypatch):
    """Run a command and give back its result."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")

    def invoke(*arguments):
        return CliRunner().invoke(cli.app, list(arguments))

    return invoke


@pytest.fixture
def stub(monkeypatch):
    """Replace a function of another part, and note its calls."""
    calls = []

    def replace(module, name, answer):
        def stand_in(*args, **options):
            calls.append((args, options))
            if isinstance(answer, Exception):
                raise answer
            return answer

        parent = sys.modules.get(module)
        if parent is None:
            parent = types.ModuleType(module)
            monkeypatch.setitem(sys.modules, module, parent)
        monkeypatch.setattr(parent, name, stand_in, raising=False)
        return calls

    return replace


COMMANDS = [
    (),
    ("doctor",),
    ("check",),
    ("data",),
    ("data", "list"),
    ("data", "card"),
    ("author",),
    ("author", "build"),
    ("author", "lint"),
    ("author", "new"),
    ("kernel",),
    ("kernel", "install"),
    ("kernel", "status"),
    ("kernel", "stop"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(run, command):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output
    if len(command) == 2 or command in (("doctor",), ("check",)):
        assert "Example" in result.output
        assert f"dllab {' '.join(command)}" in result.output


def test_the_version_is_the_package_s(run):
    assert run("--version").output == f"dllab {dllab.__version__}\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys, dllab.cli\n"
        "heavy = {'numpy', 'tensorflow', 'keras', 'matplotlib', 'nbformat', 'dllab.data'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(dllab.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_data_sets_are_listed(run):
    result = run("data", "list")
    assert result.exit_code == 0
    first_words = [line.split()[0] for line in result.output.splitlines() if line[:1].strip()]
    assert first_words == ["name", *dllab.data.names()]


def test_a_data_card_is_printed(run):
    result = run("data", "card", "iris")
    assert result.output == str(dllab.data.card("iris")) + "\n"


@pytest.mark.parametrize(("ok", "status"), [(True, 0), (False, 1)])
def test_the_doctor_s_verdict_is_the_exit_status(run, stub, ok, status):
    report = Report((Finding("Python", ok, "3", required=True),))
    stub("dllab.doctor", "examine", report)
    result = run("doctor")
    assert result.exit_code == status
    assert "Python  3" in result.output
    as_json = run("doctor", "--json")
    assert as_json.exit_code == status
    assert json.loads(as_json.output) == report.to_dict()
    assert doctor.examine() is report


class Marked:
    """What checking a notebook gives."""

    def __init__(self, points):
        self.points, self.max_points = points, 20

    def to_dict(self):
        return {"points": self.points}

    def __str__(self):
        return f"Total: {self.points} of 20 points"


@pytest.mark.parametrize(("points", "status"), [(20, 0), (19, 1)])
def test_a_notebook_is_checked(run, stub, points, status):
    import dllab.check.notebook  # noqa: F401

    calls = stub("dllab.check.notebook", "check_notebook", Marked(points))
    result = run("check", "lab.ipynb")
    assert (result.exit_code, result.output) == (status, f"Total: {points} of 20 points\n")
    as_json = run("check", "lab.ipynb", "--task", "softmax", "--lab", "03_x", "--json")
    assert (as_json.exit_code, json.loads(as_json.output)) == (status, {"points": points})
    assert calls == [
        ((Path("lab.ipynb"),), {"task": None, "lab": None}),
        ((Path("lab.ipynb"),), {"task": "softmax", "lab": "03_x"}),
    ]


def test_sources_are_built_and_listed(run, stub, tmp_path, monkeypatch):
    import dllab.authoring  # noqa: F401

    monkeypatch.chdir(tmp_path)
    calls = stub("dllab.authoring", "build", [tmp_path / "labs" / "01_x.ipynb"])
    result = run("author", "build")
    assert result.output == "labs/01_x.ipynb\n"
    run("author", "build", "01_x", "02_y")
    assert calls == [((None,), {}), ((["01_x", "02_y"],), {})]


@pytest.mark.parametrize(("problems", "status"), [([], 0), (["lab.md: cell 4: odd"], 1)])
def test_problems_of_the_sources_are_listed(run, stub, problems, status):
    import dllab.authoring.lint  # noqa: F401

    stub("dllab.authoring.lint", "lint", problems)
    result = run("author", "lint", "01_x")
    assert result.exit_code == status
    assert result.output.splitlines() == problems


def test_a_new_lab_is_named(run, stub, tmp_path, monkeypatch):
    import dllab.authoring.scaffold  # noqa: F401

    monkeypatch.chdir(tmp_path)
    calls = stub("dllab.authoring.scaffold", "new_lab", tmp_path / "07_x")
    assert run("author", "new", "07_x").output == "07_x\n"
    assert calls == [(("07_x",), {})]


def test_kernels_are_installed_shown_and_stopped(run, stub):
    import dllab.warm  # noqa: F401

    stub("dllab.warm", "install", "/somewhere/dllab-warm")
    stub("dllab.warm", "status", [])
    stub("dllab.warm", "stop", 1)
    assert run("kernel", "install").output == "installed /somewhere/dllab-warm\n"
    assert "No template is running" in run("kernel", "status").output
    assert run("kernel", "stop").output == "Ended 1 template.\n"
    stub("dllab.warm", "status", ["abc  ready"])
    assert run("kernel", "status").output == "abc  ready\n"


def call_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["dllab", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code


def test_a_foreseen_error_is_one_line_and_status_two(monkeypatch, capsys):
    assert call_main(monkeypatch, "data", "card", "irsi") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("dllab: `name` must be the name of a data set, but is 'irsi'.")


def test_an_error_of_several_lines_becomes_one(monkeypatch, capsys, stub):
    stub("dllab.doctor", "examine", ParameterError("first\n  second"))
    assert call_main(monkeypatch, "doctor") == 2
    assert capsys.readouterr().err == "dllab: first second\n"


def test_an_error_is_red_in_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert call_main(monkeypatch, "data", "card", "x") == 2
    assert capsys.readouterr().err.startswith("\x1b[31mdllab: ")


def test_a_kernel_that_cannot_be_installed_is_a_foreseen_error(monkeypatch, capsys, stub):
    from dllab import warm

    stub("dllab.warm", "install", warm.WarmError("no entry point"))
    assert call_main(monkeypatch, "kernel", "install") == 2
    assert capsys.readouterr().err == "dllab: no entry point\n"


def test_a_missing_extra_is_named(monkeypatch, capsys, stub):
    stub("dllab.doctor", "examine", ModuleNotFoundError("x", name="nbformat.v4"))
    assert call_main(monkeypatch, "doctor") == 2
    assert "pip install 'dllab[author]'" in capsys.readouterr().err


def test_a_module_missing_for_another_reason_is_a_bug(monkeypatch, stub):
    stub("dllab.doctor", "examine", ModuleNotFoundError("x", name="dllab.nowhere"))
    monkeypatch.setattr(sys, "argv", ["dllab", "doctor"])
    with pytest.raises(ModuleNotFoundError):
        cli.main()


def test_a_wrong_command_is_a_usage_error(monkeypatch, capsys):
    assert call_main(monkeypatch, "docter") == 2
    assert "No such command" in capsys.readouterr().err


def test_success_is_status_zero(monkeypatch, capsys):
    assert call_main(monkeypatch, "--version") == 0
