//! The service and its database at the start: told to stop in the midst of a migration, and there before it.

use crate::support::{self, Folder};
use strawboss_testkit::{Postgres, Stop};

const SMALL: &str = "server: { listen: '127.0.0.1:0', data_dir: ./state }\nrunner: { type: process }\n";
const SERVE: &[&str] = &["serve", "--address-file", "address"];

/// The name of the database that a URL leads to.
fn name(url: &str) -> &str {
    url.split('?').next().unwrap_or(url).rsplit('/').next().unwrap_or(url)
}

#[test]
fn a_service_that_is_told_to_stop_in_a_migration_ends_in_order_and_leaves_no_table() {
    let server = Postgres::shared().unwrap();
    let url = server.database().unwrap();
    let (folder, env) = (Folder::new(), [("DATABASE_URL", url.as_str())]);
    folder.write("strawboss.yaml", SMALL);
    server.hold_up(name(&url), 2).unwrap();
    let mut service = folder.start(SERVE, &env);
    service.until(|service| {
        assert_eq!(service.ended(), None, "{}", service.log());
        server.held_up(name(&url)).unwrap() == 1
    });
    assert_eq!(service.stop(), 130, "{}", service.log());
    assert!(service.log().contains("stopped before anything was started"), "{}", service.log());
    server.release(name(&url)).unwrap();
    // The server goes on with what it was told last before it notices that nobody is there any more.
    let there = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    service.until(|_| server.sql(name(&url), there).unwrap() == "0");
    assert_eq!(server.sql(name(&url), "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'").unwrap(), "0");
    let mut service = folder.serve_with(&env);
    assert!(support::http(service.address(), "GET", "/ready").starts_with("HTTP/1.1 200"), "{}", service.log());
    assert_eq!(service.stop(), 0);
}

#[test]
fn a_service_that_is_there_before_its_database_waits_for_it() {
    let server = Postgres::start(&[]).unwrap();
    let url = server.database().unwrap();
    server.stop(Stop::Fast).unwrap();
    let (folder, env) = (Folder::new(), [("DATABASE_URL", url.as_str())]);
    folder.write("strawboss.yaml", SMALL);
    let mut service = folder.start(SERVE, &env);
    service.until(|service| {
        assert_eq!(service.ended(), None, "{}", service.log());
        service.log().contains("waiting for the database")
    });
    server.again().unwrap();
    service.until_it_serves();
    assert!(support::http(service.address(), "GET", "/ready").starts_with("HTTP/1.1 200"), "{}", service.log());
    assert_eq!(service.stop(), 0);
    // One that is told to stop while it waits does not wait to the end.
    server.stop(Stop::Fast).unwrap();
    let mut service = folder.start(SERVE, &env);
    service.until(|service| service.log().contains("waiting for the database"));
    assert_eq!(service.stop(), 130, "{}", service.log());
}
