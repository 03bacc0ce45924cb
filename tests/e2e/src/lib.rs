//! Nothing: this crate is its tests (`tests/e2e`), which run the `wharf` binary as a user would.
