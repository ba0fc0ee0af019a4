"""``/_emulator/…``: the controls of the local cloud, for tests, rehearsals and operators.

| path       | GET                         | POST / PUT / PATCH                   | DELETE |
|------------|-----------------------------|--------------------------------------|--------|
| health     | ready, counts, actions      |                                      |        |
| reset      |                             | POST: back to the account file       |        |
| state      | save as JSON                | PUT: load what was saved             |        |
| journal    | the calls (``?writes=true``)|                                      | clear  |
| faults     | the rules                   | POST: append, PUT: replace           | clear  |
| clock      | now, offset                 | POST ``{"advance": seconds}``        |        |
| settings   | all settings                | PATCH: change some                   |        |

They carry no signature: the server binds loopback only unless told otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from emulator.account import places
from emulator.cloud import LocalCloud
from emulator.faults import Fault
from emulator.registry import ACTIONS
from emulator.settings import EmulatorSettings
from emulator.wire import HttpRequest, HttpResponse, render

PREFIX = "/_emulator/"
_FAULTS = TypeAdapter(list[Fault])


class ControlError(Exception):
    """A control call that cannot be carried out; answered with 400."""


class Controls:
    """Carries out control calls on a local cloud."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one control call."""
        name = request.path[len(PREFIX) :].strip("/")
        handler: Callable[[HttpRequest], Any] | None = getattr(
            self, f"_{request.method.lower()}_{name}" if name.isalpha() else "", None
        )
        if handler is None:
            return self._json({"error": f"no control {request.method} {request.path}"}, status=404)
        try:
            return self._json(handler(request))
        except ValidationError as error:
            return self._json({"error": places(error)}, status=400)
        except (ControlError, ValueError) as error:
            return self._json({"error": str(error)}, status=400)

    @staticmethod
    def _json(payload: Any, status: int = 200) -> HttpResponse:
        return render({"result": payload}, status=status, xml_root=None, headers={})

    @staticmethod
    def _body(request: HttpRequest) -> Any:
        try:
            return json.loads(request.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise ControlError(f"the body is not JSON: {error}") from error

    def _object(self, request: HttpRequest, *required: str) -> dict[str, Any]:
        body = self._body(request)
        if not isinstance(body, dict):
            raise ControlError("the body must be a JSON object")
        for name in required:
            if name not in body:
                raise ControlError(f"the body must have {name!r}")
        return body

    # -- the controls ----------------------------------------------------------------------------------

    def _get_health(self, _: HttpRequest) -> Any:
        return {"ready": True, "account": self.cloud.state.account_id, "actions": len(ACTIONS)}

    def _post_reset(self, _: HttpRequest) -> Any:
        self.cloud.reset()
        return {"reset": True}

    def _get_state(self, _: HttpRequest) -> Any:
        return self.cloud.save()

    def _put_state(self, request: HttpRequest) -> Any:
        sent = self._object(request)
        # What GET answers can be sent back as it is: its envelope is taken off.
        saved = sent.get("result", sent)
        if not isinstance(saved, dict) or not isinstance(saved.get("state"), dict):
            raise ControlError("the body must have 'state', an object")
        self.cloud.load(saved)
        return {"loaded": True}

    def _get_journal(self, request: HttpRequest) -> Any:
        entries = self.cloud.journal.to_json()
        wanted = request.query.get("writes", "").lower() == "true"
        return [entry for entry in entries if entry["write"]] if wanted else entries

    def _delete_journal(self, _: HttpRequest) -> Any:
        self.cloud.journal.clear()
        return {"cleared": True}

    def _get_faults(self, _: HttpRequest) -> Any:
        return [rule.model_dump() for rule in self.cloud.faults.rules]

    def _put_faults(self, request: HttpRequest) -> Any:
        self.cloud.faults.rules = _FAULTS.validate_python(self._body(request))
        return self._get_faults(request)

    def _post_faults(self, request: HttpRequest) -> Any:
        self.cloud.faults.rules.append(Fault.model_validate(self._body(request)))
        return self._get_faults(request)

    def _delete_faults(self, _: HttpRequest) -> Any:
        self.cloud.faults.rules = []
        return []

    def _get_clock(self, _: HttpRequest) -> Any:
        return {"now": self.cloud.clock.now(), "offset": self.cloud.clock.offset}

    def _post_clock(self, request: HttpRequest) -> Any:
        step = self._object(request, "advance")["advance"]
        if isinstance(step, bool) or not isinstance(step, (int, float)):
            raise ControlError("'advance' must be a number of seconds")
        self.cloud.clock.advance(float(step))
        return self._get_clock(request)

    def _get_settings(self, _: HttpRequest) -> Any:
        return self.cloud.settings.model_dump(mode="json")

    def _patch_settings(self, request: HttpRequest) -> Any:
        merged = {**self.cloud.settings.model_dump(), **self._object(request)}
        self.cloud.settings = EmulatorSettings.model_validate(merged)
        return self._get_settings(request)
