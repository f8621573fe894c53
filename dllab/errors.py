"""The errors that `dllab` raises on purpose: one class for each failure that a user can meet.

All derive from `DLLabError`, so `except DLLabError` catches what the package foresees and
nothing else. Each message names the parameter in backticks, what was expected, what was
received and the next step.
"""

__all__ = [
    "ArchiveError",
    "AuthoringError",
    "ClusterError",
    "CourseFileError",
    "DLLabError",
    "DamagedDataError",
    "DeviceError",
    "ExportError",
    "FingerprintError",
    "GradebookError",
    "GradebookLockedError",
    "GradingError",
    "NoSubmissionsError",
    "NotebookError",
    "ParameterError",
    "ParityError",
    "SandboxMissingError",
    "ShapeError",
    "TrainingDivergedError",
    "UnknownDatasetError",
    "UnknownLabError",
    "UnknownModelError",
    "UnknownTaskError",
    "UnreadableError",
    "WeightsUnavailableError",
    "WireError",
    "WorkerError",
    "WorkerFailedError",
    "WorkerTimeoutError",
]


class DLLabError(Exception):
    """Base of every error that `dllab` raises on purpose."""


class ParameterError(DLLabError, ValueError):
    """A parameter has a value that the function cannot work with."""


class ShapeError(DLLabError, ValueError):
    """An array does not have the dimensions it should have."""


class UnknownDatasetError(DLLabError, KeyError):
    """No data set has the name that was asked for."""

    def __str__(self) -> str:
        # KeyError would show the message as a quoted literal
        return str(self.args[0]) if self.args else ""


class DamagedDataError(DLLabError):
    """A data file is missing or its content does not match its recorded hash."""


class DeviceError(DLLabError, RuntimeError):
    """The devices of this machine or of this framework cannot do what was asked."""


class UnknownModelError(DLLabError, KeyError):
    """No pretrained model has the name that was asked for."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class WeightsUnavailableError(DLLabError):
    """Pretrained weights are not on this machine and cannot be downloaded."""


class UnknownLabError(DLLabError, LookupError):
    """No lab has the name that was asked for."""


class NotebookError(DLLabError):
    """A file is not a notebook that can be read, or running it came to no end."""


class UnknownTaskError(DLLabError, LookupError):
    """A lab has no task with the name that was asked for."""


class AuthoringError(DLLabError):
    """A lab's source is written wrongly; the message says in which file, cell and task."""


class TrainingDivergedError(DLLabError):
    """The loss became NaN or infinite during training."""


class GradebookError(DLLabError):
    """A file is not a gradebook that this version of `dllab` can read or write."""


class GradebookLockedError(GradebookError):
    """Another run of `dllab grade` writes into the same folder."""


class CourseFileError(DLLabError, ValueError):
    """`course.toml`, or a table of extensions or adjustments, says something wrong."""


class GradingError(DLLabError):
    """A class cannot be graded as it was asked for; what has been graded is kept."""


class ClusterError(GradingError):
    """A Dask cluster cannot be reached, or it was lost on the way."""


class FingerprintError(GradingError):
    """Two machines, or two moments, have different versions of a lab or of `dllab`."""


class WireError(GradingError):
    """A frame holds what no frame may hold, or a value is too large to be sent."""


class WorkerError(GradingError):
    """The processes that grade do not start."""


class SandboxMissingError(GradingError):
    """Students' code cannot be confined on this machine."""


class WorkerFailedError(DLLabError):
    """A worker of a training cluster ended too early; the message shows its last lines."""


class WorkerTimeoutError(DLLabError, TimeoutError):
    """A worker of a training cluster did not do in time what was waited for."""


class ParityError(DLLabError):
    """A way of computing a model gave no answer, or one of another form than the reference."""


class ExportError(DLLabError):
    """Marks cannot be handed to another system: its file or course is not as expected."""


class NoSubmissionsError(GradingError):
    """A folder holds nothing that looks like a submission; the message says what was looked for."""


class UnreadableError(GradingError):
    """A student's file cannot be read; the message is one sentence for the student."""


class ArchiveError(UnreadableError):
    """A zip archive is broken, or holds what a submission must not hold."""
