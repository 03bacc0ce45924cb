"""Tests of {{name}} on a host in memory: `pytest`."""

from plugin import handle
from wharf.testing import Host


def test_a_batch_that_succeeds_is_summed_up() -> None:
    host = Host()
    assert all(result.ok for result in host.run_batch(handle, [1, 20, 300]))
    assert host.kv["default"]["total"] == b"321"


def test_of_a_batch_with_a_bad_event_nothing_is_kept_yet() -> None:
    host = Host()
    assert [result.outcome for result in host.run_batch(handle, [1, -2, "three"])] == ["ok", "reject", "reject"]
    assert host.kv == {}
