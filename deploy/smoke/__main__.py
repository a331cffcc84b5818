"""Exercise the lines of the Dockerfile in a clean folder, and the programs they start.

    python -m smoke [--build-arg NAME=VALUE ...]    # in deploy/, or with it on PYTHONPATH

Not an image build: it says at its end what it did and what only an engine can.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smoke import start
from smoke.dockerfile import Dockerfile, parse
from smoke.tree import Tree, clean_context

REPOSITORY = Path(__file__).parents[2]
NOT_HERE = (
    "FROM: the base image was not pulled; its Python and system are this machine's",
    "layers, their sizes and the isolation of a container",
    "EXPOSE: ports were free ones of this machine",
    "compose.yaml: its services were not started together; the tests read it",
)


def main() -> None:
    """Build every stage, then start what the images start."""
    file = parse(REPOSITORY / "Dockerfile")
    with _place() as place:
        context = place / "context"
        clean_context(REPOSITORY, context)
        given = {"MODEL": "model"} | _given()
        given.setdefault("TORCH_INDEX", _torch_index(file))
        tree = Tree(place, file, context, given)
        for stage in file.stages.values():
            tree.build(stage)
            if stage.name == "build":
                _write_models(tree, place, context / "model")
        done = start.serve(tree, file, "server", mounted=place / "models")
        done += start.serve(tree, file, "baked", mounted=None)
        done += start.track(tree, file, "mlflow")
    _tell("exercised", tree.done + done)
    _tell("not exercised", [*tree.skipped, *NOT_HERE])


@contextmanager
def _place() -> Iterator[Path]:
    """Give a folder that other users may look into: the servers run as one."""
    place = Path(tempfile.mkdtemp(prefix="burnish-image-")).resolve()
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _given() -> dict[str, str]:
    parser = argparse.ArgumentParser(prog="smoke", description=__doc__)
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    pairs = [one.partition("=") for one in parser.parse_args().build_arg]
    return {name: value for name, _, value in pairs}


def _torch_index(file: Dockerfile) -> str:
    """Return the index of the Dockerfile, or the usual one where that one is out of reach."""
    lines = [one.rest for one in file.stages["build"].lines if one.word == "ARG"]
    index = next(one for one in lines if one.startswith("TORCH_INDEX=")).partition("=")[2]
    try:
        with urllib.request.urlopen(f"{index}/torch/", timeout=10):  # noqa: S310
            return index
    except (TimeoutError, urllib.error.URLError) as err:
        sys.stderr.write(f"{index} is out of reach ({err}); torch comes from pip's own index\n")
        return "https://pypi.org/simple"


def _write_models(tree: Tree, place: Path, target: Path) -> None:
    """Have the image's own packages write the models that are served."""
    state = tree.enter("build")
    subprocess.run(
        [tree.below("/opt/burnish/bin/python"), Path(__file__).with_name("tiny_models.py"),
         place / "models"],
        env=tree.environment(state), cwd=place, check=True,
    )  # fmt: skip
    tree.leave()
    shutil.copytree(place / "models" / "colours", target)


def _tell(title: str, lines: list[str]) -> None:
    sys.stdout.write(f"{title}:\n")
    for line in lines:
        sys.stdout.write(f"  {line[:160]}{'…' if len(line) > 160 else ''}\n")


if __name__ == "__main__":
    os.umask(0o022)
    main()
