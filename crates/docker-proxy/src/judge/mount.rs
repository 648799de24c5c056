//! What a container may mount: volumes of ours, tools, and its door.

use super::{FILL, INSTALLATION, Labels, installation, volume};
use crate::call::{is_our_name, is_plain_path};
use crate::doors::{DoorPath, DoorsPrefix};
use crate::refusal::{Refusal, quoted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strawboss_core::runner::SANDBOX_DOOR;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Mount {
    #[serde(rename = "Type")]
    kind: String,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_options: Option<VolumeOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bind_options: Option<BindOptions>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct VolumeOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    no_copy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Labels>,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver_config: Option<DriverConfig>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DriverConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct BindOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    propagation: Option<String>,
}

/// A volume that is mounted by its name: the engine must be asked whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedVolume {
    pub(crate) name: String,
    /// Known by its name, which is its content; installations share it.
    pub(crate) tool: bool,
}

/// What the mounts ask for beside their own shape.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) volumes: Vec<NamedVolume>,
    /// Names of the doors' folders.
    pub(super) doors: Vec<String>,
}

impl Mount {
    /// Judges it. `of` is the container's installation. A bind's source becomes the one that the proxy vouches for.
    pub(super) fn judge(&mut self, of: &str, doors: Option<&DoorsPrefix>, asked: &mut Asked) -> Result<(), Refusal> {
        if !is_plain_path(&self.target) {
            return Err(Refusal::new("mounts", format!("{} is no place to mount at", quoted(&self.target))));
        }
        match self.kind.as_str() {
            "volume" => self.judge_volume(of, asked),
            "bind" => self.judge_bind(doors, asked),
            other => Err(Refusal::new("mounts", format!("a mount of type {} is not used", quoted(other)))),
        }
    }

    fn judge_volume(&self, of: &str, asked: &mut Asked) -> Result<(), Refusal> {
        if self.bind_options.is_some() {
            return Err(Refusal::new("mounts", "a volume has no bind options"));
        }
        let options = self.volume_options.as_ref();
        let config = options.and_then(|options| options.driver_config.as_ref());
        volume::driver(config.and_then(|config| config.name.as_deref()), config.and_then(|config| config.options.as_ref()))?;
        let source = self.source.as_deref().filter(|source| !source.is_empty());
        if let Some(name) = source
            && !is_our_name(name)
        {
            return Err(Refusal::new("volumes", format!("{} is no volume of Strawboss's", quoted(name))));
        }
        let tool = source.is_some_and(is_tool_name);
        if tool && self.read_only != Some(true) && self.target != FILL {
            return Err(Refusal::new("volumes", format!("a tool's volume may be written only at {FILL}")));
        }
        let labels = options.and_then(|options| options.labels.as_ref());
        if !tool {
            let place = source.map_or_else(|| "an unnamed volume".to_owned(), |name| format!("volume {}", quoted(name)));
            // They are given to a volume that the mount makes.
            if installation(&place, labels.unwrap_or(&Labels::new()))? != of {
                return Err(Refusal::new("labels", format!("{place} is for another installation than its container")));
            }
        } else if let Some(key) = labels.into_iter().flatten().map(|(key, _)| key).find(|key| !is_tool_label(key)) {
            return Err(Refusal::new("labels", format!("a tool's volume, which is everybody's, has the label {}", quoted(key))));
        }
        if let Some(name) = source {
            asked.volumes.push(NamedVolume { name: name.to_owned(), tool });
        }
        Ok(())
    }

    fn judge_bind(&mut self, doors: Option<&DoorsPrefix>, asked: &mut Asked) -> Result<(), Refusal> {
        if self.volume_options.is_some() {
            return Err(Refusal::new("mounts", "a bind has no volume options"));
        }
        if self.read_only != Some(true) {
            return Err(Refusal::new("binds", "a bind must be read-only"));
        }
        if let Some(propagation) = self.bind_options.as_ref().and_then(|options| options.propagation.as_deref())
            && propagation != "rprivate"
        {
            return Err(Refusal::new("binds", format!("a bind's propagation must be `rprivate`, not {}", quoted(propagation))));
        }
        let Some(doors) = doors else { return Err(Refusal::new("binds", "this proxy was given no folder of doors")) };
        let source = self.source.as_deref().unwrap_or_default();
        let Some(door) = doors.parse(source) else {
            return Err(Refusal::new("binds", format!("{} is not a door below {}", quoted(source), doors.text())));
        };
        let folder = SANDBOX_DOOR.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let target = match &door {
            DoorPath::Folder(_) => folder,
            DoorPath::Hosts(_) => "/etc/hosts",
        };
        if self.target != target {
            return Err(Refusal::new("binds", format!("{} is bound at {target} only", quoted(source))));
        }
        self.source = Some(doors.bound(&door));
        let (DoorPath::Folder(name) | DoorPath::Hosts(name)) = door;
        asked.doors.push(name);
        Ok(())
    }
}

fn is_tool_label(key: &str) -> bool {
    key.starts_with("strawboss.") && key != INSTALLATION
}

/// A tool's volume: `strawboss-tool-NAME-CONTENT-ARCH`.
pub(crate) fn is_tool_name(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("strawboss-tool-") else { return false };
    let mut parts = rest.rsplitn(3, '-');
    let (arch, content, tool) = (parts.next(), parts.next(), parts.next());
    arch.is_some_and(|arch| !arch.is_empty())
        && content.is_some_and(|content| content.len() == 16 && content.bytes().all(|b| b.is_ascii_hexdigit()))
        && tool.is_some_and(|tool| !tool.is_empty())
}
