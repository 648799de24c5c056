//! The edge by itself, with certificates that are mounted: which it serves, which it refuses, and what it says of them.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use strawboss_testkit::System;
use strawboss_testkit::programs::run;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_mins(2);

/// A folder of certificates, and the containers that were started on it.
struct Edge {
    image: String,
    dir: TempDir,
    names: Vec<String>,
}

/// A chain and its key. `lives` are days; of fewer than none it ended long ago.
fn certificate(folder: &Path, name: &str, lives: i32) -> Result<()> {
    let script = r#"
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
        mkdir -p "ca-$1" && : >"ca-$1/index" && echo 01 >"ca-$1/serial"
        printf '[ca]\ndefault_ca=d\n[d]\ndatabase=ca-%s/index\nserial=ca-%s/serial\nnew_certs_dir=ca-%s\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' "$1" "$1" "$1" >"$1.conf"
        openssl ca -batch -notext -config "$1.conf" -selfsign -keyfile "$1.key" -in "$1.csr" -startdate 20200101000000Z \
          -enddate "$(date -u -d "$2 days" +%Y%m%d%H%M%SZ)" -out "$1.pem" 2>/dev/null
        chmod 0644 "$1.key" "$1.pem""#;
    run(Command::new("sh").args(["-euc", script, "certificate", name, &lives.to_string()]).current_dir(folder)).map(drop)
}

impl Edge {
    fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("sb-edge-").permissions(fs::Permissions::from_mode(0o755)).tempdir()?;
        Ok(Self { image: System::new("models: []\nrules: []\n")?.variable("EDGE_IMAGE"), dir, names: Vec::new() })
    }

    /// Starts it with this pair of the folder's.
    fn start(&mut self, chain: &str, key: &str) -> Result<String> {
        let name = format!("{}-{}", self.dir.path().file_name().context("no name")?.to_string_lossy(), self.names.len());
        let mut docker = Command::new("docker");
        docker.args([
            "run",
            "--detach",
            "--read-only",
            "--cap-drop=ALL",
            "--tmpfs=/tmp:uid=33,gid=33,mode=0700",
            "--name",
            &name,
        ]);
        docker.arg("--volume").arg(format!("{}:/etc/edge/own:ro", self.dir.path().display()));
        for variable in [
            &format!("EDGE_CERTIFICATE=/etc/edge/own/{chain}"),
            &format!("EDGE_CERTIFICATE_KEY=/etc/edge/own/{key}"),
            "EDGE_CHECK_SECONDS=1",
            "EDGE_REMIND_SECONDS=1",
        ] {
            docker.args(["--env", variable]);
        }
        run(docker.arg(&self.image))?;
        self.names.push(name.clone());
        Ok(name)
    }

    fn log(name: &str) -> Result<String> {
        // It speaks on standard error.
        run(Command::new("sh").args(["-c", "docker logs \"$1\" 2>&1", "log", name]))
    }

    /// Waits until its log says this so often.
    fn says(name: &str, words: &str, times: usize) -> Result<()> {
        let until = Instant::now() + DEADLINE;
        while Self::log(name)?.matches(words).count() < times {
            ensure!(Instant::now() < until, "{name} does not say `{words}` {times} times:\n{}", Self::log(name)?);
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Whose certificate is served.
    fn served(name: &str) -> Result<String> {
        let ask = "openssl s_client -connect 127.0.0.1:8443 </dev/null 2>/dev/null | openssl x509 -noout -subject";
        run(Command::new("docker").args(["exec", name, "sh", "-c", ask]))
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = run(Command::new("docker").args(["rm", "--force", "--volumes", name]));
        }
    }
}

#[test]
fn a_mounted_certificate_is_served_watched_and_spoken_of() -> Result<()> {
    let mut edge = Edge::new()?;
    let folder = edge.dir.path().to_owned();
    for (name, lives) in [("good", 90), ("soon", 10), ("over", -30), ("next", 90)] {
        certificate(&folder, name, lives)?;
    }
    let good = edge.start("good.pem", "good.key")?;
    Edge::says(&good, "nginx starts", 1)?;
    ensure!(Edge::served(&good)?.contains("CN = good"));
    ensure!(!Edge::log(&good)?.contains("ends"), "there is nothing to say of it");
    // Replaced as a mounted folder is, by something else. Between the two files they do not belong together.
    fs::copy(folder.join("next.key"), folder.join("good.key"))?;
    Edge::says(&good, "the new certificate is not taken: the key", 1)?;
    ensure!(Edge::served(&good)?.contains("CN = good"));
    fs::copy(folder.join("next.pem"), folder.join("good.pem"))?;
    Edge::says(&good, "a new certificate is in use", 1)?;
    ensure!(Edge::served(&good)?.contains("CN = next"));

    // An end that comes while it runs is said again and again, not at the start alone.
    for (name, words) in [("soon", "the certificate ends soon ("), ("over", "the certificate has expired (")] {
        let edge_of = edge.start(&format!("{name}.pem"), &format!("{name}.key"))?;
        Edge::says(&edge_of, words, 3)?;
        ensure!(Edge::served(&edge_of)?.contains(&format!("CN = {name}")), "better than no edge");
    }
    Ok(())
}

#[test]
fn what_does_not_fit_together_is_no_start() -> Result<()> {
    let mut edge = Edge::new()?;
    let folder = edge.dir.path().to_owned();
    certificate(&folder, "one", 90)?;
    certificate(&folder, "two", 90)?;
    fs::write(folder.join("text.pem"), "no certificate\n")?;
    for (chain, key, words) in [
        ("one.pem", "two.key", "the key /etc/edge/own/two.key does not belong to the certificate /etc/edge/own/one.pem"),
        ("one.pem", "none.key", "there is no key that can be read at /etc/edge/own/none.key"),
        ("none.pem", "one.key", "there is no certificate that can be read at /etc/edge/own/none.pem"),
        ("text.pem", "one.key", "/etc/edge/own/text.pem is no certificate"),
        ("one.pem", "text.pem", "/etc/edge/own/text.pem is no key"),
    ] {
        let name = edge.start(chain, key)?;
        let ended = run(Command::new("docker").args(["wait", &name]))?;
        ensure!(ended.trim() == "1", "{chain} with {key}: {ended}");
        let said = Edge::log(&name)?;
        ensure!(said.contains(words) && said.contains("Correct EDGE_CERTIFICATE"), "{chain} with {key}: {said}");
    }
    Ok(())
}
