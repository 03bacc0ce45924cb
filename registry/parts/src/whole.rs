//! Goal: what is taken out and what is left are the component. Method: components as the SDKs of Python and JavaScript make them, and made at random, are
//! taken apart; the rest has to be valid, and with its parts put where their imports are it has to be the component again, byte for byte.

use std::fmt::Write as _;

use rand::RngExt as _;
use wasmparser::{
    BinaryReader, ComponentAlias, ComponentAliasSectionReader, ComponentImportSectionReader, ComponentOuterAliasKind,
    Validator,
};

use super::*;
use crate::{
    limits::PARTS_MAX,
    section::{ALIASES, COMPONENT, CORE_MODULE, CORE_TYPES, IMPORTS, INNER_COMPONENT, sections, write},
    split::parts_from,
};

/// Bytes of code that make a module large in these tests.
const LARGE: usize = 400;

/// A function whose code has that many bytes and a few more; `seed` makes it another one.
fn code(bytes: usize, seed: u32) -> String {
    format!("(func (result i32) {} i32.const {seed})", "i32.const 1 drop ".repeat(bytes / 3))
}

fn component(text: &str) -> Vec<u8> {
    let bytes = wat::parse_str(text).unwrap();
    Validator::new().validate_all(&bytes).unwrap();
    bytes
}

/// Puts the parts of a component where their imports are.
struct Together<'a> {
    parts: std::slice::Iter<'a, &'a [u8]>,
    /// Whether the parts are of components within.
    hoisted: bool,
    /// The modules of the top, by their index.
    modules: Vec<&'a [u8]>,
}

impl<'a> Together<'a> {
    fn of(&mut self, rest: &'a [u8], depth: u32) -> Vec<u8> {
        let mut out = COMPONENT.to_vec();
        for section in sections(rest).unwrap() {
            let reader = || BinaryReader::new(section.body, section.at);
            match section.id {
                CORE_TYPES => continue,
                CORE_MODULE if depth == 0 => self.modules.push(section.body),
                IMPORTS => {
                    let names = ComponentImportSectionReader::new(reader()).unwrap().into_iter();
                    let wants: Vec<_> = names.map(|import| wanted(import.unwrap().name.name)).collect();
                    if let [Some(_)] = wants[..] {
                        let module = self.parts.next().unwrap();
                        self.modules.push(module);
                        if !self.hoisted {
                            write(&mut out, CORE_MODULE, module);
                        }
                        continue;
                    }
                }
                ALIASES => {
                    let mut aliases = ComponentAliasSectionReader::new(reader()).unwrap().into_iter();
                    let first = aliases.next().unwrap().unwrap();
                    if let ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index } = first {
                        assert_eq!(count, depth);
                        let module = self.modules[index as usize];
                        write(&mut out, CORE_MODULE, module);
                        if depth == 0 {
                            self.modules.push(module);
                        }
                        continue;
                    }
                }
                INNER_COMPONENT => {
                    write(&mut out, INNER_COMPONENT, &self.of(section.body, depth + 1));
                    continue;
                }
                _ => {}
            }
            out.extend_from_slice(section.whole);
        }
        out
    }
}

/// Takes a component apart, looks that what is left is valid and that put together it is the component, and says how many parts there are.
#[track_caller]
fn taken_out(bytes: &[u8], code_bytes_min: usize) -> usize {
    let Parts { rest, modules } = parts_from(bytes, code_bytes_min);
    if let Err(error) = Validator::new().validate_all(&rest) {
        panic!("the rest is not valid: {error}");
    }
    for part in &modules {
        assert_eq!(wharf_event::Digest::of(&bytes[part.range.clone()]), part.digest);
        Validator::new().validate_all(&bytes[part.range.clone()]).unwrap();
    }
    let again = parts_from(&rest, code_bytes_min);
    assert!(again.modules.is_empty() && again.rest == rest, "what imports parts is not taken apart");
    if modules.is_empty() {
        assert!(rest == bytes);
        return 0;
    }
    let parts: Vec<&[u8]> = modules.iter().map(|part| &bytes[part.range.clone()]).collect();
    let hoisted = !sections(bytes).unwrap().iter().any(|section| section.id == CORE_MODULE);
    let together = Together { parts: parts.iter(), hoisted, modules: Vec::new() }.of(&rest, 0);
    assert!(together == bytes, "put together it is another one");
    modules.len()
}

/// As Python's: memory, table and data in a module that is another one in every build, libraries of many kinds of imports beside it.
fn as_python(seed: u32, bytes: usize) -> String {
    let (of_libc, of_python) = (code(bytes, 1), code(bytes, 2));
    format!(
        r#"(component
          (import "log" (func $log (param "x" u32)))
          (core module $main
            (memory (export "memory") 2 16) (table (export "table") 9 funcref)
            (global (export "sp") (mut i32) (i32.const 9))
            (global (export "base") i32 (i32.const {seed}))
            (global (export "rest") externref (ref.null extern))
            (data (i32.const 0) "snapshot {seed}"))
          (core module $libc
            (import "env" "memory" (memory 1)) (import "env" "sp" (global $sp (mut i32)))
            {of_libc}
            (func (export "malloc") (param i32) (result i32) global.get $sp))
          (core module $python
            (type $ops (func (param i32 i64 f32 f64) (result i32)))
            (import "env" "memory" (memory 2 16)) (import "env" "table" (table 2 funcref))
            (import "env" "base" (global $base i32)) (import "env" "rest" (global externref))
            (import "libc" "malloc" (func $malloc (param i32) (result i32)))
            (import "host" "log" (func $log (param i32)))
            (table $own 1 externref) (global $g (mut i64) (i64.const 1))
            {of_python}
            (func $run (export "run") (param i32) (result i32 i64) i32.const 4 call $malloc call $log i32.const 1 i64.const 2)
            (func (export "ops") (type $ops) i32.const 0) (func (export "refs") (param funcref externref v128) (result funcref) local.get 0)
            (export "own" (table $own)) (export "g" (global $g)) (export "malloc" (func $malloc))
            (elem (global.get $base) $run) (data (i32.const 8) "interned"))
          (core func $low (canon lower (func $log)))
          (core instance $m (instantiate $main))
          (core instance $c (instantiate $libc (with "env" (instance $m))))
          (core instance $host (export "log" (func $low)))
          (core instance $p (instantiate $python (with "env" (instance $m)) (with "libc" (instance $c)) (with "host" (instance $host))))
          (func (export "g") (param "x" u32) (result u32) (canon lift (core func $c "malloc"))))"#
    )
}

#[test]
fn of_two_builds_like_pythons_the_libraries_are_the_same_parts() {
    for (bytes, min) in [(LARGE, LARGE), (limits::PART_CODE_BYTES_MIN, limits::PART_CODE_BYTES_MIN)] {
        let (one, two) = (component(&as_python(100, bytes)), component(&as_python(200, bytes)));
        assert_eq!((taken_out(&one, min), taken_out(&two, min)), (2, 2));
        let digests =
            |bytes: &[u8]| parts_from(bytes, min).modules.into_iter().map(|part| part.digest).collect::<Vec<_>>();
        assert_eq!(digests(&one), digests(&two));
        assert_ne!(parts_from(&one, min).rest, parts_from(&two, min).rest);
    }
    let whole = component(&as_python(1, LARGE));
    assert_eq!(parts(&whole).modules, [], "they are small");
}

/// As JavaScript's: everything is in a component within, whose imports are the top's.
fn as_javascript(seed: u32, again: &str) -> String {
    let engine = code(LARGE, 3);
    format!(
        r#"(component
          (import "log" (func $log (param "x" u32)))
          (component $within
            (import "log" (func $log (param "x" u32)))
            (core module $main (memory (export "memory") 1) (data (i32.const 0) "snapshot {seed}"))
            (core module $engine
              (import "env" "memory" (memory 1)) (import "env" "log" (func $log (param i32)))
              {engine} (func (export "run") (param i32) local.get 0 call $log))
            {again}
            (core func $low (canon lower (func $log)))
            (core instance $m (instantiate $main))
            (core instance $env (export "memory" (memory $m "memory")) (export "log" (func $low)))
            (core instance $e (instantiate $engine (with "env" (instance $env))))
            (func (export "run") (param "x" u32) (canon lift (core func $e "run"))))
          (component $other (component (core module {engine}) (core module)))
          (instance $i (instantiate $within (with "log" (func $log))))
          (export "run" (func $i "run")))"#
    )
}

#[test]
fn parts_of_components_within_are_imported_at_the_top() {
    let one = component(&as_javascript(1, ""));
    assert_eq!(taken_out(&one, LARGE), 2);
    let again = format!("(component (core module {0}) (core module {0}))", code(LARGE, 3));
    assert_eq!(taken_out(&component(&as_javascript(2, &again)), LARGE), 2, "the same bytes are one part");
    let at_top = format!("(component (core module) {}", as_javascript(1, "").strip_prefix("(component").unwrap());
    assert_eq!(taken_out(&component(&at_top), LARGE), 0, "modules of the top would have other indices");
}

#[test]
fn one_module_twice_is_imported_once_and_its_index_is_that_of_the_import() {
    let module = format!("(core module {})", code(LARGE, 5));
    let other = format!("(core module {} (func (export \"f\")))", code(LARGE, 6));
    let text = format!(
        r#"(component (core module) {module} {other} {module} {other}
           (core instance (instantiate 1)) (core instance $o (instantiate 4))
           (func (export "f") (canon lift (core func $o "f"))))"#
    );
    let bytes = component(&text);
    assert_eq!(taken_out(&bytes, LARGE), 2);
    let rest = parts_from(&bytes, LARGE).rest;
    let aliases: Vec<_> = sections(&rest)
        .unwrap()
        .iter()
        .filter(|section| section.id == ALIASES)
        .map(|section| section.body.to_vec())
        .collect();
    // One alias of a core module, of this very component, by its index.
    assert_eq!(aliases[..2], [[1, 0, 0x11, 2, 0, 1], [1, 0, 0x11, 2, 0, 2]]);
}

#[test]
fn what_cannot_be_said_of_a_module_leaves_it_in_and_what_would_shift_leaves_the_component_whole() {
    let large = code(LARGE, 7);
    let alone = |within: &str| component(&format!("(component (core module {within} {large}))"));
    assert_eq!(taken_out(&alone(""), LARGE), 1);
    assert_eq!(taken_out(&alone(""), 2 * LARGE), 0, "it is small");
    for within in [
        "(memory 1)",
        "(memory (export \"m\") i64 1)",
        "(import \"a\" \"b\" (memory i64 1))",
        "(import \"a\" \"b\" (memory 1 2 shared))",
        "(import \"a\" \"b\" (table i64 1 funcref))",
        "(import \"a\" \"b\" (func (param (ref func))))",
        "(type (struct))",
        "(rec (type (func)) (type (func)))",
        "(tag)",
        "(import \"a\" \"b\" (tag))",
        "(import \"a\" \"b\" (global anyref))",
    ] {
        assert_eq!(taken_out(&alone(within), LARGE), 0, "{within}");
    }
    let beside = |within: &str| component(&format!("(component (core module {large}) {within})"));
    let digits = "0".repeat(64);
    for within in [
        "(core type (func))".to_owned(),
        "(core type (module))".to_owned(),
        "(core type $t (func)) (component (alias outer 1 $t (core type)))".to_owned(),
        format!("(core type $t (module)) (import \"core-a{digits}\" (core module (type $t)))"),
        format!("(import \"core-a{digits}\" (func))"),
        "(import \"core-a-b\" (func))".to_owned(),
    ] {
        assert_eq!(taken_out(&beside(&within), LARGE), 0, "{within}");
    }
}

#[test]
fn there_are_no_more_parts_than_may_be() {
    let modules: String = (0..12).map(|seed| format!("(core module {})", code(LARGE, seed))).collect();
    assert_eq!(taken_out(&component(&format!("(component {modules})")), LARGE), PARTS_MAX);
    assert_eq!(taken_out(&component(&format!("(component (component {modules}))")), LARGE), PARTS_MAX);
}

#[test]
fn bytes_that_are_no_component_stay_as_they_are() {
    let whole = component(&as_javascript(1, ""));
    for end in 0..whole.len() {
        let Parts { rest, modules } = parts_from(&whole[..end], LARGE);
        // Cut between two sections it is a component.
        assert!(modules.is_empty() == (*rest == whole[..end]), "cut at {end}");
    }
    let mut random = rand::rng();
    for _ in 0..2_000 {
        let mut bent = whole.clone();
        for _ in 0..4 {
            let at = random.random_range(0..bent.len());
            bent[at] = random.random();
        }
        let Parts { rest, modules } = parts_from(&bent, LARGE);
        assert!(modules.is_empty() == (*rest == bent[..]));
    }
    assert_eq!(parts(b"\0asm\x01\0\0\0").rest, &b"\0asm\x01\0\0\0"[..]);
}

/// What a component may have, in any order.
fn made_at_random(random: &mut rand::rngs::ThreadRng, depth: u32) -> String {
    let mut text = "(component".to_owned();
    for _ in 0..random.random_range(1..7) {
        let seed = random.random_range(0..4_u32);
        let _ = match random.random_range(0..6) {
            0 => write!(text, "(core module {})", code(LARGE, seed)),
            1 => write!(text, "(core module {})", code(10, seed)),
            2 => write!(text, "(core module (memory {seed}) {})", code(LARGE, seed)),
            3 => write!(text, "(type (func (param \"p{seed}\" u32)))"),
            4 if depth < 3 => write!(text, "{}", made_at_random(random, depth + 1)),
            _ => write!(
                text,
                "(core module (import \"e\" \"f{seed}\" (func)) {} (export \"x\" (func 0)))",
                code(LARGE, seed)
            ),
        };
    }
    text + ")"
}

#[test]
fn components_made_at_random_are_what_is_left_and_what_was_taken() {
    let mut random = rand::rng();
    let mut parts = 0;
    for _ in 0..400 {
        parts += taken_out(&component(&made_at_random(&mut random, 0)), LARGE);
    }
    assert!(parts > 100, "hardly anything was taken out");
}
