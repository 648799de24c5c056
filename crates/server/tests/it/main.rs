//! The server as its users and its sandboxes meet it: over sockets, with the real engine and the real git.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod door_control;
mod door_git;
mod door_mcp;
mod door_reports;
mod http_api;
mod http_auth;
mod http_sessions;
mod http_terminal;
mod old_accounts;
mod old_terminals;
mod old_tickets;
mod openapi;
mod support;
