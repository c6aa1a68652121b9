"""What SpinKube's operator, that of the definitions in `crds/`, makes of a SpinApp whose executor has a `spinImage`: a
Deployment, a Service, and a runtime configuration. There is no operator where the tests run, and it is the pods that matter.
"""

PORT = 80
PORT_NAME = "http-app"
RUNTIME_CONFIG = "/runtime-config.toml"


def objects(app: dict, executor: dict) -> list[dict]:
    return [deployment(app, executor), service(app)]


def labels(app: dict) -> dict[str, str]:
    name = app["metadata"]["name"]
    return {"core.spinkube.dev/app-name": name, f"core.spinkube.dev/app.{name}.status": "ready"}


def arguments(app: dict) -> list[str]:
    """Of the image's entry point."""
    spec = app["spec"]
    listen = ["up", "--listen", f"0.0.0.0:{PORT}", "-f", spec["image"], "--runtime-config-file", RUNTIME_CONFIG]
    return listen + [word for component in spec.get("components", []) for word in ("--component-id", component)]


def runtime_config(app: dict) -> str:
    """The text of the runtime configuration. All values are strings."""
    lines = ["[[config_provider]]", "type = 'env'", "prefix = 'SPIN_VARIABLE_'", ""]
    for store in app["spec"]["runtimeConfig"]["keyValueStores"]:
        lines += [f"[key_value_store.{store['name']}]", f"type = '{store['type']}'"]
        lines += [f"{option['name']} = '{option['value']}'" for option in store.get("options", [])]
    return "\n".join(lines) + "\n"


def deployment(app: dict, executor: dict) -> dict:
    spec, name = app["spec"], app["metadata"]["name"]
    replicas = {} if spec.get("enableAutoscaling") else {"replicas": spec["replicas"]}
    config = {"name": "spin-runtime-config", "mountPath": RUNTIME_CONFIG, "subPath": "runtime-config.toml", "readOnly": True}
    container = {
        "name": name,
        "image": executor["spec"]["deploymentConfig"]["spinImage"],
        "args": arguments(app),
        "ports": [{"name": PORT_NAME, "containerPort": PORT}],
        "env": [{"name": "SPIN_HTTP_LISTEN_ADDR", "value": f"0.0.0.0:{PORT}"}],
        "resources": spec.get("resources", {}),
        "volumeMounts": [config, *spec.get("volumeMounts", [])],
    }
    for kind, check in spec.get("checks", {}).items():
        get = check["httpGet"] | {"port": PORT}
        container[f"{kind}Probe"] = check | {"httpGet": get}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": app["metadata"] | {"labels": {"core.spinkube.dev/app-name": name}},
        "spec": replicas
        | {
            "selector": {"matchLabels": labels(app)},
            "template": {
                "metadata": {"labels": spec.get("podLabels", {}) | labels(app)},
                "spec": {
                    "serviceAccountName": spec.get("serviceAccountName", "default"),
                    "containers": [container],
                    "volumes": [
                        {"name": config["name"], "secret": {"secretName": f"{name}-runtime-config", "optional": True}},
                        *spec.get("volumes", []),
                    ],
                },
            },
        },
    }


def service(app: dict) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": app["metadata"] | {"labels": {"core.spinkube.dev/app-name": app["metadata"]["name"]}},
        "spec": {
            "selector": {key: value for key, value in labels(app).items() if key.endswith(".status")},
            "ports": [{"port": PORT, "protocol": "TCP", "targetPort": PORT_NAME}],
        },
    }
