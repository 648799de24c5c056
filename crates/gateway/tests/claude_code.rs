//! The real Claude Code CLI works through the gateway against the mock model: the whole path of a run's model traffic.
//!
//! It needs the CLI's binary: `STRAWBOSS_CLAUDE_DIR` names the folder that holds `bin/claude`; else the newest
//! `claude-*` in `$STRAWBOSS_CACHE` or `~/.cache/strawboss/tools` is taken. Without one these tests fail, and say so.

#[cfg(test)]
mod tests {
    use http::Request;
    use hyper::body::Incoming;
    use hyper_util::rt::TokioIo;
    use serde_json::Value;
    use std::convert::Infallible;
    use std::net::SocketAddr;
    use std::path::{Path, PathBuf};
    use std::process::Stdio;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use strawboss_core::meter::Meter;
    use strawboss_core::run::Usage;
    use strawboss_core::{SandboxId, Timestamp};
    use strawboss_gateway::mock_model::{MockModel, Script, serve};
    use strawboss_gateway::{
        Auth, Caller, CallerRules, Egress, EgressConfig, ModelProxy, Outbound, Prices, Provider, ProxyConfig, ProxyLimits, Secret,
    };
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    const KEY: &str = "sk-only-outside-000111222";

    #[derive(Debug, Default)]
    struct Books {
        used: Mutex<Usage>,
        refused: Mutex<Vec<(String, bool)>>,
        limited: Mutex<u32>,
    }

    impl Meter for Books {
        fn used(&self, _: &SandboxId, usage: Usage) {
            self.used.lock().unwrap().add(&usage);
        }
        fn refused(&self, _: &SandboxId, target: &str, _: &str, known_probe: bool, _: Timestamp) {
            self.refused.lock().unwrap().push((target.to_owned(), known_probe));
        }
        fn limited(&self, _: &SandboxId, _: Option<Timestamp>) {
            *self.limited.lock().unwrap() += 1;
        }
    }

    fn claude() -> PathBuf {
        if let Some(dir) = std::env::var_os("STRAWBOSS_CLAUDE_DIR") {
            let path = Path::new(&dir).join("bin/claude");
            assert!(path.is_file(), "STRAWBOSS_CLAUDE_DIR is set, but {} is no file", path.display());
            return path;
        }
        let home = std::env::var_os("HOME").unwrap_or_default();
        let cache = std::env::var_os("STRAWBOSS_CACHE").map_or_else(|| Path::new(&home).join(".cache/strawboss"), PathBuf::from);
        let mut found: Vec<PathBuf> = [cache.join("tools"), cache]
            .iter()
            .filter_map(|dir| std::fs::read_dir(dir).ok())
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin/claude")))
            .filter(|path| path.is_file() && path.to_string_lossy().contains("/claude-"))
            .collect();
        found.sort();
        found.pop().expect("the Claude Code CLI is not there: run scripts/lab/agents.sh, or set STRAWBOSS_CLAUDE_DIR to a folder with bin/claude")
    }

    struct House {
        folder: tempfile::TempDir,
        door: SocketAddr,
        books: Arc<Books>,
        model: Arc<MockModel>,
        stop: CancellationToken,
    }

    impl Drop for House {
        fn drop(&mut self) {
            self.stop.cancel();
        }
    }

    async fn house(script: &str, auth: Auth) -> House {
        let stop = CancellationToken::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = format!("http://{}", listener.local_addr().unwrap());
        let model = Arc::new(MockModel::new(Script::parse(&format!("api_key: {KEY}\n{script}")).unwrap()));
        tokio::spawn(serve(listener, model.clone(), stop.clone()));
        let books = Arc::new(Books::default());
        let proxy = ModelProxy::new(ProxyConfig {
            providers: vec![Provider::new("mock", &provider, auth, Some(Secret::new(KEY, "the test").unwrap())).unwrap()],
            prices: Prices::default(),
            limits: ProxyLimits::default(),
            outbound: Outbound::direct(),
            meter: books.clone(),
            roots: None,
        });
        let proxy = Arc::new(proxy.unwrap());
        let egress = Arc::new(Egress::new(EgressConfig { outbound: Outbound::direct(), ..EgressConfig::new(books.clone()) }));
        let routes = [("anthropic".to_owned(), "mock".to_owned())].into_iter().collect();
        let caller = Caller::new(SandboxId::parse("test-1.1-agent").unwrap(), CallerRules { routes, ..CallerRules::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (caller, proxy, egress) = (caller.clone(), proxy.clone(), egress.clone());
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                        let (caller, proxy, egress) = (caller.clone(), proxy.clone(), egress.clone());
                        async move {
                            Ok::<_, Infallible>(if Egress::serves(&request) {
                                egress.handle(&caller, request).await
                            } else {
                                proxy.handle(&caller, request).await
                            })
                        }
                    });
                    let connection = strawboss_gateway::door_http().serve_connection(TokioIo::new(stream), service);
                    let _ = connection.with_upgrades().await;
                });
            }
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        let work = folder.path().join("work");
        std::fs::create_dir(&work).unwrap();
        for args in [&["init", "-q"][..], &["config", "user.name", "A Test"], &["config", "user.email", "test@example.org"]] {
            assert!(std::process::Command::new("git").args(args).current_dir(&work).status().unwrap().success());
        }
        House { folder, door, books, model, stop }
    }

    impl House {
        fn work(&self) -> PathBuf {
            self.folder.path().join("work")
        }

        /// Runs the CLI as a run does, and returns its events.
        async fn agent(&self, credential: (&str, &str), args: &[&str]) -> Vec<Value> {
            let door = format!("http://{}", self.door);
            let mut command = tokio::process::Command::new(claude());
            command
                .args(args)
                .args(["--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"])
                .current_dir(self.work())
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .env("HOME", self.folder.path().join("home"))
                .env("IS_SANDBOX", "1")
                .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
                .env("DISABLE_AUTOUPDATER", "1")
                .env("ANTHROPIC_BASE_URL", format!("{door}/gateway/anthropic"))
                .env(credential.0, credential.1);
            for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
                command.env(name, &door);
            }
            for name in ["NO_PROXY", "no_proxy"] {
                command.env(name, "127.0.0.1,localhost");
            }
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            let output = tokio::time::timeout(Duration::from_mins(4), command.output()).await.expect("the agent ends").unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(!text.contains(KEY), "the provider's key is inside");
            let events: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            assert!(!events.is_empty(), "no events; it said: {}", String::from_utf8_lossy(&output.stderr));
            events
        }

        fn log(&self) -> String {
            let output =
                std::process::Command::new("git").args(["log", "--format=%s"]).current_dir(self.work()).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        }
    }

    fn result(events: &[Value]) -> &Value {
        let last = events.last().unwrap();
        assert_eq!(last["type"], "result", "{last}");
        last
    }

    const TASK: &str = r#"
rules:
  - name: sent back
    when: { prompt: write a greeting, said: in French }
    turns:
      - tools: [{ name: Bash, input: { command: "echo bonjour > greeting.txt && git commit -qam 'Greet in French'", description: Mend } }]
      - text: Now it is French.
  - name: greeting
    when: { prompt: write a greeting }
    turns:
      - text: I write the file.
        tools: [{ name: Bash, input: { command: "echo hello > greeting.txt", description: Write } }]
        usage: { input_tokens: 1000, output_tokens: 20, cache_read_input_tokens: 5 }
      - tools: [{ name: Bash, input: { command: "git add -A && git commit -qm 'Greet' && cat greeting.txt", description: Commit } }]
        usage: { input_tokens: 2000, output_tokens: 30 }
      - text: "Done, it says {{result}}."
        usage: { input_tokens: 3000, output_tokens: 40 }
"#;

    #[tokio::test]
    async fn a_whole_task_is_done_and_mended_in_the_same_session() {
        let house = house(TASK, Auth::ApiKey).await;
        let dummy = ("ANTHROPIC_API_KEY", "sk-dummy");
        let events = house.agent(dummy, &["-p", "Please write a greeting"]).await;
        let end = result(&events);
        assert_eq!(end["is_error"], false, "{end}");
        assert_eq!(end["result"], "Done, it says hello.");
        assert_eq!(house.log(), "Greet\n");
        let used = *house.books.used.lock().unwrap();
        let rules: Vec<_> = house.model.asked().iter().filter_map(|asked| Some((asked.rule.clone()?, asked.turn))).collect();
        assert_eq!(rules, [0, 1, 2].map(|turn| ("greeting".to_owned(), turn)));
        assert!(used.input_tokens >= 6000 && used.output_tokens >= 90 && used.cache_read_tokens == 5, "{used:?}");
        assert_eq!(used.requests, house.model.asked().iter().filter(|asked| asked.path.starts_with("/v1/")).count() as u64);

        let session = end["session_id"].as_str().unwrap().to_owned();
        let events = house.agent(dummy, &["--resume", &session, "-p", "The greeting must be in French"]).await;
        let end = result(&events);
        assert_eq!((&end["is_error"], &end["result"]), (&Value::Bool(false), &Value::from("Now it is French.")), "{end}");
        assert_eq!(house.log(), "Greet in French\nGreet\n");
        // Whatever it asked its vendor for on its own account is known as such.
        let refused = house.books.refused.lock().unwrap().clone();
        assert!(refused.iter().all(|(_, known_probe)| *known_probe), "{refused:?}");
    }

    #[tokio::test]
    async fn a_subscription_token_is_swapped_for_the_real_one() {
        let house = house(TASK, Auth::OauthToken).await;
        let events = house.agent(("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-dummy"), &["-p", "Please write a greeting"]).await;
        let end = result(&events);
        assert_eq!(end["result"], "Done, it says hello.", "{end}");
        let refused = house.books.refused.lock().unwrap().clone();
        assert!(refused.iter().all(|(_, known_probe)| *known_probe), "{refused:?}");
    }

    #[tokio::test]
    async fn an_overloaded_provider_is_asked_again_and_a_limit_is_heard_of() {
        let script = "
rules:
  - when: { prompt: overloaded }
    turns: [{ error: { status: 529, retry_after: 0, times: 1 }, text: At last. }]
  - when: { prompt: limited }
    turns: [{ error: { status: 429, reset_after: 3600, retry_after: 0, subscription: true, times: 1 }, text: Then. }]
";
        let house = house(script, Auth::ApiKey).await;
        let dummy = ("ANTHROPIC_API_KEY", "sk-dummy");
        let events = house.agent(dummy, &["-p", "be overloaded"]).await;
        assert_eq!(result(&events)["result"], "At last.");
        house.agent(dummy, &["-p", "be limited"]).await;
        assert_eq!(*house.books.limited.lock().unwrap(), 1);
    }
}
