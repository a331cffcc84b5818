"""API keys: a file of names and hashes, and how often each key may ask.

A key is 256 random bits, so its plain sha256 cannot be searched; the file holds no secret. One
key a line: its name, the hash, and perhaps `rate=` requests a second and `burst=` requests at
once; `#` begins a remark.
"""

import hashlib
import hmac
import math
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from burnish.errors import AccessError, RateLimitError, ServerError

_PREFIX = "bk-"  # so that a key is known for one when it is found where it should not be
_NAME = re.compile(r"[\w.-]{1,64}")
_HASH = re.compile(r"[0-9a-f]{64}")
_OPTION = re.compile(r"(rate|burst)=(\d+(?:\.\d+)?)")


@dataclass(slots=True)
class Bucket:
    """Holds up to `burst` requests and gains `rate` a second."""

    rate: float
    burst: float
    level: float = field(init=False)
    at: float = field(init=False)  # seconds, when `level` was right

    def __post_init__(self) -> None:
        self.level, self.at = self.burst, -math.inf

    def wait_s(self, now: float) -> float:
        """Take one request out and return 0, or return in how many seconds there will be one."""
        if self.at > -math.inf:
            self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.rate


@dataclass(frozen=True, slots=True)
class Key:
    """One key, by its hash."""

    name: str
    sha256: str
    bucket: Bucket | None = None


class KeyRing:
    """The keys that a server knows; with none of them, everybody may ask."""

    def __init__(
        self, keys: tuple[Key, ...] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys, self._clock = keys, clock

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self._keys)

    @classmethod
    def read(cls, path: Path) -> "KeyRing":
        """Return the keys of a file.

        Raises:
            ServerError: BN707, it cannot be read, holds no key, or a line is wrong.
        """
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as err:
            raise ServerError(
                f"the keys cannot be read: {getattr(err, 'strerror', None) or err}",
                where=str(path),
                fix="make a line for it with `burnish serve --new-key NAME`",
            ) from err
        keys = tuple(
            _key(line, f"{path} line {number}")
            for number, line in enumerate(lines, 1)
            if line.partition("#")[0].strip()
        )
        if not keys or len({key.name for key in keys}) < len(keys):
            raise ServerError(
                "a name is given to two keys" if keys else "the file holds no key",
                where=str(path),
                fix="make a line for it with `burnish serve --new-key NAME`",
            )
        return cls(keys)

    def admit(self, key: str | None) -> str | None:
        """Return the name of a key that may ask now; None where everybody may.

        Raises:
            AccessError: BN702, there is no key, or it is none of these.
            RateLimitError: BN705, it has asked too often; holds the seconds to wait.
        """
        if not self._keys:
            return None
        found = self._find(key) if key else None
        if found is None:
            raise AccessError(
                "the key is not known" if key else "the request has no key",
                where="the header Authorization",
                fix="send `Authorization: Bearer KEY` with a key of this server",
            )
        if found.bucket and (wait := found.bucket.wait_s(self._clock())):
            err = RateLimitError(
                f"the key {found.name!r} may ask {found.bucket.rate:g} times a second",
                where="the header Authorization",
                fix="ask again after the seconds in Retry-After",
            )
            err.retry_after_s = max(1, math.ceil(wait))
            raise err
        return found.name

    def _find(self, key: str) -> Key | None:
        hashed = _hashed(key)
        found = [one for one in self._keys if hmac.compare_digest(one.sha256, hashed)]
        return found[0] if found else None


def new_key(name: str) -> tuple[str, str]:
    """Return a new key, and its line for the file of keys.

    Raises:
        ServerError: BN707, the name cannot stand in the file.
    """
    if not _NAME.fullmatch(name):
        raise ServerError(
            f"{name!r} cannot be the name of a key",
            where="option --new-key",
            fix="use up to 64 letters, digits, dots, dashes and underscores",
        )
    key = _PREFIX + secrets.token_urlsafe(32)
    return key, f"{name} {_hashed(key)}"


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _key(line: str, where: str) -> Key:
    name, *rest = line.partition("#")[0].split()
    options = [_OPTION.fullmatch(word) for word in rest[1:]]
    if not rest or not _NAME.fullmatch(name) or not _HASH.fullmatch(rest[0]) or not all(options):
        raise ServerError(
            "the line is not a name, a sha256, and perhaps rate= and burst=",
            where=where,
            fix="make a line with `burnish serve --new-key NAME`",
        )
    return Key(name, rest[0], _bucket({one[1]: float(one[2]) for one in options if one}, where))


def _bucket(told: dict[str, float], where: str) -> Bucket | None:
    """Return how often a key may ask. Raises ServerError (BN707)."""
    if not told:
        return None
    rate = told.get("rate")
    if not rate:
        raise ServerError(
            "burst= says nothing without rate=" if rate is None else "with rate=0 no key may ask",
            where=where,
            fix="write rate= with the requests a second, 0.1 for one in ten; to let nobody ask "
            "with the key, delete its line",
        )
    return Bucket(rate, max(1.0, told.get("burst", rate)))
