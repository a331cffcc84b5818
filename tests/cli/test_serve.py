"""`burnish serve` says what is wrong before it loads anything, and makes keys."""

import socket
from importlib import util
from pathlib import Path

import pytest

from burnish.cli.main import main
from burnish.pipeline.serve import named_models
from burnish.serving.keys import KeyRing


def ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["serve", *arguments])
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        ((), "BN103", 2),
        (("m", "--model", "tickets"), "BN103", 2),
        (("m", "--model", "=a"), "BN103", 2),
        (("m", "--model", "m=a"), "BN103", 2),
        (("m", "--model", "a/b=c"), "BN103", 2),
        (("m", "--root-path", "tools"), "BN103", 2),
        (("m", "--root-path", "//example.com"), "BN103", 2),
        (("m", "--root-path", "https://example.com/a"), "BN103", 2),
        (("m", "--deadline", "inf"), "BN103", 2),
        (("m", "--drain", "inf"), "BN103", 2),
        (("m", "--refresh", "inf"), "BN103", 2),
        (("nowhere/m", "--port", "0"), "BN301", 3),
        (("m", "--keys", "none"), "BN707", 3),
        (("m", "--host", "203.0.113.9", "--port", "0"), "BN707", 3),
        (("m", "--new-key", "a b"), "BN707", 3),
    ],
)
def test_a_wrong_start_ends_in_its_code(
    arguments: tuple[str, ...],
    code: str,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    assert ended(*arguments) == status
    assert f"[{code}]" in capsys.readouterr().err


def test_a_taken_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert ended("m", "--port", str(taken.getsockname()[1])) == 3

    assert "--port" in capsys.readouterr().err


def test_a_missing_package_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = util.find_spec
    monkeypatch.setattr(
        "burnish.pipeline.serve.find_spec", lambda name: None if name == "fastapi" else found(name)
    )

    assert ended("m") == 3
    assert "pip install 'burnish[serve]'" in capsys.readouterr().err


def test_a_new_key_is_printed_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("--new-key", "alice") == 0
    key, line = capsys.readouterr().out.split("\n")[:2]
    (tmp_path / "keys").write_text(line + "\n", "utf-8")

    assert KeyRing.read(tmp_path / "keys").admit(key) == "alice"


def test_models_are_called_by_folder_registry_or_the_name_given() -> None:
    assert list(named_models("runs/one/model/", ["b=models:/x@champion"])) == ["model", "b"]
    assert list(named_models("models:/tickets@champion", [])) == ["tickets"]
    assert list(named_models("models:/tickets/3", [])) == ["tickets"]
