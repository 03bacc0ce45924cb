//! Where paths lead in a JSON text: one pass for all of them. Invariant: what is found is a piece of the text as it was
//! written. Of members that are there twice the last one counts; `*` sees each. Parts that no path leads into are passed over.

use std::{borrow::Cow, ops::Range};

use wharf_event::limits::EVENT_BYTES_MAX;

use crate::{error::Unmade, path::Step, skip};

/// What each path leads to, in the order of the paths. The text must be JSON.
///
/// # Errors
/// When lists of values have more bytes than an event may have.
pub(crate) fn find<'t>(text: &'t str, paths: &[&[Step]]) -> Result<Vec<Vec<&'t str>>, Unmade> {
    let mut finding = Finding { text, paths, found: vec![Vec::new(); paths.len()], listed: 0 };
    let all: Vec<Lead> = (0..paths.len()).map(|path| Lead { path, step: 0 }).collect();
    finding.value(skip::spaces(text, 0), &all);
    if finding.listed > EVENT_BYTES_MAX {
        return Err(Unmade::TooLarge);
    }
    Ok(finding.found)
}

/// A path that was followed up to here: its number, and the step that comes next.
#[derive(Clone, Copy)]
struct Lead {
    path: usize,
    step: usize,
}

struct Finding<'t, 'p> {
    text: &'t str,
    paths: &'p [&'p [Step]],
    found: Vec<Vec<&'t str>>,
    /// Bytes of what was found after the first value of each path, with a comma for each.
    listed: usize,
}

impl<'p> Finding<'_, 'p> {
    fn step(&self, lead: Lead) -> Option<&'p Step> {
        self.paths.get(lead.path)?.get(lead.step)
    }

    /// Goes over the value at a place, and gives the place after it.
    fn value(&mut self, at: usize, leads: &[Lead]) -> usize {
        let first = skip::byte(self.text, at);
        let onward: Vec<Lead> = match first {
            b'{' | b'[' => leads.iter().copied().filter(|lead| self.step(*lead).is_some()).collect(),
            _ => Vec::new(),
        };
        let end = match first {
            _ if onward.is_empty() => skip::value(self.text, at),
            b'{' => self.object(at, &onward),
            _ => self.list(at, &onward),
        };
        for lead in leads {
            if self.step(*lead).is_none() {
                self.keep(lead.path, at..end);
            }
        }
        end
    }

    fn object(&mut self, at: usize, leads: &[Lead]) -> usize {
        let before: Vec<usize> = leads.iter().map(|lead| self.found.get(lead.path).map_or(0, Vec::len)).collect();
        let (mut at, mut next) = (skip::spaces(self.text, at + 1), Vec::new());
        while skip::byte(self.text, at) == b'"' {
            let end = skip::string(self.text, at);
            let name = name(self.text.get(at..end).unwrap_or_default());
            next.clear();
            for (lead, before) in leads.iter().zip(&before) {
                match self.step(*lead) {
                    Some(Step::Name(wanted)) if *wanted == name => self.forget(lead.path, *before),
                    Some(Step::Every) => {}
                    _ => continue,
                }
                next.push(Lead { step: lead.step + 1, ..*lead });
            }
            // Over the colon, and after the value over the comma.
            at = skip::spaces(self.text, skip::spaces(self.text, end) + 1);
            at = skip::spaces(self.text, self.inner(at, &next));
            if skip::byte(self.text, at) != b',' {
                break;
            }
            at = skip::spaces(self.text, at + 1);
        }
        at + 1
    }

    fn list(&mut self, at: usize, leads: &[Lead]) -> usize {
        let (mut at, mut index, mut next) = (skip::spaces(self.text, at + 1), 0, Vec::new());
        while at < self.text.len() && skip::byte(self.text, at) != b']' {
            let goes = |lead: &&Lead| match self.step(**lead) {
                Some(Step::Index(wanted)) => *wanted == index,
                step => step == Some(&Step::Every),
            };
            next.clear();
            next.extend(leads.iter().filter(goes).map(|lead| Lead { step: lead.step + 1, ..*lead }));
            at = skip::spaces(self.text, self.inner(at, &next));
            if skip::byte(self.text, at) != b',' {
                break;
            }
            (at, index) = (skip::spaces(self.text, at + 1), index + 1);
        }
        at + 1
    }

    /// Goes over a value within another.
    fn inner(&mut self, at: usize, leads: &[Lead]) -> usize {
        if leads.is_empty() { skip::value(self.text, at) } else { self.value(at, leads) }
    }

    fn keep(&mut self, path: usize, place: Range<usize>) {
        let (Some(piece), Some(found)) = (self.text.get(place), self.found.get_mut(path)) else { return };
        if !found.is_empty() {
            self.listed += piece.len() + 1;
        }
        // What is too much is refused in the end, and not kept until then.
        if self.listed <= EVENT_BYTES_MAX {
            found.push(piece);
        }
    }

    /// Lets go of what a member of the same name had.
    fn forget(&mut self, path: usize, before: usize) {
        let Some(found) = self.found.get_mut(path) else { return };
        while found.len() > before {
            let bytes = found.pop().map_or(0, str::len);
            if !found.is_empty() {
                self.listed = self.listed.saturating_sub(bytes + 1);
            }
        }
    }
}

/// What a member is called. Half of a surrogate pair is no text, and so is no name that a path has.
fn name(quoted: &str) -> Cow<'_, str> {
    let plain = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if !plain.contains('\\') {
        return Cow::Borrowed(plain);
    }
    serde_json::from_str(quoted).map_or(Cow::Borrowed(plain), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;

    fn found(text: &str, paths: &[&str]) -> Vec<Vec<String>> {
        let paths: Vec<Path> = paths.iter().map(|path| Path::parse(path).unwrap()).collect();
        let steps: Vec<&[Step]> = paths.iter().map(|path| path.resolve(|_| true).1).collect();
        let found = find(text, &steps).unwrap();
        found.into_iter().map(|values| values.into_iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_path_leads_to_a_piece_of_the_text() {
        let text = r#" { "a" : [ 1.50 , {"b": "x\"y", "c]": null} ,[]], "é\u0041": {"": true}, "n": 1e400 } "#;
        let cases: [(&str, &[&str]); 18] = [
            ("$", &[text.trim()]),
            ("$.a[0]", &["1.50"]),
            ("$.a[1].b", &[r#""x\"y""#]),
            ("$.a[1]['c]']", &["null"]),
            ("$.a[2]", &["[]"]),
            ("$.a[2][0]", &[]),
            ("$.a[3]", &[]),
            ("$.a.b", &[]),
            ("$.a[*]", &["1.50", r#"{"b": "x\"y", "c]": null}"#, "[]"]),
            ("$.a.*.*", &[r#""x\"y""#, "null"]),
            ("$.*[0]", &["1.50"]),
            ("$.*['']", &["true"]),
            ("$.éA", &[r#"{"": true}"#]),
            ("$['éA']['']", &["true"]),
            ("$.n", &["1e400"]),
            ("$.n.x", &[]),
            ("$[0]", &[]),
            ("$.nothing", &[]),
        ];
        for (path, wanted) in cases {
            assert_eq!(found(text, &[path]), [wanted], "{path}");
        }
        let all: Vec<&str> = cases.iter().map(|(path, _)| *path).collect();
        assert_eq!(found(text, &all), cases.map(|(_, wanted)| wanted.to_vec()), "all at once");
    }

    #[test]
    fn of_members_that_are_there_twice_the_last_counts() {
        let cases: [(&str, &str, &[&str]); 5] = [
            (r#"{"a": 1, "a": 2}"#, "$.a", &["2"]),
            (r#"{"a": {"b": 1}, "a": {}}"#, "$.a.b", &[]),
            (r#"{"a": {"b": 1}, "a": 3}"#, "$.a.b", &[]),
            (r#"{"a": [{"b": 1, "b": 2}, {"b": 3}]}"#, "$.a[*].b", &["2", "3"]),
            (r#"{"a": [1, 2], "a": [3]}"#, "$.a[*]", &["3"]),
        ];
        for (text, path, wanted) in cases {
            assert_eq!(found(text, &[path]), [wanted], "{path} in {text}");
        }
    }

    #[test]
    fn a_list_of_more_bytes_than_an_event_is_refused() {
        let text = format!("[{}1]", "1,".repeat(EVENT_BYTES_MAX / 2));
        let steps: &[Step] = &[Step::Every];
        assert_eq!(find(&text, &[steps]), Ok(vec![vec!["1"; EVENT_BYTES_MAX / 2 + 1]]));
        assert_eq!(find(&text, &[steps, steps]), Err(Unmade::TooLarge));
    }
}
