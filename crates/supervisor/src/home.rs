//! What an agent must find in its home before it is launched.

use serde_json::Value;
use std::io;
use std::path::Path;
use strawboss_agent::{HomeContent, HomeFile};

/// Makes the files, or brings them up to date.
pub(crate) fn furnish(home: &Path, files: &[HomeFile]) -> io::Result<()> {
    for file in files {
        let path = home.join(&file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = match &file.content {
            HomeContent::Text(text) => text.clone(),
            HomeContent::Merged(values) => {
                // What cannot be read would stop the agent as well.
                let known = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                let mut all = known.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
                merge(&mut all, values);
                all.to_string()
            }
        };
        let fresh = path.with_extension("strawboss-new");
        std::fs::write(&fresh, text)?;
        std::fs::rename(&fresh, &path)?;
    }
    Ok(())
}

/// Puts values among others: objects key by key, everything else as a whole.
fn merge(into: &mut Value, values: &Value) {
    match (into, values) {
        (Value::Object(into), Value::Object(values)) => {
            for (key, value) in values {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::furnish;
    use serde_json::{Value, json};
    use strawboss_agent::{HomeContent, HomeFile};

    #[test]
    fn what_the_agent_wrote_stays_beside_what_it_must_find() {
        let home = tempfile::tempdir().unwrap();
        let merged = |values: Value| HomeFile { path: ".agent/state.json".into(), content: HomeContent::Merged(values) };
        let read = || serde_json::from_slice::<Value>(&std::fs::read(home.path().join(".agent/state.json")).unwrap()).unwrap();
        furnish(home.path(), &[merged(json!({ "a": { "b": 1 } }))]).unwrap();
        assert_eq!(read(), json!({ "a": { "b": 1 } }));
        std::fs::write(home.path().join(".agent/state.json"), r#"{"own":[1],"a":{"c":2}}"#).unwrap();
        furnish(home.path(), &[merged(json!({ "a": { "b": 1 } }))]).unwrap();
        assert_eq!(read(), json!({ "own": [1], "a": { "b": 1, "c": 2 } }));
        std::fs::write(home.path().join(".agent/state.json"), "{").unwrap();
        let text = HomeFile { path: "x".into(), content: HomeContent::Text("new".to_owned()) };
        furnish(home.path(), &[merged(json!({ "a": 1 })), text]).unwrap();
        assert_eq!(read(), json!({ "a": 1 }));
        assert_eq!(std::fs::read(home.path().join("x")).unwrap(), b"new");
    }
}
