"""Teams and its phone numbers. New teams and number assignments are submitted, and happen in the background."""

from __future__ import annotations

from cipp_mcp.demo.answers import nightly
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, as_list, truthy, value_of
from cipp_mcp.demo.seed import group_row
from cipp_mcp.demo.tenant import Row, Tenant, visible

SUBMITTED = 30.0  # seconds from submitting to happening


def team_rows(tenant: Tenant) -> list[Row]:
    names = ("id", "displayName", "description", "visibility", "mailNickname")
    return [
        {name: group[name] for name in names} for group in tenant.rows("groups") if "Team" in group["resourceProvisioningOptions"]
    ]


def list_teams(call: Call) -> Reply:
    """Without a type that it knows: a list with one null."""
    kind = (call.asked("type") or "").lower()
    tenant = call.tenant(call.asked("tenantFilter"))
    if kind == "list":
        return nightly.report(call, "Teams", team_rows) if nightly.wanted(call) else Reply(team_rows(tenant))
    if kind != "team":
        return Reply([None])
    group = tenant.one("groups", call.asked("ID"))
    if not group:
        return Reply(
            [{"Name": None, "TeamInfo": [None], "ChannelInfo": [None], "Members": [], "Owners": [], "InstalledApps": [None]}]
        )
    if "Team" not in group["resourceProvisioningOptions"]:
        raise GraphError(f"No team found with Group Id {group['id']}")
    channel = {"id": f"19:{group['id']}@thread.tacv2", "displayName": "General", "membershipType": "standard"}
    owners = [_person(tenant, key, ["owner"]) for key in group["_owners"]]
    members = [_person(tenant, key, []) for key in group["_members"] if key not in group["_owners"]]
    team = {"Name": group["displayName"], "TeamInfo": [visible(group)], "ChannelInfo": [channel], "Members": members,
            "Owners": owners,
            "InstalledApps": []}  # fmt: skip
    return Reply([team])


def _person(tenant: Tenant, key: str, roles: list[str]) -> Row:
    user = tenant.one("users", key)
    return {"userId": key, "displayName": user["displayName"], "email": user["mail"] or user["userPrincipalName"], "roles": roles}


def add_team(call: Call) -> Reply:
    """The tenant is in `tenantid`; a tenantFilter is not looked at."""
    where, name, world = call.sent("tenantid"), str(call.sent("displayName") or ""), call.world
    tenant = call.tenant(where)
    owners = as_list(call.sent("owner"))
    try:
        if not owners:
            raise GraphError("A team needs at least one owner")
        if not name or str(call.sent("visibility") or "").lower() not in ("public", "private"):
            raise GraphError("Invalid request: displayName and visibility are required.")
        people = [tenant.one("users", owner if isinstance(owner, str) else str(owner)) for owner in owners]
    except GraphError as refusal:
        return call.failed(f"Failed to create Team: '{name}'. Error: {refusal}", where)
    row = group_row(tenant, {"name": name, "type": "m365", "mail": "".join(name.split()), "about": call.sent("description")})
    row |= {
        "id": world.new_id("team"),
        "resourceProvisioningOptions": ["Team"],
        "visibility": str(call.sent("visibility")).capitalize(),
    }
    row["_owners"] = row["_members"] = [person["id"] for person in people if person]

    def provision() -> None:
        tenant.add("groups", row)
        world.record(tenant, "create", "team", row)

    world.later(SUBMITTED, provision)
    return call.done(f"Successfully created Team: '{name}'", where)


def activity_rows(tenant: Tenant) -> list[Row]:
    return [
        {"UPN": user["userPrincipalName"], "LastActive": (user["_lastSignIn"] or "")[:10], "TeamsChat": "12", "CallCount": "3",
         "MeetingCount": "5"}
        for user in tenant.rows("users")
        if user["assignedLicenses"]
    ]  # fmt: skip


def activity(call: Call) -> Reply:
    if nightly.wanted(call):
        return nightly.report(call, "Teams activity", activity_rows)
    if call.asked("Type") != "TeamsUserActivityUser":
        raise GraphError(f"Resource not found for the segment 'get{call.asked('Type') or ''}Detail'.")
    return Reply(activity_rows(call.tenant(call.asked("tenantFilter"))))


def number_rows(tenant: Tenant) -> list[Row]:
    rows = []
    for number in tenant.rows("numbers"):
        user = tenant.find("users", number["TargetId"])
        place = tenant.find("locations", number["LocationId"])
        person = {key: user[key] for key in ("id", "userPrincipalName", "displayName")} if user else "Unassigned"
        rows.append({**visible(number, "id"), "AssignedTo": person, "EmergencyLocation": place["Description"] if place else None})
    return rows


def list_numbers(call: Call) -> Reply:
    if nightly.wanted(call):
        return nightly.report(call, "Teams voice", number_rows)
    return Reply(number_rows(call.tenant(call.asked("tenantFilter"))))


def assign(call: Call) -> Reply:
    """Any text in locationOnly counts as true; then the target is a location."""
    where, number, target = call.sent("TenantFilter"), str(call.sent("PhoneNumber") or ""), call.sent("input.value")
    tenant, world = call.tenant(where), call.world
    place_only = truthy(call.sent("locationOnly"))
    try:
        row = tenant.one("numbers", number)
        if place_only:
            tenant.one("locations", target)
            changes: Row = {"LocationId": target}
        else:
            user = tenant.one("users", target)
            if row and row["TargetId"] not in (None, user.get("id")):
                raise GraphError("The telephone number is already assigned.")
            if row and value_of(call.sent("PhoneNumberType")) not in (None, row["NumberType"]):
                raise GraphError("The number type does not match the telephone number.")
            changes = {"TargetId": user.get("id")}
    except GraphError as refusal:
        return call.failed(str(refusal), where, 403)
    if place_only:  # at once, unlike the assignment
        if row:
            world.change(tenant, "phone_number", row, "assign", **changes)
        return call.done(f"Successfully assigned emergency location to {number}", where)
    world.later(SUBMITTED, lambda: world.change(tenant, "phone_number", row, "assign", **changes) if row else None)
    return call.done(f"Successfully submitted assignment of {number} to {target}", where)


def unassign(call: Call) -> Reply:
    """The number alone decides; the person named is only repeated in the text."""
    where, number, who = call.sent("tenantFilter"), str(call.sent("PhoneNumber") or ""), call.sent("AssignedTo") or ""
    tenant, world = call.tenant(where), call.world
    try:
        row = tenant.one("numbers", number)
        if row and row["TargetId"] is None:
            raise GraphError("The telephone number is not assigned.")
    except GraphError as refusal:
        return call.failed(f"Failed to unassign {number} from {who}. Error: {refusal}", where)
    world.later(SUBMITTED, lambda: world.change(tenant, "phone_number", row, "unassign", TargetId=None) if row else None)
    return call.done(f"Successfully submitted unassignment of {number} from {who}", where)


def list_locations(call: Call) -> Reply:
    tenant = call.tenant(call.asked("tenantFilter"))
    return Reply(
        [{**visible(row, "id"), "TenantId": tenant.customer_id, "NumberOfVoiceUsers": -1} for row in tenant.rows("locations")]
    )


ENDPOINTS = {
    "ListTeams": Endpoint("Teams.Group.Read", list_teams),
    "AddTeam": Endpoint("Teams.Group.ReadWrite", add_team),
    "ListTeamsActivity": Endpoint("Teams.Activity.Read", activity),
    "ListTeamsVoice": Endpoint("Teams.Voice.Read", list_numbers),
    "ExecTeamsVoicePhoneNumberAssignment": Endpoint("Teams.Voice.ReadWrite", assign),
    "ExecRemoveTeamsVoicePhoneNumberAssignment": Endpoint("Teams.Voice.ReadWrite", unassign),
    "ListTeamsLisLocation": Endpoint("Teams.Voice.Read", list_locations),
}
