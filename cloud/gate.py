"""The one gate for every call: identity → rate limit → SDK → error mapping → retry → journal.

Nothing else in this project touches an SDK client.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tenacity

from cloud.clients import build_client, forget_proxies, request_model, sdk_method
from cloud.clock import Clock, SystemClock
from cloud.deadline import within
from cloud.errors import CallError, NotSent, RetryableError, Throttled
from cloud.journal import CallJournal, CallRecord
from cloud.mapping import CallContext, check_answer, from_exception, out_of_time, unreadable
from cloud.rates import RateLimits
from config.personas import Persona

if TYPE_CHECKING:
    from config.settings import Settings


class ProgrammingError(Exception):
    """A call named an action, or a parameter of it, that the SDK does not have. A fault of this project."""


class Gate:
    """Makes calls for one account and region.

    Reads are repeated after any :class:`RetryableError`. Writes are repeated only when they were certainly not
    carried out; otherwise the error goes to :func:`cloud.ensure.write_once`, which looks first.
    Back-off is exponential with full jitter; ``settings.call_deadline`` (seconds) bounds a call with its repeats,
    counted from when the rate lets it go first: many callers may be ahead of it.
    """

    def __init__(self, settings: Settings, region: str, clock: Clock | None = None) -> None:
        self.settings = settings
        self.region = region
        self.clock: Clock = clock or SystemClock()
        self.journal = CallJournal()
        self._rates = RateLimits(settings.edition, settings.rate_headroom, self.clock)
        self._clients: dict[tuple[str, Persona], Any] = {}
        self._lock = threading.Lock()
        self._callers: dict[Persona, str] = {}
        if settings.local_cloud:
            forget_proxies()

    def name_caller(self, persona: Persona, name: str) -> None:
        """Remember who a persona's credentials belong to, so that refusals can name the person."""
        self._callers[persona] = name

    def caller_name(self, persona: Persona) -> str:
        """The name given by :meth:`name_caller`, or ""."""
        return self._callers.get(persona, "")

    def read(
        self, product: str, action: str, parameters: Mapping[str, Any], *, persona: Persona, subject: str = "",
        read_timeout: float | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """A call that changes nothing: its answer as a dictionary. Raises :class:`CallError`."""
        return self._call(
            product, action, parameters, persona, subject, write=False, read_timeout=read_timeout
        )

    def write(
        self, product: str, action: str, parameters: Mapping[str, Any], *, persona: Persona, subject: str = "",
        read_timeout: float | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """A call that changes something. Raises :class:`CallError`; see :func:`cloud.ensure.write_once`."""
        return self._call(
            product, action, parameters, persona, subject, write=True, read_timeout=read_timeout
        )

    def _call(
        self, product: str, action: str, parameters: Mapping[str, Any], persona: Persona, subject: str, *, write: bool,
        read_timeout: float | None,
    ) -> dict[str, Any]:  # fmt: skip
        settings = self.settings
        context = CallContext(f"{product}:{action}", subject, persona, self.caller_name(persona), write)
        deadline = max(settings.call_deadline, (read_timeout or 0) + settings.connect_timeout)
        self._rates.acquire(product, action)
        ends = self.clock.now() + deadline
        retrying = tenacity.Retrying(
            sleep=self.clock.sleep,
            stop=tenacity.stop_after_attempt(settings.retry_attempts) | _StopAt(ends, self.clock),
            wait=_Wait(settings.retry_wait_initial, settings.retry_wait_maximum),
            retry=tenacity.retry_if_exception(_may_repeat_write if write else _may_repeat_read),
            reraise=True,
        )
        for attempt in retrying:
            with attempt:
                number = attempt.retry_state.attempt_number
                return self._attempt(product, action, parameters, context, number, ends, read_timeout)
        raise AssertionError("tenacity ends with a value or an exception")

    def _attempt(
        self, product: str, action: str, parameters: Mapping[str, Any], context: CallContext, number: int, ends: float,
        read_timeout: float | None,
    ) -> dict[str, Any]:  # fmt: skip
        if number > 1:
            self._rates.acquire(product, action)
        started = self.clock.now()
        if started >= ends:
            raise out_of_time(context)
        code = ""
        request_id = ""
        failure: CallError
        try:
            body = within(
                ends - started, lambda: self._send(product, action, parameters, context, read_timeout)
            )
            request_id = str(body.get("RequestId", ""))
            check_answer(body, context)
            return body
        except CallError as error:
            code, request_id = error.code or type(error).__name__, error.request_id
            raise
        except Exception as error:
            mapped = from_exception(error, context)
            if mapped is None:
                code = type(error).__name__
                raise
            code, request_id = mapped.code or type(mapped).__name__, mapped.request_id
            failure = mapped
        finally:
            self.journal.add(
                CallRecord(
                    context.persona.value, context.action, context.subject, context.write, request_id, code, number,
                    self.clock.now() - started,
                )
            )  # fmt: skip
        # Raised out here, where it has no context: the SDK's exception holds the signed request.
        raise failure

    def _send(
        self,
        product: str,
        action: str,
        parameters: Mapping[str, Any],
        context: CallContext,
        read_timeout: float | None,
    ) -> dict[str, Any]:
        from darabonba.runtime import RuntimeOptions

        client = self._client(product, context.persona)
        runtime = RuntimeOptions(read_timeout=int(read_timeout * 1000)) if read_timeout else RuntimeOptions()
        method = getattr(client, sdk_method(action), None)
        if method is None:
            raise ProgrammingError(f"the SDK has no action {product}:{action}")
        request = _request(product, action, {k: v for k, v in parameters.items() if v is not None})
        body: dict[str, Any] | None
        try:
            response = method(runtime) if request is None else method(request, runtime)
            body = None if response.body is None else response.body.to_map()
        except (AttributeError, KeyError, TypeError, ValueError):
            body = None  # the SDK's models stumble over an answer of another shape
        if not body:
            raise unreadable(context)
        return body

    def _client(self, product: str, persona: Persona) -> Any:
        with self._lock:
            key = (product, persona)
            if key not in self._clients:
                self._clients[key] = build_client(
                    self.settings, product, self.region, self.settings.identities.of(persona)
                )
            return self._clients[key]


def _request(product: str, action: str, parameters: Mapping[str, Any]) -> Any:
    """The SDK's request; None for an action without parameters. Raises :class:`ProgrammingError`."""
    model = request_model(product, action)
    request = None if model is None else model().from_map(dict(parameters))
    dropped = set(parameters) - set(request.to_map() if request is not None else ())
    if dropped:
        raise ProgrammingError(f"{product}:{action} has no parameter {', '.join(sorted(dropped))}")
    return request


def _may_repeat_read(error: BaseException) -> bool:
    return isinstance(error, RetryableError)


def _may_repeat_write(error: BaseException) -> bool:
    return isinstance(error, (Throttled, NotSent))


class _StopAt(tenacity.stop.stop_base):
    """Stop when the next try would begin after the call's deadline, by the injected clock."""

    def __init__(self, ends: float, clock: Clock) -> None:
        self._ends = ends
        self._clock = clock

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return self._clock.now() + retry_state.upcoming_sleep >= self._ends


class _Wait(tenacity.wait.wait_base):
    """Full jitter, but never shorter than the service asked for."""

    def __init__(self, initial: float, maximum: float) -> None:
        self._jitter = tenacity.wait_random_exponential(multiplier=initial, max=maximum)

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.retry_after if isinstance(error, CallError) else None
        return max(self._jitter(retry_state), asked or 0.0)
