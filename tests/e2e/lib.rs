//! The whole system against real things: see `tests/`.
