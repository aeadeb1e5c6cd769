"""Trained models, kept by what they were trained from: the same examples are never trained twice.

Training takes up to some seconds of one core. Beside a running service it happens in a process of its own (`prepare`),
which leaves the model where the service then finds it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import trio

from bridge import rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.rules.intents.compile import Trainer
    from bridge.rules.intents.train import Trained, TrainingSet

KEPT = 16
"""Models; the ones that were made first go first."""


class TrainingError(Exception):
    """The process that trains came to a bad end; the text is its last line."""


def trainer(data_dir: Path, *, keep: bool) -> Trainer:
    """Makes what looks for a model first and trains it only if there is none.

    Args:
        data_dir: Of the configuration.
        keep: Whether to write what was trained.
    """
    folder = data_dir / "models"

    def train(given: TrainingSet) -> Trained:
        from bridge.rules.intents.train import Trained
        from bridge.rules.intents.train import train as train_here

        file = folder / f"{given.key()}.msgpack"
        try:
            return msgspec.msgpack.decode(file.read_bytes(), type=Trained)
        except (OSError, msgspec.MsgspecError):
            # None, or one that a full disk has cut off.
            trained = train_here(given)
        if keep:
            _write(file, msgspec.msgpack.encode(trained))
        return trained

    return train


def _write(file: Path, octets: bytes) -> None:
    # A model that cannot be kept is trained again: no reason to stop.
    try:
        # It may be the first to need data_dir, which is for its owner alone.
        file.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_bytes(octets)
        draft.replace(file)
        models = sorted(file.parent.glob("*.msgpack"), key=lambda path: path.stat().st_mtime)
        for old in models[:-KEPT]:
            old.unlink()
    except OSError:
        return


async def prepare(paths: Sequence[Path], data_dir: Path) -> None:
    """Trains what is in rules files and is not trained yet, in a process of its own.

    After it `rules.load(paths, trainer(data_dir, keep=True))` finds every model. Rules with mistakes are no error here:
    loading tells them.

    Raises:
        TrainingError: The process was killed, or failed for another reason than the rules.
    """
    command = [sys.executable, "-m", "bridge.training", str(data_dir), *map(str, paths)]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    if done.returncode not in (0, 1):
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise TrainingError(f"training ended with status {done.returncode}{': ' + lines[-1] if lines else ''}")


def main(arguments: Sequence[str]) -> int:
    """Load rules files, keeping the models; return 1 if there are mistakes in them.

    Args:
        arguments: data_dir and the files.
    """
    data_dir, *paths = map(Path, arguments)
    try:
        rules.load(paths, trainer(data_dir, keep=True))
    except rules.RulesError:
        return 1
    return 0


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except Exception as exc:  # 1 is for rules with mistakes
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)  # noqa: T201
        status = 2
    sys.exit(status)
