"""Garbage collection pauses for imports, and is afterwards as the program had it."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from polydoc_analytics.model.collection_pause import without_collection

MISSING = "a_module_that_is_not_imported"


class Node:
    """An object that refers to itself, so that only garbage collection frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Collection as in a program of its own; the tests have frozen what they imported."""
    gc.unfreeze()
    assert gc.isenabled()
    yield
    gc.freeze()


def test_it_is_off_within_and_on_after_the_last_of_several_blocks() -> None:
    with without_collection(MISSING):
        assert not gc.isenabled()
        with without_collection(MISSING):
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_nothing_is_done_where_all_is_imported() -> None:
    with without_collection("gc", "threading"):
        assert gc.isenabled()
    with without_collection("gc", MISSING):
        assert not gc.isenabled()


def test_it_is_on_again_after_an_error() -> None:
    with pytest.raises(ImportError), without_collection(MISSING):
        raise ImportError
    assert gc.isenabled()


def test_blocks_of_several_threads_end_in_any_order() -> None:
    begun, is_over = threading.Barrier(2), threading.Event()

    def work() -> None:
        with without_collection(MISSING):
            begun.wait(10)
            is_over.wait(10)

    thread = threading.Thread(target=work)
    with without_collection(MISSING):
        thread.start()
        begun.wait(10)
    assert not gc.isenabled()
    is_over.set()
    thread.join(10)
    assert gc.isenabled()


def test_what_is_made_within_is_collected_like_what_is_old() -> None:
    with without_collection(MISSING):
        node = weakref.ref(Node())
        assert gc.collect(0) >= 0
        kept = weakref.ref(Node())
    assert gc.get_freeze_count() == 0
    assert gc.collect() > 0
    assert node() is None
    assert kept() is None


def test_a_program_that_collects_by_itself_is_left_alone() -> None:
    gc.disable()
    try:
        with without_collection(MISSING):
            gc.enable()
            gc.disable()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_frozen_objects_stay_frozen() -> None:
    gc.freeze()
    try:
        assert gc.get_freeze_count() > 0
        with without_collection(MISSING):
            assert gc.isenabled()
        assert gc.get_freeze_count() > 0  # fewer than before where some were freed by nobody referring to them
    finally:
        gc.unfreeze()
