"""The `workbench` command: each command is one call of the package; errors are one sentence and an exit code.

Exit codes: 0 all done, 1 something failed, 2 bad input or usage. `--debug` before the command shows tracebacks.
Heavy imports happen inside the commands, so that `workbench --help` starts at once.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from analysis.errors import AnalysisError, InputError

app = typer.Typer(
    name="workbench",
    help="Which sales activities predict revenue, after how long, and how sure are we?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Argument(metavar="DATA", help="A data folder: contract tables, or one ready panel.")]
Out = Annotated[Path, typer.Option("--out", help="The folder to write to.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="Look at nothing later than this day.")]


class World(StrEnum):
    """What is true in a simulated company."""

    demo = "demo"
    null = "null"
    reverse = "reverse"
    territory = "territory"
    turnover = "turnover"
    thin = "thin"
    saturation = "saturation"
    logging_break = "logging_break"
    heterogeneous = "heterogeneous"
    small = "small"
    null_management = "null_management"


class Shape(StrEnum):
    """How a simulated company is written."""

    contract = "contract"
    salesforce = "salesforce"
    hubspot = "hubspot"


class Crm(StrEnum):
    """Where an export comes from."""

    salesforce = "salesforce"
    hubspot = "hubspot"
    dynamics365 = "dynamics365"
    pipedrive = "pipedrive"
    csv = "csv"


def say(text: str) -> None:
    """One line to the user."""
    typer.echo(text)


def day(text: str | None, option: str) -> Any:
    """A date from the command line, or None."""
    import pandas as pd

    if text is None:
        return None
    try:
        return pd.Timestamp(text).normalize()
    except ValueError as error:
        raise InputError(f"{option} {text!r} is not a date: write it as 2026-11-16.") from error


def names(text: str | None) -> list[str] | None:
    """A comma-separated list, or None."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write; must be new or empty.")],
    world: Annotated[World, typer.Option(help="What is true in the company.")] = World.demo,
    seed: Seed = 0,
    teams: Annotated[int, typer.Option(min=1)] = 12,
    reps_per_team: Annotated[int, typer.Option("--reps-per-team", min=1)] = 8,
    weeks: Annotated[int, typer.Option(min=8)] = 104,
    shape: Annotated[Shape, typer.Option("--as", help="Contract tables, or a CRM's export.")] = Shape.contract,
) -> None:
    """Write a simulated company with a stated truth beside it (truth.json)."""
    from analysis.crm.simulate import simulate as run

    truth = run(out, world.value, seed=seed, teams=teams, reps_per_team=reps_per_team, weeks=weeks, shape=shape.value)
    size = f"{truth['teams']} teams, {truth['reps']} reps, {truth['weeks']} weeks"
    say(f"{out}: {world.value} company, {size}, with its truth.json")


@app.command("import")
def import_(
    crm: Annotated[Crm, typer.Argument(help="Where the export comes from.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A folder of CSV or parquet, or a database URL.")],
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="The data folder to write.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="The import configuration (TOML).")] = None,
    draft_config: Annotated[bool, typer.Option("--draft-config", help="Print a first configuration instead.")] = False,
) -> None:
    """Turn a CRM export into a checked data folder."""
    from analysis.crm.importers import draft_config as draft
    from analysis.crm.importers import import_crm
    from analysis.crm.importers.progress import bar

    if draft_config:
        say(draft(source, crm.value))
        return
    if out is None or config is None:
        raise InputError("import needs OUT and --config FILE; `--draft-config` writes a first configuration.")
    with bar() as progress:
        report = import_crm(crm.value, source, out, config, progress=progress)
    say(report.summary())


@app.command()
def check(
    data: Data,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the result here.")
    ] = None,
) -> None:
    """Check a data folder against the contract and say what it can and cannot answer."""
    from rich.console import Console

    from analysis.crm.checking import check as run
    from analysis.crm.checking import write_quarantine

    report = run(data)
    Console().print(report)
    if json_file is not None:
        json_file.write_text(report.as_json(), encoding="utf-8")
    if len(report.crm.quarantine):
        write_quarantine(report, data / "quarantine.parquet")
        say(f"The rows that were put aside are in {data / 'quarantine.parquet'}, each with its reason.")
    if report.refusal:
        raise InputError(report.refusal)


@app.command()
def study(
    data: Data,
    out: Out,
    as_of: AsOf = None,
    max_lag: Annotated[int | None, typer.Option("--max-lag", min=1, max=26, metavar="WEEKS")] = None,
    activities: Annotated[str | None, typer.Option(metavar="a,b,c", help="Test these only.")] = None,
    seed: Seed = 0,
) -> None:
    """Which activities predict revenue: findings.csv, findings.parquet and study.json."""
    from analysis.evidence import run_study, write_study
    from analysis.panel import load

    panel = load(data, as_of=day(as_of, "--as-of"))
    result = run_study(panel, max_lag=max_lag, activities=names(activities), seed=seed)
    write_study(result, out)
    for line in result.summary():
        say(line)


@app.command()
def report(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A data folder, or a URL of one.")],
    team: Annotated[str, typer.Option("--team", help="The team's id.")],
    out: Annotated[str, typer.Option("--out", help="Where the report goes: a folder or a URL.")],
    as_of: AsOf = None,
    formats: Annotated[
        str, typer.Option(metavar="html,pdf,xlsx", help="Beside the notebook; xlsx: tables.")
    ] = "html,pdf",
    seed: Seed = 0,
) -> None:
    """Render one team's report."""
    from analysis.reporting.batch import run_report

    result = run_report(data, team, out, as_of=day(as_of, "--as-of"), formats=tuple(names(formats) or ()), seed=seed)
    raise typer.Exit(result.exit_code)


@app.command()
def batch(
    data: Annotated[str | None, typer.Argument(metavar="DATA", help="A data folder, or a URL of one.")] = None,
    out: Annotated[str | None, typer.Option("--out", help="Where this run's reports go: a folder or a URL.")] = None,
    teams: Annotated[str | None, typer.Option(metavar="a,b", help="These teams only.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Reports at once; 0 = one per core.")] = 0,
    scheduler: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler.")] = None,
    resume: Annotated[bool, typer.Option("--resume/--fresh", help="Skip unchanged teams, or redo all.")] = True,
    formats: Annotated[
        str, typer.Option(metavar="html,pdf,xlsx", help="Beside the notebook; xlsx: tables.")
    ] = "html,pdf",
    as_of: AsOf = None,
    seed: Seed = 0,
    company: Annotated[
        bool | None, typer.Option("--company/--no-company", help="The company's reports; as a rule with all teams.")
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Also write each team's e-mail summary.")] = False,
    status: Annotated[str | None, typer.Option("--status", metavar="DIR", help="Say how a run stands.")] = None,
) -> None:
    """Render every team's report from one template, in parallel; unchanged teams are not run again."""
    from analysis.reporting.batch import batch_status, run_batch

    if status is not None:
        say(batch_status(status))
        return
    if data is None or out is None:
        raise InputError("batch needs DATA and --out DIR (or --status DIR).")
    result = run_batch(
        data,
        out,
        teams=names(teams),
        jobs=jobs or None,
        scheduler=scheduler,
        resume=resume,
        formats=tuple(names(formats) or ()),
        as_of=day(as_of, "--as-of"),
        seed=seed,
        company=company,
    )
    if summary:
        write_mails(out)
    raise typer.Exit(result.exit_code)


def write_mails(out: str) -> None:
    """mail.txt and mail.html beside every report of a batch."""
    from analysis.reporting.mail import write
    from analysis.reporting.manifest import read_manifest
    from analysis.reporting.publish import open_store

    store = open_store(out)
    written = write(read_manifest(store) or {"teams": []}, store)
    say(f"{written} e-mail summaries written beside the reports.")


@app.command()
def calibrate(
    data: Data,
    shifts: Annotated[int, typer.Option(min=50, help="How many shifted copies of the data to grade.")] = 200,
    as_of: AsOf = None,
    seed: Seed = 0,
) -> None:
    """Measure the false-claim rate and the power of the whole grading on this data."""
    from analysis.evidence.calibrate import calibrate as run
    from analysis.panel import load

    for line in run(load(data, as_of=day(as_of, "--as-of")), shifts=shifts, seed=seed).summary():
        say(line)


@app.command()
def score(
    data: Data,
    ledger: Annotated[Path, typer.Option("--ledger", metavar="DIR", help="Where earlier studies were written.")],
    as_of: AsOf = None,
) -> None:
    """Were earlier claims right? Compare them with what happened since."""
    from analysis.evidence.ledger import score as run
    from analysis.panel import load

    for line in run(load(data, as_of=day(as_of, "--as-of")), ledger):
        say(line)


@app.command()
def lab(
    data: Annotated[Path | None, typer.Argument(metavar="[DATA]", help="A data folder; default data/demo.")] = None,
) -> None:
    """Open JupyterLab with the notebooks, the kernel and the data ready."""
    from analysis.reporting.lab import open_lab

    raise typer.Exit(open_lab(data))


def main() -> None:
    """Run the command; turn the workbench's own errors into one sentence and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        app(arguments, prog_name="workbench")
    except AnalysisError as error:
        if debug:
            raise
        typer.echo(f"workbench: {error}", err=True)
        sys.exit(error.exit_code)
