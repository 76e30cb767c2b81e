"""What an API server says. What is made there is removed again."""
import yaml

from .common import CHART, CI, CRDS, DEPLOY, ROOT, built, check, documents, pods, run, same, template

NAMESPACE = "ringway-chart-test"
# Kinds that the charts can make and no plain cluster serves.
FOREIGN = {"PodMonitor", "ServiceMonitor", "PrometheusRule", "GatewayClass"}


def kubectl(*arguments, stdin=None, ok=True):
    return run("kubectl", *arguments, stdin=stdin, ok=ok)


def dry_run(objects, what):
    """A real API server takes the objects, knows every field of them, and has nothing to warn of."""
    done = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump_all(objects), ok=False)
    # That somebody else made an object first is no fault of it.
    said = "\n".join(line for line in done.stderr.splitlines() if "last-applied-configuration annotation" not in line)
    assert done.returncode == 0 and "Warning" not in said, f"{what}:\n{said}"
    same(len(done.stdout.strip().splitlines()), len(objects), f"{what}: objects taken")


class Stage:
    """The CRDs, unless they are there already, and a namespace that takes restricted pods alone."""

    def __enter__(self):
        self.made = []
        if kubectl("get", "crd", "mcproutes.ringway.dev", ok=False).returncode != 0:
            self.made.append(("-f", "crds/manifests"))
            kubectl("apply", "--server-side", "-f", "crds/manifests")
            kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", "crds/manifests")
        for name in (NAMESPACE, "ringway-system"):
            if kubectl("get", "namespace", name, ok=False).returncode != 0:
                labels = {"pod-security.kubernetes.io/enforce": "restricted"}
                kubectl("create", "-f", "-", stdin=yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}))
                self.made.append(("namespace", name))
        # A dry run of a pod looks for it, and a controller makes it a moment after the namespace.
        kubectl("wait", "--for=create", "--timeout=60s", "-n", NAMESPACE, "serviceaccount/default")

    def __exit__(self, *_):
        for made in reversed(self.made):
            kubectl("delete", "--timeout=60s", *made)


@check("cluster")
def an_api_server_takes_what_the_charts_render():
    for values in CI:
        objects = template("-f", values, namespace=NAMESPACE)
        known = [item for item in objects if item["kind"] not in FOREIGN]
        for item in known:
            if item["kind"] == "Pod":  # admission looks for the account, which a dry run does not make
                item["spec"]["serviceAccountName"] = "default"
        assert len(known) > 8, values.name
        dry_run(known, values.name)
    dry_run(template(chart=CRDS), "ringway-crds")


@check("cluster")
def notes_know_what_the_cluster_serves():
    text = run("helm", "install", "rw", CHART, "-n", NAMESPACE, "--dry-run=server", "--set", "gatewayClass.name=chart-test").stdout
    assert "The CRDs are not installed" not in text
    served = "gateway.networking.k8s.io" in kubectl("api-versions").stdout
    assert ("The Gateway API is not installed" in text, "kind: GatewayClass" in text) == (not served, served), text


@check("cluster")
def an_api_server_takes_what_deploy_holds():
    for folder in ("base", "overlays/minimal", "overlays/ha"):
        dry_run(built(folder), folder)
    dry_run(documents((DEPLOY / "install.yaml").read_text()), "install.yaml")
    for path in (DEPLOY / "quickstart").glob("*.yaml"):
        dry_run(documents(path.read_text()), path.name)


@check("cluster")
def plain_client_side_apply_takes_the_crds():
    for path in (ROOT / "crds/manifests").glob("*.yaml"):
        done = kubectl("apply", "--dry-run=server", "-f", path, ok=False)
        assert done.returncode == 0, f"{path.name}: {done.stderr}"


@check("cluster")
def every_pod_fits_the_restricted_profile():
    control = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "control", "namespace": NAMESPACE}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    done = kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(control), ok=False)
    assert done.returncode != 0 and "violates PodSecurity" in done.stderr, f"the profile is not enforced here: {done.stderr}"
    quickstart = documents((DEPLOY / "quickstart/quickstart.yaml").read_text())
    found = [(pod, f"{values.name}: {where}") for values in CI for pod, where in pods(template("-f", values, namespace=NAMESPACE))]
    found += [(pod, f"quickstart: {where}") for pod, where in pods(quickstart)]
    assert len(found) > 12, len(found)
    for number, (pod, where) in enumerate(found):
        pod = {**pod, "serviceAccountName": "default"}
        pod.pop("priorityClassName", None)
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}", "namespace": NAMESPACE}, "spec": pod}
        done = kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(body), ok=False)
        assert done.returncode == 0, f"{where}: {done.stderr}"


MAY = [
    # (verb, resource[/name], namespace or None for the whole cluster, by default, with secretNamespaces [kube-public], with "*")
    ("list", "mcproutes.ringway.dev", None, True, True, True),
    ("patch", "mcproutes.ringway.dev/status", None, True, True, True),
    ("patch", "mcproutes.ringway.dev", None, False, False, False),
    ("delete", "mcpbackends.ringway.dev", None, False, False, False),
    ("watch", "endpointslices.discovery.k8s.io", None, True, True, True),
    ("create", "events.events.k8s.io", None, True, True, True),
    ("list", "secrets", None, False, False, True),
    ("list", "secrets", NAMESPACE, True, False, True),
    ("list", "secrets", "kube-public", False, True, True),
    ("get", "secrets/rw-ca", NAMESPACE, True, True, True),
    ("update", "secrets/rw-ca", NAMESPACE, True, True, True),
    ("get", "secrets/other", NAMESPACE, False, False, False),
    ("update", "secrets/other", NAMESPACE, False, False, False),
    ("update", "secrets/rw-ca", "kube-public", False, False, False),
    ("create", "secrets", NAMESPACE, True, True, True),
    ("create", "secrets", "kube-public", False, False, False),
    ("delete", "secrets/rw-ca", NAMESPACE, False, False, False),
    ("update", "leases.coordination.k8s.io/rw-operator", NAMESPACE, True, True, True),
    ("update", "leases.coordination.k8s.io/other", NAMESPACE, False, False, False),
    ("list", "pods", NAMESPACE, True, True, True),
    ("list", "pods", None, False, False, False),
    ("create", "pods", NAMESPACE, False, False, False),
]


@check("cluster")
def the_operator_may_what_it_needs_and_no_more():
    user = f"--as=system:serviceaccount:{NAMESPACE}:rw-operator"
    for column, namespaces in enumerate([[], ["kube-public"], ["*"]]):
        values = {"fullnameOverride": "rw", "secretNamespaces": namespaces}
        rights = [item for item in template(namespace=NAMESPACE, values=values) if "rbac" in item["apiVersion"] or item["kind"] == "ServiceAccount"]
        try:
            kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(rights))
            for verb, resource, namespace, *wanted in MAY:
                kind, _, name = resource.partition("/")
                what = [kind, "--subresource=status"] if name == "status" else [resource]
                where = ["--all-namespaces"] if namespace is None else ["-n", namespace]
                answer = kubectl("auth", "can-i", verb, *what, *where, user, ok=False).stdout.strip().splitlines()[-1]
                same(answer, "yes" if wanted[column] else "no", f"secretNamespaces {namespaces}: {verb} {resource} in {namespace}")
        finally:
            kubectl("delete", "--ignore-not-found", "-f", "-", stdin=yaml.safe_dump_all(rights))
