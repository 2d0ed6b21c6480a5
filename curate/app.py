"""The command line, put together."""

from __future__ import annotations

import os
import sys

try:
    import typer

    from curate.commands import (
        apply,
        browse,
        columns,
        decide,
        doctor,
        evaluate,
        export,
        intent,
        models,
        query,
        recipes,
        report,
        score,
        sheet,
        show,
        stats,
        train,
    )
    from curate.errors import CurateError
    from curate.output import INTERRUPTED, print_error
except KeyboardInterrupt:  # importing takes a third of a second, and seconds on a cold disk
    print("\nStopped.", file=sys.stderr)
    sys.exit(130)

app = typer.Typer(
    name="curate",
    help="Score, choose and hand on generated faces by what they express.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(score.score)
app.command()(show.show)
app.command()(stats.stats)
app.command()(query.query)
app.command()(apply.apply)
app.command()(browse.browse)
app.command()(decide.decide)
app.command()(sheet.sheet)
app.command()(export.export)
app.command()(report.report)
app.command()(columns.columns)
app.command()(doctor.doctor)
app.command()(evaluate.evaluate)
app.command()(intent.intent)
app.command()(train.train)
app.command()(train.distill)
app.add_typer(recipes.app, name="recipes")
app.add_typer(models.app, name="models")


@app.callback(invoke_without_command=True)
def curate(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    """Score, choose and hand on generated faces by what they express."""
    if version:
        from importlib.metadata import version as version_of

        print(version_of("curate-faces"))
        raise typer.Exit


def main() -> None:
    """Run a command. Errors are two lines; CURATE_DEBUG=1 shows where they come from.

    Exit codes: 0 clean, 1 error, 2 bad usage, 3 done but some inputs were not scored, 130 stopped by the user.
    """
    debug = os.environ.get("CURATE_DEBUG", "") not in ("", "0")
    try:
        app()
    except CurateError as error:
        if debug:
            raise
        print_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        # Typer leaves without a word where Ctrl-C comes before a command could say anything.
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            print("\nStopped.", file=sys.stderr)
        raise
    except Exception as error:  # the last line of defence: nobody should have to read a traceback
        if debug:
            raise
        hint = "this is a mistake in curate: CURATE_DEBUG=1 and the same command show where"
        print_error(CurateError(f"{type(error).__name__}: {error}", hint=hint))
        sys.exit(1)


if __name__ == "__main__":
    main()
