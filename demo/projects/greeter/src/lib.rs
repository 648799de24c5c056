//! Greets people.

/// A greeting for somebody.
pub fn greet(name: &str) -> String {
    format!("Hello, {name}!")
}
