"""``onboard submit``: let a worker of the Prefect server carry out a specification, and follow its run.

The idempotency key of a submission is new each time unless one is given: Prefect's client repeats a request that got
no answer, with the same key, so that one command never starts two runs, and a second command always starts a second
run. A key made of the specification would swallow the run that somebody wants after repairing what stopped the first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cli.inputs import BadInput, read_spec, report_bad_input
from cli.interrupt import EXIT_INTERRUPTED
from cli.prefect_environment import prepare, require_prefect_server

if TYPE_CHECKING:
    import httpx
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse

    from cloud.clock import Clock
    from config.spec import DataSourceSpec
    from flows.report import OnboardingReport

EXIT_NOT_APPROVED = 3
EXIT_STILL_RUNNING = 4
FLOW = "onboard data source"
_LOOK_SECONDS = 1.0
_UNTAKEN_SECONDS = 15.0  # a worker looks for runs every ten seconds, and then starts a process
_CREATED = 201  # Prefect answers 200 when a run with this key exists already
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
Say = Callable[[str], None]


@dataclass(frozen=True)
class SubmitChoices:
    """What was given on the command line. ``timeout`` in seconds; None waits as long as it takes."""

    spec: Path
    deployment: str
    wait: bool
    idempotency_key: str | None
    timeout: float | None
    as_json: bool


@dataclass
class Submission:
    """A run, as it was found or started; ``result`` when it has left one."""

    run: FlowRun
    created: bool
    key: str
    url: str
    result: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``result`` as docs/schemas/onboarding-report-1.json says."""
        state = self.run.state
        return {
            "flow_run_id": str(self.run.id),
            "url": self.url,
            "idempotency_key": self.key,
            "created": self.created,
            "state": {"type": state.type.value, "name": state.name, "message": state.message}
            if state
            else None,
            "result": self.result,
        }


class ServerLost(Exception):
    """The server stopped answering, or answered something else, after the run was there."""


def submit_file(choices: SubmitChoices) -> int:
    """Check, submit and, when it is wanted, wait; returns the exit code.

    0 submitted, or done; 1 failed; 2 bad input, or blocked by preflight; 3 not approved; 4 not done in time.
    """
    try:
        spec = read_spec(choices.spec)
        prepare(verbose=False)
        _require_configured_server()
    except BadInput as error:
        report_bad_input(error, choices.as_json)
        return 2
    from prefect.client.orchestration import get_client

    from cloud.clock import SystemClock

    def say(line: str) -> None:
        print(line, file=sys.stderr if choices.as_json else sys.stdout, flush=True)

    submission: Submission | None = None
    try:
        with get_client(sync_client=True) as client:
            deployment, submission = submit(client, spec, choices.deployment, choices.idempotency_key)
            _introduce(submission, deployment, say)
            if not choices.wait:
                for note in _untaken(client, deployment, submission.run):
                    say(note)
            elif not follow(client, submission, deployment, say, SystemClock(), choices.timeout):
                say(f"not done within {choices.timeout:g} s; the run goes on. {_again(submission)}")
                _print_json(submission, choices)
                return EXIT_STILL_RUNNING
    except BadInput as error:
        report_bad_input(error, choices.as_json)
        return 2
    except ServerLost as error:
        assert submission is not None
        print(f"error: {error}; the run goes on. {_again(submission)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        told = f"the run goes on. {_again(submission)}" if submission else "perhaps a run was started"
        print(f"\ninterrupted; {told}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return _conclude(submission, choices)


def submit(
    client: SyncPrefectClient, spec: DataSourceSpec, deployment_name: str, key: str | None
) -> tuple[DeploymentResponse, Submission]:
    """Start the run of a deployment, or find the one that has this key.

    Raises :class:`cli.inputs.BadInput` when the server refuses it, has no such deployment, or knows the key for
    something else.
    """
    import httpx
    from prefect.client.schemas.objects import FlowRun
    from prefect.utilities.urls import url_for

    key = key or f"onboard-submit-{uuid4()}"
    try:
        deployment = _deployment(client, deployment_name)
        sent = spec.model_dump(mode="json", exclude_unset=True, by_alias=True)
        answer = client.request(
            "POST",
            "/deployments/{id}/create_flow_run",
            path_params={"id": deployment.id},
            json={"parameters": {"spec": sent}, "idempotency_key": key},
        )
        run = FlowRun.model_validate(answer.json())
    except httpx.HTTPStatusError as error:
        raise _refused(error) from error
    except (httpx.HTTPError, RuntimeError, ValueError) as error:
        # RuntimeError: Prefect's client does not fit the server's version.
        raise _bad("PREFECT_API_URL", f"the Prefect server cannot be used: {error}") from error
    created = answer.status_code == _CREATED
    if not created and (run.deployment_id != deployment.id or run.parameters.get("spec") != sent):
        raise _bad(
            "--idempotency-key",
            f"run {run.id} has this key already, for another specification or deployment; give another key",
        )
    return deployment, Submission(run, created, key, url_for("flow-run", obj_id=run.id) or "")


def follow(
    client: SyncPrefectClient,
    submission: Submission,
    deployment: DeploymentResponse,
    say: Say,
    clock: Clock,
    timeout: float | None,
) -> bool:
    """Say each new state until the run has ended, and read its result; False when ``timeout`` seconds were too short.

    Raises :class:`ServerLost`.
    """
    import httpx

    from flows.result import read_result

    started, told, noted = clock.now(), "", False
    try:
        while True:
            run, waited = submission.run, clock.now() - started
            line = _state_line(submission)
            if line != told:
                say(f"{waited:6.1f} s  {line}")
                told = line
            if run.state is not None and run.state.is_final():
                submission.result = read_result(client, run.id)
                return True
            if waited >= _UNTAKEN_SECONDS and not noted:
                noted = True
                for note in _untaken(client, deployment, run):
                    say(f"{waited:6.1f} s  {note}")
            if timeout is not None and waited >= timeout:
                return False
            clock.sleep(_LOOK_SECONDS if timeout is None else min(_LOOK_SECONDS, timeout - waited))
            submission.run = client.read_flow_run(run.id)
    except (httpx.HTTPError, RuntimeError) as error:
        raise ServerLost(f"the Prefect server does not answer ({type(error).__name__})") from error


def _require_configured_server() -> None:
    """Without one, Prefect would start a temporary server, on which no worker ever looks."""
    from prefect.settings import get_current_settings

    if not get_current_settings().api.url:
        raise _bad(
            "PREFECT_API_URL", "no Prefect server is configured; set PREFECT_API_URL, or use onboard apply"
        )
    require_prefect_server()


def _deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_deployment_by_name(f"{FLOW}/{name.removeprefix(f'{FLOW}/')}")
    except ObjectNotFound:
        there = client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])))
    names = ", ".join(sorted(one.name for one in there)) or "none"
    raise _bad(
        "--deployment",
        f"the server has no deployment {name!r} of {FLOW!r}; it has: {names}. Create it with prefect deploy",
    )


def _refused(error: httpx.HTTPStatusError) -> BadInput:
    """The server's refusal; it names the field when a parameter is wrong."""
    status = error.response.status_code
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        rule = f"the Prefect server refuses the credentials ({status}); set PREFECT_API_AUTH_STRING to user:password"
        return _bad("PREFECT_API_AUTH_STRING", rule)
    if status == _NOT_FOUND:
        return _bad("PREFECT_API_URL", "what answers there is no Prefect API; its address ends with /api")
    try:
        body = error.response.json()
    except ValueError:
        body = {}
    detail = body.get("detail") or body.get("exception_message") if isinstance(body, dict) else None
    return _bad("parameters", f"the Prefect server refuses the run ({status}): {detail or 'no reason given'}")


def _bad(path: str, rule: str) -> BadInput:
    return BadInput(rule, [{"path": path, "value": "", "rule": rule}])


def _introduce(submission: Submission, deployment: DeploymentResponse, say: Say) -> None:
    run, state = submission.run, submission.run.state
    if submission.created:
        say(f"run {run.id} of {FLOW}/{deployment.name} is submitted")
    else:
        say(
            f"run {run.id} already exists for this key, it is {state.name if state else 'unknown'}; no second one "
            "was started. Another --idempotency-key starts one"
        )
    if submission.url:
        say(submission.url)
    say(f"idempotency key {submission.key}")


def _again(submission: Submission) -> str:
    return f"Follow it with the same command and --wait --idempotency-key {submission.key}"


def _state_line(submission: Submission) -> str:
    state = submission.run.state
    if state is None:
        return "no state yet"
    if state.is_paused():
        return (
            f"{state.name}: it waits for an approval. Read the plan on the run's page ({submission.url}), press Resume, "
            "choose approve and give the plan's hash"
        )
    if state.name == "AwaitingConcurrencySlot":
        return f"{state.name}: it waits for another run of its deployment"
    return f"{state.name}: {state.message}" if state.message else str(state.name)


def _untaken(client: SyncPrefectClient, deployment: DeploymentResponse, run: FlowRun) -> list[str]:
    """Why a run is perhaps not taken; nothing for one that is under way."""
    from prefect.client.schemas.objects import WorkPoolStatus

    pool = deployment.work_pool_name
    if run.state is None or not run.state.is_scheduled() or run.state.name == "AwaitingConcurrencySlot":
        return []
    if deployment.paused:
        return ["the deployment is paused: runs start when it is resumed"]
    if pool is None:
        return []
    status = client.read_work_pool(pool).status
    if status == WorkPoolStatus.NOT_READY:
        return [f"no worker of work pool {pool} is online: the run waits until one is started"]
    if status == WorkPoolStatus.PAUSED:
        return [f"work pool {pool} is paused: the run waits until it is resumed"]
    return []


def _print_json(submission: Submission, choices: SubmitChoices) -> None:
    if choices.as_json:
        print(json.dumps(submission.to_json(), ensure_ascii=False))


def _conclude(submission: Submission, choices: SubmitChoices) -> int:
    """Print what is known at the end; returns the exit code."""
    _print_json(submission, choices)
    if not choices.wait:
        return 0
    from flows.result import ResultInvalid, report_of

    state = submission.run.state
    if submission.result is None:
        ending = f"{state.name}{': ' + state.message if state.message else ''}" if state else "unknown"
        print(f"error: the run has left no result; it ended as {ending}", file=sys.stderr)
        return 1
    try:
        report = report_of(submission.result)
    except ResultInvalid as error:
        print(f"error: the run's result cannot be read: {error}; look at {submission.url}", file=sys.stderr)
        return 1
    if not choices.as_json:
        from cli.show import show_report

        show_report(report)
        if report.not_approved:
            print(report.not_approved)
    return _exit_code(report, state is not None and state.is_completed())


def _exit_code(report: OnboardingReport, completed: bool) -> int:
    if report.failure is not None:
        return 2 if report.failure.kind == "PreflightBlocked" else 1
    if report.not_approved:
        return EXIT_NOT_APPROVED
    return 0 if completed else 1
