//! A volume that is made by itself: the runner's try whether volumes can be limited in size.

use super::{Labels, installation, is_tool_name};
use crate::call::is_our_name;
use crate::json::shaped;
use crate::refusal::{Refusal, quoted};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Volume {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver_opts: Option<BTreeMap<String, String>>,
    labels: Labels,
}

/// The volume, and the installation that it is for.
pub(crate) fn volume(value: Value) -> Result<(Volume, String), Refusal> {
    let volume: Volume = shaped(value)?;
    // A tool's is made by the mount that fills it, and removed by nobody: it belongs to every installation.
    if !is_our_name(&volume.name) || is_tool_name(&volume.name) {
        return Err(Refusal::new("names", format!("Strawboss does not call a volume {}", quoted(&volume.name))));
    }
    driver(volume.driver.as_deref(), volume.driver_opts.as_ref())?;
    let installation = installation("the volume", &volume.labels)?;
    Ok((volume, installation))
}

/// The local driver, and of its options the size: with `type`, `o` and `device` a volume is any mount of the host.
pub(super) fn driver(name: Option<&str>, options: Option<&BTreeMap<String, String>>) -> Result<(), Refusal> {
    if let Some(name) = name.filter(|name| !matches!(*name, "" | "local")) {
        return Err(Refusal::new("volume-drivers", format!("the volume driver {} is not `local`", quoted(name))));
    }
    for (key, value) in options.into_iter().flatten() {
        if key != "size" {
            return Err(Refusal::new(
                "volume-drivers",
                format!("the volume option {} can mount any folder of the host", quoted(key)),
            ));
        }
        if value.is_empty() || value.len() > 20 || !value.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Refusal::new("volume-drivers", "the volume's size is not a number of bytes"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::volume;
    use serde_json::{Value, json};

    fn ours() -> Value {
        json!({"Name": "strawboss-1-quota-probe", "Driver": "local", "DriverOpts": {"size": "67108864"},
               "Labels": {"strawboss.installation": "x", "strawboss.helper": "1-1"}})
    }

    #[test]
    fn ours_passes_as_it_is() {
        let (judged, installation) = volume(ours()).unwrap();
        assert_eq!((serde_json::to_value(judged).unwrap(), installation.as_str()), (ours(), "x"));
    }

    #[test]
    fn each_deviation_is_refused() {
        for (key, value, rule) in [
            ("Name", json!("postgres"), "names"),
            ("Name", json!("strawboss-../x"), "names"),
            ("Name", json!("strawboss-tool-x-0123456789abcdef-x86_64"), "names"),
            ("Name", json!(null), "keys"),
            ("Driver", json!("nfs"), "volume-drivers"),
            ("DriverOpts", json!({"type": "none", "o": "bind", "device": "/"}), "volume-drivers"),
            ("DriverOpts", json!({"Size": "1"}), "volume-drivers"),
            ("DriverOpts", json!({"size": "1,o=bind"}), "volume-drivers"),
            ("Labels", json!({}), "labels"),
            ("Labels", json!({"strawboss.installation": "x", "com.docker.compose.project": "y"}), "labels"),
            ("ClusterVolumeSpec", json!({}), "keys"),
            ("driveropts", json!({"o": "bind"}), "keys"),
        ] {
            let mut body = ours();
            body[key] = value.clone();
            assert_eq!(volume(body).map_err(|refusal| refusal.rule), Err(rule), "{key} {value}");
        }
    }
}
