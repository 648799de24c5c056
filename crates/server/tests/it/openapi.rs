//! The repository's `openapi.json` is what the server serves: pages and programs are generated from it.

use std::path::PathBuf;

fn snapshot() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json")
}

#[test]
fn the_snapshot_is_current() {
    let now = strawboss_server::openapi::openapi_json().unwrap();
    if std::env::var_os("UPDATE_SNAPSHOT").is_some_and(|value| value == "1") {
        std::fs::write(snapshot(), &now).unwrap();
    }
    let stored = std::fs::read_to_string(snapshot()).unwrap_or_default();
    assert!(
        stored == now,
        "openapi.json is not what the server serves now. See what changed, then write it anew:\n  \
         UPDATE_SNAPSHOT=1 cargo test -p strawboss-server --test it openapi"
    );
}

#[test]
fn every_error_is_documented() {
    let document = serde_json::to_value(strawboss_server::openapi::openapi()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            if matches!(path.as_str(), "/health" | "/api/openapi.json") {
                continue;
            }
            let responses = operation["responses"].as_object().unwrap();
            let errors: Vec<_> = responses.keys().filter(|status| status.starts_with(['4', '5'])).collect();
            assert!(!errors.is_empty(), "{name} documents no error");
            for status in errors {
                let schema = &responses[status]["content"]["application/json"]["schema"]["$ref"];
                // Whoever reads it as an error finds code, message and fix there too.
                let body = if path == "/ready" { "ReadyView" } else { "ErrorBody" };
                assert_eq!(schema, &format!("#/components/schemas/{body}"), "{name} {status}");
            }
            assert!(operation["summary"].is_string(), "{name} says not what it does");
        }
    }
}
