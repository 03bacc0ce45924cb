//! Prompts of a tenant's routes that stand in the operator's file.
//!
//! Invariant: what is read can be filled: its templates are parsed here, and its route is there.

use std::collections::BTreeMap;

use wharf_catalog::PromptDocument;
use wharf_event::{PromptName, RouteName};
use wharf_llm::Prompt;

use super::{
    keys::{Key, Named, Otherwise, Shape, key},
    llm::RouteConfig,
    table::{Sink, Table},
};

const PROMPT: &[Key] = &[
    key("route", "The route by which models are asked with it.", Shape::Name, Otherwise::Required),
    key("system", "A template (minijinja) of what holds for all of a conversation.", Shape::Text, Otherwise::Nothing),
    key("user", "A template of what the user says.", Shape::Text, Otherwise::Required),
];

pub(super) const PROMPTS: Key = key(
    "prompts",
    "Templates of what is asked by its routes, filled with what a plugin gives. Those with versions and channels are made by `wharf prompt put`.",
    Shape::Named(Named { one: "prompt", always: None, names: None, keys: PROMPT }),
    Otherwise::Nothing,
);

/// Reads those of a tenant.
pub(super) fn read(
    table: &Table<'_>,
    routes: &BTreeMap<RouteName, RouteConfig>,
    sink: &Sink,
) -> BTreeMap<PromptName, PromptDocument> {
    let mut prompts = BTreeMap::new();
    for (name, table) in table.named::<PromptName>("prompts") {
        let route = table.parsed::<RouteName>("route");
        if table.value("route").is_none() {
            table.missing("route", "name a table below `llm.routes`");
        }
        if let Some(named) = &route
            && !routes.contains_key(&named.value)
        {
            let message = format!("there is no route `{}`", named.value);
            let names = routes.keys().map(RouteName::as_str);
            let help = format!("add a table `llm.routes.{}`", named.value);
            sink.report_unknown(named.span.clone(), message, named.value.as_str(), names, help);
        }
        let text = |key| table.parsed::<String>(key).map(|found| found.value);
        let (system, user) = (text("system"), text("user"));
        if table.value("user").is_none() {
            table.missing("user", "say what the user says: user = \"{{ text }}\"");
        }
        let (Some(route), Some(user)) = (route, user) else { continue };
        if let Err(error) = Prompt::parse(system.as_deref(), &user) {
            sink.report(table.span.clone(), format!("{}: {error}", table.what()), "correct the template");
            continue;
        }
        prompts.insert(name, PromptDocument { route: route.value, system, user });
    }
    prompts
}

#[cfg(test)]
mod tests {
    use crate::config::read;

    const BASE: &str = "default_tenant = 'acme'\n[llm.providers.echo]\nkind = 'echo'\n[llm.models.small]\nprovider = 'echo'\nmodel = 'echo'\n[tenants.acme.llm.routes.triage]\nmodels = ['small']\n[tenants.acme.llm.prompts.p]\n";

    #[test]
    fn a_prompt_that_no_plugin_could_have_filled_is_refused() {
        for (prompt, wanted) in [
            ("route = 'triag'\nuser = 'x'", "there is no route `triag`"),
            ("route = 'triage'\nuser = '{{ a }'", "syntax error"),
            ("route = 'triage'\nuser = 'x'\nsystem = '{{ a() }}'", "line 1 of `system` has a call"),
            ("route = 'triage'", "prompt `p` has no `user`"),
            ("user = 'x'", "prompt `p` has no `route`"),
        ] {
            let problems = read(&format!("{BASE}{prompt}\n")).1;
            let all: Vec<_> = problems.iter().map(|it| it.message.as_str()).collect();
            assert!(all.len() == 1 && all[0].contains(wanted), "{prompt}: {all:?}");
        }
        let (config, problems) = read(&format!("{BASE}route = 'triage'\nuser = '{{{{ text }}}}'\n"));
        assert_eq!(problems, []);
        assert_eq!(config.tenants.values().map(|tenant| tenant.prompts.len()).sum::<usize>(), 1);
    }
}
