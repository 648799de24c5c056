//! A person's terminal: what may reach it, what is typed at it, and how it is left as it was found.

pub(crate) mod editor;
pub(crate) mod filter;
pub(crate) mod keys;
pub(crate) mod screen;
