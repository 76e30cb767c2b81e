//! Two tenants and the platform between them: what one may not do to another is refused by a condition that says so.

use std::time::Duration;

use anyhow::{Result, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE, RELEASE};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::traffic;
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::{http, wait, yaml};

#[test]
fn a_route_from_a_namespace_that_was_not_named() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let tenant = Namespace::create(&cluster, "e2e-tenant-a")?;
    tenant.apply(&yaml::documents(&[
        yaml::service("mine", "mine", ""),
        yaml::route("slips", "/slips", &[("mine", "")]),
    ]))?;
    let refused = tenant.condition("mcproutes", "slips", "Accepted", (false, "NotAllowedByListeners"))?;
    ensure!(refused.message.contains("routeNamespaces"), "{refused}");
    let answer = http::get(install.address()?, "/slips")?;
    ensure!(answer.head.status == 404, "a refused route answers {}", answer.head.status);
    Ok(())
}

#[test]
fn the_same_path_twice_belongs_to_the_older_route() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.servers("twice", 1)?;
    namespace.apply(&yaml::documents(&[
        yaml::service("twice", "twice", ""),
        yaml::route("twice-b", "/twice", &[("twice", "b")]),
    ]))?;
    namespace.ready("mcproutes", "twice-b")?;
    // Age is told in whole seconds: by name this one would come first.
    let created = namespace.object("mcproutes", "twice-b")?;
    wait::until("the second in which the older route was created to pass", Duration::from_secs(10), || {
        let args = ["create", "configmap", "now", "--dry-run=server", "-o", "jsonpath={.metadata.creationTimestamp}"];
        let now = namespace.kubectl(&args)?;
        Ok((Some(now.as_str()) != object::text(&created, "/metadata/creationTimestamp")).then_some(()))
    })?;
    namespace.apply(&yaml::route("twice-a", "/twice", &[("twice", "a")]))?;
    let refused = namespace.condition("mcproutes", "twice-a", "Accepted", (false, "Conflicted"))?;
    ensure!(refused.message.contains("twice-b"), "{refused}");
    traffic::first_call(install.address()?, "/twice", Duration::from_secs(30))?;
    namespace.ready("mcproutes", "twice-b")?;
    // The younger one takes over when the older goes.
    namespace.kubectl(&["delete", "mcproute", "twice-b"])?;
    namespace.ready("mcproutes", "twice-a")
}

#[test]
fn a_backend_at_a_private_address() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let tenant = Namespace::create(&cluster, "e2e-tenant-url")?;
    for (name, url) in [
        ("loopback", "http://127.0.0.1:9901/mcp"),
        ("private", "http://10.96.0.1:443/mcp"),
        ("link", "http://169.254.169.254/mcp"),
        ("service", "http://kubernetes.default.svc:443/mcp"),
        ("domain", "http://kubernetes.default.svc.cluster.local/mcp"),
        ("mapped", "http://[::ffff:10.0.0.1]/mcp"),
    ] {
        tenant.apply(&yaml::backend(name, url))?;
        let refused = tenant.condition("mcpbackends", name, "Accepted", (false, "Invalid"))?;
        ensure!(refused.message.contains("spec.url"), "{name}: {refused}");
    }
    Ok(())
}

#[test]
fn a_secret_where_the_operator_may_not_read() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let tenant = Namespace::create(&cluster, "e2e-tenant-secret")?;
    tenant.apply(
        "apiVersion: v1\nkind: Secret\nmetadata: { name: token }\nstringData: { token: very-secret }\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: { name: mine }\nspec: { ports: [{ port: 8080 }], selector: { app: mine } }\n",
    )?;
    let credentials = "  credentials: { type: Bearer, bearer: { secretRef: { name: token, key: token } } }\n";
    tenant.apply(&yaml::service("mine", "mine", credentials))?;
    let refused = tenant.condition("mcpbackends", "mine", "ResolvedRefs", (false, "RefNotPermitted"))?;
    // The remedy is a command or an object that can be made as it stands.
    for word in ["rolebinding", "e2e-tenant-secret", "ringway-operator"] {
        ensure!(refused.message.to_lowercase().contains(word), "no {word}: {refused}");
    }
    ensure!(!refused.message.contains("very-secret"), "{refused}");
    // A RoleBinding that the namespace's owner makes is enough, and one that is taken away takes the Secret along.
    let role = format!("--clusterrole={RELEASE}-secret-reader");
    let account = format!("--serviceaccount={NAMESPACE}:{RELEASE}-operator");
    tenant.kubectl(&["create", "rolebinding", "reader", &role, &account])?;
    tenant.condition("mcpbackends", "mine", "ResolvedRefs", (true, "ResolvedRefs"))?;
    tenant.kubectl(&["delete", "rolebinding", "reader"])?;
    tenant.condition("mcpbackends", "mine", "ResolvedRefs", (false, "RefNotPermitted"))?;
    Ok(())
}

#[test]
fn a_secret_of_another_namespace() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let tenant = Namespace::create(&cluster, "e2e-tenant-thief")?;
    let credentials = "  credentials: { type: Bearer, bearer: { secretRef: { name: ringway-ca, key: tls.key, namespace: ringway-system } } }\n";
    tenant.apply("apiVersion: v1\nkind: Service\nmetadata: { name: thief }\nspec: { ports: [{ port: 8080 }], selector: { app: thief } }\n")?;
    tenant.apply(&yaml::service("thief", "thief", credentials))?;
    let refused = tenant.condition("mcpbackends", "thief", "ResolvedRefs", (false, "RefNotPermitted"))?;
    ensure!(refused.message.contains("ReferenceGrant"), "{refused}");
    Ok(())
}
