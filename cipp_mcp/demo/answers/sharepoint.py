"""SharePoint and OneDrive sites: listing, members, administrators, new ones."""

from __future__ import annotations

import re

from cipp_mcp.demo import people
from cipp_mcp.demo.answers import nightly
from cipp_mcp.demo.belongings import SITE_ROLES as ROLES
from cipp_mcp.demo.belongings import site_row
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, as_list, first, value_of
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import stamp


def site_rows(tenant: Tenant, personal: bool) -> list[Row]:
    rows = []
    for site in tenant.rows("sites"):
        if site["isPersonalSite"] is personal:
            owner = tenant.find("users", site["_owner"]) or {}
            mapping = f"tenantId={tenant.customer_id}&webId={{{site['webId']}}}&siteid={{{site['id']}}}&webUrl={site['webUrl']}"
            rows.append(
                {
                    "siteId": site["id"], "webId": site["webId"], "createdDateTime": site["createdDateTime"],
                    "displayName": site["displayName"], "webUrl": site["webUrl"], "ownerDisplayName": owner.get("displayName"),
                    "ownerPrincipalName": owner.get("userPrincipalName"), "lastActivityDate": site["createdDateTime"][:10],
                    "fileCount": 120,
                    "storageUsedInGigabytes": 1.5, "storageAllocatedInGigabytes": 1024.0, "storageUsedInBytes": 1610612736,
                    "storageAllocatedInBytes": 1099511627776,
                    "rootWebTemplate": "Group" if site["_group"] else "Communication Site",
                    "reportRefreshDate": site["createdDateTime"][:10], "AutoMapUrl": "" if personal else mapping,
                }
            )  # fmt: skip
    return sorted(rows, key=lambda row: str(row["displayName"]))


def list_sites(call: Call) -> Reply:
    where, kind = call.asked("tenantFilter"), call.asked("Type")
    if not where:
        return Reply("TenantFilter is required", 400)
    if not kind:
        return Reply("Type is required", 400)
    personal = kind != "SharePointSiteUsage"
    if nightly.wanted(call):
        return nightly.report(call, "site usage", lambda tenant: site_rows(tenant, personal))
    return Reply(site_rows(call.tenant(where), personal))


def list_members(call: Call) -> Reply:
    tenant = call.tenant(call.asked("tenantFilter"))
    site = tenant.find("sites", call.asked("SiteId")) or tenant.find("sites", (call.asked("SiteUrl") or "").rstrip("/"))
    if site is None:
        return Reply({"Results": [] if tenant.ghost else "Requested site could not be found"}, 200 if tenant.ghost else 403)
    group = tenant.find("groups", site["_group"])
    held: list[tuple[str, str, str]] = [(role, upn, "User") for role in ROLES for upn in site["_roles"][role]]
    if group:
        for part, role in (("_owners", "Owners"), ("_members", "Members")):
            held += [(role, tenant.one("users", key)["userPrincipalName"], "User (via M365 Group)") for key in group[part]]
    held += [("Site Admins", upn, "User") for upn in site["_admins"] if upn not in {entry[1] for entry in held}]
    rows = []
    for role, upn, kind in held:
        user = tenant.find("users", upn) or {}
        rows.append({"Title": user.get("displayName", upn), "Email": user.get("mail") or upn,
                     "LoginName": f"i:0#.f|membership|{upn}",
                     "UserPrincipalName": upn, "Group": role, "Type": kind, "IsGuest": "#EXT#" in upn,
                     "IsSiteAdmin": upn in site["_admins"]})  # fmt: skip
    if call.asked("Filter") == "External":
        rows = [row for row in rows if row["IsGuest"]]
    return Reply({"Results": rows})


def set_member(call: Call) -> Reply:
    """Without Add it removes. Owners and members of a group site live in the group, visitors always on the site."""
    where, upn = call.sent("tenantFilter"), call.sent("user.value")
    adding = call.sent("Add") is True
    role = str(first(call.sent("user.addedFields.Group"), call.sent("Role"), "Members"))
    site_url, key = call.sent("URL"), call.sent("GroupID")
    tenant = call.tenant(where)
    try:
        if not upn:
            raise GraphError("No user was selected.")
        if role not in ROLES:
            raise GraphError(f"Invalid role '{role}'.")
        user = tenant.one("users", upn)
        in_group = call.sent("SharePointType") == "Group" and role != "Visitors"
        if in_group and (adding or call.sent("user.addedFields.Type") != "User"):
            people.set_member(
                call.world, tenant, tenant.one("groups", key), user, adding, "_owners" if role == "Owners" else "_members"
            )
            place = "the group behind the site"
        else:
            if not site_url:
                raise GraphError("No site URL was given.")
            _on_site(call, tenant, str(site_url), str(upn), role, adding)
            place = str(site_url)
    except GraphError as refusal:
        return call.failed(f"Failed to modify {role} for {site_url or key}. Error: {refusal}", where, 400)
    return call.done(f"Successfully {'added' if adding else 'removed'} {upn} as {role.lower().rstrip('s')} of {place}.", where)


def _on_site(call: Call, tenant: Tenant, url: str, upn: str, role: str, adding: bool) -> None:
    site = tenant.one("sites", url.rstrip("/"))
    held = site.get("_roles", {}).get(role, [])
    if site and not adding and upn not in held:
        raise GraphError(f"{upn} is not in the site's {role} group.")
    if site and adding is not (upn in held):
        site["_roles"][role] = [*held, upn] if adding else [each for each in held if each != upn]
        call.world.record(tenant, f"{'add' if adding else 'remove'}_{role.lower().rstrip('s')}", "site", site, upn)


def set_admin(call: Call) -> Reply:
    """Anything but true grants, a missing value as well. The site is named, or found as a person's OneDrive."""
    where = call.sent("tenantFilter")
    asked = first(call.sent("onedriveAccessUser"), call.sent("user"))
    if not asked:
        return Reply({"Results": "No user specified."}, 400)
    granting = call.sent("RemovePermission") is not True
    tenant, url = call.tenant(where), str(call.sent("URL") or "").rstrip("/")
    try:
        site: Row = tenant.one("sites", url) if url else _onedrive(tenant, str(call.sent("UPN") or ""))
    except GraphError as refusal:
        return call.failed(f"Failed. Error: Failed to process SharePoint permissions. Error: {refusal}", where, 400)
    url, said = url or site.get("webUrl", ""), []
    for upn in [str(value_of(each)) for each in as_list(asked)]:
        if not tenant.ghost and tenant.find("users", upn) is None:
            said.append(f"Failed to change access for {upn} on {url} - Could not resolve the user on the site.")
            continue
        admins = site.get("_admins", [])
        if site and granting is not (upn in admins):
            site["_admins"] = [*admins, upn] if granting else [each for each in admins if each != upn]
            call.world.record(tenant, "add_admin" if granting else "remove_admin", "site", site, upn)
        said.append(f"Successfully {'added' if granting else 'removed'} {upn} as a site collection admin of {url}")
    return call.done(said, where)


def _onedrive(tenant: Tenant, upn: str) -> Row:
    user = tenant.one("users", upn)
    for site in tenant.rows("sites"):
        if site["isPersonalSite"] and site["_owner"] == user["id"]:
            return site
    if tenant.ghost:
        return {}
    raise GraphError(f"Could not determine the OneDrive site URL for {upn}.")


def add_site(call: Call) -> Reply:
    where, name = call.sent("tenantFilter"), str(call.sent("siteName") or "")
    template, design = call.sent("templateName.value"), call.sent("siteDesign.value")
    tenant, owner = call.tenant(where), call.sent("siteOwner.value")
    url = f"https://{tenant.initial_domain.split('.')[0]}.sharepoint.com/sites/{re.sub('[^A-Za-z0-9-]', '', name)}"
    try:
        if template not in ("Communication", "Team") or design not in ("Topic", "Showcase", "Blank", "Custom"):
            raise GraphError("Cannot validate argument on parameter 'TemplateName'. The argument is not in the set.")
        if not name or not call.sent("siteDescription") or not owner:
            raise GraphError("Cannot bind argument to parameter because it is an empty string.")
        person = tenant.one("users", owner)
        if tenant.find("sites", url):
            raise GraphError("The site already exists.")
    except GraphError as refusal:
        return call.failed(f"Failed to create new SharePoint site {name} with URL {url}. Error: {refusal}", where)
    site = tenant.add("sites", site_row(tenant, name, url, person.get("id"), stamp(call.world.now())))
    call.world.record(tenant, "create", "site", site, str(template))
    return call.done(f"Successfully created new SharePoint site {name} with URL {url}", where)


ENDPOINTS = {
    "ListSites": Endpoint("Sharepoint.Site.Read", list_sites),
    "ListSiteMembers": Endpoint("Sharepoint.Site.Read", list_members),
    "ExecSetSharePointMember": Endpoint("Sharepoint.Site.ReadWrite", set_member),
    "ExecSharePointPerms": Endpoint("Sharepoint.Site.ReadWrite", set_admin),
    "AddSite": Endpoint("Sharepoint.Site.ReadWrite", add_site),
}
