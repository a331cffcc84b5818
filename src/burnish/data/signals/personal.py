"""Personal data in texts: e-mail addresses, telephone and card numbers, IBANs, IP addresses.

What looks like a card number or an IBAN is one only if its check digits hold, so order numbers
are left alone. Found by patterns: names and postal addresses are not.

Sources: check digits by Luhn (ISO/IEC 7812-1) and modulo 97 (ISO 13616-1).
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import polars as pl

Personal = Literal["email", "phone", "card", "iban", "ip"]

_DIGITS_OF_PHONE = range(8, 16)  # E.164 allows 15; fewer than 8 are mostly something else
_DIGITS_OF_CARD = range(13, 20)
_LENGTH_OF_IBAN = range(15, 35)


def _is_card(text: str) -> bool:
    digits = [int(one) for one in text if one.isdigit()]
    doubled = [sum(divmod(2 * one, 10)) for one in digits[-2::-2]]
    return len(digits) in _DIGITS_OF_CARD and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _is_iban(text: str) -> bool:
    plain = "".join(text.split())
    if len(plain) not in _LENGTH_OF_IBAN:
        return False
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(one, 36)) for one in turned)) % 97 == 1


def _is_phone(text: str) -> bool:
    return sum(one.isdigit() for one in text) in _DIGITS_OF_PHONE


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_anything(text: str) -> bool:  # noqa: ARG001 - one of the family
    return True


# Kind → a pattern that finds candidates, and what makes a candidate one. In this order they are
# masked, so that the digits of a card are not taken for a telephone number.
FINDERS: dict[Personal, tuple[str, Callable[[str], bool]]] = {
    "email": (r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", _is_anything),
    "iban": (r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}\b", _is_iban),
    "card": (r"\b\d(?:[ -]?\d){12,18}\b", _is_card),
    "ip": (r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}", _is_ip),
    "phone": (r"(?:\+|\b00)\d[\d ()/.-]{6,20}\d\b|\(?\b0\d[\d ()/.-]{6,18}\d\b"
              r"|\(\d{3}\) ?\d{3}-\d{4}\b|\b\d{3}-\d{3}-\d{4}\b", _is_phone),
}  # fmt: skip


def found_in(texts: pl.Series, kinds: Sequence[Personal]) -> pl.Series:
    """Return whether each text holds data of any of these kinds, Boolean; null where it is null."""
    maybe = pl.any_horizontal(pl.col("text").str.contains(FINDERS[kind][0]) for kind in kinds)
    frame = pl.DataFrame({"text": texts}).with_columns(maybe=maybe)
    # The patterns pass nearly every text by; only what looks like something is looked at closely.
    sure = [
        maybe and any(next(_of(text, kind), None) is not None for kind in kinds)
        for text, maybe in frame.filter("maybe").iter_rows()
    ]
    places = frame["maybe"].arg_true()
    return frame["maybe"].clone().scatter(places, sure)


def masked(texts: pl.Series, kinds: Sequence[Personal] = ()) -> pl.Series:
    """Return texts with personal data in place of which its kind stands, such as `[email]`."""
    wanted = [kind for kind in FINDERS if not kinds or kind in kinds]
    maybe = pl.any_horizontal(pl.col("text").str.contains(FINDERS[kind][0]) for kind in wanted)
    places = pl.DataFrame({"text": texts}).select(maybe).to_series().arg_true()
    return texts.clone().scatter(places, [_masked(text, wanted) for text in texts.gather(places)])


def _masked(text: str, kinds: Sequence[Personal]) -> str:
    for kind in kinds:
        pattern, holds = FINDERS[kind]
        text = re.sub(pattern, partial(_put_in_place, kind, holds), text)
    return text


def _put_in_place(kind: Personal, holds: Callable[[str], bool], found: re.Match[str]) -> str:
    return f"[{kind}]" if holds(found[0]) else found[0]


def _of(text: str, kind: Personal) -> Iterator[re.Match[str]]:
    pattern, holds = FINDERS[kind]
    return (found for found in re.finditer(pattern, text) if holds(found[0]))
