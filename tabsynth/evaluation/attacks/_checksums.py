"""Check digits of the numbers that name a person, an account, a licence, a vehicle or a device.

Every function takes the number without separators, upper case, and says whether it is well formed and its check digit
right. One check digit in ten fits by chance, so a right one alone proves nothing (see ``_classes``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

Weights = Sequence[int]


def luhn(digits: str) -> bool:
    """The check of ISO/IEC 7812-1, annex B: bank cards, IMEI, and NPI with its prefix.

    >>> luhn("79927398713"), luhn("79927398710")
    (True, False)
    """
    if not _is_digits(digits):
        return False
    doubled = [2 * int(d) - 9 * (d > "4") for d in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def bank_card(digits: str) -> bool:
    """Numbers of the large card networks: prefix and length of the network, then Luhn.

    >>> bank_card("4111111111111111"), bank_card("4111111111111112")
    (True, False)
    """
    return bool(_CARD.fullmatch(digits)) and luhn(digits)


def npi(digits: str) -> bool:
    """National Provider Identifier (45 CFR 162.406): ten digits, Luhn over 80840 and the number.

    >>> npi("1234567893"), npi("1234567890")
    (True, False)
    """
    return bool(re.fullmatch(r"[12][0-9]{9}", digits)) and luhn(f"80840{digits}")


def imei(digits: str) -> bool:
    """Mobile equipment identity (3GPP TS 23.003, annex B): fifteen digits, Luhn.

    >>> imei("490154203237518"), imei("490154203237510")
    (True, False)
    """
    return len(digits) == 15 and luhn(digits)


def gtin14(digits: str) -> bool:
    """Device identifier of a UDI (GS1 General Specifications 7.9): fourteen digits, weights 3 and 1.

    >>> gtin14("00614141999996"), gtin14("00614141999997")
    (True, False)
    """
    return len(digits) == 14 and _is_digits(digits) and _weighted(digits, (3, 1) * 7) % 10 == 0


def ssn(digits: str) -> bool:
    """US social security number: no check digit; areas 000, 666 and 900 to 999, group 00 and serial 0000 are unused.

    >>> ssn("219099999"), ssn("666123456"), ssn("900123456"), ssn("123006789")
    (True, False, False, False)
    """
    return bool(re.fullmatch(r"(?!000|666|9)[0-9]{3}(?!00)[0-9]{2}(?!0000)[0-9]{4}", digits))


def nhs_number(digits: str) -> bool:
    """NHS number of England (NHS Data Dictionary): ten digits, modulus 11; a check of 10 is never given out.

    >>> nhs_number("9434765919"), nhs_number("9434765918")
    (True, False)
    """
    if len(digits) != 10 or not _is_digits(digits) or digits == "0000000000":
        return False
    check = (11 - _weighted(digits[:9], range(10, 1, -1)) % 11) % 11
    return check == int(digits[9])  # a check of 10 equals no digit


def steuer_id(digits: str) -> bool:
    """German tax number of a person (section 139b AO): eleven digits, one of the first ten two or three times and the
    others at most once, check digit by ISO/IEC 7064, MOD 11,10.

    >>> steuer_id("36574261809"), steuer_id("36574261890"), steuer_id("36554266806")
    (True, False, False)
    """
    if not re.fullmatch(r"[1-9][0-9]{10}", digits):
        return False
    repeats = sorted(n for n in (digits[:10].count(d) for d in "0123456789") if n > 1)
    product = 10
    for d in digits[:10]:
        product = ((int(d) + product) % 10 or 10) * 2 % 11
    return repeats in ([2], [3]) and (11 - product) % 10 == int(digits[10])


def kvnr(text: str) -> bool:
    """German health insurance number of a person (section 290 SGB V): a letter, eight digits, and a check by weights 1
    and 2 with cross sums, the letter as its two-digit place in the alphabet.

    >>> kvnr("A123456780"), kvnr("A123456781")
    (True, False)
    """
    if not re.fullmatch(r"[A-Z][0-9]{9}", text):
        return False
    digits = f"{ord(text[0]) - 64:02d}{text[1:9]}"
    total = sum(int(d) * (1 + i % 2) - 9 * (int(d) * (1 + i % 2) > 9) for i, d in enumerate(digits))
    return total % 10 == int(text[9])


def iban(text: str) -> bool:
    """International account number (ISO 13616): length of the country, modulus 97.

    >>> iban("GB82WEST12345698765432"), iban("GB82WEST12345698765431"), iban("DE89370400440532013000")
    (True, False, True)
    """
    if IBAN_LENGTHS.get(text[:2]) != len(text) or not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]+", text):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def vin(text: str) -> bool:
    """North American vehicle number (49 CFR 565.15): seventeen signs without I, O and Q, the ninth the check.

    >>> vin("1M8GDM9AXKP042788"), vin("1M8GDM9A1KP042788")
    (True, False)
    """
    if not re.fullmatch(r"[A-HJ-NPR-Z0-9]{17}", text):
        return False
    values = [int(c) if c.isdigit() else _VIN_VALUES[c] for c in text]
    return "0123456789X"[sum(v * w for v, w in zip(values, _VIN_WEIGHTS, strict=True)) % 11] == text[8]


IBAN_LENGTHS: Final[dict[str, int]] = {
    country: length for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items() for country in countries.split()}
"""Country -> signs of an IBAN (SWIFT IBAN Registry)."""

_CARD: Final = re.compile(
    r"4[0-9]{15}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}|3[47][0-9]{13}"
    r"|6(?:011|5[0-9]{2})[0-9]{12}|35(?:2[89]|[3-8][0-9])[0-9]{12}|3(?:0[0-5]|[68][0-9])[0-9]{11}")
_VIN_VALUES: Final = {letter: value for value, letters in enumerate(
    ("AJ", "BKS", "CLT", "DMU", "ENV", "FW", "GPX", "HY", "RZ"), start=1) for letter in letters}
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _weighted(digits: str, weights: Weights) -> int:
    return sum(int(d) * w for d, w in zip(digits, weights, strict=True))
