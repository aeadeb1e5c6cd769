"""Small sets of examples for the tests of intents."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from bridge.rules.intents.train import Trained, TrainingSet, background, train

if TYPE_CHECKING:
    from random import Random

PARCEL = (
    "where is my parcel",
    "wheres my order",
    "has my package shipped yet",
    "my delivery has not come",
    "track my parcel please",
    "when will my order arrive",
    "is my parcel on its way",
    "where is the package i ordered",
    "ou est mon colis",
)
ADDRESS = (
    "i need to change my address",
    "wrong address on my order",
    "deliver it to my work instead",
    "please change the delivery address",
    "i have moved house, new address",
    "can you send it to another address",
    "the address is wrong",
    "update my address",
    "changer l'adresse de livraison",
)
COMPLAINT = (
    "your driver was rude",
    "i want to complain",
    "parcel arrived smashed",
    "this service is terrible",
    "i am very unhappy with your driver",
    "the box was broken when it came",
    "how do i make a complaint",
    "awful service, never again",
)


def training_set(
    *intents: tuple[str, tuple[str, ...]],
    none: tuple[str, ...] = ("see u at 8", "can u call me mum"),
    precision: float = 0.95,
    threshold: float | None = None,
) -> TrainingSet:
    given = intents or (("parcel", PARCEL), ("address", ADDRESS), ("complaint", COMPLAINT))
    return TrainingSet(given, none, background(), precision, 0.1, threshold)


@cache
def trained() -> Trained:
    return train(training_set())


def gibberish(random: Random, words: int, letters: int) -> str:
    return " ".join("".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(letters)) for _ in range(words))
