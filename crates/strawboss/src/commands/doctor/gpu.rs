//! NVIDIA's driver, where GPUs are configured or there: new enough, and known to the engine.

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

/// Whether projects may be given GPUs.
pub(super) fn wanted(settings: &Settings) -> bool {
    !settings.runner.gpus.is_empty()
}

/// NVIDIA's devices that the engine found by CDI.
fn devices(engine: &EngineFacts) -> Vec<&str> {
    engine.devices.iter().map(String::as_str).filter(|device| device.starts_with("nvidia.com/")).collect()
}

/// Judges what was seen: nothing at all, where no GPU is wanted and nothing of one is there. On another machine than the
/// engine's the driver cannot be seen; then only the engine's word counts.
pub(super) fn judge(driver: &Driver, engine: Option<&EngineFacts>, wanted: bool) -> Vec<Finding> {
    let elsewhere = engine.is_some_and(|engine| !engine.host.starts_with("unix://"));
    let known = engine.is_some_and(|engine| engine.runtimes.contains("nvidia") || !devices(engine).is_empty());
    if !wanted && !known && driver.version().is_none() {
        return Vec::new();
    }
    // What nothing configured needs is in nobody's way: a local model may need it.
    let wrong = if wanted { Finding::fail } else { Finding::warn };
    let mut found = vec![installed(driver, elsewhere, wanted, wrong)];
    found.extend(engine.map(|engine| in_containers(engine, wrong)));
    found
}

type Wrong = fn(&'static str, String, String) -> Finding;

fn installed(driver: &Driver, elsewhere: bool, wanted: bool, wrong: Wrong) -> Finding {
    let what = "GPU driver";
    match driver.version() {
        Some(version) => {
            let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
            if major >= OLDEST {
                Finding::ok(what, format!("NVIDIA {version}"))
            } else {
                wrong(what, format!("NVIDIA {version} is too old: {OLDEST} is the oldest that serves"), INSTALL.to_owned())
            }
        }
        None if elsewhere => Finding::warn(
            what,
            format!("neither {PROC} nor nvidia-smi is to be seen from here"),
            "Run `nvidia-smi` on the engine's machine: it must say 535 or later.",
        ),
        None => {
            let (why, otherwise) = if wanted {
                ("`runner.gpus` names GPUs", " Or leave `runner.gpus` empty.")
            } else {
                ("the engine knows of NVIDIA", "")
            };
            let detail = format!("{why}, and there is neither {PROC} nor an nvidia-smi that answers");
            wrong(what, detail, format!("{INSTALL}{otherwise}"))
        }
    }
}

fn in_containers(engine: &EngineFacts, wrong: Wrong) -> Finding {
    let what = "GPU in containers";
    match (devices(engine).as_slice(), engine.runtimes.contains("nvidia")) {
        ([], false) => wrong(
            what,
            format!("the engine {} knows neither NVIDIA's runtime nor its devices by CDI", engine.version),
            "Install nvidia-container-toolkit, run `nvidia-ctk runtime configure --runtime=docker`, and restart the engine."
                .to_owned(),
        ),
        ([], true) => Finding::ok(what, "the engine knows NVIDIA's runtime"),
        (devices, _) => Finding::ok(what, format!("by CDI: {}", devices.join(", "))),
    }
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
            host: "unix:///var/run/docker.sock".to_owned(),
            clock: None,
            runtimes: runtimes.iter().map(|name| (*name).to_owned()).collect(),
            devices: devices.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_driver_is_judged_by_its_version() {
        let smi = Driver { module: None, smi: Some("550.54.15\n550.54.15\n".to_owned()) };
        let away = EngineFacts { host: "tcp://gpu.example.org:2376".to_owned(), ..engine(&["nvidia"], &[]) };
        for (driver, engine, verdict, part) in [
            (module("535.129.03"), None, Verdict::Ok, "NVIDIA 535.129.03"),
            (smi, None, Verdict::Ok, "NVIDIA 550.54.15"),
            (module("470.256.02"), None, Verdict::Fail, "too old"),
            (Driver::default(), None, Verdict::Fail, "nvidia-smi"),
            (Driver::default(), Some(away), Verdict::Warn, "from here"),
            (Driver { module: Some("hostile\u{0} 5.x".to_owned()), smi: None }, None, Verdict::Fail, "neither"),
        ] {
            let found = judge(&driver, engine.as_ref(), true);
            assert_eq!((found.len(), found[0].result), (1 + usize::from(engine.is_some()), verdict), "{found:?}");
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
            assert_eq!(judge(&module("560.1"), Some(&engine), true)[1].result, verdict, "{engine:?}");
        }
    }

    #[test]
    fn a_gpu_that_nothing_configured_names_is_judged_where_there_is_one_and_fails_nothing() {
        let verdicts = |driver: &Driver, engine: &EngineFacts| -> Vec<Verdict> {
            judge(driver, Some(engine), false).iter().map(|finding| finding.result).collect()
        };
        let (none, plain) = (Driver::default(), engine(&["runc"], &["vendor.com/x=0"]));
        assert_eq!(verdicts(&none, &plain), []);
        assert_eq!(judge(&none, None, false), []);
        assert_eq!(verdicts(&module("560.1"), &engine(&["nvidia"], &[])), [Verdict::Ok, Verdict::Ok]);
        assert_eq!(verdicts(&module("470.256.02"), &engine(&["nvidia"], &[])), [Verdict::Warn, Verdict::Ok]);
        assert_eq!(verdicts(&module("560.1"), &plain), [Verdict::Ok, Verdict::Warn]);
        assert_eq!(verdicts(&none, &engine(&["nvidia"], &[])), [Verdict::Warn, Verdict::Ok]);
        assert_eq!(verdicts(&none, &engine(&["runc"], &["nvidia.com/gpu=0"])), [Verdict::Warn, Verdict::Ok]);
        assert_eq!(judge(&module("470.256.02"), None, false)[0].result, Verdict::Warn);
    }
}
