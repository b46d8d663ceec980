"""Which test of this folder shows that a field of a pod works: rows of the table, by path.

`tests/unit/test_pod_field_proofs.py` checks that no row that is not refused is missing here, and
that each test exists; those of fields that work with podman 4.3 belong to `make test`.
"""

from __future__ import annotations

PROVED_BY: dict[str, dict[str, tuple[str, ...]]] = {
    "test_fields_as_given.py": {
        "test_names_may_have_dots_and_63_characters": ("volumes[].name",),
        "test_what_a_device_has_no_use_for_changes_nothing": (
            "enableServiceLinks",
            "os.name",
            "tolerations[].{effect,key,operator,tolerationSeconds,value}",
            "securityContext.appArmorProfile.type",
            "containers[].securityContext.appArmorProfile.type",
        ),
        "test_values_reach_the_environment_as_given": (
            "containers[].env[].{name,value}",
            "containers[].env[].valueFrom.{configMapKeyRef,secretKeyRef}.{name,key,optional}",
            "containers[].env[].valueFrom.fieldRef.apiVersion",
            "containers[].envFrom[].prefix",
            "containers[].envFrom[].{configMapRef,secretRef}.{name,optional}",
        ),
        "test_files_of_config_maps_and_secrets_have_their_content": (
            "volumes[].configMap.name",
            "volumes[].secret.secretName",
            "volumes[].{configMap,secret}.{items[].key,items[].path,optional}",
        ),
        "test_ports_are_published_where_the_pod_says": (
            "containers[].ports[].{containerPort,hostIP,hostPort,protocol}",
        ),
        "test_the_pod_has_the_names_that_it_asks_for": (
            "hostname",
            "hostAliases[].{ip,hostnames}",
            "dnsConfig.nameservers",
            "dnsConfig.{searches,options[].name,options[].value}",
            "dnsPolicy",
        ),
        "test_containers_see_each_others_processes_if_they_are_to": ("shareProcessNamespace",),
        "test_the_working_directory_and_the_terminal": (
            "containers[].{name,image,workingDir,tty}",
        ),
        "test_host_paths_are_created_where_the_type_says_so": (
            "volumes[].hostPath.path",
            "containers[].volumeMounts[].mountPath",
            "containers[].volumeMounts[].{name,readOnly}",
        ),
        "test_a_mount_on_the_device_reaches_the_container": (
            "containers[].volumeMounts[].mountPropagation",
        ),
        "test_users_and_groups_are_those_of_the_security_context": (
            "securityContext.supplementalGroups",
            "securityContext.supplementalGroupsPolicy",
            "containers[].securityContext.{runAsGroup,runAsUser}",
        ),
        "test_a_container_has_only_the_privileges_that_it_is_given": (
            "containers[].securityContext.{allowPrivilegeEscalation,privileged}",
            "containers[].securityContext.readOnlyRootFilesystem",
            "containers[].securityContext.capabilities.{add,drop}",
        ),
        "test_limits_are_in_force": (
            "containers[].resources.limits",
            "containers[].resources.requests",
        ),
        "test_an_image_that_is_missing_is_named": ("containers[].imagePullPolicy",),
        "test_namespaces_of_the_device_and_sysctls": (
            "hostPID",
            "hostIPC",
            "securityContext.sysctls",
            "securityContext.sysctls[].{name,value}",
            "containers[].securityContext.procMount",
        ),
        "test_a_pod_whose_containers_end_says_how": ("restartPolicy",),
    },
    "test_volume_options.py": {
        "test_a_claim_may_be_read_only": ("volumes[].persistentVolumeClaim.readOnly",),
        "test_files_tell_limits_and_requests_of_a_container": (
            "volumes[].{downwardAPI,projected.sources[].downwardAPI}.items[].resourceFieldRef."
            "{containerName,divisor}",
            "volumes[].{downwardAPI,projected.sources[].downwardAPI}.items[].resourceFieldRef."
            "resource",
        ),
        "test_files_of_projected_volumes_have_their_own_modes": (
            "volumes[].projected.sources[].{configMap,secret,downwardAPI}.items[].mode",
        ),
        "test_a_path_on_the_device_that_is_of_another_type_is_named": ("volumes[].hostPath.type",),
        "test_an_image_may_be_a_volume": (
            "volumes[].image",
            "volumes[].image.{reference,pullPolicy}",
        ),
    },
    "test_probes.py": {
        "test_a_pod_is_not_ready_before_its_probes_pass_and_says_which": (
            "containers[].{livenessProbe,readinessProbe,startupProbe}.exec.command",
            "containers[].{livenessProbe,readinessProbe,startupProbe}.tcpSocket.{host,port}",
            "containers[].readinessProbe.successThreshold",
        ),
        "test_a_liveness_probe_restarts_its_container_alone": ("containers[].ports[].name",),
        "test_a_worker_that_restarts_leaves_healthy_containers_alone_and_probes_again": (
            "containers[].{livenessProbe,readinessProbe,startupProbe}.{initialDelaySeconds,"
            "periodSeconds,timeoutSeconds,failureThreshold}",
        ),
        "test_a_probe_may_have_a_grace_period_of_its_own": (
            "containers[].{livenessProbe,startupProbe}.terminationGracePeriodSeconds",
        ),
        "test_a_request_is_made_as_the_probe_says": (
            "containers[].{livenessProbe,readinessProbe,startupProbe}.httpGet.{host,"
            "httpHeaders[].name,httpHeaders[].value,path,port}",
            "containers[].{livenessProbe,readinessProbe,startupProbe}.httpGet.scheme",
        ),
        "test_a_pod_on_the_network_of_the_host_is_probed_there_by_grpc_too": (
            "hostNetwork",
            "containers[].{livenessProbe,readinessProbe,startupProbe}.grpc.{port,service}",
        ),
    },
    "test_process.py": {
        "test_variables_refer_to_others_and_commands_to_variables": (
            "containers[].{command,args}",
        ),
        "test_a_pod_is_told_about_itself_and_its_device": (
            "containers[].env[].valueFrom.fieldRef.fieldPath",
            "containers[].env[].valueFrom.resourceFieldRef.{containerName,divisor}",
            "containers[].env[].valueFrom.resourceFieldRef.resource",
        ),
        "test_the_hook_has_run_when_the_unit_is_started": (
            "containers[].lifecycle.{postStart,preStop}.exec.command",
        ),
        "test_a_restart_runs_the_hooks_without_the_worker_and_finds_an_address": (
            "terminationGracePeriodSeconds",
        ),
        "test_hooks_may_ask_a_server": (
            "containers[].lifecycle.{postStart,preStop}.httpGet.{host,httpHeaders[].name,"
            "httpHeaders[].value,path,port}",
            "containers[].lifecycle.{postStart,preStop}.httpGet.scheme",
        ),
        "test_hooks_may_wait": ("containers[].lifecycle.{postStart,preStop}.sleep.seconds",),
        "test_an_image_of_root_does_not_run_where_it_must_not": (
            "securityContext.runAsNonRoot",
            "containers[].securityContext.runAsNonRoot",
        ),
    },
    "test_pull_secrets.py": {
        "test_the_credentials_of_the_pod_are_used": ("imagePullSecrets[].name",),
    },
    "test_refused_fields.py": {
        "test_each_container_has_its_seccomp_profile": (
            "securityContext.seccompProfile.type",
            "securityContext.seccompProfile.localhostProfile",
            "containers[].securityContext.seccompProfile.type",
            "containers[].securityContext.seccompProfile.localhostProfile",
        ),
        "test_users_of_the_pod_are_those_of_containers_without_their_own": (
            "securityContext.{runAsUser,runAsGroup}",
        ),
    },
    "test_volumes.py": {
        "test_an_empty_dir_is_of_one_pod_and_of_all_its_containers": ("volumes[].emptyDir.medium",),
        "test_memory_is_a_tmpfs_of_its_limit_that_containers_share": (
            "volumes[].emptyDir.sizeLimit",
        ),
        "test_a_claim_is_shared_by_the_pods_that_name_it": (
            "volumes[].persistentVolumeClaim.claimName",
        ),
        "test_modes_are_those_of_the_specification": (
            "volumes[].{configMap,secret,projected,downwardAPI}.defaultMode",
            "volumes[].{configMap,secret,downwardAPI}.items[].mode",
        ),
        "test_projected_volumes_have_the_files_of_all_sources": (
            "volumes[].projected.sources[].{configMap,secret}.{items[].key,items[].path,name,"
            "optional}",
            "volumes[].{downwardAPI,projected.sources[].downwardAPI}.items[].path",
            "volumes[].{downwardAPI,projected.sources[].downwardAPI}.items[].fieldRef.fieldPath",
            "volumes[].{downwardAPI,projected.sources[].downwardAPI}.items[].fieldRef.apiVersion",
        ),
        "test_a_sub_path_is_that_path_alone": (
            "containers[].volumeMounts[].{subPath,subPathExpr}",
        ),
        "test_every_volume_belongs_to_the_group": ("securityContext.fsGroup",),
        "test_a_restart_without_the_worker_keeps_and_prepares_everything": (
            "securityContext.fsGroupChangePolicy",
        ),
    },
}

NO_SELINUX = "the devices have no SELinux"
# Rows without a test on a device, and why.
NOT_PROVED: dict[str, str] = {
    "containers[].{livenessProbe,startupProbe}.successThreshold": "one value",
    "securityContext.seLinuxOptions.{level,role,type,user}": NO_SELINUX,
    "containers[].securityContext.seLinuxOptions.{level,role,type,user}": NO_SELINUX,
}
