//! The stranger whom the pages are written for, and what the test sees beside them.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use strawboss_testkit::programs;
use tempfile::TempDir;

/// How long anything is waited for that follows by itself.
const DEADLINE: Duration = Duration::from_mins(1);

/// The sources' folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A user with a checkout, a home and a Compose project of its own. Everything goes when it is dropped.
pub(crate) struct Stranger {
    dir: TempDir,
    project: String,
    https: u16,
    environment: Vec<(String, String)>,
    /// Whom blocks run as when the test is root: Strawboss refuses that.
    user: Option<[String; 3]>,
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A repository that can be cloned, of the files of a folder.
fn repository(at: &Path) -> Result<()> {
    let script = "git init -q -b main . && git add -A && git -c user.name=T -c user.email=t@example.org commit -qm Begin";
    programs::run(Command::new("sh").args(["-c", script]).current_dir(at))?;
    Ok(())
}

impl Stranger {
    pub(crate) fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("sb-docs-").tempdir()?;
        let project = format!("sbdocs{}", std::process::id());
        let (http, https) = (free_port()?, free_port()?);
        let at = |name: &str| dir.path().join(name);
        for folder in ["home", "bin", "origin/strawboss", "origin/my-app", "config", "model", "dist/bin", "dist/tools/supervisor"]
        {
            fs::create_dir_all(at(folder))?;
        }
        // The sources as they are now, committed or not.
        let copy = "git ls-files -z --cached --others --exclude-standard | while IFS= read -rd '' file; do [ ! -e \"$file\" ] || printf '%s\\0' \"$file\"; done | tar --null --no-recursion --files-from=- -c | tar -x -C \"$1\"";
        programs::run(Command::new("bash").args(["-c", copy, "copy"]).arg(at("origin/strawboss")).current_dir(root()))?;
        repository(&at("origin/strawboss"))?;
        fs::write(at("origin/my-app/README.md"), "# My app\n")?;
        repository(&at("origin/my-app"))?;

        let config = fs::read_to_string(root().join("deploy/compose/config/strawboss.yaml"))?;
        let mock = config
            .replace("https://api.anthropic.com", "http://mock-model:7171")
            .replace("http://models:11434", "http://mock-model:7171");
        ensure!(mock.matches("mock-model").count() == 2, "the configuration names its providers otherwise");
        fs::write(at("config/strawboss.yaml"), mock)?;
        fs::copy(root().join("tests/deploy/model.yaml"), at("model/model.yaml"))?;
        programs::run(Command::new("cp").arg(programs::strawboss()?).arg(at("dist/bin/strawboss")))?;
        programs::run(Command::new("strip").arg(at("dist/bin/strawboss")))?;
        programs::run(Command::new("cp").arg("-r").arg(programs::supervisor_tool()?.join(".")).arg(at("dist/tools/supervisor")))?;
        // Copied, since the stranger may not look into the home of whoever runs the test.
        fs::copy(programs::promtool()?, at("bin/promtool"))?;

        // localhost and crew.example.org lead to the edge's ports here, git.example.org to the folder of repositories.
        fs::write(
            at("home/.curlrc"),
            format!(
                "connect-to = \"localhost:443:127.0.0.1:{https}\"\nconnect-to = \"crew.example.org:443:127.0.0.1:{https}\"\nconnect-to = \"crew.example.org:80:127.0.0.1:{http}\"\nsilent\nshow-error\nnoproxy = \"*\"\n"
            ),
        )?;
        fs::write(
            at("home/.gitconfig"),
            format!(
                "[url \"{0}/origin/strawboss\"]\n insteadOf = https://git.example.org/strawboss.git\n[url \"{0}/origin/my-app\"]\n insteadOf = https://git.example.org/my-app.git\n[user]\n name = You\n email = you@example.org\n[safe]\n directory = *\n",
                dir.path().display()
            ),
        )?;
        fs::write(at("cwd"), at("home").display().to_string())?;

        let mut stranger = Self { dir, project: project.clone(), https, environment: Vec::new(), user: None };
        stranger.images()?;
        let text = |name: &str| stranger.dir.path().join(name).display().to_string();
        let path = format!("{}:{}", text("bin"), std::env::var("PATH")?);
        let more = [
            ("HOME", text("home")),
            ("PATH", path),
            ("COMPOSE_PROJECT_NAME", project),
            ("STRAWBOSS_PROGRAMS", "prebuilt".into()),
            ("STRAWBOSS_CONFIG_DIR", text("config")),
            ("MOCK_MODEL_DIR", text("model")),
            ("EDGE_HTTP_PORT", http.to_string()),
            ("EDGE_HTTPS_PORT", https.to_string()),
            ("EDGE_NAMES", "localhost crew.example.org".into()),
            ("EDGE_CHECK_SECONDS", "1".into()),
            ("HEALTH_INTERVAL", "1s".into()),
            ("NO_PROXY", "localhost,127.0.0.1,models,mock-model".into()),
        ];
        stranger.environment.extend(more.map(|(name, value)| (name.to_owned(), value)));
        if nix::unistd::geteuid().is_root() {
            let group = programs::run(Command::new("stat").args(["--format=%g", "/var/run/docker.sock"]))?;
            programs::run(Command::new("chown").args(["-R", "1000:1000"]).arg(stranger.dir.path()))?;
            stranger.user = Some(["--reuid=1000".into(), "--regid=1000".into(), format!("--groups={}", group.trim())]);
        }
        Ok(stranger)
    }

    /// The images of this build, under names that nobody else has.
    fn images(&mut self) -> Result<()> {
        let bin = self.dir.path().join("dist");
        let script = root().join("scripts/lab/system-images.sh");
        let made = programs::run(
            Command::new(script).arg(bin.join("bin")).arg(bin.join("tools")).env("STRAWBOSS_LAB_TAG", &self.project),
        )?;
        for line in made.lines() {
            let (name, image) = line.split_once('=').context("no variable")?;
            self.environment.push((name.to_owned(), image.to_owned()));
        }
        let sandbox = format!("strawboss/sandbox:{}", self.project);
        programs::run(Command::new("docker").args(["tag", "strawboss/sandbox:latest", &sandbox]))?;
        self.environment.push(("SANDBOX_IMAGE".into(), sandbox));
        let certbot = format!("strawboss/certbot:{}", self.project);
        let edge = format!("EDGE=strawboss/edge:{}", self.project);
        let folder = root().join("tests/deploy/certbot");
        programs::run(
            Command::new("docker").args(["buildx", "build", "--load", "--build-arg", &edge, "--tag", &certbot]).arg(folder),
        )?;
        self.environment.push(("CERTBOT_IMAGE".into(), certbot));
        Ok(())
    }

    /// A file outside of the checkout.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, script: &str) -> Command {
        let whole = format!("cd \"$(cat '{0}')\"\n{script}\npwd > '{0}'\n", self.dir.path().join("cwd").display());
        let mut command = match &self.user {
            None => Command::new("bash"),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(user).args(["--", "bash"]);
                command
            }
        };
        command.args(["-euo", "pipefail", "-c", &whole]).env_clear();
        command.env("LANG", "C.UTF-8").envs(self.environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }

    /// Both streams of a script in the folder where the last one ended.
    pub(crate) fn said(&self, script: &str, input: &str) -> Result<(bool, String)> {
        let out = self.dir.path().join("out");
        fs::write(self.dir.path().join("in"), input)?;
        let file = fs::File::create(&out)?;
        let stdin = fs::File::open(self.dir.path().join("in"))?;
        let status = self.command(script).stdin(stdin).stdout(file.try_clone()?).stderr(file).status()?;
        Ok((status.success(), String::from_utf8_lossy(&fs::read(out)?).into_owned()))
    }

    pub(crate) fn sh(&self, script: &str) -> Result<String> {
        let (good, said) = self.said(script, "")?;
        ensure!(good, "this failed:\n{script}\nand said:\n{said}");
        Ok(said)
    }

    /// It fails; what it said.
    pub(crate) fn refused(&self, script: &str) -> Result<String> {
        let (good, said) = self.said(script, "")?;
        ensure!(!good, "this did not fail:\n{script}\nand said:\n{said}");
        Ok(said)
    }

    pub(crate) fn until<T>(&self, what: &str, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let until = Instant::now() + DEADLINE;
        let mut last = String::new();
        loop {
            match probe() {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) => last = format!("{error:#}"),
            }
            if Instant::now() > until {
                let log = self.sh("docker compose logs --tail 40 strawboss edge; docker compose ps --all").unwrap_or_default();
                bail!("waited in vain for: {what}\n{last}\n{log}");
            }
            // Between two looks.
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    pub(crate) fn strawboss(&self, arguments: &str) -> Result<String> {
        let output = self.command(&format!("docker compose exec -T strawboss strawboss {arguments}")).output()?;
        ensure!(output.status.success(), "strawboss {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What people see of every task: what may not change by a restore.
    pub(crate) fn tasks(&self) -> Result<Vec<(String, String, String)>> {
        let list: Value = serde_json::from_str(&self.strawboss("task list --all --json")?)?;
        let items = list.as_array().or_else(|| list["items"].as_array()).context("no list of tasks")?;
        let text = |task: &Value, name: &str| task[name].as_str().unwrap_or_default().to_owned();
        let mut tasks: Vec<_> = items.iter().map(|task| (text(task, "key"), text(task, "state"), text(task, "action"))).collect();
        tasks.sort();
        Ok(tasks)
    }

    pub(crate) fn until_task(&self, action: &str, state: &str) -> Result<String> {
        self.until(&format!("`{action}` {state}"), || {
            Ok(self.tasks()?.into_iter().find(|task| task.2.contains(action) && task.1 == state).map(|task| task.0))
        })
    }

    pub(crate) fn append(&self, row: &str) -> Result<()> {
        self.sh(&format!("printf '%s\\n' '{row}' >> backlog/priorities.csv")).map(drop)
    }

    /// Who vouches for what the edge serves.
    pub(crate) fn issuer(&self) -> Result<String> {
        let ask =
            format!("openssl s_client -connect 127.0.0.1:{} </dev/null 2>/dev/null | openssl x509 -noout -issuer", self.https);
        Ok(self.sh(&ask)?.trim().to_owned())
    }

    pub(crate) fn until_issuer(&self, part: &str) -> Result<()> {
        self.until(&format!("a certificate of {part}"), || Ok(self.issuer()?.contains(part).then_some(())))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let project = &self.project;
        let script = format!(
            "docker compose --profile '*' down --volumes --remove-orphans --timeout 5
             ours=label=strawboss.installation=$(cat '{0}')
             docker ps --all --quiet --filter \"$ours\" | xargs --no-run-if-empty docker rm --force --volumes
             docker volume ls --quiet --filter \"$ours\" | xargs --no-run-if-empty docker volume rm
             docker volume ls --quiet --filter name={project} | xargs --no-run-if-empty docker volume rm
             docker image rm strawboss/strawboss:before strawboss/strawboss:{project} strawboss/edge:{project} strawboss/postgres:{project} strawboss/certbot:{project} strawboss/sandbox:{project}",
            self.dir.path().join("installation").display()
        );
        let _ = self.command(&format!("set +e\n{script}\ntrue")).output();
    }
}

/// A stream of events through the edge that must not be cut while certificates are replaced.
pub(crate) struct Stream {
    child: Child,
    file: PathBuf,
}

impl Stream {
    pub(crate) fn open(stranger: &Stranger) -> Result<Self> {
        let file = stranger.dir.path().join("events");
        let token = stranger.strawboss("token create stream --scope read")?;
        let ask = format!(
            "exec curl --insecure --fail --no-buffer --header 'Authorization: Bearer {}' https://localhost/api/v1/events",
            token.trim()
        );
        let child = stranger.command(&ask).stdout(fs::File::create(&file)?).stderr(Stdio::null()).spawn()?;
        let stream = Self { child, file };
        stranger.until("events", || Ok((stream.bytes()? > 0).then_some(())))?;
        Ok(stream)
    }

    fn bytes(&self) -> Result<u64> {
        Ok(fs::metadata(&self.file)?.len())
    }

    /// It is open, and says what happens now.
    pub(crate) fn goes_on(&mut self, stranger: &Stranger, row: &str) -> Result<()> {
        let before = self.bytes()?;
        stranger.append(row)?;
        stranger.until("an event on the stream that was open", || Ok((self.bytes()? > before).then_some(())))?;
        ensure!(self.child.try_wait()?.is_none(), "the stream was cut");
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
