"""What is deployed names only what there is: files, commands, metrics, versions."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from burnish.cli.main import main
from burnish.serving.metrics import Metrics
from smoke.dockerfile import parse
from smoke.tree import clean_context

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "src/burnish/pipeline/template"
DOCKERFILES = [ROOT / "Dockerfile", TEMPLATE / "Dockerfile"]
WORKFLOWS = [ROOT / ".github/workflows/ci.yml", TEMPLATE / "workflow.yml"]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
PINNED = re.compile(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+( # zizmor: .*)?")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCKERFILES, ids=named)
def test_an_image_starts_a_command_that_exists_as_a_user_with_a_number(path: Path) -> None:
    file = parse(path)
    commands = {point.name for point in entry_points(group="console_scripts")}
    last = list(file.stages)[-1]
    entry, user = file.last(last, "ENTRYPOINT"), file.last(last, "USER")

    assert entry is not None
    assert entry.exec_form[:2] == ["burnish", "serve"]
    assert entry.exec_form[0] in commands
    assert user is not None
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user.rest)
    for stage in file.stages:
        if health := file.last(stage, "HEALTHCHECK"):
            compile(health.exec_form[-1], "HEALTHCHECK", "exec")
            command = file.last(stage, "ENTRYPOINT")
            assert command is not None
            assert command.exec_form[0] in commands


def test_the_command_line_of_an_image_is_one_that_is_understood() -> None:
    file = parse(ROOT / "Dockerfile")
    entry, command = file.last("server", "ENTRYPOINT"), file.last("server", "CMD")
    assert entry is not None
    assert command is not None
    options = [str(one) for one in COMPOSE["services"]["server"]["command"][1:]]

    # With --new-key it ends once all is read, before it loads anything.
    with pytest.raises(SystemExit) as ended:
        main([*entry.exec_form[1:], *command.exec_form, *options, "--new-key", "anybody"])

    assert ended.value.code in (0, None)


def test_what_is_copied_into_the_image_is_in_the_repository_and_not_left_out(
    tmp_path: Path,
) -> None:
    clean_context(ROOT, tmp_path)
    sources = parse(ROOT / "Dockerfile").sources()

    assert sources
    assert [one for one in sources if not (tmp_path / one).exists()] == []
    assert not list(tmp_path.rglob("__pycache__"))
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize("path", DOCKERFILES, ids=named)
def test_the_image_asks_for_the_torch_that_the_package_asks_for(path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    torch = next(one for one in project["dependencies"] if one.startswith("torch"))

    assert f'"{torch}"' in path.read_text("utf-8")


def test_compose_names_files_and_stages_that_exist_and_opens_ports_to_this_machine_alone() -> None:
    stages = parse(ROOT / "Dockerfile").stages
    for name, service in COMPOSE["services"].items():
        mounts = [one for one in service.get("volumes", []) if isinstance(one, str)]
        sources = [one.partition(":")[0] for one in mounts]
        assert all((ROOT / one).exists() for one in sources if one.startswith("."))
        assert {one for one in sources if not one.startswith(".")} <= set(COMPOSE["volumes"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        if build := service.get("build"):
            assert build["target"] in stages
        else:
            assert re.search(r":v?\d", service["image"]), name


def test_no_password_stands_in_a_file() -> None:
    text = (ROOT / "compose.yaml").read_text("utf-8")
    example = (ROOT / "deploy/example.env").read_text("utf-8")
    secrets = re.findall(r"PASSWORD\w*: (.*)", text)

    assert secrets
    assert all(re.fullmatch(r"\$\{\w+:\?.*\}", one) for one in secrets)
    assert re.findall(r"PASSWORD=(.*)", example) == ["", ""]


def test_prometheus_asks_the_server_and_the_dashboard_asks_prometheus() -> None:
    scrape = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text("utf-8"))
    source = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text("utf-8")
    )["datasources"][0]
    targets = scrape["scrape_configs"][0]["static_configs"][0]["targets"]

    assert targets == ["server:8000"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in _dashboard()["panels"]} == {source["uid"]}


def test_the_dashboard_asks_for_metrics_and_labels_that_the_server_has() -> None:
    metrics = Metrics()
    metrics.began()
    metrics.responded("/v1/predict", 200, 0.1)
    observer = metrics.of_model("tickets")
    observer.ended("answered", 1)
    observer.computed(1, 2, 0.1)
    families = list(text_string_to_metric_families(metrics.page(_Served()).decode()))  # type: ignore[arg-type]
    names = {sample.name for one in families for sample in one.samples}
    labels = {label for one in families for sample in one.samples for label in sample.labels}
    asked = [target["expr"] for panel in _dashboard()["panels"] for target in panel["targets"]]
    wanted = {name for one in asked for name in re.findall(r"\b(?:burnish|process)_\w+", one)}
    by = {label for one in asked for list_ in re.findall(r"by \(([^)]*)\)", one)
          for label in list_.split(", ")}  # fmt: skip

    # Names without a sample yet are known by their family.
    families_named = {one.name for one in families}
    assert wanted
    assert wanted <= names | families_named
    assert by <= labels


class _Served:
    """Stands for no model."""

    served: dict[str, Any] = {}  # noqa: RUF012


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (ROOT / "deploy/grafana/dashboards/burnish.json").read_text("utf-8")
    )
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_a_workflow_pins_its_actions_reads_by_default_and_ends_in_time(path: Path) -> None:
    text = path.read_text("utf-8")
    workflow = yaml.safe_load(text)
    uses = [line.strip().removeprefix("- ") for line in text.splitlines() if "uses:" in line]

    assert uses
    assert [one for one in uses if not PINNED.fullmatch(one)] == []
    assert workflow["permissions"] == {"contents": "read"}
    assert "concurrency" in workflow
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", *map(str, DOCKERFILES)],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")],
        ["zizmor", "--offline", "--quiet", "--no-progress", *map(str, WORKFLOWS)],
    ],
    ids=lambda command: " ".join(command[:3]).split(str(ROOT))[0],
)
def test_the_checkers_have_nothing_to_say(command: list[str]) -> None:
    program = Path(sys.executable).with_name(command[0])

    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
