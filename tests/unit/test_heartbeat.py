from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet_objects import device

from flotta.fleet.heartbeat import apply_heartbeat, find_transitions
from flotta.fleet.problems import find_new_problems, with_problems
from flotta.fleet.rendering import Problem
from flotta.protocol.envelope import decode, decode_message
from flotta.protocol.log_ends import with_log
from flotta.protocol.models import Heartbeat

MESSAGES = Path(__file__).parent.parent / "data" / "messages"
NOW = datetime(2026, 1, 10, 9, 0, tzinfo=UTC)
LATER = datetime(2026, 1, 10, 9, 5, tzinfo=UTC)


def heartbeat(**content: Any) -> Heartbeat:
    return decode(json.dumps({"status": "up", "version": "v1", **content}).encode(), Heartbeat)


def after(stored: dict[str, Any], /, **content: Any) -> dict[str, Any]:
    return apply_heartbeat(device(status=stored), heartbeat(**content), NOW)


def listed(**entry: Any) -> dict[str, Any]:
    known = {"name": "web", "phase": "Running", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    return {"phase": "up", "lastSyncedResourceVersion": "v1", "workloads": [{**known, **entry}]}


def reported(**status: Any) -> list[dict[str, Any]]:
    return [{"name": "web", "status": "Running", **status}]


def test_a_repeated_heartbeat_changes_nothing() -> None:
    report = reported(last_data_upload="2026-01-01T00:00:00.000Z", files_up=3)
    once = after(listed(), workloads=report)

    assert after(once, workloads=report) == once


def test_only_a_changed_phase_moves_the_transition_time() -> None:
    same = after(listed(), workloads=reported())["workloads"][0]
    changed = after(listed(), workloads=reported(status="Exited"))["workloads"][0]

    assert same["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert (changed["phase"], changed["lastTransitionTime"]) == ("Exited", "2026-01-10T09:00:00Z")


def test_a_device_does_not_change_its_membership() -> None:
    unknown = [{"name": "other", "status": "Running"}, None, *reported()]

    assert [workload["name"] for workload in after(listed(), workloads=unknown)["workloads"]] == [
        "web"
    ]
    assert [workload["name"] for workload in after(listed(), workloads=None)["workloads"]] == [
        "web"
    ]
    assert "workloads" not in after({}, workloads=unknown)


def test_a_workload_the_device_stopped_reporting_is_deploying_again() -> None:
    entry = after(listed(reason="X", message="y"), workloads=[])["workloads"][0]

    assert entry["phase"] == "Deploying"
    assert "reason" not in entry


def test_reason_message_and_files_are_kept_current() -> None:
    failed = reported(status="Error", reason="ImagePull", message="no image", files_up=2)
    entry = after(listed(), workloads=failed)["workloads"][0]
    assert (entry["reason"], entry["message"], entry["filesUp"]) == ("ImagePull", "no image", 2)

    entry = after({**listed(), "workloads": [entry]}, workloads=reported())["workloads"][0]
    assert "reason" not in entry
    assert "message" not in entry
    assert entry["filesUp"] == 0


def test_readiness_is_kept_as_reported_and_goes_with_the_probes() -> None:
    waiting = after(listed(), workloads=reported(reason="ContainersNotReady", ready=False))
    assert waiting["workloads"][0]["ready"] is False
    assert after(waiting, workloads=reported(ready=True))["workloads"][0]["ready"] is True
    assert "ready" not in after(waiting, workloads=reported())["workloads"][0]
    assert "ready" not in after(waiting, workloads=[])["workloads"][0]


def test_what_a_kept_version_does_is_told_beside_the_problem_of_its_successor() -> None:
    problem = Problem("web", "EdgeWorkload", "Misconfiguration", "Secret 'x' does not exist")
    shown = with_problems(listed(ready=True), [problem], NOW)
    moved = reported(ready=False, files_up=4, last_data_upload="2026-01-10T08:00:00Z")

    (entry,) = after(shown, workloads=moved)["workloads"]

    assert (entry["phase"], entry["reason"]) == ("Error", "Misconfiguration")
    assert (entry["ready"], entry["filesUp"]) == (False, 4)
    assert entry["lastDataUpload"] == "2026-01-10T08:00:00Z"
    assert "ready" not in after(shown, workloads=[])["workloads"][0]


def test_a_workload_that_recovers_is_announced_before_it_is_ready() -> None:
    failing = after(listed(), workloads=reported(status="Error", reason="R", message="m"))
    waiting = after(failing, workloads=reported(reason="ContainersNotReady", ready=False))
    ready = after(waiting, workloads=reported(ready=True))

    assert [transition.failing for transition in find_transitions(failing, waiting)] == [False]
    assert find_transitions(waiting, ready) == find_transitions(ready, waiting) == []


def test_an_upload_that_never_happened_leaves_the_last_one() -> None:
    known = listed(lastDataUpload="2026-01-01T00:00:00Z")
    never = reported(last_data_upload="0001-01-01T00:00:00.000Z")
    broken = reported(last_data_upload="soon")

    for report in (never, broken):
        entry = after(known, workloads=report)["workloads"][0]
        assert entry["lastDataUpload"] == "2026-01-01T00:00:00Z"


def test_a_heartbeat_without_upgrade_or_hardware_keeps_what_is_known() -> None:
    known = {"upgradeInformation": {"currentCommitID": "abc"}, "hardware": {"hostname": "h"}}

    result = after(known)

    assert result["upgradeInformation"] == {"currentCommitID": "abc"}
    assert result["hardware"] == {"hostname": "h"}


def test_playbooks_without_conditions_are_accepted() -> None:
    known = {"PlaybookExec": [{"name": "tune"}, {"name": "other"}]}
    report = [{"name": "tune", "status": "Running"}, None]

    first = after(known, **{"playbook-executions": report})
    again = after(first, **{"playbook-executions": report})
    done = after(
        first, **{"playbook-executions": [{"name": "tune", "status": "SuccessfullyCompleted"}]}
    )

    assert again == first
    conditions = done["PlaybookExec"][0]["PlaybookExecutionStatus"]["conditions"]
    assert [(condition["type"], condition["status"]) for condition in conditions] == [
        ("Running", "False"),
        ("SuccessfullyCompleted", "True"),
    ]
    assert done["PlaybookExec"][1] == {"name": "other"}


def test_recorded_heartbeats_merge() -> None:
    status: dict[str, Any] = {"workloads": [{"name": "rich", "phase": "Deploying"}]}
    for name in ("plain", "hardware", "workload"):
        message = decode_message((MESSAGES / f"from-agent-heartbeat-{name}.json").read_bytes())
        beat = decode(message.content, Heartbeat)
        status = apply_heartbeat(device(status=status), beat, NOW)

    assert status["workloads"][0]["phase"] == "Created"
    assert status["lastSyncedResourceVersion"] == "553"
    assert status["hardware"]["cpu"]["modelName"] == "Intel(R) Xeon(R) Processor"
    assert len(status["hardware"]["hostDevices"]) == 8
    assert status["hardware"]["interfaces"] == []


def test_failures_and_recoveries_are_transitions_once() -> None:
    failing = after(listed(), workloads=reported(status="Error", reason="R", message="m"))
    same = after(failing, workloads=reported(status="Error", reason="R", message="m"))
    other = after(failing, workloads=reported(status="Error", reason="R", message="n"))
    well = after(failing, workloads=reported())

    assert [transition.message for transition in find_transitions(listed(), failing)] == ["m"]
    assert find_transitions(failing, same) == []
    assert [transition.message for transition in find_transitions(failing, other)] == ["n"]
    assert [transition.failing for transition in find_transitions(failing, well)] == [False]
    assert find_transitions(well, after(well, workloads=reported(status="Exited"))) == []


def test_a_failure_is_the_same_whatever_the_log_of_its_container_says() -> None:
    def crashed(said: str) -> dict[str, Any]:
        message = with_log('container "main" exited with code 1', said)
        return after(listed(), workloads=reported(status="Error", reason="R", message=message))

    first, second = crashed("request 17 failed"), crashed("request 18 failed")

    (transition,) = find_transitions(listed(), first)
    assert transition.message == 'container "main" exited with code 1'
    assert find_transitions(first, second) == []
    assert second["workloads"][0]["message"].endswith("request 18 failed")


def test_problems_are_shown_and_cleared_and_announced_once() -> None:
    problem = Problem("web", "EdgeWorkload", "Misconfiguration", "Secret 'x' does not exist")
    own = Problem("", "storage", "Misconfiguration", "storage: ConfigMap 'y' does not exist")

    shown = with_problems(listed(), [problem, own], NOW)
    solved = with_problems(shown, [], LATER)

    assert shown["workloads"][0]["message"] == "Secret 'x' does not exist"
    assert shown["conditions"][0]["status"] == "False"
    assert with_problems(shown, [own, problem], LATER) == shown
    assert find_new_problems(listed(), [problem, own]) == [problem, own]
    assert find_new_problems(shown, [problem, own]) == []
    assert after(shown, workloads=[])["workloads"] == shown["workloads"]
    assert after(shown, workloads=reported())["workloads"] == shown["workloads"]
    assert (solved["workloads"][0]["phase"], solved["conditions"][0]["status"]) == (
        "Deploying",
        "True",
    )
    assert with_problems({}, [], NOW) == {}


def test_a_report_is_cut_and_made_printable_before_it_is_stored() -> None:
    escape = "ok\n\x1b[2JForged: approve everything \u202e" + "x" * 5000
    report = {
        "status": escape,
        "version": escape,
        "agent_version": escape,
        "upgrade": {
            "current_commit_ID": escape,
            "last_upgrade_status": escape,
            "last_upgrade_time": escape,
        },
        "workloads": reported(status=escape, reason=escape, message=escape),
    }
    new = after(listed(), **report)

    texts = {
        "phase": (new["phase"], 64),
        "version": (new["lastSyncedResourceVersion"], 128),
        "agent": (new["agentVersion"], 128),
        "commit": (new["upgradeInformation"]["currentCommitID"], 128),
        "reason": (new["workloads"][0]["reason"], 128),
        "message": (new["workloads"][0]["message"], 1024),
    }
    assert {name: len(text) for name, (text, _) in texts.items()} == {
        name: limit for name, (_, limit) in texts.items()
    }
    assert all(text.startswith("ok␊␛[2JForged") for text, _ in texts.values())
    assert all(text.endswith("…") for text, _ in texts.values())
    assert after(new, **report) == new
    assert find_transitions(new, after(new, **report)) == []


def test_a_stored_text_that_is_too_long_stays_until_the_device_reports_another() -> None:
    stored = listed(message="x" * 5000) | {"agentVersion": "y" * 500}

    version = "y" * 500
    assert after(stored, workloads=reported(message="x" * 5000), agent_version=version) == stored
    new = after(stored, workloads=reported(message="z" * 5000), agent_version=version)
    assert new["agentVersion"] == "y" * 500
    assert new["workloads"][0]["message"] == "z" * 1023 + "…"


def test_a_playbook_keeps_its_newest_conditions() -> None:
    status: dict[str, Any] = {"PlaybookExec": [{"name": "p"}]}
    for number in range(100):
        report = [{"name": "p", "status": f"step {number} " + "x" * 500}]
        status = after(status, **{"playbook-executions": report})

    conditions = status["PlaybookExec"][0]["PlaybookExecutionStatus"]["conditions"]
    assert len(conditions) == 16
    assert conditions[-1]["type"].startswith("step 99 ")
    assert {len(condition["type"]) for condition in conditions} == {64}


def test_problems_beyond_the_limit_of_a_condition_are_announced_once() -> None:
    problems = [
        Problem(f"web-{number}", "Secret", "Misconfiguration", "m" * 500) for number in range(100)
    ]
    status = with_problems({}, problems, NOW)

    assert len(status["conditions"][0]["message"]) == 32768
    assert len(find_new_problems({}, problems)) == 100
    assert find_new_problems(status, problems) == []


def test_counters_of_files_are_kept_within_what_can_be_stored() -> None:
    report = reported(files_up=10**25, files_down=-3)
    entry = after(listed(filesDown=1), workloads=report)["workloads"][0]

    assert (entry["filesUp"], entry["filesDown"]) == (2**63 - 1, 0)


def test_an_agent_without_a_version_is_one_of_v0_2_also_where_a_newer_one_ran() -> None:
    assert after({"agentVersion": "0.4.0"}, agent_version="0.4.1")["agentVersion"] == "0.4.1"
    assert "agentVersion" not in after({"agentVersion": "0.4.0"})
