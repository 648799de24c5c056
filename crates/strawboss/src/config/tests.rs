//! What a person writes, and what is said about it.

use super::{ConfigError, Flags, parse};
use crate::config::Config;
use crate::config::backlogs;
use crate::config::settings::{
    Backlog, ClaudeSource, Csv, Database, GithubAccess, PlanFile, PlaneAccess, RunnerKind, SecretSource,
};
use crate::environment::Environment;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strawboss_backlog::sheets::Spreadsheet;
use strawboss_core::ProjectName;
use strawboss_core::backlog::BacklogStatus;
use strawboss_core::project::{AfterMerge, AgentKind, Approval, Repository, ReviewMode};

const EXAMPLE: &str = include_str!("../../tests/files/example.yaml");

fn environment(values: &[(&str, &str)]) -> Environment {
    Environment::of(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn read_with(text: &str, flags: &Flags, values: &[(&str, &str)]) -> Result<Config, String> {
    let read = parse(Path::new("/work-folder/strawboss.yaml"), text, flags, &environment(values));
    read.map_err(|error| match error {
        ConfigError::Wrong(report) => report.render(false),
        other => other.to_string(),
    })
}

fn read(text: &str) -> Result<Config, String> {
    read_with(text, &Flags::default(), &[])
}

fn name(text: &str) -> ProjectName {
    ProjectName::parse(text).unwrap()
}

fn csv(backlog: &Backlog) -> &Csv {
    match backlog {
        Backlog::Csv(csv) => csv,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_example_of_the_design_is_read() {
    let config = read(EXAMPLE).unwrap();
    let settings = config.settings;
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:7070");
    assert_eq!(settings.server.data_dir, Path::new("/work-folder/.strawboss"));
    let csv = csv(&settings.backlogs[0]);
    assert_eq!((csv.file.as_path(), csv.in_review), (Path::new("/work-folder/priorities.csv"), BacklogStatus::InReview));
    let project = &settings.projects[&name("Antenna ML Pipeline")];
    let home = std::env::home_dir().unwrap();
    assert_eq!(project.repository, Repository::Directory(home.join("Projects/antenna")));
    assert_eq!((project.approval, project.review), (Approval::Auto, ReviewMode::Manual));
    assert_eq!(project.limits.memory_bytes, 4 << 30);
    assert_eq!(project.limits.timeout_ms, 2 * 3_600_000);
    assert_eq!(project.allow, ["crates", "github"]);
    assert_eq!(settings.models["Sonnet 4"].agent, AgentKind::Claude);
    assert!(!settings.models.contains_key("Qwen"), "its agent is not there yet");
    assert_eq!(settings.providers[0].secret, Some(SecretSource::Env("ANTHROPIC_API_KEY".to_owned())));
    assert_eq!((settings.runner.kind, settings.runner.max_concurrent), (RunnerKind::Auto, 2));
    let warnings: Vec<&str> = config.report.warnings().map(|problem| problem.message.as_str()).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(settings.scheduler.preempt && settings.scheduler.auto_resume);
}

#[test]
fn everything_can_be_said() {
    let text = "
server: { listen: 'localhost:8080', data_dir: /var/lib/crew, doors_dir: /doors, legacy_listen: '127.0.0.1:5001', registration: open, public_names: [crew.example.org], metrics_on_loopback: true }
database: sqlite
log: { level: 'info,strawboss_engine=debug', format: json }
sessions: { tmux: true, socket: /tmp/tmux-1000/default, discover: 2m, containers: { max: 3, idle: 12h, network: { allow: [debian] } } }
backlogs:
  - { type: csv, file: ~/list.csv, watch_interval: 2m, in_review: Queued }
agents: { shell: { command: make work }, claude: { version: 2.1.329 } }
models: { Local: { agent: claude, provider: local, model: qwen3 } }
providers: { local: { base_url: 'http://qwen:11434/v1', auth: none, prices: { qwen: { input: 0.1, output: 0.2 } } } }
runner: { type: process, max_concurrent: 7, image: 'debian:13', doors_volume: crew_doors, gpus: ['0'] }
projects:
  Short: ./repo
  Far: https://example.org/far.git
  Scp: git@example.org:team/far.git
  Long:
    url: ssh://git@example.org/long.git
    agent: shell
    model: Local
    image: rust:1
    setup: [cargo fetch]
    checks: ['cargo test']
    cache: [/home/agent/.cargo/]
    checks_cache: [/home/agent/.npm]
    env: { RUST_LOG: debug, EMPTY: }
    approval: manual
    review: auto
    tries: 3
    branch: release/1.x
    limits: { cpus: 0.5, memory: 512m, pids: 100, disk: 1g, timeout: 1h30m }
    network: { allow: [npm, '*.example.org', 'example.net:8443'], internal: ['mirror.lan:8080'] }
    max_concurrent: 4
    after_merge: push
";
    let config = read(text).unwrap();
    assert_eq!(config.report.problems, []);
    let settings = config.settings;
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    let csv = csv(&settings.backlogs[0]);
    assert_eq!((csv.watch_interval, csv.in_review), (Duration::from_mins(2), BacklogStatus::Queued));
    assert_eq!(settings.server.legacy_listen, Some("127.0.0.1:5001".parse().unwrap()));
    assert!(settings.server.registration);
    assert!(settings.sessions.tmux && settings.sessions.socket == Some("/tmp/tmux-1000/default".into()));
    let containers = &settings.sessions.containers;
    assert_eq!((containers.most, containers.idle), (3, Some(Duration::from_hours(12))));
    assert_eq!(containers.allow, ["debian"]);
    assert_eq!(settings.agents.claude, ClaudeSource::Version("2.1.329".to_owned()));
    assert_eq!(settings.projects[&name("Short")].repository, Repository::Directory("/work-folder/repo".into()));
    assert_eq!(settings.projects[&name("Far")].repository, Repository::Url("https://example.org/far.git".into()));
    assert_eq!(settings.projects[&name("Scp")].repository, Repository::Url("git@example.org:team/far.git".into()));
    let long = &settings.projects[&name("Long")];
    assert_eq!((long.tries, long.max_concurrent, long.after_merge), (3, 4, AfterMerge::Push));
    assert_eq!((long.cache.join(","), long.checks_cache.join(",")), ("/home/agent/.cargo".into(), "/home/agent/.npm".into()));
    assert_eq!(long.env.len(), 2);
    assert_eq!(long.internal, ["mirror.lan:8080"]);
    assert_eq!(long.limits.timeout_ms, 5_400_000);
    assert_eq!((settings.runner.kind, settings.runner.max_concurrent), (RunnerKind::Process, 7));
    assert_eq!((settings.server.doors_dir, settings.runner.doors_volume), ("/doors".into(), Some("crew_doors".to_owned())));
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let docs = include_str!("../../../../docs/configuration.md");
    let example = docs.split("```").find_map(|part| part.strip_prefix("yaml\n")).unwrap();
    let config = read(example).unwrap();
    assert_eq!(config.report.problems, []);
    let price = config.settings.providers[0].prices["claude-sonnet"];
    assert_eq!((price.input, price.output, price.cache_read, price.cache_write), (3.0, 15.0, 0.3, 3.75));
    for (preset, hosts) in strawboss_gateway::egress::PRESETS {
        let row = format!("| `{preset}` | {} |\n", hosts.join(", "));
        assert!(docs.contains(&row), "it lacks: {row}");
    }
}

#[test]
fn plans_are_a_backlog_beside_others() {
    let text = "backlogs:
  - { type: plan, file: ./plans.json, project: Antenna, watch_interval: 1m, in_review: Queued }
  - { type: plan, file: /srv/plans.json }
  - { type: csv, file: ./priorities.csv }
";
    let backlogs = read(text).unwrap().settings.backlogs;
    let plan = |file: &str, seconds, project: Option<&str>, in_review| {
        let (written, file) = (file.to_owned(), Path::new("/work-folder").join(file.trim_start_matches("./")));
        let watch_interval = Duration::from_secs(seconds);
        Backlog::Plan(PlanFile { written, file, watch_interval, project: project.map(name), in_review })
    };
    assert_eq!(backlogs[0], plan("./plans.json", 60, Some("Antenna"), BacklogStatus::Queued));
    assert_eq!(backlogs[1], plan("/srv/plans.json", 10, None, BacklogStatus::InReview));
    assert_eq!(csv(&backlogs[2]).file, Path::new("/work-folder/priorities.csv"));
    let said = read(
        "backlogs: [{ type: plan, file: ./a.json, encoding: utf-8 }, { type: csv, file: ./a.json, project: A }, { type: plna }]",
    )
    .unwrap_err();
    for part in
        ["unknown key `encoding`", "unknown key `project`", "another backlog's file", "Did you mean `plan`?", "has no `file`"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_price_that_is_left_out_is_not_taken_for_free() {
    let said =
        read("providers: { local: { base_url: 'http://qwen:11434', auth: none, prices: { qwen: { input: 1 } } } }").unwrap_err();
    assert!(said.contains("providers.local.prices.qwen has no `output`"), "{said}");
}

#[test]
fn five_errors_are_reported_at_once() {
    let text = "server: { listen: 127.0.0.1:7070, data_dri: ./.strawboss }
projcts: {}
backlogs:
  - { type: csv, file: ./priorities.csv, watch_interval: soon }
projects:
  Antenna:
    directory: ~/Projects/antenna
    agent: cluade
    limits: { memory: 4 gigs }
runner: { type: auto, max_concurrent: 0 }
";
    insta::assert_snapshot!(read(text).unwrap_err());
}

#[test]
fn a_wrong_value_of_each_type_is_explained() {
    let text = "server: [1, 2]
database: mysql
backlogs: { type: csv }
agents:
  shell: {}
  claude: { version: newest, path: ./claude }
models:
  A: { agent: claude, provider: nobody }
  B: fast
providers:
  one: { base_url: api.example.com, auth: api_key }
  two: { base_url: 'https://example.com', secret_env: sk-ant-0123456789, auth: oauth }
  'th ree': { base_url: 'https://example.com', api_key: hunter2 }
projects:
  Both: { directory: ./a, url: 'https://example.org/a' }
  Neither: { agent: claude }
  Helper: { url: 'ext::sh -c touch% /tmp/owned' }
  Password: { url: 'https://me:hunter2@example.org/a' }
  Nothing:
  Types:
    directory: ./a
    agent: shell
    model: C
    setup: cargo fetch
    checks: [[a]]
    cache: [relative, /home/../etc]
    env: { '1X': y, GITHUB_TOKEN: z, LIST: [a] }
    approval: sometimes
    tries: many
    branch: refs/heads/main
    limits: { cpus: -1, memory: 1m, pids: 3.5, timeout: 5, colour: red }
    network: { allow: ['https://example.org/x', crate], internal: [mirror] }
    review: yes
runner: { type: podman }
scheduler: { preempt: yes }
log: { level: loud, format: xml }
";
    let report = read(text).unwrap_err();
    assert!(!report.contains("hunter2") && !report.contains("sk-ant-0123456789"), "a secret was repeated:\n{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn what_is_no_yaml_is_shown_where_it_breaks() {
    insta::assert_snapshot!(read("server: {\nprojects:\n  A: [1\n").unwrap_err());
}

#[test]
fn variables_and_then_flags_overrule_the_file() {
    let values = [
        ("STRAWBOSS_LISTEN", "127.0.0.1:1"),
        ("STRAWBOSS_RUNNER", "process"),
        ("STRAWBOSS_MAX_CONCURRENT", "5"),
        ("STRAWBOSS_DOORS_DIR", "/doors"),
        ("STRAWBOSS_DOORS_VOLUME", "crew_doors"),
    ];
    let flags = Flags { listen: Some("0.0.0.0:2".to_owned()), ..Flags::default() };
    let settings = read_with(EXAMPLE, &flags, &values).unwrap().settings;
    assert_eq!(settings.server.listen.to_string(), "0.0.0.0:2");
    assert_eq!((settings.runner.kind, settings.runner.max_concurrent), (RunnerKind::Process, 5));
    assert_eq!((settings.server.doors_dir, settings.runner.doors_volume), ("/doors".into(), Some("crew_doors".to_owned())));
    let flags = Flags { data_dir: Some("/somewhere/else".to_owned()), ..Flags::default() };
    let server = read_with(EXAMPLE, &flags, &[]).unwrap().settings.server;
    assert_eq!((server.data_dir, server.doors_dir), (PathBuf::from("/somewhere/else"), PathBuf::from("/somewhere/else")));
    let wrong = read_with(EXAMPLE, &Flags::default(), &[("STRAWBOSS_DOORS_VOLUME", "/doors")]).unwrap_err();
    assert!(wrong.contains("must be a volume's name"), "{wrong}");
}

#[test]
fn wrong_variables_and_flags_are_reported_with_the_file() {
    let values = [
        ("STRAWBOSS_LISTEN", "nowhere"),
        ("STRAWBOSS_RUNNER", "dokcer"),
        ("DATABASE_URL", "postgre://user:hunter2@host/db"),
        ("LOG_LEVEL", "=="),
        ("STRAWBOSS_LOG_FORMAT", "xml"),
    ];
    let flags = Flags { max_concurrent: Some("lots".to_owned()), ..Flags::default() };
    let report = read_with("serve: {}\n", &flags, &values).unwrap_err();
    assert!(!report.contains("hunter2"), "{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn a_database_is_shown_without_its_password() {
    let url = "postgres://crew:hunter2@db:5432/crew?sslmode=require";
    let config = read(&format!("database: '{url}'\n")).unwrap();
    let Database::Postgres(read) = &config.settings.database else { panic!("{:?}", config.settings.database) };
    assert_eq!(read.reveal(), url);
    assert!(!format!("{:?} {read}", config.settings).contains("hunter2"));
    // The variable overrules the file.
    let report = read_with("database: mysql\n", &Flags::default(), &[("DATABASE_URL", "sqlite")]).unwrap();
    assert_eq!(report.settings.database, Database::Sqlite);
}

#[test]
fn an_empty_file_is_a_configuration_without_projects() {
    let config = read("# nothing yet\n").unwrap();
    assert!(config.settings.projects.is_empty());
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_written_makes_it_panic(text in "[ -~\n\u{e9}]{0,200}") {
        let _ = read(&text);
        let _ = read(&format!("projects:\n  {text}"));
    }
}

#[test]
fn issues_of_a_repository_are_a_backlog() {
    let text = "backlogs:
  - { type: github, repository: acme/antenna, project: Antenna, token_env: GITHUB_TOKEN }
  - { type: csv, file: ./list.csv }
  - type: github
    repository: acme/antenna
    name: docs
    project: Antenna
    token_file: ./token
    base_url: https://github.example.org/api/v3/
    labels: [crew, docs]
    poll_interval: 5m
    trusted: [OWNER, ann]
    priorities: { Urgent: 1 }
    done: { close: false, label: shipped }
    github_project: { org: acme, number: 7, query: '-status:Backlog' }
  - { type: github, repository: acme/horn, project: Antenna, app: { id: Iv23liX, installation: 7, key_env: APP_KEY } }
  - { type: github, repository: acme/dish, project: Antenna, app: { id: 1001, key_file: ./app.pem } }
projects: { Antenna: ./antenna }
";
    let settings = read(text).unwrap().settings;
    let [Backlog::Github(first), Backlog::Csv(_), Backlog::Github(second), Backlog::Github(third), Backlog::Github(fourth)] =
        settings.backlogs.as_slice()
    else {
        panic!("{:?}", settings.backlogs)
    };
    assert_eq!((first.issues.repository.as_str(), first.issues.poll_interval), ("acme/antenna", Duration::from_mins(1)));
    assert_eq!(first.issues.trusted, ["OWNER", "MEMBER", "COLLABORATOR"]);
    assert!(first.issues.done_close);
    assert_eq!(second.issues.base_url, "https://github.example.org/api/v3");
    assert_eq!((second.issues.labels.len(), second.issues.trusted.len(), second.issues.priorities["Urgent"]), (2, 2, 1));
    assert_eq!((second.issues.done_close, second.issues.done_label.as_deref()), (false, Some("shipped")));
    assert!(second.issues.github_project.as_ref().is_some_and(|project| project.to_string() == "project 7 of acme"));
    let key = SecretSource::Env("APP_KEY".to_owned());
    assert_eq!(third.access, GithubAccess::App { id: "Iv23liX".to_owned(), installation: Some(7), key });
    let GithubAccess::App { id, installation: None, key: SecretSource::File(_) } = &fourth.access else {
        panic!("{:?}", fourth.access)
    };
    assert_eq!(id, "1001");
}

#[test]
fn tickets_of_a_workspace_are_a_backlog() {
    let text = "backlogs:
  - { type: plane, workspace: acme, projects: { WEB: Antenna, APP: Other }, api_key_env: PLANE_API_KEY }
  - type: plane
    name: second
    projects: { 4af68566-94a4-4eb3-94aa-50dc9427067b: Other }
    claude_json: ./claude.json
    api_url: https://plane.example.org/api/v1/
    web_url: https://plane.example.org
    poll_interval: 5m
    triggers: { new_tickets: all, comments: '@crew', status_changes: [{ from: Backlog, to: Todo }, { to: started }] }
    trusted: [ADMIN, ann@example.org]
    done_state: Shipped
    failed_state: Todo
    states: { in_progress: started, in_review: In Review }
projects: { Antenna: { directory: ./antenna, approval: auto }, Other: ./other }
";
    let settings = read(text).unwrap().settings;
    let [Backlog::Plane(first), Backlog::Plane(second)] = settings.backlogs.as_slice() else { panic!("{:?}", settings.backlogs) };
    let approved: Vec<bool> = first.tickets.projects.iter().map(|project| project.approved).collect();
    assert_eq!(approved, [true, false], "only what says `auto` by itself starts unasked");
    assert_eq!((first.tickets.done_state.as_str(), first.tickets.poll_interval), ("completed", Duration::from_mins(1)));
    assert!(matches!(&second.access, PlaneAccess::ClaudeJson(path) if path.ends_with("claude.json")), "{second:?}");
    assert_eq!(second.api_url.as_deref(), Some("https://plane.example.org/api/v1"));
    assert_eq!((second.tickets.triggers.status_changes.len(), second.tickets.states.len()), (2, 2));
    let shown = backlogs::shown(&settings.backlogs[1]);
    assert_eq!(shown["triggers"]["status_changes"][0], serde_json::json!({ "from": "Backlog", "to": "Todo" }));
    assert_eq!((&shown["triggers"]["new_tickets"], &shown["states"]["in_review"]), (&"all".into(), &"In Review".into()));
}

#[test]
fn what_is_wrong_with_a_workspace_is_said() {
    let text = "backlogs:
  - { type: plane, workspace: 'https://app.plane.so/acme', projects: {}, api_key: plane_api_0123456789abcdef }
  - { type: plane, projects: { WEB: A }, api_key_env: T, claude_json: ./c, api_url: 'https://me:hunter2@example.org' }
  - { type: plane, projects: { WEB: A }, api_key_env: T, trusted: [ADMINS, ann], triggers: { new_tickets: some, status_changes: [{ from: a }] } }
  - { type: plane, workspace: acme, projects: { WEB: A }, api_key_env: T, states: { done: x } }
  - { type: plane, workspace: two, projects: { WEB: A }, api_key_env: T }
  - { type: plane, workspace: two, projects: { APP: A }, api_key_env: T }
projects: { A: ./a }
";
    let said = read(text).unwrap_err();
    for part in [
        "backlogs[0].workspace must be a workspace's slug",
        "backlogs[0].api_key is a secret, which must not stand in the configuration",
        "backlogs[1].claude_json stands beside an API key",
        "backlogs[1].api_url must be an address",
        "backlogs[2] has no `workspace`",
        "`ADMINS` is no role that Plane knows",
        "`ann` is neither a role in capitals nor an e-mail address nor an id",
        "must be one of true, false, all, not `some`",
        "status_changes[0] has no `to`",
        "unknown key `done`",
        "backlogs[5] is of a workspace that another backlog is of",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("hunter2") && !said.contains("0123456789abcdef"), "{said}");
}

#[test]
fn what_is_wrong_with_a_repository_is_said() {
    let text = "backlogs:
  - { type: github, repository: 'https://github.com/acme/antenna', project: A, token: ghp_0123456789 }
  - { type: github, token_env: ghp_0123456789, base_url: 'https://me:hunter2@example.org', labels: 'a,b' }
  - { type: github, repository: acme/one, project: A, token_env: T, trusted: [OWNERS], labels: ['a,b'], polling: 3 }
  - { type: github, repository: acme/two, project: A, token_env: T }
  - { type: github, repository: Acme/two, project: A, token_env: T }
  - { type: github, repository: acme/3, project: A, token_env: T, app: { id: 1, key_env: K } }
  - { type: github, repository: acme/4, project: A, app: { installation: 0, key: ghs_0123456789 } }
  - { type: github, repository: acme/5, project: A, app: { id: 'my app' } }
  - { type: github, repository: acme/6, project: A, token_env: T, github_project: { org: 'a b', user: ann } }
projects: { A: ./a }
";
    let said = read(text).unwrap_err();
    for part in [
        "backlogs[5].app stands beside a token",
        "backlogs[6].app has no `id`",
        "backlogs[6].app.installation must be",
        "backlogs[6].app.key is a secret, which must not stand in the configuration",
        "backlogs[7].app.id must be the App's client ID or its number",
        "backlogs[7].app has no key",
        "backlogs[8].github_project.org must be a login, not `a b`",
        "has a `github_project` that names no project",
        "backlogs[0].repository must be a repository",
        "backlogs[0].token is a secret, which must not stand in the configuration",
        "backlogs[1] has no `repository`",
        "backlogs[1] has no `project`",
        "backlogs[1].token_env must be the name of an environment variable, not the secret itself",
        "backlogs[1].base_url must be the address of an API",
        "backlogs[1].labels must be a list of labels",
        "`OWNERS` is no association that GitHub knows",
        "must be one label, without a comma",
        "unknown key `polling`",
        "backlogs[4].repository is another backlog's already",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("ghp_0123") && !said.contains("hunter2") && !said.contains("ghs_0123"), "{said}");
}

#[test]
fn a_worksheet_is_a_backlog() {
    let id = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms";
    let text = format!(
        "backlogs:
  - {{ type: sheets, spreadsheet: 'https://docs.google.com/spreadsheets/d/{id}/edit#gid=7', credentials_file: ./key.json }}
  - {{ type: sheets, spreadsheet: {id}, worksheet: Later, credentials_file: /etc/key.json, poll_interval: 5m, in_review: Queued }}
  - {{ type: sheets, spreadsheet_name: CTO Sidekick - Projects, worksheet_name: Projects, credentials_file: ~/key.json, sync_interval: 60 }}
"
    );
    let settings = read(&text).unwrap().settings;
    let sheets: Vec<_> =
        settings.backlogs.iter().filter_map(|one| if let Backlog::Sheets(one) = one { Some(one) } else { None }).collect();
    assert_eq!(sheets.len(), 3);
    assert_eq!(sheets[0].worksheet.spreadsheet, Spreadsheet::Id(id.to_owned()));
    assert_eq!(sheets[0].worksheet.credentials_file, Path::new("/work-folder/key.json"));
    assert_eq!((sheets[0].worksheet.poll_interval, sheets[0].in_review), (Duration::from_mins(1), BacklogStatus::InReview));
    assert_eq!((sheets[1].worksheet.worksheet.as_deref(), sheets[1].in_review), (Some("Later"), BacklogStatus::Queued));
    assert_eq!(sheets[2].worksheet.name(), "sheets:CTO Sidekick - Projects/Projects");
}

#[test]
fn what_is_wrong_with_a_worksheet_is_said() {
    let id = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms";
    let text = format!(
        "backlogs:
  - {{ type: sheets, spreadsheet: My list }}
  - {{ type: sheets, credentials_file: ./k, spreadsheet: {id}, spreadsheet_name: x, poll_interval: 5m, sync_interval: 60, worksheets: A }}
  - {{ type: sheets, credentials_file: ./k, spreadsheet: {id}, base_url: 'ftp://x', poll_interval: 0 }}
  - {{ type: sheets, credentials_file: ./k, spreadsheet: {id} }}
  - {{ type: sheets, credentials_file: ./k, spreadsheet: {id} }}
  - {{ type: sheets, credentials_file: ./k }}
"
    );
    let said = read(&text).unwrap_err();
    for part in [
        "backlogs[0] has no `credentials_file`",
        "backlogs[0].spreadsheet must be the address or the id of a spreadsheet, not `My list`",
        "backlogs[1].spreadsheet_name stands beside `spreadsheet`",
        "backlogs[1].sync_interval stands beside `poll_interval`",
        "unknown key `worksheets`",
        "Did you mean `worksheet`?",
        "backlogs[2].base_url must be the address of an API",
        "backlogs[2].poll_interval must be from 1 to 86400 seconds",
        "backlogs[4].spreadsheet is another backlog's already",
        "backlogs[5] has no `spreadsheet`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn without_a_word_work_comes_from_a_sheet_with_a_key_else_from_the_file_beside() {
    let dir = tempfile::tempdir().unwrap();
    let of = |text: &str, values: &[(&str, &str)]| {
        let config = parse(&dir.path().join("strawboss.yaml"), text, &Flags::default(), &environment(values)).unwrap();
        let names = config.settings.backlogs.iter().map(ToString::to_string).collect::<Vec<_>>();
        (names, config.report.warnings().map(|problem| problem.message.clone()).collect::<Vec<_>>())
    };
    let chosen = |values: &[(&str, &str)]| of("", values).0;
    let named = ("STRAWBOSS_SPREADSHEET", "CTO Sidekick - Projects");
    let csv = dir.path().join("priorities.csv").display().to_string();
    assert_eq!(chosen(&[]), [""; 0]);
    std::fs::write(&csv, "").unwrap();
    assert_eq!(chosen(&[]), [csv.as_str()]);
    // A key that is there for other programs asks for nothing.
    assert_eq!(chosen(&[("GOOGLE_APPLICATION_CREDENTIALS", "/etc/key.json")]), [csv.as_str()]);
    let (names, warnings) = of("", &[named]);
    assert_eq!((names, warnings.len()), (vec![csv.clone()], 1), "a sheet without a key is said, and the file is taken");
    assert!(warnings[0].contains("there is no key to read it with"));
    let sheet = ["sheets:CTO Sidekick - Projects"];
    assert_eq!(chosen(&[named, ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/key.json")]), sheet);
    assert_eq!(
        chosen(&[named, ("STRAWBOSS_SHEETS_CREDENTIALS", "/etc/key.json"), ("STRAWBOSS_WORKSHEET", "Later")]),
        ["sheets:CTO Sidekick - Projects/Later"]
    );
    std::fs::create_dir(dir.path().join("credentials")).unwrap();
    std::fs::write(dir.path().join("credentials/sheets-api.json"), "{}").unwrap();
    assert_eq!(chosen(&[named]), sheet);
    assert_eq!(chosen(&[]), [csv.as_str()]);
    // What is said counts, also that there is none.
    assert_eq!(of("backlogs: []\n", &[named]).0, [""; 0]);
    assert_eq!(chosen(&[named, ("STRAWBOSS_BACKLOG", "/srv/list.csv")]), ["/srv/list.csv"]);
}

#[test]
fn a_terminal_on_the_host_is_served_only_when_it_is_said() {
    let settings = read("{}\n").unwrap().settings;
    assert!(!settings.sessions.tmux && settings.server.legacy_listen.is_none());
    let values = [("STRAWBOSS_TMUX", "true"), ("STRAWBOSS_TMUX_SOCKET", "/tmp/tmux-1000/default")];
    let settings = read_with("{}\n", &Flags::default(), &values).unwrap().settings;
    assert!(settings.sessions.tmux && settings.sessions.socket == Some("/tmp/tmux-1000/default".into()));
    for (open, why) in
        [("0.0.0.0:5001", "nobody signs in"), ("'[::]:5001'", "nobody signs in"), ("nowhere", "an address and a port")]
    {
        let wrong = read(&format!("server: {{ legacy_listen: {open} }}\n")).unwrap_err();
        assert!(wrong.contains(why), "{wrong}");
    }
}

#[test]
fn pull_requests_are_opened_where_the_projects_issues_are_or_where_it_says() {
    let text = "backlogs:
  - { type: github, repository: acme/antenna, project: Antenna, token_env: T, poll_interval: 5m, base_url: https://hub.example.org/api/v3 }
projects:
  Antenna: { directory: ./a, review: pull_request, pull_request: { merge: squash, draft: true } }
  Horn:
    directory: ./h
    review: pull_request
    pull_request: { repository: acme/horn, app: { id: Iv23liX, key_file: ./app.pem }, remote: 'git@github.com:acme/horn.git', poll_interval: 30 }
  Dish: { directory: ./d, pull_request: { merge: rebase } }
";
    let config = read(text).unwrap();
    let of = |name: &str| config.settings.pull_requests.get(&ProjectName::parse(name).unwrap());
    let antenna = of("Antenna").unwrap();
    assert_eq!((antenna.repository.as_str(), antenna.base_url.as_str()), ("acme/antenna", "https://hub.example.org/api/v3"));
    assert_eq!((antenna.merge.word(), antenna.draft, antenna.poll_interval), ("squash", true, Duration::from_mins(5)));
    assert_eq!(antenna.access, GithubAccess::Token(SecretSource::Env("T".to_owned())));
    let horn = of("Horn").unwrap();
    assert_eq!((horn.repository.as_str(), horn.base_url.as_str()), ("acme/horn", "https://api.github.com"));
    assert_eq!((horn.remote.as_deref(), horn.merge.word()), (Some("git@github.com:acme/horn.git"), "merge"));
    assert!(of("Dish").is_none());
    let warned: Vec<_> = config.report.warnings().map(|problem| problem.message.clone()).collect();
    assert!(warned.iter().any(|said| said.contains("projects.Dish.pull_request says how")), "{warned:?}");
}

#[test]
fn what_is_wrong_with_pull_requests_is_said() {
    let text = "backlogs:
  - { type: github, repository: acme/antenna, project: Antenna, token_env: T }
projects:
  Antenna: { directory: ./a, review: pull_request, pull_request: { base_url: https://other.example.org/api/v3 } }
  Horn: { directory: ./h, review: pull_request }
  Dish: { directory: ./d, review: pull_request, pull_request: { repository: dish, merge: fast, remote: 'https://me:hunter2@x.org/y' } }
  Mast: { directory: ./m, review: pull_requests }
";
    let said = read(text).unwrap_err();
    for part in [
        "projects.Antenna is reviewed by pull requests, and nothing says on which repository",
        "projects.Horn is reviewed by pull requests, and nothing says on which repository",
        "projects.Dish.pull_request.repository must be a repository on GitHub",
        "projects.Dish.pull_request.merge must be",
        "a URL must not hold credentials",
        "projects.Mast.review must be",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}
