"""Ways to break an overlay, each with what has to be said of it: the proof that the checks can fail."""

from collections.abc import Callable

from overlay import NAMES, Overlay

Fault = tuple[Callable[[Overlay], object], str]
FAULTS: dict[str, list[Fault]] = {name: [] for name in NAMES}


def of(name: str) -> list[Fault]:
    return FAULTS[name]


def said(expected: str, *overlays: str):
    """Registers the function as a fault of these overlays, or of both."""

    def register(function: Callable[[Overlay], object]):
        for name in overlays or NAMES:
            FAULTS[name].append((function, expected))
        return function

    return register


def the(one: Overlay, kind: str, name: str = "spindrift") -> dict:
    found = one.find(kind, name)
    assert found, f"there is no {kind} {name} to break"
    return found


# Schemas.


@said("minReplica")
def a_field_is_misspelt(one):
    spec = the(one, "HorizontalPodAutoscaler")["spec"]
    spec["minReplica"] = spec.pop("minReplicas")


@said("maxUnavailable")
def a_field_has_the_wrong_type(one):
    the(one, "PodDisruptionBudget")["spec"]["maxUnavailable"] = [1]


@said("there is no autoscaling/v2beta2")
def a_version_is_no_longer_served(one):
    the(one, "HorizontalPodAutoscaler")["apiVersion"] = "autoscaling/v2beta2"


@said("livenes", "spinapp")
def a_field_of_the_spin_app_is_misspelt(one):
    checks = the(one, "SpinApp")["spec"]["checks"]
    checks["livenes"] = checks.pop("liveness")


@said("spec.replicas: '3' is not of type 'integer'", "spinapp")
def a_field_of_the_spin_app_has_the_wrong_type(one):
    the(one, "SpinApp")["spec"]["replicas"] = "3"


@said("'createDeployment' is a required property", "spinapp")
def a_field_of_the_executor_is_missing(one):
    del the(one, "SpinAppExecutor")["spec"]["createDeployment"]


# Selectors and ports.


@said("selects")
def a_service_selects_other_pods(one):
    the(one, "Service", "spindrift-peers")["spec"]["selector"] = {"app": "spindrift"}


@said("selects")
def the_policy_is_for_every_pod(one):
    the(one, "NetworkPolicy")["spec"]["podSelector"] = {}


@said("selects", "spinapp")
def the_spin_app_has_no_labels_for_its_pods(one):
    the(one, "SpinApp")["spec"]["podLabels"] = {}


@said("Service spindrift leads to port http,", "deployment")
def a_service_leads_to_a_port_without_that_name(one):
    the(one, "Service")["spec"]["ports"][0]["targetPort"] = "http"


@said("no headless Service")
def the_peers_service_leads_to_another_port(one):
    the(one, "Service", "spindrift-peers")["spec"]["ports"][0]["targetPort"] = 7001


@said("no headless Service")
def the_peers_service_hides_pods_that_are_not_ready(one):
    the(one, "Service", "spindrift-peers")["spec"]["publishNotReadyAddresses"] = False


@said("no Service leads clients", "deployment")
def clients_are_led_to_pods_that_are_not_ready(one):
    the(one, "Service")["spec"]["publishNotReadyAddresses"] = True


@said("there are two Services named spindrift", "spinapp")
def a_service_has_the_name_of_the_operators(one):
    one.objects.append({**the(one, "Service", "spindrift-peers"), "metadata": {"name": "spindrift"}})


@said("the process listens on 0.0.0.0:3000", "deployment")
def the_pod_has_another_port_than_the_image(one):
    one.container()["ports"][0]["containerPort"] = 8080


@said("the port for operators is", "deployment")
def the_port_for_operators_is_another(one):
    one.container()["ports"][2]["containerPort"] = 9000


@said("reach the peers' port")
def the_policy_lets_anyone_reach_the_peers(one):
    del the(one, "NetworkPolicy")["spec"]["ingress"][1]["from"]


@said("and not anyone")
def the_policy_keeps_clients_out(one):
    ingress = the(one, "NetworkPolicy")["spec"]["ingress"]
    ingress[0]["from"] = ingress[1]["from"]


@said("opens port 3001", "deployment")
def the_policy_opens_the_port_for_operators(one):
    the(one, "NetworkPolicy")["spec"]["ingress"][0]["ports"].append({"port": "admin"})


@said("opens every port")
def the_policy_opens_all_ports(one):
    the(one, "NetworkPolicy")["spec"]["ingress"].append({})


# Rights and secrets.


@said("the Role does not allow ('', 'pods', 'watch')")
def the_role_allows_too_little(one):
    the(one, "Role")["rules"][0]["verbs"].remove("watch")


@said("the Role allows ('', 'secrets', 'get')")
def the_role_allows_too_much(one):
    the(one, "Role")["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})


@said("the Role allows to update the leases of any name")
def the_role_allows_every_lease(one):
    for rule in the(one, "Role")["rules"]:
        rule.pop("resourceNames", None)


@said("the RoleBinding is for")
def the_binding_is_for_another_account(one):
    the(one, "RoleBinding")["subjects"][0]["name"] = "default"


@said("the pods run as the service account default", "spinapp")
def the_spin_app_has_no_account(one):
    del the(one, "SpinApp")["spec"]["serviceAccountName"]


@said("have no token of the service account")
def the_account_has_no_token(one):
    the(one, "ServiceAccount")["automountServiceAccountToken"] = False


@said("of which the first object has to be the one")
def an_object_is_in_another_namespace(one):
    the(one, "NetworkPolicy")["metadata"]["namespace"] = "default"


@said("is in the manifests")
def a_secret_is_committed(one):
    the(one, "Secret", "spindrift-cluster-token")["stringData"] = {"token": "0123456789abcdef"}


@said("nothing makes the Secret")
def nothing_makes_the_secret(one):
    the(one, "Secret", "spindrift-cluster-token")["type"] = "Opaque"


@said("would be deleted")
def the_secret_comes_before_its_account(one):
    secret = the(one, "Secret", "spindrift-cluster-token")
    one.objects.remove(secret)
    one.objects.insert(1, secret)


@said("which has rights")
def the_secret_is_of_an_account_with_rights(one):
    annotations = the(one, "Secret", "spindrift-cluster-token")["metadata"]["annotations"]
    annotations["kubernetes.io/service-account.name"] = "spindrift"


@said("without naming its key", "deployment")
def the_pods_do_not_wait_for_the_secret(one):
    del one.pod()["volumes"][0]["secret"]["items"]


@said("the host looks for it in", "deployment")
def the_token_is_mounted_elsewhere(one):
    one.container()["volumeMounts"][0]["mountPath"] = "/etc/other"


@said("the host looks for it in", "spinapp")
def the_spin_app_looks_for_the_token_elsewhere(one):
    the(one, "SpinApp")["spec"]["runtimeConfig"]["keyValueStores"][0]["options"][0]["value"] = "/etc/other/token"


# Pods.


@said("and this is version", "deployment")
def the_image_is_of_another_version(one):
    one.container()["image"] = "spindrift:latest"


@said("and this is version", "spinapp")
def the_executor_has_an_image_of_another_version(one):
    the(one, "SpinAppExecutor")["spec"]["deploymentConfig"]["spinImage"] = "spindrift"


@said("entry point", "deployment")
def the_pods_have_a_command_of_their_own(one):
    one.container()["command"] = ["/bin/sh"]


@said("the namespace enforces baseline and not restricted", "deployment")
def the_namespace_is_open(one):
    the(one, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "baseline"


@said("the namespace enforces restricted and not baseline", "spinapp")
def the_namespace_refuses_the_operators_pods(one):
    the(one, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"


@said("restricted: runAsNonRoot", "deployment")
def the_pod_may_be_root(one):
    del one.pod()["securityContext"]["runAsNonRoot"]


@said("restricted: allowPrivilegeEscalation", "deployment")
def the_process_may_gain_rights(one):
    del one.container()["securityContext"]["allowPrivilegeEscalation"]


@said("restricted: not all capabilities", "deployment")
def the_process_keeps_a_capability(one):
    one.container()["securityContext"]["capabilities"]["drop"] = ["NET_RAW"]


@said("restricted: seccomp", "deployment")
def seccomp_is_left_to_the_node(one):
    del one.pod()["securityContext"]["seccompProfile"]


@said("restricted: it has volumes", "deployment")
def a_folder_of_the_node_is_mounted(one):
    one.pod()["volumes"].append({"name": "node", "hostPath": {"path": "/"}})


@said("the root file system can be written to", "deployment")
def the_root_file_system_is_writable(one):
    one.container()["securityContext"]["readOnlyRootFilesystem"] = False


@said("without --delete-emptydir-data", "deployment")
def the_pods_have_a_folder_on_the_machine(one):
    one.pod()["volumes"].append({"name": "cache", "emptyDir": {}})


@said("compiled ahead of time", "deployment")
def the_components_are_compiled_at_each_start(one):
    one.container()["env"].append({"name": "SPINDRIFT_COMPILED_DIR", "value": "/app/nothing"})


@said("the startupProbe asks", "deployment")
def the_pods_are_probed_before_they_are_ready(one):
    del one.container()["startupProbe"]


@said("the startupProbe waits for 20 s", "deployment")
def the_startup_probe_gives_up_while_its_answer_is_held(one):
    one.container()["startupProbe"]["timeoutSeconds"] = 20


@said("the first probe of readiness comes before", "spinapp")
def the_spin_app_is_probed_before_it_is_ready(one):
    the(one, "SpinApp")["spec"]["checks"]["readiness"]["initialDelaySeconds"] = 1


@said("and the image is made for", "deployment")
def the_user_is_not_the_images(one):
    one.pod()["securityContext"]["runAsUser"] = 1000


@said("the token cannot be read", "deployment")
def the_volumes_are_of_another_group(one):
    del one.pod()["securityContext"]["fsGroup"]


@said("the readinessProbe asks", "deployment")
def the_readiness_probe_asks_for_liveness(one):
    one.container()["readinessProbe"]["httpGet"]["path"] = "/.well-known/spindrift/live"


@said("the livenessProbe asks", "deployment")
def the_liveness_probe_asks_the_peers_port(one):
    one.container()["livenessProbe"]["httpGet"]["port"] = "peer"


@said("the readinessProbe asks", "spinapp")
def the_spin_app_is_not_probed(one):
    del the(one, "SpinApp")["spec"]["checks"]["readiness"]


@said("may need 48 to end", "deployment")
def the_pod_is_killed_too_soon(one):
    del one.pod()["terminationGracePeriodSeconds"]


@said("may need 48 to end", "spinapp")
def the_image_takes_longer_to_stop_than_the_operators_pods_have(one):
    one.image.instructions.append(("ENV", "SPINDRIFT_SHUTDOWN_TIMEOUT=30s"))


@said("the host knows no variable SPINDRIFT_REPLICATE", "deployment")
def a_variable_is_misspelt(one):
    one.container()["env"][0]["name"] = "SPINDRIFT_REPLICATE"


# Scaling.


@said("keeps 2 to 10 pods")
def the_autoscaler_keeps_too_few(one):
    the(one, "HorizontalPodAutoscaler")["spec"]["minReplicas"] = 2


@said("scales {'apiVersion'")
def the_autoscaler_scales_another(one):
    the(one, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] = "other"


@said("scaling down is not slow")
def the_autoscaler_removes_many(one):
    the(one, "HorizontalPodAutoscaler")["spec"]["behavior"]["scaleDown"]["policies"][0]["value"] = 4


@said("scaling down is not slow")
def the_autoscaler_removes_at_once(one):
    del the(one, "HorizontalPodAutoscaler")["spec"]["behavior"]["scaleDown"]


@said("has a number of replicas", "deployment")
def the_deployment_has_a_number_of_replicas(one):
    one.deployment()["spec"]["replicas"] = 3


@said("has a number of replicas", "spinapp")
def the_spin_app_does_not_leave_its_replicas_alone(one):
    the(one, "SpinApp")["spec"] |= {"enableAutoscaling": False, "replicas": 3}


@said("the pods lack requests", "deployment")
def the_pods_ask_for_no_cpu(one):
    del one.container()["resources"]["requests"]["cpu"]


@said("the pods lack limits", "spinapp")
def the_spin_app_has_no_limits(one):
    del the(one, "SpinApp")["spec"]["resources"]["limits"]


@said("does not hold to one pod")
def the_budget_lets_two_go(one):
    the(one, "PodDisruptionBudget")["spec"]["maxUnavailable"] = 2


@said("instead of a new pod first", "deployment")
def a_pod_goes_before_its_successor_is_there(one):
    one.deployment()["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = 1


@said("are not spread over {'topology.kubernetes.io/zone'}", "deployment")
def the_pods_may_be_in_one_zone(one):
    del one.pod()["topologySpreadConstraints"][0]


# Applying and deleting.


@said("is 'configured' at every `kubectl apply`")
def the_policy_leaves_out_what_is_filled_in(one):
    del the(one, "NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["protocol"]


@said("is 'configured' at every `kubectl apply`", "spinapp")
def the_spin_app_leaves_out_what_is_filled_in(one):
    option = the(one, "SpinApp")["spec"]["runtimeConfig"]["keyValueStores"][0]["options"][0]
    option["valueFrom"] = {"secretKeyRef": {"key": "token"}}


@said("would stay when the namespace is deleted")
def an_object_is_in_no_namespace(one):
    one.objects.append({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}})


@said("is not there before the SpinApp", "spinapp")
def the_spin_app_comes_before_its_executor(one):
    one.objects.sort(key=lambda each: each["kind"] == "SpinAppExecutor")
