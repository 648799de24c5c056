//! The system as people run it: the committed compose.yaml, with a project, folders and ports of its own.

use crate::programs::run;
use crate::{BacklogFile, OwnEngine, Person, Repository};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;
use tempfile::TempDir;

pub use reqwest::Version as HttpVersion;

/// The user that the control plane runs as in tests: neither root nor the default, so that what is hard-coded shows.
pub const UID: u32 = 12_345;

/// A system of its own. It is taken down with its volumes when it is dropped.
#[derive(Debug)]
pub struct System {
    dir: TempDir,
    backlog: BacklogFile,
    profiles: Vec<&'static str>,
    client: reqwest::Client,
    address: String,
    engine: Option<String>,
    engine_log: Option<PathBuf>,
    admin: OnceLock<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl System {
    /// One with the images that were made of this build's programs, and the mock model in the place of every provider.
    /// Nothing of it runs yet.
    pub fn new(model_script: &str) -> Result<Self> {
        // Refused only when it is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::Builder::new().prefix("sb-system-").permissions(fs::Permissions::from_mode(0o755)).tempdir()?;
        let images = Command::new(root().join("scripts/lab/system-images.sh"))
            .arg(crate::programs::bin_dir()?)
            .arg(crate::programs::supervisor_tool()?.parent().context("no folder of tools")?)
            .stdin(Stdio::null())
            .output()?;
        ensure!(images.status.success(), "system-images.sh: {}", String::from_utf8_lossy(&images.stderr));
        let at = |name: &str| dir.path().join(name);
        for folder in ["projects", "backlog", "config", "secrets", "model", "backups"] {
            fs::create_dir(at(folder))?;
        }
        fs::write(at("model/model.yaml"), model_script)?;
        fs::write(at("secrets/anthropic-api-key"), "sk-test-of-this-system-only\n")?;
        let backlog = BacklogFile::create(&at("backlog/priorities.csv"))?;
        let name = dir.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase().replace('.', "");
        let env = format!(
            "{}\nCOMPOSE_PROJECT_NAME={name}\nSTRAWBOSS_UID={UID}\nSTRAWBOSS_GID={UID}\nPROJECTS_DIR={p}/projects\n\
             BACKLOG_DIR={p}/backlog\nSECRETS_DIR={p}/secrets\nSTRAWBOSS_CONFIG_DIR={p}/config\nMOCK_MODEL_DIR={p}/model\n\
             BACKUP_DIR={p}/backups\nEDGE_HTTP_PORT=0\nEDGE_HTTPS_PORT=0\nEDGE_CHECK_SECONDS=1\n",
            String::from_utf8(images.stdout)?,
            p = dir.path().display(),
        );
        fs::write(at(".env"), env)?;
        let system = Self {
            dir,
            backlog,
            profiles: vec!["cpu"],
            client: reqwest::Client::new(),
            address: String::new(),
            engine: None,
            engine_log: None,
            admin: OnceLock::new(),
        };
        system.configure("projects: {}\n")?;
        system.give_away()?;
        Ok(system)
    }

    /// Puts it onto an engine that only this test uses, before anything of it runs. This thread can reach its edge then.
    pub fn on(&mut self, engine: &mut OwnEngine) -> Result<()> {
        let images: Vec<String> = ["STRAWBOSS_IMAGE", "EDGE_IMAGE", "POSTGRES_IMAGE"].map(|name| self.variable(name)).into();
        engine.load(&images.iter().map(String::as_str).collect::<Vec<_>>())?;
        engine.enter_network()?;
        self.set("DOCKER_SOCKET", &engine.socket().to_string_lossy())?;
        self.engine = Some(engine.host());
        self.engine_log = Some(engine.log());
        Ok(())
    }

    /// Puts the agents' programs into their volume, which the system then need not fetch.
    pub fn give_agents(&self) -> Result<()> {
        let tool = crate::programs::claude_tool()?;
        let name = tool.file_name().context("the folder of Claude Code has no name")?;
        // As it is to lie there: `cp` makes no folders on the way.
        let mut tar = Command::new("tar");
        tar.arg("-c").arg("-C").arg(tool.parent().context("it lies nowhere")?).arg("--transform=s,^,tools/,").arg(name);
        let mut tar = tar.stdout(Stdio::piped()).spawn()?;
        self.done(&["create", "--no-build", "agents"])?;
        let id = self.done(&["ps", "--all", "--quiet", "agents"])?;
        let place = format!("{}:/var/lib/strawboss/cache", id.trim());
        let taken = run(self.docker(&["cp", "-", &place]).stdin(tar.stdout.take().context("tar has no output")?));
        tar.wait()?;
        taken.map(drop)
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Its backlog.
    pub fn backlog(&self) -> &BacklogFile {
        &self.backlog
    }

    /// Writes the configuration: models and providers are the mock model, `more` is beside them.
    pub fn configure(&self, more: &str) -> Result<()> {
        let text = format!(
            "backlogs: [{{ type: csv, file: /backlog/priorities.csv, watch_interval: 1 }}]\n\
             providers:\n  anthropic: {{ base_url: 'http://mock-model:7171', auth: api_key, secret_file: /run/secrets/anthropic-api-key }}\n  \
             local: {{ base_url: 'http://mock-model:7171', auth: none }}\n\
             models:\n  Sonnet 4: {{ agent: claude, model: claude-sonnet-4-20250514 }}\n  Qwen: {{ agent: claude, provider: local, model: qwen3-coder }}\n\
             agents: {{ shell: {{ command: {} }} }}\n{more}",
            serde_json::to_string(crate::world::FIRST_LINE_AGENT)?,
        );
        Ok(fs::write(self.path().join("config/strawboss.yaml"), text)?)
    }

    /// A repository in the folder of projects; it is a project of that name by being there.
    pub fn project(&self, name: &str, files: &[(&str, &str)]) -> Result<Repository> {
        let repository = Repository::create(&self.path().join("projects").join(name), files)?;
        self.give_away()?;
        Ok(repository)
    }

    /// Gives everything of the person's to the person.
    pub fn give_away(&self) -> Result<()> {
        let mut paths = vec![self.path().to_owned()];
        while let Some(path) = paths.pop() {
            chown(&path, Some(UID), Some(UID))?;
            if path.is_dir() && !path.is_symlink() {
                paths.extend(fs::read_dir(&path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?);
            }
        }
        Ok(())
    }

    /// Changes a variable of `.env`.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let path = self.path().join(".env");
        let text = fs::read_to_string(&path)?;
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with(&format!("{name}="))).collect();
        Ok(fs::write(path, format!("{}\n{name}={value}\n", kept.join("\n")))?)
    }

    /// A variable of `.env`.
    pub fn variable(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path().join(".env")).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().to_owned()
    }

    /// The docker client, on its engine.
    pub fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.envs(self.engine.iter().map(|engine| ("DOCKER_HOST", engine))).args(arguments).stdin(Stdio::null());
        command
    }

    /// `docker compose` on it.
    pub fn compose(&self, arguments: &[&str]) -> Command {
        let mut command = self.docker(&[]);
        command.args(["compose", "--project-directory"]).arg(root()).arg("--env-file").arg(self.path().join(".env"));
        for profile in &self.profiles {
            command.args(["--profile", profile]);
        }
        command.args(arguments).current_dir(root());
        command
    }

    /// The same, which must succeed; what it printed.
    pub fn done(&self, arguments: &[&str]) -> Result<String> {
        run(&mut self.compose(arguments))
    }

    /// Brings everything up as people do, and waits until all of it is healthy.
    pub fn up(&mut self) -> Result<()> {
        self.done(&["up", "--detach", "--no-build", "mock-model"])?;
        let up = self.done(&["up", "--detach", "--wait", "--no-build", "--remove-orphans"]);
        if let Err(error) = up {
            let logs = self.done(&["logs", "--tail", "30"]).unwrap_or_default();
            return Err(error.context(logs));
        }
        self.find_edge()
    }

    /// Learns the edge's port and trusts its certificate, as a person does who accepted it.
    pub fn find_edge(&mut self) -> Result<()> {
        let port = self.done(&["port", "edge", "8443"])?;
        let port = port.trim().rsplit(':').next().context("the edge has no port")?.to_owned();
        let certificate = self.done(&["exec", "-T", "edge", "cat", "/etc/edge/certificates/fullchain.pem"])?;
        let certificate = reqwest::Certificate::from_pem(certificate.as_bytes())?;
        self.client =
            reqwest::Client::builder().tls_certs_only([certificate]).redirect(reqwest::redirect::Policy::none()).build()?;
        self.address = format!("localhost:{port}");
        Ok(())
    }

    /// Where people reach it.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// A client that trusts the edge's certificate and nothing else.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The admin token, as a person on this machine reads it.
    pub fn token(&self) -> Result<String> {
        Ok(self.done(&["exec", "-T", "strawboss", "cat", "/var/lib/strawboss/data/admin-token"])?.trim().to_owned())
    }

    /// The admin token, asked for once.
    fn admin(&self) -> Result<&str> {
        if let Some(token) = self.admin.get() {
            return Ok(token);
        }
        let token = self.token()?;
        Ok(self.admin.get_or_init(|| token))
    }

    async fn send(&self, path: &str, request: reqwest::RequestBuilder) -> Result<String> {
        let answer = request.bearer_auth(self.admin()?).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(text)
    }

    /// GET through the edge, with the admin token.
    pub async fn get(&self, path: &str) -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.send(path, self.client.get(self.url(path))).await?)?)
    }

    /// Tells something that must be taken.
    pub async fn post(&self, path: &str, body: serde_json::Value) -> Result<()> {
        self.send(path, self.client.post(self.url(path)).json(&body)).await.map(drop)
    }

    /// Every task.
    pub async fn tasks(&self) -> Result<Vec<serde_json::Value>> {
        let page = self.get("/api/v1/tasks?limit=1000").await?;
        Ok(page["items"].as_array().cloned().unwrap_or_default())
    }

    /// What a run's terminal has shown so far.
    pub async fn terminal(&self, run: &str) -> Result<String> {
        let path = format!("/api/v1/runs/{run}/terminal?from=0");
        self.send(&path, self.client.get(self.url(&path))).await
    }

    /// Waits until a probe says yes.
    pub async fn until<T>(&self, what: &str, mut probe: impl AsyncFnMut(&Self) -> Result<Option<T>>) -> Result<T> {
        let until = Instant::now() + crate::world::DEADLINE;
        loop {
            let last = match probe(self).await {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => String::new(),
                Err(error) => format!("{error:#}"),
            };
            if Instant::now() > until {
                anyhow::bail!("waited in vain for: {what}\n{last}\n{}", self.account());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// What each part of it does, for whoever waited in vain.
    fn account(&self) -> String {
        let shown = |text: Result<String>| text.unwrap_or_else(|error| format!("{error:#}"));
        let services = shown(self.done(&["ps", "--all", "--format", "table {{.Service}}\t{{.Status}}"]));
        let logs = shown(self.done(&["logs", "--no-color", "--tail", "40"]));
        let engine = self.engine_log.as_ref().and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default();
        let mut engine: Vec<&str> =
            engine.lines().filter(|line| line.contains("level=error") || line.contains("level=warn")).collect();
        let lines = engine.split_off(engine.len().saturating_sub(60)).join("\n");
        format!("{services}\n{logs}\n{lines}")
    }

    /// Waits until the backlog's rows say these.
    pub async fn until_statuses(&self, expected: &[&str]) -> Result<()> {
        self.until(&format!("the backlog says {expected:?}"), async |system| {
            Ok((system.backlog.statuses()? == expected).then_some(()))
        })
        .await
    }

    /// Sits down at a run's terminal with `strawboss attach`, through the edge, trusting its certificate as the system does.
    pub fn attach(&self, run: &str) -> Result<Person> {
        let certificate = self.path().join("edge.pem");
        fs::write(&certificate, self.done(&["exec", "-T", "edge", "cat", "/etc/edge/certificates/fullchain.pem"])?)?;
        let command = pty_process::Command::new(crate::programs::strawboss()?);
        let command = command.args(["run", "attach", "--server", &self.url(""), run]).current_dir(self.path());
        let command = command.env("STRAWBOSS_TOKEN", self.admin()?).env("SSL_CERT_FILE", certificate);
        Person::sit_down(command.env("TERM", "xterm").env_remove("NO_COLOR"))
    }

    /// A container's record, as the engine has it.
    pub fn inspect(&self, service: &str) -> Result<serde_json::Value> {
        let id = self.done(&["ps", "--all", "--quiet", service])?;
        let text = run(&mut self.docker(&["inspect", id.trim()]))?;
        let mut records: Vec<serde_json::Value> = serde_json::from_str(&text)?;
        records.pop().context("no such container")
    }

    /// Everything that should be gone when no run is live: sandboxes, their volumes and doors.
    pub fn leftovers(&self) -> Result<Vec<String>> {
        let doors = "find /var/lib/strawboss/doors -mindepth 2; cat /var/lib/strawboss/data/installation";
        let said = self.done(&["exec", "-T", "strawboss", "sh", "-c", doors])?;
        let mut left: Vec<String> = said.lines().map(str::to_owned).collect();
        let installation = left.pop().context("no installation")?;
        left.extend(self.labelled(&["ps", "--all", "--quiet"], &installation)?);
        let volumes = self.labelled(&["volume", "ls", "--quiet"], &installation)?;
        left.extend(volumes.into_iter().filter(|name| name.contains("home")));
        Ok(left)
    }

    fn labelled(&self, list: &[&str], installation: &str) -> Result<Vec<String>> {
        let label = format!("label=strawboss.installation={}", installation.trim());
        let found = run(self.docker(list).args(["--filter", &label]))?;
        Ok(found.split_whitespace().map(str::to_owned).collect())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // Sandboxes are the control plane's; without one, whatever it left goes by its label.
        let installation = run(self
            .docker(&["volume", "inspect", "--format", "{{.Mountpoint}}"])
            .arg(format!("{}_data", self.dir.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase())))
        .ok()
        .and_then(|path| fs::read_to_string(Path::new(path.trim()).join("installation")).ok());
        self.profiles = vec!["cpu", "gpu", "models", "test", "dev", "certbot"];
        if let Err(error) = self.done(&["down", "--volumes", "--remove-orphans", "--timeout", "20"]) {
            eprintln!("the test's system does not go down: {error:#}");
        }
        let Some(installation) = installation else { return };
        for (list, remove) in [(["ps", "--all", "--quiet"], ["rm", "--force"]), (["volume", "ls", "--quiet"], ["volume", "rm"])] {
            for id in self.labelled(&list, &installation).unwrap_or_default() {
                let _ = run(self.docker(&remove).arg(id));
            }
        }
    }
}
