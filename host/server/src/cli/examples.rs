//! Every command of Wharf that a page or a help has for an example is one that can be said.
//!
//! It is read as a shell would read it, as far as examples go; whether there is what it names is not looked at.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;

use super::groups;

/// A shell's words of one line, command by command. Redirections are left out, and `<id>` is a word.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut rest = line.chars().peekable();
    let (mut redirected, mut quote) = (false, None);
    let end = |words: &mut Vec<String>, word: &mut Option<String>, redirected: &mut bool| {
        if let Some(word) = word.take()
            && !std::mem::take(redirected)
        {
            words.push(word);
        }
    };
    while let Some(char) = rest.next() {
        match (quote, char) {
            (Some(open), _) if open == char => quote = None,
            (Some('"'), '\\') => word.get_or_insert_default().extend(rest.next()),
            (Some(_), _) => word.get_or_insert_default().push(char),
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '<') if rest.peek().is_some_and(char::is_ascii_lowercase) => {
                word.get_or_insert_default().push('x');
                rest.by_ref().take_while(|char| *char != '>').for_each(drop);
            }
            (None, '<' | '>') => {
                end(&mut words, &mut word, &mut redirected);
                redirected = true;
            }
            (None, '|' | '&' | ';') => {
                end(&mut words, &mut word, &mut redirected);
                all.push(std::mem::take(&mut words));
            }
            (None, ' ') => end(&mut words, &mut word, &mut redirected),
            (None, _) => word.get_or_insert_default().push(char),
        }
    }
    end(&mut words, &mut word, &mut redirected);
    all.push(words);
    all
}

/// The commands of Wharf among these lines. A line that ends in a backslash goes on in the next one.
fn of_wharf(lines: impl IntoIterator<Item = String>) -> Vec<Vec<String>> {
    let mut whole = String::new();
    let mut found = Vec::new();
    for line in lines {
        match line.strip_suffix('\\') {
            Some(open) => whole.push_str(open),
            None => {
                whole.push_str(&line);
                found.extend(commands(&std::mem::take(&mut whole)));
            }
        }
    }
    for words in &mut found {
        let set =
            words.iter().take_while(|word| word.split_once('=').is_some_and(|(name, _)| !name.contains('-'))).count();
        words.drain(..set);
    }
    found.retain(|words| words.first().is_some_and(|word| word == "wharf") && words.len() > 1);
    found
}

/// The lines of the shell in a page.
fn of_page(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_shell = false;
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            // In the guide there is more behind the language.
            Some(kind) => is_shell = matches!(kind.split(' ').next(), Some("sh" | "console" | "bash")),
            None if is_shell => lines.push(line.trim_start().trim_start_matches("$ ").to_owned()),
            None => {}
        }
    }
    lines
}

/// The examples of a command's help and of those below it.
fn of_help(command: &clap::Command, lines: &mut Vec<String>) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    lines.extend(help.lines().filter_map(|line| Some(line.strip_prefix("  ")?.to_owned())));
    command.get_subcommands().for_each(|below| of_help(below, lines));
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["docs", "docs/errors", "docs/design", "docs/guide"]
        .map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|file| file.unwrap().path());
    files.chain([root.join("README.md")]).filter(|file| file.extension().is_some_and(|it| it == "md")).collect()
}

fn wrong(from: &str, lines: Vec<String>) -> (usize, Vec<String>) {
    let found = of_wharf(lines);
    let mistake = |words: &Vec<String>| match groups::command().try_get_matches_from(words) {
        Ok(_) => None,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => None,
        Err(error) => Some(format!("{from}: {}\n{error}", words.join(" "))),
    };
    (found.len(), found.iter().filter_map(mistake).collect())
}

#[test]
fn every_example_of_a_page_or_a_help_can_be_said() {
    let mut all = pages().into_iter().map(|page| {
        let text = std::fs::read_to_string(&page).unwrap();
        wrong(&page.display().to_string(), of_page(&text))
    });
    let (mut count, mut mistakes) = all.by_ref().fold((0, Vec::new()), |(count, mut all), (more, found)| {
        all.extend(found);
        (count + more, all)
    });
    let mut lines = Vec::new();
    of_help(&groups::command(), &mut lines);
    let (more, found) = wrong("--help", lines);
    count += more;
    mistakes.extend(found);
    assert!(count > 200, "the pages were not understood: {count} commands");
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn an_example_is_read_as_a_shell_reads_it() {
    let read = |line: &str| of_wharf([line.to_owned()]).into_iter().map(|words| words.join("|")).collect::<Vec<_>>();
    assert_eq!(
        read("K=v wharf rules add a --pattern '{\"a\": [1]}' # why"),
        ["wharf|rules|add|a|--pattern|{\"a\": [1]}"]
    );
    assert_eq!(read("wharf serve & wharf serve"), ["wharf|serve", "wharf|serve"]);
    assert_eq!(read("printf x | wharf secret set a < key > /dev/null"), ["wharf|secret|set|a"]);
    assert_eq!(read("wharf events show <id>"), ["wharf|events|show|x"]);
    assert_eq!(wrong("", vec!["wharf rules add totals --pattern x --to totals".to_owned()]).1.len(), 1);
}
