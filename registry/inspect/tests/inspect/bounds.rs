//! Each bound: what has just as much is looked at further, and one more is refused before it is validated.

use wharf_event::Code;
use wharf_inspect::{ComponentError, check, limits};

use crate::binary::{COMPONENT, MODULE, component, list, number, section};

/// A core module in a component.
fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    section(1, &[MODULE, &sections.concat()].concat())
}

/// A type of a component: a 32-bit number.
const TYPE: &[u8] = b"\x79";

/// A component of that many levels, itself aside.
fn nested(levels: usize) -> Vec<u8> {
    (0..levels).fold(COMPONENT.to_vec(), |inner, _| component(&[section(4, &inner)]))
}

/// A component with as many imports of types, each under a name of so many bytes.
fn imports(count: usize, name_bytes: usize) -> Vec<u8> {
    let import = |n: usize| {
        let name = format!("{n:a>name_bytes$}").replace(|c: char| c.is_ascii_digit(), "b");
        [&[0], number(name.len()).as_slice(), name.as_bytes(), b"\x03\x01"].concat()
    };
    component(&[section(10, &[number(count), (0..count).flat_map(import).collect()].concat())])
}

#[test]
fn one_more_than_allowed_is_refused_by_name_and_what_is_allowed_is_not() {
    let most = |bound: u32| bound as usize;
    type Make = fn(usize) -> Vec<u8>;
    let cases: [(&str, usize, Make); 11] = [
        ("linear memories", most(limits::MEMORIES_MAX), |n| component(&[module(&[list(5, n, b"\0\x01")])])),
        ("tables", most(limits::TABLES_MAX), |n| component(&[module(&[list(4, n, b"\x70\0\x01")])])),
        ("core instances", most(limits::CORE_INSTANCES_MAX), |n| component(&[module(&[]), list(2, n, b"\0\0\0")])),
        ("core modules", most(limits::MODULES_MAX), |n| component(&vec![module(&[]); n])),
        ("components in it", most(limits::COMPONENTS_MAX), |n| component(&vec![section(4, COMPONENT); n])),
        ("levels of components in components", most(limits::DEPTH_MAX), nested),
        ("sections", most(limits::SECTIONS_MAX), |n| component(&vec![section(0, b"\x01x"); n])),
        ("types", most(limits::TYPES_MAX), |n| component(&[list(7, n, TYPE)])),
        ("imports", most(limits::IMPORTS_MAX), |n| imports(n, 9)),
        ("bytes in a name", most(limits::NAME_BYTES_MAX), |n| imports(1, n)),
        ("exports of what is in it", most(limits::INNER_EXPORTS_MAX), |n| {
            component(&[module(&[list(7, n, b"\0\0\0")])])
        }),
    ];
    for (what, most, make) in cases {
        match check(&make(most)) {
            Err(ComponentError::Bounds { what: other, found, most }) => panic!("{what}: {found} {other} of {most}"),
            Err(ComponentError::TooLarge { .. }) | Ok(_) => panic!("{what}"),
            Err(_) => {}
        }
        let error = check(&make(most + 1)).unwrap_err();
        let (found, most) = (most as u64 + 1, u32::try_from(most).unwrap());
        assert_eq!(error, ComponentError::Bounds { what: &*what.to_owned().leak(), found, most });
        assert_eq!(error.code(), Code::ComponentBounds);
    }
}

#[test]
fn a_count_that_the_bytes_do_not_hold_is_refused_like_any_other() {
    let memories = component(&[module(&[section(5, &[number(u32::MAX as usize), b"\0\x01".to_vec()].concat())])]);
    assert_eq!(check(&memories).unwrap_err().code(), Code::ComponentBounds);
    let imports = component(&[section(10, &number(limits::IMPORTS_MAX as usize))]);
    assert_eq!(check(&imports).unwrap_err().code(), Code::ComponentInvalid);
}

#[test]
fn what_is_too_large_is_not_read() {
    let mut wasm = component(&[]);
    wasm.resize(limits::COMPONENT_BYTES_MAX + 1, 0);
    assert_eq!(check(&wasm).unwrap_err(), ComponentError::TooLarge { bytes: wasm.len() });
}
