"""The loaded programs of this tree, for the tests of one module at a time."""

from collections.abc import Iterator

import pytest
from tests.support.programs import ProgramLab, program_lab


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProgramLab]:
    with program_lab(tmp_path_factory.mktemp("programs")) as made:
        yield made


@pytest.fixture
def lab(loaded: ProgramLab) -> ProgramLab:
    """Programs without any port, rule, flow or virtual IP."""
    loaded.clear()
    return loaded
