//! Capability: `wasi:config/store`, the plugin's own config table. It is no grant, since it holds only what its tenant wrote.

use crate::{
    Attempt,
    bindings::wasi::config::store::{Error, Host},
};

impl Host for Attempt {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        Ok(Ok(self.context.config.get(&key).cloned()))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        Ok(Ok(self.context.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
