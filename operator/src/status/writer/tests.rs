use ringway_snapshot::ObjectName;
use serde_json::json;

use super::*;
use crate::observe::kind::Kind;

fn patch(name: &str, tools: u32) -> Patch {
    let serde_json::Value::Object(status) = json!({ "tools": tools }) else { unreachable!("a map") };
    Patch {
        id: ObjectId { kind: Kind::MCPBackend, name: ObjectName::new("tools", name) },
        api_version: "ringway.dev/v1alpha1".to_owned(),
        content: Content::new(format!("uid-{name}"), &status),
        generation: 1,
        resource_version: 1,
        status,
        transitions: Vec::new(),
    }
}

fn changes(patches: Vec<Patch>) -> Changes {
    Changes { patches, deferrable: BTreeSet::new() }
}

fn begin(queue: &mut Queue, now: Instant) -> Vec<(ObjectId, Job)> {
    queue.due(now).0
}

fn names(jobs: &[(ObjectId, Job)]) -> Vec<&str> {
    jobs.iter().map(|(id, _)| id.name.name.as_str()).collect()
}

#[test]
fn only_a_few_are_under_way_and_none_twice() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let all: Vec<_> = (0..20).map(|index| patch(&format!("b{index:02}"), 1)).collect();
    queue.submit(changes(all.clone()), None, now);
    let jobs = begin(&mut queue, now);
    assert_eq!(jobs.len(), CONCURRENCY);
    queue.submit(changes(all), None, now);
    assert!(begin(&mut queue, now).is_empty(), "no room");
    for (id, job) in jobs {
        queue.end(id, job, WriteOutcome::Done, now);
    }
    assert_eq!(begin(&mut queue, now).len(), CONCURRENCY);
    assert_eq!(queue.waiting.len(), 20 - 2 * CONCURRENCY, "what was under way did not come back");
}

#[test]
fn what_waits_behind_the_same_is_outdated() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.submit(changes(vec![patch("a", 1)]), None, now);
    let (id, job) = begin(&mut queue, now).pop().expect("one");
    queue.submit(changes(vec![patch("a", 2)]), None, now);
    assert_eq!(queue.waiting.len(), 1);
    // It turned back while the first was under way.
    queue.submit(changes(vec![patch("a", 1)]), None, now);
    queue.end(id, job, WriteOutcome::Done, now);
    assert!(queue.waiting.is_empty() && begin(&mut queue, now).is_empty(), "nothing more is to be said");
}

#[test]
fn only_the_newest_patch_of_an_object_waits() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.submit(changes(vec![patch("a", 1)]), None, now);
    queue.submit(changes(vec![patch("a", 2)]), None, now);
    let mut jobs = begin(&mut queue, now);
    let (id, job) = jobs.pop().expect("one");
    assert_eq!(job.patch.status["tools"], 2);
    queue.submit(changes(vec![patch("a", 3)]), None, now);
    assert!(begin(&mut queue, now).is_empty(), "never two of one object at once");
    queue.end(id, job, WriteOutcome::Done, now);
    assert_eq!(names(&begin(&mut queue, now)), ["a"]);
}

#[test]
fn what_is_not_wanted_any_more_is_not_written() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.submit(changes(vec![patch("a", 1), patch("b", 1)]), None, now);
    let a = BTreeSet::from([patch("a", 1).id]);
    queue.submit(changes(Vec::new()), Some(&a), now);
    assert_eq!(queue.waiting.len(), 1, "nothing was said of b");
    queue.submit(changes(Vec::new()), None, now);
    assert!(queue.waiting.is_empty());
}

#[test]
fn failures_are_tried_again_later_and_later() {
    let (mut queue, mut now) = (Queue::default(), Instant::now());
    queue.submit(changes(vec![patch("a", 1)]), None, now);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let (id, job) = begin(&mut queue, now).pop().expect("due");
        queue.end(id, job, WriteOutcome::Failed, now);
        // The same again does not jump the queue.
        queue.submit(changes(vec![patch("a", 1)]), None, now);
        let (jobs, next) = queue.due(now);
        assert!(jobs.is_empty());
        let next = next.expect("a time");
        pauses.push(next.duration_since(now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn findings_and_contests_are_paced() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    let write = |queue: &mut Queue, now| {
        let (id, job) = begin(queue, now).pop().expect("due");
        queue.end(id, job, WriteOutcome::Done, now);
    };
    queue.submit(changes(vec![patch("a", 1)]), None, now);
    write(&mut queue, now);
    let count = |tools| Changes { patches: vec![patch("a", tools)], deferrable: [patch("a", 1).id].into() };
    queue.submit(count(2), None, now + Duration::from_secs(1));
    assert_eq!(queue.due(now + Duration::from_secs(9)).1, Some(now + FACTS_INTERVAL));
    queue.submit(count(3), None, now + Duration::from_secs(9));
    let later = now + FACTS_INTERVAL;
    write(&mut queue, later);
    // Somebody else keeps writing what is ours.
    queue.submit(changes(vec![patch("a", 3)]), None, later);
    assert_eq!(queue.due(later).1, Some(later + CONTEST_INTERVAL));
    write(&mut queue, later + CONTEST_INTERVAL);
    let later = later + CONTEST_INTERVAL;
    queue.submit(changes(vec![patch("a", 3)]), None, later);
    assert_eq!(queue.due(later).1, Some(later + CONTEST_INTERVAL * 2), "later and later");
    // Something new to say need not wait.
    queue.submit(changes(vec![patch("a", 4)]), None, later);
    assert_eq!(names(&begin(&mut queue, later)), ["a"]);
}
