//! The limits of what a model is asked, each with its unit.

/// Turns of a conversation.
pub const MESSAGES_MAX: usize = 1_000;

/// Pieces of all its turns.
pub const PARTS_MAX: usize = 4_000;

/// Tools that a model may ask for.
pub const TOOLS_MAX: usize = 128;

/// Bytes of the schema of a tool or an answer.
pub const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// Bytes of a name of a tool or a schema.
pub const NAME_BYTES_MAX: usize = 64;

/// Texts that end an answer.
pub const STOPS_MAX: usize = 4;

/// Texts that are made vectors in one call.
pub const TEXTS_MAX: usize = 512;

/// Settings beside those that every provider has.
pub const OPTIONS_MAX: usize = 16;

/// Bytes of the value of one of them.
pub const OPTION_BYTES_MAX: usize = 4 << 10;

/// What is kept of a provider's own words on an error, in characters.
pub const SAID_CHARS_MAX: usize = 300;

/// Denied words of a route's guardrails.
pub const DENIED_MAX: usize = 256;

/// Patterns of a route's guardrails beside those that there are.
pub const PATTERNS_MAX: usize = 32;

/// Bytes of one of either.
pub const EXPRESSION_BYTES_MAX: usize = 512;

/// Bytes of a pattern as it was compiled.
pub const EXPRESSION_COMPILED_BYTES_MAX: usize = 256 << 10;

/// Bytes of what a model is told of how its answer breaks its schema.
pub const REPAIR_BYTES_MAX: usize = 4 << 10;

/// Bytes of one event of a provider's stream.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// Parts of an answer that comes in pieces, and tools that it asks for.
pub const STREAMED_CALLS_MAX: usize = 256;

/// Bytes of a template of a prompt.
pub const TEMPLATE_BYTES_MAX: usize = 16 << 10;

/// Words and signs of one tag of a template: so deep an expression is at most.
pub const TAG_TOKENS_MAX: usize = 100;

/// Further cases (`elif`) of a template, which are one in the other.
pub const TEMPLATE_CASES_MAX: usize = 50;

/// Steps that filling a prompt takes, over both of its templates. One of them may compare all that is given.
pub const PROMPT_STEPS_MAX: u64 = 10_000;

/// Bytes of what a plugin gives for a prompt.
pub const PROMPT_GIVEN_BYTES_MAX: usize = 64 << 10;

/// Values of that, each of lists and objects counted: so many are compared in a step at most.
pub const PROMPT_GIVEN_VALUES_MAX: usize = 4_096;

/// Bytes of what becomes of a prompt, and of what filters make on the way.
pub const PROMPT_BYTES_MAX: usize = 256 << 10;

/// Bytes of a script of answers.
pub const SCRIPT_BYTES_MAX: usize = 16 << 20;

/// Lines of a script of answers.
pub const SCRIPT_LINES_MAX: usize = 10_000;

/// Bytes of a text whose answer may be that of a similar one. In longer ones what differs weighs little.
pub const SIMILAR_BYTES_MAX: usize = 8 << 10;

/// Numbers of a vector that is compared.
pub const DIMENSIONS_MAX: usize = 8_192;
