//! Names of interfaces, `package/interface@version`, and what their versions say.
//!
//! Versions agree as the engine takes them: releases of one series (`0.2.0` and `0.2.6`) stand for each other, and a version before a
//! release (`0.2.0-draft`) stands for itself only.

use std::fmt;

/// A name of an interface, taken apart. It borrows from the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceName<'a> {
    pub package: &'a str,
    pub interface: &'a str,
    pub version: &'a str,
}

impl<'a> InterfaceName<'a> {
    /// None for names of another form.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@')?;
        let (package, interface) = path.split_once('/')?;
        Some(Self { package, interface, version })
    }

    /// Whether this version is the one meant: a series such as `0.2`, or exactly one version before a release.
    pub(crate) fn is_of(&self, version: &str) -> bool {
        self.version == version || patch(self.version, version).is_some()
    }
}

/// The last number of a release of a series such as `0.2`.
fn patch(version: &str, series: &str) -> Option<u64> {
    let (release, _) = version.split_once('+').unwrap_or((version, ""));
    let patch = release.strip_prefix(series)?.strip_prefix('.')?;
    if patch.is_empty() || !patch.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    patch.parse().ok()
}

/// The release of WASI 0.2 that a component was made for: the last number of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WasiLevel(pub u64);

impl WasiLevel {
    /// The highest one among these names; none if no released interface of WASI is among them.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a String>) -> Option<Self> {
        let wasi = names.filter_map(|name| InterfaceName::parse(name)).filter(|name| name.package.starts_with("wasi:"));
        wasi.filter_map(|name| patch(name.version, "0.2")).max().map(Self)
    }
}

impl fmt::Display for WasiLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0.2.{}", self.0)
    }
}

/// The first of these names that is of WASI 0.3. What it gives has only the characters of a name, although nothing was validated.
pub(crate) fn of_wasi_3<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-./@+".contains(&byte));
    names.find(|name| {
        let parsed = InterfaceName::parse(name);
        plain(name) && parsed.is_some_and(|it| it.package.starts_with("wasi:") && it.version.starts_with("0.3."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_a_series_stand_for_each_other_and_drafts_for_themselves() {
        let cases = [
            ("wasi:io/streams@0.2.0", "0.2", true),
            ("wasi:io/streams@0.2.17", "0.2", true),
            ("wasi:io/streams@0.2.6+build.7", "0.2", true),
            ("wasi:io/streams@0.2.0-rc-2023-11-10", "0.2", false),
            ("wasi:io/streams@0.20.0", "0.2", false),
            ("wasi:io/streams@0.2.", "0.2", false),
            ("wasi:io/streams@0.2.+1", "0.2", false),
            ("wasi:io/streams@0.2.99999999999999999999", "0.2", false),
            ("wasi:keyvalue/store@0.2.0-draft", "0.2.0-draft", true),
            ("wasi:keyvalue/store@0.2.0-draft2", "0.2.0-draft", false),
            ("wasi:keyvalue/store@0.2.0", "0.2.0-draft", false),
        ];
        for (name, version, is_of) in cases {
            assert_eq!(InterfaceName::parse(name).unwrap().is_of(version), is_of, "{name}");
        }
        assert_eq!(InterfaceName::parse("run"), None);
    }

    #[test]
    fn the_level_of_wasi_is_the_highest_release_and_0_3_is_another_one() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let two =
            names(&["wasi:io/poll@0.2.3", "wasi:cli/exit@0.2.10", "wasi:keyvalue/store@0.2.0-draft", "a:b/c@0.2.99"]);
        assert_eq!(WasiLevel::of(two.iter()).unwrap().to_string(), "0.2.10");
        assert_eq!(of_wasi_3(two.iter()), None);
        assert_eq!(WasiLevel::of(names(&["wharf:plugin/types@0.1.0"]).iter()), None);
        for name in ["wasi:cli/run@0.3.0", "wasi:clocks/types@0.3.0-rc-2025-09-16"] {
            assert_eq!(of_wasi_3(names(&["wasi:io/poll@0.2.3", name]).iter()).unwrap(), name);
        }
        assert_eq!(of_wasi_3(names(&["wasi:\u{1b}[31m/run@0.3.0"]).iter()), None);
    }
}
