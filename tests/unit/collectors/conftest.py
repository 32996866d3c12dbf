from datetime import UTC, datetime

import pytest

from abkit.collectors import collect, collector

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
def careful(monkeypatch):
    """Collect without the single pass."""

    def collect_carefully(experiment, source, **options):
        with monkeypatch.context() as patch:
            patch.setattr(collector, "read_frame", lambda *_: None)
            patch.setattr(collector, "read_clusters", lambda *_: None)
            patch.setattr(collector, "sweep", lambda *_: None)
            return collect(experiment, source, now=NOW, details=False, **options)

    return collect_carefully
