//! Bodies: what a container or volume may be. Pure functions of what was sent; nothing is asked of anybody here.

mod container;
#[cfg(test)]
mod fuzz;
mod mount;
mod volume;

pub(crate) use container::container;
pub(crate) use mount::{NamedVolume, is_tool_name};
pub(crate) use volume::volume;

use crate::refusal::{Refusal, quoted};
use std::collections::BTreeMap;

/// The label that says whose an object is.
pub(crate) const INSTALLATION: &str = "strawboss.installation";
/// On volumes: `home`, `cache`, `fresh` or `tool`.
pub(crate) const VOLUME: &str = "strawboss.volume";
/// Where a helper container has the volume that it fills.
pub(crate) const FILL: &str = "/fill";
/// Written into a tool's volume when the rest is there.
pub(crate) const MARKER: &str = ".strawboss-complete";
const LABEL_MAX: usize = 4096;

pub(crate) type Labels = BTreeMap<String, String>;

/// The installation that labels name. They may hold nothing but ours.
fn installation(place: &str, labels: &Labels) -> Result<String, Refusal> {
    if let Some((key, _)) = labels.iter().find(|(key, value)| !key.starts_with("strawboss.") || value.len() > LABEL_MAX) {
        return Err(Refusal::new("labels", format!("{place} has the label {}, which is not Strawboss's", quoted(key))));
    }
    labels
        .get(INSTALLATION)
        .cloned()
        .ok_or_else(|| Refusal::new("labels", format!("{place} does not have the label `{INSTALLATION}`")))
}

/// The one installation that a list is narrowed to, and the filter to send.
pub(crate) fn filters(text: Option<&str>) -> Result<(String, String), Refusal> {
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filters {
        label: Vec<String>,
    }
    let Some(text) = text else {
        return Err(Refusal::new("lists", format!("a list must be narrowed to the label `{INSTALLATION}`")));
    };
    let filters: Filters = crate::json::shaped(crate::json::parse(text.as_bytes())?)?;
    let mut found = None;
    for label in &filters.label {
        match label.split_once('=') {
            Some((INSTALLATION, id)) if found.is_none() => found = Some(id.to_owned()),
            Some((key, _)) if key != INSTALLATION && key.starts_with("strawboss.") => {}
            _ => return Err(Refusal::new("lists", format!("a list may not be narrowed by {}", quoted(label)))),
        }
    }
    let Some(id) = found else {
        return Err(Refusal::new("lists", format!("a list must be narrowed to the label `{INSTALLATION}`")));
    };
    let text = serde_json::to_string(&filters).map_err(|_| Refusal::new("lists", "the filter cannot be written"))?;
    Ok((id, text))
}

/// Only this, in so many words.
fn only<T: PartialEq + std::fmt::Debug>(rule: &'static str, key: &str, value: Option<&T>, wanted: &T) -> Result<(), Refusal> {
    if value == Some(wanted) { Ok(()) } else { Err(Refusal::new(rule, format!("{key} must be {wanted:?}"))) }
}

#[cfg(test)]
mod tests {
    use super::filters;

    #[test]
    fn a_list_is_narrowed_to_one_installation() {
        let text = r#"{"label":["strawboss.volume=home","strawboss.installation=x"]}"#;
        assert_eq!(filters(Some(text)), Ok(("x".to_owned(), text.to_owned())));
        for text in [
            None,
            Some(""),
            Some("{}"),
            Some(r#"{"label":[]}"#),
            Some(r#"{"label":["strawboss.volume=home"]}"#),
            Some(r#"{"label":["strawboss.installation"]}"#),
            Some(r#"{"label":["strawboss.installation=x","strawboss.installation=y"]}"#),
            Some(r#"{"label":["strawboss.installation=x","com.docker.compose.project=y"]}"#),
            Some(r#"{"label":{"strawboss.installation=x":true}}"#),
            Some(r#"{"label":["strawboss.installation=x"],"LABEL":[]}"#),
            Some(r#"{"label":["strawboss.installation=x"],"label":[]}"#),
            Some(r#"{"label":["strawboss.installation=x"],"name":["y"]}"#),
        ] {
            assert!(filters(text).is_err(), "{text:?}");
        }
    }
}
