//! A module with its WASI 0.1 behind it, as one component.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as COMMAND_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::{contract, error::EncodeError, section::custom_section};

/// WASI 0.1 that answers by itself, for components that import nothing.
const PURE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pure.wasm"));

/// Not a world of the contract, but that of programs: `wasi:cli/command`.
const COMMAND: &str = "command";

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// A world of the contract, where the module does not say itself what it is; or `command`, where it is a program.
    pub world: Option<&'a str>,
    /// Whether what the module asks of WASI is answered within the component: a transform imports nothing.
    pub is_pure: bool,
    /// Custom sections by name and text: what the component says of itself.
    pub sections: Vec<(&'a str, &'a str)>,
}

/// Makes a component of a core module.
///
/// # Errors
/// When there is no such world, or the module is none of it.
pub fn component(module: &[u8], request: &Request<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut module = module.to_owned();
    let is_command = request.world == Some(COMMAND);
    if let Some(world) = request.world.filter(|_| !is_command) {
        let (resolve, world) = contract::world(world)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(EncodeError::module)?;
    }
    let adapter = match (is_command, request.is_pure) {
        (true, _) => COMMAND_ADAPTER,
        (false, true) => PURE,
        (false, false) => ADAPTER,
    };
    let encoder = ComponentEncoder::default().validate(true).module(&module).map_err(EncodeError::module)?;
    let mut encoder = encoder.adapter(ADAPTER_NAME, adapter).map_err(EncodeError::module)?;
    let mut component = encoder.encode().map_err(EncodeError::module)?;
    for (name, text) in &request.sections {
        component.extend(custom_section(name, text));
    }
    Ok(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSFORM: &str = r#"(module
        (import "wasi_snapshot_preview1" "clock_time_get" (func $now (param i32 i64 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "wharf:plugin/transformer@0.1.0#transform") (param i32) (result i32)
            (drop (call $now (i32.const 0) (i64.const 0) (i32.const 64))) (i32.const 128))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))"#;

    #[test]
    fn a_pure_component_imports_nothing_whatever_its_module_asks_of_wasi() {
        let module = wat::parse_str(TRANSFORM).unwrap();
        for (is_pure, imports_a_clock) in [(true, false), (false, true)] {
            let sections = vec![("wharf:handler", "{}")];
            let request = Request { world: Some("event-transform"), is_pure, sections };
            let made = component(&module, &request).unwrap();
            let has = |name: &[u8]| made.windows(name.len()).any(|at| at == name);
            assert_eq!(has(b"wasi:clocks"), imports_a_clock);
            assert!(has(b"wharf:plugin/transformer@0.1.0") && made.ends_with(b"\x0dwharf:handler{}"));
        }
    }

    #[test]
    fn what_a_handler_imports_beside_its_world_is_there_if_it_does() {
        let handler = |import: &str| {
            let text = format!(
                r#"(module {import}
                    (memory (export "memory") 1)
                    (func (export "wharf:plugin/handler@0.1.0#handle") (param i32) (result i32) (i32.const 128))
                    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))"#
            );
            let request = Request { world: Some("event-handler"), ..Default::default() };
            component(&wat::parse_str(text).unwrap(), &request).unwrap()
        };
        let has = |made: &[u8]| made.windows(22).any(|at| at == b"wharf:secrets/held@0.1");
        let held = r#"(import "wharf:secrets/held@0.1.0" "get" (func $get (param i32 i32 i32)))"#;
        assert!(has(&handler(held)) && !has(&handler("")));
    }

    #[test]
    fn a_program_exports_that_it_can_be_run() {
        let program = r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") (call $exit (i32.const 1))))"#;
        let made =
            component(&wat::parse_str(program).unwrap(), &Request { world: Some("command"), ..Default::default() });
        let made = made.unwrap();
        let has = |name: &[u8]| made.windows(name.len()).any(|at| at == name);
        assert!(has(b"wasi:cli/run@0.2") && has(b"wasi:cli/exit@0.2"));
    }

    #[test]
    fn what_answers_requests_is_of_a_world_that_other_hosts_have_too() {
        let module = wat::parse_str(
            r#"(module
                (import "wasi:http/types@0.2.0" "[method]incoming-request.headers" (func $fields (param i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "wasi:http/incoming-handler@0.2.0#handle") (param i32 i32) (drop (call $fields (local.get 0))))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))"#,
        );
        let made = component(&module.unwrap(), &Request { world: Some("proxy"), ..Default::default() }).unwrap();
        let has = |name: &[u8]| made.windows(name.len()).any(|at| at == name);
        assert!(has(b"wasi:http/types@0.2.0") && has(b"wasi:http/incoming-handler@0.2.0") && !has(b"wharf:plugin"));
    }

    #[test]
    fn what_is_no_plugin_is_said_to_be_none() {
        let module = wat::parse_str("(module (memory (export \"memory\") 1))").unwrap();
        let of = |world| component(&module, &Request { world: Some(world), ..Default::default() }).unwrap_err();
        assert_eq!(of("event-poem"), EncodeError::World { world: "event-poem".to_owned() });
        let said = of("event-handler").to_string();
        assert!(said.contains("wharf:plugin/handler@0.1.0"), "{said}");
        for bytes in [&b""[..], b"\0asm", b"no module"] {
            assert!(matches!(component(bytes, &Request::default()), Err(EncodeError::Module { .. })));
        }
    }
}
