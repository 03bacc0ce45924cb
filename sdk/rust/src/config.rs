//! Reading the plugin's `config` table.
//!
//! Invariant: a value that is there and cannot be read is an error that names the key; it is never taken for an absent one.
//!
//! It does not cache: a value is read where it is asked for.

use std::fmt::Display;
use std::str::FromStr;

/// A configured value that is not what the plugin needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The value cannot be read as the type that was asked for.
    #[error("config `{key}` = `{value}`: {reason}")]
    Invalid {
        /// The value's key.
        key: String,
        /// The value as it was configured.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads `value`, which was configured under `key`.
pub(crate) fn parse<T>(key: &str, value: Option<String>) -> Result<Option<T>, ConfigError>
where
    T: FromStr<Err: Display>,
{
    let Some(value) = value else { return Ok(None) };
    match value.trim().parse() {
        Ok(parsed) => Ok(Some(parsed)),
        Err(error) => Err(ConfigError::Invalid { key: key.to_owned(), reason: error.to_string(), value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_the_type_that_is_asked_for() {
        assert_eq!(parse::<u32>("every", Some("10".to_owned())), Ok(Some(10)));
        assert_eq!(parse::<bool>("on", Some(" true ".to_owned())), Ok(Some(true)));
        assert_eq!(parse::<u32>("every", None), Ok(None));
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_the_key() {
        let error = parse::<u32>("every", Some("often".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "config `every` = `often`: invalid digit found in string");
    }
}
