"""Do the workers of a cluster find one another, and does nothing of them stay behind?"""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from dllab.errors import ParameterError, WorkerFailedError, WorkerTimeoutError
from dllab.workers import Cluster

FOREVER = "import threading; print('ready', flush=True); threading.Event().wait()"

# Data-parallel training with momentum: 12 steps, a checkpoint after every 4 of them. In its first
# life worker 1 stands still after step 6, so that it can be killed there.
TRAINING = textwrap.dedent("""
    import json, os, threading
    import numpy as np

    me, count = int(os.environ["DLLAB_WORKER"]), int(os.environ["DLLAB_WORKERS"])
    rng = np.random.default_rng(0)
    x_all = rng.normal(size=(12, 16, 3)).astype("float32")
    y_all = x_all @ np.array([[1.0], [-2.0], [0.5]], "float32")
    first, w, v = 0, np.zeros((3, 1), "float32"), np.zeros((3, 1), "float32")
    if os.path.exists("checkpoint.npz"):
        with np.load("checkpoint.npz") as saved:
            first, w, v = int(saved["step"]), saved["w"], saved["v"]
    {setup}
    for step in range(first, 12):
        size = 16 // count
        mine = slice(me * size, (me + 1) * size)
        g = mean_over_workers(gradient(w, x_all[step, mine], y_all[step, mine]))
        v = 0.9 * v - 0.05 * g
        w = w + v
        if me == 0 and step % 4 == 3:
            with open("checkpoint.new", "wb") as file:
                np.savez(file, step=step + 1, w=w, v=v)
            os.replace("checkpoint.new", "checkpoint.npz")
        print("done step", step, flush=True)
        if me == 1 and step == 6 and first == 0 and "STOP" in os.environ:
            threading.Event().wait()
    print(json.dumps({{"first": first, "w": w.ravel().tolist()}}), flush=True)
""")

SETUPS = {
    "jax": """
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
if count > 1:
    jax.distributed.initialize(os.environ["DLLAB_COORDINATOR"], count, me)
mesh = jax.make_mesh((jax.device_count(),), ("worker",))
split = NamedSharding(mesh, PartitionSpec("worker"))
whole = NamedSharding(mesh, PartitionSpec())
gradient = jax.jit(jax.grad(lambda w, x, y: jnp.mean((x @ w - y) ** 2)))
average = jax.jit(lambda g: g.mean(axis=0), out_shardings=whole)
def mean_over_workers(g):
    parts = jax.make_array_from_process_local_data(split, np.asarray(g)[None])
    return np.asarray(average(parts))
""",
    "tensorflow": """
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
@tf.function
def gradient(w, x, y):
    with tf.GradientTape() as tape:
        tape.watch(w)
        loss = tf.reduce_mean((x @ w - y) ** 2)
    return tape.gradient(loss, w)
def on_replica(g):
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.identity(g))
@tf.function
def reduced(g):
    return strategy.run(on_replica, (g,))
def mean_over_workers(g):
    return reduced(tf.convert_to_tensor(g)).numpy()
gradient_of = gradient
gradient = lambda *arrays: gradient_of(*map(tf.constant, arrays))
""",
    "torch": """
import torch
import torch.distributed as dist
dist.init_process_group("gloo", init_method="env://")
def gradient(w, x, y):
    w = torch.tensor(w, requires_grad=True)
    ((torch.tensor(x) @ w - torch.tensor(y)) ** 2).mean().backward()
    return w.grad
def mean_over_workers(g):
    dist.all_reduce(g)
    return g.numpy() / count
""",
}


def by_numpy():
    """The same twelve steps in one process, on whole batches."""
    import numpy as np

    rng = np.random.default_rng(0)
    x_all = rng.normal(size=(12, 16, 3)).astype("float32")
    y_all = x_all @ np.array([[1.0], [-2.0], [0.5]], "float32")
    w, v = np.zeros((3, 1)), np.zeros((3, 1))
    for x, y in zip(x_all, y_all, strict=True):
        v = 0.9 * v - 0.05 * 2 * x.T @ (x @ w - y) / len(x)
        w = w + v
    return w.ravel().tolist()


def gone(process):
    """Has this process ended, and been collected?"""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def dead(process):
    """Has this process ended, though nobody has collected it?"""
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] in "ZX"
    except OSError:  # no such process any more, or a system without /proc
        return gone(process)


def eventually(condition, seconds=30):
    """Does the condition hold before the time is up? A kill takes effect a moment later."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return condition()


@pytest.mark.parametrize("framework", ["jax", "tensorflow", "torch"])
def test_a_killed_training_goes_on_from_its_checkpoint_to_the_same_weights(framework):
    """Two workers, one killed in the middle and all started again, end where one process ends."""
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    program = TRAINING.format(setup=SETUPS[framework].strip())
    with Cluster(program, 2, backend=framework, environment={"STOP": "yes"}) as cluster:
        cluster.wait_for(1, "done step 6", timeout=120)
        cluster.kill(1)
        cluster.restart()
        ends = [results[-1] for results in cluster.wait(timeout=120)]
    assert [end["first"] for end in ends] == [4, 4], "both restore the checkpoint of step 4"
    assert ends[0]["w"] == ends[1]["w"], "the workers agree to the last bit"
    assert ends[0]["w"] == pytest.approx(by_numpy(), rel=1e-4, abs=1e-5)


def test_each_worker_learns_its_own_place():
    """Index, ports and `TF_CONFIG` differ from worker to worker; the addresses are the same."""
    program = """
        import json, os
        names = ("DLLAB_WORKER", "DLLAB_WORKERS", "DLLAB_COORDINATOR", "TF_CONFIG", "RANK")
        print(json.dumps({name: os.environ[name] for name in names}))
    """
    with Cluster(textwrap.dedent(program), 3) as cluster:
        places = [results[0] for results in cluster.wait()]
    assert [place["DLLAB_WORKER"] for place in places] == ["0", "1", "2"]
    assert [place["RANK"] for place in places] == ["0", "1", "2"]
    assert len({place["DLLAB_COORDINATOR"] for place in places}) == 1
    configs = [json.loads(place["TF_CONFIG"]) for place in places]
    assert [config["task"]["index"] for config in configs] == [0, 1, 2]
    addresses = configs[0]["cluster"]["worker"] + [places[0]["DLLAB_COORDINATOR"]]
    assert len(set(addresses)) == 4
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+", address) for address in addresses)


def test_the_environment_can_be_added_to_and_taken_from(monkeypatch):
    """What is given counts, None removes, and no proxy stands between the workers."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    environment = {"MORE": "yes", "TF_CONFIG": None}
    with Cluster(program, 1, virtual_devices=3, environment=environment) as cluster:
        seen = cluster.wait()[0][0]
    assert seen["MORE"] == "yes"
    assert "TF_CONFIG" not in seen
    assert "https_proxy" not in seen
    assert seen["XLA_FLAGS"].split()[-1].endswith("device_count=3")
    assert seen["DLLAB_DEVICE"] == "cpu"
    assert seen["OMP_NUM_THREADS"] == "1"


def test_nothing_stays_behind():
    """After the block the processes, their children and the folder are gone."""
    program = textwrap.dedent("""
        import subprocess, sys, threading
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        print("child", child.pid, flush=True)
        threading.Event().wait()
    """)
    with Cluster(program, 2) as cluster:
        children = [int(cluster.wait_for(i, "child").split()[1]) for i in range(2)]
        workers = [worker.process.pid for worker in cluster._workers]
        folder = cluster.folder
        assert folder.is_dir()
    assert all(gone(worker) for worker in workers)
    assert not folder.exists()
    for child in children:  # adopted by another process, which collects it when it likes
        assert eventually(lambda child=child: gone(child) or dead(child))


def test_nothing_stays_behind_after_an_error():
    """An error inside the block stops the workers as well, and comes through unchanged."""
    workers = []

    def fail():
        with Cluster(FOREVER, 2) as cluster:
            cluster.wait_for(0, "ready")
            workers.extend(worker.process.pid for worker in cluster._workers)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    assert len(workers) == 2
    assert all(gone(worker) for worker in workers)


def test_workers_end_with_a_parent_that_is_killed():
    """A worker whose parent is killed, and cannot tidy up, ends by itself."""
    program = textwrap.dedent(f"""
        import threading
        from dllab.workers import Cluster
        with Cluster({FOREVER!r}, 1) as cluster:
            cluster.wait_for(0, "ready")
            print(cluster.folder, flush=True)
            threading.Event().wait()
    """)
    # the worker inherits a pipe from its grandparent; it reads as closed once both are gone
    read, write = os.pipe()
    hand_over = (
        "import subprocess, functools\n"
        f"subprocess.Popen = functools.partial(subprocess.Popen, pass_fds=[{write}])\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", hand_over + program],
        stdout=subprocess.PIPE,
        pass_fds=[write],
        cwd=Path(__file__).parents[1],
    )
    os.close(write)
    try:
        folder = Path(parent.stdout.readline().decode().strip())
        assert folder.is_dir()
        parent.send_signal(signal.SIGKILL)
        assert os.read(read, 1) == b"", "the pipe closes when its last holder has ended"
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
        os.close(read)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_a_restart_keeps_the_folder_and_forgets_the_lines():
    """What was written is there after a restart; what was said belongs to the former life."""
    program = textwrap.dedent("""
        import os, pathlib, threading
        note = pathlib.Path("note" + os.environ["DLLAB_WORKER"])
        found = note.exists()
        note.touch()
        print("found" if found else "first", flush=True)
        threading.Event().wait()
    """)
    with Cluster(program, 2) as cluster:
        for worker in range(2):
            cluster.wait_for(worker, "first")
        cluster.kill(1)
        cluster.restart(1)
        assert cluster.wait_for(1, "f") == "found"
        assert cluster.lines(0) == ["first"], "worker 0 was left alone"
        cluster.restart()
        assert [cluster.wait_for(worker, "f") for worker in range(2)] == ["found", "found"]


def test_a_failing_worker_is_reported_with_its_last_lines():
    """`wait` names the worker and shows what it said, although another one still runs."""
    program = textwrap.dedent("""
        import os, threading
        if os.environ["DLLAB_WORKER"] == "0":
            threading.Event().wait()
        print("before the end")
        raise SystemExit("out of luck")
    """)
    with Cluster(program, 2) as cluster:
        with pytest.raises(WorkerFailedError, match=r"(?s)Worker 1 failed.*before the end.*luck"):
            cluster.wait()
        assert cluster.wait_end(1) == 1
        with pytest.raises(WorkerFailedError, match=r"(?s)before it printed 'never'.*out of luck"):
            cluster.wait_for(1, "never")


def test_a_deadline_is_kept_and_reported():
    """Each of the three ways to wait ends with an error when the time is up."""
    with Cluster(FOREVER, 1) as cluster:
        cluster.wait_for(0, "ready")
        for wait in (
            lambda: cluster.wait_for(0, "never", timeout=0.05),
            lambda: cluster.wait_end(0, timeout=0.05),
            lambda: cluster.wait(timeout=0.05),
        ):
            with pytest.raises(WorkerTimeoutError, match=r"(?s)Worker 0 .*ready"):
                wait()


def test_a_killed_worker_counts_as_ended():
    """`kill` comes back when the process is gone; `wait` does not call that a failure."""
    with Cluster(FOREVER, 1) as cluster:
        cluster.wait_for(0, "ready")
        process = cluster._workers[0].process.pid
        cluster.kill(0)
        assert gone(process)
        assert cluster.wait_end(0) == -signal.SIGKILL
        assert cluster.wait() == [[]]


def test_only_json_objects_are_results():
    """Other lines, broken JSON among them, are only lines."""
    program = """print('{"a": 1}'); print('{no'); print('[2]'); print('{"b": [3]}')"""
    with Cluster(program, 1) as cluster:
        assert cluster.wait() == [[{"a": 1}, {"b": [3]}]]
        assert len(cluster.lines(0)) == 4


def test_a_flood_of_lines_does_not_block_a_worker():
    """More output than a pipe holds arrives whole, though nobody asks for it."""
    with Cluster("for i in range(50_000): print('line', i)", 1) as cluster:
        cluster.wait()
        lines = cluster.lines(0)
    assert len(lines) == 50_000
    assert lines[-1] == "line 49999"


def test_a_program_may_be_a_file(tmp_path):
    """A `Path` is run where it lies, and can import its neighbors."""
    (tmp_path / "neighbor.py").write_text("WORD = 'hello'")
    (tmp_path / "main.py").write_text("import neighbor; print(neighbor.WORD)")
    with Cluster(tmp_path / "main.py", 1) as cluster:
        cluster.wait()
        assert cluster.lines(0) == ["hello"]


def test_ports_are_free_and_different():
    """A port in use is not handed out."""
    from dllab import workers

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        before, workers._PORTS = workers._PORTS, range(port, port + 1)
        try:
            with pytest.raises(WorkerFailedError, match="No free port"):
                workers._free_ports(1)
        finally:
            workers._PORTS = before
    assert len(set(workers._free_ports(8))) == 8


def test_wrong_parameters_are_named(tmp_path):
    """Each message names the parameter and what was received."""
    for count in (0, True, 1.5):
        with pytest.raises(ParameterError, match=f"`count` must be .* not {count}"):
            Cluster("", count)
    with pytest.raises(ParameterError, match="`virtual_devices`"):
        Cluster("", virtual_devices=0)
    with pytest.raises(ParameterError, match=r"nothing\.py"):
        Cluster(tmp_path / "nothing.py")
    cluster = Cluster("", 2)
    with pytest.raises(ParameterError, match="`with` block"):
        cluster.lines(0)
    with cluster, pytest.raises(ParameterError, match="index from 0 to 1, not 2"):
        cluster.lines(2)
