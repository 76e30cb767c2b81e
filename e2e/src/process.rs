//! A child process that is ended with its owner, with its output in a file that a failure can show.
//!
//! Children stay in the test's own process group, so that the runner's time limit ends them too.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A process that runs until it is ended, and its log.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with both outputs in `folder/NAME.log` (appended to, so that a restart keeps what was).
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file =
            File::options().create(true).append(true).open(&log).with_context(|| format!("log {}", log.display()))?;
        let child = command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("log of a process")?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start of {name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it printed so far.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map_or_else(|error| format!("(no log: {error})"), |text| String::from_utf8_lossy(&text).into_owned())
    }

    /// Fails with the log when the process has ended.
    pub fn alive(&mut self) -> Result<()> {
        match self.child.try_wait().context("state of a process")? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.log()),
        }
    }

    /// Waits until something accepts on `address`.
    pub fn listens(&mut self, address: SocketAddr, within: Duration) -> Result<()> {
        let what = format!("{} to listen on {address}", self.name);
        let listening = wait::until(&what, within, || {
            self.alive()?;
            Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok())
        });
        listening.map(drop).with_context(|| self.log())
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("kill")?;
        self.child.wait().context("end of a killed process")?;
        Ok(())
    }

    /// Asks it to end and waits.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        let pid = Pid::from_raw(i32::try_from(self.pid())?).context("a process id")?;
        kill_process(pid, Signal::TERM).context("SIGTERM")?;
        let what = format!("{} to end after SIGTERM", self.name);
        wait::until(&what, within, || self.child.try_wait().context("state of a process"))
    }

    /// Open file descriptors (sockets, pipes, files) of the process.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid())).context("descriptors of a process")?.count())
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        resident_kib(self.pid())
    }

    /// The ids of its living child processes, over all its threads.
    pub fn children(&self) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.pid())).context("threads of a process")? {
            // A thread that ended in between has no children.
            let list = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            found.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        Ok(found)
    }
}

/// Resident memory of a process in KiB.
pub fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("status of a process")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    line.trim().trim_end_matches("kB").trim().parse().context("VmRSS")
}

/// Scheduler run time of every thread of a process, in nanoseconds.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("threads")? {
        // A thread that ended since has no file.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        sum += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; there is no one to tell here.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
