//! `wharf new`: a folder with a plugin that works, of what this binary carries. Nothing is fetched.
//!
//! Invariant: what is there already is never written over. The SDK goes to `vendor/wharf`, and the plugin uses it from there.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use wharf_event::{Code, PluginName};

use super::{
    error::Exit,
    output::Output,
    words::{good, strong},
};
use crate::{failure::Failure, nearest::nearest};

/// Files: their path and what is in them.
type Files = &'static [(&'static str, &'static [u8])];

/// A language that plugins are written in.
struct Language {
    name: &'static str,
    sdk: Files,
    templates: &'static [(&'static str, Files)],
}

/// What `sdk/` had when this was built.
static LANGUAGES: &[Language] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// The template whose files all others of its language have too.
const COMMON: &str = "common";

/// Where the SDK goes.
const VENDOR: &str = "vendor/wharf";

/// Other names of languages.
const ALSO: [(&str, &str); 5] =
    [("py", "python"), ("javascript", "js"), ("typescript", "js"), ("ts", "js"), ("golang", "go")];

/// `wharf new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The plugin's name, and that of its folder
    name: PluginName,
    /// The language: rust, python, js or ts, go, c
    #[arg(short, long)]
    lang: String,
    /// What it is: event, transform, batch, http or schedule
    #[arg(long, default_value = "event")]
    template: String,
    /// The folder; the name if left out
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Serialize)]
struct Made<'a> {
    name: &'a PluginName,
    language: &'a str,
    template: &'a str,
    folder: String,
    files: Vec<String>,
}

/// Writes a plugin.
///
/// # Errors
/// When the language or the template is not known, the folder is there, or cannot be written.
pub fn run(args: &NewArgs, out: &mut Output) -> anyhow::Result<Exit> {
    let wanted = ALSO.iter().find(|(also, _)| *also == args.lang).map_or(args.lang.as_str(), |(_, name)| *name);
    let names = || LANGUAGES.iter().map(|it| it.name);
    let language = LANGUAGES.iter().find(|it| it.name == wanted).ok_or_else(|| unknown("language", wanted, names()))?;
    let of = |name: &str| language.templates.iter().find(|(known, _)| *known == name).map(|(_, files)| *files);
    let templates = language.templates.iter().map(|(name, _)| *name).filter(|name| *name != COMMON);
    let template = of(&args.template).filter(|_| args.template != COMMON);
    let template = template.ok_or_else(|| unknown("template", &args.template, templates))?;
    let folder = args.folder.clone().unwrap_or_else(|| PathBuf::from(args.name.as_str()));
    if fs::symlink_metadata(&folder).is_ok() {
        let help = "take another name, or another folder with --folder";
        return Err(Failure::new(Code::FolderThere, format!("{} is there already", folder.display()), help).into());
    }
    let mut files = Vec::new();
    for (path, bytes) in of(COMMON).unwrap_or_default().iter().chain(template) {
        files.push((filled(path, &args.name), filled_bytes(bytes, &args.name)));
    }
    for (path, bytes) in language.sdk {
        files.push((format!("{VENDOR}/{path}"), vendored(language.name, path, bytes)));
    }
    for (path, bytes) in &files {
        write(&folder.join(path), bytes).map_err(|error| {
            Failure::new(
                Code::Internal,
                format!("{} cannot be written: {error}", folder.join(path).display()),
                "is there room, and may it be written?",
            )
        })?;
    }
    let shown = folder.display().to_string();
    if out.is_json() {
        let files = files.into_iter().map(|(path, _)| path).collect();
        out.document(&Made {
            name: &args.name,
            language: language.name,
            template: &args.template,
            folder: shown,
            files,
        })?;
    } else {
        out.line(&format!("{}  {} ({}, {})", good("made"), strong(&shown), language.name, args.template))?;
        // What answers requests has no fixtures.
        let test = if files.iter().any(|(path, _)| path.starts_with("fixtures/")) { "wharf test && " } else { "" };
        out.line(&format!("next: cd {shown} && wharf build && {test}wharf dev"))?;
    }
    Ok(Exit::Success)
}

fn unknown<'a>(kind: &str, wanted: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<_> = known.collect();
    let meant = nearest(wanted, known.iter().copied()).map(|meant| format!("did you mean `{meant}`? "));
    let help = format!("{}there are {}", meant.unwrap_or_default(), known.join(", "));
    Failure::new(Code::TemplateUnknown, format!("there is no {kind} `{wanted}`"), help)
}

/// A template's text with the plugin's name in it.
fn filled(text: &str, name: &PluginName) -> String {
    let identifier = name.as_str().replace(['-', '.'], "_");
    text.replace("{{name}}", name.as_str()).replace("{{crate}}", &identifier)
}

fn filled_bytes(bytes: &[u8], name: &PluginName) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => filled(text, name).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

/// A file of an SDK as a plugin has it. Rust's workspace is without the generator of its bindings, which plugins have no use for; JavaScript's
/// package is its sources, since it is not compiled here.
fn vendored(language: &str, path: &str, bytes: &[u8]) -> Vec<u8> {
    match (language, path, std::str::from_utf8(bytes)) {
        ("rust", "Cargo.toml", Ok(text)) => text.replace("\"bindgen\", ", "").into_bytes(),
        ("js", "package.json", Ok(text)) => {
            let compiled =
                |line: &str| line.replace("./dist/", "./src/").replace(".d.ts", ".ts").replace(".js\"", ".ts\"");
            let line = |line: &str| if line.contains("./dist/") { compiled(line) } else { line.to_owned() };
            text.lines().map(|it| line(it) + "\n").collect::<String>().into_bytes()
        }
        _ => bytes.to_vec(),
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_names_the_plugin_and_nothing_is_left_to_fill_in() {
        let name: PluginName = "order-totals".parse().unwrap();
        assert!(LANGUAGES.iter().any(|language| language.name == "rust"));
        for language in LANGUAGES {
            assert!(!language.sdk.is_empty(), "{}", language.name);
            for (template, files) in language.templates {
                let texts: Vec<_> = files.iter().filter_map(|(_, bytes)| std::str::from_utf8(bytes).ok()).collect();
                assert!(
                    texts.iter().any(|text| text.contains("{{name}}") || *template == COMMON),
                    "{} {template}",
                    language.name
                );
                assert!(texts.iter().all(|text| !filled(text, &name).contains("{{")), "{} {template}", language.name);
            }
        }
        assert_eq!(filled("{{name}} {{crate}}", &name), "order-totals order_totals");
    }

    #[test]
    fn every_language_has_every_template() {
        for language in LANGUAGES {
            let names: Vec<_> = language.templates.iter().map(|(name, _)| *name).filter(|it| *it != COMMON).collect();
            assert_eq!(names, ["batch", "event", "http", "schedule", "transform"], "{}", language.name);
        }
    }

    #[test]
    fn templates_that_answer_requests_have_one_part_of_wasi_http() {
        let part = |lang: &str| {
            let language = LANGUAGES.iter().find(|it| it.name == lang).unwrap();
            let (_, files) = language.templates.iter().find(|(name, _)| *name == "http").unwrap();
            files.iter().find(|(path, _)| *path == "wit/proxy.wit").unwrap().1
        };
        assert_eq!(part("python"), part("js"));
    }

    #[test]
    fn a_package_that_is_not_compiled_names_its_sources() {
        let package = br#"{
  "version": "0.1.0",
  "exports": { ".": { "types": "./dist/index.d.ts", "default": "./dist/index.js" } },
  "bin": { "wharf-js": "./bin/wharf-js.mjs" }
}
"#;
        let text = String::from_utf8(vendored("js", "package.json", package)).unwrap();
        assert!(text.contains(r#"{ "types": "./src/index.ts", "default": "./src/index.ts" }"#), "{text}");
        assert!(text.contains(r#""wharf-js": "./bin/wharf-js.mjs""#) && text.ends_with("}\n"), "{text}");
        assert_eq!(vendored("js", "src/index.ts", package), package);
    }
}
