"""For each reason code a test that provokes it: file below `tests/`, function, codes.

`tests/unit/docs/test_reasons.py` checks that none is missing, and that each test exists and has its
codes as texts.
"""

from __future__ import annotations

PROVOKED_BY: dict[str, dict[str, tuple[str, ...]]] = {
    "unit/test_certificate_files.py": {
        "test_what_is_wrong_is_named_and_left_alone": ("CertificatesUnusable",),
    },
    "unit/test_server_requests.py": {
        "test_a_request_that_asks_for_nothing_is_noted": ("ServerRequestInvalid",),
    },
    "unit/live/test_boots.py": {
        "test_an_id_in_the_state_counts_and_another_one_on_the_medium_is_warned_of": (
            "DeviceIDDiffers",
        ),
        "test_a_stored_id_that_is_damaged_is_replaced": ("DeviceIDDamaged",),
        "test_a_copied_stick_says_that_it_was_made_on_another_machine": ("HardwareDiffers",),
        "test_an_id_that_cannot_be_stored_is_warned_of": ("DeviceIDNotStored",),
        "test_a_part_of_the_state_that_cannot_be_mounted_is_warned_of": ("StateIncomplete",),
        "test_a_stick_that_fails_is_warned_of_and_the_device_starts": ("StateFailed",),
    },
    "unit/live/test_foreign_contents.py": {
        "test_a_disk_that_is_not_empty_is_left_alone": ("StateDiskTaken",),
        "test_what_blkid_knows_behind_the_iso_is_left_alone": ("StatePlaceTaken",),
    },
    "unit/live/test_state_disk.py": {
        "test_a_disk_that_is_not_there_is_named": ("StateDiskMissing",),
        "test_the_boot_medium_a_small_disk_and_one_in_use_are_left_alone": ("StateDiskUnsuitable",),
    },
    "unit/live/test_state_on_medium.py": {
        "test_a_damaged_file_system_is_repaired_or_left_alone_but_never_made_again": (
            "StateDamaged",
        ),
        "test_a_medium_that_cannot_be_written_is_left_alone": ("StateReadOnly",),
        "test_a_medium_that_is_not_an_iso_with_its_table_is_left_alone": ("StateUnsuitable",),
        "test_a_medium_that_is_too_small_says_how_large_it_must_be": ("StateTooSmall",),
    },
    "unit/live/test_preparation.py": {
        "test_a_base_without_settings_says_so_and_has_an_id_all_the_same": ("NoSettings",),
        "test_a_medium_in_doubt_gets_no_state": ("StateMediumInDoubt",),
        "test_a_machine_without_a_name_is_warned_of": ("DeviceIDRandom",),
        "test_a_damaged_manifest_is_warned_of_and_the_files_are_used": ("SettingsDamaged",),
        "test_a_step_that_fails_is_a_warning_and_the_next_one_runs": ("PreparationFailed",),
    },
    "contract/test_stored_violations.py": {
        "test_a_condition_says_what_prevents_changes_until_it_is_corrected": ("StoredViolation",),
    },
    "unit/test_worker_own_certificate.py": {
        "test_only_root_or_the_workers_user_may_name_files_and_only_usable_ones": (
            "RenewalUnsupported",
        ),
        "test_an_id_that_no_device_can_have_is_named": ("CertificateUnusable",),
        "test_a_wrong_certificate_changes_nothing": ("CertificateNotInstalled",),
    },
    "integration/test_prober.py": {
        "test_what_cannot_be_asked_counts_neither_way_and_is_logged_once": ("ProbeErrored",),
    },
    "integration/test_edge_api_admission.py": {
        "test_a_body_that_does_not_arrive_is_refused": ("BodyTimeout",),
        "test_a_coded_body_is_refused_and_nothing_is_inflated": ("UnsupportedEncoding",),
        "test_a_large_body_is_refused_before_it_is_sent": ("BodyTooLarge",),
        "test_a_request_that_is_refused_is_not_asked_for_its_body": (
            "MethodNotAllowed",
            "UnsupportedExpectation",
        ),
        "test_authority_counts_before_the_body": ("OtherDevice",),
        "test_the_rate_counts_before_the_body": ("TooManyRequests",),
        "test_what_is_not_http_gets_json_and_no_traceback": ("MalformedRequest",),
    },
    "integration/test_ca_rollover.py": {
        "test_what_expires_soon_is_said_once_a_day_in_log_event_and_metric": (
            "CertificateExpires",
        ),
        "test_one_rollover_at_a_time_and_none_of_a_foreign_ca": ("CARolloverRefused",),
        "test_the_former_ca_stays_while_devices_need_it_unless_it_is_forced": ("FormerCAInUse",),
    },
    "integration/test_device_quarantine.py": {
        "test_keys_and_certificate_are_closed_until_the_device_is_released": ("KeysRevoked",),
    },
    "integration/test_edge_api_adoption.py": {
        "test_a_namespace_that_is_deleted_takes_no_workload_off_its_devices": ("DeviceLeaving",),
        "test_a_stolen_name_without_the_key_is_not_adopted": ("UnknownDevice",),
    },
    "integration/test_edge_api_remote_joining.py": {
        "test_a_store_that_says_a_fleet_is_to_go_is_held": ("WipesHeld",),
        "test_uses_that_nobody_counts_are_refused": ("RegistrationBatchUnsupported",),
    },
    "integration/test_edge_api_remote_outages.py": {
        "test_answers_that_say_nothing_change_nothing": ("StoreAnswerInvalid",),
        "test_a_store_that_lets_nobody_in_says_whom_to_let_in": ("StoreRefused",),
        "test_devices_keep_running_while_the_store_is_away": ("StoreUnreachable",),
    },
    "integration/test_edge_api_batches.py": {
        "test_a_batch_that_becomes_invalid_admits_nobody": ("RegistrationBatchInvalid",),
        "test_a_certificate_of_no_batch_is_refused": ("RegistrationRevoked",),
        "test_a_one_time_batch_that_two_devices_race_for_admits_one": (
            "RegistrationBatchExhausted",
        ),
        "test_a_request_without_a_key_takes_the_first_that_the_batch_admits": (
            "KeyFingerprintMissing",
        ),
        "test_ids_and_namespaces_are_those_of_the_batch": ("DeviceIDNotAllowed",),
    },
    "integration/test_edge_api_life.py": {
        "test_a_deleted_device_gets_disconnect_and_its_response_is_recorded": (
            "Acknowledged",
            "DeviceDecommissioned",
        ),
    },
    "integration/test_edge_api_memory_backend.py": {
        "test_a_backend_that_fails_says_what_devices_get": ("Starting",),
    },
    "integration/test_edge_api_quotas.py": {
        "test_one_batch_fills_its_own_places_only": ("TooManyPendingRequests",),
    },
    "integration/test_edge_api_quarantine.py": {
        "test_nothing_of_a_quarantined_device_is_accepted_by_either_replica": (
            "DeviceQuarantined",
        ),
    },
    "integration/test_edge_api_reasons.py": {
        "test_a_body_of_another_type_is_refused": ("UnsupportedMediaType",),
        "test_a_certificate_is_refused_by_its_period_and_its_class": (
            "CertificateExpired",
            "CertificateNotAccepted",
            "CertificateNotYetValid",
        ),
        "test_a_message_is_refused_by_what_is_wrong_with_it": (
            "InvalidCertificateRequest",
            "InvalidMessage",
            "NotAcceptable",
            "UnknownDirective",
            "UnknownPath",
        ),
        "test_a_registration_certificate_does_little": (
            "InvalidDeviceId",
            "NamespaceNotAllowed",
            "NotEnrolled",
            "RegistrationOnly",
        ),
        "test_a_registration_is_bound_to_a_key": (
            "AlreadyRegistered",
            "NotApproved",
            "OtherKey",
        ),
    },
    "integration/test_gateway_identity.py": {
        "test_missing_identity_is_reported_and_does_not_end_the_gateway": ("IdentityUnusable",),
        "test_new_control_plane_makes_the_device_join_again_by_itself": ("NotJoined",),
        "test_other_fleet_is_refused_before_anything_is_sent": ("ServerNotTrusted",),
        "test_refused_certificate_is_explained": ("CertificateRefused",),
    },
    "integration/test_gateway_messages.py": {
        "test_disconnect_is_confirmed_only_after_a_worker_cleaned_up": (
            "DeviceRemoved",
            "WorkerUnavailable",
        ),
        "test_outage_is_logged_once_and_ends_by_itself": ("EdgeApiUnreachable",),
        "test_unknown_commands_and_garbage_are_logged_only": ("UnreadableMessage",),
    },
    "integration/test_joining_by_rule.py": {
        "test_a_device_that_keeps_no_key_comes_back_and_its_former_certificate_does_not": (
            "KeyReplaced",
            "LabelsNotAllowed",
        ),
    },
    "integration/test_installation_install.py": {
        "test_pods_that_do_not_start_are_explained": ("CreateContainerConfigError",),
    },
    "integration/test_operator_brake.py": {
        "test_eleven_deletions_wipe_ten_devices_also_across_a_restart": ("WipeHeld",),
    },
    "contract/edge_api/test_life.py": {
        "test_the_recorded_messages_are_answered_as_v02_does": ("KeyNotBound",),
    },
    "integration/test_sync.py": {
        "test_a_fifo_blocks_nothing_and_is_reported": ("EntrySkipped",),
        "test_a_key_that_is_a_directory_on_the_device_is_reported": ("TransferFailed",),
        "test_a_server_of_another_ca_is_not_trusted": ("StorageNotTrusted",),
    },
    "integration/test_sync_confinement.py": {
        "test_where_the_system_does_not_allow_it_files_are_transferred_and_the_log_says_so_once": (
            "TransfersUnconfined",
        ),
    },
    "integration/test_sync_interruptions.py": {
        "test_a_server_that_was_down_is_used_again_by_itself": ("StorageUnreachable",),
    },
    "integration/test_worker_life.py": {
        "test_a_bad_configuration_is_reported_and_the_last_good_one_stays": (
            "ConfigurationRefused",
        ),
    },
    "integration/test_worker_older_configurations.py": {
        "test_it_is_reported_once_that_a_configuration_is_older": ("ConfigurationOlder",),
    },
    "unit/images/test_image_refusals.py": {
        "test_a_base_of_another_architecture": ("WrongArchitecture",),
        "test_a_base_that_changes_while_it_is_copied": ("VerificationFailed",),
        "test_a_base_that_does_not_boot_as_demanded": ("BaseNotBootable",),
        "test_a_base_that_is_missing_or_no_file": ("BaseNotFound",),
        "test_a_base_that_is_no_iso": ("BaseNotISO",),
        "test_a_base_with_another_checksum": ("BaseChecksumMismatch",),
        "test_a_certificate_that_expires_or_fits_nothing_else": (
            "CertificateExpired",
            "CertificateUntrusted",
            "KeyMismatch",
        ),
        "test_a_directory_that_is_read_only_or_missing": ("DestinationUnusable",),
        "test_a_foreign_file_is_replaced_by_force_only": ("DestinationForeign",),
        "test_a_full_disk": ("NoSpace",),
        "test_a_program_that_fails": ("ToolFailed",),
        "test_a_program_that_is_missing": ("ToolMissing",),
        "test_a_truncated_base": ("BaseTruncated",),
        "test_an_iso_of_an_unknown_system": ("BaseUnknown",),
        "test_settings_that_are_larger_than_the_area": ("AreaTooSmall",),
        "test_two_writers_of_one_directory_wait_for_each_other": ("DestinationBusy",),
    },
    "unit/images/test_medium_settings.py": {
        "test_a_wrong_field_is_named_with_its_path": ("InvalidSettings",),
    },
    "unit/modules/test_module_edge_workload.py": {
        "test_waiting_ends_when_every_device_that_is_heard_of_runs_it": ("DevicesSilent",),
    },
    "unit/test_claim_ownership.py": {
        "test_bound_claim_and_its_condition_say_that_the_external_bucket_is_ignored": (
            "ExternalIgnored",
        ),
        "test_claim_is_used_when_its_annotation_has_the_uid_of_the_device": ("ClaimBound",),
        "test_claim_of_somebody_else_is_not_used_and_the_condition_says_what_to_do": (
            "ClaimForeign",
        ),
    },
    "unit/test_disk_reserve.py": {
        "test_the_pull_of_an_image_ends_before_the_reserve": ("DiskReserveReached",),
    },
    "unit/test_edge_api_errors.py": {
        "test_temporary_and_lasting_errors_have_different_statuses": (
            "Conflict",
            "ResourceApiRefused",
            "ResourceApiUnreachable",
        ),
    },
    "unit/test_edge_api_events.py": {
        "test_an_event_without_a_reason_has_one_in_its_place": ("Device",),
    },
    "unit/test_gateway_settings.py": {
        "test_every_status_is_explained_with_the_device": ("RequestRefused",),
    },
    "unit/test_installation_pod_diagnosis.py": {
        "test_pods_that_the_cluster_refuses_are_found": (
            "FailedCreate",
            "ReplicaFailure",
        ),
        "test_the_reason_of_a_pod_is_found": (
            "CrashLoopBackOff",
            "ImagePullBackOff",
            "NotReady",
            "OOMKilled",
            "Pending",
            "Terminated",
            "Unschedulable",
        ),
    },
    "unit/test_message_sizes.py": {
        "test_a_device_whose_heartbeat_is_too_large_reports_without_details": ("ImagePullFailed",),
    },
    "unit/test_operator_decommission_plans.py": {
        "test_timeout_is_reported_in_an_event": ("DecommissionTimeout",),
    },
    "unit/test_operator_devices.py": {
        "test_claim_that_no_provisioner_handles_is_reported": ("ClaimPending",),
    },
    "unit/test_quarantine.py": {
        "test_keys_that_all_devices_share_stay_and_the_claim_says_so": ("KeysShared",),
        "test_the_end_is_an_event_and_the_condition_goes": ("Released",),
        "test_the_keys_of_a_claim_are_said_to_be_closed_only_when_they_are": (
            "ForeignKeys",
            "Refused",
            "RevokingKeys",
        ),
        "test_the_operator_says_it_once_as_an_event_and_as_a_condition_while_it_lasts": (
            "Quarantined",
        ),
    },
    "unit/test_rate_limits.py": {
        "test_a_flood_of_enrolments_is_refused": ("TooManyEnrolments",),
    },
    "unit/test_request_decision_plans.py": {
        "test_a_withheld_approval_says_why_and_what_to_do": ("ApprovalWithheld",),
        "test_the_rule_of_a_batch_approves_and_its_evidence_is_kept": ("Approved",),
    },
    "unit/test_reasons_of_controllers.py": {
        "test_a_bucket_with_the_administrators_key_is_a_warning": ("SharedKeys",),
        "test_a_claim_is_not_provisioned_or_not_released": (
            "ProvisioningFailed",
            "ReleaseFailed",
        ),
        "test_a_claim_that_remains_is_reported": ("ClaimRemains",),
        "test_a_configuration_that_keeps_what_runs_is_released": (
            "ConfigurationWithheld",
            "Released",
        ),
        "test_a_device_that_reports_and_one_that_is_silent": (
            "Degraded",
            "HeartbeatMissed",
            "HeartbeatReceived",
        ),
        "test_a_request_that_nobody_approves_expires": ("Expired",),
        "test_a_request_waits_and_is_declined_approved_or_refused": (
            "CreationRefused",
            "Declined",
            "DeviceCreated",
            "WaitingForApproval",
        ),
        "test_a_workload_is_judged_by_its_selector_and_its_fields": (
            "NoLabel",
            "SecretsBySelfReportedLabels",
            "SelectorUnusable",
            "UnsupportedField",
            "Valid",
        ),
        "test_a_workload_is_ready_where_it_runs": (
            "Failed",
            "NoDevice",
            "Progressing",
            "Running",
        ),
        "test_problems_of_a_configuration_until_they_are_solved": (
            "Complete",
            "Misconfiguration",
        ),
        "test_settings_are_judged": (
            "InSet",
            "SetMissing",
            "StorageContradiction",
        ),
    },
    "unit/test_gateway_trust.py": {
        "test_what_is_not_the_fleets_cas_is_not_taken_over": ("CABundleRefused",),
    },
    "unit/test_reasons_of_devices.py": {
        "test_a_bug_and_a_late_upload_of_the_synchronisation_have_codes": (
            "SyncFailed",
            "TransferUnfinished",
        ),
        "test_a_damaged_key_is_replaced": ("KeyDamaged",),
        "test_a_failed_start_is_named_after_its_cause": (
            "ContainerStartFailed",
            "PodStartFailed",
        ),
        "test_a_heartbeat_that_is_refused_is_not_the_gateways_failure": ("HeartbeatRefused",),
        "test_a_registration_without_a_certificate_is_an_invalid_response": ("InvalidResponse",),
        "test_a_time_that_cannot_be_stored_is_no_obstacle": (
            "ClockDiffers",
            "NotStored",
        ),
        "test_certificates_that_cannot_be_removed_are_named": ("IdentityRemains",),
        "test_no_response_means_that_the_gateway_is_unavailable": ("GatewayUnavailable",),
        "test_state_that_cannot_be_read_or_written_is_named": (
            "StateNotStored",
            "StateUnreadable",
        ),
        "test_what_a_storage_server_says_has_a_code": (
            "BucketNotFound",
            "ClockWrong",
            "StorageCredentialsRefused",
            "StorageRefused",
        ),
        "test_what_execution_cannot_do_and_what_it_does": (
            "ImageNeverPull",
            "Stopping",
            "SystemdFailure",
        ),
        "test_what_happens_unexpectedly_to_one_workload_is_reported": (
            "DiskFailure",
            "InternalError",
        ),
        "test_what_is_not_a_listing_has_a_code": ("InvalidListing",),
    },
    "unit/test_sync_bounds.py": {
        "test_files_of_a_file_system_that_is_not_mounted_are_left_alone": ("FileSystemNotMounted",),
        "test_more_files_than_are_compared_are_left_out_and_named": ("TooManyFiles",),
    },
    "unit/test_sync_state_db.py": {
        "test_a_read_only_disk_keeps_the_state_in_memory": ("SyncStateUnavailable",),
    },
    "unit/test_sync_file_service.py": {
        "test_what_is_not_part_of_the_job_is_refused_and_ends_the_service": ("FileRequestRefused",),
    },
    "unit/test_worker_evictions.py": {
        "test_a_pod_that_takes_too_much_is_stopped_and_starts_again_empty": ("Evicted",),
    },
    "unit/test_worker_manifest.py": {
        "test_a_name_that_must_not_be_in_a_path_is_refused": ("InvalidName",),
        "test_what_cannot_work_is_refused_with_a_reason": (
            "ConfigMapNotFound",
            "InvalidConfigMap",
            "InvalidSecret",
            "InvalidSpecification",
            "SecretNotFound",
        ),
    },
    "unit/test_worker_pod_process.py": {
        "test_a_container_that_may_be_root_is_not_started": ("CreateContainerConfigError",),
        "test_the_cause_of_a_failed_start_has_a_reason": (
            "InitContainerFailed",
            "PostStartHookFailed",
        ),
        "test_the_status_names_the_init_container_that_runs": ("Initializing",),
    },
    "unit/test_worker_steps.py": {
        "test_the_state_says_what_the_user_needs": (
            "Completed",
            "ContainerFailed",
            "ContainerRestarted",
            "ContainersNotReady",
            "Unhealthy",
            "HostPortInUse",
            "Pulling",
        ),
    },
    "unit/test_worker_workloads.py": {
        "test_a_wipe_that_leaves_a_pod_is_an_error": ("RemovalIncomplete",),
        "test_storage_that_cannot_be_used_is_an_event": ("InvalidStorage",),
        "test_what_is_wrong_with_a_pod_hides_what_is_wrong_with_its_files": ("DataSyncFailed",),
    },
}
# What no test can provoke here, and why.
NOT_PROVOKED: dict[str, str] = {}
