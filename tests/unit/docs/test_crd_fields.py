from unit.docs.crd_fields import crd_fields, field_kinds


def test_fields_are_named_through_lists_and_maps() -> None:
    assert {
        "EdgeDevice.spec.heartbeat.periodSeconds",
        "EdgeDevice.spec.mounts.folder",
        "EdgeDevice.spec.logCollection.*.syslogConfig.name",
        "EdgeDevice.status.workloads.phase",
        "EdgeWorkload.spec.pod.spec.containers.image",
        "ObjectBucketClaim.spec.additionalConfig.*",
    } <= crd_fields()


def test_a_field_that_does_not_exist_is_not_named() -> None:
    assert "EdgeDevice.spec.heartbeat.interval" not in crd_fields()


def test_every_field_belongs_to_a_kind() -> None:
    assert {path.split(".")[0] for path in crd_fields()} == field_kinds()
