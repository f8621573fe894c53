"""Grade on a Dask cluster: each submission is a task for a scheduler that runs already.

- `run_on_cluster(address, orders, ...)`: yields each order with its grade, as they finish
- `grade_there(text, ...)`: what a task does on the machine that it lands on
- `describe(lab, sandboxed)`: what decides a score on a machine

A Dask worker grades nothing itself. It hands the order to a worker process of ours on its
machine, so neither Dask's threads nor what a check changes in its process does any harm.
"""

import atexit
import json
import logging
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dllab.errors import ClusterError, DLLabError, FingerprintError
from dllab.grading.fingerprint import fingerprint, open_lab, versions
from dllab.grading.pool import (
    TRIES,
    WorkerProcess,
    WorkerSettings,
    failed,
    grade_of,
    reason_for,
    refusal,
    settle,
)
from dllab.grading.records import Grade, Order, order_from_json, order_to_json, to_json
from dllab.grading.sandbox import Template, level

__all__ = ["describe", "grade_there", "run_on_cluster"]

_CONNECT_SECONDS = 10
_IN_FLIGHT = 2  # orders for each thread: one at work, one on its way
_LOOK_AROUND = 0.3
_LOST_SECONDS = 20  # without a scheduler


# -- the instructor's side --------------------------------------------------------------------


def run_on_cluster(
    address: str,
    orders: Iterator[Order],
    settings: WorkerSettings | None = None,
    started: Callable[[Order], None] = lambda order: None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Order, Grade]]:
    """Yield each order with its grade, as they finish; few are under way at any time.

    Args:
        address: of the scheduler, such as `tcp://host:8786`.
        orders: they are read only when there is room for them.
        settings: names the grader that worker processes run there.
        started: called with each order when it is sent.
        stop: asked often; when it answers True, what is under way is given up.

    Raises:
        ClusterError: the scheduler cannot be reached, has no workers, or was lost.
        FingerprintError: a machine has another version of the lab or of `dllab`.
        SandboxMissingError: a machine cannot confine students' code.
    """
    first = next(orders, None)
    if first is None:
        return
    with _client(address) as client:
        _compare(client, first)
        flight = _Flight(client, settings or WorkerSettings())
        pending: Order | None = first
        try:
            while not stop() and (pending or len(flight)):
                while pending and flight.room():
                    started(pending)
                    flight.send(pending)
                    pending = next(orders, None)
                yield from flight.landed()
        finally:
            flight.cancel()


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise ClusterError(
            f"`dask` needs the package {error.name}: pip install 'dllab[grade]'"
        ) from error
    with _quiet():
        try:
            client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(
                "`dask` should be the address of a running scheduler, such as tcp://host:8786, "
                f"and {address!r} cannot be reached ({_short(error)}): check the address, or "
                "start one with `dask scheduler`"
            ) from None
        try:
            yield client
        finally:
            with suppress(Exception):
                client.close(timeout=5)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log out of the progress display: what matters, we say ourselves."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _compare(client: Any, order: Order) -> None:
    """See that there are machines and that each grades as this one does."""
    try:
        found = client.run(describe, order.lab, order.sandboxed, on_error="return")
    except Exception as error:
        raise ClusterError(f"the Dask workers do not answer ({_short(error)})") from None
    if not found:
        raise ClusterError("the scheduler has no workers: start some with `dask worker ADDRESS`")
    mine = {"fingerprint": order.fingerprint, **versions()}
    for address, theirs in found.items():
        if not isinstance(theirs, dict):
            raise FingerprintError(
                f"the Dask worker {address} cannot grade ({_short(theirs)}): install the same "
                "version of dllab[grade] there"
            )
        if "error" in theirs:
            raise refusal(theirs["kind"], f"the Dask worker {address}: {theirs['error']}")
        if other := _differences(mine, theirs):
            raise FingerprintError(f"the Dask worker {address} {other}")


def _differences(mine: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    other = [
        f"{name} {theirs.get(name, 'none')[:12]} instead of {value[:12]}"
        for name, value in mine.items()
        if theirs.get(name) != value
    ]
    if not other:
        return ""
    return (
        f"would grade otherwise: it has {', '.join(other)}. Install the same versions of the "
        "lab, of dllab and of the libraries everywhere"
    )


def _short(error: Any) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


@dataclass
class _Sent:
    order: Order
    losses: int = 0


class _Flight:
    """The tasks that are under way."""

    def __init__(self, client: Any, settings: WorkerSettings) -> None:
        self._client = client
        self._settings = settings
        self._versions = versions()
        self._sent: dict[Any, _Sent] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._heard = time.monotonic()

    def __len__(self) -> int:
        return len(self._sent)

    def room(self) -> bool:
        """Tell whether another order should be sent now; machines may come and go."""
        threads = sum(self._client.nthreads().values()) if self._alive() else 0
        return len(self._sent) < max(1, _IN_FLIGHT * threads)

    def _alive(self) -> bool:
        return self._client.status == "running"

    def send(self, order: Order, losses: int = 0) -> None:
        future = self._client.submit(
            grade_there,
            order_to_json(_filled(order)),
            self._settings.grader,
            self._versions,
            pure=False,
            retries=TRIES,
        )
        self._sent[future] = _Sent(order, losses)
        future.add_done_callback(self._done.put)

    def landed(self) -> Iterator[tuple[Order, Grade]]:
        """Yield what has come back, waiting a moment for it."""
        try:
            future = self._done.get(timeout=_LOOK_AROUND)
        except queue.Empty:
            self._see_that_it_lives()
            return
        sent = self._sent[future]
        try:
            # its worker may be lost after all: then it is graded elsewhere first
            answer = json.loads(future.result(timeout=_LOOK_AROUND))
        except TimeoutError:
            self._see_that_it_lives()
            self._done.put(future)
            return
        except Exception as error:
            self._lost(future, error)
            if sent.losses + 1 >= TRIES:
                yield (
                    sent.order,
                    failed(sent.order, [f"it was lost on the cluster ({_short(error)})"]),
                )
            return
        del self._sent[future]
        self._heard = time.monotonic()
        yield sent.order, _opened(answer, sent.order)

    def _lost(self, future: Any, error: Exception) -> None:
        """Send an order again whose task came to nothing, unless that happened before."""
        if not self._alive() or future.status in ("cancelled", "lost"):
            raise ClusterError(_GONE)
        sent = self._sent.pop(future)
        if sent.losses + 1 < TRIES:
            self.send(sent.order, sent.losses + 1)

    def _see_that_it_lives(self) -> None:
        if self._alive():
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > _LOST_SECONDS:
            raise ClusterError(_GONE)

    def cancel(self) -> None:
        if self._sent and self._alive():
            with suppress(Exception):
                self._client.cancel(list(self._sent), force=True)
        self._sent.clear()


_GONE = (
    "the Dask scheduler was lost on the way: everything graded until then is stored; run the same "
    "command again to go on"
)


def _filled(order: Order) -> Order:
    """Return the order with its file's content: other machines do not have the file."""
    found = order.submission
    if not found.path:
        return order
    content = Path(found.path).read_bytes()
    return replace(order, submission=replace(found, content=content, path=""))


def _opened(answer: Mapping[str, Any], order: Order) -> Grade:
    if "failed" in answer:
        return failed(order, [str(reason) for reason in answer["failed"]])
    return grade_of(answer, order)


# -- the machine that grades ------------------------------------------------------------------


def describe(lab: str, sandboxed: bool) -> dict[str, str]:
    """Return what decides a score on this machine, or why it cannot grade."""
    try:
        level(sandboxed)
        return {"fingerprint": fingerprint(open_lab(lab)), **versions()}
    except DLLabError as error:
        return {"error": str(error), "kind": type(error).__name__}


def grade_there(text: str, grader: str, wanted: Mapping[str, str]) -> str:
    """Grade an order on this machine and return the answer as JSON.

    Args:
        text: the order, as `order_to_json` writes it, with its content.
        grader: `module:function` for worker processes.
        wanted: the versions of the libraries.
    """
    order = order_from_json(text)
    if other := _differences(wanted, versions()):
        return json.dumps({"error": f"a Dask worker {other}", "kind": "FingerprintError"})
    with _on_disk(order) as stored:
        reasons: list[str] = []
        for attempt in range(TRIES):
            try:
                grade = _MACHINE.grade(stored, grader, fresh=attempt > 0)
            except _NoGradeError as error:
                reasons.append(str(error))
            except DLLabError as error:
                return json.dumps({"error": str(error), "kind": type(error).__name__})
            else:
                return json.dumps({"grade": json.loads(to_json(grade))})
        return json.dumps({"failed": reasons})


@contextmanager
def _on_disk(order: Order) -> Iterator[Order]:
    """Put the content into a file of our own, as for any worker process."""
    found = order.submission
    with tempfile.NamedTemporaryFile(prefix="dllab-order-") as file:
        file.write(found.content)
        file.flush()
        path = file.name if found.content else ""
        yield replace(order, submission=replace(found, content=b"", path=path))


class _NoGradeError(Exception):
    """A worker process did not come up with a grade."""


@dataclass
class _Machine:
    """The worker processes that this Dask worker's tasks share, and their template."""

    idle: list[tuple[tuple[str, str], WorkerProcess]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    opened: ExitStack = field(default_factory=ExitStack)
    template: str = ""

    def grade(self, order: Order, grader: str, fresh: bool) -> Grade:
        """Have an order graded by a process that nobody else uses meanwhile."""
        kind = (grader, self._template_for(order))
        worker = self._take(kind, fresh)
        try:
            grade = settle(worker, order)
        except (ValueError, EOFError, TimeoutError) as error:
            reason = reason_for(worker, error)
            worker.kill()
            raise _NoGradeError(reason) from None
        except BaseException:
            worker.kill()
            raise
        with self.lock:
            self.idle.append((kind, worker))
        return grade

    def _take(self, kind: tuple[str, str], fresh: bool) -> WorkerProcess:
        with self.lock:
            fits = [pair for pair in self.idle if pair[0] == kind]
            if fits:
                self.idle.remove(fits[-1])
        if fits and not fresh and not fits[-1][1].worn():
            return fits[-1][1]
        if fits:
            fits[-1][1].dismiss()
        # the thread that runs this task may end before the process does
        return WorkerProcess(WorkerSettings(kind[0], kind[1], follow_thread=False))

    def _template_for(self, order: Order) -> str:
        if not order.warm:
            return ""
        with self.lock:
            if not self.template:
                self.template = self.opened.enter_context(Template()).address
        return self.template

    def close(self) -> None:
        """End what is left; called when the Dask worker ends."""
        for _, worker in self.idle:
            worker.kill()
        self.opened.close()


_MACHINE = _Machine()
atexit.register(_MACHINE.close)
