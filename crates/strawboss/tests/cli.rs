//! The real program, as a person and as a script use it.

#[path = "cli/database.rs"]
mod database;
#[path = "cli/environment.rs"]
mod environment;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/plane.rs"]
mod plane;
#[path = "cli/sheets.rs"]
mod sheets;
mod support;

use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use support::{Folder, Ran, git};

const SMALL: &str = "server: { listen: '127.0.0.1:0', data_dir: ./state }\nrunner: { type: process }\n";

fn code(ran: &Ran) -> i32 {
    ran.code
}

#[test]
fn nothing_works_without_a_configuration_and_it_says_what_to_do() {
    let folder = Folder::new();
    for command in [vec!["serve"], vec!["status"], vec!["task", "list"], vec!["config", "check"]] {
        let ran = folder.run(&command);
        assert_eq!(code(&ran), 2, "{command:?}: {}", ran.err);
        assert!(ran.err.contains("there is no strawboss.yaml") && ran.err.contains("strawboss init"), "{}", ran.err);
    }
}

#[test]
fn every_error_of_a_configuration_is_reported_before_anything_is_made() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", "servr: {}\nprojects: { A: { directry: ./a } }\nrunner: { type: dokcer }\n");
    let ran = folder.run(&["serve", "--listen", "nowhere"]);
    assert_eq!(code(&ran), 2);
    for part in [
        "unknown key `servr`",
        "unknown key `directry`",
        "names no repository",
        "not `dokcer`",
        "--listen",
        "strawboss.yaml:1:1",
        "5 errors",
    ] {
        assert!(ran.err.contains(part), "{part}:\n{}", ran.err);
    }
    assert!(!folder.path().join(".strawboss").exists());
}

#[test]
fn init_writes_what_check_and_doctor_accept_and_never_writes_over() {
    for (files, image) in [
        (vec![("Cargo.toml", "[package]\nname='x'\n"), ("Cargo.lock", "")], Some("rust:1-bookworm")),
        (
            vec![("package.json", "{\"scripts\":{\"test\":\"node --test\"}}"), ("package-lock.json", "{}")],
            Some("node:24-bookworm"),
        ),
        (vec![("pyproject.toml", "[project]\nname='x'\n")], Some("python:3.13-bookworm")),
        (vec![], None),
    ] {
        let folder = Folder::new();
        let repository = folder.path().join("my repo");
        std::fs::create_dir(&repository).unwrap();
        for (name, text) in files {
            std::fs::write(repository.join(name), text).unwrap();
        }
        support::git(&repository, &["init", "--quiet", "--initial-branch=trunk"]);
        support::git(&repository, &["add", "--all"]);
        support::git(&repository, &["commit", "--quiet", "--allow-empty", "-m", "Begin"]);
        let ran = folder.run_in(&repository, &["init"]);
        assert_eq!(code(&ran), 0, "{}", ran.err);
        assert!(ran.out.contains("strawboss doctor"), "{}", ran.out);
        assert_eq!(code(&folder.run_in(&repository, &["config", "check"])), 0);
        let shown: Value = serde_json::from_str(&folder.run_in(&repository, &["config", "show", "--json"]).out).unwrap();
        assert_eq!(shown["projects"]["my repo"]["image"].as_str(), image);
        assert_eq!(shown["projects"]["my repo"]["branch"], "trunk");
        let before = std::fs::read(repository.join("strawboss.yaml")).unwrap();
        let again = folder.run_in(&repository, &["init"]);
        assert_eq!(code(&again), 6, "{}", again.err);
        assert_eq!(std::fs::read(repository.join("strawboss.yaml")).unwrap(), before);
        let doctor = folder.run_in(&repository, &["doctor", "--quick", "--json"]);
        let found: Vec<Value> = serde_json::from_str(&doctor.out).unwrap();
        let result =
            |what: &str| found.iter().find(|finding| finding["what"].as_str().is_some_and(|name| name.starts_with(what)));
        assert_eq!(result("configuration").unwrap()["result"], "ok");
        assert_eq!(result("provider anthropic").unwrap()["result"], "fail", "there is no key");
        let project = result("project my repo").unwrap();
        assert_ne!(project["result"], "fail", "{project}");
        assert_eq!(code(&doctor), 1);
    }
}

#[test]
fn init_says_what_a_folder_lacks() {
    let folder = Folder::new();
    let ran = folder.run(&["init"]);
    assert_eq!(code(&ran), 0, "{}", ran.err);
    assert!(ran.out.contains("no git repository"), "{}", ran.out);
    support::git(folder.path(), &["init", "--quiet"]);
    std::fs::remove_file(folder.path().join("strawboss.yaml")).unwrap();
    let ran = folder.run(&["init"]);
    assert!(ran.out.contains("has no commit yet") && ran.out.contains("was not touched"), "{}", ran.out);
}

#[test]
fn doctor_shows_no_secret_and_finds_what_is_wrong() {
    let folder = Folder::new();
    folder.write(
        "strawboss.yaml",
        "server: { listen: '127.0.0.1:0' }\nproviders: { anthropic: { base_url: 'http://127.0.0.1:9', secret_env: MY_KEY } }\n\
         backlogs: [{ type: csv, file: ./list.csv }]\nprojects: { Gone: ./gone, Plain: ./plain }\n",
    );
    std::fs::create_dir(folder.path().join("plain")).unwrap();
    folder.write("list.csv", "Project,Priority\nx,y\n");
    let ran = folder.run_with(&["doctor", "--quick"], &[("MY_KEY", "sk-very-secret"), ("STRAWBOSS_LISTN", "x")]);
    assert_eq!(code(&ran), 1);
    for part in [
        "FAIL project Gone",
        "FAIL project Plain",
        "FAIL backlog",
        "OK   provider anthropic",
        "STRAWBOSS_LISTN",
        "STRAWBOSS_LISTEN?",
    ] {
        assert!(ran.out.contains(part), "{part}:\n{}", ran.out);
    }
    assert!(!ran.out.contains("very-secret") && !ran.err.contains("very-secret"));
}

#[test]
fn doctor_says_which_allowed_hosts_sandboxes_would_not_reach() {
    let folder = Folder::new();
    let mirror = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = mirror.local_addr().unwrap();
    folder.write(
        "strawboss.yaml",
        &format!(
            "server: {{ listen: '127.0.0.1:0' }}\nrunner: {{ type: process }}\nagents: {{ shell: {{ command: 'true' }} }}\nprojects:\n  \
             Inner: {{ directory: ., agent: shell, network: {{ allow: ['127.0.0.1:1'], internal: ['{mirror}'] }} }}\n"
        ),
    );
    let ran = folder.run(&["doctor"]);
    for part in [
        "OK   network: 1 of 2 hosts that projects allow can be reached",
        "WARN network 127.0.0.1:1: it leads to 127.0.0.1: it is a loopback address",
        "`internal: [\"127.0.0.1:1\"]`",
    ] {
        assert!(ran.out.contains(part), "{part}:\n{}", ran.out);
    }
}

#[test]
fn doctor_looks_at_the_edge_where_it_is_told_and_at_the_age_of_the_newest_backup() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    folder.write("backups/strawboss-20200101T000000000Z.tar.gz", "x");
    let env = [
        ("STRAWBOSS_PUBLIC_NAMES", "crew.example.org localhost"),
        ("STRAWBOSS_TLS_AT", "127.0.0.1:1"),
        ("STRAWBOSS_BACKUP_DIR", "./backups"),
    ];
    let ran = folder.run_with(&["doctor", "--tls", "localhost=127.0.0.1:2", "--tls", "crew.example.org"], &env);
    for part in [
        "WARN certificate of localhost at 127.0.0.1:2",
        "WARN certificate of crew.example.org at 127.0.0.1:1",
        "WARN backups: the newest in ",
        "one is made every 1d",
    ] {
        assert!(ran.out.contains(part), "{part}:\n{}", ran.out);
    }
    let ran = folder.run_with(&["doctor"], &env);
    for name in ["crew.example.org", "localhost"] {
        assert!(ran.out.contains(&format!("WARN certificate of {name} at 127.0.0.1:1")), "{name}:\n{}", ran.out);
    }
    assert!(!folder.run_with(&["doctor", "--quick"], &env).out.contains("certificate"), "{}", ran.out);
}

#[test]
fn a_second_service_on_one_data_directory_refuses_and_says_who_holds_it() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    let service = folder.serve(&[]);
    let second = folder.run(&["serve"]);
    assert_eq!(code(&second), 6, "{}", second.err);
    assert!(second.err.contains(&format!("process {}", service.id())), "{}", second.err);
    assert!(second.err.contains("--data-dir"), "{}", second.err);
    assert_eq!(code(&folder.run(&["status", "--quiet"])), 0, "the first one goes on");
}

#[test]
fn a_port_in_use_is_said_with_its_owner() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = folder.run(&["serve", "--listen", &address]);
    assert_eq!(code(&ran), 6, "{}", ran.err);
    assert!(ran.err.contains(&address) && ran.err.contains(&std::process::id().to_string()), "{}", ran.err);
}

#[test]
fn a_folder_of_somebody_else_is_no_data_directory() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    folder.write("state/thesis.tex", "x");
    let ran = folder.run(&["serve"]);
    assert_eq!(code(&ran), 2, "{}", ran.err);
    assert!(ran.err.contains("not empty"), "{}", ran.err);
}

#[test]
fn without_an_engine_auto_refuses_and_names_the_way_out() {
    let folder = Folder::new();
    folder.write(
        "strawboss.yaml",
        "server: { listen: '127.0.0.1:0', data_dir: ./state }\nrunner: { type: auto, host: 'unix:///nonexistent/docker.sock' }\n",
    );
    let ran = folder.run(&["serve"]);
    assert_eq!(code(&ran), 3, "{}", ran.err);
    assert!(
        ran.err.contains("Docker") && ran.err.contains("--runner process") && ran.err.contains("NO isolation"),
        "{}",
        ran.err
    );
}

#[test]
fn a_provider_without_its_secret_blocks_its_models_and_nothing_else() {
    let folder = Folder::new();
    let repository = folder.path().join("repo");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    git(&repository, &["commit", "--quiet", "--allow-empty", "--message=Begin"]);
    folder.write("list.csv", "Project,Status,Next Action,Model\nP,Pending,Do it,Far\n");
    folder.write(
        "strawboss.yaml",
        &format!(
            "{SMALL}backlogs: [{{ type: csv, file: ./list.csv, watch_interval: 1 }}]\nprojects: {{ P: ./repo }}\n\
             models: {{ Far: {{ agent: claude, model: far-1 }} }}\n\
             providers: {{ anthropic: {{ base_url: 'https://example.org', secret_env: NO_SUCH_KEY }} }}\n"
        ),
    );
    let mut service = folder.serve(&[]);
    assert!(service.said("NO_SUCH_KEY"));
    let until = std::time::Instant::now() + std::time::Duration::from_mins(2);
    loop {
        let tasks = folder.run(&["task", "list", "--json"]).out;
        if tasks.contains("\"blocked\"") && tasks.contains("NO_SUCH_KEY") {
            break;
        }
        assert!(std::time::Instant::now() < until, "{tasks}");
    }
    assert_eq!(service.stop(), 0);
}

#[test]
fn the_admin_token_is_made_once_for_this_user_alone_and_shown_as_a_link_when_asked_for() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    let mut service = folder.serve(&[]);
    let token = std::fs::read_to_string(folder.path().join("state/admin-token")).unwrap().trim().to_owned();
    let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/admin-token"), mode("state/cookie-key")), (0o700, 0o600, 0o600));
    assert!(service.said("strawboss token link") && !service.said(&token), "what is no terminal is a log");
    assert_eq!(service.stop(), 0);
    assert!(!folder.path().join("state/address").exists());
    let mut service = folder.serve(&[]);
    assert!(!service.said(&token));
    let link = folder.run(&["token", "link"]);
    assert_eq!(link.out.trim(), format!("http://{}/#token={token}", service.address()));
    let link = folder.run_with(&["token", "link"], &[("STRAWBOSS_PUBLIC_URL", "https://crew.example.org:8443/")]);
    assert_eq!(link.out.trim(), format!("https://crew.example.org:8443/#token={token}"));
}

#[test]
fn status_tells_healthy_from_away_by_its_exit_code() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", &format!("{SMALL}backlogs: [{{ type: csv, file: ./missing.csv }}]\n"));
    let away = folder.run(&["status"]);
    assert_eq!(code(&away), 3, "{}", away.err);
    assert!(away.err.contains("strawboss serve"), "{}", away.err);
    let mut service = folder.serve(&[]);
    let ran = folder.run(&["status"]);
    assert_eq!(code(&ran), 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("healthy"), "{}", ran.out);
    let json: Value = serde_json::from_str(&folder.run(&["status", "--json"]).out).unwrap();
    assert_eq!(json["runner"]["ok"], true);
    assert_eq!((&json["store"]["name"], &json["store"]["ok"]), (&"sqlite".into(), &true.into()));
    for part in ["store", "engine", "gateway", "runner"] {
        assert_eq!(json[part]["state"], "ok", "{part}");
        assert!(json[part]["observed_at"].as_i64() >= json[part]["since"].as_i64(), "{part}: {json}");
    }
    assert_eq!(code(&folder.run(&["--token", "wrong", "status"])), 4);
    assert_eq!(service.stop(), 0);
    assert_eq!(code(&folder.run(&["status", "--quiet"])), 3);
}

#[test]
fn the_health_check_needs_no_more_than_the_data_directory() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    let mut service = folder.serve(&[]);
    let data_dir = folder.path().join("state");
    let env = [("STRAWBOSS_DATA_DIR", data_dir.to_str().unwrap())];
    folder.write("strawboss.yaml", "this: is wrong\n");
    let wrong = folder.run(&["status", "--quiet"]);
    assert_eq!(code(&wrong), 2, "{}", wrong.err);
    let ran = folder.run_with(&["status", "--quiet"], &env);
    assert_eq!(code(&ran), 0, "{}{}", ran.out, ran.err);
    assert_eq!(code(&folder.run_with(&["status"], &env)), 0, "its token lies there too");
    service.stop();
}

#[test]
fn an_engine_that_is_away_makes_the_service_unhealthy_but_not_dead() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", "server: { listen: '127.0.0.1:0', data_dir: ./state }\nrunner: { type: docker, host: 'unix:///nonexistent/docker.sock' }\n");
    let _service = folder.serve(&[]);
    let ran = folder.run(&["status"]);
    assert_eq!(code(&ran), 1, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("not healthy") && ran.out.contains("does not answer"), "{}", ran.out);
    assert_eq!(code(&folder.run(&["status", "--quiet"])), 1);
}

#[test]
fn a_token_lives_from_create_to_revoke_within_its_scope() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    let _service = folder.serve(&[]);
    let made = folder.run(&["token", "create", "for a test", "--scope", "read", "--days", "1"]);
    assert_eq!(code(&made), 0, "{}", made.err);
    let secret = made.out.trim();
    assert!(secret.starts_with("sb_") && !made.out.contains("token "), "the secret stands alone: {}", made.out);
    let as_reader = [("STRAWBOSS_TOKEN", secret)];
    assert_eq!(code(&folder.run_with(&["task", "list"], &as_reader)), 0);
    assert_eq!(code(&folder.run_with(&["task", "stop", "x-1"], &as_reader)), 4);
    assert_eq!(code(&folder.run_with(&["token", "list"], &as_reader)), 4);
    let listed: Vec<Value> = serde_json::from_str(&folder.run(&["token", "list", "--json"]).out).unwrap();
    assert_eq!((listed.len(), listed[0]["label"].as_str()), (1, Some("for a test")));
    assert!(listed[0]["secret"].is_null());
    assert_eq!(code(&folder.run(&["token", "revoke", listed[0]["id"].as_str().unwrap()])), 0);
    assert_eq!(code(&folder.run_with(&["task", "list"], &as_reader)), 4);
    assert_eq!(code(&folder.run(&["token", "revoke", "../../tasks"])), 2);
    assert_eq!(code(&folder.run(&["token", "revoke", "0123456789ab"])), 5);
}

#[test]
fn what_is_not_there_ends_with_its_own_code() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    let _service = folder.serve(&[]);
    for command in [
        vec!["task", "show", "nix-1"],
        vec!["run", "show", "nix-1.1"],
        vec!["run", "logs", "nix-1.1"],
        vec!["review", "show", "nix-1"],
        vec!["project", "show", "nix"],
    ] {
        let ran = folder.run(&command);
        assert_eq!(code(&ran), 5, "{command:?}: {}", ran.err);
    }
    assert_eq!(code(&folder.run(&["task", "add", "--project", "nix", "something"])), 2);
    assert_eq!(code(&folder.run(&["run", "attach", "nix-1.1"])), 2, "it needs a terminal");
}

#[test]
fn the_installations_own_token_is_shown_to_this_machine_alone() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    folder.write("state/admin-token", "sb_of-this-installation");
    for (named, shown) in [("127.0.0.1", true), ("0.0.0.0", false)] {
        let stranger = std::net::TcpListener::bind((named, 0)).unwrap();
        let address = format!("http://{named}:{}", stranger.local_addr().unwrap().port());
        let heard = std::thread::spawn(move || support::heard(&stranger));
        let ran = folder.run(&["--server", &address, "task", "list"]);
        assert_eq!(code(&ran), 1, "{}", ran.err);
        let head = heard.join().unwrap().to_ascii_lowercase();
        assert_eq!(head.contains("sb_of-this-installation"), shown, "{head}");
    }
}

#[test]
fn the_description_and_completions_come_without_a_service() {
    let folder = Folder::new();
    let description: Value = serde_json::from_str(&folder.run(&["openapi"]).out).unwrap();
    assert!(description["paths"]["/api/v1/tasks"].is_object());
    assert!(folder.run(&["completion", "bash"]).out.contains("_strawboss"));
    assert_eq!(code(&folder.run(&["taks"])), 2);
}

#[test]
fn the_mock_model_serves_what_its_script_says() {
    let folder = Folder::new();
    folder.write("model.yaml", "rules: [{ turns: [{ text: Hello. }] }]\n");
    let model = folder.mock_model("model.yaml");
    let answer = support::http(model.address(), "GET", "/v1/models");
    assert!(answer.contains("200 OK"), "{answer}");
    folder.write("broken.yaml", "rules: [{ turns: [] }]\n");
    assert_eq!(code(&folder.run(&["mock-model", "--script", "broken.yaml"])), 2);
}

#[test]
fn the_docker_proxy_takes_sockets_alone_and_ends_when_it_is_told() {
    let folder = Folder::new();
    for (args, part) in [
        (["--listen", "tcp://127.0.0.1:2375"], "unix://"),
        (["--engine", "tcp://127.0.0.1:2375"], "unix://"),
        (["--socket-mode", "0666"], "0600"),
        (["--doors-volume", "x"], "--doors"),
    ] {
        let ran = folder.run(&[&["docker-proxy"], &args[..]].concat());
        assert!(code(&ran) == 2 && ran.err.contains(part), "{args:?}: {}", ran.err);
    }
    let ran = folder.run_with(&["docker-proxy"], &[("DOCKER_HOST", "tcp://127.0.0.1:2375")]);
    assert!(code(&ran) == 2 && ran.err.contains("DOCKER_HOST"), "{}", ran.err);
    let address = |name: &str| format!("unix://{}", folder.path().join(name).display());
    let (engine, listen) = (address("engine.sock"), address("proxy.sock"));
    let ran = folder.run(&["docker-proxy", "--engine", &listen, "--listen", &listen]);
    assert!(code(&ran) == 2 && ran.err.contains("the same socket"), "{}", ran.err);
    let health = ["docker-proxy", "--health", "--listen", &listen];
    assert_eq!(code(&folder.run(&health)), 1);
    // Without an engine behind it, it is there and not well.
    let serve = ["docker-proxy", "--engine", &engine, "--listen", &listen];
    let mut proxy = folder.command(folder.path(), &serve).spawn().unwrap();
    let said = |part: &str| {
        let until = std::time::Instant::now() + std::time::Duration::from_mins(2);
        loop {
            assert!(std::time::Instant::now() < until, "{part} is not said");
            let ran = folder.run(&health);
            if code(&ran) == 1 && ran.err.contains(part) {
                return;
            }
            assert_eq!(code(&ran), 1, "{}", ran.err);
        }
    };
    said("502");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(proxy.id()).unwrap()), nix::sys::signal::Signal::SIGTERM)
        .unwrap();
    assert_eq!(proxy.wait().unwrap().code(), Some(0));
    said("nothing answers");
}

#[test]
fn the_log_is_shown_to_who_may_see_it_and_kept_over_a_restart_where_that_is_wanted() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", &format!("{SMALL}log: {{ files: true }}\n"));
    let mut service = folder.serve(&[]);
    let lines = |args: &[&str]| -> Vec<Value> {
        let ran = folder.run(args);
        assert_eq!(code(&ran), 0, "{args:?}: {}", ran.err);
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let starts = |lines: &[Value]| {
        lines.iter().filter(|line| line["message"].as_str().is_some_and(|said| said.starts_with("Strawboss serves on"))).count()
    };
    let first = lines(&["logs", "strawboss", "--json", "--since", "1h"]);
    assert_eq!(starts(&first), 1, "{first:?}");
    assert!(first.iter().all(|line| line["at"].as_i64() > Some(0) && line["level"].is_string()), "{first:?}");
    let shown = folder.run(&["logs", "strawboss"]);
    assert!(shown.out.contains("Strawboss serves on") && shown.out.contains("projects=0"), "{}", shown.out);
    assert!(!shown.out.contains('\u{1b}'), "no colours without a terminal");
    assert!(folder.run(&["logs", "strawboss", "--since", "2100-01-01T00:00:00Z"]).out.is_empty());
    let token = folder.run(&["token", "create", "reader", "--scope", "read"]);
    assert_eq!(code(&folder.run(&["--token", token.out.trim(), "logs", "strawboss"])), 4);
    assert_eq!(service.stop(), 0);
    assert!(folder.path().join("state/logs").is_dir());
    let mut service = folder.serve(&[]);
    assert_eq!(starts(&lines(&["logs", "strawboss", "--json"])), 2, "what an earlier start said is there");
    assert_eq!(service.stop(), 0);
}

#[test]
fn the_log_of_another_service_is_composes_and_the_command_is_said() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", SMALL);
    let ran = folder.run(&["logs", "postgres", "-f", "--since", "10m"]);
    assert_eq!((code(&ran), ran.out.as_str()), (1, "docker compose logs --follow --since 10m postgres\n"), "{}", ran.err);
    for wrong in [["logs", "a;rm"].as_slice(), &["logs", ""], &["logs", "strawboss", "--since", "yesterday"]] {
        assert_eq!(code(&folder.run(wrong)), 2, "{wrong:?}");
    }
}
