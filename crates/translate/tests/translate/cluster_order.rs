//! What must hold for clusters: any order of objects, any history of a world, and any broken object beside.

use std::sync::Arc;

use proptest::prelude::*;
use ringway_translate::{Install, Object, Translation, World, translate};

use super::cluster::{conditions, served};
use super::worlds::{cluster_cases, documents, env, object};

/// A golden cluster's install, its objects, and the same in another order.
fn shuffled() -> impl Strategy<Value = (Install, Vec<Arc<Object>>, Vec<Arc<Object>>)> {
    let cases: Vec<_> =
        cluster_cases().into_iter().map(|(case, install)| (install, objects(&documents(&case.text)))).collect();
    proptest::sample::select(cases)
        .prop_flat_map(|(install, objects)| (Just(install), Just(objects.clone()), Just(objects).prop_shuffle()))
}

fn objects(documents: &[String]) -> Vec<Arc<Object>> {
    documents.iter().filter_map(|document| object(document).0).map(Arc::new).collect()
}

fn outcome(world: &World, install: &Install) -> (String, Vec<String>) {
    let Translation { snapshot, problems, verdicts } = translate(world, install, &env);
    let shown = format!("{}{}", conditions(&verdicts), served(&snapshot));
    (shown, problems.iter().map(ToString::to_string).collect())
}

/// Each has a name of its own, and claims nothing that is another's.
const BROKEN: [&str; 9] = [
    "{apiVersion: ringway.dev/v1alpha1, kind: MCPBackend, metadata: {name: zz, namespace: zz}, spec: {}}",
    "{apiVersion: ringway.dev/v1alpha1, kind: MCPBackend, metadata: {name: zz, namespace: zz}, spec: {url: [1, {a: null}]}}",
    "{apiVersion: ringway.dev/v1alpha1, kind: MCPRoute, metadata: {name: zz, namespace: zz}, spec: {path: /zz, parentRefs: [{name: agents, namespace: infra}, {}], backends: 5}}",
    "{apiVersion: ringway.dev/v1alpha1, kind: MCPRoute, metadata: {name: zz, namespace: zz}, spec: {path: /zz, backends: [{ref: {name: a, namespace: tools}}], authentication: {anonymous: true}, authorization: Open}}",
    "{apiVersion: ringway.dev/v1alpha1, kind: ToolPolicy, metadata: {name: zz, namespace: zz}, spec: 1}",
    "{apiVersion: ringway.dev/v1alpha1, kind: RESTBridge, metadata: {name: zz, namespace: zz, labels: {team: eng}}}",
    "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: zz, namespace: zz, creationTimestamp: never}, spec: {gatewayClassName: ringway, listeners: [{name: zz, port: 80, protocol: HTTP}, {name: z2, port: 1, protocol: ''}]}}",
    "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: zz, namespace: zz}, spec: {listeners: {}}}",
    "{apiVersion: v1, kind: Secret, metadata: {name: zz, namespace: zz}, data: {x: '***'}}",
];

/// The lines of `shown` about others than `zz`, whose own may be there or not; without the numbers of attached routes,
/// which may count it.
fn others(shown: &str) -> Vec<&str> {
    let mut is_other = true;
    shown
        .lines()
        .filter(|line| {
            if !line.starts_with(' ') {
                is_other = !line.contains(" zz");
            }
            is_other
        })
        .map(|line| line.split(", attached: ").next().unwrap_or_default())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_objects_changes_nothing((install, one, other) in shuffled()) {
        prop_assert_eq!(
            outcome(&World::from_objects(one), &install),
            outcome(&World::from_objects(other), &install)
        );
    }

    #[test]
    fn a_world_forgets_what_was((install, one, other) in shuffled(), gone in any::<prop::sample::Index>()) {
        let mut world = World::default();
        for object in other.iter().chain(&other) {
            world.insert(Arc::clone(object));
        }
        let gone = gone.get(&one).id().clone();
        world.remove(&gone);
        let rest = one.into_iter().filter(|object| *object.id() != gone);
        prop_assert_eq!(outcome(&world, &install), outcome(&World::from_objects(rest), &install));
    }

    #[test]
    fn a_broken_object_changes_nothing_of_the_others(
        (install, one, _) in shuffled(),
        broken in proptest::sample::select(&BROKEN[..]),
    ) {
        let (shown, problems) = outcome(&World::from_objects(one.iter().map(Arc::clone)), &install);
        let (object, wrong) = object(broken);
        let with = one.into_iter().chain(object.map(Arc::new));
        let (shown_with, problems_with) = outcome(&World::from_objects(with), &install);
        prop_assert_eq!(others(&shown), others(&shown_with));
        prop_assert!(problems.iter().all(|problem| problems_with.contains(problem)));
        // Without our GatewayClass a Gateway is none of ours.
        prop_assert!(
            broken.contains("kind: Gateway")
                || !wrong.is_empty() || problems_with.len() > problems.len() || shown_with.contains(" zz"),
            "the broken object is passed over in silence"
        );
    }
}
