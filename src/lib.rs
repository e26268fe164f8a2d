pub mod types;
pub mod media;
pub mod embed;
