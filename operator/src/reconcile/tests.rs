use ringway_translate::install::ClusterInstall;

use super::*;
use crate::events::Events;
use crate::observe::pods::SeenPod;
use crate::status::writer::Context;
use crate::testing::MuteServer;
use tokio_util::task::TaskTracker;

/// A reconciler without an API server, and who tells it of pods and of the Lease.
struct Case {
    reconciler: Reconciler,
    fleet: watch::Sender<Option<SeenPods>>,
    claims: watch::Sender<Claim>,
}

// === impl Case ===

impl Case {
    fn new(claim: Claim) -> Self {
        let install = r#"{ "namespace": "ringway-system", "name": "ringway", "routeNamespaces": [],
                           "secretNamespaces": [], "ports": [80], "defaultListener": { "port": 80 } }"#;
        let install: ClusterInstall = serde_json::from_str(install).expect("an install");
        let (client, metrics) = (MuteServer::default().client(), Arc::new(Metrics::new()));
        let (claims, claim) = watch::channel(claim);
        let observer = Observer::new(client.clone(), install.clone());
        let writer = Writer::new(Context {
            client: client.clone(),
            observer: Arc::clone(&observer),
            claims: claim.clone(),
            events: Events::start(client, "pod".to_owned(), Arc::clone(&metrics)),
            metrics: Arc::clone(&metrics),
            writes: TaskTracker::new(),
        });
        let mut reconciler = Reconciler::new(Parts {
            observer,
            publisher: Publisher::new(),
            writer,
            install: Arc::new(Install::Cluster(Box::new(install))),
            claims: claim,
            metrics,
            health: Health::new(),
        });
        let (fleet, seen) = watch::channel(Some(SeenPods::new()));
        reconciler.fleet = seen;
        Self { reconciler, fleet, claims }
    }

    /// How many rounds there are in a minute (a hundred is enough to know), by whether every status is looked at.
    async fn minute(&mut self) -> (usize, usize) {
        let (mut wide, mut narrow) = (0, 0);
        let end = Instant::now() + Duration::from_secs(60);
        while wide + narrow < 100
            && let Ok(woken) = tokio::time::timeout_at(end, self.reconciler.change()).await
        {
            if woken.is_wide {
                wide += 1
            } else {
                narrow += 1
            }
            tokio::time::sleep(self.reconciler.pace.gather(false)).await;
            self.reconciler.round(woken).await;
        }
        (wide, narrow)
    }

    fn pod_comes(&self, name: &str) {
        let pod = SeenPod { uid: name.to_owned(), is_ready: true, is_terminating: false };
        self.fleet.send_modify(|fleet| drop(fleet.get_or_insert_default().insert(name.to_owned(), pod)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_without_the_lease_rests() {
    let mut case = Case::new(Claim::default());
    case.reconciler.round(Woken { is_wide: true }).await;
    case.pod_comes("a");
    let (wide, narrow) = case.minute().await;
    assert!(wide <= 1 && narrow == 0, "{wide} wide and {narrow} narrow rounds");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_runs_out_ends_no_round_in_a_spin() {
    let mut case = Case::new(Claim::held_until(Instant::now() + Duration::from_secs(3_600)));
    case.reconciler.round(Woken { is_wide: true }).await;
    case.pod_comes("a");
    assert_eq!(case.minute().await, (1, 0), "a pod came, and that is looked at once");
    case.pod_comes("b");
    // Runs out without a word, as it does when the API server is slow.
    case.claims.send_if_modified(|claim| {
        *claim = Claim::held_until(Instant::now());
        false
    });
    let (wide, narrow) = case.minute().await;
    assert!(wide <= 1 && narrow == 0, "{wide} wide and {narrow} narrow rounds");
}
