//! Requests to servers of this machine that behave as servers of others do: slow, broken, somewhere else the second time.

mod addresses;
mod dns;
mod receiver;
mod sending;
mod tls;
