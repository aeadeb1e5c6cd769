"""`smppbridge run`: the service."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import click
import trio

from bridge import rules
from bridge.calling import FunctionError, load_functions
from bridge.cli import CliProblem, leaves, logs, problem_of
from bridge.cli.common import config_option
from bridge.control import ControlError
from bridge.notify import Notifier
from bridge.service import Service, read_config
from bridge.training import trainer
from bridge.web import serve

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("smppbridge")


@click.command()
@config_option
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def run(config: Path, *, verbose: bool) -> None:
    """Run the service until SIGTERM or SIGINT, which drain and unbind; SIGHUP is `reload`.

    \b
    Example:
      smppbridge run -c bridge.toml
    """  # noqa: D301  \b keeps click from wrapping the example
    os.umask(0o077)  # whatever it writes has customers' words and numbers in it
    notifier = Notifier.from_environment(os.environ)
    settings = read_config(config)
    try:
        functions = load_functions(settings.functions, config.parent)
    except FunctionError as exc:
        raise CliProblem(f"{config}: {exc}") from exc
    with logs.logging_to(sys.stderr, settings.log, time.monotonic, verbose=verbose) as handler:
        loaded = rules.load(settings.bridge.rules, trainer(settings.bridge.data_dir, keep=True))
        service = Service(settings, loaded, functions, config, notifier)
        # What was loaded so far lives as long as the process, and what a turn makes dies by reference count: with the
        # default thresholds the collector walks every message in flight over and over (a third of the time at a window
        # of 200).
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        try:
            trio.run(_run, service, handler)
        except Exception as exc:
            system = next((leaf for leaf in leaves(exc) if isinstance(leaf, OSError)), None)
            if system is not None:
                raise CliProblem(f"{config}: {system}") from exc
            if problem_of(exc) is None:
                # A traceback has words in it that may be a customer's, and more than a line.
                log.critical("a fault of the service ends it", exc_info=exc)
                raise click.exceptions.Exit(1) from exc
            raise


async def _run(service: Service, handler: logs.Handler) -> None:
    async with trio.open_nursery() as nursery:

        async def sweep() -> None:
            while True:
                await trio.sleep(1.0)
                handler.sweep()

        async def watch_signals(task_status: trio.TaskStatus[None]) -> None:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
                task_status.started()
                async for number in signals:
                    if number == signal.SIGHUP:
                        nursery.start_soon(reload)
                    else:
                        service.stop()

        async def reload() -> None:
            with contextlib.suppress(ControlError):  # it is in the log
                await service.reload()

        await nursery.start(watch_signals)
        nursery.start_soon(sweep)
        await service.run(serve)
        nursery.cancel_scope.cancel()
