"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the larger real tables; tests that need it are skipped when it is not given."""
    folder = os.environ.get("TABSYNTH_DATA")
    if not folder:
        pytest.skip("needs the real tables: set TABSYNTH_DATA to their folder")
    return Path(folder)
