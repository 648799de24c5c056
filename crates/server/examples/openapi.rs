//! Prints the OpenAPI document, for `cargo xtask codegen`.

use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::io::stdout().write_all(strawboss_server::openapi::openapi_json()?.as_bytes())?;
    Ok(())
}
