//! One child process: started in a group of its own, fed and read by one task, ended as a group.
//!
//! The task lives on the runtime of the thread that started it; handles may be used from any thread. Whether a process
//! is wanted is decided in `stdio`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ringway_snapshot::StdioTarget;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::super::server::lock;
use super::lines::{Line, Lines};
use super::table::{Closed, Inbound, Table};

/// Lines that may wait for the process to read them.
const STDIN_LINES: usize = 256;
/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// What a process that exited has written is still read for this long.
const LAST_WORDS: Duration = Duration::from_millis(500);
const STDERR_LINE: usize = 4 << 10;
const STDERR_LINES_PER_SECOND: u32 = 50;

/// A handle of a child process. The process ends with its last handle.
#[derive(Debug, Clone)]
pub struct Process {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    wire: Arc<Wire>,
}

/// What callers and the task share.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) table: Mutex<Table>,
    pub(super) stdin: mpsc::Sender<Bytes>,
    stop: tokio::sync::Notify,
}

/// A process group that is killed when this is dropped.
#[derive(Debug)]
struct Group(Pid);

/// One process in the count of its backend.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

/// Whatever ends the task ends the calls.
struct Closing(Arc<Wire>);

// === impl Process ===

impl Process {
    /// Starts the command: no shell, no environment but the allowed one. The error is a text for the log.
    pub(super) fn start(target: &StdioTarget, name: &str, limit: usize, place: Place) -> Result<Self, String> {
        let mut command = Command::new(&target.command);
        command
            .args(&target.args)
            .env_clear()
            .envs(inherited())
            .envs(target.env.iter().map(|(key, value)| (key, std::ffi::OsStr::from_bytes(value.expose()))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", target.command))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = Group(pid.ok_or_else(|| "the process has no id".to_owned())?);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err("the process has no pipes".to_owned());
        };
        let (sender, lines) = mpsc::channel(STDIN_LINES);
        let wire = Arc::new(Wire { table: Mutex::default(), stdin: sender, stop: tokio::sync::Notify::new() });
        let closing = Closing(Arc::clone(&wire));
        let name = name.to_owned();
        tokio::spawn(async move {
            let why = {
                let log = log_lines(&name, stderr);
                let feed = feed(stdin, lines);
                tokio::select! {
                    why = attend(&name, &closing.0, &mut child, stdout, limit) => why,
                    () = closing.0.stop.notified() => Closed::Ended("stopped".to_owned()),
                    // Neither ends before the process does: a closed pipe is waited out.
                    () = async { tokio::join!(log, feed); std::future::pending().await } => Closed::TooLarge,
                }
            };
            tracing::debug!(target: "stdio", backend = %name, ?why, "process over");
            lock(&closing.0.table).close(why);
            end(child, group).await;
            drop(place);
        });
        Ok(Self { handle: Arc::new(Handle { wire }) })
    }

    pub(super) fn wire(&self) -> &Arc<Wire> {
        &self.handle.wire
    }

    pub(super) fn is_alive(&self) -> bool {
        lock(&self.wire().table).closed().is_none()
    }

    /// Ends the process whoever else has a handle.
    pub(in super::super) fn stop(&self) {
        self.wire().stop.notify_one();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.wire.stop.notify_one();
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        // Already closed, unless the runtime ended the task.
        lock(&self.0.table).close(Closed::Ended("the gateway stops".to_owned()));
    }
}

// === impl Place ===

impl Place {
    /// A place within the limit.
    pub(super) fn take(count: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(Arc::clone(count)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Group ===

impl Group {
    fn signal(&self, signal: Signal) {
        // It may be gone already.
        let _ = kill_process_group(self.0, signal);
    }

    fn exists(&self) -> bool {
        test_kill_process_group(self.0).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(key, _)| {
        let key = key.as_bytes();
        [&b"PATH"[..], b"HOME", b"LANG", b"TMPDIR"].contains(&key) || key.starts_with(b"LC_")
    })
}

/// Reads what the process says until it has ended.
async fn attend(name: &str, wire: &Wire, child: &mut Child, stdout: ChildStdout, limit: usize) -> Closed {
    let mut reading = std::pin::pin!(read(name, wire, stdout, limit));
    let (said, status) = tokio::select! {
        why = &mut reading => (Some(why), timeout(LAST_WORDS, child.wait()).await.ok()),
        status = child.wait() => (timeout(LAST_WORDS, reading).await.ok(), Some(status)),
    };
    match (said, status) {
        (Some(Closed::TooLarge), _) => Closed::TooLarge,
        (_, Some(status)) => Closed::Ended(status.map_or_else(|e| e.to_string(), |status| status.to_string())),
        (Some(why), None) => why,
        (None, None) => Closed::Ended("ended".to_owned()),
    }
}

async fn read(name: &str, wire: &Wire, stdout: ChildStdout, limit: usize) -> Closed {
    let mut lines = Lines::new(stdout, limit);
    loop {
        let line = match lines.next().await {
            Ok(Some(Line::Whole(line))) => line,
            Ok(Some(Line::Cut(_))) => return Closed::TooLarge,
            Ok(None) => return Closed::Ended("closed its output".to_owned()),
            Err(error) => return Closed::Ended(error.to_string()),
        };
        if line.is_empty() {
            continue;
        }
        let inbound = lock(&wire.table).inbound(&line);
        match inbound {
            Inbound::Delivered => {}
            Inbound::Dropped => tracing::debug!(target: "stdio", backend = %name, "message without a receiver"),
            // A process that does not read gets no refusals either.
            Inbound::Reply(line) => drop(wire.stdin.try_send(line)),
            Inbound::Noise => {
                tracing::debug!(target: "stdio", backend = %name, line = %shown(&line), "output is no message");
            }
        }
    }
}

async fn feed(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Bytes>) {
    while let Some(line) = lines.recv().await {
        let written = async {
            stdin.write_all(&line).await?;
            stdin.flush().await
        };
        if written.await.is_err() {
            // Callers see a full or closed queue, or the end of the process.
            return;
        }
    }
}

async fn log_lines(name: &str, stderr: impl AsyncRead + Unpin) {
    let mut lines = Lines::new(stderr, STDERR_LINE);
    let mut window = Instant::now();
    let (mut logged, mut left_out) = (0_u32, 0_u64);
    while let Ok(Some(Line::Whole(line) | Line::Cut(line))) = lines.next().await {
        if window.elapsed() >= Duration::from_secs(1) {
            if left_out > 0 {
                tracing::warn!(target: "stdio", backend = %name, left_out, "lines left out");
            }
            (window, logged, left_out) = (Instant::now(), 0, 0);
        }
        if logged < STDERR_LINES_PER_SECOND {
            logged += 1;
            tracing::info!(target: "stdio", backend = %name, line = %shown(&line));
        } else {
            left_out += 1;
        }
    }
}

/// Printable, whatever the process wrote.
fn shown(line: &[u8]) -> String {
    let cut = line.get(..STDERR_LINE.min(line.len())).unwrap_or_default();
    String::from_utf8_lossy(cut).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// SIGTERM to the whole group, then SIGKILL; returns when the child is reaped.
async fn end(mut child: Child, group: Group) {
    let until = Instant::now() + GRACE;
    group.signal(Signal::TERM);
    let _ = timeout_at(until, child.wait()).await;
    while Instant::now() < until && group.exists() {
        sleep(Duration::from_millis(20)).await;
    }
    drop(group);
    // A killed child is reaped at once.
    let _ = child.wait().await;
}
