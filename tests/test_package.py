"""What is installed is all that is needed: no file beside the code stays behind."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "burnish"


def test_every_file_beside_the_code_is_installed() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = told["tool"]["setuptools"]["package-data"]["burnish"]
    installed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}

    beside = {
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"
    }

    assert beside
    assert beside - installed == set()


_OPENED = """
import burnish
import onnxruntime
from onnx import TensorProto, helper

ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
onnxruntime.InferenceSession(model.SerializeToString())
"""


def test_a_graph_that_is_opened_is_told_to_nobody(tmp_path: Path) -> None:
    usual = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    }

    subprocess.run([sys.executable, "-c", _OPENED], env=usual | {"HOME": str(tmp_path)}, check=True)

    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.as_posix()] == []
