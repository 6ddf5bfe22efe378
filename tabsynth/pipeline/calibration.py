"""Privacy-calibrated complexity: the settings of a model at which it copies no more than chance, chosen on people whom
its candidates have not seen.

Candidates are fitted to 85 % of the people and scored on the others (`held_back`, `scoring`); the model is then fitted
to all rows with the settings that were chosen. A candidate is refused for its copies where it copies more than the
limits of `COPIES` and of the mode say, each beyond the error of its measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from tabsynth.core import registry
from tabsynth.core.complexity import Settings
from tabsynth.core.errors import UsageError
from tabsynth.core.progress import Progress, silent
from tabsynth.core.rng import Streams
from tabsynth.pipeline.held_back import ENOUGH, Sides
from tabsynth.pipeline.scoring import Score, score
from tabsynth.pipeline.settings import configured

Mode = Literal["max_fidelity", "balanced", "cautious", "off"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
DEFAULT: Final[Mode] = "balanced"

COPIES: Final = 1.1
"""Largest ratio of copies of training rows to copies of held-back rows."""
DCR: Final[dict[str, float]] = {"balanced": 0.52, "cautious": 0.51}
"""Largest share of rows nearer to a training row."""
GIVEN_OUT: Final = 0.005
"""Largest share of people, beyond chance, whose own row is given out: what the attack P0a may find under the profile
`controlled`, as the lower end of the interval."""
DCR_ERRORS: Final = 1.0
COPY_ERRORS: Final = 1.645
"""Standard errors by which a limit must be passed.

False alarms on a generator that copies nothing: the DCR limit of 0.52 refuses it in under 0.01 % of cases at 5,000
held-back rows, in 2 % at 750 and in 9 % at 75; the copy ratio in under 5 %.
"""
WORKERS: Final = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """Settings of a model, and what came of them."""

    model: str
    settings: Settings
    score: Score

    @property
    def detection(self) -> float:
        """AUC; what is below 0.5 is noise, and counts as 0.5."""
        return max(0.5, self.score.detection)

    def copies_too_much(self, mode: Mode) -> bool:
        """True if a limit of the mode is passed beyond its error."""
        found = self.score
        if mode not in DCR:
            return False
        return found.dcr - DCR_ERRORS * found.dcr_error > DCR[mode] or any(
            ratio.exceeds(COPIES, COPY_ERRORS) for ratio in found.copies.values() if ratio is not None) or (
            found.given_out is not None and found.given_out.low > GIVEN_OUT)


@dataclass(frozen=True)
class Calibration:
    """What was tried, and what was chosen.

    Args:
        settings: those chosen, the caller's own among them.
        reason: in one sentence.
        candidates: from the closest fit to the simplest; empty where nothing was held back.
        chosen: place of the chosen one among them, None where there are none.
        sides: None where nothing was held back.
    """

    mode: Mode
    settings: Settings
    reason: str
    candidates: tuple[Candidate, ...] = ()
    chosen: int | None = None
    sides: Sides | None = None

    @property
    def winner(self) -> Candidate | None:
        return None if self.chosen is None else self.candidates[self.chosen]

    def evidence(self, *, winner: Candidate | None, baselines: Sequence[Candidate] = ()) -> dict[str, Any]:
        """For the model file and the report: settings and scores, nothing that was learned, no small count."""
        def outcome(one: Candidate, otherwise: str) -> str:
            return "chosen" if one is winner else "refused" if one.copies_too_much(self.mode) else otherwise

        sides = self.sides
        return {
            "mode": self.mode, "reason": self.reason,
            "fitted_rows": 0 if sides is None else len(sides.train.values),
            "held_back_rows": 0 if sides is None else len(sides.held),
            "held_back_people": 0 if sides is None else sides.people,
            "candidates": [*(_row(one, outcome(one, "passed")) for one in self.candidates),
                           *(_row(one, outcome(one, "baseline")) for one in baselines)]}


def mode_for(mode: str | None, model: str, *, private: bool) -> Mode:
    """The mode, refused where it would do nothing. None = the default.

    Args:
        model: name or "auto".
    """
    if mode is None:
        return DEFAULT
    if mode not in MODES:
        raise UsageError(f"there is no mode {mode!r}; there are: {', '.join(MODES)}.")
    able = sorted(name for name, plugin in registry.plugins("models").items() if plugin.facts.get("calibrated"))
    if private:
        raise UsageError("a mode is for models without differential privacy; with epsilon, epsilon says how much may "
                         "be learned.", fix="Leave out the mode.")
    if model != "auto" and model not in able:
        raise UsageError(f"model {model!r} has nothing to calibrate; {', '.join(able)} has.", fix="Leave out the mode.")
    return mode


def calibrate(model: str, given: Settings, mode: Mode, sides: Sides | None, streams: Streams, *,
              progress: Progress = silent) -> Calibration:
    """Choose the settings of a model.

    Args:
        model: its name; its FACTS say that it can be calibrated.
        given: the caller's settings, which stay as they are; the others are calibrated.
        sides: None where the table has fewer than `ENOUGH` people.
        streams: every candidate draws from the same ones, so that they differ by their settings alone.
    """
    build = registry.load("models", model)
    grid = build.complexity
    if mode == "off":
        return Calibration(mode, given, "the settings are those given and the model's own.")
    if sides is None:
        return Calibration(mode, {**grid.few, **given}, f"fewer than {ENOUGH} people: too few to hold any back, so the "
                                                        "settings are safe ones.")

    def tried(some: Sequence[Settings]) -> list[Candidate]:
        return candidates([(model, one) for one in some], sides, streams, progress=progress)

    middle = grid.levels[(len(grid.levels) - 1) // 2]
    first = tried(_distinct([{**variant, **middle, **given} for variant in grid.variants]))
    clearly = [one for one in first if one.detection < first[0].detection - first[0].score.detection_error]
    best = min(clearly, key=lambda one: one.detection, default=first[0])
    variant = {name: best.settings[name] for name in grid.variants[0]}
    levels = _distinct([{**variant, **level, **given} for level in grid.levels])
    known = {_key(one.settings): one for one in first}
    if mode != "max_fidelity" and best.copies_too_much(mode):  # and so do closer ones
        levels = levels[[_key(one) for one in levels].index(_key(best.settings)):]
    found: list[Candidate] = []
    while levels and not _decided(mode, found):
        some, levels = levels[:WORKERS], levels[WORKERS:]
        known |= {_key(one.settings): one for one in tried([one for one in some if _key(one) not in known])}
        found += [known[_key(one)] for one in some]
    chosen, reason = choose(mode, found)
    return Calibration(mode, found[chosen].settings, reason, tuple(found), chosen, sides)


def _decided(mode: Mode, found: Sequence[Candidate]) -> bool:
    """True if simpler candidates than these need not be tried: two have passed, and no simpler one is better."""
    return mode == "balanced" and sum(not one.copies_too_much(mode) for one in found) >= 2


def choose(mode: Mode, found: Sequence[Candidate]) -> tuple[int, str]:
    """Place of the chosen candidate, and why.

    Args:
        found: at least one, from the closest fit to the simplest.
    """
    places = range(len(found))
    if mode == "max_fidelity":
        return min(places, key=lambda i: found[i].detection), "the least detectable, whatever it copies."
    passed = [i for i in places if not found[i].copies_too_much(mode)]
    if not passed:
        return min(places, key=lambda i: found[i].score.dcr), \
            f"all {len(found)} candidates copy more than chance; this one is the least near to training rows."
    best = min(reversed(passed), key=lambda i: found[i].detection)
    of = f"the {len(passed)} of {len(found)} candidates that copy no more than chance"
    if mode == "balanced":
        return best, f"the least detectable of {of}."
    within = found[best].detection + found[best].score.detection_error
    return max(i for i in passed if found[i].detection <= within), \
        f"the simplest of {of}, within one standard error of the least detectable."


def candidates(wanted: Sequence[tuple[str, Settings]], sides: Sides, streams: Streams, *,
               progress: Progress = silent) -> list[Candidate]:
    """Fit and score models by name and settings, two at a time; in the order given."""
    found = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for done, one in enumerate(pool.map(lambda one: candidate(*one, sides=sides, streams=streams), wanted)):
            found.append(one)
            progress("calibrate", done + 1, len(wanted))
    return found


def candidate(model: str, settings: Settings, *, sides: Sides, streams: Streams) -> Candidate:
    """Fit one model to the training side and score its rows."""
    fitted = configured(registry.load("models", model), settings, model=model)
    fitted.fit_coded(sides.train, sides.coding, rng=streams.stream(0, "fit"))
    synth = sides.draw(fitted, streams.stream(0, "draw"))
    many = sides.draw_table(fitted, streams.stream(0, "table"))
    return Candidate(model, settings, score(synth, many, sides, streams.stream(0, "folds")))


def _distinct(some: Sequence[Settings]) -> list[Settings]:
    return list({_key(one): one for one in some}.values())


def _key(settings: Settings) -> str:
    return repr(sorted(settings.items()))


def _row(one: Candidate, outcome: str) -> dict[str, Any]:
    found = one.score
    return {
        "model": one.model, "settings": dict(one.settings), "outcome": outcome,
        "detection": _short(found.detection), "detection_error": _short(found.detection_error),
        "dcr_share": _short(found.dcr), "dcr_error": _short(found.dcr_error),
        "given_out": None if found.given_out is None else {"excess": _short(found.given_out.excess),
                                                           "low": _short(found.given_out.low)},
        "copies": [{"columns": look, "ratio": None if ratio is None else _short(ratio.ratio),
                    "error": None if ratio is None else _short(ratio.error)} for look, ratio in found.copies.items()]}


def _short(number: float) -> float:
    return round(number, 4)
