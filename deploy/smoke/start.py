"""Start what an image would: its ENTRYPOINT and CMD as its USER, asked by its HEALTHCHECK."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smoke.ask import ask
from smoke.dockerfile import Dockerfile
from smoke.tree import State, Tree

_READY_SECONDS = 180
_END_SECONDS = 60


def serve(tree: Tree, file: Dockerfile, name: str, *, mounted: Path | None) -> list[str]:
    """Start the server of an image, ask it, and stop it; return what was done.

    Args:
        tree: with the stage built.
        file: the Dockerfile.
        name: of the stage.
        mounted: folder whose models are put below /model; None: /model is in the image.

    Raises:
        SystemExit: it is not ready in time, answers wrongly, or does not end with 0.
    """
    state = tree.enter(name)
    command = _command(file, name)
    if mounted:
        for model in mounted.iterdir():
            shutil.copytree(model, tree.below(f"/model/{model.name}"))
        command[command.index("/model")] = "/model/colours"
        command += ["--model", "chat=/model/chat"]
    done = [*_writable(tree, state, name)]
    with _started(tree, file, name, state, command) as (url, health):
        done.append(f"{name}: {' '.join(command)}, ready by {health}")
        done += [f"{name}: {one}" for one in ask(url)]
    done.append(f"{name}: SIGTERM, ended with 0")
    tree.leave()
    return done


def track(tree: Tree, file: Dockerfile, name: str) -> list[str]:
    """Start MLflow over SQLite, see that it has what PostgreSQL needs, and stop it."""
    state = tree.enter(name)
    subprocess.run(["python", "-c", "import psycopg"], env=tree.environment(state), check=True)
    command = [*_command(file, name), f"--backend-store-uri=sqlite:///{tree.below('/tmp')}/runs.db",
               "--artifacts-destination=/artifacts", "--workers=1"]  # fmt: skip
    with _started(tree, file, name, state, command):
        pass
    tree.leave()
    return [f"{name}: {' '.join(command)}, /health by its HEALTHCHECK, SIGTERM",
            f"{name}: imports psycopg; no PostgreSQL was asked"]  # fmt: skip


def _command(file: Dockerfile, name: str) -> list[str]:
    """Return ENTRYPOINT and CMD, in which an engine puts no shell."""
    entry, more = file.last(name, "ENTRYPOINT"), file.last(name, "CMD")
    if entry is None:
        raise SystemExit(f"stage {name} has no ENTRYPOINT")
    return [*entry.exec_form, *(more.exec_form if more else [])]


def _writable(tree: Tree, state: State, name: str) -> list[str]:
    """See that the user can write nowhere but to /tmp."""
    identity = tree.identity(state)
    if not identity:
        return []
    found = subprocess.run(
        ["find", tree.rootfs, "-path", tree.below("/tmp"), "-prune", "-o",
         "-not", "-type", "l", "-writable", "-print"],
        capture_output=True, text=True, check=True, env=tree.environment(state),
        **identity,  # type: ignore[call-overload]
    )  # fmt: skip
    if found.stdout:
        raise SystemExit(f"stage {name}: its user can write to {found.stdout.splitlines()[:3]}")
    return [f"{name}: user {state.user} can write to nothing but /tmp"]


@contextmanager
def _started(
    tree: Tree, file: Dockerfile, name: str, state: State, command: list[str]
) -> Iterator[tuple[str, str]]:
    port = _free_port()
    settings = {"env": tree.environment(state), **tree.identity(state)}
    process = subprocess.Popen(  # type: ignore[call-overload]
        [tree.below(word) for word in command] + ["--port", str(port)],
        cwd=tree.below(state.folder), start_new_session=True, **settings,
    )  # fmt: skip
    try:
        check = _health(file, name, port)
        _wait(process, check, settings)
        yield f"http://127.0.0.1:{port}", "its HEALTHCHECK"
        process.send_signal(signal.SIGTERM)
        if (status := process.wait(timeout=_END_SECONDS)) != 0:
            raise SystemExit(f"stage {name}: SIGTERM ended it with {status}")
    finally:
        with suppress(ProcessLookupError):  # MLflow's helpers outlive it where no container ends
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _health(file: Dockerfile, name: str, port: int) -> list[str]:
    """Return the command of HEALTHCHECK, for the port that is used here."""
    health, exposed = file.last(name, "HEALTHCHECK"), file.last(name, "EXPOSE")
    if health is None or exposed is None:
        raise SystemExit(f"stage {name} has no HEALTHCHECK or no EXPOSE")
    return [word.replace(exposed.rest, str(port)) for word in health.exec_form]


def _wait(
    process: "subprocess.Popen[bytes]", check: list[str], settings: dict[str, object]
) -> None:
    """Ask as the engine does until it says healthy; at first it has to say unhealthy."""
    deadline = time.monotonic() + _READY_SECONDS
    asked = 0
    while subprocess.run(check, check=False, stderr=subprocess.DEVNULL, **settings).returncode:  # type: ignore[call-overload]
        asked += 1
        if process.poll() is not None:
            raise SystemExit(f"{check[0]}: the program ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit(f"not healthy within {_READY_SECONDS} s")
        time.sleep(0.5)
    if not asked:
        raise SystemExit("healthy before it could be: the HEALTHCHECK asks nothing")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
