"""Sentences that a report uses. The words that none of them may hold are listed in `evaluation.wording`.

A report says which tests were run, at what power, and what they found. It does not decide what a law asks a named
person to decide, and it does not reassure.
"""

from __future__ import annotations

from typing import Final

from tabsynth.evaluation.wording import OUTCOMES, banned_word

OUTSIDE_THE_BUDGET: Final = (
    "The verdict was formed by looking at real records outside the privacy budget; "
    "the guarantee covers the synthetic rows and the model file.")

NO_GUARANTEE: Final = (
    "No formal privacy guarantee was used. The model was fitted to the real records directly; what protects the "
    "people in them is only what the tests in this report could examine.")

GUARANTEE: Final = (
    "The synthetic rows and the model file stand under a differential-privacy guarantee for each {unit}.")

INTERNAL: Final = (
    "Internal: this report holds figures computed from real records. It stays with those who may see the real "
    "records.")

INTERNAL_UNDER_GUARANTEE: Final = (
    "Internal: this report holds figures computed from real records outside the privacy budget. Passing it on, "
    "whole or in part, withdraws the guarantee for what is passed on.")

DISCLOSED: Final = (
    "This report holds figures computed from real records outside the privacy budget. Whoever receives it together "
    "with the synthetic rows cannot rely on epsilon for the two together.")

KEPT_INTERNAL: Final = (
    "Fidelity, utility and attack figures are computed from real records. They are kept in the internal report, so "
    "that everything handed out follows from the synthetic rows, the model and the privacy statement alone.")

CALIBRATION: Final = (
    "Detection: AUC of telling synthetic from held-back rows. DCR share: of synthetic rows, those nearer to a training "
    "than to a held-back row. Copy ratio: rows that equal a training row over rows that equal a held-back one. Without "
    "copying these are 0.5, 0.5 and 1; each with one standard error. Given out: training people whose row nobody else "
    "holds and that came out, less the share of held-back people, with the lower end of its interval. They choose "
    "between settings, and plain copying would show in them; they do not establish privacy.")
DIAGNOSTICS_ARE_NOT_EVIDENCE: Final = (
    "These diagnostics do not establish privacy. Distances that look harmless on average have been measured on files "
    "that hold copies of real records.")

FOOTER: Final = (
    "Every row described here is synthetic. Document type {type}; the JSON file beside this page holds the same "
    "content and is the reference.")
NOTHING_HERE: Final = "No measure of this chapter was part of this run."
STATED: Final = (
    "Purpose, recipient, legal basis, sources, owner and review date are statements of the holder of the data in their "
    "own words. This program did not check them.")
NOT_STATED: Final = "not stated; to be filled in by the holder of the data"

SCALES: Final = (
    "Dot and line: value and 95 % interval. Shaded: from the floor (columns drawn independently of each other) to the "
    "ceiling (real records against other real records). Each scale spans its own floor and ceiling, so lengths do not "
    "compare from row to row.")
FOR_PERSONS: Final = (
    "Whether the risk is acceptable is for the persons named in the chapter on human determinations; this report gives "
    "them what was measured.")
WORDS_ARE_EXPLAINED: Final = (
    "Words such as holdout or control, and names such as P1a, are explained in the chapter on limits and sources.")
CONTEXT: Final = (
    "Risk depends on who receives the rows, what they may do with them and what else they hold. What nobody stated "
    "stays a blank: software cannot know it.")
GAINS: Final = (
    "Suppose that someone knows everybody else in the table and everything about one {unit}, and asks only whether "
    "this one took part. The bars show the most that any test on the released rows and the model can detect; the tick "
    "marks what blind guessing reaches.")
CRITERIA: Final = (
    "The Article 29 Working Party (WP216) asks of a technique whether it still lets one single a person out, link "
    "records of one person, or infer something about one. Each attack is made on training people and, as its control, "
    "on people who were not used: what it gains on both is knowledge about the population; the residual risk is what "
    "it gains on training people beyond that.")
MEMBERSHIP: Final = (
    "Can it be shown that a person was in the table? Attacks score training people against people who were not used: "
    "everybody, and those who stand out most, because averages hide them.")
COPIES: Final = (
    "Rows, values and rare combinations that one person alone holds, and that stand in the synthetic table again, "
    "beyond the rate at which those of people who were not used do so by chance.")
FIDELITY: Final = (
    "How closely the synthetic table follows the real one. The reference is always the holdout, which no model has "
    "seen; worst first.")
UTILITY: Final = (
    "Would work done on the synthetic table come out as on the real one? Utility never offsets a finding on privacy.")
VALIDITY: Final = (
    "Rows that break a declared rule, declared subgroups that shrank or for which outcomes moved, and whether the "
    "table varies as much as the real one.")
DECISIONS: Final = (
    "These are decisions of named persons. They stand for the release, recipient and purpose of this report, for as "
    "long as the person who decides writes down. Unless a law or that person says otherwise, look again after 24 "
    "months at the latest (a proposal of this program), or when a new release or a new attack becomes known.")

UNSIGNED: Final = (
    "unsigned: the hashes in the manifest show damage, but nothing shows who made the release")
SIGNED: Final = (
    "by the owner of the key with fingerprint {fingerprint}; `tabsynth verify FOLDER --key PUBLIC_KEY` checks it with "
    "a key that came to the reader by another way")

LOOKS_ARE_INTERNAL: Final = "kept in the internal report"
OTHER_FILES: Final = (
    "Whatever else lies in the folder, this report among it, is listed with its hash in the folder's manifest.json.")
CELLS_OF_A_SAMPLE: Final = (
    "Counted in a sample of the synthetic rows: with all rows a cell holds as many people or more, so count again in "
    "the file that leaves.")
NUMBERED: Final = (
    "The limit is on values that give a person away; keys numbered 1, 2, 3 and on without a gap are made up, equal "
    "real ones by chance, and count in the rates alone.")

SEED_POLICY: Final = (
    "The seed that drew the synthetic rows may be published. Privacy noise has no seed. The keys that split the table "
    "or bound a person's rows never leave the house.")

REASONS_ARE_INTERNAL: Final = (
    "What the policy asks a person to look at is in the internal report: it was computed from real records.")

BELOW_FLOOR: Final = "worse than columns drawn independently of each other"

NEVER_ASSESSED: Final[tuple[tuple[str, str], ...]] = (
    ("Group and property inference", "Statements about groups of people, not about one person, are not tested."),
    ("Several releases compared", "An attacker who subtracts one release from another is not tested."),
    ("An attacker who holds the model", "Only the synthetic rows were attacked, not the model file."),
    ("Better outside knowledge", "An attacker whose other data are better than the holdout is not tested."),
)
"""What no run of this version covers; every report says so."""

SECTIONS: Final[dict[str, str]] = {
    "privacy": "Attacks and copies", "validity": "Validity", "fidelity": "Fidelity", "utility": "Utility"}
NOT_PART: Final = "Not part of this run."
REFITS: Final = "Attacks that fit the model again"
REFITS_NOT_RUN: Final = (
    "Shadow models and made-up people take many further fits; they were not part of this run (tabsynth attack --tier "
    "2).")

LIMITS: Final[tuple[str, ...]] = (
    "Attacks show what was tried and found. They do not show that other attacks fail, and they do not prove a "
    "differential-privacy guarantee; the guarantee follows from the mechanism and its accounting.",
    "Figures for the most exposed records are the worst found, never the worst possible.",
    "Rows of one synthetic person are drawn one by one: they are not a history of that person.",
    "An analysis of one synthetic table, taken as if it were real, gives intervals that are too narrow for statements "
    "about the population.",
    "Comparing several models or settings by these figures and keeping the best makes the figures of the one kept too "
    "good; the chapter on provenance says how often that was done, as far as this class of report shows it.",
)

WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("Training, holdout", "Real people whose records the model learned from; real people who were kept from it."),
    ("Control", "What an attack reaches on holdout people: they were not used, so nothing about them was given away."),
    ("Baseline", "What the same attack reaches without the synthetic rows, by guessing."),
    ("Residual risk", "What an attack gains on training people beyond the control, as a share of what there was left "
                      "to gain: 0 is nothing, 1 is everything."),
    ("AUC", "Chance that a test scores somebody of one group above somebody of the other: at 0.5 it tosses a coin, at "
            "1 it tells them apart always."),
    ("Floor, ceiling", "What a table would reach whose columns were drawn independently; what other real rows reach."),
    ("95 % interval", "Range of values that the figure would be compatible with, given how few records it rests on."),
    ("Quasi-identifier", "A column that somebody else may know of a person, such as age or place."),
    ("Finding, review, no finding",
     "A finding is over the policy's limit, with evidence that holds after correction for the number of comparisons "
     "(Holm); of a residual risk that is certain, half the limit is enough. A review is below the limit, but more than "
     "chance explains after that correction. No finding is neither. Intervals are shown uncorrected: one may exclude "
     "chance where there is no finding."),
    ("Profile", "The policy that the release was held against; its limits are named beside each figure."),
    ("Epsilon, delta", "How much one person's records can change what comes out, at most, and roughly the chance "
                       "that this bound fails; smaller protects more. Only where there is a formal guarantee."),
)
"""A glossary: what a reader who writes no code needs for the first page and the chapters on privacy."""

STATE_REASONS: Final[dict[str, str]] = {
    "uninformative": "Floor and ceiling lie too close together to tell good from bad.",
    "insufficient_power": "Too few records to tell.",
    "not_run": "Not run.",
}

SUPPRESSED: Final = "Rests on fewer than 11 records; not shown in this class of report."
SMALL_CELL: Final = "not shown: a count of 1 to 10 people would follow from it"
BAND_MEASURED: Final = "measured; the number is not shown in this class of report"

def offending(text: str) -> str | None:
    """The first banned phrase in `text`, line breaks or not, or None."""
    return banned_word(" ".join(text.split()))


def verdict_sentence(outcome: str, policy: str) -> str:
    """The fixed sentence for an outcome: nothing in it depends on a measured number."""
    return OUTCOMES[outcome].format(policy=policy) + "."


def one_person(unit: str) -> str:
    """What the rows of one person are. unit: name of the column, or "row"."""
    return "one row" if unit == "row" else f"all rows that share one value of the column {unit}"
