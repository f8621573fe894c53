"""A thousand submissions in one run: memory stays flat."""

import statistics
from pathlib import Path

import psutil
from classes import HERE, TINY, fake_settings, hand_in, settled
from fake_grader import notebook

from dllab.grading.grade_class import Watcher, grade_class
from dllab.grading.gradebook import FinalMark
from dllab.grading.records import Grade

COUNT = 1000
_MEGABYTE = 2**20


class Scale(Watcher):
    """Weighs the run after each result: this process, and all of its workers together."""

    def __init__(self) -> None:
        self.me = psutil.Process()
        self.own: list[float] = []
        self.workers: list[float] = []

    def graded(self, grade: Grade, mark: FinalMark) -> None:
        self.own.append(self.me.memory_info().rss / _MEGABYTE)
        self.workers.append(
            max(
                (
                    child.memory_info().rss / _MEGABYTE
                    for child in self.me.children()
                    if child.status() != psutil.STATUS_ZOMBIE
                ),
                default=0.0,
            )
        )


def test_a_thousand_submissions_keep_memory_flat(tmp_path: Path, monkeypatch):
    """The last third of a class takes no more memory than the second, nor do its workers."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    # 20 kB each and all different, so that holding on to them would show
    answers = {
        f"student-{n:04}": notebook(f"score {n % 5}", f"x = '{n:04}{'x' * 20_000}'")
        for n in range(COUNT)
    }
    folder = hand_in(tmp_path / "in", answers)
    del answers
    scale = Scale()
    result = grade_class(
        TINY,
        folder,
        tmp_path / "out",
        jobs=2,
        sandboxed=False,
        warm=False,
        settings=fake_settings(submissions=200),
        progress=scale,
    )
    assert (result.status, result.graded, result.students) == (0, COUNT, COUNT)
    assert len(list((tmp_path / "out" / "feedback").iterdir())) == COUNT
    third = COUNT // 3
    for weights in (scale.own, scale.workers):
        early, late = (statistics.median(w) for w in (weights[third : 2 * third], weights[-third:]))
        # a third of the class is 7 MB of notebooks
        assert late < early + 3, f"{early:.1f} MB, then {late:.1f} MB"
    assert {grade.earned for grade in settled(tmp_path / "out").values()} == set(range(5))
