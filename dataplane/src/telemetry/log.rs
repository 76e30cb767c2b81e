//! The access log: lines go into one bounded buffer that a thread of its own writes out.
//!
//! A worker never waits for the disk and never wakes the writer: the writer looks every [`PERIOD`]. A full buffer costs
//! lines, which are counted, not time. Operational events are not logged here but through `tracing`.

mod line;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use super::labels::Signal;
use super::metrics::Metrics;
use super::record::Finished;

/// Most bytes that wait for the writer: seconds of lines at full load, and what a stalled disk may cost in memory
/// (twice this, as the writer holds one buffer more).
pub const BUFFER: usize = 4 << 20;
/// How often the writer looks. Long enough that a wake-up is shared by thousands of lines under load.
pub const PERIOD: Duration = Duration::from_millis(50);
/// Buffers above this are given back once a burst is over.
const KEPT: usize = 256 << 10;

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    Off,
    Stdout,
    Stderr,
    /// Appended to; created readable by its owner alone.
    File(PathBuf),
}

/// The sending end. Made once; shared by all threads.
#[derive(Debug)]
pub struct AccessLog {
    buffer: Option<Arc<Mutex<Lines>>>,
}

/// The writer thread. [`shutdown`](Self::shutdown) it to be sure of the last lines.
#[derive(Debug)]
pub struct LogWriter {
    /// Dropped to end the thread.
    stop: Option<mpsc::Sender<()>>,
    /// In a mutex so that whoever owns the writer can be shared between threads.
    ended: Mutex<mpsc::Receiver<()>>,
}

#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u64,
}

// === impl LogTarget ===

impl LogTarget {
    /// `stdout`, `stderr`, `off`, or a file.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "off" => Self::Off,
            file => Self::File(file.into()),
        }
    }
}

// === impl AccessLog ===

impl AccessLog {
    /// Writes nothing.
    #[must_use]
    pub fn off() -> Self {
        Self { buffer: None }
    }

    /// Starts the writer for `target`. `None` for a target that is off.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread can be started.
    pub fn open(target: &LogTarget, metrics: &Arc<Metrics>) -> io::Result<(Self, Option<LogWriter>)> {
        match target {
            LogTarget::Off => Ok((Self::off(), None)),
            LogTarget::Stdout => Self::to(io::stdout(), metrics),
            LogTarget::Stderr => Self::to(io::stderr(), metrics),
            LogTarget::File(path) => {
                let mut options = File::options();
                options.append(true).create(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                Self::to(options.open(path)?, metrics)
            }
        }
    }

    /// Starts a writer for any sink.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn to(sink: impl Write + Send + 'static, metrics: &Arc<Metrics>) -> io::Result<(Self, Option<LogWriter>)> {
        let buffer = Arc::new(Mutex::new(Lines::default()));
        let (stop, stopped) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let (lines, metrics) = (Arc::clone(&buffer), Arc::clone(metrics));
        thread::Builder::new().name("ringway-log".to_owned()).spawn(move || {
            write_out(&lines, sink, &stopped, &metrics);
            // Nobody may be waiting.
            let _ = end.send(());
        })?;
        Ok((Self { buffer: Some(buffer) }, Some(LogWriter { stop: Some(stop), ended: Mutex::new(ended) })))
    }

    /// Appends the line of `finished`.
    pub(super) fn write(&self, finished: &Finished, metrics: &Metrics) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let Some(buffer) = &self.buffer else { return };
        // Formatted outside the lock, so that it is held for a copy only.
        LINE.with_borrow_mut(|line| {
            line.clear();
            line::append(line, finished, SystemTime::now());
            let mut lines = buffer.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.bytes.len() + line.len() > BUFFER {
                drop(lines);
                metrics.dropped(Signal::Log, 1);
            } else {
                lines.bytes.extend_from_slice(line);
                lines.count += 1;
            }
        });
    }
}

// === impl LogWriter ===

impl LogWriter {
    /// Writes what waits and ends the thread. False: it did not end within `limit` (the sink hangs).
    #[must_use]
    pub fn shutdown(mut self, limit: Duration) -> bool {
        self.stop = None;
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(limit).is_ok()
    }
}

fn write_out(buffer: &Mutex<Lines>, mut sink: impl Write, stopped: &mpsc::Receiver<()>, metrics: &Metrics) {
    let mut mine = Lines::default();
    loop {
        // The sender is only ever dropped.
        let last = stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout);
        std::mem::swap(&mut *buffer.lock().unwrap_or_else(PoisonError::into_inner), &mut mine);
        if !mine.bytes.is_empty() {
            if sink.write_all(&mine.bytes).and_then(|()| sink.flush()).is_err() {
                // A closed pipe or a full disk; perhaps part was written. The next round tries again.
                metrics.dropped(Signal::Log, mine.count);
            }
            mine.bytes.clear();
            mine.bytes.shrink_to(KEPT);
            mine.count = 0;
        }
        if last {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
