"""The one tree of errors of an onboarding.

    OnboardingError                      what happened, on which object, who can fix it and how
    ├── CallError                        one call of one API
    │   ├── RetryableError               the same call may succeed later
    │   │   ├── Throttled                over a rate; not carried out
    │   │   ├── NotSent                  no connection; not carried out
    │   │   ├── TemporaryFailure         the service failed; a write may have been carried out
    │   │   └── OutcomeUnknown           the answer was lost; a write may have been carried out
    │   └── Refused                      repeating is of no use
    │       ├── NotFound
    │       ├── AlreadyExists
    │       ├── Conflict
    │       ├── LimitExceeded
    │       ├── DailyAllowanceSpent      no more calls today
    │       ├── PermissionDenied
    │       ├── CredentialsRefused
    │       ├── ClockWrong
    │       ├── InvalidRequest
    │       ├── Unsupported              not on this edition, region or local cloud
    │       ├── TaskRefused              HTTP 200 with Success: false or Data.Status: fail
    │       └── UnclassifiedRefusal      a code that config.codes does not know
    └── StepError                        a step cannot be completed
        ├── NotOurs                      it exists and is not managed by this project
        ├── MissingObject                something the specification names does not exist
        ├── Mismatch                     an object has another shape than the specification needs
        ├── NotConnected                 a resource group that the sync task needs does not reach the data source
        ├── DeploymentFailed
        ├── RunFailed                    the instance ended in FAILURE, or proved nothing
        ├── TimedOut                     waited as long as the settings allow
        └── Blocked                      something that several data sources share could not be made

Whether to retry is a type. Foreign errors are mapped once, in :mod:`cloud.mapping`.
Configuration errors (a bad specification or setting) are :mod:`config`'s own.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.personas import Persona


class OnboardingError(Exception):
    """Something that stops an onboarding.

    ``what`` is one sentence; ``subject`` the object it happened to; ``persona`` who can fix it (None: nobody
    needs to, or it is not known); ``remedy`` how; ``request_id`` what the vendor's support asks for.
    """

    def __init__(
        self,
        what: str,
        *,
        subject: str = "",
        persona: Persona | None = None,
        remedy: str = "",
        request_id: str = "",
        code: str = "",
    ) -> None:
        self.what = what.rstrip(".")
        self.subject = subject
        self.persona = persona
        self.remedy = remedy.rstrip(".")
        self.request_id = request_id
        self.code = code
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.subject}: {self.what}." if self.subject else f"{self.what}."
        if self.remedy:
            who = f"The {self.persona.value} can fix it" if self.persona else "To fix it"
            text += f" {who}: {self.remedy}."
        facts = [
            f"code {self.code}" if self.code else "",
            f"request id {self.request_id}" if self.request_id else "",
        ]
        known = ", ".join(fact for fact in facts if fact)
        return f"{text} ({known})" if known else text

    def __reduce__(self) -> tuple[object, ...]:
        # Prefect pickles exceptions; without this the keyword fields would be lost.
        return (_rebuild, (type(self), dict(self.__dict__)))


def _rebuild(kind: type[OnboardingError], fields: Mapping[str, object]) -> OnboardingError:
    error = kind.__new__(kind)
    Exception.__init__(error, fields.get("what", ""))
    error.__dict__.update(fields)
    return error


class CallError(OnboardingError):
    """A call that was refused or failed. ``action`` is the API's name for it, such as ``ram:CreateRole``."""

    def __init__(
        self,
        what: str,
        *,
        action: str = "",
        status: int = 0,
        subject: str = "",
        persona: Persona | None = None,
        remedy: str = "",
        request_id: str = "",
        code: str = "",
        retry_after: float | None = None,
        denied: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            what, subject=subject, persona=persona, remedy=remedy, request_id=request_id, code=code
        )
        self.action = action
        self.status = status
        self.retry_after = retry_after  # seconds, when the service said so
        self.denied = dict(denied or {})  # AccessDeniedDetail


class RetryableError(CallError):
    """The same call may succeed later."""


class Throttled(RetryableError):
    """Over a rate. Not carried out."""


class NotSent(RetryableError):
    """No connection could be made. Not carried out."""


class TemporaryFailure(RetryableError):
    """The service failed. A write may have been carried out: look before repeating."""


class OutcomeUnknown(RetryableError):
    """The answer was lost (timeout, reset, unreadable). A write may have been carried out: look before repeating."""


class Refused(CallError):
    """Repeating the call is of no use."""


class NotFound(Refused):
    """The object does not exist."""


class AlreadyExists(Refused):
    """The object exists already."""


class Conflict(Refused):
    """The object's state forbids it."""


class LimitExceeded(Refused):
    """A quota is full."""


class DailyAllowanceSpent(Refused):
    """The DataWorks edition's calls of today are used up."""


class PermissionDenied(Refused):
    """The caller may not do this; ``denied`` says which action and which policy layer."""


class CredentialsRefused(Refused):
    """The credentials are missing, wrong, disabled or expired."""


class ClockWrong(Refused):
    """This machine's clock is more than 15 minutes off."""


class InvalidRequest(Refused):
    """The service calls a parameter invalid."""


class Unsupported(Refused):
    """Not available on this edition, in this region, or on the local cloud."""


class TaskRefused(Refused):
    """HTTP 200 that means no: ``Success: false`` or ``Data.Status: fail``."""


class UnclassifiedRefusal(Refused):
    """A code this project does not know."""


class StepError(OnboardingError):
    """A step of the onboarding cannot be completed."""


class NotOurs(StepError):
    """An object of that name exists and does not carry this project's tag."""


class MissingObject(StepError):
    """Something the specification names does not exist."""


class Mismatch(StepError):
    """An object differs from what the specification needs in a way that cannot be changed in place."""


class NotConnected(StepError):
    """A resource group that the sync task needs does not reach the data source."""


class DeploymentFailed(StepError):
    """A file could not be submitted or deployed."""


class RunFailed(StepError):
    """The instance ended in FAILURE, or it proved nothing (a dry run)."""


class TimedOut(StepError):
    """Waited as long as the settings allow."""


class Blocked(StepError):
    """Something that several data sources share, such as a role, could not be made: this one was not begun."""

    @classmethod
    def by(cls, cause: OnboardingError) -> Blocked:
        """The same reason, persona and remedy as what failed."""
        return cls(
            cause.what,
            subject=cause.subject,
            persona=cause.persona,
            remedy=cause.remedy,
            code=cause.code,
            request_id=cause.request_id,
        )
