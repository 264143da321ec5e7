"""The questions that people have about a machine, each a run or a search: what it outlives, where it wedges, what would save it.

The cheap ones come first. Nothing is asked that the rest of the budget is not enough for; then the row has the line that asks it
alone. Searches are those of `minimum` and `remedies`, in the words of those commands.

The budget is of work as `cost.reckoned_s` reckons it, from frames and windows, and not of time on a clock: what is asked, and
what is answered, depends on the scenario and the budget alone, and not on how fast a computer is or how many processors it has.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, TypeVar

from netswap.actors.kernels import KERNELS
from netswap.cluster.scenario import cost, load
from netswap.cluster.study.failure import needed
from netswap.cluster.study.minimum import Answer, Question, narrow, runs_at_most
from netswap.cluster.study.pool import Pool
from netswap.cluster.study.remedies import Patient, Tried, runs_when_ill, search_under
from netswap.cluster.study.subject import Job, Outcome, Subject, Traffic, outlived
from netswap.cluster.study.trials import WIDTH, Trials, parts_of, values_of

Done = TypeVar("Done")

OUTAGES_S: Final = (1, 10, 60)
SOCKETS_MAX: Final = 16
"""Times as many sockets as there are, at most, are tried where the machine is well."""
_MBIT: Final = 1_000_000
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Row:
    """One question and its answer; `good` is None where nothing is known. `command` asks it alone."""

    question: str
    answer: str
    good: bool | None
    runs: int = 0
    cpu_s: float = 0.0
    work_s: float = 0.0
    """What the runs are reckoned at, seconds: the same on every computer, which `cpu_s` is not."""
    command: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return {**vars(self), "cpu_s": round(self.cpu_s, 2), "work_s": round(self.work_s, 2)}


@dataclass
class Asking:
    """What has been spent so far, of how much work (seconds, as it is reckoned), by how many processes at once."""

    subject: Subject
    budget_s: float
    tell: Callable[[Row], None]
    processes: int
    rows: list[Row] = field(default_factory=list)

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left."""
        return self.budget_s - sum(row.work_s for row in self.rows)

    def add(self, row: Row) -> None:
        """A row is known."""
        self.rows.append(row)
        self.tell(row)


def beforehand(subject: Subject) -> tuple[int, float]:
    """How many runs there are at least, and about how much work they are, seconds."""
    cells = list(_cells(subject))
    each = [
        cost.estimate(load(subject.scenario, overrides=subject.settings(outage_s, traffic)).resolved()).likely_s
        for outage_s, traffic in cells
    ]
    return len(cells), sum(each)


def ask(asking: Asking) -> list[Row]:
    """Ask all there is to ask, within the budget. Raises `RunFailedError`."""
    outcomes = _outages(asking)
    worst = _worst(outcomes)
    if worst is None:
        _nothing_to_save(asking, outcomes)
    else:
        _searches(asking, *worst)
    _again(asking, outcomes)
    return asking.rows


# -- outages ------------------------------------------------------------------------------------------------------------

Cell = tuple[int, Traffic]


def _cells(subject: Subject) -> Iterator[Cell]:
    """The outages, without traffic and with; one run of traffic alone where no server can be away."""
    outages = OUTAGES_S if subject.servers else (0,)
    for traffic in (Traffic.IDLE, Traffic.LINE) if subject.floods else (Traffic.IDLE,):
        yield from (
            (outage_s, traffic) for outage_s in outages if outage_s or traffic is Traffic.LINE or not subject.floods
        )


def _outages(asking: Asking) -> dict[Cell, Outcome]:
    subject = asking.subject
    if not subject.servers:
        why = "its server is itself" if subject.serves_itself else "it does not swap over the network"
        asking.add(Row(f"{subject.machine} without its swap server", f"no server can be away: {why}", None))
    outcomes: dict[Cell, Outcome] = {}
    # What is cheap goes first, and leaves the dear ones more to share.
    for _, group in groupby(_cells(subject), key=lambda cell: cell[1]):
        cells = list(group)
        jobs = [Job(subject, *cell, limit_s=asking.left_s / len(cells)) for cell in cells]
        told = 0
        with Pool(processes=asking.processes) as pool:
            for number, outcome in pool.as_they_come(outlived, jobs):
                outcomes[cells[number]] = needed(outcome)
                while told < len(cells) and cells[told] in outcomes:
                    asking.add(_outage_row(subject, cells[told], outcomes[cells[told]]))
                    told += 1
    return {cell: outcomes[cell] for cell in _cells(subject)}


def _outage_row(subject: Subject, cell: Cell, outcome: Outcome) -> Row:
    outage_s, traffic = cell
    away = f"{', '.join(subject.servers)} away for {outage_s} s" if outage_s else "no outage"
    good = True if outcome.well else False if outcome.ill else None
    words = ["netswap", "run", subject.scenario, "--engine", "inline"]
    command = shlex.join([*words, *_sets(subject.settings(outage_s, traffic))])
    facts = {"verdict": outcome.verdict, "outage_s": outage_s, "traffic": traffic.name.lower()}
    facts |= {"stalled_ns": outcome.stalled_ns, "recovered_after_ns": outcome.after_ns}
    facts |= {"whole_s": round(_whole_s(outcome), 2), "left_out_ns": outcome.left_out_ns}
    answer = _told(subject, outcome)
    return Row(f"{away}, {traffic}", answer, good, 1, outcome.cpu_s, outcome.work_s, command, facts)


def _whole_s(outcome: Outcome) -> float:
    """The work of the run until its verdict is known, or would have been at its end."""
    return outcome.work_s * outcome.stop_ns / max(outcome.at_ns, 1) if outcome.cut else outcome.work_s


def _told(subject: Subject, outcome: Outcome) -> str:
    """One line about one run."""
    if outcome.ill:
        return f"NO: {subject.machine} is {outcome.verdict}, and stays so"
    if outcome.cut:
        return (
            f"not known: its share of the budget ended at {outcome.at_ns / 1e9:.0f} s of {outcome.stop_ns / 1e9:.0f} s"
        )
    if not outcome.well:
        return f"not known: it is {outcome.verdict}"
    lull_s = outcome.left_out_ns / 1e9
    lull = f"; {lull_s:.1f} s of traffic that changed nothing were left out" if lull_s else ""
    if outcome.verdict == "recovered":
        after = "" if outcome.after_ns is None else f", and goes on {outcome.after_ns / 1e9:.1f} s after it"
        return f"yes: it stands still for {outcome.stalled_ns / 1e9:.1f} s{after}{lull}"
    if outcome.verdict == "slow":
        return f"yes, at less than half of its pace{lull}"
    return f"yes: nothing comes to a stand{lull}"


def _worst(outcomes: dict[Cell, Outcome]) -> Cell | None:
    """The shortest outage that it does not outlive, without traffic if that is enough; None if it outlives all that is known."""
    ill = [cell for cell, outcome in outcomes.items() if outcome.ill]
    return min(ill, key=lambda cell: (cell[0], cell[1] is not Traffic.IDLE), default=None)


def _again(asking: Asking, outcomes: dict[Cell, Outcome]) -> None:
    """How long it takes to go on, of all runs in which it did."""
    times = [
        f"{outcome.after_ns / 1e9:.1f} s ({outage_s} s away, {'idle' if traffic is Traffic.IDLE else 'line rate'})"
        for (outage_s, traffic), outcome in outcomes.items()
        if outcome.well and outcome.after_ns is not None
    ]
    if times:
        asking.add(Row("how long until it serves again", f"after {'; '.join(times)}", True))
    elif any(outcome.ill for outcome in outcomes.values()):
        asking.add(Row("how long until it serves again", "it does not, or never stood still", None))
    else:
        asking.add(Row("how long until it serves again", "it never stood still, as far as is known", None))


# -- searches -----------------------------------------------------------------------------------------------------------


def _searches(asking: Asking, outage_s: int, traffic: Traffic) -> None:
    """With the traffic of the file, if that is enough to fell the machine: it costs less."""
    subject = asking.subject
    if traffic is Traffic.LINE:
        (own,) = _runs(asking, [Job(subject, outage_s, Traffic.OWN, max(1.0, asking.left_s / 4))])
        away = f"{', '.join(subject.servers)} away for {outage_s} s" if outage_s else "no outage"
        asking.add(_outage_row(subject, (outage_s, Traffic.OWN), own))
        traffic = Traffic.OWN if own.ill else traffic
        _rate(asking, outage_s, away)
        _sockets(asking, (outage_s, traffic))
    cell = (outage_s, traffic)
    _kernels(asking, cell)
    _min_free(asking, cell)
    _switches(asking, cell)


def _runs(asking: Asking, jobs: Sequence[Job]) -> list[Outcome]:
    found: dict[int, Outcome] = {}
    with Pool(processes=asking.processes) as pool:
        for number, outcome in pool.as_they_come(outlived, jobs):
            found[number] = needed(outcome)
    return [found[number] for number in range(len(jobs))]


def _smallest(
    asking: Asking, title: str, question: Question, most: int, cell: Cell, more: tuple[str, ...] = ()
) -> None:
    """A search, if the budget is enough for it; otherwise a row that says how to make it alone.

    It tries `WIDTH` values at a time on every computer, so that its answer is the same where the answer is not monotone.
    """
    answer = Answer(most)
    runs, each_s = runs_at_most(question, answer, WIDTH), _each_s(asking, cell)
    command = _minimum_line(question, most)
    if runs * each_s > asking.left_s:
        asking.add(_too_dear(asking, title, runs, each_s, command))
        return
    with Pool(processes=asking.processes) as pool:
        trials = Trials(asking.subject, *cell, asking.left_s, pool)
        for _ in narrow(question, answer, values_of(trials, question, answer, more), WIDTH):
            pass
    told = _found(question, answer, most)
    good: bool | None = (" is not " in question.until) == (answer.minimum is not None)
    if trials.cut:
        told, good = f"not known: a run of the search was not over within its share of the budget ({told} else)", None
    facts = {"minimum": answer.minimum, "unit": question.unit, "most": most}
    asking.add(Row(title, told, good, len(trials.outcomes), trials.cpu_s, trials.work_s, command, facts))


def _found(question: Question, answer: Answer, most: int) -> str:
    """The answer of a search in words."""
    unit = question.unit
    told = f"from {answer.minimum:,}{unit} on" if answer.minimum is not None else f"not even at {most:,}{unit}"
    return told if answer.is_monotone else f"{told}; not monotone: some larger values were not enough"


def _too_dear(asking: Asking, title: str, runs: int, each_s: float, command: str) -> Row:
    left = max(0.0, asking.left_s)
    what = f"not asked: about {runs} runs of {each_s:.0f} s each, and {left:.0f} s of the budget are left (--budget)"
    return Row(title, what, None, command=command)


def _minimum_line(question: Question, most: int) -> str:
    words = ["netswap", "minimum", question.scenario, *_sets(question.overrides), "--of", question.of]
    words += ["--until", question.until, "--least", str(question.least), "--most", str(most)]
    return shlex.join([*words, *(["--unit", question.unit] if question.unit else [])])


def _sets(overrides: Sequence[str]) -> list[str]:
    return [word for one in overrides for word in ("--set", one)]


def _each_s(asking: Asking, cell: Cell) -> float:
    """What a run is reckoned at, seconds, as those so far have gone, without traffic and with this one."""
    outage_s, traffic = cell
    names = (Traffic.IDLE.name.lower(), traffic.name.lower())
    seen = [
        row.facts["whole_s"]
        for row in asking.rows
        if row.facts.get("traffic") in names and row.facts["outage_s"] == outage_s
    ]
    return max(seen, default=1.0)


def _rate(asking: Asking, outage_s: int, away: str) -> None:
    """Search the rate of the first flood; the others send nothing."""
    subject = asking.subject
    (name, place), *others = subject.floods
    silent = tuple(f"machines.{one}.programs.{at}.flood.from=10000h" for one, at in others)
    overrides = (*subject.settings(outage_s, Traffic.LINE), *silent)
    key = f"machines.{name}.programs.{place}.flood.rate"
    question = Question(subject.scenario, overrides, key, f"{subject.machine} is wedged", "Mbit/s", 1)
    most = max(1, subject.line_bps // _MBIT)
    title = f"from which rate on it wedges ({away})"
    _smallest(asking, title, question, most, (outage_s, Traffic.LINE), silent)


def _sockets(asking: Asking, cell: Cell) -> None:
    """Search the sockets of the first service that is flooded."""
    subject = asking.subject
    machine = load(subject.scenario, overrides=subject.overrides).words.machines[subject.machine]
    found = [(at, one.service) for at, one in enumerate(machine.programs) if one.service is not None]
    if not found:
        return
    place, service = found[0]
    after = [one for _, one in found[1:]]
    room = min((one.port for one in after if one.port > service.port), default=65_536) - service.port
    most = min(room, max(service.sockets, 1))
    key = f"machines.{subject.machine}.programs.{place}.service.sockets"
    question = Question(subject.scenario, subject.settings(*cell), key, f"{subject.machine} is wedged", "", 1)
    _smallest(asking, f"from which socket count on it wedges ({cell[1]})", question, most, cell)


def _kernels(asking: Asking, cell: Cell) -> None:
    """The machine under each other kernel that netswap has."""
    subject, each_s = asking.subject, _each_s(asking, cell)
    words = load(subject.scenario, overrides=subject.overrides).words
    own = words.machines[subject.machine].kernel or words.kernel
    others = [name for name in KERNELS if name != own]
    title = f"what kernel would save it ({cell[1]})"
    if not others or len(others) * each_s > asking.left_s:
        asking.add(_too_dear(asking, title, len(others), each_s, ""))
        return
    limit_s = asking.left_s / len(others)
    jobs = [Job(subject, *cell, limit_s, (f"machines.{subject.machine}.kernel={name}",)) for name in others]
    outcomes = _runs(asking, jobs)
    saved = [name for name, outcome in zip(others, outcomes, strict=True) if outcome.well]
    told = f"{', '.join(saved)}" if saved else f"none that netswap has: not {', '.join(others)}"
    facts = {name: outcome.verdict for name, outcome in zip(others, outcomes, strict=True)}
    cpu_s, work_s = sum(one.cpu_s for one in outcomes), sum(one.work_s for one in outcomes)
    asking.add(Row(title, told, bool(saved), len(jobs), cpu_s, work_s, "", facts))


def _min_free(asking: Asking, cell: Cell) -> None:
    """In MiB, up to a quarter of memory."""
    subject = asking.subject
    memory = load(subject.scenario, overrides=subject.overrides).words.machines[subject.machine].memory
    until = f"{subject.machine} is not wedged"
    key = f"machines.{subject.machine}.min_free"
    question = Question(subject.scenario, subject.settings(*cell), key, until, "MiB", 1)
    _smallest(asking, f"what min_free_kbytes would save it ({cell[1]})", question, max(1, memory // 4 // _MIB), cell)


def _switches(asking: Asking, cell: Cell) -> None:
    """Every proposal, and the fewest parts of the reserve."""
    subject = asking.subject
    title = f"what switch would save it ({cell[1]})"
    overrides = subject.settings(*cell)
    command = shlex.join(["netswap", "remedies", subject.scenario, *_sets(overrides)])
    runs, each_s = sum(runs_when_ill()), _each_s(asking, cell)
    if runs * each_s > asking.left_s:
        asking.add(_too_dear(asking, title, runs, each_s, command))
        return
    patient = Patient(subject.scenario, overrides, (subject.machine,))
    with Pool(processes=asking.processes) as pool:
        trials = Trials(subject, *cell, asking.left_s, pool)
        found = search_under(Tried(None, {subject.machine: "wedged"}, None, 0), parts_of(trials, patient, runs))
    helps = [" + ".join(one.safeguards or []) for one in found.presets if one.helps]
    parts = " + ".join(found.fewest.safeguards or []) if found.fewest is not None else ""
    told = "; ".join(
        [*([", ".join(helps)] if helps else []), *([f"of the reserve {parts} is enough"] if parts else [])]
    )
    if trials.cut:
        told = f"{told or 'none that is known'}; some runs were not over within their share of the budget"
    good = True if helps or parts else None if trials.cut else False
    facts = {"presets": helps, "fewest": found.fewest.safeguards if found.fewest is not None else None}
    made = len(trials.outcomes)
    asking.add(Row(title, told or "none of them", good, made, trials.cpu_s, trials.work_s, command, facts))


def _nothing_to_save(asking: Asking, outcomes: dict[Cell, Outcome]) -> None:
    """The machine outlives all that is known: how many more sockets it would stand, and no search for what would save it."""
    subject = asking.subject
    if subject.floods:
        asking.add(Row("from which rate on it wedges", "at none up to its line rate, as far as is known", None))
        _more_sockets(asking, outcomes)
    for what in ("min_free_kbytes", "switch", "kernel"):
        asking.add(Row(f"what {what} would save it", "nothing is needed: it does not wedge, as far as is known", None))


def _more_sockets(asking: Asking, outcomes: dict[Cell, Outcome]) -> None:
    """One run with many times the sockets, with the longest outage that is affordable."""
    subject = asking.subject
    machine = load(subject.scenario, overrides=subject.overrides).words.machines[subject.machine]
    found = next(((at, one.service) for at, one in enumerate(machine.programs) if one.service is not None), None)
    known = [cell for cell, outcome in outcomes.items() if cell[1] is Traffic.LINE and outcome.well]
    title = f"with {SOCKETS_MAX} times the sockets"
    if found is None or not known:
        return
    outage_s = sorted(known)[len(known) // 2][0]
    place, service = found
    later = [one.service.port for one in machine.programs[place + 1 :] if one.service is not None]
    move = tuple(_moved(subject, machine, place, service.port + SOCKETS_MAX * service.sockets)) if later else ()
    sets = (f"machines.{subject.machine}.programs.{place}.service.sockets={SOCKETS_MAX * service.sockets}", *move)
    if (
        service.port + SOCKETS_MAX * service.sockets > 60_000
        or outcomes[outage_s, Traffic.LINE].work_s * 2 > asking.left_s
    ):
        asking.add(_too_dear(asking, title, 1, outcomes[outage_s, Traffic.LINE].work_s, ""))
        return
    (outcome,) = _runs(asking, [Job(subject, outage_s, Traffic.LINE, asking.left_s, sets)])
    row = _outage_row(subject, (outage_s, Traffic.LINE), outcome)
    question = f"{title} ({row.question})"
    # It is not its own: what it outlives as it is does not depend on this.
    facts = {f"{key}_then": value for key, value in row.facts.items()}
    asking.add(Row(question, row.answer, row.good, 1, outcome.cpu_s, outcome.work_s, "", facts))


def _moved(subject: Subject, machine: Any, place: int, port: int) -> Iterator[str]:
    """Services after this one listen from another port on, and their floods go there."""
    words = load(subject.scenario, overrides=subject.overrides).words.machines
    for at, program in enumerate(machine.programs):
        if program.service is None or at <= place:
            continue
        yield f"machines.{subject.machine}.programs.{at}.service.port={port}"
        for name, flood_at in subject.floods:
            flood = words[name].programs[flood_at].flood
            if flood is not None and flood.to.partition(":")[2] == str(program.service.port):
                yield f'machines.{name}.programs.{flood_at}.flood.to="{subject.machine}:{port}"'
        port += program.service.sockets
