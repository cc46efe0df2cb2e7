"""Answer -> what it means for this write, before the read-back has spoken.

HTTP status and text are hints, not evidence: 400 and more never becomes a success by its text, and a 200 whose
words are not clearly good is not one either. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import MOST_LINES, Answer, Shape, Tone
from cipp_mcp.call.verify import Evidence, can_verify
from cipp_mcp.catalog.action import API
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.message import Changed, Word


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known after the answer, and after the read-back.

    Attributes:
        says: our sentence about it.
        next_step: what to do, where there is something to do.
        job: CIPP's own id of work that it put off, empty where it tells none; None where it put off nothing.
    """

    word: Word
    changed: Changed
    says: str
    next_step: str = ""
    job: str | None = None


SHOWN_IN_PART = "A read-back shows that it was made, and cannot show all that was asked for."
SEE_THE_REST = "Do not send it again. list_scheduled_items shows what CIPP put off."
LOOK_AT_IT = "Do not send it again. Look at each line in details and at the object itself."

_JOB = re.compile(r"scheduled job with id ([0-9a-f-]{36})", re.IGNORECASE)


def judge_write(case: Case, answer: Answer) -> Verdict:
    """The provisional word for a write's answer."""
    if answer.problem:
        return _judge_problem(answer)
    if answer.shape is Shape.BROKEN or len(answer.lines) >= MOST_LINES:
        return Verdict(Word.UNKNOWN, "unknown", "CIPP's answer could not be read.")
    tones = {line.tone for line in answer.lines}
    if answer.status >= 400:
        return _judge_failure(answer, tones)
    if answer.queue_message or (Tone.QUEUED in tones and tones <= {Tone.QUEUED, Tone.GOOD, Tone.NONE_NEEDED}):
        return Verdict(Word.ACCEPTED, "unknown", "CIPP queued the work.", job=_job(answer))
    if Tone.BAD in tones:
        if tones & {Tone.GOOD, Tone.NONE_NEEDED, Tone.QUEUED, Tone.UNCLEAR}:
            return Verdict(Word.PARTIAL, "yes", "CIPP reports that a part was done and a part was not.")
        return Verdict(Word.FAILED, "unknown", "CIPP reports a failure.")
    if not tones and carries_data(case, answer):
        known = case.action.group != API
        return Verdict(Word.CLAIMED, "yes" if known else "unknown", "CIPP answered with data.")
    if case.effect is Effect.REVEAL and tones <= {Tone.NONE_NEEDED}:  # "No LAPS password found"
        return Verdict(Word.FAILED, "unknown", "CIPP answered without what was asked for.")
    if not tones and case.action.each_line and answer.at() == []:
        says = "CIPP did nothing: it has a line for each thing that it does, and gave none."
        return Verdict(Word.FAILED, "unknown", says, "Such an object may not have what was asked for: look at its type.")
    if not tones:
        return Verdict(Word.UNKNOWN, "unknown", "CIPP answered without a word about the result.")
    if tones == {Tone.NONE_NEEDED}:
        return Verdict(Word.UNCHANGED, "no", "CIPP says that nothing needed to change.")
    if Tone.UNCLEAR in tones and Tone.GOOD not in tones:
        return Verdict(Word.FAILED, "unknown", "CIPP's answer does not read as a success.")
    if case.action.settles == "later":
        return Verdict(Word.ACCEPTED, "unknown", "CIPP accepted the work and does it in the background.")
    return Verdict(Word.CLAIMED, "yes", "CIPP reports success.")


def _job(answer: Answer) -> str:
    found = [match[1] for line in answer.lines if (match := _JOB.search(line.text))]
    return found[0] if len(found) == 1 else ""


def _judge_problem(answer: Answer) -> Verdict:
    if not answer.reached:
        return Verdict(Word.FAILED, "no", answer.problem, answer.hint)
    return Verdict(Word.UNKNOWN, "unknown", answer.problem, answer.hint)


def _judge_failure(answer: Answer, tones: set[Tone]) -> Verdict:
    told = f"CIPP answered {answer.status}"
    if len(answer.lines) > 1 and tones & {Tone.GOOD, Tone.QUEUED} and tones & {Tone.BAD, Tone.UNCLEAR}:
        return Verdict(Word.PARTIAL, "yes", f"{told} and reports that a part was done and a part was not.")
    if answer.status >= 500 and any(_hides_part(line.text) for line in answer.lines):
        return Verdict(Word.PARTIAL, "yes", f"{told} with a text that names what was done and what was not.")
    return Verdict(Word.FAILED, "unknown", f"{told}: it reports a failure.")


def _hides_part(text: str) -> bool:
    """A failure text that also names successes: MFA reset lists what it removed beside what it could not."""
    lower = text.lower()
    good = any(w in lower for w in ("successfully", "removed:", "removed method", "were removed", "succeeded"))
    bad = any(w in lower for w in ("failed", "could not", "not removed", "unable"))
    return good and bad


def carries_data(case: Case, answer: Answer) -> bool:
    """What is not a result sentence: the new thing itself (a backup, a created row), or the rows of a list that nobody reviewed.

    A list may be empty.
    """
    data = answer.at()
    lists = case.action.group == API and case.action.name.casefold().startswith("list")
    return isinstance(data, Mapping | list) and (bool(data) or (lists and isinstance(data, list)))


def with_evidence(case: Case, verdict: Verdict, evidence: Evidence | None, was_so: bool) -> Verdict:
    """The final word: a read-back outranks status and text, both ways.

    Args:
        evidence: None when no read can show this write.
        was_so: the state before the call already was the intended one.
    """
    word = verdict.word
    if evidence is None:
        return _without_evidence(case, verdict)
    if evidence.all_shown:
        if evidence.of_job:  # that the work is queued is all that this shows
            says = f"{verdict.says} A read-back shows the job{'' if word is Word.ACCEPTED else ' all the same'}."
            return Verdict(Word.ACCEPTED, "unknown", says, _follow(case))
        if was_so and word is not Word.FAILED:
            return was_already(case)
        if was_so or (evidence.was_so and word in {Word.FAILED, Word.UNKNOWN, Word.UNCHANGED}):
            return verdict
        if evidence.partly and word is Word.ACCEPTED:
            return Verdict(word, "yes", f"{verdict.says} {SHOWN_IN_PART}", SEE_THE_REST)
        if evidence.partly and word is not Word.CLAIMED:
            return Verdict(Word.PARTIAL, "yes", f"{verdict.says} {SHOWN_IN_PART}", LOOK_AT_IT)
        return Verdict(Word.DONE, "yes", _shown_despite(verdict))
    if evidence.some_shown and evidence.news:
        says = "A read-back shows it for a part of the targets only."
        return Verdict(Word.PARTIAL, "yes", says, "Look at each target in details.")
    if word is Word.UNCHANGED and evidence.fresh:
        return verdict  # that nothing new is listed is what `unchanged` says
    if word is Word.PARTIAL:
        # What CIPP calls done need not be what the read can see: that it shows nothing proves nothing, either way.
        seen = "the read-back failed" if evidence.unreadable else "the read-back shows no change (yet)"
        return Verdict(word, "unknown", f"{verdict.says} But {seen}.", "Look at each line in details.")
    if word is Word.ACCEPTED and (verdict.job is not None or not evidence.of_job):
        says = f"{verdict.says} A read-back does not show the end of it yet."
        return Verdict(word, verdict.changed, says, _follow(case), verdict.job)
    if word is Word.FAILED:
        seen = "A read-back could not be made." if evidence.unreadable else "A read-back does not show the change."
        return Verdict(word, verdict.changed, f"{verdict.says} {seen}", verdict.next_step)
    seen = "the read-back failed" if evidence.unreadable else "the read-back does not show it (yet)"
    # The directory may need minutes to agree with itself: what CIPP calls a success is looked for again, not yet in doubt.
    word = Word.PENDING if word in {Word.CLAIMED, Word.ACCEPTED} else Word.UNKNOWN
    return Verdict(word, "unknown", f"{verdict.says} But {seen}.", _check_again(case))


def was_already(case: Case) -> Verdict:
    """The word where all that a read can show was so before, and is."""
    says = "It already was so before the call; a read-back shows it."
    if any(v.besides for v in case.action.verify):
        return Verdict(Word.UNCHANGED, "unknown", f"{says} What else the call does, no read shows.")
    return Verdict(Word.UNCHANGED, "no", says)


def _without_evidence(case: Case, verdict: Verdict) -> Verdict:
    if verdict.word is Word.ACCEPTED:
        return Verdict(verdict.word, verdict.changed, verdict.says, _follow(case), verdict.job)
    if verdict.word is Word.CLAIMED and case.effect is Effect.DESTROY:
        return Verdict(Word.UNKNOWN, "unknown", f"{verdict.says} No read can show it.", _check_again(case))
    if verdict.word is Word.UNKNOWN and not verdict.next_step:
        return Verdict(verdict.word, verdict.changed, verdict.says, _check_again(case))
    return verdict


def _shown_despite(verdict: Verdict) -> str:
    if verdict.word in {Word.CLAIMED, Word.ACCEPTED}:
        return "A read-back shows it."
    return f"A read-back shows it, although: {verdict.says}"


def _follow(case: Case) -> str:
    if case.follow is not None or can_verify(case):
        return "Accepted is not done. check_operation follows it."
    if reason := next((v.claimed for v in case.action.verify if v.claimed), ""):
        return f"Accepted is not done: {reason}."
    return "Accepted is not done. list_scheduled_items and list_cipp_logs show the end of it."


def _check_again(case: Case) -> str:
    reason = next((v.claimed for v in case.action.verify if v.claimed), "")
    return f"Do not send it again. {f'Check by hand: {reason}.' if reason else 'check_operation looks again.'}"


def details(answer: Answer, redact: Any) -> list[dict[str, str]]:
    """CIPP's own lines, labelled as data and with secrets out."""
    return [{"reads_as": str(line.tone), "text": redact(line.text)} for line in answer.lines if line.text]
