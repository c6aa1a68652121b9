//! `GET /docs`, Swagger UI for the running server, and `GET /openapi.json`.

pub mod pages;

#[cfg(target_family = "wasm")]
mod handler;
