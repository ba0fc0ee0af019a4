"""The front door: from an HTTP request to an answer.

Order of checks, as the real gateway: action and version → credentials → signature, date, nonce → rate →
mandatory parameters → formats → permission → the action itself. Faults strike before or after the action.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from emulator.authorization import Caller, caller_from_key, require
from emulator.cloud import LocalCloud
from emulator.errors import ApiError, DomainFailure, TaskFailure
from emulator.faults import Fault
from emulator.journal import Entry
from emulator.known_actions import is_known
from emulator.registry import ACTIONS, PRODUCTS, Action, Call, Product
from emulator.signatures import (
    REQUIRED_SIGNED_HEADERS,
    MalformedAuthorization,
    acs3_signature,
    acs3_string_to_sign,
    parse_acs3,
    same,
    v1_signature,
    v1_string_to_sign,
)
from emulator.wire import HttpRequest, HttpResponse, render

_log = logging.getLogger("emulator")
_TEXT_OF_SIGNATURE_MISMATCH = (
    "Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}"
)
_OBJECT_PARAMETERS = (
    "RoleName", "PolicyName", "UserName", "GroupName", "RoleArn", "Name", "DatasourceName", "TaskName", "FileId",
    "NodeId", "DataSourceId", "DeploymentId", "InstanceId", "DagId", "BusinessName", "FolderPath", "ProjectId",
)  # fmt: skip


@dataclass
class Answered:
    """An answer and the pause the caller must make before sending it (a fault's delay, in seconds)."""

    response: HttpResponse
    delay: float = 0.0


class Gateway:
    """Dispatches signed calls to actions."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud

    def handle(self, request: HttpRequest) -> Answered:
        """Answer one request. Never raises for what a client sent."""
        return _Exchange(self.cloud, request).run()


class _Exchange:
    """One request on its way through the checks."""

    def __init__(self, cloud: LocalCloud, request: HttpRequest) -> None:
        self.cloud = cloud
        self.request = request
        self.raw = request.parameters()
        self.request_id = cloud.new_request_id()
        self.acs3 = "authorization" in request.headers
        self.product: Product | None = None
        self.action_name = self._either("x-acs-action", "Action")
        self.action: Action | None = None
        self.caller: Caller | None = None
        self.fault: Fault | None = None
        self.delay = 0.0
        self.code = ""  # of the refusal or failure that was answered, for the journal

    def _either(self, header: str, parameter: str) -> str:
        """The dialects differ in where they say it; old SDKs send the header too, so v1 reads parameters first."""
        from_header = self.request.headers.get(header, "")
        from_parameter = self.raw.get(parameter, "")
        return (from_header or from_parameter) if self.acs3 else (from_parameter or from_header)

    def run(self) -> Answered:
        try:
            response = self._answer()
        except ApiError as error:
            response = self._refusal(error)
        except Exception:  # noqa: BLE001  # logged in full, answered as the service's InternalError
            # A fault of the local cloud itself: said in full here, and to the client in the service's own form.
            _log.exception("the local cloud failed at %s", self.action_name)
            message = f"The local cloud failed at {self.action_name}; its own output tells why."
            response = self._refusal(ApiError("InternalError", message, status=500))
        self._write_journal(response)
        return Answered(response, self.delay)

    # -- the way of a call -----------------------------------------------------------------------------

    def _answer(self) -> HttpResponse:
        action = self._find_action()
        self._authenticate(action)
        before = self._strike("before")
        if before is not None:
            return before
        product = action.product
        self.cloud.rates.count(self.cloud.clock, self.cloud.settings, product.name, action.name)
        params = action.parse(self.raw, self.cloud.settings.missing_parameter_code)
        assert self.caller is not None  # set by _authenticate; anonymous actions are not implemented
        call = Call(self.cloud, self.caller, self.request_id, params, self.raw)
        for needed in action.needs(call) if action.needs else ():
            require(self.cloud, self.caller, product, needed)
        response = self._execute(action, call)
        self.delay += call.delay
        return self._strike("after") or response

    def _find_action(self) -> Action:
        version = self._either("x-acs-version", "Version")
        if not self.action_name:
            raise ApiError("MissingAction", "Action is mandatory for this action.", status=400)
        self.product = PRODUCTS.get(version)
        if self.product is None:
            raise ApiError(
                "InvalidVersion", f"Specified parameter Version {version!r} is not valid.", status=400
            )
        action = ACTIONS.get((version, self.action_name))
        if action is None:
            if is_known(self.product.name, self.action_name):
                raise ApiError(
                    "NotImplemented",
                    f"The local cloud does not implement {self.product.title} {self.action_name} ({version}).",
                    status=400,
                )
            raise ApiError(
                "InvalidAction.NotFound",
                "Specified api is not found, please check your url and method.",
                status=404,
            )
        self.action = action
        return action

    def _authenticate(self, action: Action) -> None:
        if self.acs3:
            self._authenticate_acs3()
        elif "Signature" in self.raw:
            self._authenticate_v1()
        else:
            raise ApiError("MissingAccessKeyId", "AccessKeyId is mandatory for this action.", status=400)

    def _authenticate_acs3(self) -> None:
        headers = self.request.headers
        try:
            authorization = parse_acs3(headers["authorization"])
        except MalformedAuthorization as error:
            raise ApiError(
                "IncompleteSignature", f"The Authorization header is malformed: {error}.", status=400
            ) from error
        signed = {name for name in authorization.signed_headers if headers.get(name)}
        unsigned = REQUIRED_SIGNED_HEADERS - signed
        if unsigned:
            names = ", ".join(sorted(unsigned))
            raise ApiError(
                "IncompleteSignature", f"These headers must be sent and signed: {names}.", status=400
            )
        if hashlib.sha256(self.request.body).hexdigest() != headers.get("x-acs-content-sha256", ""):
            raise ApiError(
                "SignatureDoesNotMatch", "The body does not match x-acs-content-sha256.", status=400
            )
        token = headers.get("x-acs-security-token")
        self.caller, secret = caller_from_key(self.cloud, authorization.access_key_id, token)
        string_to_sign = acs3_string_to_sign(self.request, authorization.signed_headers)
        self._compare(acs3_signature(secret, string_to_sign), authorization.signature, string_to_sign)
        self._check_freshness(
            authorization.access_key_id, headers["x-acs-date"], headers["x-acs-signature-nonce"]
        )

    def _authenticate_v1(self) -> None:
        for name in ("AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp"):
            if not self.raw.get(name):
                raise ApiError(f"Missing{name}", f"{name} is mandatory for this action.", status=400)
        if self.raw["SignatureMethod"].upper() != "HMAC-SHA1":
            raise ApiError(
                "InvalidSignatureMethod", "Specified parameter SignatureMethod is not valid.", status=400
            )
        access_key_id = self.raw["AccessKeyId"]
        self.caller, secret = caller_from_key(
            self.cloud, access_key_id, self.raw.get("SecurityToken") or None
        )
        string_to_sign = v1_string_to_sign(self.request.method, self.raw)
        self._compare(v1_signature(secret, string_to_sign), self.raw["Signature"], string_to_sign)
        self._check_freshness(access_key_id, self.raw["Timestamp"], self.raw["SignatureNonce"])

    def _compare(self, expected: str, given: str, string_to_sign: str) -> None:
        if not same(expected, given):
            message = _TEXT_OF_SIGNATURE_MISMATCH.format(string_to_sign=string_to_sign)
            raise ApiError("SignatureDoesNotMatch", message, status=400)

    def _check_freshness(self, access_key_id: str, date: str, nonce: str) -> None:
        try:
            sent = datetime.strptime(date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
        except ValueError as error:
            raise ApiError(
                "InvalidTimeStamp.Format", "Specified time stamp is not well formatted.", status=400
            ) from error
        if abs(time.time() - sent) > self.cloud.settings.clock_skew_seconds:
            raise ApiError(
                "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.", status=400
            )
        self.cloud.spend_nonce(access_key_id, nonce)

    def _execute(self, action: Action, call: Call) -> HttpResponse:
        try:
            body: Mapping[str, Any] = {"RequestId": self.request_id, **action.handler(call)}
        except DomainFailure as failure:
            self.code = failure.code
            body = {
                "RequestId": self.request_id,
                "Success": False,
                "HttpStatusCode": 200,
                "ErrorCode": failure.code,
                "ErrorMessage": failure.message,
            }
        except TaskFailure as failure:
            self.code = "fail"
            body = {
                "RequestId": self.request_id,
                "Success": True,
                "Data": {"Status": "fail", "Message": failure.message},
            }
        return render(body, status=200, xml_root=self._xml_root(f"{action.name}Response"), headers={})

    # -- answers ---------------------------------------------------------------------------------------

    def _xml_root(self, root: str) -> str | None:
        """XML is the default of v1; ACS3 clients ask for JSON with their Accept header."""
        wanted = self.raw.get("Format", "").upper()
        if not wanted:
            asks_json = "json" in self.request.headers.get("accept", "") and self.acs3
            wanted = "JSON" if asks_json or self.acs3 else "XML"
        return root if wanted == "XML" else None

    def _refusal(self, error: ApiError) -> HttpResponse:
        product = self.product.name if self.product else "unknown"
        self.code = error.code
        body: dict[str, Any] = {
            "RequestId": self.request_id,
            "HostId": self.request.headers.get("host", ""),
            "Code": error.code,
            "Message": error.message,
            "Recommend": (
                f"https://api.aliyun.com/troubleshoot?q={error.code}&product={product.capitalize()}"
                f"&requestId={self.request_id}"
            ),
        }
        if error.detail:
            body["AccessDeniedDetail"] = error.detail
        return render(body, status=error.status, xml_root=self._xml_root("Error"), headers=error.headers)

    def _strike(self, when: Any) -> HttpResponse | None:
        """What a fault rule makes of this call; None when nothing strikes or it only delays."""
        assert self.product is not None
        fault = self.cloud.faults.strike(self.product.name, self.action_name, when)
        if fault is None:
            return None
        self.fault = fault
        self.delay += fault.delay
        if fault.effect is not None:
            return HttpResponse(fault.status or 200, b'{"RequestId":"', effect=fault.effect)
        if fault.body is not None:
            return HttpResponse(fault.status or 200, fault.body.encode(), fault.content_type, fault.headers)
        if fault.code is not None or fault.status is not None:
            code = fault.code or "InternalError"
            raise ApiError(code, fault.message, status=fault.status, headers=fault.headers)
        return None

    def _write_journal(self, response: HttpResponse) -> None:
        name = next((self.raw[key] for key in _OBJECT_PARAMETERS if self.raw.get(key)), "")
        self.cloud.journal.add(
            Entry(
                time=self.cloud.clock.now(),
                request_id=self.request_id,
                product=self.product.name if self.product else "",
                action=self.action_name,
                caller=self.caller.display if self.caller else "",
                object=name[:256],
                write=self.action.write if self.action else False,
                status=response.status,
                code=self.code,
                fault=self.fault is not None,
            )
        )
