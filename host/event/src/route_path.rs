//! The path of a route: which requests of a tenant it is for.
//!
//! Invariant: a path that exists begins with `/`, has no empty segment but the last one, no `.` or `..`, and a `*` only as its last segment.
//! Paths are compared as they are sent, byte by byte: nothing is decoded.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::{ERROR_VALUE_CHARS_MAX, ROUTE_PATH_BYTES_MAX};

/// What stands at the end of a path that is for all below it.
const BELOW: &str = "/*";

/// Characters of a path beside letters and digits (RFC 3986, `pchar`, without `*`), and what separates its segments.
const PLAIN: &[u8] = b"-._~!$&'()+,;=:@/%";

/// A text that is no path of a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no path of a route: {reason}")]
pub struct RoutePathError {
    /// The refused text, cut to 64 characters.
    pub value: String,
    /// Which rule it breaks.
    pub reason: &'static str,
}

/// The path of a route: `/hooks/stripe` is for itself, `/hooks/*` for `/hooks` and all below it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutePath(Arc<str>);

impl RoutePath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The texts of the paths that a request may be for, the closest first: itself, then those for all below one of its beginnings.
    pub fn candidates(asked: &str) -> impl Iterator<Item = String> + '_ {
        // What is longer than any path is none, so a path of very many segments costs no more than one of some.
        let ends = std::iter::once(asked.len()).chain(asked.rmatch_indices('/').map(|(at, _)| at));
        let below = ends.filter_map(|end| asked.get(..end)).filter(|it| it.len() + BELOW.len() <= ROUTE_PATH_BYTES_MAX);
        std::iter::once(asked.to_owned()).chain(below.map(|beginning| format!("{beginning}{BELOW}")))
    }
}

/// Which rule a text breaks, if it is no path of a route.
fn broken(text: &str) -> Option<&'static str> {
    if text.len() > ROUTE_PATH_BYTES_MAX {
        return Some("it is longer than 256 characters");
    }
    let Some(inner) = text.strip_prefix('/') else { return Some("it does not begin with `/`") };
    let inner = match text.strip_suffix(BELOW) {
        Some("/") => return Some("it has an empty segment, or one that is `.` or `..`"),
        Some(before) => before.strip_prefix('/').unwrap_or_default(),
        None => inner,
    };
    if inner.contains('*') {
        return Some("a `*` stands alone, as its last segment");
    }
    if !inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte)) {
        return Some("it has a character that paths have only encoded, such as `%20`");
    }
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        // One that ends with `/` has an empty one at its end; before a `*` there is none.
        let is_end = segments.peek().is_none() && !text.ends_with(BELOW);
        if matches!(segment, "." | "..") || (segment.is_empty() && !is_end && !inner.is_empty()) {
            return Some("it has an empty segment, or one that is `.` or `..`");
        }
    }
    None
}

impl FromStr for RoutePath {
    type Err = RoutePathError;

    fn from_str(text: &str) -> Result<Self, RoutePathError> {
        match broken(text) {
            None => Ok(Self(text.into())),
            Some(reason) => {
                let value = text.chars().take(ERROR_VALUE_CHARS_MAX).collect();
                Err(RoutePathError { value, reason })
            }
        }
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoutePath({})", self.0)
    }
}

impl Borrow<str> for RoutePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for RoutePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RoutePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_itself_or_all_below_one() {
        for path in ["/", "/*", "/a", "/a/", "/a/*", "/a/b-c_d.e~f/%20/*", "/a:b@c"] {
            assert_eq!(path.parse::<RoutePath>().map(|path| path.to_string()), Ok(path.to_owned()));
        }
        let long = format!("/{}", "a".repeat(ROUTE_PATH_BYTES_MAX));
        for none in
            ["", "a", "*", "/a*", "/*/a", "/*/*", "//", "//*", "/a//b", "/a//*", "/./a", "/a/..", "/a b", "/a?b", &long]
        {
            assert!(none.parse::<RoutePath>().is_err(), "{none}");
        }
    }

    #[test]
    fn the_closest_path_comes_first() {
        let all = |asked| RoutePath::candidates(asked).collect::<Vec<_>>();
        assert_eq!(all("/a/b"), ["/a/b", "/a/b/*", "/a/*", "/*"]);
        assert_eq!(all("/"), ["/", "//*", "/*"]);
        assert_eq!(all("/a/"), ["/a/", "/a//*", "/a/*", "/*"]);
        let deep = "/a".repeat(10_000);
        assert!(all(&deep).len() < ROUTE_PATH_BYTES_MAX && all(&deep).last().is_some_and(|last| last == "/*"));
    }
}
