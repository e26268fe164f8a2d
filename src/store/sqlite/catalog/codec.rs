//! How Rust values lie in SQLite: paths and vectors.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// TEXT where the path is Unicode, else a BLOB of its bytes.
pub(super) struct SqlPath<'a>(pub(super) &'a Path);

impl ToSql for SqlPath<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let bytes = self.0.as_os_str().as_bytes();
        Ok(ToSqlOutput::Borrowed(match std::str::from_utf8(bytes) {
            Ok(_) => ValueRef::Text(bytes),
            Err(_) => ValueRef::Blob(bytes),
        }))
    }
}

pub(super) struct SqlPathBuf(pub(super) PathBuf);

impl FromSql for SqlPathBuf {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                Ok(Self(PathBuf::from(OsStr::from_bytes(bytes))))
            }
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// Ids as a JSON array, each once, in their order: what `json_each` takes.
pub(super) fn id_list(ids: impl Iterator<Item = i64>) -> String {
    let mut listed = HashSet::new();
    let ids = ids.filter(|id| listed.insert(*id));
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(","))
}

/// f32 → little-endian f16.
pub(super) fn pack(vector: &[f32]) -> Vec<u8> {
    let halves = vector.iter().map(|&v| f16::from_f32(v));
    halves.flat_map(f16::to_le_bytes).collect()
}

/// Little-endian f16 → f32, appended to `to`.
pub fn unpack(bytes: &[u8], to: &mut Vec<f32>) {
    let halves: Vec<f16> = bytes
        .chunks_exact(2)
        .map(|b| f16::from_le_bytes([b[0], b[1]]))
        .collect();
    let start = to.len();
    to.resize(start + halves.len(), 0.0);
    halves.convert_to_f32_slice(&mut to[start..]);
}
