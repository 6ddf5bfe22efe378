"""The classes of identifiers of 45 CFR 164.514(b)(2)(i), (A) to (R), as far as a value or a column's name tells them.

A `Form` is recognised in the text of a value, some by a check digit, too; a `Label` only by the name of a column.
No form can recognise a name, a photograph or "any other unique characteristic" (R), and none knows what the holder of
the data knows: those stay with a person.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from tabsynth.evaluation.attacks import _checksums as checks


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of identifier that its form gives away.

    Args:
        letter: class of 45 CFR 164.514(b)(2)(i).
        what: its name; two forms of one name are one kind.
        pattern: of a candidate, inside a line of text. Its group "value", or else all of it, is the value.
        read: the value as it is compared, or None where the candidate is none (a wrong check digit).
        chance: share of unrelated candidates that `read` accepts; 0 where the form alone is telling. Others count
            only where far more of a column's candidates are accepted than chance explains.
        columns: with a pattern, only columns of such a name hold candidates.
        numbers: whole numbers that are candidates without a column name, as ranges (first, first after).
    """

    letter: str
    what: str
    pattern: re.Pattern[str]
    read: Callable[[str], str | None]
    chance: float = 0.0
    columns: re.Pattern[str] | None = None
    numbers: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """A kind of identifier that only the name of a text or id column suggests."""

    letter: str
    what: str
    columns: re.Pattern[str]


_WORD: Final = re.compile(r"[^\W_]+")


def words(name: str) -> str:
    """A column's name as words between single blanks, in lower case, with a blank at both ends.

    >>> words("patientFirstName_2"), words("PLZ")
    (' patient first name 2 ', ' plz ')
    """
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return f" {' '.join(_WORD.findall(apart.lower()))} "


# --- how a candidate is read -----------------------------------------------------------------------------


def _compact(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", text).upper()


def _checked(check: Callable[[str], bool]) -> Callable[[str], str | None]:
    """Letters and digits of a candidate whose check is right."""
    def read(text: str) -> str | None:
        compact = _compact(text)
        return compact if check(compact) else None
    return read


def _phone(text: str) -> str | None:
    """Digits with country code, from 7 to 15 of them (ITU-T E.164)."""
    digits = re.sub(r"[^0-9]", "", text)
    if "+" not in text and len(digits) == 10:
        digits = f"1{digits}"
    return digits if 7 <= len(digits) <= 15 else None


def _iban(text: str) -> str | None:
    """The candidate cut to its country's length: words may follow."""
    compact = _compact(text)
    compact = compact[: checks.IBAN_LENGTHS.get(compact[:2], 0)]
    return compact if checks.iban(compact) else None


def _ipv4(text: str) -> str | None:
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        return None


def _ipv6(text: str) -> str | None:
    if sum(map(bool, text.split(":"))) < 3:  # "::1" and "a::b" are more often something else
        return None
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        return None


@cache
def sparse_zip3() -> frozenset[str]:
    """Three-digit ZIP areas of 20,000 people or fewer, by one of the lists in ``zip3_sparse.csv``.

    The rule asks for current census figures; areas of an older list stay in, so that a doubt is read by a person.
    """
    rows = Path(__file__).with_name("zip3_sparse.csv").read_text("utf-8").splitlines()
    return frozenset(row["zip3"] for row in csv.DictReader(line for line in rows if not line.startswith("#")))


def _zip3(text: str) -> str | None:
    """The area, in three digits: a file may have lost leading zeros."""
    return area if (area := text.zfill(3)) in sparse_zip3() else None


def _date(text: str) -> str | None:
    """A day of a month, in any order of year, month and day."""
    numbers = [int(x) for x in re.findall(r"[0-9]+", text)]
    day_or_month = sorted(numbers[1:] if numbers[0] > 31 else numbers[:2])
    return text if 1 <= day_or_month[0] <= 12 and day_or_month[1] <= 31 else None


def _vin(text: str) -> str | None:
    """A vehicle number that holds letters and digits; a plain number of 17 digits is something else."""
    compact = text.upper()
    return compact if checks.vin(compact) and not compact.isdigit() else None


# --- the catalogue ---------------------------------------------------------------------------------------


def _form(letter: str, what: str, pattern: str, read: Callable[[str], str | None], *, chance: float = 0.0,
          columns: str | None = None, case: bool = True, numbers: tuple[tuple[int, int], ...] = ()) -> Form:
    flags = re.ASCII | re.MULTILINE | (re.NOFLAG if case else re.IGNORECASE)
    return Form(letter, what, re.compile(pattern, flags), read, chance,
                None if columns is None else re.compile(f" (?:{columns}) "), numbers)


SMALL_ZIP3: Final = "three-digit ZIP code of at most 20,000 people"
_TENTH: Final = 0.1
_START, _END = r"(?<![\w.+-])", r"(?![\w-]|\.[0-9])"
_DAY_END: Final = "(?![0-9-]|[./][0-9])"
_ZIP: Final = "zip|zip ?code|zip5|zip ?code 5|postal ?code|post ?code|plz|postleitzahl"
_NO: Final = "(?: ?(?:no|nr|num|number|id))?"
_SAYS: Final = r"[ ]?(?:no|nr|num|number|id|#)?[ .:#=-]{0,3}"
_NHS: Final = "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}"
_PHONE: Final = r"^[0-9+(][0-9 ()./-]{5,18}[0-9]$"
_LETTER, _SIGN = "[AC-HJKMNP-RT-Y]", "[0-9AC-HJKMNP-RT-Y]"

FORMS: Final[tuple[Form, ...]] = (
    _form("B", "ZIP+4 code", rf"{_START}[0-9]{{5}}-[0-9]{{4}}{_END}", str),
    _form("B", "five-digit postal code", r"^[0-9]{4,5}$", lambda text: text.zfill(5), columns=_ZIP),
    _form("B", "postal code (GB)", rf"{_START}[A-Z]{{1,2}}[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{{2}}{_END}", str),
    _form("B", SMALL_ZIP3, r"^[0-9]{1,3}$", _zip3, columns=f"{_ZIP}|zip ?3|zip ?code 3"),
    _form("C", "date finer than a year", rf"{_START}[0-9]{{4}}([-/.])[0-9]{{1,2}}\1[0-9]{{1,2}}{_DAY_END}", _date),
    _form("C", "date finer than a year", rf"{_START}[0-9]{{1,2}}([-/.])[0-9]{{1,2}}\1[0-9]{{4}}{_DAY_END}", _date),
    _form("C", "date finer than a year", rf"{_START}[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{2}}{_DAY_END}", _date),
    _form("D", "telephone number",
          rf"{_START}(?:\+?1[ .-]?)?(?:\([2-9][0-9]{{2}}\) ?|[2-9][0-9]{{2}}[ .-])[2-9][0-9]{{2}}[ .-][0-9]{{4}}{_END}",
          _phone),
    _form("D", "telephone number",
          rf"(?<![\w+])\+[1-9][0-9]{{0,2}}[ .-]?(?:\([0-9]{{1,4}}\)[ .-]?)?[0-9](?:[ ./-]?[0-9]){{5,12}}{_END}",
          _phone),
    _form("D", "telephone number", _PHONE, _phone,
          columns=f"(?:tel|phone|telephone|telefon|mobile|mobil|cell|cell ?phone|handy){_NO}"),
    _form("E", "fax number", _PHONE, _phone, columns=f"(?:fax|telefax){_NO}"),
    _form("F", "e-mail address",
          r"(?<![\w.%+-])[\w.%+-]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}(?![\w@])", str.lower),
    _form("G", "social security number (US)", rf"{_START}[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}}{_END}", _checked(checks.ssn)),
    _form("G", "social security number (US)",
          rf"\b(?:ssn|social security){_SAYS}(?P<value>[0-9]{{3}} ?[0-9]{{2}} ?[0-9]{{4}}){_END}", _checked(checks.ssn),
          case=False),
    _form("G", "social security number (US)", r"^[0-9]{9}$", _checked(checks.ssn),
          columns=f"(?:ssn|social security){_NO}"),
    _form("H", "medical record number", rf"\b(?:mrn|medical record){_SAYS}(?P<value>[A-Z]{{0,3}}[0-9]{{4,12}}){_END}",
          _compact, case=False),
    _form("H", "NHS number (GB)", rf"{_START}{_NHS}{_END}", _checked(checks.nhs_number), chance=_TENTH,
          numbers=((10**9, 10**10),)),
    _form("H", "NHS number (GB)", rf"\bnhs{_SAYS}(?P<value>{_NHS}){_END}", _checked(checks.nhs_number), case=False),
    _form("I", "Medicare beneficiary identifier (US)",
          rf"{_START}[1-9]{_LETTER}{_SIGN}[0-9]-?{_LETTER}{_SIGN}[0-9]-?{_LETTER}{{2}}[0-9]{{2}}{_END}", _compact),
    _form("I", "health insurance number (DE)", rf"{_START}[A-Z][0-9]{{9}}{_END}", _checked(checks.kvnr), chance=_TENTH),
    _form("J", "account number (IBAN)", r"(?<![\w-])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}", _iban),
    _form("J", "bank card number", rf"{_START}[2-6](?:[ -]?[0-9]){{13,15}}{_END}", _checked(checks.bank_card),
          chance=_TENTH, numbers=tuple((2 * 10**digits, 7 * 10**digits) for digits in (13, 14, 15))),
    _form("K", "provider number (NPI, US)", rf"{_START}[12][0-9]{{9}}{_END}", _checked(checks.npi), chance=_TENTH,
          numbers=((10**9, 3 * 10**9),)),
    _form("K", "provider number (NPI, US)", rf"\bnpi{_SAYS}(?P<value>[12][0-9]{{9}}){_END}", _checked(checks.npi),
          case=False),
    _form("L", "vehicle number (VIN)", r"(?<![\w-])[A-HJ-NPR-Z0-9]{17}(?![\w-])", _vin, chance=_TENTH),
    _form("L", "vehicle number (VIN)", rf"\bvin{_SAYS}(?P<value>[A-HJ-NPR-Z0-9]{{17}})(?![\w-])", _vin, case=False),
    _form("M", "device identifier (UDI)", r"\(01\) ?(?P<value>[0-9]{14})(?![0-9])", _checked(checks.gtin14)),
    _form("M", "device identifier (IMEI)", rf"{_START}[0-9]{{2}}[ -]?[0-9]{{6}}[ -]?[0-9]{{6}}[ -]?[0-9]{_END}",
          _checked(checks.imei), chance=_TENTH, numbers=((10**14, 10**15),)),
    _form("M", "device identifier (MAC address)",
          r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])", _compact),
    _form("N", "web address", r"""\b(?:https?|ftp)://[^\s"'<>]+|\bwww\.[\w-]+(?:\.[\w-]+)+""", str.lower,
          case=False),
    _form("O", "IP address (version 4)", rf"{_START}[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}{_END}", _ipv4),
    _form("O", "IP address (version 6)", r"(?<![\w:.-])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:.-])", _ipv6),
    _form("R", "tax number of a person (DE)", rf"{_START}[1-9](?: ?[0-9]){{10}}{_END}", _checked(checks.steuer_id),
          chance=_TENTH, numbers=((10**10, 10**11),)),
)

KINDS: Final[dict[tuple[str, str], tuple[Form, ...]]] = {
    (form.letter, form.what): tuple(f for f in FORMS if f.what == form.what) for form in FORMS}
"""(Class, name) -> the forms of one kind."""


def _label(letter: str, what: str, columns: str, *, whole: str | None = None) -> Label:
    return Label(letter, what, re.compile(f" (?:{columns}) " + ("" if whole is None else f"|^ (?:{whole}) $")))


LABELS: Final[tuple[Label, ...]] = (
    _label("A", "name", "(?:first|last|full|given|family|middle|maiden|birth|sur|patient|person|nick|user|mother"
           "|father) ?names?|vorname|nachname|familienname|initials",
           whole="names?|first|last|maiden|forename|surname"),
    _label("B", "geography below a state", "address|street|adresse|strasse|city|town|county|parish|precinct|latitude"
           "|longitude|lat|lon|lng|geocode"),
    _label("C", "month, week or day of an event", "(?:birth|admission|admit|discharge|death|visit|encounter|procedure"
           "|service) ?(?:date|month|week|day)|(?:month|week|day|date) of (?:birth|admission|discharge|death|visit)"
           "|dob"),
    _label("G", "social security number", f"(?:ssn|social security){_NO}"),
    _label("H", "medical record number", f"mrn|medical record{_NO}|(?:chart|hospital|case) (?:no|num|number)"
           "|fallnummer"),
    _label("I", "health plan number", "(?:member|subscriber|beneficiary|policy|insurance|insurer|plan) "
           "(?:no|nr|num|number|id)|versichertennummer|mbi|hicn"),
    _label("J", "account number", f"(?:account|acct|konto|iban){_NO}|kontonummer"),
    _label("K", "certificate or licence number", f"(?:licen[cs]e(?! plate)|certificate|passport|permit|drivers?|dea"
           f"|npi){_NO}"),
    _label("L", "vehicle number or plate", "(?:licen[cs]e|number|registration) plate|kennzeichen|vin"
           "|vehicle (?:id|no|number)", whole="plate"),
    _label("M", "device identifier", "(?:serial|device|implant) (?:no|nr|num|number|id)|seriennummer|udi|imei"),
    _label("P", "biometric identifier", "fingerprint|finger print|voice ?print|retina|iris scan|biometrics?"),
    _label("Q", "photograph", "photo|photograph|picture|portrait|(?:face|facial) ?image|image (?:file|path|url)"),
)

PLACE: Final = re.compile(r"\b(?:county|borough|parish|precinct|township|landkreis)$", re.IGNORECASE)
"""A value that says of itself that it is smaller than a state. A city's name has no form: a person reads it."""
HUMAN: Final = (
    "names, addresses, photographs and biometric identifiers are told by column names only; any other unique "
    "characteristic (class R) and what the holder of the data knows can be judged by a person only")
AGE: Final = re.compile(" (?:age|alter) ")
NOT_YEARS: Final = re.compile(" (?:months?|weeks?|days?|hours?|monate?|wochen?|tage?) ")
"""In the name or the unit of measure of an age that is not told in years."""
TOP_CODE: Final = 90
"""Ages above 89 may be told as one class, "90 or older"."""
