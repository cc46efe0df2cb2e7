"""One tenant's devices, apps, policies, sites, numbers, alerts and sign-ins, out of a few short words each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cipp_mcp.demo import assignments
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import World, stable_id, stamp

SITE_ROLES = ("Owners", "Members", "Visitors")
PROFILE: Row = {
    "@odata.type": "#microsoft.graph.azureADWindowsAutopilotDeploymentProfile", "displayName": "Standard profile",
    "description": "For new laptops", "deviceNameTemplate": "LT-%SERIAL%", "deviceType": "windowsPc", "language": "os-default",
    "locale": "os-default", "preprovisioningAllowed": True, "hardwareHashExtractionEnabled": False, "assignments": [],
}  # fmt: skip
ENROLMENT_PAGE: Row = {
    "@odata.type": "#microsoft.graph.windows10EnrollmentCompletionPageConfiguration", "displayName": "All users and all devices",
    "description": None, "priority": 0, "showInstallationProgress": True, "installProgressTimeoutInMinutes": 60,
    "allowDeviceResetOnInstallFailure": False, "selectedMobileAppIds": [], "assignments": [],
}  # fmt: skip


def furnish(world: World, tenant: Tenant, own: dict[str, Any]) -> None:
    for entry in own.get("devices", []):
        _device(world, tenant, entry)
    for entry in own.get("autopilot", []):
        _autopilot(tenant, entry)
    _intune(tenant, own)
    _places(tenant, own)
    _numbers(tenant, own)
    _security(world, tenant, own)
    for short, methods in own.get("stuck_mfa", {}).items():
        _user(tenant, short)["_stuckMethods"] = methods
    for entry in own.get("mailbox_rights", []):
        box = tenant.one("mailboxes", _user(tenant, entry["of"])["id"])
        box["_permissions"][_user(tenant, entry["who"])["userPrincipalName"]] = [entry["right"]]
    for entry in own.get("calendar_rights", []):
        box = tenant.one("mailboxes", _user(tenant, entry["of"])["id"])
        box["_calendar"][_user(tenant, entry["who"])["userPrincipalName"]] = [entry["right"]]
    _sign_ins(world, tenant, own.get("failed_sign_ins", {}))


def _user(tenant: Tenant, short: str) -> Row:
    return tenant.one("users", f"{short}@{tenant.default_domain}")


def _device(world: World, tenant: Tenant, entry: dict[str, Any]) -> None:
    user, key = _user(tenant, entry["user"]), tenant.details["key"]
    device_id = stable_id(key, "device", entry["name"])
    compliant = entry.get("compliant", True)
    tenant.add(
        "entra_devices",
        {
            "id": stable_id(key, "entra", entry["name"]), "deviceId": device_id, "displayName": entry["name"],
            "accountEnabled": True,
            "isCompliant": compliant, "isManaged": not entry.get("entra_only"), "operatingSystem": entry["os"],
            "operatingSystemVersion": "10.0.22631.1", "manufacturer": "Demo", "model": entry["model"], "trustType": "AzureAd",
            "approximateLastSignInDateTime": stamp(world.now() - timedelta(days=1)), "createdDateTime": tenant.details["created"],
            "deviceOwnership": "Company", "enrollmentType": "AzureDomainJoined", "managementType": "MDM",
            "onPremisesSyncEnabled": None,
            "_owner": user["id"],
        },
    )  # fmt: skip
    if entry.get("entra_only"):
        return
    keys = [{"id": stable_id(key, "bitlocker", entry["name"], n), "key": world.secret(f"bitlocker/{entry['name']}/{n}", "digits")}
            for n in range(entry.get("keys", 0))]  # fmt: skip
    tenant.add(
        "managed_devices",
        {
            "id": stable_id(key, "intune", entry["name"]), "azureADDeviceId": device_id, "deviceName": entry["name"],
            "managedDeviceName": entry["name"], "userId": user["id"], "userPrincipalName": user["userPrincipalName"],
            "userDisplayName": user["displayName"], "operatingSystem": entry["os"], "osVersion": "10.0.22631.1",
            "deviceType": "windowsRT" if entry["os"] == "Windows" else entry["os"], "model": entry["model"],
            "manufacturer": "Demo",
            "serialNumber": "SN" + device_id[:8].upper(), "complianceState": "compliant" if compliant else "noncompliant",
            "managementState": "managed",
            "managedDeviceOwnerType": "company", "isEncrypted": bool(keys) or entry.get("filevault", False),
            "lastSyncDateTime": stamp(world.now() - timedelta(hours=3)), "enrolledDateTime": tenant.details["created"],
            "deviceActionResults": [], "_bitlocker": keys,
            "_laps": world.secret(f"laps/{entry['name']}") if entry.get("laps") else None,
            "_filevault": world.secret(f"filevault/{entry['name']}") if entry.get("filevault") else None, "_bios": None,
            "_defender": {"malwareProtectionEnabled": True, "realTimeProtectionEnabled": compliant,
                          "signatureUpdateOverdue": not compliant,
                          "tamperProtectionEnabled": True, "quickScanOverdue": False, "rebootRequired": False},
        },
    )  # fmt: skip


def _autopilot(tenant: Tenant, entry: dict[str, Any]) -> None:
    user = _user(tenant, entry["user"]) if "user" in entry else {}
    key = stable_id(tenant.details["key"], "autopilot", entry["serial"])
    tenant.add(
        "autopilot",
        {"id": key, "serialNumber": entry["serial"], "model": entry["model"], "manufacturer": "Demo", "groupTag": "",
         "userPrincipalName": user.get("userPrincipalName", ""), "addressableUserName": user.get("displayName", ""),
         "enrollmentState": "notContacted", "deploymentProfileAssignmentStatus": "assignedUnkownSyncState"},
    )  # fmt: skip
    key = tenant.details["key"]
    tenant.add("autopilot_profiles", {"id": stable_id(key, "autopilot_profiles"), **PROFILE})
    tenant.add("enrolment_pages", {"id": stable_id(key, "enrolment_pages"), **ENROLMENT_PAGE})


def _targets(tenant: Tenant, to: str | None, intent: str | None = None) -> list[Row]:
    order = assignments.Order(to or "", [], [], [], "", "append", None)
    return assignments.targets(tenant, order, intent) if to else []


def _intune(tenant: Tenant, own: dict[str, Any]) -> None:
    key, created = tenant.details["key"], tenant.details["created"]
    for entry in own.get("apps", []):
        tenant.add(
            "apps",
            {"id": stable_id(key, "app", entry["name"]), "@odata.type": f"#microsoft.graph.{entry['kind']}App",
             "displayName": entry["name"], "publisher": "Demo", "createdDateTime": created,
             "assignments": _targets(tenant, entry.get("to"), "required")},
        )  # fmt: skip
    for entry in own.get("policies", []):
        tenant.add(
            "intune_policies",
            {"id": stable_id(key, "intune-policy", entry["name"]), "displayName": entry["name"], "description": "",
             "URLName": entry["family"], "PolicyTypeName": entry["family"], "createdDateTime": created,
             "lastModifiedDateTime": created,
             "assignments": _targets(tenant, entry.get("to")), "_raw": "{}", "_type": entry.get("type", "")},
        )  # fmt: skip
    for entry in own.get("scripts", []):
        tenant.add(
            "scripts",
            {"id": stable_id(key, "script", entry["name"]), "displayName": entry["name"], "description": "",
             "scriptType": entry["kind"],
             "createdDateTime": created, "runAsAccount": "system", "assignments": _targets(tenant, entry.get("to"))},
        )  # fmt: skip


def _places(tenant: Tenant, own: dict[str, Any]) -> None:
    host, created = tenant.initial_domain.split(".")[0], tenant.details["created"]
    for entry in own.get("sites", []):
        group = tenant.one("groups", entry["group"])["id"] if "group" in entry else None
        url = f"https://{host}.sharepoint.com/sites/{entry['name']}"
        site = site_row(tenant, entry["name"], url, _user(tenant, entry["owner"])["id"], created, group=group)
        site["_roles"]["Visitors"] = [_user(tenant, short)["userPrincipalName"] for short in entry.get("visitors", [])]
        tenant.add("sites", site)
    for user in tenant.rows("users"):
        if user["assignedLicenses"] and own:
            url = f"https://{host}-my.sharepoint.com/personal/{user['userPrincipalName'].replace('@', '_').replace('.', '_')}"
            tenant.add("sites", site_row(tenant, user["displayName"], url, user["id"], created, personal=True))
    for name in own.get("teams", []):
        tenant.one("groups", name)["resourceProvisioningOptions"] = ["Team"]


def site_row(
    tenant: Tenant, name: str, url: str, owner: str | None, created: str, personal: bool = False, group: str | None = None
) -> Row:
    return {
        "id": stable_id(tenant.customer_id, "site", url), "webId": stable_id(tenant.customer_id, "web", url), "displayName": name,
        "webUrl": url,
        "createdDateTime": created, "isPersonalSite": personal, "_owner": owner, "_group": group, "_admins": [],
        "_roles": {role: [] for role in SITE_ROLES},
    }  # fmt: skip


def _numbers(tenant: Tenant, own: dict[str, Any]) -> None:
    for entry in own.get("locations", []):
        key = stable_id(tenant.details["key"], "emergency", entry["name"])
        tenant.add(
            "locations",
            {"id": key, "LocationId": key, "CivicAddressId": stable_id(key, "civic"), "Description": entry["name"],
             "Location": None,
             "CompanyName": tenant.display_name, "HouseNumber": entry["house"], "StreetName": entry["street"],
             "City": entry["city"],
             "CountryOrRegion": entry["country"], "IsDefault": True, "ValidationStatus": "Validated",
             "NumberOfTelephoneNumbers": 0},
        )  # fmt: skip
    for entry in own.get("numbers", []):
        target = _user(tenant, entry["user"])["id"] if "user" in entry else None
        tenant.add(
            "numbers",
            {"id": entry["number"], "TelephoneNumber": entry["number"], "NumberType": entry["kind"], "TargetId": target,
             "LocationId": None, "AcquisitionDate": "2024-05-02", "ActivationState": "Activated",
             "AcquiredCapabilities": ["UserAssignment"]},
        )  # fmt: skip


def _security(world: World, tenant: Tenant, own: dict[str, Any]) -> None:
    at = stamp(world.now() - timedelta(hours=20))
    for entry in own.get("alerts", []):
        upn = _user(tenant, entry["user"])["userPrincipalName"]
        tenant.add(
            "alerts",
            {"id": stable_id(tenant.details["key"], "alert", entry["title"]), "title": entry["title"],
             "category": "InitialAccess",
             "eventDateTime": at, "severity": entry["severity"], "status": entry["status"],
             "vendorInformation": {"provider": "Microsoft 365 Defender", "vendor": "Microsoft"},
             "userStates": [{"userPrincipalName": upn}]},
        )  # fmt: skip
    for n, entry in enumerate(own.get("incidents", []), 1):
        key = str(100 + n)
        tenant.add(
            "incidents",
            {"id": key, "displayName": entry["title"], "status": entry["status"], "severity": entry["severity"],
             "incidentWebUrl": f"https://security.microsoft.com/incidents/{key}", "redirectIncidentId": None,
             "createdDateTime": at,
             "lastUpdateDateTime": at, "assignedTo": None, "classification": "unknown", "determination": "unknown", "tags": [],
             "comments": []},
        )  # fmt: skip
    for entry in own.get("vulnerabilities", []):
        tenant.add(
            "vulnerabilities",
            {"id": entry["cve"], "cveId": entry["cve"], "vulnerabilitySeverityLevel": entry["severity"],
             "softwareName": entry["software"],
             "softwareVendor": "demo", "softwareVersion": "1.0", "exploitabilityLevel": "NoExploit",
             "_devices": entry["devices"]},
        )  # fmt: skip


def _sign_ins(world: World, tenant: Tenant, failed: dict[str, int]) -> None:
    """Each enabled member's last sign-in, and the failures that the file asks for."""
    for user in tenant.rows("users"):
        short = user["userPrincipalName"].split("@")[0]
        times = [(0, user["_lastSignIn"])] if user["accountEnabled"] and user["_lastSignIn"] else []
        times += [(50126, stamp(world.now() - timedelta(hours=n + 1))) for n in range(failed.get(short, 0))]
        for n, (code, at) in enumerate(times):
            key = stable_id(tenant.details["key"], "sign-in", short, n)
            status = {
                "errorCode": code,
                "failureReason": "Other." if code == 0 else "Invalid username or password.",
                "additionalDetails": None,
            }
            tenant.add(
                "sign_ins",
                {"id": key, "createdDateTime": at, "userPrincipalName": user["userPrincipalName"],
                 "userDisplayName": user["displayName"],
                 "userId": user["id"], "appDisplayName": "Office 365 Exchange Online", "ipAddress": "203.0.113.7",
                 "clientAppUsed": "Browser", "status": status, "location": {"city": "Madrid", "countryOrRegion": "ES"}},
            )  # fmt: skip
