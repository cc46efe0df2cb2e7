"""Which tools there are, by the operator's choice; what is not listed cannot be called either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cipp_mcp.demo.serve import Box
from tests.outside.guarded import ANA, F
from tests.outside.house import command, environment
from tests.outside.jsonlines import Talk


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Box.open(enforce_rate=False) as opened:
        yield opened


def names(server: Talk) -> set[str]:
    return {tool["name"] for tool in server.ask("tools/list")["result"]["tools"]}


def test_read_only_lists_and_runs_reads_and_nothing_else(box: Box, tmp_path: Path) -> None:
    env = environment(tmp_path / "home", box.environment(), {"CIPP_MCP_READ_ONLY": "1", "CIPP_MCP_APPROVAL": "flag"})
    with Talk(command("serve"), env, tmp_path / "log") as server:
        server.begin(capabilities={"elicitation": {}})
        listed = names(server)
        assert {"list_users", "get_user", "list_tenants"} <= listed
        assert not any(n.startswith(("set_", "clear_", "remove_", "reset_", "offboard_", "run_", "reveal_")) for n in listed)
        for tool in ("clear_user_immutable_id", "set_user_sign_in", "remove_user"):
            assert (
                server.ask("tools/call", {"name": tool, "arguments": {"tenant_filter": F, "user_id": ANA}})["error"]["code"]
                == -32602
            )
        assert server.call("list_tenants", {})["outcome"] == "done"
        assert server.call("list_tenants", {"trigger_refresh": True})["outcome"] == "refused"
    assert box.world.ledger == ()
    assert not any("TriggerRefresh" in r.query for r in box.requests)


def test_groups_narrow_the_list_and_the_calls(box: Box, tmp_path: Path) -> None:
    env = environment(tmp_path / "home", box.environment(), {"CIPP_MCP_GROUPS": "tenant, License"})
    with Talk(command("serve"), env, tmp_path / "log") as server:
        server.begin()
        listed = names(server)
        assert {"list_tenants", "run_standards", "list_conditional_access_policies", "set_user_licenses"} <= listed
        assert not {"get_user", "list_users", "remove_user"} & listed
        assert server.ask("tools/call", {"name": "list_users", "arguments": {"tenant_filter": F}})["error"]["code"] == -32602
