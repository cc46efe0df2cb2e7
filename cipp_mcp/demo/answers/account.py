"""What is done to one account besides blocking and deleting it: making it, passes, sessions, sign-in methods, risk, push."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cipp_mcp.demo import joiner, methods, people, schedule
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, is_true, pick, truthy, value_of
from cipp_mcp.demo.world import stamp


def add_user(call: Call) -> Reply:
    where = value_of(call.sent("tenantFilter"))
    if not where:
        return Reply({"Results": {"resultText": "A user cannot be made without tenantFilter.", "state": "error"}}, 400)
    name = call.sent("DisplayName")
    if truthy(call.sent("Scheduled.Enabled")):
        upn = f"{call.sent('username') or call.sent('mailNickname')}@{call.sent('PrimDomain.value')}"
        after = {part: truthy(call.sent(f"PostExecution.{part}")) for part in ("Webhook", "Email", "PSA")}
        if call.sent("password"):
            call.world.state.secrets.append(str(call.sent("password")))  # it is kept in the task as it came
        # A second task of the same name is refused, and reported as created all the same.
        schedule.add_task(
            call.world,
            {"TenantFilter": where, "Name": f"New user creation: {upn}", "Command": "New-CIPPUserTask",
             "Parameters": {"UserObj": call.body},
             "ScheduledTime": call.sent("Scheduled.date"), "Reference": call.sent("reference"), "PostExecution": after},
            unique=True,
        )  # fmt: skip
        return Reply({"Results": [f"Successfully created scheduled task to create user {name}"]})
    try:
        joined = joiner.create(call.world, call.tenant(where), call.body)
    except GraphError as refusal:
        return Reply({"Results": [f"Failed to create user. Error: {refusal}"]}, 500)
    call.log(f"Created user {joined.username}", where)
    said = joined.said
    results = [
        said[0],
        {"resultText": said[1], "copyField": joined.username, "state": "success"},
        {"resultText": said[2], "copyField": joined.password, "state": "success"},
        *said[3:],
    ]
    return Reply({"Results": results, "CopyFrom": joined.copied, "User": joined.user})


def create_pass(call: Call) -> Reply:
    where, who = call.either("tenantFilter"), str(call.either("ID") or "")
    once = is_true(call.asked("isUsableOnce")) or is_true(call.sent("isUsableOnce"))
    start = call.either("startDateTime")
    tenant, world = call.tenant(where), call.world
    try:
        minutes = int(call.either("lifetimeInMinutes") or 60)
        user = tenant.one("users", who)
        if not 10 <= minutes <= 43200:
            raise GraphError("The lifetimeInMinutes value is outside the range that the policy allows.")
        begins = world.now() if not start else datetime.fromtimestamp(int(str(start)), UTC)
        for held in user.get("_taps", []):
            if held["until"] > world.now().timestamp():
                raise GraphError("A temporary access pass already exists for this user.")
    except (GraphError, ValueError) as refusal:
        return call.failed(f"Failed to create Temporary Access Pass (TAP) for {who}: {refusal}", where)
    code = world.secret(f"tap/{who}")
    if user:
        begun = begins.timestamp()
        user["_taps"] = [{"id": world.new_id("tap"), "from": begun, "until": begun + minutes * 60, "once": once,
                          "created": stamp(world.now())}]  # fmt: skip
        world.record(tenant, "create_pass", "user", user, f"{minutes} minutes, {'once' if once else 'several times'}")
    text = f"The TAP for {who} is {code} - usable for {minutes} minutes{' (one-time use only)' if once else ''}"
    call.log(f"Created Temporary Access Pass (TAP) for {who}", where)
    return Reply(
        {
            "Results": [
                {"resultText": text, "userId": who, "copyField": code, "temporaryAccessPass": code, "lifetimeInMinutes": minutes,
                 "startDateTime": stamp(begins), "isUsableOnce": once, "state": "success"},
                {"resultText": f"User ID: {who}", "copyField": who, "state": "success"},
            ]
        }
    )  # fmt: skip


def revoke(call: Call) -> Reply:
    where, who, name = call.either("tenantFilter"), str(call.either("id") or ""), call.either("Username")
    try:
        people.revoke_sessions(call.world, call.tenant(where), who)
    except GraphError as refusal:
        return call.failed(f"Failed to revoke sessions for {name or ''}. Error: {refusal}", where)
    return call.done(f"Successfully revoked sessions for {name or ''}", where)


def reset_mfa(call: Call) -> Reply:
    """Method by method. A method that cannot be removed makes it a 500 that still names what was removed."""
    where, who, only = call.sent("tenantFilter"), str(call.sent("ID") or ""), call.sent("MethodId")
    tenant = call.tenant(where)
    try:
        user = tenant.one("users", who)
    except GraphError as refusal:
        return call.failed(f"Failed to get MFA methods for user {who}. Error: {refusal}", where)
    gone, stuck = methods.remove(call.world, tenant, user, str(only) if only else None) if user else ([], [])
    if not gone and not stuck:
        return call.done(
            f"No {'removable MFA method with id ' + str(only) if only else 'MFA methods'} found for user {who}", where
        )
    removed, kept = (", ".join(f"{name}Method" for name in names) for names in (gone, stuck))
    if stuck and gone:
        return call.failed(
            f"Successfully removed MFA methods ({removed}) for user {who}. However, failed to remove ({kept}).", where
        )
    if stuck:
        return call.failed(f"Failed to remove MFA methods ({kept}) for user {who}", where)
    return call.done(f"Successfully removed MFA methods ({removed}) for user {who}.", where)


def per_user_mfa(call: Call) -> Reply:
    """The reply of the batch is not looked at: an unknown user gives success as well."""
    where = call.sent("tenantFilter")
    upn = str(call.sent("userPrincipalName") or "")
    who = call.sent("userId") if "#EXT#" in upn else upn
    state = value_of(call.sent("State"))
    if state not in ("enabled", "disabled", "enforced"):
        return Reply(
            {"Results": [f"Cannot validate argument on parameter 'State'. The argument \"{state}\" is not in the set."]}, 500
        )
    tenant = call.tenant(where)
    user = tenant.find("users", who)
    if user:
        call.world.change(tenant, "user", user, "per_user_mfa", _perUserMfa=state)
    return call.done([f"Successfully set Per user MFA State for {who}"], where)


def list_per_user_mfa(call: Call) -> Reply:
    tenant = call.tenant(call.asked("tenantFilter"))
    if is_true(call.asked("allUsers")):
        return Reply(
            [{"userPrincipalName": user["userPrincipalName"], "id": user["id"], "perUserMfaState": user["_perUserMfa"]}
             for user in tenant.rows("users")]
        )  # fmt: skip
    who = call.asked("userId")
    try:
        state = tenant.one("users", who).get("_perUserMfa")
    except GraphError as refusal:
        return Reply([f"Failed to get MFA State for {who} : {refusal}"], 500)
    return Reply([{"PerUserMFAState": state, "UserPrincipalName": who}])


def dismiss_risk(call: Call) -> Reply:
    where, who, name = (call.either(field) for field in ("tenantFilter", "userId", "userDisplayName"))
    tenant = call.tenant(where)
    try:
        user = tenant.one("users", who)
        if user and not user["_risk"]:
            raise GraphError("The user is not at risk.")
        if user:
            call.world.change(tenant, "user", user, "dismiss_risk", _risk=None, _riskDismissed=True)
    except GraphError as refusal:
        return call.failed(f"Failed to dismiss user risk for {name or ''}. {refusal}", where)
    return call.done(f"Successfully dismissed User Risk for user {name or ''}. ", where)


def send_push(call: Call) -> Reply:
    """A real prompt on a real phone: an effect, whatever CIPP's role says. Always 200 once it was sent."""
    where, who = call.sent("TenantFilter"), str(call.sent("UserEmail") or "")
    tenant = call.tenant(where)
    user = tenant.find("users", who)
    ready = bool(user and "microsoftAuthenticator" in user["_methods"])
    if user and ready:
        call.world.record(tenant, "push", "user", user)
    result: dict[str, Any] = {"resultText": "Received an MFA confirmation: Success", "state": "success"}
    if not ready:
        result = {
            "resultText": "Authentication Failed! Does the user have Push/Phone call MFA configured? ErrorCode: NoDefault",
            "state": "error",
        }
    call.log(f"Sent push request to {who}", where)
    return Reply({"Results": result})


def device_state(call: Call) -> Reply:
    """Enable, disable or delete an Entra device by its object id; the body wins over the query here."""
    where = pick(call.body, "tenantFilter") or call.asked("tenantFilter")
    action = str(pick(call.body, "action") or call.asked("action") or "")
    key = str(pick(call.body, "ID") or call.asked("ID") or "")
    tenant, world = call.tenant(where), call.world
    try:
        if action.lower() not in ("enable", "disable", "delete"):
            raise GraphError(f"Cannot validate argument on parameter 'Action'. The argument \"{action}\" is not in the set.")
        device = tenant.one("entra_devices", key)
        if device and device["id"] != key:
            raise GraphError(f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.")
        if action.lower() == "delete":
            tenant.drop("entra_devices", device)
            world.record(tenant, "delete", "device", device)
        elif device:
            world.change(tenant, "device", device, action.lower(), accountEnabled=action.lower() == "enable")
    except GraphError as refusal:
        return call.failed(f"Failed to queue action {action} on {key}. Error: {refusal}", where, 400)
    return call.done(f"Executed action {action} on {key}", where)


ENDPOINTS = {
    "AddUser": Endpoint("Identity.User.ReadWrite", add_user),
    "ExecCreateTAP": Endpoint("Identity.User.ReadWrite", create_pass),
    "ExecRevokeSessions": Endpoint("Identity.User.ReadWrite", revoke),
    "ExecResetMFA": Endpoint("Identity.User.ReadWrite", reset_mfa),
    "ExecPerUserMFA": Endpoint("Identity.User.ReadWrite", per_user_mfa),
    "ListPerUserMFA": Endpoint("Identity.User.Read", list_per_user_mfa),
    "ExecDismissRiskyUser": Endpoint("Identity.User.ReadWrite", dismiss_risk),
    "ExecSendPush": Endpoint("Identity.User.Read", send_push),
    "ExecDeviceDelete": Endpoint("Identity.Device.ReadWrite", device_state),
}
