//! `cargo xtask templates`: what `wharf new` writes is built and tested as its author would do it first.
//!
//! Invariant: each template passes `wharf build`, `wharf test`, `wharf check` and the tests of its language, unchanged. All of one language
//! share a folder of outputs or of what was installed, so what they have in common is made once. A language whose tools cannot be had here
//! is told in one line and left out.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::guests::languages::{Place, missing_tools};
use crate::guests::{Lang, cargo, go, process, toolchain};
use crate::host::binary::{self, Profile};
use crate::left_out;

/// Options of `cargo xtask templates`.
#[derive(clap::Args)]
pub struct Args {
    /// Only those of this language.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

/// Builds the host and tries all templates.
pub fn run(args: &Args) -> Result<()> {
    let target = cargo::workspace(&cargo::repository())?.target;
    let wharf = binary::build(Profile::Dev)?;
    let languages = args.lang.map_or_else(|| Lang::ALL.to_vec(), |lang| vec![lang]);
    let mut made = 0;
    for lang in languages {
        match tried_of(lang, &wharf, &target, |_| true)? {
            Tried::Templates(templates) => made += templates,
            Tried::LeftOut(left_out) => println!("left out: {left_out}"),
        }
    }
    println!("{made} templates build and pass their tests");
    Ok(())
}

/// What became of the templates of a language: how many there are, or that they were left out.
enum Tried {
    Templates(usize),
    LeftOut(String),
}

/// Tries the templates in short form with this binary, and gives what was left out: all of Rust, and `event` of each other language, since
/// the components of Python alone take minutes.
pub fn tried(wharf: &Path, target: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for lang in Lang::ALL {
        let short = |template: &str| lang == Lang::Rust || template == "event";
        if let Tried::LeftOut(left_out) = tried_of(lang, wharf, target, short)? {
            all.push(left_out);
        }
    }
    Ok(all)
}

fn tried_of(lang: Lang, wharf: &Path, target: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Tried> {
    let place = Place { repository: cargo::repository(), target: target.to_owned() };
    if let Some(why) = missing_tools(lang, &place)? {
        return Ok(Tried::LeftOut(left_out::language(lang.name(), &why)?));
    }
    let site = tempfile::tempdir().context("making a folder")?;
    let environment = environment(lang, &place)?;
    let mut first: Option<PathBuf> = None;
    let mut templates = templates(lang, &place)?;
    templates.retain(|template| is_wanted(template));
    for template in &templates {
        let folder = written(wharf, site.path(), lang, template)?;
        share(lang, &folder, first.as_deref(), target)?;
        for (n, mut step) in steps(lang, wharf, &folder).into_iter().enumerate() {
            step.current_dir(&folder).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
            // Rust's variable is for the build of the component, which is the first step; its tests are native.
            if lang != Lang::Rust || n == 0 {
                step.envs(environment.iter().map(|(name, value)| (name, value)));
            }
            process::run(&mut step).with_context(|| format!("the template {template} of {}", lang.name()))?;
        }
        first.get_or_insert(folder);
    }
    Ok(Tried::Templates(templates.len()))
}

/// The templates of a language, by their folders.
fn templates(lang: Lang, place: &Place) -> Result<Vec<String>> {
    let folder = place.repository.join("sdk").join(lang.name()).join("template");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        if entry.path().join("wharf.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn written(wharf: &Path, site: &Path, lang: Lang, template: &str) -> Result<PathBuf> {
    let name = format!("my-{template}");
    let mut new = Command::new(wharf);
    new.args(["new", &name, "--lang", lang.name(), "--template", template]).current_dir(site);
    process::run(&mut new)?;
    Ok(site.join(name))
}

/// Lets a template have what another of its language made or installed.
fn share(lang: Lang, folder: &Path, first: Option<&Path>, target: &Path) -> Result<()> {
    let (name, shared) = match (lang, first) {
        (Lang::Rust, _) => ("target", target.join("templates")),
        (Lang::Python | Lang::C, Some(first)) => (".venv", first.join(".venv")),
        (Lang::Js, Some(first)) => ("node_modules", first.join("node_modules")),
        _ => return Ok(()),
    };
    std::fs::create_dir_all(&shared).with_context(|| format!("making {}", shared.display()))?;
    symlink(&shared, folder.join(name)).with_context(|| format!("sharing {}", shared.display()))
}

/// What an author does: the three commands of Wharf, and the tests of the language. What answers requests has no fixtures, and so nothing for
/// `wharf test`.
fn steps(lang: Lang, wharf: &Path, folder: &Path) -> Vec<Command> {
    let own: &[&str] = match lang {
        Lang::Rust => &["cargo", "test"],
        Lang::Python => &[".venv/bin/pytest", "--quiet"],
        Lang::Js => &["npm", "test", "--silent"],
        Lang::Go => &["go", "test", "."],
        Lang::C => &["make", "--silent", "test"],
    };
    let mut steps = Vec::new();
    let has_fixtures = folder.join("fixtures").is_dir();
    for command in ["build", "test", "check"].into_iter().filter(|command| has_fixtures || *command != "test") {
        let mut step = Command::new(wharf);
        step.arg(command);
        steps.push(step);
    }
    let mut test = Command::new(own.first().copied().unwrap_or_default());
    test.args(own.get(1..).unwrap_or_default());
    steps.push(test);
    steps
}

/// Where the tools of a language are, for those that are not found by themselves.
fn environment(lang: Lang, place: &Place) -> Result<Vec<(String, OsString)>> {
    match lang {
        Lang::Rust => {
            let rustc = toolchain::ensure()?.rustc;
            Ok(rustc.map(|rustc| ("RUSTC".to_owned(), rustc.into_os_string())).into_iter().collect())
        }
        Lang::Go => go::environment(place),
        _ => Ok(Vec::new()),
    }
}
