//! The pods of the scale test. They speak the stream with real TLS and HTTP/2, and keep the hash of each object in place of
//! the object, so that 200 of them are one small process.

use std::collections::HashMap;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use ringway_config_stream::wire::config_stream_client::ConfigStreamClient;
use ringway_config_stream::wire::pod_message::Message;
use ringway_config_stream::{BackendFacts, Facts, Reach, link, wire};
use ringway_snapshot::ObjectName;
use rustls::ClientConfig;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use xxhash_rust::xxh3::xxh3_64;

use super::{FACTS, PODS};
use crate::certificates::client_of;
use crate::roles::connect;

/// Set: this process is the pods. Where the replica is, for what its certificate is, and where the pods' files are: also of
/// an operator that runs elsewhere.
pub(super) const PLAN: &str = "RINGWAY_SCALE_PODS";

/// What all pods are to do.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    /// To say what they found out, so many times.
    facts: u64,
    /// To connect anew, so many times.
    again: u64,
}

struct Pod {
    number: usize,
    /// By kind and name.
    held: HashMap<(i32, String), u64>,
    position: Option<wire::Position>,
    /// The version of which a part came.
    open: Option<u64>,
}

/// Of all that is held, in any order.
pub(super) fn print(resources: impl Iterator<Item = wire::Resource>) -> u64 {
    resources.fold(0, |print, one| print ^ print_of(one.kind, &one.name, one.hash))
}

fn print_of(kind: i32, name: &str, hash: u64) -> u64 {
    xxh3_64(format!("{kind} {name} {hash}").as_bytes())
}

pub(super) async fn run(plan: &str) {
    let [address, name, directory]: [&str; 3] = plan.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let (at, config) = ((address.parse().unwrap(), name.to_owned()), client_of(Path::new(directory)));
    let (orders, _) = watch::channel(Order::default());
    let pods: Vec<_> =
        (0..PODS).map(|n| tokio::spawn(Pod::new(n).follow(at.clone(), config.clone(), orders.subscribe()))).collect();
    let (lines, mut input) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            lines.send(line.unwrap()).unwrap();
        }
    });
    let mut expected = None;
    while let Some(line) = input.recv().await {
        match line.split_once(' ') {
            None if line == "facts" => orders.send_modify(|order| order.facts += 1),
            None if line == "again" => orders.send_modify(|order| order.again += 1),
            Some(("expect", print)) => expected = Some(print.parse::<u64>().unwrap()),
            _ => panic!("no such order: {line}"),
        }
    }
    drop(orders);
    for pod in pods {
        let pod = pod.await.unwrap();
        let print = pod.held.iter().fold(0, |print, ((kind, name), hash)| print ^ print_of(*kind, name, *hash));
        assert_eq!(Some(print), expected, "pod {}", pod.number);
    }
}

impl Pod {
    fn new(number: usize) -> Self {
        Self { number, held: HashMap::new(), position: None, open: None }
    }

    /// Until there are no more orders.
    async fn follow(
        mut self,
        (at, name): (SocketAddr, String),
        tls: ClientConfig,
        mut orders: watch::Receiver<Order>,
    ) -> Self {
        let mut order = *orders.borrow_and_update();
        loop {
            let mut failures = 0;
            let channel = loop {
                match connect((at, &name), tls.clone()).await {
                    Ok(channel) => break channel,
                    Err(_) if failures < 10 => sleep(Duration::from_millis(200)).await,
                    Err(error) => panic!("pod {} cannot connect: {error}", self.number),
                }
                failures += 1;
            };
            let (sender, receiver) = mpsc::channel(4);
            let say = |message| sender.send(wire::PodMessage { message: Some(message) });
            say(Message::Hello(self.hello())).await.unwrap();
            let mut client = link::bounded_client(ConfigStreamClient::new(channel));
            let mut updates = client.watch(ReceiverStream::new(receiver)).await.unwrap().into_inner();
            loop {
                tokio::select! {
                    update = updates.message() => {
                        if let Some(ack) = self.take(update.unwrap().unwrap()) {
                            say(Message::Ack(ack)).await.unwrap();
                        }
                    }
                    changed = orders.changed() => {
                        if changed.is_err() {
                            return self;
                        }
                        let before = std::mem::replace(&mut order, *orders.borrow_and_update());
                        if order.facts > before.facts {
                            for piece in self.facts() {
                                say(Message::Facts(piece)).await.unwrap();
                            }
                        }
                        if order.again > before.again {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn hello(&self) -> wire::Hello {
        let pod =
            wire::Pod { namespace: "ringway-system".into(), name: format!("p{}", self.number), ..wire::Pod::default() };
        let held =
            |((kind, name), hash): (&(i32, String), &u64)| wire::Held { kind: *kind, name: name.clone(), hash: *hash };
        wire::Hello { pod: Some(pod), position: self.position.clone(), held: self.held.iter().map(held).collect() }
    }

    fn take(&mut self, update: wire::Update) -> Option<wire::Ack> {
        let is_first = self.open.replace(update.version) != Some(update.version);
        if update.is_whole && is_first {
            self.held.clear();
        }
        for gone in update.removed {
            self.held.remove(&(gone.kind, gone.name));
        }
        for resource in update.changed {
            let resource = wire::Resource::decode(resource).unwrap();
            self.held.insert((resource.kind, resource.name), resource.hash);
        }
        update.is_last.then(|| {
            self.open = None;
            self.position = update.position;
            wire::Ack { version: update.version, position: self.position.clone(), ..wire::Ack::default() }
        })
    }

    /// As it comes of visits, each pod in an order of its own. Most is what the others found, too; a hundredth is not.
    fn facts(&self) -> impl Iterator<Item = wire::Facts> {
        let first = self.number * FACTS / PODS;
        let backends: Vec<usize> = (0..FACTS).map(|n| (first + n * 7_919) % FACTS).collect();
        let number = self.number;
        let found = move |n: usize| match n % 100 == number % 100 {
            true => BackendFacts {
                reach: Reach::Failed,
                reason: "ConnectionRefused".into(),
                message: format!("from p{number}: connection refused by 10.0.0.{}:8080", n % 256),
                ..BackendFacts::default()
            },
            false => BackendFacts {
                reach: Reach::Reached,
                protocol_versions: vec!["2025-11-25".into(), "2025-06-18".into()],
                server_name: format!("server-of-backend-{n}"),
                server_version: "1.4.2".into(),
                tools: Some(u32::try_from(n % 40).unwrap()),
                prompts: Some(0),
                resources: Some(3),
                ..BackendFacts::default()
            },
        };
        let name = |n| Arc::new(ObjectName::new("tools", format!("backend-{n}")));
        let pieces: Vec<Vec<usize>> = backends.chunks(500).map(<[_]>::to_vec).collect();
        pieces.into_iter().map(move |piece| {
            let backends = piece.into_iter().map(|n| (name(n), Arc::new(found(n)))).collect();
            Facts { backends, ..Facts::default() }.to_wire()
        })
    }
}
