"""`smppbridge init`: a working folder for a newcomer."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli import CliProblem
from bridge.cli.conf import conf_dir

_SCENARIOS = ("hello", "throttling", "slow", "flaky", "dialects", "long", "hostile")
FILES = (
    "bridge.toml",
    "rules/acme.toml",
    "plugins/orders.py",
    *(f"sim/{name}.toml" for name in _SCENARIOS),
    "prometheus/prometheus.yml",
    "prometheus/alerts.yml",
    "grafana/smppbridge.json",
    "README.md",
)


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def init(directory: Path) -> None:
    """Write configuration, rules, simulator scenarios, alerts, a dashboard and a README to DIR; nothing is overwritten.

    \b
    Example:
      smppbridge init work && smppbridge check -c work/bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    for name in FILES:
        if (directory / name).exists():
            raise CliProblem(f"{directory / name} exists already; choose another folder")
    try:
        for name in FILES:
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((conf_dir() / name).read_bytes())
    except OSError as exc:
        raise CliProblem(f"cannot write to {directory}: {exc.strerror}") from exc
    click.echo(
        "Wrote bridge.toml, rules/acme.toml, a function that they call (plugins/), scenarios for the simulator (sim/), "
        f"alerts and a dashboard (prometheus/, grafana/) and README.md to {directory}."
    )
    click.echo(f"Next: smppbridge check -c {directory / 'bridge.toml'}")
