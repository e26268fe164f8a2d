//! What vsearch is measured against.

pub mod hnsw_rs_peer;
