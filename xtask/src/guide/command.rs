//! The command line of `cargo xtask guide`: which pages, and what they need.
//!
//! Invariant: a page is read if all languages that it names with `--lang` can be had here; where one cannot that is told in one line. The
//! pages that `cargo xtask test` reads are those that need nothing but Rust and C, whose plugins are built in seconds.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::reader::{Reader, Tools};
use crate::guests::languages::{Place, missing_tools};
use crate::guests::{Lang, c, cargo, go, toolchain};
use crate::host::binary::{self, Profile};
use crate::interrupt::Interrupt;
use crate::left_out;

/// Languages whose pages are read by `cargo xtask test`.
const QUICK: [Lang; 2] = [Lang::Rust, Lang::C];

/// Options of `cargo xtask guide`.
#[derive(clap::Args)]
pub struct Args {
    /// Only these pages, such as `rust`.
    #[arg(value_name = "PAGE")]
    pages: Vec<String>,
    /// Read with this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// A page.
struct Page {
    name: String,
    text: String,
    languages: Vec<Lang>,
}

/// Reads the pages that were named, or all.
pub fn run(args: &Args) -> Result<()> {
    let mut all = pages()?;
    for wanted in &args.pages {
        ensure!(all.iter().any(|page| page.name == *wanted), "docs/guide has no page `{wanted}`");
    }
    all.retain(|page| args.pages.is_empty() || args.pages.contains(&page.name));
    let wharf = binary::given_or_built(args.binary.as_deref(), Profile::Dev)?;
    let interrupt = Interrupt::catch()?;
    all.iter().try_for_each(|page| read(page, &wharf, &interrupt).map(drop))
}

/// Reads the pages that take little time with this binary, and gives what was left out.
pub fn quick(wharf: &Path) -> Result<Vec<String>> {
    let (quick, slow): (Vec<_>, Vec<_>) =
        pages()?.into_iter().partition(|page| page.languages.iter().all(|lang| QUICK.contains(lang)));
    let interrupt = Interrupt::catch()?;
    let read = quick.iter().map(|page| read(page, wharf, &interrupt)).collect::<Result<Vec<_>>>()?;
    let slow: Vec<_> = slow.iter().map(|page| page.name.as_str()).collect();
    println!("guide {:18} left to `cargo xtask guide`", slow.join(" "));
    Ok(read.into_iter().flatten().collect())
}

/// Reads a page, or gives what was left out.
fn read(page: &Page, wharf: &Path, interrupt: &Interrupt) -> Result<Option<String>> {
    let Page { name, text, languages } = page;
    let repository = cargo::repository();
    let place = Place { target: cargo::workspace(&repository)?.target, repository };
    let mut tools = Tools::default();
    for lang in languages {
        if let Some(why) = missing_tools(*lang, &place)? {
            let left_out = left_out::language(lang.name(), &why)?;
            println!("guide {name:18} left out: {left_out}");
            return Ok(Some(left_out));
        }
        at_hand(*lang, &place, &mut tools)?;
    }
    let began = Instant::now();
    let count = Reader::new(wharf, &tools, interrupt)?
        .read(text)
        .with_context(|| format!("docs/guide/{name}.md; to read it again: cargo xtask guide {name}"))?;
    println!("guide {name:18} ok {:>7.1} s  {count} blocks", began.elapsed().as_secs_f64());
    Ok(None)
}

/// Adds what a language needs to the tools, as far as it is not found by itself.
pub fn at_hand(lang: Lang, place: &Place, tools: &mut Tools) -> Result<()> {
    match lang {
        Lang::Rust => {
            // It is for components; tests are native, and built by the toolchain in use.
            let rustc = toolchain::ensure()?.rustc;
            tools.wharf.extend(rustc.map(|rustc| ("RUSTC".to_owned(), rustc.into_os_string())));
            tools.target = Some(place.target.join("templates"));
        }
        Lang::Go => tools.all.extend(go::environment(place)?),
        Lang::C => {
            let mut compiler = c::compiler(place)?.into_os_string();
            compiler.push(" cc -target wasm32-wasi");
            let cache: OsString = place.target.join("ziglang-tools/cache").into();
            let caches = ["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"].map(|name| (name.to_owned(), cache.clone()));
            tools.all.extend([("WASM_CC".to_owned(), compiler)].into_iter().chain(caches));
        }
        Lang::Python | Lang::Js => {}
    }
    Ok(())
}

/// All pages, in the order of their names.
fn pages() -> Result<Vec<Page>> {
    let folder = cargo::repository().join("docs/guide");
    let mut pages = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let words = text.split_whitespace();
        let named: Vec<_> = words.clone().zip(words.skip(1)).filter(|(word, _)| *word == "--lang").collect();
        let is_named = |lang: &Lang| named.iter().any(|(_, name)| *name == lang.name());
        pages.push(Page { languages: Lang::ALL.into_iter().filter(is_named).collect(), name, text });
    }
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::super::page;
    use super::*;

    #[test]
    fn every_page_can_be_read_and_every_language_has_one() {
        let pages = pages().unwrap();
        for page in &pages {
            page::steps(&page.text).unwrap_or_else(|error| panic!("docs/guide/{}.md: {error:#}", page.name));
        }
        for lang in Lang::ALL {
            let page = pages.iter().find(|page| page.name == lang.name()).unwrap_or_else(|| panic!("{}", lang.name()));
            assert_eq!(page.languages, [lang], "{}", page.name);
        }
    }
}
