"""Keys are kept as hashes, and each may ask as often as its line says."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import AccessError, RateLimitError, ServerError
from burnish.serving.keys import Bucket, KeyRing, new_key


def ring(folder: Path, *lines: str) -> KeyRing:
    path = folder / "keys"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return KeyRing.read(path)


def test_a_new_key_opens_the_door_and_only_its_hash_is_in_the_file(tmp_path: Path) -> None:
    (alice, line), (bob, other) = new_key("alice"), new_key("bob")
    keys = ring(tmp_path, "# who may ask", "", line, f"{other}  # of the shop")

    assert (keys.admit(alice), keys.admit(bob)) == ("alice", "bob")
    assert len({alice, bob}) == 2
    assert alice not in line


@pytest.mark.parametrize("key", [None, "", "bk-wrong", "ä", "\udce4", "x" * 10_000])
def test_a_missing_or_wrong_key_is_refused(key: str | None, tmp_path: Path) -> None:
    with pytest.raises(AccessError):
        ring(tmp_path, new_key("alice")[1]).admit(key)


def test_without_keys_everybody_may_ask() -> None:
    assert KeyRing().admit(None) is None


def test_each_key_has_its_own_rate(tmp_path: Path) -> None:
    (often, line), (seldom, other) = new_key("often"), new_key("seldom")
    keys = ring(tmp_path, line, f"{other} rate=0.1 burst=2")

    for _ in range(20):
        assert keys.admit(often) == "often"
    assert [keys.admit(seldom), keys.admit(seldom)] == ["seldom", "seldom"]
    with pytest.raises(RateLimitError) as refused:
        keys.admit(seldom)
    assert 9 <= refused.value.retry_after_s <= 10


@pytest.mark.parametrize(
    "line",
    ["alice", "alice abc", "a/b " + "0" * 64, "alice " + "0" * 64 + " rate=fast",
     "alice " + "0" * 64 + " speed=1", "# nothing"],
)  # fmt: skip
def test_a_wrong_line_is_told_with_its_number(line: str, tmp_path: Path) -> None:
    with pytest.raises(ServerError) as wrong:
        ring(tmp_path, line)

    assert "keys" in wrong.value.where
    assert "--new-key" in wrong.value.fix


@pytest.mark.parametrize("limits", ["rate=0", "rate=0.0 burst=5", "burst=20"])
def test_a_limit_that_would_limit_nothing_is_refused_with_its_line(
    limits: str, tmp_path: Path
) -> None:
    with pytest.raises(ServerError, match="rate=") as wrong:
        ring(tmp_path, new_key("alice")[1], f"{new_key('bob')[1]} {limits}")

    assert wrong.value.where.endswith("keys line 2")
    assert wrong.value.code == "BN707"


def test_a_file_that_is_not_there_or_names_a_key_twice_is_refused(tmp_path: Path) -> None:
    line = new_key("alice")[1]

    with pytest.raises(ServerError, match="cannot be read"):
        KeyRing.read(tmp_path / "none")
    with pytest.raises(ServerError, match="two keys"):
        ring(tmp_path, line, line)
    with pytest.raises(ServerError, match="cannot be the name"):
        new_key("a b")


@given(
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 5), max_size=60),
)
def test_no_more_than_burst_and_rate_get_through(
    rate: float, burst: int, pauses: list[float]
) -> None:
    bucket, now, through = Bucket(rate, burst), 0.0, 0
    for pause in pauses:
        now += pause
        wait = bucket.wait_s(now)
        through += wait == 0
        if wait:  # and who waits as long as told gets through
            assert bucket.wait_s(now + wait + 1e-6) == 0
            now, through = now + wait + 1e-6, through + 1

    assert through <= burst + rate * now + 1e-6
