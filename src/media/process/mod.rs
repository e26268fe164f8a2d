//! Reading a file in a child process, so that a decoder that crashes or hangs takes one file down and
//! not the run (docs/decisions/0009-decoding-in-a-child-process.md): [`client`] is the parent's side,
//! [`server`] the child's, [`wire`] what they say to each other.

pub(super) mod client;
pub(super) mod server;
mod spawn;
mod wire;
