"""The rows of the error code table; read them through ``config.codes.lookup``.

Sources: the error tables of the API reference pages of RAM 2015-05-01, STS 2015-04-01 and DataWorks
2020-05-18 (``api-dataworks-public-2020-05-18-errorcodes``), and the common OpenAPI error list. Messages are
the service's own, with its typos, "" where no page prints one. A status no page states is the usual one of
the code's family.
"""

from __future__ import annotations

from typing import NamedTuple

from config.kinds import Kind
from config.personas import Persona


class Row(NamedTuple):
    """One error code, in the order of the fields of ``config.codes.ErrorCode``."""

    code: str
    status: int
    kind: Kind
    persona: Persona | None
    remedy: str
    message: str = ""


_ADMINISTRATOR = Persona.ADMINISTRATOR
_CREATOR = Persona.CREATOR
_DEVELOPER = Persona.DEVELOPER

_WAIT = "Wait and repeat the call at a lower rate."
_LATER = "Repeat the call later; if it keeps failing, send the request id to Alibaba Cloud support."
_FREQUENT = "Your request is too frequent. Try again later."
_KEY = "Put a valid AccessKey pair of the calling identity into the settings."
_RENEW = "Obtain new temporary credentials for the calling identity and run again."
_CLOCK = "Set the clock of this machine by NTP: it may be at most 15 minutes off."
_CORRECT = "Correct the parameter named in the message and run again."
_EXISTS = "Read the existing object: adopt it when it is the one meant, else choose another name."
_MISSING = "Create the object or correct its name, then run again."
_DETACH = "Detach what is still attached, then delete again."
_REPORT = "Report this as a defect of the pipeline with the request id."


def _parameter(name: str, *reasons: str) -> tuple[Row, ...]:
    """Codes ``InvalidParameter.<name>.<reason>`` with the texts RAM prints for them."""
    texts = {
        "InvalidChars": f'The parameter - "{name}" contains invalid chars.',
        "Length": f'The parameter - "{name}" beyond the length limit.',
        "Format": f'The format of the parameter - "{name}" is incorrect.',
    }
    return tuple(
        Row(f"InvalidParameter.{name}.{reason}", 400, Kind.INVALID, _ADMINISTRATOR, _CORRECT, texts[reason])
        for reason in reasons
    )


_RAM = (
    *_parameter("RoleName", "InvalidChars", "Length"),
    *_parameter("PolicyName", "InvalidChars", "Length"),
    *_parameter("UserName", "InvalidChars", "Length"), *_parameter("NewUserName", "InvalidChars", "Length"),
    *_parameter("GroupName", "InvalidChars", "Length"), *_parameter("NewGroupName", "InvalidChars", "Length"),
    *_parameter("PolicyDocument", "Length"), *_parameter("AssumeRolePolicyDocument", "Length"),
    *_parameter("NewAssumeRolePolicyDocument", "Length"),
    *_parameter("Description", "Length"), *_parameter("Comments", "Length"),
    *_parameter("VersionId", "Format"),
    Row(
        "InvalidParameter.PolicyType", 400, Kind.INVALID, _ADMINISTRATOR,
        "Give the policy type as System or Custom.", 'The parameter - "PolicyType" is incorrect.',
    ),
    Row("MalformedPolicyDocument", 400, Kind.INVALID, _ADMINISTRATOR, "Correct the document where the message says."),
    Row(
        "NoPermission", 403, Kind.PERMISSION, _ADMINISTRATOR,
        "Grant the calling identity the action named in the answer's AccessDeniedDetail.",
        "You are not authorized to do this action.",
    ),
    Row(
        "Inactive", 403, Kind.UNSUPPORTED, _ADMINISTRATOR,
        "Activate RAM for the account in the console.", "Your ram service is inactive, please activate it.",
    ),
    Row("EntityNotExist.Role", 404, Kind.NOT_FOUND, _ADMINISTRATOR, _MISSING, "The role does not exist."),
    Row("EntityNotExist.Policy", 404, Kind.NOT_FOUND, _ADMINISTRATOR, _MISSING, "The policy does not exist."),
    Row(
        "EntityNotExist.Policy.Version", 404, Kind.NOT_FOUND, _ADMINISTRATOR, _MISSING,
        "The policy version does not exist.",
    ),
    Row("EntityNotExist.User", 404, Kind.NOT_FOUND, _ADMINISTRATOR, _MISSING, "The user does not exist."),
    Row("EntityNotExist.Group", 404, Kind.NOT_FOUND, _ADMINISTRATOR, _MISSING, "The group does not exist."),
    Row(
        "EntityNotExist.User.Policy", 404, Kind.NOT_FOUND, _ADMINISTRATOR,
        "Attach the policy to the user when it should be there; nothing is to be detached.",
        "The indicate policy of the user does not exist.",
    ),
    Row(
        "EntityNotExist.Group.Policy", 404, Kind.NOT_FOUND, _ADMINISTRATOR,
        "Attach the policy to the group when it should be there; nothing is to be detached.",
        "The indicate policy attached to the group does not exist.",
    ),
    Row(
        "EntityNotExist.Role.Policy", 404, Kind.NOT_FOUND, _ADMINISTRATOR,
        "Attach the policy to the role when it should be there; nothing is to be detached.",
    ),
    Row(
        "EntityAlreadyExists.Role", 409, Kind.ALREADY_EXISTS, _ADMINISTRATOR, _EXISTS,
        "The role does already EXIST.",
    ),
    Row(
        "EntityAlreadyExists.Policy", 409, Kind.ALREADY_EXISTS, _ADMINISTRATOR, _EXISTS,
        "The group does already EXIST.",
    ),
    Row("EntityAlreadyExists.User", 409, Kind.ALREADY_EXISTS, _ADMINISTRATOR, _EXISTS),
    Row("EntityAlreadyExists.Group", 409, Kind.ALREADY_EXISTS, _ADMINISTRATOR, _EXISTS),
    Row(
        "EntityAlreadyExists.User.Group", 409, Kind.ALREADY_EXISTS, _ADMINISTRATOR,
        "Leave the membership as it is.", "The user has already joined the group.",
    ),
    Row(
        "EntityAlreadyExists.User.Policy", 409, Kind.ALREADY_EXISTS, _ADMINISTRATOR,
        "Leave the attachment as it is.", "The user has already been attached this policy.",
    ),
    Row(
        "EntityAlreadyExists.Group.Policy", 409, Kind.ALREADY_EXISTS, _ADMINISTRATOR,
        "Leave the attachment as it is.", "The group has already been attached this policy.",
    ),
    Row(
        "EntityAlreadyExists.Role.Policy", 409, Kind.ALREADY_EXISTS, _ADMINISTRATOR,
        "Leave the attachment as it is.", "The policy has already been attached to the role.",
    ),
    Row(
        "DeleteConflict.Role.Policy", 409, Kind.CONFLICT, _ADMINISTRATOR, _DETACH,
        "The role CAN NOT has any attached policy while deleting the role.",
    ),
    Row(
        "DeleteConflict.Policy.User", 409, Kind.CONFLICT, _ADMINISTRATOR, _DETACH,
        "The policy CAN NOT been attached to any user while deleting the policy.",
    ),
    Row(
        "DeleteConflict.Policy.Group", 409, Kind.CONFLICT, _ADMINISTRATOR, _DETACH,
        "The policy CAN NOT been attached to any group while deleting the policy.",
    ),
    Row(
        "DeleteConflict.Policy.Version", 409, Kind.CONFLICT, _ADMINISTRATOR,
        "Delete the other versions first, or delete the policy with CascadingDelete.",
        "The policy CAN NOT has any version except the default version.",
    ),
    Row(
        "DeleteConflict.Policy.Version.Default", 409, Kind.CONFLICT, _ADMINISTRATOR,
        "Make another version the default before deleting this one.",
        "The default policy version CAN NOT been deleted directly.",
    ),
    Row(
        "DeleteConflict.User.Policy", 409, Kind.CONFLICT, _ADMINISTRATOR, _DETACH,
        "The user CAN NOT has any attached policy while deleting the user.",
    ),
    *(
        Row(f"DeleteConflict.{name}", 409, Kind.CONFLICT, _ADMINISTRATOR, _DETACH)
        for name in (
            "User.Group", "User.AccessKey", "User.LoginProfile", "User.MFADevice",
            "Group.User", "Group.Policy",
        )
    ),
    Row(
        "LimitExceeded.Role", 409, Kind.LIMIT_EXCEEDED, _ADMINISTRATOR,
        "Delete unused roles or ask for a higher quota (1,000 by default).",
        "The count of roles beyond the current limits.",
    ),
    Row(
        "LimitExceeded.Policy", 409, Kind.LIMIT_EXCEEDED, _ADMINISTRATOR,
        "Delete unused custom policies or ask for a higher quota (1,500 by default).",
        "The count of policy beyond the current limits.",
    ),
    Row(
        "LimitExceeded.Policy.Version", 409, Kind.LIMIT_EXCEEDED, _ADMINISTRATOR,
        "Delete an old version of the policy: five is the most it can have.",
    ),
    Row(
        "LimitExceeded.User.Policy", 409, Kind.LIMIT_EXCEEDED, _ADMINISTRATOR,
        "Grant the policy to a group the user is in, or fold several policies of the user into one.",
        "The policy count of the user attached policies beyond the current limits.",
    ),
    Row(
        "LimitExceeded.Group.Policy", 409, Kind.LIMIT_EXCEEDED, _ADMINISTRATOR,
        "Fold several policies of the group into one, or ask for a higher quota (10 by default).",
        "The policy count of the group attached policies beyond the current limits.",
    ),
    Row(
        "LimitExceeded.Role.Policy", 409, Kind.LIMIT_EXCEEDED, _ADMINISTRATOR,
        "Fold several policies of the role into one, or ask for a higher quota (10 by default).",
        "The policy count of the role attached policies beyond the current limits.",
    ),
    Row(
        "InternalError", 500, Kind.TRANSIENT, None, _LATER,
        "The request processing has failed due to some unknown error.",
    ),
)  # fmt: skip

_STS = (
    Row(
        "InvalidParameter.DurationSeconds", 400, Kind.INVALID, _ADMINISTRATOR,
        "Give a duration between 900 seconds and the role's MaxSessionDuration.",
        "The Min/Max value of DurationSeconds is 15min/1hr.",
    ),
    *(
        Row(
            f"InvalidParameter.{name}", 400, Kind.INVALID, _ADMINISTRATOR, _CORRECT,
            f"The parameter {name} is wrongly formed.",
        )
        for name in ("RoleArn", "RoleSessionName", "ExternalId", "SerialNumber", "TokenCode")
    ),
    Row(
        "InvalidParameter.PolicyGrammar", 400, Kind.INVALID, _ADMINISTRATOR,
        "Correct the grammar of the session policy.", "The parameter Policy has not passed grammar check.",
    ),
    Row(
        "InvalidParameter.PolicySize", 400, Kind.INVALID, _ADMINISTRATOR,
        "Shorten the session policy to 2,048 characters.",
        "The size of Policy must be smaller than 2048 bytes.",
    ),
    Row(
        "InvalidParameter.ContentType", 400, Kind.INVALID, _ADMINISTRATOR, _REPORT,
        'The ContentType request header must be either "application/json" or '
        '"application/x-www-form-urlencoded".',
    ),
    Row(
        "MissingParameter.RoleArn", 400, Kind.INVALID, _ADMINISTRATOR,
        "Name the role to assume.", "Parameter RoleArn is required.",
    ),
    Row("EntityNotExist.RoleArn", 404, Kind.NOT_FOUND, _ADMINISTRATOR, _MISSING),
    Row("EntityNotExist.SAMLProvider", 404, Kind.NOT_FOUND, _ADMINISTRATOR, _MISSING),
    Row(
        "AuthenticationFail.ApiUsername", 403, Kind.CREDENTIALS, _ADMINISTRATOR, _KEY,
        "The specified api username is not legal.",
    ),
    Row(
        "AuthenticationFail.ApiPassword", 403, Kind.CREDENTIALS, _ADMINISTRATOR, _KEY,
        "The specified api password is not legal.",
    ),
    Row(
        "AuthenticationFail.NoPermission", 403, Kind.PERMISSION, _ADMINISTRATOR,
        "Correct the trust policy of the role so that it names the caller's identity provider.",
    ),
    Row(
        "AuthenticationFail.SAMLAssertion.Expired", 401, Kind.CREDENTIALS, _ADMINISTRATOR,
        "Sign in at the identity provider again and use the new assertion.",
    ),
    Row(
        "AuthenticationFail.SAMLAssertion.Invalid", 401, Kind.CREDENTIALS, _ADMINISTRATOR,
        "Correct the SAML provider of the account or the assertion it receives.",
    ),
)  # fmt: skip

_GATEWAY = (
    Row("MissingAction", 400, Kind.INVALID, _ADMINISTRATOR, _REPORT, "Action is mandatory for this action."),
    Row(
        "InvalidAction.NotFound", 404, Kind.UNSUPPORTED, _ADMINISTRATOR,
        "Check that the endpoint belongs to this product and version.",
        "Specified api is not found, please check your url and method.",
    ),
    # Not a code of the service: the local cloud's for an action it knows and has not.
    Row(
        "NotImplemented", 400, Kind.UNSUPPORTED, _DEVELOPER,
        "Rehearse without this action, or use the real service.",
    ),
    Row(
        "InvalidVersion", 400, Kind.UNSUPPORTED, _ADMINISTRATOR,
        "Check that the endpoint belongs to this product and version.",
        "Specified parameter Version is not valid.",
    ),
    Row(
        "InvalidAccessKeyId.NotFound", 404, Kind.CREDENTIALS, _ADMINISTRATOR, _KEY,
        "Specified access key is not found.",
    ),
    Row(
        "InvalidAccessKeyId.Inactive", 400, Kind.CREDENTIALS, _ADMINISTRATOR,
        "Enable the AccessKey in RAM or use another one.", "Specified access key is disabled.",
    ),
    Row(
        "InvalidAccessKeySecret", 400, Kind.CREDENTIALS, _ADMINISTRATOR, _KEY,
        "The AccessKeySecret is incorrect. Please check your AccessKeyId and AccessKeySecret.",
    ),
    Row(
        "SignatureDoesNotMatch", 400, Kind.CREDENTIALS, _ADMINISTRATOR, _KEY,
        "Specified signature is not matched with our calculation.",
    ),
    Row(
        "IncompleteSignature", 400, Kind.CREDENTIALS, _ADMINISTRATOR, _KEY,
        "The request signature does not conform to Aliyun standards.",
    ),
    Row(
        "SignatureNonceUsed", 400, Kind.TRANSIENT, None,
        "Repeat the call with a new nonce; look for a proxy that repeats requests when it happens again.",
        "Specified signature nonce was used already.",
    ),
    Row(
        "InvalidTimeStamp.Expired", 400, Kind.CLOCK, _ADMINISTRATOR, _CLOCK,
        "Specified time stamp or date value is expired.",
    ),
    Row(
        "InvalidTimeStamp.Format", 400, Kind.CLOCK, _ADMINISTRATOR, _CLOCK,
        "Specified time stamp or date value is not well formatted.",
    ),
    Row(
        "InvalidSecurityToken.Expired", 400, Kind.CREDENTIALS, _ADMINISTRATOR, _RENEW,
        "Specified SecurityToken is expired.",
    ),
    Row(
        "InvalidSecurityToken.Malformed", 400, Kind.CREDENTIALS, _ADMINISTRATOR, _RENEW,
        "Specified SecurityToken is malformed.",
    ),
    Row(
        "InvalidSecurityToken.MismatchWithAccessKey", 400, Kind.CREDENTIALS, _ADMINISTRATOR, _RENEW,
        "Specified SecurityToken mismatch with the AccessKey.",
    ),
    Row(
        "MissingSecurityToken", 400, Kind.CREDENTIALS, _ADMINISTRATOR,
        "Give the security token that belongs to the temporary AccessKey.",
        "SecurityToken is mandatory for this action.",
    ),
    Row("Throttling", 400, Kind.THROTTLED, None, _WAIT, "Request was denied due to request throttling."),
    Row("Throttling.User", 400, Kind.THROTTLED, None, _WAIT, "Request was denied due to user flow control."),
    Row("Throttling.Api", 400, Kind.THROTTLED, None, _WAIT, _FREQUENT),
    Row("Rejected.Throttling", 429, Kind.THROTTLED, None, _WAIT),
    Row(
        "ServiceUnavailable", 503, Kind.TRANSIENT, None, _LATER,
        "The request has failed due to a temporary failure of the server.",
    ),
)  # fmt: skip

_DATAWORKS = (
    Row("InternalError.System", 500, Kind.TRANSIENT, None, _LATER),
    Row("InternalError.UserId.Missing", 500, Kind.TRANSIENT, None, _LATER),
    Row("InternalError.Meta.TenantTimeOut", 500, Kind.TRANSIENT, None, _LATER),
    Row("InternalError.Meta.Unknown", 500, Kind.TRANSIENT, None, _LATER),
    Row(
        "Forbidden.Not.Server", 500, Kind.UNSUPPORTED, _ADMINISTRATOR,
        "Use the endpoint of the workspace's region; the action may not exist in that region.",
    ),
    Row(
        "Forbidden.Access", 403, Kind.UNSUPPORTED, _ADMINISTRATOR,
        "Activate a DataWorks edition that includes this action, or leave the action out.",
        "Please first activate DataWorks Enterprise Edition or Flagship Edition.",
    ),
    Row(
        "ResourceNotAuthorized.Api", 403, Kind.PERMISSION, _ADMINISTRATOR,
        "Grant the calling identity the DataWorks action and the workspace role the step needs.",
    ),
    Row("Throttling.System", 429, Kind.THROTTLED, None, _WAIT, _FREQUENT),
    Row(
        "Throttling.Api.Risk", 429, Kind.DAILY_QUOTA, _ADMINISTRATOR,
        "Stop calling until tomorrow, or move the account to a higher DataWorks edition.",
    ),
    Row(
        "Throttling.Resource", 429, Kind.DAILY_QUOTA, _ADMINISTRATOR,
        "Move the account to a higher DataWorks edition: its quota is used up.",
    ),
    Row(
        "Invalid.DI.Parameter", 400, Kind.INVALID, _CREATOR,
        "Check the data source, its environment and that the resource group is for Data Integration.",
    ),
    Row(
        "Forbidden.DI.NoPrivilege", 403, Kind.PERMISSION, _ADMINISTRATOR,
        "Add the calling identity to the workspace as Workspace Administrator or O&M.",
    ),
    # The vendor gives 500 for a parameter error here; repeating it changes nothing.
    Row("InternalError.DI.Parameter", 500, Kind.INVALID, _CREATOR, _CORRECT),
    Row("Param.Invalid", 400, Kind.INVALID, _DEVELOPER, _CORRECT),
    Row(
        "Invalid.Tenant.ConnectionNotExists", 400, Kind.NOT_FOUND, _CREATOR,
        "Create the data source in this environment, or correct its name.", "The connection does not exist.",
    ),
    Row(
        "Invalid.Tenant.ProjectNotExists", 400, Kind.NOT_FOUND, _CREATOR,
        "Correct the workspace id, or the region whose endpoint is called.", "The project does not exist.",
    ),
    Row(
        "Invalid.Tenant.UserNotInProject", 400, Kind.PERMISSION, _ADMINISTRATOR,
        "Add the calling identity to the workspace with the role the step needs.",
        "The user is not in the project.",
    ),
    Row(
        "Invalid.Tenant.UserAlreadyInProject", 400, Kind.ALREADY_EXISTS, _ADMINISTRATOR,
        "Leave the member as it is and add the missing workspace role.",
        "The user already exists in the project.",
    ),
    Row(
        "Invalid.Tenant.UserNotInTenant", 400, Kind.NOT_FOUND, _ADMINISTRATOR,
        "Refresh the list of RAM users in the DataWorks console, then add the member.",
    ),
    Row(
        "Invalid.Tenant.UserIsNotProjectOwnerOrAdmin", 403, Kind.PERMISSION, _ADMINISTRATOR,
        "Have a Workspace Owner or Workspace Administrator make this change.",
    ),
    Row(
        "DataSource.CheckRamRoleFailure", 400, Kind.PERMISSION, _ADMINISTRATOR,
        "Let the role trust di.dataworks.aliyuncs.com and grant ram:PassRole on it to the creator.",
        "Failed to check the RAM role.",
    ),
    Row("ConnectionAlreadyExist", 400, Kind.ALREADY_EXISTS, _CREATOR, _EXISTS),
    # Stands for all Invalid.Wkbench.*, which answer 500 and are no server failures.
    Row("Invalid.Wkbench", 500, Kind.INVALID, _DEVELOPER, _CORRECT),
    # Numeric codes of the IDE actions: observed for a call that names no workspace.
    Row("1201111279", 400, Kind.INVALID, _DEVELOPER, "Give the workspace by its id or its identifier."),
)  # fmt: skip

ROWS = (*_RAM, *_STS, *_GATEWAY, *_DATAWORKS)
