"""What Prometheus reads from the operator; dashboards depend on these names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from flotta.operator.runtime.monitoring import OperatorMetrics
from flotta.operator.service import Operator
from flotta.operator.settings import Settings
from flotta.resources.client import Client


def test_reconciles_and_queues_are_shown_for_every_controller() -> None:
    operator = Operator(Client.__new__(Client), Settings())
    devices = next(item for item in operator.controllers if item.name == "EdgeDevice")
    devices.results["error"] = 2
    registry = CollectorRegistry()
    registry.register(OperatorMetrics(operator))

    lines = generate_latest(registry).decode().splitlines()

    assert "# TYPE flotta_operator_reconciles_total counter" in lines
    assert 'flotta_operator_reconciles_total{controller="EdgeDevice",result="error"} 2.0' in lines
    assert "# TYPE flotta_operator_queue_length gauge" in lines
    assert 'flotta_operator_queue_length{controller="ObjectBucketClaim"} 0.0' in lines
    assert "flotta_operator_wipes_held 0.0" in lines
    assert sum(not line.startswith("#") for line in lines) == 16
