"""The command `dllab`: each command parses, calls one function and prints.

- `main()`: the entry point
- `app`: the Typer application

Commands import what they need when they run, so `dllab --help` is quick and a command whose
extra is not installed says which one it is.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from dllab import __version__
from dllab.errors import DLLabError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Deep Learning Lab: data, checks and tools for a course that runs.",
    epilog="Start with `dllab doctor`: it tells what works on this machine and what to do next.",
)
data = typer.Typer(no_args_is_help=True, help="Look at the data sets that the course ships.")
author = typer.Typer(no_args_is_help=True, help="Write labs: start, check and build them.")
kernel = typer.Typer(no_args_is_help=True, help="Start kernels in a moment instead of seconds.")
grades = typer.Typer(no_args_is_help=True, help="Look at grades and hand them to other systems.")
app.add_typer(data, name="data")
app.add_typer(grades, name="grades")
app.add_typer(author, name="author")
app.add_typer(kernel, name="kernel")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Graded = Annotated[Path, typer.Argument(metavar="OUT", help="The folder that `dllab grade` wrote.")]
OneLab = Annotated[str, typer.Option(help="Which lab, where the folder has several.")]
Labs = Annotated[
    list[str] | None, typer.Argument(metavar="[LAB]...", help="Names of labs; all when left out.")
]


def main() -> NoReturn:
    """Run the command line; an error that `dllab` foresees is one red line and status 2."""
    try:
        app()
    except DLLabError as error:
        _fail(" ".join(str(error).split()))
    except ModuleNotFoundError as error:
        _fail(_missing(error))
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    typer.secho(f"dllab: {message}", fg=typer.colors.RED, err=True)
    sys.exit(2)


# The packages of each extra that commands import; the rest comes with dllab itself.
_EXTRAS = {
    "IPython": "grade",
    "distributed": "grade",
    "jinja2": "grade",
    "jupytext": "author",
    "nbclient": "author",
    "nbconvert": "author",
    "nbformat": "author",
    "nbgrader": "author",
    "ipykernel": "lab",
    "jupyter_client": "lab",
    "pytest": "lab",
}


def _missing(error: ModuleNotFoundError) -> str:
    """Say what to install, or raise the error again if no extra brings it."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        raise error
    return f"this command needs {package}; install it with pip install 'dllab[{_EXTRAS[package]}]'"


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows that have the same keys."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(*(rows[0] if rows else ()), box=None, padding=(0, 2, 0, 0))
    for row in rows:
        # plain text: a student's name may look like markup
        shown.add_row(*(Text(str(value)) for value in row.values()))
    # a file gets whole lines, however narrow the terminal is that it was made in
    Console(width=None if sys.stdout.isatty() else 160).print(shown)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dllab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: `dllab doctor`")
def doctor(as_json: AsJson = False) -> None:
    """Tell what works on this machine; status 1 if something that the course needs does not."""
    from dllab import doctor

    report = doctor.examine()
    if as_json:
        _print_json(report.to_dict())
    else:
        report.print()
    raise typer.Exit(0 if report.ok else 1)


@app.command(
    epilog="Examples: `dllab check 03_backpropagation.ipynb`, "
    "`dllab check 03_backpropagation.ipynb --task softmax --json`"
)
def check(
    notebook: Annotated[Path, typer.Argument(help="A lab's notebook, as you saved it.")],
    task: Annotated[str | None, typer.Option(help="Check this task only.")] = None,
    lab: Annotated[
        str | None, typer.Option(help="The lab, where the notebook does not say which it is.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a lab's checks on a saved notebook; status 1 if points are missing."""
    from dllab.check.notebook import check_notebook

    result = check_notebook(notebook, task=task, lab=lab)
    if as_json:
        _print_json(result.to_dict())
    else:
        typer.echo(str(result))
    raise typer.Exit(0 if result.points == result.max_points else 1)


@app.command(
    epilog="""
Examples:

`dllab grade 03_backpropagation submissions/ --out grades/`

`dllab grade 03_backpropagation submissions.zip --out grades/ --course course.toml --jobs 8`

The same command again goes on after an interruption, and grades what is new or changed.

Exit status: 0 every submission is graded, 3 some need a person, 2 nothing could be graded,
130 interrupted.
"""
)
def grade(
    lab: Annotated[str, typer.Argument(help="A lab's name, or the path of its source folder.")],
    submissions: Annotated[
        Path,
        typer.Argument(
            help="A folder or zip file: a file or folder for each student, or what Canvas, Moodle "
            "or nbgrader hands out."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder for gradebook, report and feedback.")],
    jobs: Annotated[
        int | None, typer.Option(help="Submissions graded at once; one for each core unless told.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds for one submission.  [default: 180]")
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(help="MB for one submission, beyond its libraries.  [default: 2048]"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Of the checks' random numbers. Unless told, that of the last run into the same "
            "folder, or a fresh one, which only the gradebook holds."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Grade this student only; repeat it for more. `*` stands for any text."),
    ] = None,
    regrade: Annotated[
        bool,
        typer.Option(
            "--regrade",
            help="Grade again what has a grade, with a fresh seed unless --seed or --only is "
            "given. Every attempt is kept.",
        ),
    ] = False,
    dask: Annotated[
        str, typer.Option(help="Grade on the cluster of this scheduler: `tcp://host:8786`.")
    ] = "",
    course: Annotated[
        Path | None, typer.Option(help="A `course.toml` with deadlines and penalties.")
    ] = None,
    extensions: Annotated[
        Path | None, typer.Option(help="A CSV file: student, lab, until, reason.")
    ] = None,
    adjustments: Annotated[
        Path | None, typer.Option(help="A CSV file: student, lab, change or set, reason, by.")
    ] = None,
    cold: Annotated[
        bool,
        typer.Option("--cold", help="Start Python anew for each submission: slower, same grades."),
    ] = False,
    unsafe_no_sandbox: Annotated[
        bool,
        typer.Option(
            "--unsafe-no-sandbox",
            help="Run students' code with all that you may do on this machine. The report says so.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Grade a class: run each notebook in a sandbox, check it, write gradebook and feedback."""
    from dllab.grading import console
    from dllab.grading.grade_class import grade_class

    try:
        result = grade_class(
            lab,
            submissions,
            out,
            jobs=jobs,
            time_limit=time_limit,
            memory=memory,
            seed=seed,
            only=only or (),
            regrade=regrade,
            dask=dask,
            course=course,
            extensions=extensions,
            adjustments=adjustments,
            sandboxed=not unsafe_no_sandbox,
            warm=not cold,
            progress=console.watcher(),
        )
    except KeyboardInterrupt:  # before the first submission was begun with
        raise typer.Exit(130) from None
    if as_json:
        _print_json(console.to_dict(result))
    else:
        typer.echo(console.summary(result))
    raise typer.Exit(result.status)


@grades.command(
    epilog="Examples: `dllab grades show grades/`, `dllab grades show grades/ --student ada`"
)
def show(
    out: Graded,
    student: Annotated[str, typer.Option(help="Show this student's checks.")] = "",
    lab: OneLab = "",
    as_json: AsJson = False,
) -> None:
    """Show the marks of a class, or what each check found for one student."""
    from dllab.grading.exports import shown

    rows = shown(out, lab, student)
    if as_json:
        _print_json(rows)
    else:
        _print_table(rows)


@grades.command(
    epilog="""
Examples:

`dllab grades export grades/ --to canvas --template Export.csv --output Import.csv`

`dllab grades export grades/ --to moodle --template Worksheet.csv --output Upload.csv --scale`

Canvas: *Grades, Export, Export Entire Gradebook* gives the template, *Import* takes the output.
Moodle: *Download grading worksheet* and *Upload grading worksheet* of the assignment.

Exit status: 0 every mark is written, 3 some are not, and are listed, 2 nothing was written.
"""
)
def export(
    out: Graded,
    to: Annotated[str, typer.Option(help="`canvas` or `moodle`.")],
    template: Annotated[Path, typer.Option(help="The CSV file that the platform handed out.")],
    output: Annotated[Path, typer.Option(help="The CSV file to upload.")],
    lab: OneLab = "",
    column: Annotated[
        str,
        typer.Option(
            help="The assignment's column: its name or number in Canvas, if it is not called like "
            "the lab; the grade's column in a Moodle that does not speak English."
        ),
    ] = "",
    scale: Annotated[
        bool, typer.Option("--scale", help="Convert points to the platform's maximum.")
    ] = False,
    only_changes: Annotated[
        bool,
        typer.Option(
            "--only-changes",
            help="For Canvas: write this assignment and these students only, so that nothing "
            "graded since the export is set back.",
        ),
    ] = False,
) -> None:
    """Fill the file that Canvas or Moodle hands out with the marks. Nobody is guessed."""
    from dllab.grading.exports import export

    filled = export(
        out, to, template, output, lab=lab, column=column, scale=scale, only_changes=only_changes
    )
    typer.echo(str(filled))
    raise typer.Exit(0 if filled.complete else 3)


@grades.command(
    epilog="""
Examples:

`dllab grades nbgrader grades/ --course-dir course/`

`dllab grades nbgrader grades/ --course-dir course/ --assignment homework-3 --create`

To let nbgrader itself grade in the sandbox, put two lines into its `nbgrader_config.py` instead:
`from dllab.grading.nbgrader import configure` and `configure(get_config())`.

Exit status: 0 every student has scores, 3 nbgrader does not know some, 2 nothing was written.
"""
)
def nbgrader(
    out: Graded,
    course_dir: Annotated[Path, typer.Option(help="The course, with its `gradebook.db`.")],
    lab: OneLab = "",
    assignment: Annotated[
        str, typer.Option(help="The assignment, if it is not called like the lab.")
    ] = "",
    notebook: Annotated[
        str, typer.Option(help="Its notebook, if it is not called like the lab.")
    ] = "",
    create: Annotated[
        bool, typer.Option("--create", help="Add students whom nbgrader does not know.")
    ] = False,
) -> None:
    """Write scores and comments into an nbgrader course; what a person gave there stays."""
    from dllab.grading.nbgrader import write_scores

    written = write_scores(
        out, course_dir, lab=lab, assignment=assignment, notebook=notebook, create=create
    )
    typer.echo(str(written))
    raise typer.Exit(3 if written.unknown else 0)


@grades.command(
    epilog="""
Examples:

`dllab grades gradescope 03_backpropagation --output bundle.zip`

`dllab grades gradescope 03_backpropagation --output bundle.zip --visibility after_published`

Upload the file under *Configure Autograder*, with a container of at least 1 CPU and 3 GB. It holds
the checks and the seed of their random numbers: keep it to yourself.
"""
)
def gradescope(
    lab: Annotated[str, typer.Argument(help="A lab's name, or the path of its source folder.")],
    output: Annotated[Path, typer.Option(help="The zip file to upload.")],
    allow_unsandboxed: Annotated[
        bool,
        typer.Option(
            "--allow-unsandboxed",
            help="Grade without a sandbox where the container refuses one: a submission can then "
            "read the checks and write its own marks.",
        ),
    ] = False,
    visibility: Annotated[
        str,
        typer.Option(
            help="When students see the results: `visible`, `after_due_date`, `after_published`, "
            "`hidden`."
        ),
    ] = "visible",
    time_limit: Annotated[float, typer.Option(help="Seconds for one submission.")] = 180,
    memory: Annotated[
        int, typer.Option(help="MB for one submission, beyond its libraries.")
    ] = 2048,
    seed: Annotated[
        int | None, typer.Option(help="Of the checks' random numbers; a fresh secret unless told.")
    ] = None,
) -> None:
    """Make an autograder for Gradescope that grades one lab."""
    from dllab.grading.gradescope import write_bundle

    write_bundle(
        lab,
        output,
        allow_unsandboxed=allow_unsandboxed,
        seed=seed,
        seconds=time_limit,
        memory=memory,
        visibility=visibility,
    )
    typer.echo(os.path.relpath(output))


@data.command("list", epilog="Example: `dllab data list`")
def list_data() -> None:
    """List the data sets."""
    from dllab.data import table

    _print_table(table())


@data.command(epilog="Example: `dllab data card digits`")
def card(name: Annotated[str, typer.Argument(help="A name that `dllab data list` shows.")]) -> None:
    """Show where a data set comes from, its license and its known bias."""
    from dllab.data import card

    typer.echo(str(card(name)))


@author.command(epilog="Examples: `dllab author build`, `dllab author build 03_backpropagation`")
def build(labs: Labs = None) -> None:
    """Write the notebooks that are generated from the sources, and list them."""
    from dllab.authoring import build

    for path in build(labs or None):
        typer.echo(os.path.relpath(path))


@author.command(epilog="Examples: `dllab author lint`, `dllab author lint 03_backpropagation`")
def lint(labs: Labs = None) -> None:
    """Report each mistake in the sources with file, cell and task; status 1 if there is one."""
    from dllab.authoring.lint import lint

    problems = lint(labs or None)
    for problem in problems:
        typer.echo(str(problem))
    if problems:
        raise typer.Exit(1)


@author.command(epilog="Example: `dllab author new 07_convolution`")
def new(
    lab: Annotated[str, typer.Argument(help="Two digits and a name: `07_convolution`.")],
) -> None:
    """Start a lab from a template that lints, builds and passes."""
    from dllab.authoring.scaffold import new_lab

    typer.echo(os.path.relpath(new_lab(lab)))


@kernel.command(epilog="Example: `dllab kernel install`")
def install() -> None:
    """Add the warm kernel to this environment's Jupyter."""
    from dllab import warm

    try:
        typer.echo(f"installed {warm.install()}")
    except warm.WarmError as error:
        # `warm` stands alone, so its error is none of DLLabError's kinds
        raise DLLabError(str(error)) from error


@kernel.command(epilog="Example: `dllab kernel status`")
def status() -> None:
    """List the template processes that warm kernels are forked from."""
    from dllab import warm

    templates = warm.status()
    for template in templates:
        typer.echo(str(template))
    if not templates:
        typer.echo("No template is running; the first warm kernel starts one.")


@kernel.command(epilog="Example: `dllab kernel stop`")
def stop() -> None:
    """End the template processes; kernels that are running go on."""
    from dllab import warm

    ended = warm.stop()
    typer.echo(f"Ended {ended} template{'' if ended == 1 else 's'}.")


if __name__ == "__main__":
    main()
