//! What is said where something is not granted: the line that grants it.
//!
//! Invariant: the line for `wharf.toml` holds what the plugin may use already, so pasting it takes nothing away. Whether the operator
//! lets it be granted is not known here.

use wharf_event::{Grants, HttpAccess, HttpAsked};

use crate::AttemptContext;

impl AttemptContext {
    /// How to grant what was asked for at an address that is not public.
    pub(crate) fn private_line(&self, asked: HttpAsked) -> String {
        let Some(access) = HttpAccess::of(asked) else { return String::new() };
        let more = Grants { http: vec![access.private()], ..Grants::default() };
        format!("; and the tenant grants it {}", self.grants_line(&more))
    }

    /// How to grant this too.
    pub(crate) fn grants_line(&self, more: &Grants) -> String {
        let (plugin, all) = (&self.plugin, self.grants.with(more));
        let options = more.publish.iter().map(|types| format!(" --publish '{types}'"));
        let options = options.chain(more.kv.iter().map(|bucket| format!(" --kv {bucket}")));
        let options = options.chain(more.http.iter().map(|access| format!(" --http '{access}'")));
        let options = options.chain(more.llm.iter().map(|route| format!(" --llm {route}")));
        let options = options.chain(more.infer.iter().map(|model| format!(" --infer {model}")));
        let options: String = options.chain(more.hold.iter().map(|secret| format!(" --hold {secret}"))).collect();
        format!(
            "in wharf.toml: grants = {all} (or, where the plugin was uploaded: wharf grant approve {plugin}{options}; a \
             release that says what it needs gets no more than that)"
        )
    }
}
