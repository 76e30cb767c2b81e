"""What needs no cluster."""
import copy
import json
import re
from pathlib import Path

import yaml

from values import described

from .common import CHART, CI, CRDS, DEPLOY, ROOT, built, check, documents, one, pods, run, same, template
from .refused import REFUSED


@check()
def what_is_made_from_the_sources_is_up_to_date():
    run("charts/generate.sh", "--check")


@check()
def helm_lints_every_set_of_values():
    run("helm", "lint", "--strict", CRDS)
    for values in CI:
        run("helm", "lint", "--strict", CHART, "-f", values)


@check()
def packaged_charts_render_the_same():
    for chart in (CHART, CRDS):
        folder = Path(run("mktemp", "-d").stdout.strip())
        run("helm", "package", chart, "-d", folder)
        (archive,) = folder.glob("*.tgz")
        same(template(chart=archive), template(chart=chart), archive.name)
        run("rm", "-r", folder)


@check()
def crds_of_the_chart_are_those_of_the_crate():
    made = {document["metadata"]["name"]: document for path in (ROOT / "crds/manifests").glob("*.yaml") for document in documents(path.read_text())}
    same(set(made), {f"{kind}.ringway.dev" for kind in ("mcpbackends", "mcproutes", "toolpolicies", "restbridges")}, "kinds")
    for values, annotations in [
        ({}, {"helm.sh/resource-policy": "keep"}),
        ({"keep": False}, {}),
        ({"annotations": {"a": "$1 ${2}", "b": "x"}}, {"helm.sh/resource-policy": "keep", "a": "$1 ${2}", "b": "x"}),
    ]:
        rendered = {document["metadata"]["name"]: document for document in template(chart=CRDS, values={"aggregatedRoles": False, **values})}
        for name, document in made.items():
            want = copy.deepcopy(document)
            if annotations:
                want["metadata"].setdefault("annotations", {}).update(annotations)
            same(rendered.pop(name), want, name)
        same(rendered, {}, "more in the chart")


@check()
def who_may_edit_a_namespace_may_edit_our_kinds_but_no_status():
    roles = {item["metadata"]["name"]: item for item in template(chart=CRDS) if item["kind"] == "ClusterRole"}
    same(set(roles), {"ringway.dev-view", "ringway.dev-edit"}, "roles")
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in roles["ringway.dev-edit"]["metadata"]["labels"]
    for role in roles.values():
        (rule,) = role["rules"]
        same(rule["resources"], ["mcpbackends", "mcproutes", "toolpolicies", "restbridges"], role["metadata"]["name"])


@check()
def values_that_cannot_be_meant_are_refused():
    for values, words in REFUSED:
        done = run("helm", "template", "ringway", CHART, "-n", "ringway-system", "-f", "-", stdin=yaml.safe_dump(values), ok=False)
        assert done.returncode != 0, f"taken: {values}"
        assert words in done.stderr.replace("'", ""), f"{values}: the message does not say {words}:\n{done.stderr}"
    done = run("helm", "template", "x", CRDS, "--set", "annotations.helm\\.sh/resource-policy=delete", ok=False)
    assert done.returncode != 0, "the policy of CRDs can be set past `keep`"


@check()
def a_parent_chart_may_say_enabled_and_global():
    template(values={"enabled": True, "global": {"storageClass": "x", "imageRegistry": ""}})
    template(values={"enabled": True, "global": {"storageClass": "x"}}, chart=CRDS)


@check()
def every_value_is_described_alike_in_values_and_schema():
    for chart, least in ((CHART, 100), (CRDS, 3)):
        described_alike(chart, least)


def described_alike(chart, least):
    texts, schema, walked = described(chart), json.loads((chart / "values.schema.json").read_text()), set()

    def walk(values, schema, path):
        if schema.get("description") is not None or path in texts:
            same(schema.get("description"), texts.get(path), path)
        if isinstance(values, dict) and "properties" in schema:
            own = set(schema["properties"]) - ({"enabled", "global"} - set(values) if not path else set())
            same(own, set(values), f"keys of {path or 'values'}")
            assert schema["additionalProperties"] is (path == "global"), f"{path} takes unknown keys"
            for key, value in values.items():
                walk(value, schema["properties"][key], f"{path}.{key}" if path else key)
        else:
            assert path in texts or any(part in path for part in ("image", "serviceAccount", "podDisruptionBudget")), f"{path} is not described"
            walked.add(path)

    walk(yaml.safe_load((chart / "values.yaml").read_text()), schema, "")
    assert len(walked) >= least, f"only {len(walked)} values seen"


@check()
def versions_agree():
    version = re.search(r'(?m)^version = "(.+)"', (ROOT / "Cargo.toml").read_text())[1]
    for chart in (CHART, CRDS):
        meta = yaml.safe_load((chart / "Chart.yaml").read_text())
        same((meta["appVersion"], meta["kubeVersion"]), (version, ">=1.34.0-0"), chart.name)
    dockerfile = (ROOT / "Dockerfile").read_text()
    toolchain = re.search(r'channel = "(.+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
    assert f"ARG VERSION={version}\n" in dockerfile and f"ARG RUST=rust:{toolchain}-alpine" in dockerfile, "Dockerfile: versions"
    # The build sees the whole workspace, or Cargo refuses it.
    members = re.search(r"(?s)members = \[(.+?)\]", (ROOT / "Cargo.toml").read_text())[1]
    seen = (ROOT / ".dockerignore").read_text().split()
    for member in re.findall(r'"(.+?)"', members):
        assert "!" + member.split("/")[0] in seen, f".dockerignore hides {member}"
    for path in DEPLOY.rglob("*.yaml"):
        for image in re.findall(r"image: \"?(ringway/\S+?)\"?$", path.read_text(), re.M):
            same(image.split(":")[1], version, f"{path}: {image}")


@check()
def pods_are_restricted_and_without_needless_rights():
    for values in CI:
        for pod, where in pods(template("-f", values)):
            where = f"{values.name}: {where}"
            context = pod["securityContext"]
            assert context["runAsNonRoot"] is True and context["seccompProfile"] == {"type": "RuntimeDefault"}, where
            assert pod["automountServiceAccountToken"] is ("operator" in where or "test-status" in where), where
            for container in pod["containers"]:
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, where
                assert {"cpu", "memory"} <= set(container["resources"]["requests"]) and "memory" in container["resources"]["limits"], where


@check()
def openshift_gets_no_uids():
    for pod, where in pods(template("-f", CHART / "ci/openshift.yaml")):
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(pod["securityContext"]), where
    for pod, where in pods(template("--api-versions", "security.openshift.io/v1")):
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(pod["securityContext"]), where


@check()
def rights_are_narrow():
    for values in CI:
        objects = template("-f", values)
        for role in objects:
            for rule in role.get("rules", []):
                assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], f"{values.name}: {role['metadata']['name']}: {rule}"
        bound = {item["roleRef"]["name"] for item in objects if item["kind"] == "ClusterRoleBinding"}
        anywhere = yaml.safe_load(values.read_text()).get("secretNamespaces") == ["*"]
        secrets = {role["metadata"]["name"] for role in objects if role["kind"] == "ClusterRole" and any("secrets" in rule["resources"] for rule in role["rules"])}
        assert bool(bound & secrets) is anywhere, f"{values.name}: Secrets of the whole cluster: {bound & secrets}"


@check()
def one_pod_has_no_budget_and_an_autoscaler_owns_the_number():
    alone = template(values={"operator": {"replicas": 1}, "dataplane": {"replicas": 1}})
    assert not [item for item in alone if item["kind"] == "PodDisruptionBudget"]
    scaled = template(values={"dataplane": {"replicas": 1, "autoscaling": {"enabled": True}}})
    assert "replicas" not in one(scaled, "Deployment", "ringway-dataplane")["spec"]
    same(one(scaled, "PodDisruptionBudget", "ringway-dataplane")["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow", "budget")


@check()
def a_pod_outlives_its_drain():
    for drain, want in [({}, 45), ({"delaySeconds": 10, "graceSeconds": 300, "marginSeconds": 20}, 330), ({"delaySeconds": 0}, 40)]:
        pod = one(template(values={"dataplane": {"drain": drain}}), "Deployment", "ringway-dataplane")["spec"]["template"]["spec"]
        same(pod["terminationGracePeriodSeconds"], want, str(drain))
        container = pod["containers"][0]
        same(container.get("lifecycle"), None if drain.get("delaySeconds") == 0 else {"preStop": {"sleep": {"seconds": drain.get("delaySeconds", 5)}}}, str(drain))
        assert f"--grace={drain.get('graceSeconds', 30)}" in container["args"]


@check()
def the_operator_restarts_when_its_rules_change_and_only_then():
    def mark(values):
        return one(template(values=values), "Deployment", "ringway-operator")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert mark({}) != mark({"routeNamespaces": ["tools"]}) and mark({}) == mark({"commonAnnotations": {"a": "b"}})


@check()
def every_image_comes_from_the_one_registry():
    objects = template(values={"global": {"imageRegistry": "registry.internal:5000/x/"}, "demo": {"enabled": True}, "operator": {"image": {"registry": "other"}}})
    images = {container["image"] for pod, _ in pods(objects) for container in pod["containers"]}
    same(images, {f"registry.internal:5000/x/ringway/{name}:0.1.0" for name in ("operator", "dataplane", "cli")}, "images")


@check()
def notes_say_url_next_commands_and_warnings():
    def notes(*arguments):
        return run("helm", "install", "ringway", CHART, "-n", "ringway-system", "--dry-run=client", *arguments).stdout.split("NOTES:")[1]

    usual = notes()
    next_commands = usual.split("Next")[1].split("\n\n")[0].strip().splitlines()[1:]
    same(len(next_commands), 3, f"next commands: {next_commands}")
    for text in ("http://ringway.ringway-system.svc.cluster.local\n", "not authenticated", "plain HTTP", "kubectl ringway status",
                 "CRDs are not installed", "Gateway API is not installed",
                 "keeps each client address on one pod"):
        assert text in usual, text
    for text in ("replicas is 1", "networkPolicy.enabled is false", "demo.enabled", "every Secret of the cluster", "sessionAffinity is None"):
        assert text not in usual, text
    assert "sessionAffinity is None" in notes("--set", "dataplane.service.sessionAffinity=None")
    assert "ringway.dev/metrics-reader=true" in notes("--set", "monitoring.podMonitor.enabled=true")
    odd = notes("--set", "dataplane.replicas=1,operator.replicas=1,demo.enabled=true,networkPolicy.enabled=false,secretNamespaces={*}")
    for text in ("dataplane.replicas is 1", "operator.replicas is 1",
                 "networkPolicy.enabled is false", "demo.enabled", "every Secret of the cluster", "helm test ringway"):
        assert text in odd, text


@check()
def alerts_and_dashboard_ask_for_metrics_that_exist():
    known = set(re.findall(r"`((?:ringway|mcp)_\w+)`", (ROOT / "docs/operations.md").read_text()))
    # The operator's own, as its registry names them, with what the exposition format appends.
    registered = re.findall(r'register(?:_with_unit)?\("(\w+)"', (ROOT / "operator/src/metrics.rs").read_text())
    known |= {f"ringway_operator_{name}{end}" for name in registered for end in ("", "_total", "_seconds")}
    objects = template("-f", CHART / "ci/monitoring.yaml")
    dashboard = json.loads(one(objects, "ConfigMap", "ringway-dashboard")["data"]["ringway.json"])
    same(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]), "ids of panels")
    text = json.dumps([[item for item in objects if item["kind"] == "PrometheusRule"], dashboard["panels"]])
    asked = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in known else name for name in re.findall(r"\b(?:ringway|mcp)_[a-z_]+\b", text)}
    assert len(asked) > 5 and asked <= known, f"unknown metrics: {sorted(asked - known)}"


@check()
def kustomize_builds_what_the_overlays_promise():
    base = built("base")
    assert len(base) > 15, len(base)
    names = {(item["kind"], item["metadata"]["name"]) for item in base}
    installed = {(item["kind"], item["metadata"]["name"]) for item in documents((DEPLOY / "install.yaml").read_text())}
    same(installed, names, "install.yaml")
    assert "Helm" not in json.dumps([item["metadata"] for item in base])
    minimal = built("overlays/minimal")
    assert not [item for item in minimal if item["kind"] == "PodDisruptionBudget"]
    same({item["metadata"]["name"]: item["spec"]["replicas"] for item in minimal if item["kind"] == "Deployment"}, {"ringway-operator": 1, "ringway-dataplane": 1}, "minimal")
    ha = built("overlays/ha")
    assert "replicas" not in one(ha, "Deployment", "ringway-dataplane")["spec"]
    same(one(ha, "PodDisruptionBudget", "ringway-dataplane")["spec"]["minAvailable"], 2, "ha")


@check()
def argo_cd_health_scripts_answer_as_their_tests_say():
    folder = DEPLOY / "argocd/resource_customizations/ringway.dev"
    kinds = {document["spec"]["names"]["kind"] for path in (ROOT / "crds/manifests").glob("*.yaml") for document in documents(path.read_text())}
    same({path.name for path in folder.iterdir()}, kinds, "a script for each kind")
    installed = yaml.safe_load((DEPLOY / "argocd/health.yaml").read_text())["data"]
    for kind in kinds:
        script = folder / kind / "health.lua"
        same(installed[f"resource.customizations.health.ringway.dev_{kind}"], script.read_text(), f"{kind}: as it comes out of the ConfigMap")
        tests = yaml.safe_load((folder / kind / "health_test.yaml").read_text())["tests"]
        used = {test["inputPath"] for test in tests}
        same({f"testdata/{path.name}" for path in (folder / kind / "testdata").iterdir()}, used, f"{kind}: objects without a test")
        same({test["healthStatus"]["status"] for test in tests}, {"Progressing", "Healthy", "Degraded"}, f"{kind}: verdicts that are tried")
        for test in tests:
            subject = yaml.safe_load((folder / kind / test["inputPath"]).read_text())
            same(subject["kind"], kind, test["inputPath"])
            verdict = run("judge", "argo", script, stdin=json.dumps(subject)).stdout.rstrip("\n")
            same(verdict, f"{test['healthStatus']['status']}\t{test['healthStatus']['message']}", f"{kind}: {test['inputPath']}")
