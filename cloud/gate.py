"""The one gate for every call: identity → rate limit → daily allowance → SDK → error mapping → retry → journal.

Nothing else in this project touches an SDK client.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import tenacity

from cloud.allowance import DailyAllowance
from cloud.clients import PlainCredential, build_client, forget_proxies, request_model, sdk_method
from cloud.clock import Clock, StoppableClock, Stopped
from cloud.deadline import within
from cloud.errors import CallError, DailyAllowanceSpent, NotSent, RetryableError, Throttled
from cloud.journal import CallJournal, CallRecord
from cloud.mapping import CallContext, check_answer, from_exception, out_of_time, unreadable
from cloud.rates import RateLimits
from cloud.sessions import Session, SessionCredentials, session_limits, session_of
from cloud.shared import Shared
from config.limits import DATAWORKS, STS, daily_calls
from config.personas import Persona

if TYPE_CHECKING:
    from config.settings import IdentitySettings, Settings


class ProgrammingError(Exception):
    """A call named an action, or a parameter of it, that the SDK does not have. A fault of this project."""


class Gate:
    """Makes calls for one account and region.

    Reads are repeated after any :class:`RetryableError`. Writes are repeated only when they were certainly not
    carried out; otherwise the error goes to :func:`cloud.ensure.write_once`, which looks first.
    Back-off is exponential with full jitter; ``settings.call_deadline`` (seconds) bounds a call with its repeats,
    counted from when the rate lets it go first: many callers may be ahead of it. Throttled answers slow the rate
    down. A DataWorks call that the day's allowance does not hold is refused without being made.
    """

    def __init__(self, settings: Settings, region: str, clock: Clock | None = None) -> None:
        self.settings = settings
        self.region = region
        self.clock: Clock = clock or StoppableClock()
        self.journal = CallJournal()
        self._rates = RateLimits(
            settings.edition, settings.rate_headroom, self.clock, share=settings.rate_share
        )
        limit = (
            daily_calls(settings.edition) if settings.daily_allowance is None else settings.daily_allowance
        )
        self._allowance = DailyAllowance(limit, self.clock, used=settings.daily_calls_used)
        self._clients: dict[tuple[str, Persona, str], Any] = {}
        self._sessions: dict[tuple[Persona, str], SessionCredentials] = {}
        self._lock = threading.Lock()
        self._callers: dict[Persona, str] = {}
        self._stopped = False
        self._under_way = 0
        self._call_ended = threading.Condition()
        self.shared: Shared | None = None
        """What many onboardings of this process share; None: each reads for itself."""
        if settings.local_cloud:
            forget_proxies()

    @property
    def rates(self) -> RateLimits:
        """The rates that this gate's calls keep to, and what was used of them."""
        return self._rates

    @property
    def allowance(self) -> DailyAllowance:
        """The DataWorks calls of today."""
        return self._allowance

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._under_way > 0

    def stop(self, seconds: float) -> bool:
        """Make no further call: whoever asks for one, or pauses by this gate's clock, gets :class:`cloud.clock.Stopped`.

        Calls under way are not cut off; waits for their ends, ``seconds`` at most, and tells whether all have ended.
        """
        with self._call_ended:
            self._stopped = True
            if isinstance(self.clock, StoppableClock):
                self.clock.stop()
            return self._call_ended.wait_for(lambda: not self._under_way, seconds)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """One call; raises :class:`cloud.clock.Stopped` when there are to be no more."""
        with self._call_ended:
            if self._stopped:
                raise Stopped
            self._under_way += 1
        try:
            yield
        finally:
            with self._call_ended:
                self._under_way -= 1
                self._call_ended.notify_all()

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
        read_timeout: float | None, base: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        settings = self.settings
        context = CallContext(f"{product}:{action}", subject, persona, self.caller_name(persona), write)
        deadline = settings.call_deadline
        if read_timeout is not None:
            deadline = max(deadline, read_timeout + settings.connect_timeout)
        client = self._client(product, persona, base=base)
        self._wait_for_turn(product, action, context, repeat=False)
        ends = self.clock.now() + deadline
        retrying = tenacity.Retrying(
            sleep=self.clock.sleep,
            stop=tenacity.stop_after_attempt(settings.retry_attempts) | _StopAt(ends, self.clock),
            wait=_Wait(settings.retry_wait_initial, settings.retry_wait_maximum),
            retry=tenacity.retry_if_exception(_may_repeat_write if write else _may_repeat_read),
            reraise=True,
        )
        for attempt in retrying:
            with attempt, self._counted():
                number = attempt.retry_state.attempt_number
                return self._attempt(client, product, action, parameters, context, number, ends, read_timeout)
        raise AssertionError("tenacity ends with a value or an exception")

    def _wait_for_turn(self, product: str, action: str, context: CallContext, *, repeat: bool) -> None:
        # Before the wait: once the day is spent, those in the queue would wait for a refusal.
        if product == DATAWORKS:
            self._allowance.check(action=context.action, subject=context.subject)
        self._rates.acquire(product, action, repeat=repeat)

    def _attempt(
        self, client: Any, product: str, action: str, parameters: Mapping[str, Any], context: CallContext, number: int, ends: float,
        read_timeout: float | None,
    ) -> dict[str, Any]:  # fmt: skip
        if number > 1:
            self._wait_for_turn(product, action, context, repeat=True)
        started = self.clock.now()
        if started >= ends:
            raise out_of_time(context)
        if product == DATAWORKS:
            self._allowance.take(action=context.action, subject=context.subject)
        code = ""
        request_id = ""
        refused: CallError | None = None
        failure: CallError
        try:
            body = within(
                ends - started, lambda: _send(client, product, action, parameters, context, read_timeout)
            )
            request_id = str(body.get("RequestId", ""))
            check_answer(body, context)
            return body
        except CallError as error:
            code, request_id, refused = error.code or type(error).__name__, error.request_id, error
            raise
        except Exception as error:
            mapped = from_exception(error, context)
            if mapped is None:
                code = type(error).__name__
                raise
            code, request_id, refused = mapped.code or type(mapped).__name__, mapped.request_id, mapped
            failure = mapped
        finally:
            self.journal.add(
                CallRecord(
                    context.persona.value, context.action, context.subject, context.write, request_id, code, number,
                    self.clock.now() - started, isinstance(refused, Throttled),
                )
            )  # fmt: skip
            self._learn(product, action, refused)
        # Raised out here, where it has no context: the SDK's exception holds the signed request.
        raise failure

    def _learn(self, product: str, action: str, refused: CallError | None) -> None:
        """What a refusal says about the calls to come."""
        if isinstance(refused, Throttled):
            self._rates.throttled(product, action, refused.retry_after)
        elif isinstance(refused, DailyAllowanceSpent) and product == DATAWORKS:
            self._allowance.refused(refused)

    def _client(self, product: str, persona: Persona, *, base: bool) -> Any:
        """The persona's client; with an assumed role, one whose session is limited to the running step.

        ``base`` asks for the credentials that assume the role.
        """
        identity = self.settings.identities.of(persona)
        if base or not identity.assumes_role:
            return self._built(product, persona, "", lambda: PlainCredential(identity))
        limits = session_limits()
        if limits is not None and persona not in limits:
            raise ProgrammingError(f"the running step declares no call of the {persona.value}")
        policy = "" if limits is None else limits[persona]
        session = self._session(persona, identity, policy)
        session.renew_if_needed()
        return self._built(product, persona, policy or "unlimited", lambda: session)

    def _built(self, product: str, persona: Persona, kind: str, credential: Callable[[], Any]) -> Any:
        with self._lock:
            key = (product, persona, kind)
            if key not in self._clients:
                self._clients[key] = build_client(self.settings, product, self.region, credential())
            return self._clients[key]

    def _session(self, persona: Persona, identity: IdentitySettings, policy: str) -> SessionCredentials:
        with self._lock:
            if (persona, policy) not in self._sessions:
                assume = partial(self._assume, persona, identity, policy)
                self._sessions[persona, policy] = SessionCredentials(assume, self.clock)
            return self._sessions[persona, policy]

    def _assume(self, persona: Persona, identity: IdentitySettings, policy: str) -> Session:
        parameters = {
            "RoleArn": identity.role_arn,
            "RoleSessionName": f"onboarding-{persona.value}",
            "DurationSeconds": identity.session_seconds,
            "Policy": policy or None,
            "ExternalId": identity.external_id,
        }
        body = self._call(
            STS, "AssumeRole", parameters, persona, f"role {identity.role_arn}", write=False, read_timeout=None,
            base=True,
        )  # fmt: skip
        return session_of(body)


def _send(
    client: Any,
    product: str,
    action: str,
    parameters: Mapping[str, Any],
    context: CallContext,
    read_timeout: float | None,
) -> dict[str, Any]:
    from darabonba.runtime import RuntimeOptions

    runtime = RuntimeOptions(read_timeout=int(read_timeout * 1000)) if read_timeout else RuntimeOptions()
    method = getattr(client, sdk_method(action), None)
    if method is None:
        raise ProgrammingError(f"the SDK has no action {product}:{action}")
    request = _request(product, action, {k: v for k, v in parameters.items() if v is not None})
    body: dict[str, Any] = {}
    try:
        answer = (method(runtime) if request is None else method(request, runtime)).body
        body = {} if answer is None else dict(answer.to_map())
    except (AttributeError, KeyError, TypeError, ValueError):
        pass  # the SDK's models stumble over an answer of another shape; unreadable like an empty one
    if not body:
        raise unreadable(context)
    return body


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
