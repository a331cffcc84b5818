"""The languages that a text can be told to be in: ISO 639-1 codes, with their English names.

They are those that `burnish.data.language` can tell apart; a test holds the two together.
"""

from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator

_NAMES = """
af=Afrikaans am=Amharic an=Aragonese ar=Arabic as=Assamese az=Azerbaijani ba=Bashkir
be=Belarusian bg=Bulgarian bn=Bengali br=Breton bs=Bosnian ca=Catalan cs=Czech cy=Welsh
da=Danish de=German dz=Dzongkha el=Greek en=English eo=Esperanto es=Spanish et=Estonian
eu=Basque fa=Persian fi=Finnish fo=Faroese fr=French fy=Frisian ga=Irish gd=Gaelic gl=Galician
gu=Gujarati ha=Hausa he=Hebrew hi=Hindi hr=Croatian ht=Haitian hu=Hungarian hy=Armenian
id=Indonesian ig=Igbo is=Icelandic it=Italian ja=Japanese jv=Javanese ka=Georgian kk=Kazakh
km=Khmer kn=Kannada ko=Korean ku=Kurdish ky=Kyrgyz la=Latin lb=Luxembourgish lg=Ganda ln=Lingala
lo=Lao lt=Lithuanian lv=Latvian mg=Malagasy mk=Macedonian ml=Malayalam mn=Mongolian mr=Marathi
ms=Malay mt=Maltese my=Burmese ne=Nepali nl=Dutch nn=Nynorsk no=Norwegian oc=Occitan om=Oromo
or=Odia pa=Punjabi pl=Polish ps=Pashto pt=Portuguese qu=Quechua ro=Romanian ru=Russian
rw=Kinyarwanda sa=Sanskrit se=Sami si=Sinhala sk=Slovak sl=Slovenian sn=Shona so=Somali
sq=Albanian sr=Serbian st=Sotho sv=Swedish sw=Swahili ta=Tamil te=Telugu tg=Tajik th=Thai
tk=Turkmen tl=Tagalog tr=Turkish tt=Tatar ug=Uyghur uk=Ukrainian ur=Urdu uz=Uzbek vi=Vietnamese
vo=Volapük wa=Walloon xh=Xhosa yo=Yoruba zh=Chinese zu=Zulu
"""
LANGUAGES = dict(pair.split("=") for pair in _NAMES.split())
_LONGEST_CODE = 3  # letters, of another standard
_BY_WORD = {code: code for code in LANGUAGES} | {
    name.lower(): code for code, name in LANGUAGES.items()
}


def language_fault(code: object) -> str | None:
    """Return what is wrong with a code that somebody wrote, and the nearest; None: nothing."""
    if code in LANGUAGES:
        return None
    found = _nearest(str(code).lower())
    known = f"these can: {', '.join(LANGUAGES)}"
    hint = f"did you mean `{found}` ({LANGUAGES[found]})?" if found else known
    return f"{code!r} is no ISO 639-1 code of a language that can be told; {hint}"


def _nearest(written: str) -> str | None:
    # A code of three letters or with a region, such as `eng` or `en-GB`, begins as the right one.
    is_code = len(written) <= _LONGEST_CODE or written[2:3] in {"-", "_"}
    if is_code and written[:2] in LANGUAGES:
        return written[:2]
    near = get_close_matches(written, _BY_WORD, n=1)
    return _BY_WORD[near[0]] if near else None


def _known(code: str) -> str:
    if fault := language_fault(code):
        raise ValueError(fault)
    return code


LanguageCode = Annotated[str, AfterValidator(_known)]
