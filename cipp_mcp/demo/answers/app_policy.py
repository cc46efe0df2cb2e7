"""App protection and app configuration policies: a list of their own, with the assignments that the general list lacks."""

from __future__ import annotations

from cipp_mcp.demo import assignments
from cipp_mcp.demo.answers import nightly
from cipp_mcp.demo.dialect import Call, Endpoint, Reply
from cipp_mcp.demo.tenant import Row, Tenant, visible

LABELS = {
    "androidManagedAppProtection": "Android App Protection", "iosManagedAppProtection": "iOS App Protection",
    "windowsManagedAppProtection": "Windows App Protection", "targetedManagedAppConfiguration": "App Configuration (MAM)",
}  # fmt: skip
FAMILIES = ("ManagedAppPolicies", "MobileAppConfigurations")


def rows(tenant: Tenant) -> list[Row]:
    found = []
    for policy in tenant.rows("intune_policies"):
        if policy["URLName"] not in FAMILIES:
            continue
        inside, outside = assignments.described(tenant, policy["assignments"])
        protects = policy["URLName"] == "ManagedAppPolicies"
        found.append(
            {**visible(policy), "URLName": policy["_type"] if protects else "mobileAppConfigurations",
             "PolicyTypeName": LABELS.get(policy["_type"], "App Configuration Policy"),
             "PolicySource": "AppProtection" if protects else "AppConfiguration",
             "PolicyAssignment": inside, "PolicyExclude": outside}
        )  # fmt: skip
    return sorted(found, key=lambda row: str(row["displayName"]))


def list_policies(call: Call) -> Reply:
    if nightly.wanted(call):
        return nightly.report(call, "app protection policy", rows)
    return Reply(rows(call.tenant(call.asked("tenantFilter"))))


ENDPOINTS = {"ListAppProtectionPolicies": Endpoint("Endpoint.MEM.Read", list_policies)}
