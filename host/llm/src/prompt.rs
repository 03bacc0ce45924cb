//! Prompts: templates of what a model is asked, filled with what a plugin gives.
//!
//! Invariant: whatever a template says and whatever is given, filling it ends: after so many steps, with so many bytes, and without calling anything. What
//! a template may use is listed (`allowed.rs`); what it names and was not given is an error.

use std::io;

use minijinja::{Environment, UndefinedBehavior, Value};
use serde_json::{Map, Value as Json};

use crate::limits::{
    PROMPT_BYTES_MAX, PROMPT_GIVEN_BYTES_MAX, PROMPT_GIVEN_VALUES_MAX, PROMPT_STEPS_MAX, SAID_CHARS_MAX,
    TEMPLATE_BYTES_MAX,
};

mod allowed;
mod filters;

/// The names of the two templates.
const SYSTEM: &str = "system";
const USER: &str = "user";

/// Two templates.
#[derive(Debug)]
pub struct Prompt {
    system: Option<String>,
    user: String,
}

/// A prompt that was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptText {
    /// What holds for all of a conversation.
    pub system: Option<String>,
    /// What the user says.
    pub user: String,
}

impl PromptText {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.system.as_ref().map_or(0, String::len) + self.user.len()
    }
}

/// A prompt cannot be used, or not be filled with that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// A template is too long.
    #[error("the template `{0}` has {1} bytes, and may have {TEMPLATE_BYTES_MAX}")]
    Long(&'static str, usize),
    /// A template is none.
    #[error("{0}")]
    Template(String),
    /// A template has what there is not.
    #[error("line {line} of `{template}` has {what}, which no prompt may have")]
    Unknown {
        /// Which template.
        template: &'static str,
        /// Where.
        line: u32,
        /// What.
        what: String,
    },
    /// What is given is no JSON object.
    #[error("what it is to be filled with is no JSON object: {0}")]
    Variables(String),
    /// What is given is too much.
    #[error("what it is to be filled with has {0} bytes, and may have {PROMPT_GIVEN_BYTES_MAX}")]
    Given(usize),
    /// What is given has too many parts.
    #[error("what it is to be filled with has {0} values, and may have {PROMPT_GIVEN_VALUES_MAX}")]
    Values(usize),
    /// What becomes of it is too much.
    #[error("what becomes of it has more than {PROMPT_BYTES_MAX} bytes")]
    Much,
    /// It cannot be filled with that.
    #[error("{0}")]
    Fill(String),
}

impl Prompt {
    /// Looks at the templates.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn parse(system: Option<&str>, user: &str) -> Result<Self, PromptError> {
        for (name, text) in [(SYSTEM, system), (USER, Some(user))] {
            let Some(text) = text else { continue };
            if text.len() > TEMPLATE_BYTES_MAX {
                return Err(PromptError::Long(name, text.len()));
            }
            allowed::check(name, text)?;
        }
        Ok(Self { system: system.map(str::to_owned), user: user.to_owned() })
    }

    /// Fills them with a JSON object.
    ///
    /// # Errors
    /// When it is none, or a template needs something else, or too much comes of it.
    pub fn fill(&self, variables: &str) -> Result<PromptText, PromptError> {
        if variables.len() > PROMPT_GIVEN_BYTES_MAX {
            return Err(PromptError::Given(variables.len()));
        }
        let variables: Map<String, Json> =
            serde_json::from_str(variables).map_err(|error| PromptError::Variables(error.to_string()))?;
        let values = variables.values().map(filters::values).sum();
        if values > PROMPT_GIVEN_VALUES_MAX {
            return Err(PromptError::Values(values));
        }
        let variables = filters::value(Json::Object(variables));
        let mut env = Environment::empty();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        // The steps of both templates together are bounded by those of each.
        env.set_fuel(Some(PROMPT_STEPS_MAX / 2));
        env.set_keep_trailing_newline(true);
        filters::add(&mut env, &filters::Made::default());
        let mut left = PROMPT_BYTES_MAX;
        let system =
            self.system.as_deref().map(|system| filled(&env, (SYSTEM, system), &variables, left)).transpose()?;
        left -= system.as_ref().map_or(0, String::len);
        let user = filled(&env, (USER, &self.user), &variables, left)?;
        Ok(PromptText { system, user })
    }
}

fn filled<'a>(
    env: &Environment<'a>,
    (name, template): (&'static str, &'a str),
    variables: &Value,
    bytes_max: usize,
) -> Result<String, PromptError> {
    let mut bounded = Bounded { bytes: Vec::new(), left: bytes_max, is_over: false };
    let template = env.template_from_named_str(name, template).map_err(|error| PromptError::Template(said(&error)))?;
    let ended = template.render_captured_to(variables.clone(), &mut bounded).map(drop);
    if bounded.is_over {
        return Err(PromptError::Much);
    }
    ended.map_err(|error| PromptError::Fill(said(&error)))?;
    String::from_utf8(bounded.bytes).map_err(|error| PromptError::Fill(error.to_string()))
}

/// What is wrong, in few words.
fn said(error: &minijinja::Error) -> String {
    error.to_string().chars().take(SAID_CHARS_MAX).collect()
}

/// Takes so many bytes.
struct Bounded {
    bytes: Vec<u8>,
    left: usize,
    is_over: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            self.is_over = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(user: &str, variables: &str) -> Result<String, PromptError> {
        Ok(Prompt::parse(None, user)?.fill(variables)?.user)
    }

    #[test]
    fn a_template_is_filled_with_what_is_given() {
        let given =
            r#"{"a": "A\"<b>", "n": 3, "f": 1.5, "t": true, "z": null, "l": ["x", "y"], "o": {"k": "v", "j": [1]}}"#;
        for (template, wanted) in [
            ("{{ a }}\n", "A\"<b>\n"),
            ("{{ n }} {{ f }} {{ o.k }} {{ o['k'] }} {{ l[1] }} {{ l.0 }}", "3 1.5 v v y x"),
            ("{% if t and n > 2 and 'x' in l and z is none %}yes{% elif a %}no{% else %}no{% endif %}", "yes"),
            ("{% for it in l %}{{ loop.index }}{{ it }}{% if not loop.last %}, {% endif %}{% endfor %}", "1x, 2y"),
            ("{% for k, v in o | items %}{{ k }}={{ v | tojson }};{% endfor %}", "j=[1];k=\"v\";"),
            (
                "{{ a | upper }} {{ a | lower }} {{ '  s ' | trim }} {{ l | join('-') }} {{ l | length }}",
                "A\"<B> a\"<b> s x-y 2",
            ),
            ("{{ l | first }}{{ l | last }}{{ 'aXbX' | replace('X', '--') }}{{ q | default('none') }}", "xya--b--none"),
            ("{{ o | tojson }}", r#"{"j":[1],"k":"v"}"#),
            ("{% set x = n - 1 %}{{ x }}{% with y = n %}{{ y % 2 }}{{ y // 2 }}{% endwith %}", "211"),
            ("{% raw %}{{ not }}{% endraw %}{# nothing #}", "{{ not }}"),
            ("{{ 'a' if t else 'b' }}{{ 1 if q is defined else 2 }}", "a2"),
            ("{% for it in l if it != 'x' %}{{ it }}{% else %}none{% endfor %}", "y"),
        ] {
            assert_eq!(filled(template, given).as_deref(), Ok(wanted), "{template}");
        }
        let both =
            Prompt::parse(Some("You are {{ a }}."), "{{ b }}").unwrap().fill(r#"{"a": "calm", "b": "hi"}"#).unwrap();
        assert_eq!((both.system.as_deref(), both.user.as_str(), both.bytes()), (Some("You are calm."), "hi", 15));
    }

    #[test]
    fn what_makes_texts_longer_calls_or_reads_is_no_template() {
        for template in [
            "{{ a ~ a }}",
            "{{ a + a }}",
            "{{ a * 9 }}",
            "{{ 9 ** 9 }}",
            "{{ a[1:] }}",
            "{{ a() }}",
            "{{ a.b() }}",
            "{{ range(9) }}",
            "{{ [a, a] }}",
            "{{ {'a': a} }}",
            "{{ a | batch(2) }}",
            "{{ a is odd }}",
            "{% include 'x' %}",
            "{% extends 'x' %}",
            "{% macro m() %}{% endmacro %}",
            "{% set x %}a{% endset %}",
            "{% filter upper %}a{% endfilter %}",
            "{% block b %}{% endblock %}",
            "{% autoescape true %}{% endautoescape %}",
            "{% for a in b recursive %}{% endfor %}",
            "{{ a | join(*b) }}",
            "{% do a() %}",
            "{{",
            "{% if %}",
            "{% if a %}",
            "{{ a b }}",
            "{% endif %}",
        ] {
            assert!(filled(template, r#"{"a": "x", "b": []}"#).is_err(), "{template}");
            assert!(Prompt::parse(None, template).is_err(), "{template}");
        }
        assert!(Prompt::parse(None, &"x".repeat(TEMPLATE_BYTES_MAX)).is_ok());
        assert!(matches!(Prompt::parse(None, &"x".repeat(TEMPLATE_BYTES_MAX + 1)), Err(PromptError::Long(..))));
    }

    #[test]
    fn no_template_is_deep_enough_to_end_the_host() {
        let many = TEMPLATE_BYTES_MAX / 16;
        for template in [
            format!("{{{{ a{} }}}}", ".b".repeat(many)),
            format!("{{{{ a{} }}}}", "|trim".repeat(many)),
            format!("{{{{ a{} }}}}", " - a".repeat(many)),
            format!("{{{{ {}a }}}}", "not ".repeat(many)),
            format!("{{{{ {}a{} }}}}", "(".repeat(many), ")".repeat(many)),
            format!("{{% if a %}}{}{{% endif %}}", "{%elif a%}".repeat(many)),
            format!("{}{}", "{%if a%}".repeat(many), "{%endif%}".repeat(many)),
            format!("{}{}", "{%for a in a%}".repeat(many / 2), "{%endfor%}".repeat(many / 2)),
        ] {
            assert!(Prompt::parse(None, &template).is_err(), "{}", &template[..20]);
        }
    }

    #[test]
    fn filling_ends_after_so_many_steps_and_bytes() {
        let many = format!("{{\"n\": [{}]}}", vec!["1"; 1_000].join(","));
        let error = filled("{% for a in n %}{% for b in n %}{% endfor %}{% endfor %}", &many).unwrap_err();
        assert!(matches!(&error, PromptError::Fill(why) if why.contains("fuel")), "{error}");
        let long = format!("{{\"n\": [1,2,3,4,5,6,7,8], \"s\": \"{}\"}}", "x".repeat(60_000));
        for template in [
            "{% for a in n %}{{ s }}{% endfor %}",
            "{% for a in n %}{% if s | upper %}{% endif %}{% endfor %}",
            "{{ s | replace('x', 'yyyyyy') | length }}",
            "{{ s | replace('', 'yyyyyy') | length }}",
            "{% for a in n %}{{ s | tojson | length }}{% endfor %}",
            "{% for a in n %}{{ n | join(s) | length }}{% endfor %}",
        ] {
            assert!(filled(template, &long).is_err(), "{template}");
        }
        let much = format!("{{\"s\": \"{}\"}}", "x".repeat(PROMPT_GIVEN_BYTES_MAX));
        assert_eq!(filled("a", &much), Err(PromptError::Given(much.len())));
        let list = |length| format!("{{\"n\": [{}]}}", vec!["[]"; length].join(","));
        assert_eq!(filled("a", &list(PROMPT_GIVEN_VALUES_MAX - 1)).as_deref(), Ok("a"));
        assert_eq!(filled("a", &list(PROMPT_GIVEN_VALUES_MAX)), Err(PromptError::Values(PROMPT_GIVEN_VALUES_MAX + 1)));
    }

    #[test]
    fn what_is_not_given_is_an_error_that_says_where() {
        for (template, variables) in [
            ("a\n{{ b }}", "{}"),
            ("a\n{{ a.b.c }}", r#"{"a": {}}"#),
            ("a\n{% if b %}{% endif %}", "{}"),
            ("a\n{% for it in b %}{% endfor %}", "{}"),
            ("a\n{{ b | upper }}", "{}"),
            ("a\n{{ b | tojson }}", "{}"),
            ("a\n{{ [] | join(b) }}", "{}"),
        ] {
            let error = filled(template, variables).unwrap_err();
            assert!(error.to_string().contains("user:2"), "{template}: {error}");
        }
        for variables in ["", "[]", "1", "{", "{} {}", "{\"a\": \"\\ud800\"}"] {
            assert!(matches!(filled("x", variables), Err(PromptError::Variables(_))), "{variables}");
        }
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(200), "]".repeat(200));
        assert!(matches!(filled("{{ a }}", &deep), Err(PromptError::Variables(_))));
    }
}
