//! Routes of a file beside those of a host.

use serde::Serialize;
use wharf_delivery::RouteDocument;
use wharf_event::{Code, PluginAt, RoutePath};
use wharf_gateway::view::{RouteView, RuleOrigin};

use super::{
    super::error::CommandError,
    compare::{Comparison, json},
    plan::{Action, Kind, Work},
};
use crate::config::size_text;

/// A route as it is put.
#[derive(Serialize)]
struct Body {
    plugin: PluginAt,
    methods: Vec<String>,
    request_size: String,
    answer_size: String,
    reuse: u32,
}

impl From<&RouteDocument> for Body {
    fn from(from: &RouteDocument) -> Self {
        Self {
            plugin: PluginAt { plugin: from.plugin.clone(), channel: from.channel.clone() },
            methods: from.methods.iter().cloned().collect(),
            request_size: size_text(from.request_bytes),
            answer_size: size_text(from.answer_bytes),
            reuse: from.reuse,
        }
    }
}

impl Comparison<'_> {
    /// Compares one route.
    pub(super) fn route(&mut self, path: &RoutePath, wanted: &RouteDocument) -> Result<(), CommandError> {
        let body = Body::from(wanted);
        let Some(there) = self.there.routes.get(path) else {
            let work = Work::Route { route: path.clone(), body: json(&body)?, seen: None };
            self.step(Kind::Route, path, Action::Add, format!("answered by {}", body.plugin), work);
            return Ok(());
        };
        let parts = between(there, &body);
        if parts.is_empty() {
            self.plan.unchanged += 1;
        } else if there.origin == RuleOrigin::File {
            self.of_file(Kind::Route, path, Code::RouteOfFile, &parts.join(", "));
        } else {
            let work = Work::Route { route: path.clone(), body: json(&body)?, seen: there.version };
            self.step(Kind::Route, path, Action::Change, parts.join(", "), work);
        }
        Ok(())
    }
}

/// What becomes different.
fn between(there: &RouteView, wanted: &Body) -> Vec<&'static str> {
    let parts = [
        ("plugin", there.plugin == wanted.plugin),
        ("methods", there.methods == wanted.methods),
        ("request_size", there.request_size == wanted.request_size),
        ("answer_size", there.answer_size == wanted.answer_size),
        ("reuse", there.reuse == wanted.reuse),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
}
