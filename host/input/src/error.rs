//! Why something is no input, and why an input cannot be made of an event. Invariant: the place names what has to be changed,
//! and the reason says to what.

use std::fmt;

use wharf_event::{Code, EventError, limits::EVENT_BYTES_MAX};

use crate::limits::{
    CONSTANT_BYTES_MAX, PATH_BYTES_MAX, SHOWN_CHARS_MAX, TEMPLATE_BYTES_MAX, TEMPLATE_DEPTH_MAX,
    VARIABLE_NAME_BYTES_MAX, VARIABLES_MAX,
};

/// One mistake of an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct InputError {
    /// Where it is.
    pub place: InputPlace,
    /// What is wrong there.
    pub reason: InputReason,
}

/// A place in an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputPlace {
    /// The path that the input is.
    Path,
    /// The constant.
    Constant,
    /// All paths of a template.
    Paths,
    /// The path of a template that has this name.
    Variable(String),
    /// The template.
    Template {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
    },
}

impl fmt::Display for InputPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("the path"),
            Self::Constant => f.write_str("the constant"),
            Self::Paths => f.write_str("the paths of the template"),
            Self::Variable(name) => write!(f, "the path `{}`", shown(name)),
            Self::Template { line, column } => write!(f, "the template at {line}:{column}"),
        }
    }
}

/// What is wrong at one place of an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputReason {
    /// A path that does not begin at the event.
    #[error("a path begins with `$`, which is the event: $.data.issue.number")]
    PathStart,
    /// Something in a path that is no step.
    #[error(
        "from `{rest}` on it is no path: steps are `.name`, `['name']`, `[0]`, and `.*` or `[*]` for every element; searches, \
         slices and filters are not among them"
    )]
    PathStep {
        /// What stands there.
        rest: String,
    },
    /// A path that is too long.
    #[error("a path has at most {PATH_BYTES_MAX} bytes")]
    PathTooLong,
    /// A constant or literal that is not JSON.
    #[error("it is not JSON: {message}")]
    Json {
        /// What the parser says.
        message: String,
    },
    /// A constant that is too long.
    #[error("it has more than {CONSTANT_BYTES_MAX} bytes")]
    ConstantTooLarge,
    /// Too many paths.
    #[error("there are more than {VARIABLES_MAX} of them")]
    TooManyVariables,
    /// A name that no variable can have.
    #[error("the name of a path has 1 to {VARIABLE_NAME_BYTES_MAX} letters, digits, `_` and `-`")]
    VariableName,
    /// A variable that there is not.
    #[error(
        "there is no path `{name}`, and it is none of the names that are always there; write a plain `<` as \\u003c"
    )]
    VariableUnknown {
        /// What the template names.
        name: String,
    },
    /// A variable in the name of a member.
    #[error("the name of a member cannot have a variable in it; write a plain `<` as \\u003c")]
    VariableInName,
    /// Something that no JSON value begins with.
    #[error("a template is JSON with a variable such as <name> where a value may stand; put text in quotes")]
    Value,
    /// A string that does not end.
    #[error("the string has no closing quote")]
    Unclosed,
    /// An escape that there is not, or half of a character.
    #[error("the string has an escape that there is not in JSON")]
    Escape,
    /// A line break or the like in a string.
    #[error("a string cannot have a control character in it: write \\n, or begin a new string on the next line")]
    Control,
    /// Something else than what has to come.
    #[error("{wanted} has to come here")]
    Wanted {
        /// What.
        wanted: &'static str,
    },
    /// Something after the value.
    #[error("there is more after the value; only strings can be several, and make a text of as many lines")]
    Tail,
    /// Nested too deep.
    #[error("it is nested deeper than {TEMPLATE_DEPTH_MAX}")]
    TooDeep,
    /// Nothing, or too much.
    #[error("a template has 1 to {TEMPLATE_BYTES_MAX} bytes")]
    TemplateSize,
}

impl InputError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::InputInvalid
    }
}

/// All mistakes of an input, up to a limit. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputErrors {
    pub(crate) first: InputError,
    pub(crate) others: Vec<InputError>,
}

impl InputErrors {
    /// All of them, those of paths first.
    pub fn iter(&self) -> impl Iterator<Item = &InputError> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl From<InputError> for InputErrors {
    fn from(first: InputError) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl fmt::Display for InputErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.iter().enumerate() {
            write!(f, "{}{error}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for InputErrors {}

/// Why an input cannot be made of an event. No later attempt makes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmade {
    /// It would be larger than an event may be.
    #[error("the target's input would have more than {EVENT_BYTES_MAX} bytes")]
    TooLarge,
    /// With it the event would be none.
    #[error("the target's input makes no event: {0}")]
    Event(EventError),
}

impl Unmade {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::TargetInput
    }
}

/// The beginning of a text, for a message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
