//! How two texts differ, line by line.
//!
//! Invariant: the lines of either side are there in their order, so either text can be read off. Beyond a bound of lines they are told
//! one behind the other: what is that long nobody compares by eye.

/// Lines of one side that are compared with each of the other.
const LINES_MAX: usize = 2_000;

/// A line, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// On both sides.
    Both(&'a str),
    /// Only in what was expected.
    Expected(&'a str),
    /// Only in what came.
    Came(&'a str),
}

impl Line<'_> {
    /// As it is written.
    pub fn told(&self) -> String {
        match self {
            Self::Both(line) => format!("  {line}"),
            Self::Expected(line) => format!("- {line}"),
            Self::Came(line) => format!("+ {line}"),
        }
    }
}

/// The lines of both texts: as many as can be are on both sides.
pub fn lines<'a>(expected: &'a str, came: &'a str) -> Vec<Line<'a>> {
    let (expected, came): (Vec<_>, Vec<_>) = (expected.lines().collect(), came.lines().collect());
    if expected.len() > LINES_MAX || came.len() > LINES_MAX {
        let expected = expected.into_iter().map(Line::Expected);
        return expected.chain(came.into_iter().map(Line::Came)).collect();
    }
    // How many lines can be common to what is left from each place on.
    let width = came.len() + 1;
    let mut common = vec![0_u16; (expected.len() + 1) * width];
    let at = |common: &[u16], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or_default();
    for (i, one) in expected.iter().enumerate().rev() {
        for (j, other) in came.iter().enumerate().rev() {
            let most = if one == other {
                at(&common, i + 1, j + 1) + 1
            } else {
                at(&common, i + 1, j).max(at(&common, i, j + 1))
            };
            if let Some(place) = common.get_mut(i * width + j) {
                *place = most;
            }
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    loop {
        match (expected.get(i), came.get(j)) {
            (Some(one), Some(other)) if one == other => {
                lines.push(Line::Both(one));
                (i, j) = (i + 1, j + 1);
            }
            (Some(one), other) if other.is_none() || at(&common, i + 1, j) >= at(&common, i, j + 1) => {
                lines.push(Line::Expected(one));
                i += 1;
            }
            (_, Some(other)) => {
                lines.push(Line::Came(other));
                j += 1;
            }
            (_, None) => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_common_stays_and_the_rest_is_told_where_it_belongs() {
        let told = |expected, came| lines(expected, came).iter().map(Line::told).collect::<Vec<_>>();
        assert_eq!(told("a\nb\nc", "a\nx\nc\nd"), ["  a", "- b", "+ x", "  c", "+ d"]);
        assert_eq!(told("", "a"), ["+ a"]);
        assert_eq!(told("a\na\nb", "a\nb"), ["  a", "- a", "  b"]);
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(lines(&long, "x").len(), LINES_MAX + 2);
    }
}
