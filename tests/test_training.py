"""Trained models are kept by what they were trained from, and trained beside a running service."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from bridge import training
from bridge.rules import load
from bridge.training import KEPT, TrainingError, prepare, trainer
from tests.intents import trained, training_set
from tests.test_rules_intents import RULES

if TYPE_CHECKING:
    from pathlib import Path


def models(folder: Path) -> list[Path]:
    return sorted((folder / "models").glob("*"))


def test_a_model_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = training_set()
    assert trainer(tmp_path, keep=True)(given) == trained()
    assert [path.stem for path in models(tmp_path)] == [given.key()]
    monkeypatch.setattr("bridge.rules.intents.train.train", None)
    assert trainer(tmp_path, keep=False)(given) == trained()


def test_nothing_is_kept_unasked(tmp_path: Path) -> None:
    assert trainer(tmp_path, keep=False)(training_set()) == trained()
    assert not list(tmp_path.iterdir())


def test_a_damaged_model_is_trained_again(tmp_path: Path) -> None:
    given = training_set()
    train = trainer(tmp_path, keep=True)
    train(given)
    [file] = models(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:1000])
    assert train(given) == trained()
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    assert trainer(tmp_path, keep=True)(training_set()) == trained()


def test_old_models_go(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for number in range(KEPT + 3):
        file = folder / f"{number:032}.msgpack"
        file.write_bytes(b"")
        os.utime(file, (number, number))
    trainer(tmp_path, keep=True)(training_set())
    left = models(tmp_path)
    assert len(left) == KEPT
    assert f"{0:032}" not in {path.stem for path in left}
    assert training_set().key() in {path.stem for path in left}


async def test_training_beside_a_service_leaves_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    await prepare([rules], tmp_path)
    assert len(models(tmp_path)) == 1
    monkeypatch.setattr("bridge.rules.intents.train.train", None)
    assert load([rules], trainer(tmp_path, keep=False)).numbers["60606"].understanding is not None


async def test_rules_with_mistakes_are_left_to_loading(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("version = 1")
    await prepare([tmp_path / "rules.toml"], tmp_path)


async def test_a_process_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho no memory >&2\nexit 9\n")
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(TrainingError, match="training ended with status 9: no memory"):
        await prepare([], tmp_path)


def test_the_process_says_whether_there_were_mistakes(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(RULES)
    (tmp_path / "bad.toml").write_text("version = 1")
    assert training.main([str(tmp_path), str(tmp_path / "good.toml")]) == 0
    assert training.main([str(tmp_path), str(tmp_path / "bad.toml")]) == 1
