"""What a column's name says of its role: words that stand for identifiers, people, places, codes and times."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")



def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


ID: Final = _set("id ids nr nbr key identifier uuid guid mrn pid uid accession")
COUNT: Final = _set("no num number")
UNIQUE: Final = _set("mrn uuid guid identifier uid")
PERSON: Final = _set("patient person subject member participant client individual respondent beneficiary proband "
                          "mrn pid case patienten probanden")
OWNED_NAME: Final = _set("first last full middle given family sur maiden mother father contact next "
                              "kin physician doctor")
NAME: Final = _set("surname forename firstname lastname fullname maiden vorname nachname")
CONTACT: Final = _set("email mail phone telephone tel mobile fax ssn passport iban address street url website ip "
                           "telefon strasse adresse drivers license licence nhs medicare insurance nino")
QUASI: Final = _set("age sex gender race ethnicity ethnic zip zipcode postcode postal plz county city town state "
                         "region country nationality birth birthdate birthday dob marital religion language "
                         "occupation geschlecht alter geburtsdatum")
CODES: Final = _set("code codes diag diagnosis diagnose dx icd atc ndc loinc drg cpt")
CODED: Final = _set("type code class category group status stage site ward unit department sex gender race "
                         "ethnicity region level grade")
OUTCOME: Final = _set("outcome target label readmitted readmission mortality died")
DATE: Final = _set("date day dob birthdate datum dt")
DURATION: Final = _set("duration elapsed length dauer wait")
TIME: Final = _set("time year date day days visit minute minutes hour hours week month timestamp ts datetime")
NO_TIME: Final = _set("birth birthdate dob death died born")
CHARACTERS: Final = {"姓名": "name", "患者": "patient", "电话": "phone", "电子邮件": "email", "地址": "address"}


def words(name: str) -> tuple[str, ...]:
    """The words of a column name, in lower case.

    >>> words("admission_type_id"), words("PatientID"), words("Größe (cm)")
    (('admission', 'type', 'id'), ('patient', 'id'), ('größe', 'cm'))
    """
    for characters, word in CHARACTERS.items():
        name = name.replace(characters, f" {word} ")
    return tuple(w.lower() for w in _WORD.findall(name))


def id_like(name: str) -> bool:
    """True if the name ends like an identifier's or is a word for a person alone ("number" and the like end the names
    of counts too, see `countable`).

    >>> [id_like(n) for n in ("patient_nbr", "encounter_id", "number_diagnoses", "MRN", "num_procedures", "patient")]
    [True, True, False, True, False, True]
    """
    parts = words(name)
    return bool(parts) and (parts[-1] in ID | COUNT or bool(UNIQUE & set(parts)) or set(parts) <= PERSON)


def countable(name: str) -> bool:
    """True if the name may as well stand for a count or a grade.

    >>> countable("education-num"), countable("patient_nbr")
    (True, False)
    """
    return bool(COUNT & set(words(name)[-1:]))


def of_person(name: str) -> bool:
    """True if the name speaks of a person, not of a thing that a person has.

    >>> of_person("patient_nbr"), of_person("number_outpatient")
    (True, False)
    """
    return bool(PERSON & set(words(name)))


def direct_identifier(name: str) -> bool:
    """True for names, addresses, telephone and insurance numbers of people.

    >>> [direct_identifier(n) for n in ("first_name", "e-mail", "phone", "clinic_name", "name", "SSN", "drug name")]
    [True, True, True, False, True, True, False]
    """
    parts = set(words(name))
    if parts & (CONTACT | NAME):
        return not parts & {"type", "provider", "plan", "status", "class"}
    return "name" in parts and (len(parts) == 1 or bool(parts & (OWNED_NAME | PERSON)))


def quasi_identifier(name: str) -> bool:
    """True for what others may know of a person: age, sex, place, birth.

    >>> quasi_identifier("age"), quasi_identifier("marital-status"), quasi_identifier("stage")
    (True, True, False)
    """
    return bool(QUASI & set(words(name)))
