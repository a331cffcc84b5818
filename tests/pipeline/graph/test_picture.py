"""The picture shows the graph that is executed; progress tells how far it is."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from burnish.errors import MissingPackageError, UsageError
from burnish.pipeline import picture
from burnish.pipeline.driver import Progress, build

HAS_DOT = shutil.which("dot") is not None


@pytest.mark.parametrize("start", ["base", "presaved"])
def test_mermaid_names_every_node_and_every_edge(start: Any) -> None:
    graph = build(start)
    told = [one for one in graph.list_available_variables() if one.name != "start"]

    lines = [line.strip() for line in picture.mermaid(graph).splitlines()]

    assert lines[0] == "flowchart LR"
    for node in told:
        form = (
            f"{node.name}([{node.name}])" if node.is_external_input else f"{node.name}[{node.name}]"
        )
        assert lines.count(form) == 1
        for name in node.required_dependencies:
            assert f"{name} --> {node.name}" in lines
        for name in node.optional_dependencies:
            assert f"{name} -.-> {node.name}" in lines
    assert sum("->" in line for line in lines) == sum(
        len(one.required_dependencies) + len(one.optional_dependencies) for one in told
    )
    assert sum(line.startswith("subgraph") for line in lines) == lines.count("end")


def test_a_picture_of_some_outputs_shows_what_they_need_and_no_more() -> None:
    text = picture.mermaid(outputs=["hold_out_set_predictions"])

    assert "fitted --> tuned_answers" in text
    assert "base_answers" not in text
    with pytest.raises(UsageError, match="hold_out"):
        picture.mermaid(outputs=["hold_out_predictions"])


def test_the_model_is_saved_after_it_is_fitted_and_not_before() -> None:
    text = picture.mermaid(outputs=["save_best_models"])

    assert "fitted --> model_folder" in text
    assert "model_folder --> save_best_models" in text


@pytest.mark.skipif(not HAS_DOT, reason="Graphviz is not installed")
def test_svg_holds_every_node_where_graphviz_is_installed(tmp_path: Path) -> None:
    path = picture.draw(tmp_path / "graph")
    tree = ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314

    assert path.suffix == ".svg"
    texts = {node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {one.name for one in build().list_available_variables()} - {"start"} <= texts


def test_without_graphviz_the_picture_is_mermaid(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    path = picture.draw(tmp_path / "graph")

    assert path == tmp_path / "graph.mmd"
    assert path.read_text("utf-8") == picture.mermaid()
    with pytest.raises(MissingPackageError, match="Graphviz"):
        picture.svg()


def test_dot_is_well_formed_whatever_nodes_say_of_themselves() -> None:
    text = picture.dot()

    assert text.count("{") == text.count("}")
    assert '"fitted" -> "model_folder"' in text


def test_progress_tells_each_node_before_it_runs_and_how_long_it_took(
    inputs: Callable[..., dict[str, Any]], execute: Callable[..., dict[str, Any]], capsys: Any
) -> None:
    told: list[tuple[str, str]] = []
    progress = Progress(lambda name, words: told.append((name, words)))

    execute(["encoded"], inputs("seq2seq"), adapters=(progress,))
    execute(["task"], inputs("seq2seq"), adapters=(Progress(),))

    assert ("encoded", "Each split as tokens and targets.") in told
    assert "data_path" not in dict(told)
    assert {name for name, _ in told} <= progress.timings.keys()
    assert "· Rows as they stand in the files." in capsys.readouterr().err
