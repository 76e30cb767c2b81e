//! The person at the terminal: a progress bar, and the server's questions.
//!
//! Everything goes to standard error, so that the result alone is on standard output. What a server writes is made
//! harmless first. Called by `call` and `demo`.

mod form;

use std::io::{self, BufRead, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::client::{Answer, Dialog, Elicitation, Progress};
use crate::output::{DIM, STRONG, WARN, note, one_line, printable};
use form::Field;

/// indicatif counts in whole steps; servers may not.
const STEPS: f64 = 1_000.0;

/// Who answers questions.
#[derive(Debug, Clone, PartialEq)]
pub enum Answers {
    /// The person, if there is a terminal; else nobody, and questions are declined.
    Ask,
    /// Defaults of the form, where every required field has one.
    Defaults,
    /// These values, for every form.
    Given(Map<String, Value>),
}

/// A terminal, or what is left of one in a script.
#[derive(Debug)]
pub struct Terminal {
    answers: Answers,
    bar: Option<ProgressBar>,
}

// === impl Terminal ===

impl Terminal {
    /// `answers`: who answers questions.
    #[must_use]
    pub fn new(answers: Answers) -> Self {
        Self { answers, bar: None }
    }

    /// Removes the bar.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    async fn form(&mut self, message: &str, schema: &Value) -> Answer {
        let fields = form::fields(schema);
        match &self.answers {
            Answers::Given(values) => Answer::Accept(values.clone()),
            Answers::Defaults => form::defaults(&fields).map_or_else(
                || {
                    note(&format!("{WARN}declined{WARN:#}: the form has required fields without a default"));
                    Answer::Decline
                },
                Answer::Accept,
            ),
            Answers::Ask if !is_interactive() => {
                let text = one_line(message);
                note(&format!("{WARN}declined{WARN:#}, as nobody can be asked here: {text} (--answer '{{...}}')"));
                Answer::Decline
            }
            Answers::Ask => ask(message, &fields).await,
        }
    }

    async fn page(&mut self, message: &str, url: &str) -> Answer {
        note(&format!("{STRONG}The server asks you to visit a page:{STRONG:#} {}", printable(message)));
        note(&format!("  {}", printable(url)));
        if self.answers != Answers::Ask || !is_interactive() {
            note(&format!("{WARN}declined{WARN:#}, as nobody can be asked here"));
            return Answer::Decline;
        }
        prompt("Done there? [y/N] ");
        match read_line().await.as_deref() {
            Some("y" | "Y" | "yes") => Answer::Accept(Map::new()),
            Some(_) => Answer::Decline,
            None => Answer::Cancel,
        }
    }
}

impl Dialog for Terminal {
    fn progress(&mut self, progress: &Progress) {
        let bar = self.bar.get_or_insert_with(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        let shown = |value: f64| format!("{}", (value * STEPS).round() / STEPS);
        let message = one_line(progress.message.as_deref().unwrap_or_default());
        let count = match progress.total.filter(|total| *total > 0.0) {
            Some(total) => {
                bar.set_style(style("[{bar:30}] {prefix} {wide_msg}"));
                bar.set_length(steps(total));
                format!("{}/{}", shown(progress.progress), shown(total))
            }
            None => {
                bar.set_style(style("{spinner} {prefix} {wide_msg}"));
                shown(progress.progress)
            }
        };
        bar.set_prefix(count.clone());
        bar.set_message(message.clone());
        bar.set_position(steps(progress.progress));
        if bar.is_hidden() {
            note(&format!("{DIM}progress {count} {message}{DIM:#}"));
        }
    }

    fn log(&mut self, level: &str, text: &str) {
        let line = format!("{DIM}[{}] {}{DIM:#}", one_line(level), printable(text));
        match &self.bar {
            Some(bar) => bar.suspend(|| note(&line)),
            None => note(&line),
        }
    }

    async fn elicit(&mut self, question: &Elicitation) -> Answer {
        self.finish();
        match question {
            Elicitation::Form { message, schema } => self.form(message, schema).await,
            Elicitation::Url { message, url } => self.page(message, url).await,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bar's place; `as` saturates and NaN is 0"
)]
fn steps(value: f64) -> u64 {
    (value * STEPS) as u64
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks field by field; the end of the input cancels.
async fn ask(message: &str, fields: &[Field]) -> Answer {
    note(&format!("{STRONG}The server asks:{STRONG:#} {}", printable(message)));
    note(&format!("{DIM}(Enter alone: the default, or nothing; Ctrl-D: no answer){DIM:#}"));
    let mut content = Map::new();
    for field in fields {
        for line in field.help() {
            note(&format!("  {DIM}{}{DIM:#}", printable(&line)));
        }
        loop {
            prompt(&format!("  {STRONG}{}{STRONG:#}{}: ", one_line(field.label()), printable(&field.hint())));
            let Some(typed) = read_line().await else { return Answer::Cancel };
            match field.read(&typed) {
                Ok(Some(value)) => {
                    content.insert(field.key.clone(), value);
                    break;
                }
                Ok(None) => break,
                Err(reason) => note(&format!("  {WARN}{reason}{WARN:#}")),
            }
        }
    }
    prompt("Send this answer? [Y/n] ");
    match read_line().await.as_deref() {
        Some("" | "y" | "Y" | "yes") => Answer::Accept(content),
        Some(_) => Answer::Decline,
        None => Answer::Cancel,
    }
}

fn prompt(text: &str) {
    let mut out = anstream::stderr().lock();
    drop(write!(out, "{text}").and_then(|()| out.flush()));
}

/// One line of standard input, without its end. On a thread of its own: a person thinks longer than a server may wait
/// for its connection to be served, and Ctrl-C must still work.
async fn read_line() -> Option<String> {
    let (sender, line) = oneshot::channel();
    let reader = std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        // Nobody waits any more after Ctrl-C.
        drop(sender.send(read.is_ok_and(|length| length > 0).then_some(line)));
    });
    reader.ok()?;
    Some(line.await.ok()??.trim_end_matches(['\r', '\n']).to_owned())
}
