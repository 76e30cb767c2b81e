//! One call over a warm connection: allocations on the calling thread, and its CPU time (printed first).
#![expect(clippy::expect_used, clippy::print_stdout, reason = "stops at what cannot be set up; prints its figure")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use divan::{AllocProfiler, Bencher};
use ringway_dataplane::upstream::{Answer, Outgoing, Pool, Server, send};
use ringway_snapshot::{ObjectName, Target};
use ringway_testkit::objects::{backend, http_target};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const CALL: &[u8] =
    br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"text":"hi"}}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hi"}],"isError":false}}"#;
const WARM_CALLS: u32 = 20_000;

fn main() {
    print_cpu_time();
    divan::main();
}

/// A server that answers whatever it reads, one read a request.
fn fixed_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{RESULT}",
            RESULT.len()
        );
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 4096];
            while matches!(stream.read(&mut request), Ok(1..)) && stream.write_all(answer.as_bytes()).is_ok() {}
        }
    });
    address
}

fn warm() -> (Runtime, Pool, Arc<Server>) {
    let backend = backend(ObjectName::new("default", "b"), Target::Http(http_target(fixed_server())));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (pool, server) = (Pool::new(), Server::new(Arc::new(backend), None));
    for _ in 0..100 {
        call(&runtime, &pool, &server);
    }
    (runtime, pool, server)
}

fn call(runtime: &Runtime, pool: &Pool, server: &Arc<Server>) {
    let out = Outgoing {
        body: Bytes::from_static(CALL),
        session: None,
        revision: None,
        headers: &[],
        idle: Duration::from_secs(5),
        deadline: Instant::now() + Duration::from_secs(5),
        idempotent: false,
    };
    let answer = runtime.block_on(send(pool, server, out)).expect("an answer");
    assert!(matches!(answer, Answer::Message(body, _) if body == RESULT));
}

/// Scheduler run time of this thread, in nanoseconds.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number")
}

fn print_cpu_time() {
    let (runtime, pool, server) = warm();
    let before = cpu();
    for _ in 0..WARM_CALLS {
        call(&runtime, &pool, &server);
    }
    println!("{} ns of CPU a call", (cpu() - before) / u64::from(WARM_CALLS));
}

#[divan::bench]
fn warm_call(bencher: Bencher<'_, '_>) {
    let (runtime, pool, server) = warm();
    bencher.bench_local(|| call(&runtime, &pool, &server));
}
