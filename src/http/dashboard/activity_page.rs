//! What happened, the newest first and live at the top: the feed of the past.

use std::collections::HashMap;

use askama::Template;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};
use jiff::Timestamp;

use super::{
    filters::{Choice, address, choices, given, is_limited},
    shell::{PageProblem, Shell, render},
    words::Moment,
};
use crate::{
    domain::{
        host::Host,
        identity::HostId,
        live_event::{LiveEvent, Topic},
    },
    http::{Visit, api::activity::asked, paging::Paging},
};

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage {
    shell: Shell,
    address: String,
    rows: Vec<ActivityRow>,
    topics: Vec<Choice>,
    host: String,
    hostnames: Vec<String>,
    attention_only: bool,
    is_limited: bool,
    is_newest: bool,
    older: Option<String>,
}

/// A row of the feed as pages show it.
pub(super) struct ActivityRow {
    pub(super) at: Moment,
    pub(super) tone: &'static str,
    pub(super) topic: &'static str,
    pub(super) message: String,
    /// The page of the host, and its name; empty when it is about none that is there.
    pub(super) host: String,
    pub(super) hostname: String,
    pub(super) operation: String,
    pub(super) attention: bool,
}

/// The page.
pub(in crate::http) async fn activity(state: Visit, paging: Paging, uri: Uri) -> Result<Response, PageProblem> {
    let shell = Shell::new(&state).await?;
    let question = asked(&state, &uri, &paging).await?;
    let (events, is_more) = paging.only(state.feed.events(&question).await?);
    let older = events.last().filter(|_| is_more).map(|last| paging.older_query(&last.id.to_string()));
    let hosts = state.hosts.hosts().await?;
    let names = names(&hosts);
    let now = state.clock.now();
    let topics = Topic::ALL.iter().map(|topic| (topic.word(), topic_words(*topic)));
    let page = ActivityPage {
        address: address(&uri),
        rows: events.iter().map(|event| ActivityRow::new(event, &names, now)).collect(),
        topics: choices("Everything", topics, &given(&uri, "topic")),
        host: given(&uri, "host"),
        hostnames: hosts.iter().map(|host| host.hostname.to_string()).collect(),
        attention_only: question.attention_only,
        is_limited: is_limited(&uri, &["topic", "host", "attention", "operation"]),
        is_newest: question.before.is_none(),
        older,
        shell,
    };
    Ok(render(StatusCode::OK, &page))
}

/// The names of hosts by their ids.
pub(super) fn names(hosts: &[Host]) -> HashMap<&HostId, &str> {
    hosts.iter().map(|host| (&host.id, host.hostname.as_str())).collect()
}

impl ActivityRow {
    pub(super) fn new(event: &LiveEvent, names: &HashMap<&HostId, &str>, now: Timestamp) -> Self {
        let name = event.host.as_ref().and_then(|host| names.get(host).map(|name| (host.to_string(), *name)));
        let (host, hostname) = name.map_or_else(Default::default, |(host, name)| (host, name.to_owned()));
        // The name stands before the sentence already.
        let message = event.message.strip_prefix(hostname.as_str()).filter(|_| !hostname.is_empty());
        let message = message.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&event.message);
        Self {
            at: Moment::new(event.at, now),
            tone: if event.attention { "bad" } else { topic_tone(event.topic) },
            topic: topic_words(event.topic),
            message: message.to_owned(),
            host,
            hostname,
            operation: event.operation.as_ref().map(ToString::to_string).unwrap_or_default(),
            attention: event.attention,
        }
    }
}

impl ActivityRow {
    /// The same on the page of its operation, which needs no link to itself.
    pub(super) fn on_its_page(self) -> Self {
        Self { host: String::new(), operation: String::new(), ..self }
    }
}

fn topic_words(topic: Topic) -> &'static str {
    match topic {
        Topic::Host => "hosts",
        Topic::Operation => "operations",
        Topic::Catalog => "catalog",
        Topic::Warning => "warnings",
        Topic::Overdue => "overdue",
        Topic::Image => "images",
        Topic::Sighting => "unknown machines",
    }
}

fn topic_tone(topic: Topic) -> &'static str {
    match topic {
        Topic::Host => "good",
        Topic::Operation => "busy",
        Topic::Catalog | Topic::Image => "calm",
        Topic::Warning => "bad",
        Topic::Overdue | Topic::Sighting => "armed",
    }
}
