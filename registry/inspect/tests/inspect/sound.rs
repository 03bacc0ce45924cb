//! What holds for any bytes at all. The fuzz target asks the same.

use wharf_inspect::{ComponentError, Kind, check, describe, limits};

/// Bytes of the longest refusal: a few names, and what this host offers.
const SAID_MAX: usize = 8 << 10;

/// Checks and describes bytes, holds both against each other, and gives what they are refused for.
pub fn refused(wasm: &[u8]) -> Option<ComponentError> {
    let checked = check(wasm);
    if let Err(error) = &checked {
        assert!(error.to_string().len() < SAID_MAX, "{error}");
    }
    match describe(wasm) {
        Ok(found) => {
            assert_eq!(found.world, checked.clone().map(Kind::world));
            assert_eq!(found.bytes, wasm.len());
            let (imports, exports) = (found.imports.len(), found.exports.len());
            assert!(imports <= limits::IMPORTS_MAX as usize && exports <= limits::EXPORTS_MAX as usize);
            assert!(found.languages.len() <= limits::MADE_MAX && found.tools.len() <= limits::MADE_MAX);
            let is_known = found.imports.iter().all(|import| import.only_types || import.gives().is_some());
            assert!(is_known || checked.is_err(), "{found:?}");
        }
        Err(error) => {
            let is_unfit = matches!(
                error,
                ComponentError::World { .. } | ComponentError::Impure { .. } | ComponentError::Import { .. }
            );
            assert!(!is_unfit, "a valid component is described: {error}");
            assert_eq!(checked, Err(error));
        }
    }
    checked.err()
}
