//! What a configuration becomes: which listener and route a request meets, and what is refused without harm to others.

use ringway_snapshot::{Backend, HttpTarget, Listener, ListenerName, Target};
use ringway_testkit::objects::{self, snapshot};

use super::*;
use crate::telemetry::metrics::Metrics;

const PORTS: [u16; 2] = [80, 8081];

fn listener(name: &str, port: u16, hostname: Option<&str>) -> Listener {
    let name = ListenerName::new(ObjectName::new("infra", "agents"), name);
    Listener { name, port, hostname: hostname.map(str::to_owned), tls: None }
}

fn route(name: &str, path: &str, hostnames: &[&str], listeners: &[&str]) -> Route {
    Route {
        path: path.to_owned(),
        hostnames: hostnames.iter().map(|host| (*host).to_owned()).collect(),
        listeners: listeners.iter().map(|name| ListenerName::new(ObjectName::new("infra", "agents"), *name)).collect(),
        ..objects::route(ObjectName::new("tools", name), Vec::new())
    }
}

fn backend(name: &str, host_header: &str) -> Backend {
    let target = HttpTarget { host_header: host_header.to_owned(), ..objects::http_target(([127, 0, 0, 1], 1).into()) };
    objects::backend(ObjectName::new("tools", name), Target::Http(target))
}

fn over(table: &RouteTable, snapshot: &Snapshot) -> (RouteTable, Vec<String>) {
    let (table, rejections) = RouteTable::new(snapshot, table, &PORTS, &Metrics::new());
    let told = rejections.iter().map(|one| format!("{} {}: {}", one.kind.as_str(), one.name, one.reason)).collect();
    (table, told)
}

fn taken(snapshot: &Snapshot) -> RouteTable {
    let (table, told) = over(&RouteTable::default(), snapshot);
    assert_eq!(told, [""; 0]);
    table
}

fn met(table: &RouteTable, socket: u16, host: &str, path: &str) -> Result<String, Miss> {
    let door = Door::Port { socket, handshake: None };
    table.find(door, host, path).map(|route| route.rules().spec.name.name.clone())
}

#[test]
fn the_most_specific_listener_is_met_and_then_its_most_specific_route() {
    let table = taken(&snapshot(
        vec![
            listener("any", 80, None),
            listener("wide", 80, Some("*.example.com")),
            listener("one", 80, Some("a.example.com")),
            listener("other", 8081, None),
        ],
        vec![],
        vec![
            route("any", "/mcp", &[], &["any"]),
            route("wide", "/mcp", &[], &["wide"]),
            route("wide-b", "/mcp", &["b.example.com", "elsewhere.test"], &["wide"]),
            route("both", "/both", &[], &["any", "one"]),
            route("other", "/mcp", &[], &["other"]),
            route("nowhere", "/nowhere", &[], &["gone"]),
            route("own", "/mcp", &[], &[]),
        ],
    ));
    for (socket, host, path, want) in [
        (0, "x.test", "/mcp", Ok("any")),
        (0, "x.example.com", "/mcp", Ok("wide")),
        (0, "b.example.com", "/mcp", Ok("wide-b")),
        // A host name that is not the listener's is nobody's there.
        (0, "elsewhere.test", "/mcp", Ok("any")),
        // Its own listener has no such route, and a wider one is not asked.
        (0, "a.example.com", "/mcp", Err(Miss::Nothing)),
        (0, "a.example.com", "/both", Ok("both")),
        (0, "x.example.com", "/both", Err(Miss::Nothing)),
        (0, "x.test", "/nowhere", Err(Miss::Nothing)),
        (1, "a.example.com", "/mcp", Ok("other")),
        (2, "a.example.com", "/mcp", Err(Miss::Nothing)),
    ] {
        assert_eq!(met(&table, socket, host, path), want.map(str::to_owned), "{socket} {host} {path}");
    }
    assert_eq!(table.find(Door::Own, "x.test", "/mcp").unwrap().rules().spec.name.name, "own");
}

#[test]
fn the_holder_of_a_place_keeps_it_and_the_other_is_told() {
    let one = snapshot(
        vec![listener("b", 80, Some("a.test"))],
        vec![],
        vec![route("z", "/mcp", &[], &["b"]), route("y", "/y", &[], &["a"])],
    );
    let table = taken(&one);
    let mut two = one;
    two.listeners.extend(snapshot(vec![listener("a", 80, Some("a.test"))], vec![], vec![]).listeners);
    let (table, told) = over(&table, &two);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("listener infra/agents/a: ") && told[0].contains("infra/agents/b has the same"),
        "{told:?}"
    );
    assert_eq!(met(&table, 0, "a.test", "/mcp").unwrap(), "z");
    // It moves; then there is room.
    two.listeners.extend(snapshot(vec![listener("b", 80, Some("b.test"))], vec![], vec![]).listeners);
    let (table, told) = over(&table, &two);
    assert_eq!((told.len(), met(&table, 0, "a.test", "/y")), (0, Ok("y".to_owned())), "{told:?}");
}

/// Two routes meet where a listener has hosts of both, and nowhere else.
#[test]
fn a_host_name_takes_a_place_only_at_listeners_that_have_its_hosts() {
    let listeners = || vec![listener("a", 80, Some("*.a.com")), listener("b", 80, Some("*.b.com"))];
    let older = || route("z", "/mcp", &["x.a.com", "x.b.com"], &["a", "b"]);
    let younger = || route("a", "/mcp", &["y.a.com", "x.b.com"], &["a"]);
    let table = taken(&snapshot(listeners(), vec![], vec![younger(), older()]));
    for (host, want) in
        [("x.a.com", Ok("z")), ("x.b.com", Ok("z")), ("y.a.com", Ok("a")), ("y.b.com", Err(Miss::Nothing))]
    {
        assert_eq!(met(&table, 0, host, "/mcp"), want.map(str::to_owned), "{host}");
    }
    // A name wider than the listener's has hosts there, too.
    let wide = route("w", "/wide", &["*.com"], &["a"]);
    let table = taken(&snapshot(listeners(), vec![], vec![wide]));
    assert_eq!(met(&table, 0, "x.a.com", "/wide").unwrap(), "w");
    assert_eq!(met(&table, 0, "x.b.com", "/wide"), Err(Miss::Nothing));
}

#[test]
fn a_route_that_clashes_at_one_listener_is_served_by_the_others() {
    let listeners = || vec![listener("a", 80, Some("*.a.com")), listener("b", 80, Some("*.b.com"))];
    let first = snapshot(listeners(), vec![], vec![route("m", "/mcp", &[], &["a"])]);
    let mut both = first.clone();
    both.routes.extend(snapshot(vec![], vec![], vec![route("n", "/mcp", &[], &["a", "b"])]).routes);
    let (table, told) = over(&taken(&first), &both);
    assert!(told.len() == 1 && told[0].contains("tools/m has the same host name and path"), "{told:?}");
    assert_eq!(met(&table, 0, "x.a.com", "/mcp").unwrap(), "m");
    assert_eq!(met(&table, 0, "x.b.com", "/mcp").unwrap(), "n");
    assert_eq!(table.routes().count(), 2);
}

#[test]
fn a_listener_that_cannot_be_served_keeps_its_last_good_form() {
    let good = snapshot(
        vec![listener("a", 80, Some("a.test")), listener("b", 80, None)],
        vec![],
        vec![route("r", "/mcp", &[], &["a"])],
    );
    let table = taken(&good);
    let mut bad = good;
    bad.listeners.extend(snapshot(vec![listener("a", 4242, Some("a.test"))], vec![], vec![]).listeners);
    let (table, told) = over(&table, &bad);
    assert!(told.len() == 1 && told[0].contains("Port 4242 is not open"), "{told:?}");
    assert_eq!(met(&table, 0, "a.test", "/mcp").unwrap(), "r");
    // Told each time, and the old form lives as long as nothing better comes.
    let (table, again) = over(&table, &bad);
    assert_eq!(again, told);
    assert_eq!(met(&table, 0, "a.test", "/mcp").unwrap(), "r");
    let (table, told) = over(&table, &snapshot(vec![], vec![], vec![]));
    assert_eq!((told.len(), met(&table, 0, "a.test", "/mcp")), (0, Err(Miss::Nothing)));
}

#[test]
fn a_broken_backend_keeps_its_last_good_form_and_a_new_one_harms_nobody() {
    let section = || objects::section("one", ObjectName::new("tools", "one"), "");
    let with = |backend: Backend| {
        let mut route = route("r", "/mcp", &[], &[]);
        route.backends = vec![section()];
        snapshot(vec![], vec![backend], vec![route])
    };
    let host = |table: &RouteTable| {
        let Target::Http(target) = &table.find(Door::Own, "x", "/mcp").unwrap().server(0).unwrap().backend.target
        else {
            panic!("http")
        };
        target.host_header.clone()
    };
    let (never, told) = over(&RouteTable::default(), &with(backend("one", "a\nb")));
    assert!(told.len() == 1 && told[0].contains("host header"), "{told:?}");
    assert!(never.find(Door::Own, "x", "/mcp").unwrap().server(0).unwrap().broken().is_some());

    let good = taken(&with(backend("one", "good.test")));
    let (kept, told) = over(&good, &with(backend("one", "a\nb")));
    assert_eq!((told.len(), host(&kept).as_str()), (1, "good.test"));
    let (kept, told) = over(&kept, &with(backend("one", "a\nb")));
    assert_eq!((told.len(), host(&kept).as_str()), (1, "good.test"), "told again");
    assert!(Arc::ptr_eq(good.routes().next().unwrap(), kept.routes().next().unwrap()), "nothing changed for it");
    let (healed, told) = over(&kept, &with(backend("one", "better.test")));
    assert_eq!((told.len(), host(&healed).as_str()), (0, "better.test"));
}

#[test]
fn the_old_form_of_a_service_follows_its_pods() {
    let with = |host: &str, address: &str| {
        let mut one = backend("one", host);
        if let Target::Http(target) = &mut one.target {
            target.endpoints = Some(vec![address.parse().unwrap()]);
        }
        snapshot(vec![], vec![one], vec![])
    };
    let good = taken(&with("good.test", "10.0.0.1:80"));
    let (kept, told) = over(&good, &with("a\nb", "10.0.0.2:80"));
    let server = kept.servers().next().unwrap();
    let Target::Http(target) = &server.backend.target else { panic!("http") };
    assert_eq!((told.len(), target.host_header.as_str()), (1, "good.test"));
    assert_eq!(target.endpoints.as_deref(), Some(&["10.0.0.2:80".parse().unwrap()][..]));
}

#[test]
fn a_route_that_cannot_be_served_is_told_and_the_older_one_stays() {
    let first = snapshot(vec![], vec![], vec![route("m", "/mcp", &["a.test"], &[])]);
    let table = taken(&first);
    let mut both = first.clone();
    both.routes.extend(snapshot(vec![], vec![], vec![route("n", "/mcp", &["b.test", "a.test"], &[])]).routes);
    let (table, told) = over(&table, &both);
    assert!(told.len() == 1 && told[0].contains("tools/m has the same host name and path"), "{told:?}");
    assert_eq!(table.find(Door::Own, "b.test", "/mcp").err(), Some(Miss::Nothing), "whole or not at all");

    let mut hole = first;
    let mut lost = route("m", "/mcp", &["a.test"], &[]);
    lost.backends = vec![objects::section("x", ObjectName::new("tools", "x"), "")];
    hole.routes.insert(lost.name.clone(), Arc::new(lost));
    let (table, told) = over(&table, &hole);
    assert!(told.len() == 1 && told[0].contains("Backend tools/x is not in the configuration"), "{told:?}");
    assert!(table.find(Door::Own, "a.test", "/mcp").unwrap().rules().spec.backends.is_empty());
}
