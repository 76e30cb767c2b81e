//! The documentation against the source: every reply, limit, metric and key of the access log is told, with the figures
//! that the code has.
//!
//! Reads the source text: the tables of replies are private, and a default is easier found where it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path))
}

/// What stands behind `from`, up to the next `to`.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let after = text.split_once(from).map_or("", |(_, after)| after);
    after.split_once(to).map_or(after, |(inside, _)| inside)
}

/// The cells of every table row of a page.
fn rows(page: &str) -> Vec<Vec<String>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix('|'));
    rows.map(|row| row.trim_end_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The variants of `Reason` that a text names.
fn variants(text: &str) -> Vec<String> {
    let names = text
        .split(['|', ' ', '\n', '(', ')', ','])
        .filter_map(|word| word.strip_prefix("Reason::").or_else(|| word.strip_prefix("Self::")).map(str::to_owned));
    names.collect()
}

/// `match` arms over `Reason`, as variant → value.
fn arms(body: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = String::new();
    // A long pattern puts its value into a block on the next line.
    let body = body.replace("=> {\n", "=> ");
    for line in body.lines().filter(|line| line.trim() != "}") {
        let Some((pattern, value)) = line.split_once("=>") else {
            left.push_str(line);
            continue;
        };
        left.push_str(pattern);
        let value = value.trim().trim_end_matches(',');
        found.extend(variants(&left).into_iter().map(|variant| (variant, value.to_owned())));
        left.clear();
    }
    found
}

fn http_status(constant: &str) -> &'static str {
    match constant.trim_start_matches("StatusCode::") {
        "OK" => "200",
        "BAD_REQUEST" => "400",
        "FORBIDDEN" => "403",
        "NOT_FOUND" => "404",
        "METHOD_NOT_ALLOWED" => "405",
        "NOT_ACCEPTABLE" => "406",
        "REQUEST_TIMEOUT" => "408",
        "PAYLOAD_TOO_LARGE" => "413",
        "URI_TOO_LONG" => "414",
        "MISDIRECTED_REQUEST" => "421",
        "UNSUPPORTED_MEDIA_TYPE" => "415",
        "TOO_MANY_REQUESTS" => "429",
        "REQUEST_HEADER_FIELDS_TOO_LARGE" => "431",
        "SERVICE_UNAVAILABLE" => "503",
        _ => "a status that this test does not know",
    }
}

/// Reasons of `Reachable` are words of the data plane.
#[test]
fn every_way_not_to_reach_a_backend_is_told() -> io::Result<()> {
    let (verdict, page) = (read("dataplane/src/probe/verdict.rs")?, read("docs/conditions.md")?);
    let code = between(&verdict, "use crate", "#[cfg(test)]");
    // A word alone between quotes: sentences have spaces.
    let is_word =
        |text: &&str| text.starts_with(char::is_uppercase) && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let said: BTreeSet<&str> = code.split('"').skip(1).step_by(2).filter(is_word).collect();
    let section = between(&page, "## Reachable", "\n## ");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| False | `")?.split_once('`'));
    let told: BTreeSet<&str> = rows.map(|(reason, _)| reason).collect();
    assert!(said.len() > 15, "the source was not understood: {said:?}");
    assert_eq!(said, told, "dataplane/src/probe/verdict.rs on the left, docs/conditions.md on the right");
    Ok(())
}

#[test]
fn every_reply_is_told_as_it_is_made() -> io::Result<()> {
    let (fault, reply) = (read("dataplane/src/fault.rs")?, read("dataplane/src/reply.rs")?);
    let (error, numbers) = (read("dataplane/src/reply/error.rs")?, read("crates/mcp/src/error.rs")?);
    let names = arms(between(&fault, "impl Reason {", "\n}\n"));
    let statuses = arms(between(&reply, "let plain = match reason {", "\n    };"));
    let keeps = variants(between(&reply, "let keeps_status = matches!(", ");"));
    let codes = arms(between(&error, "fn error_code(", "\n}\n"));
    let legacy_request = variants(between(&error, "(Era::Legacy | Era::Unknown, ", "=>"));
    let retryable = variants(between(&fault, "pub fn retryable(", "\n    }"));
    let number = |code: &str| {
        let name = code.trim_start_matches("code::");
        between(&numbers, &format!("pub const {name}: i64 = "), ";").replace('_', "")
    };
    let page = rows(&read("docs/errors.md")?);
    assert!(names.len() > 25 && keeps.len() > 3, "the source was not understood: {names:?}, {keeps:?}");
    for (variant, name) in &names {
        let plain = statuses.get(variant).map_or("none", |status| http_status(status));
        let legacy = if keeps.contains(variant) { plain } else { "200" };
        let code = codes.get(variant).map(|code| number(code)).unwrap_or_default();
        let legacy_code = if legacy_request.contains(variant) { number("code::INVALID_REQUEST") } else { code.clone() };
        let again = if retryable.contains(variant) { "yes" } else { "no" };
        let want = [&format!("`{}`", name.trim_matches('"')), plain, legacy, &code, &legacy_code, again];
        let row = page.iter().find(|row| row.first().is_some_and(|cell| cell == want[0]));
        let told: Vec<_> = row.into_iter().flatten().take(want.len()).collect();
        assert_eq!(told, want.iter().collect::<Vec<_>>(), "{variant} in docs/errors.md");
    }
    Ok(())
}

/// The ways in which a page may write a default.
fn notations(value: &str) -> Vec<String> {
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    let duration = |unit: &str| number(between(value, &format!("Duration::from_{unit}("), ")"));
    let several = value.matches("Duration::").count() > 1;
    if several {
        let parts = value.trim_matches(['(', ')']).split(", ").map(|part| notations(&format!("{part})")));
        return vec![parts.filter_map(|part| part.first().cloned()).collect::<Vec<_>>().join(", ")];
    }
    if let Some(seconds) = duration("secs") {
        return vec![format!("{} s", grouped(seconds))];
    }
    if let Some(millis) = duration("millis") {
        return vec![format!("{} ms", grouped(millis))];
    }
    let parts: Vec<_> = value.split("<<").map(number).collect();
    let amount = match parts.as_slice() {
        [Some(amount)] => *amount,
        [Some(base), Some(shift)] => base << shift,
        _ => return Vec::new(),
    };
    [(1_u64 << 20, " MiB"), (1 << 10, " KiB"), (1, "")]
        .into_iter()
        .filter(|(unit, _)| amount % unit == 0)
        .map(|(unit, name)| format!("{}{name}", grouped(amount / unit)))
        .collect()
}

fn grouped(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

fn camel(field: &str) -> String {
    let mut words = field.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        name + &letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    })
}

/// Field and value of `impl Default for NAME` in a source text.
fn defaults(source: &str, name: &str) -> Vec<(String, String)> {
    let body = between(source, &format!("impl Default for {name} {{"), "\n}\n");
    let inside = between(body, "Self {\n", "\n        }").lines().chain(between(body, "Self { ", " }").split(", "));
    let fields = inside.filter_map(|line| line.trim().trim_end_matches(',').split_once(": "));
    fields.map(|(field, value)| (field.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_limit_is_told_with_its_default() -> io::Result<()> {
    let page = rows(&read("docs/limits.md")?);
    let plain = |field: &str| field.to_owned();
    for (file, name, prefix, spelled) in [
        ("dataplane/src/limits.rs", "Limits", "", plain as fn(&str) -> String),
        ("crates/mcp/src/scan.rs", "Limits", "message.", plain),
        ("dataplane/src/catalog/limits.rs", "Limits", "catalog.", plain),
        ("dataplane/src/probe/limits.rs", "Limits", "probes.", plain),
        ("crates/snapshot/src/backend.rs", "BackendLimits", "limits.", camel),
        ("crates/snapshot/src/backend.rs", "Timeouts", "timeouts.", camel),
        ("crates/snapshot/src/route.rs", "Sessions", "sessions.", camel),
    ] {
        let defaults = defaults(&read(file)?, name);
        assert!(defaults.len() >= 3, "the defaults of {name} in {file} were not found");
        for (field, value) in defaults {
            let wanted = notations(&value);
            if wanted.is_empty() {
                // `message` of the process limits: a table of its own.
                continue;
            }
            let setting = format!("`{prefix}{}`", spelled(&field));
            let told = page.iter().find(|row| row.contains(&setting));
            assert!(
                told.is_some_and(|row| row.iter().any(|cell| wanted.contains(cell))),
                "{setting} is {value}; docs/limits.md should say one of {wanted:?}: {told:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn every_limit_that_can_be_set_is_told_by_its_name() -> io::Result<()> {
    let (page, named) = (read("docs/limits.md")?, read("dataplane/src/app/named.rs")?);
    let table = between(&named, "pub static NAMED: &[Named] = named! {", "\n};");
    let names: Vec<_> = table.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect();
    assert!(names.len() > 30, "{names:?}");
    let missing: Vec<_> = names.into_iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, [""; 0], "not in docs/limits.md");
    Ok(())
}

#[test]
fn every_label_of_a_limit_is_told() -> io::Result<()> {
    let (page, labels) = (read("docs/limits.md")?, read("dataplane/src/telemetry/labels.rs")?);
    let names: Vec<_> = between(&labels, "pub enum Limit {", "\n    }").split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 30, "{names:?}");
    let missing: Vec<_> = names.into_iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert_eq!(missing, [""; 0], "not in docs/limits.md");
    Ok(())
}

#[test]
fn every_metric_and_log_key_is_told() -> io::Result<()> {
    let page = read("docs/operations.md")?;
    let metrics =
        read("dataplane/src/telemetry/metrics/render.rs")? + &read("dataplane/src/telemetry/metrics/process.rs")?;
    let strings = metrics.split('"').skip(1).step_by(2);
    let metrics: Vec<_> = strings
        .filter(|text| ["ringway_", "mcp_", "process_"].iter().any(|prefix| text.starts_with(prefix)))
        .filter(|text| !["mcp_protocol_version", "mcp_method_name", "ringway_route", "ringway_backend"].contains(text))
        .collect();
    let log = read("dataplane/src/telemetry/log/line.rs")?;
    let log = log.split("#[cfg(test)]").next().unwrap_or_default();
    let keys = log.split("(out, \"").skip(1).filter_map(|rest| rest.split('"').next());
    let keys: Vec<_> = keys.filter(|key| !key.contains('{')).collect();
    assert!(metrics.len() > 15 && keys.len() > 20, "{metrics:?}, {keys:?}");
    let told = |name: &&str| page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}_total`"));
    let missing: Vec<_> = metrics.into_iter().chain(keys).filter(|name| !told(name)).collect();
    assert_eq!(missing, [""; 0], "not in docs/operations.md");
    Ok(())
}

#[test]
fn the_floors_are_drawn_as_they_are_kept() -> io::Result<()> {
    let (page, test) = (read("docs/architecture.md")?, read("dataplane/tests/layering.rs")?);
    let drawn = between(&page, "## Floors of the data plane", "House rules");
    let drawn = between(drawn, "```text\n", "```").lines().flat_map(|line| match line.split_once("  ") {
        Some((name, _)) => vec![name],
        None => line.split(", ").collect(),
    });
    let kept = between(&test, "const FLOORS: &[&[&str]] = &[", "];").split('"').skip(1).step_by(2);
    assert_eq!(drawn.collect::<Vec<_>>(), kept.collect::<Vec<_>>());
    Ok(())
}

#[test]
fn links_between_pages_lead_somewhere() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut seen = 0;
    for entry in fs::read_dir(&docs)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") {
                continue;
            }
            seen += 1;
            assert!(docs.join(target).exists(), "{}: {target}", path.display());
        }
    }
    assert!(seen > 10, "only {seen} links");
    Ok(())
}

#[test]
fn defaults_are_written_as_people_do() {
    for (value, want) in [
        ("32 << 10", "32 KiB"),
        ("50_000", "50,000"),
        ("8192", "8 KiB"),
        ("Duration::from_secs(3_600)", "3,600 s"),
        ("Duration::from_millis(250)", "250 ms"),
        ("(Duration::from_secs(1), Duration::from_secs(30))", "1 s, 30 s"),
    ] {
        assert!(notations(value).contains(&want.to_owned()), "{value}: {:?}", notations(value));
    }
    assert_eq!(camel("max_response_bytes"), "maxResponseBytes");
}
