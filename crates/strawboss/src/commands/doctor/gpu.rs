//! NVIDIA's driver, where GPUs are configured or asked for: there, new enough, and known to the engine.

use super::Finding;
use crate::config::settings::Settings;
use std::path::Path;
use strawboss_runner::EngineFacts;
use tokio::process::Command;

/// The oldest driver that today's CUDA images run on.
const OLDEST: u32 = 535;
const PROC: &str = "/proc/driver/nvidia/version";
const INSTALL: &str = "Install NVIDIA's driver 535 or later on the machine of the engine, and restart it.";

/// What this machine says of its driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Driver {
    /// The kernel module's own words.
    module: Option<String>,
    /// What `nvidia-smi` says, where it runs.
    smi: Option<String>,
}

impl Driver {
    /// Asks this machine.
    pub(super) async fn probe() -> Self {
        let module = std::fs::read_to_string(Path::new(PROC)).ok();
        let asked =
            Command::new("nvidia-smi").args(["--query-gpu=driver_version", "--format=csv,noheader"]).kill_on_drop(true).output();
        let said = tokio::time::timeout(std::time::Duration::from_secs(10), asked).await;
        let smi = said.ok().and_then(Result::ok).filter(|said| said.status.success());
        Self { module, smi: smi.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()) }
    }

    /// Its version, `535.129.03`.
    fn version(&self) -> Option<&str> {
        let word = |text: &'_ str| -> Option<(usize, usize)> {
            let mut at = 0;
            for word in text.split_inclusive(char::is_whitespace) {
                let plain = word.trim_end();
                if plain.contains('.')
                    && plain.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
                {
                    return Some((at, at + plain.len()));
                }
                at += word.len();
            }
            None
        };
        let line = |text: &'_ str| text.lines().next().unwrap_or_default().len();
        [&self.module, &self.smi].into_iter().flatten().find_map(|text| {
            let text = &text[..line(text)];
            word(text).map(|(from, to)| &text[from..to])
        })
    }
}

/// Whether anything here wants a GPU.
pub(super) fn wanted(settings: &Settings) -> bool {
    !settings.runner.gpus.is_empty()
}

/// Judges what was seen. On another machine than the engine's the driver cannot be seen; then only the engine's word counts.
pub(super) fn judge(driver: &Driver, engine: Option<&EngineFacts>, elsewhere: bool) -> Vec<Finding> {
    let what = "GPU driver";
    let mut found = Vec::new();
    match driver.version() {
        Some(version) => {
            let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
            found.push(if major >= OLDEST {
                Finding::ok(what, format!("NVIDIA {version}"))
            } else {
                Finding::fail(what, format!("NVIDIA {version} is too old: {OLDEST} is the oldest that serves"), INSTALL)
            });
        }
        None if elsewhere => found.push(Finding::warn(
            what,
            format!("neither {PROC} nor nvidia-smi is to be seen from here"),
            "Run `nvidia-smi` on the engine's machine: it must say 535 or later.",
        )),
        None => {
            let detail = format!("`runner.gpus` names GPUs, and there is neither {PROC} nor an nvidia-smi that answers");
            found.push(Finding::fail(what, detail, format!("{INSTALL} Or leave `runner.gpus` empty.")));
        }
    }
    if let Some(engine) = engine {
        let devices: Vec<&str> =
            engine.devices.iter().map(String::as_str).filter(|device| device.starts_with("nvidia.com/")).collect();
        found.push(match (devices.as_slice(), engine.runtimes.contains("nvidia")) {
            ([], false) => Finding::fail(
                "GPU in containers",
                format!("the engine {} knows neither NVIDIA's runtime nor its devices by CDI", engine.version),
                "Install nvidia-container-toolkit, run `nvidia-ctk runtime configure --runtime=docker`, and restart the engine.",
            ),
            ([], true) => Finding::ok("GPU in containers", "the engine knows NVIDIA's runtime"),
            (devices, _) => Finding::ok("GPU in containers", format!("by CDI: {}", devices.join(", "))),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::{Driver, judge};
    use strawboss_runner::EngineFacts;

    fn module(version: &str) -> Driver {
        let text = format!(
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Thu Jan  1 00:00:00 UTC 2026\nGCC version:  gcc version 12.2.0 (Debian)\n"
        );
        Driver { module: Some(text), smi: None }
    }

    fn engine(runtimes: &[&str], devices: &[&str]) -> EngineFacts {
        EngineFacts {
            version: "29.1".to_owned(),
            host: String::new(),
            clock: None,
            runtimes: runtimes.iter().map(|name| (*name).to_owned()).collect(),
            devices: devices.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_driver_is_judged_by_its_version() {
        let smi = Driver { module: None, smi: Some("550.54.15\n550.54.15\n".to_owned()) };
        for (driver, elsewhere, verdict, part) in [
            (module("535.129.03"), false, Verdict::Ok, "NVIDIA 535.129.03"),
            (smi, false, Verdict::Ok, "NVIDIA 550.54.15"),
            (module("470.256.02"), false, Verdict::Fail, "too old"),
            (Driver::default(), false, Verdict::Fail, "nvidia-smi"),
            (Driver::default(), true, Verdict::Warn, "from here"),
            (Driver { module: Some("hostile\u{0} 5.x".to_owned()), smi: None }, false, Verdict::Fail, "neither"),
        ] {
            let found = judge(&driver, None, elsewhere);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].result, verdict, "{found:?}");
            assert!(found[0].detail.contains(part) && found[0].fix.is_some() == (verdict != Verdict::Ok), "{found:?}");
        }
    }

    #[test]
    fn an_engine_must_know_the_runtime_or_the_devices() {
        for (engine, verdict) in [
            (engine(&["runc"], &[]), Verdict::Fail),
            (engine(&["runc", "nvidia"], &[]), Verdict::Ok),
            (engine(&["runc"], &["vendor.com/x=0"]), Verdict::Fail),
            (engine(&["runc"], &["nvidia.com/gpu=0"]), Verdict::Ok),
        ] {
            assert_eq!(judge(&module("560.1"), Some(&engine), false)[1].result, verdict, "{engine:?}");
        }
    }
}
