//! Guests in C: by the sources in `sdk/c`, and by the generated bindings alone. The compiler is Zig's clang, which has a C library
//! for wasm32-wasi with it.
//!
//! Invariant: what is compiled with an author's source is what the SDK's pkg-config file of that kind says.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::build::Guest;
use super::languages::{Built, Place};
use super::{cached, componentize, process};
use crate::host::binary::{self, Profile};

/// The package of the compiler.
const ZIG: (&str, &str) = ("ziglang", "0.17.0");

/// How a guest is compiled.
const FLAGS: [&str; 8] = ["cc", "-target", "wasm32-wasi", "-Os", "-s", "-Wall", "-Wextra", "-mexec-model=reactor"];

/// The three probes, each with the world that it is for.
const PROBES: [(&str, &str); 3] =
    [("handler", "event-handler"), ("batch", "event-batch-handler"), ("transform", "event-transform")];

/// The tools of C.
struct Tools<'a> {
    place: &'a Place,
    zig: PathBuf,
    wharf: PathBuf,
    componentize: PathBuf,
}

/// Builds both rows.
pub fn build(place: &Place) -> Result<Built> {
    let tools = match Tools::find(place) {
        Ok(tools) => tools,
        Err(error) => return Ok(Built::Missing(format!("{error:#}"))),
    };
    let version = version();
    let sdk = place.repository.join("sdk/c");
    let sources = place.repository.join("tests/languages");
    let mut guests = Vec::new();
    for (probe, world) in PROBES {
        let source = sources.join("c").join(format!("{probe}.c"));
        let inputs: Vec<PathBuf> =
            [source.clone(), sdk.clone()].into_iter().chain(componentize::sources(place)).collect();
        guests.push(cached::guest(place, &format!("languages-c-{probe}"), &inputs, &version, |to| {
            tools.component(&source, &sdk_files(&sdk, probe)?, &[], to)
        })?);
        let bare = sources.join("c-bare").join(format!("{probe}.c"));
        let inputs: Vec<PathBuf> = [sources.join("c-bare")].into_iter().chain(componentize::sources(place)).collect();
        guests.push(cached::guest(place, &format!("languages-c-bare-{probe}"), &inputs, &version, |to| {
            tools.component(&bare, &tools.bindings(world)?, &[], to)
        })?);
    }
    guests.push(build_web(place)?);
    Ok(Built::Guests(guests))
}

/// Builds what the template has that answers requests: the SDK of the same name, and no module of C says that by itself.
pub fn build_web(place: &Place) -> Result<Guest> {
    let tools = Tools::find(place)?;
    let sdk = place.repository.join("sdk/c");
    let inputs: Vec<PathBuf> = [sdk.clone()].into_iter().chain(componentize::sources(place)).collect();
    cached::guest(place, "languages-c-web", &inputs, &version(), |to| {
        tools.component(&sdk.join("template/http/handler.c"), &sdk_files(&sdk, "http")?, &["--world", "proxy"], to)
    })
}

fn version() -> String {
    format!("{} {} {}", ZIG.0, ZIG.1, FLAGS.join(" "))
}

/// The compiler, installed where it is not.
pub fn compiler(place: &Place) -> Result<PathBuf> {
    Ok(componentize::python_package(place, ZIG.0, ZIG.1)?.join("ziglang/zig"))
}

/// Runs the tests of the SDK and of its templates, as native programs. The compiler is the one that Rust links with.
pub fn test(place: &Place) -> Result<()> {
    let sdk = place.repository.join("sdk/c");
    let sources = sdk_files(&sdk, "test")?;
    let of_template = |name: &str| {
        let template = sdk.join("template").join(name);
        vec![template.join("test_handler.c"), template.join("handler.c")]
    };
    let templates = ["event", "transform", "batch", "schedule", "http"].map(of_template);
    let tests = [vec![sdk.join("tests/test_wharf.c")]].into_iter().chain(templates);
    let program = place.target.join("sdk-c-test");
    for test in tests {
        let mut compiler = Command::new("cc");
        compiler.args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).args(test).args(&sources);
        process::output(&mut compiler)?;
        process::output(&mut Command::new(&program))?;
    }
    Ok(())
}

impl<'a> Tools<'a> {
    fn find(place: &'a Place) -> Result<Self> {
        let (zig, wharf) = (compiler(place)?, binary::build(Profile::Dev)?);
        Ok(Self { place, zig, wharf, componentize: componentize::tool(place)? })
    }

    fn zig(&self) -> Command {
        let cache = self.place.target.join("ziglang-tools/cache");
        let mut command = Command::new(&self.zig);
        command.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
        command
    }

    /// Compiles a source with other files, and makes a component of it with these options.
    fn component(&self, source: &Path, with: &[String], options: &[&str], to: &Path) -> Result<()> {
        let module = to.with_extension("core");
        process::output(self.zig().args(FLAGS).arg("-o").arg(&module).arg(source).args(with))?;
        let mut command = Command::new(&self.wharf);
        process::output(command.arg("componentize").arg(&module).arg("--to").arg(to).args(options)).map(drop)
    }

    /// The bindings of a world as the generator gives them.
    fn bindings(&self, world: &str) -> Result<Vec<String>> {
        let folder = self.place.target.join("bare-bindings/c").join(world);
        let mut command = Command::new(&self.componentize);
        process::output(command.args(["bare", "c", world]).arg(&folder))?;
        let file = |end: &str| folder.join(format!("{}{end}", world.replace('-', "_"))).display().to_string();
        Ok(vec![format!("-I{}", folder.display()), file(".c"), file("_component_type.o")])
    }
}

/// What the SDK's pkg-config file of this kind of plugin says, for the compiler.
fn sdk_files(sdk: &Path, kind: &str) -> Result<Vec<String>> {
    let path = sdk.join("pkgconfig").join(format!("wharf-{kind}.pc"));
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(pkg_config(&text, &sdk.join("pkgconfig").display().to_string()))
}

/// The compiler's arguments in a pkg-config file that lies in `folder`.
fn pkg_config(text: &str, folder: &str) -> Vec<String> {
    let mut known = vec![("pcfiledir".to_owned(), folder.to_owned())];
    let mut arguments = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let filled =
            known.iter().fold(line.to_owned(), |line, (name, value)| line.replace(&format!("${{{name}}}"), value));
        if let Some(of) = filled.strip_prefix("Cflags: ").or_else(|| filled.strip_prefix("Libs: ")) {
            arguments.extend(of.split_whitespace().map(str::to_owned));
        } else if let Some((name, value)) = filled.split_once('=').filter(|(name, _)| !name.contains([':', ' '])) {
            known.push((name.to_owned(), value.to_owned()));
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pkg_config_file_is_read_with_its_variables() {
        let text = "# a=b\nprefix=${pcfiledir}/..\nsrc=${prefix}/src\n\nName: it\nCflags: -I${prefix}/include\nLibs: ${src}/a.c ${src}/b.c\n";
        assert_eq!(pkg_config(text, "/p"), ["-I/p/../include", "/p/../src/a.c", "/p/../src/b.c"]);
    }
}
