"""Tests of {{name}} on a host in memory: `pytest`."""

from plugin import report
from wharf.testing import Host


def test_reports_are_numbered_and_named_by_their_day() -> None:
    host = Host(kv={"default": {"reports": "2"}})
    assert host.run(report, b"", time="2026-01-01T03:00:00Z").ok
    assert host.kv["default"]["reports"] == b"3"
    assert host.published[0].data == {"number": 3, "title": "Report 3 of 2026-01-01"}
