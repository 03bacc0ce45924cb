//! What of a text has to be the same for another text to mean the same: its numbers, its ids, and the words that turn a meaning around.
//!
//! Invariant: whatever looks as if it could be a mark is one. A mark too many has a question asked that was answered before; one too few gives an answer
//! that is wrong. It is looked at word by word, between spaces: what is said without digits, capitals and signs, in words that are in no list
//! (marks/words.rs), is not seen.

mod words;

use words::{MARKS, NOT, UNITS};

/// Letters of a word that could be a number of base 16.
const HEX_CHARS_MIN: usize = 6;

/// What may stand before a word and is none of it.
const OPENING: &[char] = &['(', '[', '{', '"', '\'', '‘', '“', '„', '«', '¿', '¡'];

/// What may stand behind it.
const CLOSING: &[char] = &['.', ',', ';', ':', '!', '?', '…', ')', ']', '}', '"', '\'', '’', '”', '»'];

/// What begins and ends words that are said as they are written.
const QUOTES: &[char] = &['"', '“', '”', '„', '«', '»', '`'];

/// What may stand before a number by itself.
const DASHES: &[char] = &['-', '–', '—', '−'];

/// Single letters that are words.
const LETTERS: &[char] = &['a', 'e', 'i', 'o', 'u', 'y', 'à', 'è', 'é', 'I'];

/// The marks of a text, in their order.
#[must_use]
pub fn marks(text: &str) -> Vec<String> {
    let mut marks = Vec::new();
    let (mut in_quotes, mut begins, mut behind_number, mut dash) = (false, true, false, None);
    for token in text.split_whitespace() {
        let quotes = token.matches(QUOTES).count();
        let is_quoted = in_quotes || quotes > 0;
        in_quotes ^= quotes % 2 == 1;
        let word = token.trim_start_matches(OPENING).trim_end_matches(CLOSING);
        if word.chars().all(|letter| DASHES.contains(&letter)) {
            dash = (!word.is_empty()).then_some(word);
            continue;
        }
        let is_number = word.contains(char::is_numeric);
        // A dash is a sign where a number follows.
        marks.extend(dash.take().filter(|_| is_number).map(str::to_owned));
        let small = word.to_lowercase().replace('’', "'");
        if let Some(not) = negation(&small) {
            marks.push(not.to_owned());
        } else if MARKS.contains(small.as_str()) || (behind_number && UNITS.contains(&small.as_str())) {
            marks.push(small.clone());
        } else if is_quoted || (is_mark(word) && !(begins && word == "A")) {
            marks.push(word.to_owned());
        }
        behind_number = is_number || MARKS.contains(small.as_str());
        begins = token.ends_with(['.', '!', '?', ':']);
    }
    marks
}

/// The same word for all that says "not".
fn negation(small: &str) -> Option<&'static str> {
    let is_not = small.ends_with("n't") || NOT.contains(&small);
    is_not.then_some("not")
}

/// Whether a word looks like a number, an id or a name of something.
fn is_mark(word: &str) -> bool {
    let mut letters = word.chars();
    let plain = |letter: char| letter.is_alphabetic() || matches!(letter, '\'' | '’' | '-');
    if !word.chars().all(plain) || word.starts_with('-') || word.ends_with('-') {
        return true;
    }
    let first = letters.next();
    if letters.clone().any(char::is_uppercase) {
        return true;
    }
    if letters.next().is_none() {
        return first.is_some_and(|letter| !LETTERS.contains(&letter));
    }
    word.chars().count() >= HEX_CHARS_MIN && word.chars().all(|letter| letter.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_in_their_order_and_as_they_are_written() {
        for (text, wanted) in [
            ("where is my parcel?", vec![]),
            ("Refund 100 EUR for order A-17, please.", vec!["100", "eur", "A-17"]),
            ("pay $1,000.50 (5%) by 2026-11-29", vec!["$1,000.50", "5%", "2026-11-29"]),
            ("mail a@b.de or see https://b.de/x?y=1.", vec!["a@b.de", "https://b.de/x?y=1"]),
            (
                "id deadbeef of 1b4e28ba-2fa1-11d2-883f-0016d3cca427",
                vec!["deadbeef", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"],
            ),
            ("it is -5 or - 5 or +5", vec!["-5", "-", "5", "+5"]),
            ("It doesn’t work, I can't log in", vec!["not", "not"]),
            ("Three weeks ago, on Monday", vec!["three", "weeks", "monday"]),
            ("a few weeks ago", vec![]),
            ("5 pm", vec!["5", "pm"]),
            ("rename \"old draft\" to `new`", vec!["old", "draft", "`new`"]),
            ("call getUser, set max_size; use plan b", vec!["getUser", "max_size", "b"]),
            ("A follow-up. A parcel is lost", vec![]),
            ("grade A", vec!["A"]),
            ("#general @anna report.pdf", vec!["#general", "@anna", "report.pdf"]),
            ("x < 5 👍", vec!["x", "<", "5", "👍"]),
            ("۵ ½ ²", vec!["۵", "½", "²"]),
        ] {
            assert_eq!(marks(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_could_hurt_has_other_marks() {
        for (one, other) in [
            ("refund 100", "refund 1000"),
            ("refund 100", "refund -100"),
            ("refund $100", "refund €100"),
            ("refund 100 dollars", "refund 100 euros"),
            ("refund two of them", "refund three of them"),
            ("give 10 mg", "give 10 g"),
            ("order A-17 is late", "order A-18 is late"),
            ("move A-17 to A-18", "move A-18 to A-17"),
            ("is it allowed", "is it not allowed"),
            ("I can log in", "I can't log in"),
            ("I can log in", "I cannot log in"),
            ("ich habe es", "ich habe es nicht"),
            ("c'est permis", "ce n'est pas permis"),
            ("es posible", "no es posible"),
            ("with an invoice", "without an invoice"),
            ("at 5 am", "at 5 pm"),
            ("on Monday", "on Tuesday"),
            ("on 5 May", "on 5 June"),
            ("deliver it today", "deliver it tomorrow"),
            ("the first one", "the second one"),
            ("plan b", "plan c"),
            ("error EACCES", "error ENOENT"),
            ("host db1.example.com", "host db2.example.com"),
            ("use 5% more", "use 5 more"),
            ("x > 5", "x < 5"),
            ("the file a.pdf", "the file b.pdf"),
            ("delete 'x' and \"keep this\"", "delete 'x' and \"drop this\""),
            ("version 1.2", "version 1.20"),
            ("10:30", "10:03"),
        ] {
            assert_ne!(marks(one), marks(other), "{one} / {other}");
        }
    }

    #[test]
    fn what_means_the_same_in_other_words_has_the_same_marks() {
        for (one, other) in [
            ("Where is my order A-17?", "where has my order A-17 got to"),
            ("It does not start.", "it doesn't start, sadly"),
            ("Cancel subscription 4711 please", "please cancel my subscription 4711!"),
            ("I cannot log in", "I can't sign in"),
            ("how do I reset my password", "How can I reset the password?"),
        ] {
            assert_eq!(marks(one), marks(other), "{one} / {other}");
        }
    }
}
