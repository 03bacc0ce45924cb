//! Everything that this host offers to handlers, linked. `wharf-inspect` has the list of it, and a test of `wharf-runtime`
//! asks the linker for all that is there.
//!
//! Sockets are in it for runtimes that import them always, and none can be opened (`inert.rs`).

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::{
    cli::{WasiCli, WasiCliView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::bindings as wasi,
    sockets::{WasiSockets, WasiSocketsView},
};

use crate::{Attempt, bindings, clocks, hold, http, infer, llm, random};

/// Adds everything that this host offers to `linker`.
///
/// # Errors
/// When an interface is added twice: a mistake in this function.
pub fn link(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    type Own = HasSelf<Attempt>;
    bindings::wharf::plugin::publisher::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    bindings::receiver::wharf::plugin::receiver::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    bindings::wharf::plugin::counters::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    bindings::wasi::keyvalue::store::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    bindings::wasi::keyvalue::atomics::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    bindings::wasi::config::store::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    bindings::wasi::logging::logging::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    link_wasi(linker)?;
    http::link(linker)?;
    llm::link(linker)?;
    infer::link(linker)?;
    hold::link(linker)
}

/// Everything of WASI 0.2 but time zones and what only a program imports.
fn link_wasi(l: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    use wasi::{cli, filesystem, sockets};

    // Streams, polls, clocks, random, and the standard streams.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(l)?;
    // Its random numbers have no bound for an attempt, ours have, and what its clocks say is not recorded.
    l.allow_shadowing(true);
    random::link(l)?;
    clocks::link(l)?;
    l.allow_shadowing(false);
    cli::exit::add_to_linker::<Attempt, WasiCli>(l, Attempt::cli)?;
    cli::environment::add_to_linker::<Attempt, WasiCli>(l, Attempt::cli)?;
    cli::terminal_input::add_to_linker::<Attempt, WasiCli>(l, Attempt::cli)?;
    cli::terminal_output::add_to_linker::<Attempt, WasiCli>(l, Attempt::cli)?;
    cli::terminal_stdin::add_to_linker::<Attempt, WasiCli>(l, Attempt::cli)?;
    cli::terminal_stdout::add_to_linker::<Attempt, WasiCli>(l, Attempt::cli)?;
    cli::terminal_stderr::add_to_linker::<Attempt, WasiCli>(l, Attempt::cli)?;
    filesystem::types::add_to_linker::<Attempt, WasiFilesystem>(l, Attempt::filesystem)?;
    filesystem::preopens::add_to_linker::<Attempt, WasiFilesystem>(l, Attempt::filesystem)?;
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<Attempt, WasiSockets>(l, &options, Attempt::sockets)?;
    sockets::instance_network::add_to_linker::<Attempt, WasiSockets>(l, Attempt::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<Attempt, WasiSockets>(l, Attempt::sockets)?;
    sockets::tcp::add_to_linker::<Attempt, WasiSockets>(l, Attempt::sockets)?;
    sockets::udp_create_socket::add_to_linker::<Attempt, WasiSockets>(l, Attempt::sockets)?;
    sockets::udp::add_to_linker::<Attempt, WasiSockets>(l, Attempt::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<Attempt, WasiSockets>(l, Attempt::sockets)
}
