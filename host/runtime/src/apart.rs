//! Goal: what components share is compiled, kept and loaded once, and nobody notices but by the time that it takes. Method: small programs beside a large
//! module, made as text; each looks at its start whether the module that it was given sees its own memory, and traps if not.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use cap_std::fs::Dir;
use wharf_delivery::LimitsDocument;
use wharf_event::Digest;
use wharf_inspect::{ComponentError, Kind};
use wharf_parts::{limits::PART_CODE_BYTES_MIN, parts};

use crate::{
    ArtifactCache, CacheCounts, Compile, ComponentFiles, Prepared, Probe, Runtime, cache::name, compile, image::What,
};

/// What a program consists of: its own memory, whose first byte is `seed`, a large module that `salt` makes another one, and what begins with
/// a look at that byte by a function of the large one.
fn within(seed: u8, salt: u32) -> String {
    let large = "i32.const 1 drop ".repeat(PART_CODE_BYTES_MIN / 3);
    format!(
        r#"(core module $main (memory (export "memory") 1) (data (i32.const 0) "\{seed:02x}"))
           (core module $large
             (import "env" "memory" (memory 1))
             (func {large}) (func (export "salt") (result i32) i32.const {salt})
             (func (export "first") (result i32) i32.const 0 i32.load8_u))
           (core module $own
             (import "large" "first" (func $first (result i32)))
             (func $look call $first i32.const {seed} i32.ne if unreachable end)
             (func (export "run") (result i32) i32.const 0)
             (start $look))
           (core instance $m (instantiate $main))
           (core instance $l (instantiate $large (with "env" (instance $m))))
           (core instance $o (instantiate $own (with "large" (instance $l))))
           (func $run (result (result)) (canon lift (core func $o "run")))"#
    )
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// As components in Python are.
fn program(seed: u8, salt: u32) -> Vec<u8> {
    let within = within(seed, salt);
    component(&format!(
        r#"(component {within} (instance $i (export "run" (func $run))) (export "wasi:cli/run@0.2.3" (instance $i)))"#
    ))
}

/// As components in JavaScript are.
fn nested(seed: u8, salt: u32) -> Vec<u8> {
    let within = within(seed, salt);
    component(&format!(
        r#"(component
             (component $within {within} (export "run" (func $run)))
             (instance $w (instantiate $within))
             (alias export $w "run" (func $run))
             (instance $i (export "run" (func $run)))
             (export "wasi:cli/run@0.2.3" (instance $i)))"#
    ))
}

/// The digest of the one part of a component.
fn part(wasm: &[u8]) -> Digest {
    let modules = parts(wasm).modules;
    assert_eq!(modules.len(), 1);
    modules[0].digest
}

/// The digest of what is left of a component.
fn rest(wasm: &[u8]) -> Digest {
    Digest::of(&parts(wasm).rest)
}

/// What was compiled, by digests.
#[derive(Clone, Default)]
struct Compiled(Arc<Mutex<Vec<Digest>>>);

impl Compiled {
    fn take(&self) -> Vec<Digest> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Compile for Compiled {
    fn compile(&self, wasm: &[u8]) -> Result<Vec<u8>, ComponentError> {
        self.0.lock().unwrap().push(Digest::of(wasm));
        compile(wasm)
    }
}

/// Components by their digests.
struct Files(HashMap<Digest, Vec<u8>>);

impl ComponentFiles for Files {
    fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        self.0.get(digest).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A folder for a cache, which hosts use one after the other.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("wharf-apart-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn cache(&self) -> ArtifactCache {
        ArtifactCache::open(Dir::open_ambient_dir(&self.0, cap_std::ambient_authority()).unwrap()).unwrap()
    }

    /// A host that starts on it and has these components.
    fn host(&self, components: &[&[u8]]) -> Host {
        let host = Host::without_cache(components);
        host.runtime.use_cache(self.cache());
        host
    }

    fn artifacts(&self) -> usize {
        let names = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".cwasm")).count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Host {
    runtime: Runtime,
    compiled: Compiled,
}

impl Host {
    fn without_cache(components: &[&[u8]]) -> Self {
        let (runtime, compiled) = (Runtime::new().unwrap(), Compiled::default());
        runtime.compile_by(Box::new(compiled.clone()));
        let files = components.iter().map(|wasm| (Digest::of(wasm), wasm.to_vec())).collect();
        runtime.recompile_from(Box::new(Files(files)));
        Self { runtime, compiled }
    }

    /// Makes an instance of a release, whose program looks whether all is well.
    #[track_caller]
    fn run(&self, release: &Prepared) {
        let Prepared::Handler(release) = release else { panic!("a program handles events") };
        let release = Prepared::Handler(release.clone());
        let (tenant, plugin) = ("acme".parse().unwrap(), "program".parse().unwrap());
        let limits = LimitsDocument { cpu_ms: 10_000, ..LimitsDocument::default() };
        let probe = Probe { release, tenant, plugin, config: BTreeMap::new(), limits };
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        threads.block_on(self.runtime.probe(probe)).unwrap();
    }

    /// A release that is in the cache, as a host that starts finds it.
    #[track_caller]
    fn found(&self, wasm: &[u8]) -> Prepared {
        self.runtime.at_hand(Kind::Command, Digest::of(wasm)).unwrap()
    }
}

fn counts(hits: u64, misses: u64, refused: u64) -> CacheCounts {
    CacheCounts { hits, misses, refused }
}

#[test]
fn what_components_share_is_compiled_kept_and_in_memory_once() {
    let folder = Folder::new();
    let (one, two, other) = (program(1, 7), program(2, 7), program(3, 8));
    assert_eq!(part(&one), part(&two));
    let host = folder.host(&[]);
    let first = host.runtime.prepare(&one).unwrap();
    let alone = host.runtime.loaded().bytes;
    let second = host.runtime.prepare(&two).unwrap();
    let both = host.runtime.loaded().bytes;
    assert_eq!(host.compiled.take(), [part(&one), rest(&one), rest(&two)]);
    assert_eq!((folder.artifacts(), host.runtime.loaded().releases), (3, 2));
    host.run(&first);
    host.run(&second);
    drop(first);
    let left = host.runtime.loaded().bytes;
    assert!(alone + left > both && both > alone, "{alone} and {left} bytes share some, so that both have {both}");
    host.run(&second);
    drop(second);
    assert_eq!((host.runtime.loaded().releases, host.runtime.loaded().bytes), (0, 0));
    host.run(&host.runtime.prepare(&other).unwrap());
    assert_eq!(host.compiled.take(), [part(&other), rest(&other)]);
}

#[test]
fn a_host_that_starts_finds_all_of_it_and_compiles_nothing() {
    let folder = Folder::new();
    let (one, two, within) = (program(1, 7), program(2, 7), nested(3, 7));
    assert_eq!(part(&one), part(&within), "it is the same module, wherever it is");
    let host = folder.host(&[]);
    for wasm in [&one, &two, &within] {
        host.run(&host.runtime.prepare(wasm).unwrap());
    }
    assert_eq!(host.compiled.take(), [part(&one), rest(&one), rest(&two), rest(&within)]);
    let host = folder.host(&[]);
    for wasm in [&within, &one, &two] {
        host.run(&host.found(wasm));
    }
    assert_eq!((host.compiled.take(), host.runtime.cache_counts()), (Vec::new(), counts(3, 0, 0)));
}

#[test]
fn what_is_missing_or_not_ours_is_compiled_again_and_nothing_else() {
    let folder = Folder::new();
    let wasm = program(1, 7);
    let host = folder.host(&[]);
    host.run(&host.runtime.prepare(&wasm).unwrap());
    let file = |what, digest: &Digest| folder.0.join(name(host.runtime.engine(), what, digest));
    let (module, component) = (file(What::Module, &part(&wasm)), file(What::Component, &Digest::of(&wasm)));
    let whole = std::fs::read(&module).unwrap();
    let put = |bytes: &[u8]| {
        std::fs::remove_file(&module).unwrap();
        std::fs::write(&module, bytes).unwrap();
    };
    let again = |compiled: &[Digest], counted: CacheCounts| {
        let host = folder.host(&[&wasm]);
        host.run(&host.found(&wasm));
        assert_eq!((host.compiled.take(), host.runtime.cache_counts()), (compiled.to_vec(), counted));
        assert_eq!(std::fs::read(&module).unwrap().len(), whole.len());
    };

    again(&[], counts(1, 0, 0));
    std::fs::remove_file(&module).unwrap();
    again(&[part(&wasm)], counts(0, 1, 0));
    for at in [0, whole.len() / 2, whole.len() - 20] {
        let mut bent = whole.clone();
        bent[at] ^= 1;
        put(&bent);
        again(&[part(&wasm)], counts(0, 0, 1));
    }
    // One that this folder's secret vouches for, as the code of something else.
    put(&std::fs::read(&component).unwrap());
    again(&[part(&wasm)], counts(0, 0, 1));
    again(&[], counts(1, 0, 0));
    // Nobody finds a component whose own artifact is gone; what it shares stays.
    std::fs::remove_file(&component).unwrap();
    let host = folder.host(&[]);
    assert!(host.runtime.at_hand(Kind::Command, Digest::of(&wasm)).is_none());
    host.run(&host.runtime.prepare_idle(&wasm).unwrap());
    assert_eq!(host.compiled.take(), [rest(&wasm)]);
}

#[test]
fn what_was_compiled_before_there_was_a_cache_is_kept_too() {
    let (one, two) = (program(1, 7), program(2, 7));
    let host = Host::without_cache(&[]);
    host.run(&host.runtime.prepare(&one).unwrap());
    host.run(&host.runtime.prepare(&two).unwrap());
    assert_eq!(host.compiled.take(), [part(&one), rest(&one), rest(&two)], "it was not in memory any more");
    let folder = Folder::new();
    host.runtime.use_cache(folder.cache());
    assert_eq!((folder.artifacts(), host.runtime.cache_counts()), (3, counts(0, 2, 0)));
    let next = folder.host(&[]);
    next.run(&next.found(&one));
    next.run(&next.found(&two));
    assert_eq!(next.compiled.take(), []);
}

#[test]
fn those_that_come_at_once_have_what_they_share_compiled_once() {
    let folder = Folder::new();
    let host = folder.host(&[]);
    let programs: Vec<_> = (1..=4).map(|seed| program(seed, 7)).collect();
    std::thread::scope(|scope| {
        for wasm in &programs {
            scope.spawn(|| host.run(&host.runtime.prepare(wasm).unwrap()));
        }
    });
    let compiled = host.compiled.take();
    assert_eq!(compiled.iter().filter(|digest| **digest == part(&programs[0])).count(), 1);
    assert_eq!((compiled.len(), folder.artifacts()), (5, 5));
}

#[test]
fn a_component_that_asks_for_what_others_share_is_refused() {
    let folder = Folder::new();
    let wasm = program(1, 7);
    let host = folder.host(&[]);
    let _there = host.runtime.prepare(&wasm).unwrap();
    host.compiled.take();
    let asks = parts(&wasm).rest.into_owned();
    let refused = host.runtime.prepare(&asks).err().unwrap();
    assert!(matches!(&refused, ComponentError::Import { problem } if problem.contains("core-a")), "{refused}");
    assert!(host.runtime.prepare_idle(&asks).is_err());
    assert_eq!((host.compiled.take(), folder.artifacts()), (Vec::new(), 2));
}
