from __future__ import annotations

import pytest
from support import mutants


@pytest.mark.parametrize("subject", mutants.SUBJECTS, ids=lambda subject: subject.name)
def test_each_change_of_just_mutants_can_still_be_made(subject: mutants.Subject) -> None:
    """What it replaces stands in the file, and its tests exist; it is `just mutants` that makes the changes."""
    package = mutants.ROOT / mutants.PACKAGE
    gone = [(file, before) for file, before, _ in subject.changes if before not in (package / file).read_text("utf-8")]
    assert gone == []
    assert [name for name in subject.tests if not (mutants.ROOT / "tests" / name).exists()] == []
