//! The program configured by its environment, by files of secrets, and by a mixture; and what it says of where values came from.

use crate::support::{self, Folder, Ran};
use serde_json::Value;

fn code(ran: &Ran) -> i32 {
    ran.code
}

/// Two repositories, one of them bare, beside what is none.
fn projects(folder: &Folder) {
    support::git(folder.path(), &["init", "--quiet", "projects/greeter"]);
    support::git(folder.path(), &["init", "--quiet", "--bare", "projects/tally"]);
    support::git(folder.path(), &["init", "--quiet", "projects/.hidden"]);
    folder.write("projects/notes/README.md", "no repository\n");
    folder.write("projects/file.txt", "nor this\n");
}

#[test]
fn the_service_starts_without_a_file_on_what_the_environment_says() {
    let folder = Folder::new();
    projects(&folder);
    let header = "Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model\n";
    // Paused: a supervisor outlives its service, and nobody would end this one.
    folder.write("backlog/priorities.csv", &format!("{header}greeter,1,Paused,,,Say hello,,,\n"));
    let away = folder.run(&["config", "check"]);
    assert_eq!(code(&away), 2, "nothing says what to do: {}", away.out);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, projects, backlog) = (path("data"), path("projects"), path("backlog"));
    let env = [
        ("STRAWBOSS_DATA_DIR", data.as_str()),
        ("STRAWBOSS_PROJECTS_DIR", &projects),
        ("STRAWBOSS_BACKLOG", &backlog),
        ("STRAWBOSS_LISTEN", "127.0.0.1:0"),
        ("STRAWBOSS_RUNNER", "process"),
        ("STRAWBOSS_SHELL_COMMAND", "true"),
        ("STRAWBOSS_LOG_FILES", "true"),
    ];
    let ran = folder.run_with(&["config", "check"], &env);
    assert_eq!(code(&ran), 0, "{}{}", ran.out, ran.err);
    let mut service = folder.serve_with(&env);
    let listed = folder.run_with(&["project", "list", "--json"], &env);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|project| project["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["greeter", "tally"]);
    let status = folder.run_with(&["status", "--json"], &env);
    let status: Value = serde_json::from_str(&status.out).unwrap();
    assert!(status["sources"][0]["name"].as_str().unwrap().ends_with("priorities.csv"), "{status}");
    assert_eq!(service.stop(), 0);
}

#[test]
fn a_whole_configuration_may_stand_in_a_variable_and_not_beside_a_file() {
    let folder = Folder::new();
    let text = "server: { listen: '127.0.0.1:7171' }\nlog: { level: loud }\n";
    let wrong = folder.run_with(&["config", "check"], &[("STRAWBOSS_CONFIG_TEXT", text)]);
    assert!(
        code(&wrong) == 2 && wrong.err.contains("log.level") && wrong.err.contains("STRAWBOSS_CONFIG_TEXT:2"),
        "{}",
        wrong.err
    );
    let text = text.replace("loud", "debug");
    let shown = folder.run_with(&["config", "show", "--json"], &[("STRAWBOSS_CONFIG_TEXT", &text)]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["server"]["listen"], "127.0.0.1:7171");
    assert_eq!(shown["origins"]["log.level"], "STRAWBOSS_CONFIG_TEXT:2");
    folder.write("strawboss.yaml", "");
    let both = folder.run_with(&["--config", "strawboss.yaml", "config", "check"], &[("STRAWBOSS_CONFIG_TEXT", &text)]);
    assert!(code(&both) == 2 && both.err.contains("STRAWBOSS_CONFIG_TEXT"), "{}", both.err);
}

#[test]
fn a_configured_project_is_not_discovered_a_second_time() {
    let folder = Folder::new();
    projects(&folder);
    folder.write(
        "strawboss.yaml",
        "projects_dir: ./projects\nprojects:\n  Say Hello: { directory: ./projects/greeter, tries: 5 }\n",
    );
    let shown = folder.run(&["config", "show", "--json"]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    let names: Vec<&String> = shown["projects"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["Say Hello", "tally"]);
    let missing = folder.run_with(&["config", "check"], &[("STRAWBOSS_PROJECTS_DIR", "./nowhere")]);
    assert!(code(&missing) == 2 && missing.err.contains("nowhere"), "{}", missing.err);
}

#[test]
fn each_value_is_shown_with_where_it_came_from_and_no_secret_is() {
    let folder = Folder::new();
    projects(&folder);
    folder.write("url", "postgres://crew:hunter2@db.example.org/crew\n");
    folder.write(
        "strawboss.yaml",
        "projects_dir: ./projects\nlog:\n  max_age: 3d\n  files: true\nproviders:\n  local: { base_url: 'http://model:1', \
         secret_env: LOCAL_KEY }\nprojects:\n  greeter:\n    directory: ./projects/greeter\n    limits: { timeout: 1h }\n    \
         network: { allow: [crates] }\n    env: { API_TOKEN: hunter3, MODE: fast }\nrunner: { max_concurrent: 3 }\n",
    );
    let url = folder.path().join("url");
    let env = [
        ("DATABASE_URL_FILE", url.to_str().unwrap()),
        ("STRAWBOSS_MAX_CONCURRENT", "9"),
        ("LOG_LEVEL", "debug"),
        ("LOCAL_KEY", "hunter4"),
    ];
    let ran = folder.run_with(&["config", "show", "--json"], &env);
    assert_eq!(code(&ran), 0, "{}", ran.err);
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    for (path, origin) in [
        ("runner.max_concurrent", "environment STRAWBOSS_MAX_CONCURRENT"),
        ("log.level", "environment LOG_LEVEL"),
        ("log.max_age_seconds", "strawboss.yaml:3"),
        ("log.files", "strawboss.yaml:4"),
        ("log.format", "default"),
        ("projects_dir", "strawboss.yaml:1"),
        ("providers.local.secret.env", "strawboss.yaml:6"),
        ("projects.greeter.limits.timeout_ms", "strawboss.yaml:10"),
        ("projects.greeter.limits.cpus", "default"),
        ("projects.greeter.allow", "strawboss.yaml:11"),
        ("projects.greeter.tries", "default"),
        ("server.listen", "default"),
    ] {
        assert_eq!(shown["origins"][path], origin, "{path}: {}", shown["origins"]);
    }
    let tally = shown["origins"]["projects.tally.tries"].as_str().unwrap();
    assert!(tally.starts_with("folder ") && tally.ends_with("projects"), "{tally}");
    assert!(shown["origins"]["database"].as_str().unwrap().starts_with("environment DATABASE_URL in "), "{}", shown["origins"]);
    let people = folder.run_with(&["config", "show"], &env);
    assert!(people.out.contains("runner.max_concurrent = 9  # environment STRAWBOSS_MAX_CONCURRENT"), "{}", people.out);
    assert!(people.out.contains("projects.greeter.env.MODE = fast"), "{}", people.out);
    for text in [&ran.out, &people.out] {
        assert!(!text.contains("hunter"), "{text}");
        assert!(text.contains("db.example.org"), "{text}");
    }
}

#[test]
fn backups_containers_and_what_is_kept_are_shown_with_where_they_came_from() {
    let folder = Folder::new();
    folder.write(
        "strawboss.yaml",
        "sessions:\n  containers: { max: 3, network: { allow: [crates] } }\nbackup: { folder: ./there, every: 6h }\n",
    );
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let env = [
        ("STRAWBOSS_PUBLIC_URL", "https://crew.example.org"),
        ("STRAWBOSS_BACKUP_DIR", "/elsewhere"),
        ("STRAWBOSS_BACKUP_RECIPIENTS", recipient),
        ("STRAWBOSS_RETENTION_RECORDINGS_AGE", "12d"),
        ("STRAWBOSS_RETENTION_RECORDINGS_SIZE", "3g"),
        ("STRAWBOSS_RETENTION_REPORTS_AGE", "never"),
    ];
    let ran = folder.run_with(&["config", "show", "--json"], &env);
    assert_eq!(code(&ran), 0, "{}", ran.err);
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    for (path, value, origin) in [
        ("server/public_url", Value::from("https://crew.example.org"), "environment STRAWBOSS_PUBLIC_URL"),
        ("sessions/containers/max", 3.into(), "strawboss.yaml:2"),
        ("sessions/containers/allow", serde_json::json!(["crates"]), "strawboss.yaml:2"),
        ("sessions/containers/idle_seconds", Value::Null, "default"),
        ("backup/folder", "/elsewhere".into(), "environment STRAWBOSS_BACKUP_DIR"),
        ("backup/every_seconds", 21_600.into(), "strawboss.yaml:3"),
        ("backup/keep", 14.into(), "default"),
        ("backup/keep_age_seconds", 7_776_000.into(), "default"),
        ("backup/recipients", serde_json::json!([recipient]), "environment STRAWBOSS_BACKUP_RECIPIENTS"),
        ("retention/recordings/age", "12d".into(), "environment STRAWBOSS_RETENTION_RECORDINGS_AGE"),
        ("retention/recordings/size", "3g".into(), "environment STRAWBOSS_RETENTION_RECORDINGS_SIZE"),
        ("retention/reports/age", "never".into(), "environment STRAWBOSS_RETENTION_REPORTS_AGE"),
    ] {
        assert_eq!(shown.pointer(&format!("/{path}")), Some(&value), "{path}: {shown}");
        assert_eq!(shown["origins"][path.replace('/', ".")], origin, "{path}: {}", shown["origins"]);
    }
}

#[test]
fn backlogs_of_the_file_that_a_variable_overrules_are_named() {
    let folder = Folder::new();
    folder.write("priorities.csv", "Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model\n");
    folder.write(
        "strawboss.yaml",
        "server: { listen: '127.0.0.1:0', data_dir: ./state }\nrunner: { type: process }\nbacklogs:\n  - { type: csv, file: \
         ./mine.csv }\n",
    );
    let env = [("STRAWBOSS_BACKLOG", "./priorities.csv")];
    let ran = folder.run_with(&["config", "check"], &env);
    assert_eq!(code(&ran), 0, "{}", ran.err);
    for part in ["warning", "STRAWBOSS_BACKLOG names ", "priorities.csv", "nothing is read of ", "mine.csv", "strawboss.yaml:4"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    let mut service = folder.serve_with(&env);
    assert!(service.said("priorities.csv and overrules `backlogs`: nothing is read of "), "{}", service.log());
    assert_eq!(service.stop(), 0);
    let same = folder.run_with(&["config", "check"], &[("STRAWBOSS_BACKLOG", "./mine.csv")]);
    assert!(code(&same) == 0 && !same.err.contains("STRAWBOSS_BACKLOG"), "nothing is lost: {}", same.err);
}

#[test]
fn secrets_come_from_files_and_their_faults_are_said() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", "server: { listen: '127.0.0.1:0', data_dir: ./state }\nrunner: { type: process }\nproviders:\n  local: { base_url: 'http://127.0.0.1:9', secret_env: LOCAL_KEY }\n");
    let refused = |env: &[(&str, &str)], why: &str| {
        let ran = folder.run_with(&["serve"], env);
        assert!(code(&ran) == 2 && ran.err.contains(why), "{}: {}", code(&ran), ran.err);
        assert!(!ran.err.contains("sk-very"), "{}", ran.err);
    };
    // Without a provider's key the service runs: the models of that provider are blocked.
    let warned = |env: &[(&str, &str)], why: &str| {
        let mut service = folder.serve_with(env);
        assert!(service.said(why) && service.said("its models are not used"), "{}", service.log());
        assert!(!service.log().contains("sk-very"), "{}", service.log());
        assert_eq!(service.stop(), 0);
    };
    warned(&[], "LOCAL_KEY is not set");
    warned(&[("LOCAL_KEY_FILE", "/nowhere/key")], "LOCAL_KEY_FILE: /nowhere/key cannot be read");
    warned(&[("LOCAL_KEY_FILE", "strawboss.yaml"), ("LOCAL_KEY", "sk-very-secret")], "both set");
    refused(&[("DATABASE_URL_FILE", "/nowhere/url"), ("LOCAL_KEY", "x")], "DATABASE_URL_FILE: /nowhere/url cannot be read");
    folder.write("key", "sk-very-secret\n");
    let env = [("LOCAL_KEY_FILE", "key")];
    let mut service = folder.serve_with(&env);
    let token = folder.path().join("state/admin-token");
    let ran = folder.run_with(&["status"], &[("STRAWBOSS_TOKEN_FILE", token.to_str().unwrap())]);
    assert_eq!(code(&ran), 0, "{}", ran.err);
    let ran = folder.run_with(&["status"], &[("STRAWBOSS_TOKEN_FILE", "/nowhere/token")]);
    assert!(code(&ran) == 2 && ran.err.contains("STRAWBOSS_TOKEN_FILE"), "{}", ran.err);
    assert_eq!(service.stop(), 0);
}

#[test]
fn problems_are_told_to_programs_too() {
    let folder = Folder::new();
    folder.write("strawboss.yaml", "server: {}\nrunner: { max_concurrent: 0 }\n");
    let ran = folder.run(&["config", "check", "--json"]);
    let said: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((code(&ran), &said["ok"], &said["problems"][0]["line"]), (2, &false.into(), &2.into()), "{said}");
    folder.write("strawboss.yaml", "");
    let ran = folder.run(&["config", "check", "--json"]);
    let said: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((code(&ran), &said["ok"], &said["problems"]), (0, &true.into(), &serde_json::json!([])));
}

#[test]
fn a_reload_takes_over_what_can_change_says_what_cannot_and_refuses_what_is_wrong() {
    let folder = Folder::new();
    for name in ["one", "two"] {
        support::git(folder.path(), &["init", "--quiet", name]);
    }
    let config = |projects: &str, more: &str| {
        let start = "server: { listen: '127.0.0.1:0', data_dir: ./state";
        folder.write(
            "strawboss.yaml",
            &format!("{start}{more} }}\nrunner: {{ type: process, max_concurrent: 3 }}\nprojects: {{ {projects} }}\n"),
        );
    };
    let names = || -> Vec<String> {
        let listed: Value = serde_json::from_str(&folder.run(&["project", "list", "--json"]).out).unwrap();
        listed.as_array().unwrap().iter().map(|project| project["name"].as_str().unwrap().to_owned()).collect()
    };
    config("one: ./one", "");
    let mut service = folder.serve(&[]);
    assert_eq!(names(), ["one"]);
    let ran = folder.run(&["config", "reload"]);
    assert_eq!((code(&ran), ran.out.trim()), (0, "nothing has changed"), "{}", ran.err);
    config("one: ./one, two: ./two", ", public_names: [crew.example.org]");
    let ran = folder.run(&["config", "reload", "--json"]);
    let said: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&said["changed"], &said["after_restart"]),
        (&serde_json::json!(["projects.two"]), &serde_json::json!(["server.public_names"]))
    );
    assert_eq!(names(), ["one", "two"]);
    let again: Value = serde_json::from_str(&folder.run(&["config", "reload", "--json"]).out).unwrap();
    assert_eq!(again["after_restart"], serde_json::json!(["server.public_names"]), "it still needs one");
    folder.write("strawboss.yaml", "server: { listen: '127.0.0.1:0', data_dir: ./state }\nprojcts: {}\n");
    let token = std::fs::read_to_string(folder.path().join("state/admin-token")).unwrap();
    let env = [("STRAWBOSS_TOKEN", token.trim())];
    let args = ["--server", service.address(), "config", "reload"];
    let wrong = folder.run_with(&args, &env);
    assert!(code(&wrong) == 2 && wrong.err.contains("projcts"), "{}: {}", code(&wrong), wrong.err);
    config("two: ./two", "");
    assert_eq!(names(), ["one", "two"], "the wrong one changed nothing");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(service.id()).unwrap()), nix::sys::signal::Signal::SIGHUP)
        .unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while names() != ["two"] {
        assert!(std::time::Instant::now() < until, "{}", service.log());
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let reader = folder.run(&["token", "create", "writer", "--scope", "write"]);
    assert_eq!(code(&folder.run(&["--token", reader.out.trim(), "config", "reload"])), 4);
    assert_eq!(service.stop(), 0);
}

#[test]
fn a_reload_names_every_setting_that_holds_only_after_a_restart() {
    let folder = Folder::new();
    let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let first = "server: { listen: '127.0.0.1:0', data_dir: ./state }\nrunner: { type: process }\n";
    folder.write("strawboss.yaml", &format!("{first}log: {{ files: true }}\nbackup: {{ folder: ./backups }}\n"));
    let mut service = folder.serve(&[]);
    let token = std::fs::read_to_string(folder.path().join("state/admin-token")).unwrap();
    let reload = |text: &str| -> Vec<String> {
        folder.write("strawboss.yaml", text);
        let args = ["--server", service.address(), "config", "reload", "--json"];
        let ran = folder.run_with(&args, &[("STRAWBOSS_TOKEN", token.trim())]);
        assert_eq!(code(&ran), 0, "{}", ran.err);
        let said: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(said["changed"], serde_json::json!([]), "{said}");
        said["after_restart"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let said = reload(&format!(
        "server:\n  {{ listen: '127.0.0.1:7171', data_dir: ./other, doors_dir: ./doors, public_names: [crew.example.org], public_url: \
         'https://crew.example.org', trusted_proxies: [edge], registration: open, metrics_on_loopback: true, legacy_listen: \
         '127.0.0.1:7172' }}\n\
         database: 'postgres://crew@db.example.org/crew'\n\
         backlogs: [{{ type: csv, file: ./mine.csv }}]\n\
         runner: {{ type: docker, host: 'unix:///var/run/other.sock', doors_volume: doors, image: 'rust:1', gpus: ['0'] }}\n\
         scheduler: {{ preempt: false, auto_resume: false }}\n\
         sessions: {{ containers: {{ max: 1 }} }}\n\
         retention: {{ caches: {{ age: 1d }} }}\n\
         log: {{ files: true, max_size: 128m, max_age: 1d, format: json }}\n\
         backup: {{ folder: ./there, every: 1h, keep: 3, keep_age: 3d, recipients: [{key}] }}\n",
    ));
    let all = [
        "backlogs",
        "backup.every",
        "backup.folder",
        "backup.keep",
        "backup.keep_age",
        "backup.recipients",
        "database",
        "log.format",
        "log.max_age",
        "log.max_size",
        "retention",
        "runner.doors_volume",
        "runner.gpus",
        "runner.host",
        "runner.image",
        "runner.type",
        "scheduler",
        "server.data_dir",
        "server.doors_dir",
        "server.legacy_listen",
        "server.listen",
        "server.metrics_on_loopback",
        "server.public_names",
        "server.public_url",
        "server.registration",
        "server.trusted_proxies",
        "sessions",
    ];
    assert_eq!(said, all);
    assert_eq!(reload(first), ["backup", "log.files"]);
    assert_eq!(service.stop(), 0);
}
