"""Probes and lifecycle hooks of a container."""

from __future__ import annotations

from schema.base import ApiModel
from schema.core.container import Container
from schema.core.probe import ExecAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction
from schema.validation.causes import Problems
from schema.validation.names import port_name_fault

_PROBE_ACTIONS = {"exec": "exec", "httpGet": "http_get", "tcpSocket": "tcp_socket", "grpc": "grpc"}
_HOOK_ACTIONS = {"exec": "exec", "httpGet": "http_get", "tcpSocket": "tcp_socket", "sleep": "sleep"}


def check(container: Container, path: str, problems: Problems) -> None:
    for name, probe in (
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        if probe is not None:
            _check_probe(probe, f"{path}.{name}", readiness=name == "readinessProbe", problems=problems)
    if container.lifecycle is not None:
        _check_hook(container.lifecycle.post_start, f"{path}.lifecycle.postStart", problems)
        _check_hook(container.lifecycle.pre_stop, f"{path}.lifecycle.preStop", problems)


def _check_probe(probe: Probe, path: str, *, readiness: bool, problems: Problems) -> None:
    _check_one_action(probe, path, _PROBE_ACTIONS, problems)
    if not readiness and probe.success_threshold != 1:
        problems.invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")
    grace = probe.termination_grace_period_seconds
    if readiness and grace is not None:
        problems.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes")
    elif grace == 0:
        problems.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")


def _check_hook(hook: LifecycleHandler | None, path: str, problems: Problems) -> None:
    if hook is not None:
        _check_one_action(hook, path, _HOOK_ACTIONS, problems)
        if hook.sleep is not None and hook.sleep.seconds < 0:
            problems.invalid(f"{path}.sleep", hook.sleep.seconds, "must be greater than or equal to 0")


def _check_one_action(
    handler: Probe | LifecycleHandler, path: str, actions: dict[str, str], problems: Problems
) -> None:
    given = [(name, getattr(handler, attribute)) for name, attribute in actions.items()]
    given = [(name, action) for name, action in given if action is not None]
    if not given:
        problems.required(path, "must specify a handler type")
    for name, _ in given[1:]:
        problems.forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
    for name, action in given[:1]:
        _check_action(action, f"{path}.{name}", problems)


def _check_action(action: ApiModel, path: str, problems: Problems) -> None:
    if isinstance(action, ExecAction):
        if not action.command:
            problems.required(f"{path}.command")
    elif isinstance(action, HTTPGetAction | TCPSocketAction):
        _check_port(action.port, f"{path}.port", problems)


def _check_port(port: int | str, path: str, problems: Problems) -> None:
    if isinstance(port, int):
        if not 1 <= port <= 65535:
            problems.invalid(path, port, "must be between 1 and 65535, inclusive")
    elif fault := port_name_fault(port):
        problems.invalid(path, port, fault)
