"""Run the stages of a Dockerfile below a folder, as an image builder would below its root.

Each stage is worked on at the same place, `rootfs`, and moved away when it ends: paths that are
written into its files (the first lines of scripts) hold wherever a later stage copies them to.
There is no chroot: absolute paths of the lines are rewritten to lie below that folder, and what
the image has below /usr is this machine's.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from smoke.dockerfile import Dockerfile, Line, Stage, copied, expand

# Of the machine: how the network is reached.
_NETWORK = re.compile(r"PIP_.*|.*_PROXY|.*_proxy|.*CERT.*|.*CA_BUNDLE|LANG|LC_.*")
_SYSTEM = frozenset(("bin", "dev", "etc", "lib", "lib64", "proc", "run", "sys", "usr", "var"))
NOBODY = 65534
_ROOT_ONLY = re.compile(r"\b(chown|install -d -o|useradd|apt-get)\b")


@dataclass(slots=True)
class State:
    """What an instruction leaves to those after it."""

    env: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: int = 0


class Tree:
    """A folder in which stages are built, one after another."""

    def __init__(self, root: Path, file: Dockerfile, context: Path, given: Mapping[str, str]):
        self._root, self._file, self._context, self._given = root, file, context, given
        self.rootfs = root / "rootfs"
        self.states: dict[str, State] = {}
        self.done: list[str] = []  # lines that were exercised
        self.skipped: list[str] = []  # and those that were not, with the reason
        python, self._others_may = _find_python()
        (root / "bin").mkdir()
        (root / "bin" / "python").symlink_to(python)
        self._path = f"{root}/bin:/usr/bin:/bin"
        if not self._others_may:
            self.skipped.append("USER: only root may become another, who has to reach a Python")
        absolute = re.compile(r"(?<![\w.:/$-])/([\w-]+)|(?<==)/([\w-]+)")
        lines = [one for stage in file.stages.values() for one in stage.lines
                 if one.word in ("RUN", "WORKDIR", "COPY", "ENV")]  # fmt: skip
        tops = {a or b for one in lines for a, b in absolute.findall(one.rest)} - _SYSTEM
        here = re.escape(str(root).lstrip("/"))  # what lies in the folder stays as it is
        self._ours = re.compile(rf"(?<![\w./$-])/(?!{here})(?=(?:{'|'.join(sorted(tops))})\b)")

    def build(self, stage: Stage) -> None:
        """Run every instruction of a stage."""
        self._take(stage.parent)
        state = self._start(stage)
        for line in stage.lines:
            self._run(line, state)
        self.states[stage.name] = state
        self.rootfs.rename(self._kept(stage.name))

    def enter(self, name: str) -> State:
        """Put a stage that was built back to its place."""
        self._take(name)
        return self.states[name]

    def leave(self) -> None:
        """Throw away what lies at the place."""
        shutil.rmtree(self.rootfs)

    def below(self, text: str) -> str:
        """Rewrite the absolute paths of the images to lie in the folder."""
        return self._ours.sub(f"{self.rootfs}/", text)

    def environment(self, state: State) -> dict[str, str]:
        """Return what a command of a stage finds in its environment."""
        network = {name: value for name, value in os.environ.items() if _NETWORK.fullmatch(name)}
        ours = {name: self.below(value) for name, value in state.env.items()}
        return {"PATH": self._path, "HOME": str(self._root)} | network | state.arguments | ours

    def identity(self, state: State) -> dict[str, object]:
        """Return the user as arguments of subprocess, where this process may take another one."""
        if not self._others_may or not state.user:
            return {}
        return {"user": state.user, "group": state.user, "extra_groups": []}

    def _kept(self, name: str) -> Path:
        return self._root / f"stage-{name}"

    def _take(self, name: str) -> None:
        """Begin with the files of a stage, hard links of them, or with none."""
        if name in self.states:
            _link(self._kept(name), self.rootfs)
        else:
            self.rootfs.mkdir()
            (self.rootfs / "tmp").mkdir(mode=0o1777)
            (self.rootfs / "tmp").chmod(0o1777)

    def _start(self, stage: Stage) -> State:
        above = self.states.get(stage.parent)
        if above is None:
            return State(env={"PATH": self._path})
        return State(dict(above.env), {}, above.folder, above.user)

    def _run(self, line: Line, state: State) -> None:
        match line.word:
            case "ARG":
                name, _, default = line.rest.partition("=")
                state.arguments[name] = self._given.get(name, default)
            case "ENV":
                for pair in shlex.split(line.rest):
                    name, _, value = pair.partition("=")
                    state.env[name] = expand(value, state.env | state.arguments)
            case "WORKDIR":
                state.folder = line.rest
                Path(self.below(line.rest)).mkdir(parents=True, exist_ok=True)
            case "USER":
                state.user = int(line.rest.partition(":")[0])
            case "COPY":
                self._copy(line, state)
            case "RUN":
                self._command(line, state)
            case _:  # EXPOSE says something, the others are run when the image is
                return
        if line.word == "ARG":
            self.done.append(f"line {line.number}: ARG {name}={state.arguments[name]}")
        elif line.word not in ("RUN", "COPY"):
            self.done.append(f"line {line.number}: {line.word} {line.rest}")

    def _command(self, line: Line, state: State) -> None:
        told = f"line {line.number}: RUN {line.rest}"
        if os.geteuid() and _ROOT_ONLY.search(line.rest):
            self.skipped.append(f"{told}: only root may")
            return
        if "apt-get" in line.rest:
            self._packages(line)
            return
        sys.stderr.write(f"{told}\n")
        ended = subprocess.run(
            ["/bin/sh", "-c", self.below(line.rest)],
            cwd=self.below(state.folder),
            env=self.environment(state),
            check=False,
            stdout=sys.stderr,
            **self.identity(state),  # type: ignore[call-overload]
        )
        if ended.returncode:
            raise SystemExit(f"{told}: ended with {ended.returncode}")
        self.done.append(told)

    def _packages(self, line: Line) -> None:
        """See whether packages exist: installing them would change this machine."""
        told = f"line {line.number}: RUN {line.rest}"
        named = re.search(r"apt-get install ([^&;]*)", line.rest)
        names = [one for one in (named[1].split() if named else []) if not one.startswith("-")]
        if not shutil.which("apt-cache"):
            self.skipped.append(f"{told}: no apt here")
            return
        for name in names:
            found = subprocess.run(
                ["apt-cache", "policy", name], capture_output=True, text=True, check=True
            )
            if "Candidate: " not in found.stdout or "Candidate: (none)" in found.stdout:
                raise SystemExit(f"{told}: apt knows no package {name}")
        self.skipped.append(f"{told}: not installed; apt knows {', '.join(names) or 'nothing'}")

    def _copy(self, line: Line, state: State) -> None:
        stage, sources, destination = copied(expand(line.rest, state.arguments))
        base = self._context if stage is None else self._kept(stage)
        target = Path(self.below(destination))
        if not destination.startswith("/"):
            target = Path(self.below(state.folder)) / destination
        for source in sources:
            found = base / source.lstrip("/")
            if not found.exists():
                raise SystemExit(f"line {line.number}: COPY finds no {source}")
            if found.is_dir() and stage:
                _link(found, target)
            elif found.is_dir():
                shutil.copytree(found, target, dirs_exist_ok=True)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target / found.name)
        self.done.append(f"line {line.number}: COPY {line.rest}")


def _find_python() -> tuple[Path, bool]:
    """Return the Python that stands for the image's, and whether other users may run it.

    That of this process may lie in somebody's home, which a server's user cannot look into.
    """
    own = Path(sys.base_prefix) / "bin" / "python3"
    for python in (own, Path("/usr/bin/python3")):
        if os.geteuid() == 0 and _runs(python):
            return python, True
    return own, False


def _runs(python: Path) -> bool:
    needed = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    try:
        return not subprocess.run(
            [python, "-c", needed], cwd="/", check=False, stderr=subprocess.DEVNULL,
            user=NOBODY, group=NOBODY, extra_groups=[],
        ).returncode  # fmt: skip
    except OSError:
        return False


def clean_context(repository: Path, target: Path) -> None:
    """Copy what is sent to a builder: the files that git knows, less those of .dockerignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository, capture_output=True, text=True, check=True,
    )  # fmt: skip
    ignored = [
        line for line in (repository / ".dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        parts = [name, *(str(one) for one in Path(name).parents)]
        if any(fnmatch(part, one) for part in parts for one in ignored):
            continue
        if (repository / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, target / name)


def _link(source: Path, target: Path) -> None:
    """Copy a stage's folder as hard links: gigabytes in no time."""
    shutil.copytree(source, target, copy_function=_replace, symlinks=True, dirs_exist_ok=True)


def _replace(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    os.link(source, target)
