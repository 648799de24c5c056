//! The plan file holds to what every source holds to, and to what is its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use strawboss_backlog::conformance::{Fixture, Said, Sight, Wish, holds};
use strawboss_backlog::plan::{Book, Edit, PlanBacklog, PlanConfig, commands, lint, markdown};
use strawboss_core::Timestamp;
use strawboss_core::backlog::{Backlog, BacklogStatus, Reading, SourceItem, WriteBack, WriteOutcome};

fn open(path: &Path) -> PlanBacklog {
    PlanBacklog::new(PlanConfig { file: path.to_owned(), base: None, watch_interval: Duration::from_secs(10), project: None })
}

fn texts() -> impl proptest::strategy::Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "```",
        "~~~",
        "\n",
        "\n\n",
        "## ",
        "Phase 1: ",
        "- [x] ",
        "[✗] 0. ",
        "IMPORTANT NOTE:",
        "**",
        "`",
        "'",
        "\"",
        "\\",
        "$(",
        ")",
        "{",
        "}",
        "<<EOF",
        "EOF",
        "if ",
        "fi",
        ";",
        "|",
        "&",
        "ü",
        "‚Äî",
        "日本",
        "\u{feff}",
        "<task_id>",
        "a",
        " ",
        "\t",
        "\r\n",
        "+08:00",
        "2025-08-17T12:00:00",
    ]);
    proptest::strategy::Strategy::prop_map(proptest::collection::vec(piece, 0..24), |pieces| pieces.concat())
}

proptest::proptest! {
    /// Whatever people write: it is understood or not, every command stands in its lines, and an edit changes what it means.
    #[test]
    fn any_text_is_a_phase(text in texts(), other in texts(), updated in texts()) {
        let json = json!([{ "id": "a", "updated": updated, "description": other, "todos": [{ "text": text }, { "text": other, "done": true }] }]);
        let book = Book::parse(serde_json::to_vec_pretty(&json).unwrap()).unwrap();
        for block in book.plans[0].phases[0].read().blocks {
            let mut last = 0;
            for command in commands(&block.lines) {
                assert!(last < command.line && command.line <= command.last && command.last <= block.lines.len());
                assert_eq!(command.text, block.lines[command.line - 1..command.last].join("\n"));
                last = command.last;
            }
        }
        lint(&book);
        drop(markdown::read(text.as_bytes()));
        drop(markdown::read(markdown::write(&book.plans[0]).as_bytes()));
        let mut edit = Edit::of(&book, "2026-01-15T10:00:00Z".parse().unwrap());
        edit.set_done(0, 0, true).unwrap();
        edit.add_phase(0, &other).unwrap();
        let after: Value = serde_json::from_str(&edit.finish()).unwrap();
        let mut expected = json;
        expected[0]["todos"][0]["done"] = true.into();
        expected[0]["todos"].as_array_mut().unwrap().push(json!({ "text": other, "done": false }));
        expected[0]["updated"] = after[0]["updated"].clone();
        assert_eq!(after, expected);
    }
}

/// A person with a program that reads and writes whole files. Each project has a plan of its own.
struct Person {
    _dir: tempfile::TempDir,
    path: PathBuf,
    by_id: bool,
}

impl Person {
    fn new(by_id: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plans.json");
        std::fs::write(&path, if by_id { "{}" } else { "[]" }).unwrap();
        Self { _dir: dir, path, by_id }
    }

    fn plans(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.path).unwrap()).unwrap()
    }

    fn save(&self, plans: &Value) {
        let aside = self.path.with_extension("json~");
        std::fs::write(&aside, serde_json::to_string_pretty(plans).unwrap()).unwrap();
        std::fs::rename(&aside, &self.path).unwrap();
    }

    fn each(plans: &mut Value) -> Vec<&mut Value> {
        match plans {
            Value::Array(plans) => plans.iter_mut().collect(),
            plans => plans.as_object_mut().unwrap().values_mut().collect(),
        }
    }

    fn change(&self, action: &str, change: impl FnOnce(&mut Value)) {
        let mut plans = self.plans();
        let todos = Self::each(&mut plans).into_iter().flat_map(|plan| plan["todos"].as_array_mut().unwrap());
        change(todos.into_iter().find(|todo| todo["text"] == action).unwrap());
        self.save(&plans);
    }
}

#[async_trait::async_trait]
impl Fixture for Person {
    async fn open(&mut self) -> Arc<dyn Backlog> {
        Arc::new(open(&self.path))
    }

    async fn add(&mut self, wish: &Wish<'_>) {
        let mut plans = self.plans();
        let todo = json!({ "text": wish.action, "done": false, "priority": wish.priority, "deadline": wish.deadline,
            "gpu": wish.gpu, "model": wish.model, "strawboss": { "status": wish.status, "agent": "", "at": "" } });
        let known = Self::each(&mut plans).into_iter().find(|plan| plan["project"] == wish.project);
        if let Some(plan) = known {
            plan["todos"].as_array_mut().unwrap().push(todo);
        } else {
            let id = format!("{:03}", Self::each(&mut plans).len());
            let plan = json!({ "id": id, "description": "", "status": "in_progress", "project": wish.project, "todos": [todo] });
            if self.by_id { plans[&id] = plan } else { plans.as_array_mut().unwrap().push(plan) }
        }
        self.save(&plans);
    }

    async fn set_status(&mut self, action: &str, status: &str) {
        self.change(action, |todo| {
            todo["strawboss"]["status"] = status.into();
            todo["done"] = (status == "Completed").into();
        });
    }

    async fn set_action(&mut self, action: &str, new: &str) {
        self.change(action, |todo| todo["text"] = new.into());
    }

    async fn remove(&mut self, action: &str) {
        let mut plans = self.plans();
        for plan in Self::each(&mut plans) {
            plan["todos"].as_array_mut().unwrap().retain(|todo| todo["text"] != action);
        }
        self.save(&plans);
    }

    async fn block(&mut self, _: &str, _: &str) -> Said {
        // Each phase of a plan waits for the one before.
        Said::Done
    }

    async fn add_as_stranger(&mut self, _: &Wish<'_>) -> Said {
        Said::Impossible
    }

    async fn take_away(&mut self) {
        std::fs::rename(&self.path, self.path.with_extension("elsewhere")).unwrap();
    }

    async fn give_back(&mut self) {
        std::fs::rename(self.path.with_extension("elsewhere"), &self.path).unwrap();
    }

    async fn see(&mut self, action: &str) -> Option<Sight> {
        let mut plans = self.plans();
        let todos = Self::each(&mut plans).into_iter().flat_map(|plan| plan["todos"].as_array().unwrap());
        let todo = todos.into_iter().find(|todo| todo["text"] == action)?;
        let word = |name: &str| todo["strawboss"][name].as_str().unwrap().to_owned();
        Some(Sight { status: word("status"), agent: Some(word("agent")), last_update: Some(word("at")) })
    }
}

#[tokio::test]
async fn a_list_of_plans() {
    holds(async || Person::new(false)).await;
}

#[tokio::test]
async fn plans_by_their_ids() {
    holds(async || Person::new(true)).await;
}

struct Folder {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn written(text: &str) -> Folder {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plans.json");
    std::fs::write(&path, text).unwrap();
    Folder { _dir: dir, path }
}

async fn items(backlog: &PlanBacklog) -> Vec<SourceItem> {
    match backlog.read().await {
        Reading::Items { items, .. } => items,
        Reading::Unreadable { problem } => panic!("{}", problem.message),
    }
}

fn write(item: &SourceItem, status: BacklogStatus, known: Option<BacklogStatus>) -> WriteBack {
    // 2026-01-15T10:00:00Z
    WriteBack {
        native_ref: item.native_ref.clone(),
        status,
        agent: "claude (p-1.1)".to_owned(),
        at: Timestamp(1_768_471_200_000),
        known,
        report: None,
        earlier: Vec::new(),
    }
}

const PLAN: &str = r#"[
  {
    "id": "a",
    "project": "P",
    "status": "in_progress",
    "updated": "2025-08-17T12:00:00+08:00",
    "todos": [
      {
        "text": "PHASE 0: Set up\n```bash\nshow <task_id>\n```\nIMPORTANT NOTE:\n- heed ü",
        "done": true
      },
      {
        "text": "PHASE 1: Build",
        "done": false
      },
      {
        "text": "PHASE 2: Ship",
        "done": false,
        "mine": {"x": 1.50}
      }
    ]
  },
  {"id": "closed", "status": "archived", "todos": [{"text": "x"}]}
]
"#;

#[tokio::test]
async fn each_phase_depends_on_the_one_before() {
    let folder = written(PLAN);
    let items = items(&open(&folder.path)).await;
    let told: Vec<_> = items.iter().map(|item| (item.status, item.line, item.depends_on.clone())).collect();
    let before = |at: usize| vec![items[at].native_ref.clone()];
    assert_eq!(
        told,
        [(BacklogStatus::Completed, 8, vec![]), (BacklogStatus::Pending, 12, before(0)), (BacklogStatus::Pending, 16, before(1))]
    );
    assert_eq!(items[0].action, "PHASE 0: Set up\n```bash\nshow a\n```\nIMPORTANT NOTE:\n- heed ü");
    assert!(items[1].native_ref.starts_with("plan:a/build-"), "{}", items[1].native_ref);
}

#[tokio::test]
async fn a_phase_leads_to_its_plan() {
    let folder = written(&PLAN.replace("PHASE 2: Ship\"", "PHASE 2: Ship\\nwith <task_id>\""));
    let backlog = open(&folder.path);
    let items = items(&backlog).await;
    let outline = backlog.outline(&items[1].native_ref).await.unwrap().unwrap();
    assert_eq!(outline.id, "a");
    let told: Vec<_> = outline.phases.iter().map(|phase| (phase.native_ref.as_str(), phase.title.as_str(), phase.done)).collect();
    let name = |at: usize| items[at].native_ref.as_str();
    assert_eq!(told, [(name(0), "PHASE 0: Set up", true), (name(1), "PHASE 1: Build", false), (name(2), "PHASE 2: Ship", false)]);
    assert_eq!(outline.phases[2].text, "PHASE 2: Ship\nwith a");
    for none in ["plan:closed/x", "plan:a/nothing", "", "id:1"] {
        assert_eq!(backlog.outline(none).await.unwrap(), None, "{none}");
    }
    std::fs::write(&folder.path, "[").unwrap();
    assert!(backlog.outline(name(1)).await.unwrap_err().contains("Cannot read"));
}

#[tokio::test]
async fn a_phase_put_in_before_renames_none() {
    let folder = written(PLAN);
    let backlog = open(&folder.path);
    let before = items(&backlog).await;
    let more = PLAN
        .replace(
            "\"todos\": [\n      {\n        \"text\": \"PHASE 0",
            "\"todos\": [\n      {\"text\": \"PHASE 0: New\"},\n      {\n        \"text\": \"PHASE 1",
        )
        .replace("PHASE 2: Ship", "Phase 3 – Ship\\nwith more below")
        .replace("PHASE 1: Build", "PHASE 2: Build");
    std::fs::write(&folder.path, more).unwrap();
    let after = items(&backlog).await;
    assert_eq!(after.len(), 4);
    for (old, new) in before.iter().zip(&after[1..]) {
        assert_eq!(old.native_ref, new.native_ref);
    }
}

#[tokio::test]
async fn no_two_phases_have_one_name() {
    let folder = written(
        r#"[{"id":"a","project":"P","todos":[{"id":"x","text":"1"},{"id":"x","text":"2"},{"id":"x#2","text":"3"},{"id":"b/id:y","text":"4"},
        {"text":"same"},{"text":"Phase 7: Same"}]},{"id":"a/id:b","project":"P","todos":[{"id":"y","text":"5"}]}]"#,
    );
    let names: std::collections::HashSet<_> = items(&open(&folder.path)).await.into_iter().map(|item| item.native_ref).collect();
    assert_eq!(names.len(), 7, "{names:?}");
}

#[tokio::test]
async fn what_is_written_back_is_a_tick_and_a_word() {
    let folder = written(PLAN);
    let backlog = open(&folder.path);
    let before = items(&backlog).await;
    let writes = [
        write(&before[1], BacklogStatus::Completed, Some(BacklogStatus::Pending)),
        write(&before[2], BacklogStatus::InProgress, Some(BacklogStatus::Pending)),
    ];
    for _ in 0..2 {
        assert_eq!(backlog.write_back(&writes).await.unwrap(), [WriteOutcome::Written, WriteOutcome::Written]);
        let ours = |status: &str| {
            format!(
                ",\n        \"strawboss\": {{\"status\": \"{status}\", \"agent\": \"claude (p-1.1)\", \"at\": \"2026-01-15T10:00:00Z\"}}"
            )
        };
        let expected = PLAN
            .replace("Build\",\n        \"done\": false", &format!("Build\",\n        \"done\": true{}", ours("Completed")))
            .replace("{\"x\": 1.50}", &format!("{{\"x\": 1.50}}{}", ours("In Progress")))
            .replace("2025-08-17T12:00:00+08:00", "2026-01-15T18:00:00+08:00");
        assert_eq!(std::fs::read_to_string(&folder.path).unwrap(), expected);
    }
    // A person takes the tick away, and we did not see it yet.
    let text = std::fs::read_to_string(&folder.path)
        .unwrap()
        .replace("Build\",\n        \"done\": true", "Build\",\n        \"done\": false");
    std::fs::write(&folder.path, text).unwrap();
    let late = write(&before[1], BacklogStatus::Blocked, Some(BacklogStatus::Completed));
    assert_eq!(backlog.write_back(&[late]).await.unwrap(), [WriteOutcome::Overtaken]);
    assert_eq!(items(&backlog).await[1].status, BacklogStatus::Pending);
}

#[tokio::test]
async fn bad_input_costs_what_is_bad() {
    let folder = written(
        r#"[{"id":"twice","todos":[]},{"id":"twice","todos":[]},{"id":"none","todos":[{"text":"x"}]},
        {"id":"a","project":"P","priority":"high","todos":[{"text":"good"},{"text":7},{"text":"bell\u0007"},{"text":"day","deadline":"soon"},
        {"text":"last","strawboss":{"status":"Maybe"}}]}]"#,
    );
    let Reading::Items { items, problems } = open(&folder.path).read().await else { panic!("it can be read") };
    let actions: Vec<_> = items.iter().map(|item| (item.action.as_str(), item.priority, item.status_unclear)).collect();
    assert_eq!(actions, [("good", 999, false), ("last", 999, true)]);
    for part in ["stands 2 times", "names no project", "`text` is no text", "U+0007", "`soon`", "no whole number", "no status"] {
        assert!(problems.iter().any(|problem| problem.message.contains(part) && problem.line > 0), "{part}: {problems:#?}");
    }
    assert_eq!(items[1].depends_on.len(), 1, "a phase that is skipped is waited for all the same");
    for text in ["", "[", "\"x\""] {
        std::fs::write(&folder.path, text).unwrap();
        assert!(matches!(open(&folder.path).read().await, Reading::Unreadable { .. }), "{text}");
    }
    std::fs::remove_file(&folder.path).unwrap();
    assert!(matches!(open(&folder.path).read().await, Reading::Unreadable { .. }));
}

#[tokio::test]
async fn ten_thousand_phases_are_written_to_at_once() {
    let todos: Vec<_> = (0..10_000).map(|at| json!({ "text": format!("PHASE {at}: number {at}"), "done": false })).collect();
    let folder = written(&serde_json::to_string_pretty(&json!([{ "id": "a", "project": "P", "todos": todos }])).unwrap());
    let backlog = open(&folder.path);
    let before = items(&backlog).await;
    let writes: Vec<_> = before.iter().map(|item| write(item, BacklogStatus::Queued, None)).collect();
    assert!(backlog.write_back(&writes).await.unwrap().iter().all(|outcome| *outcome == WriteOutcome::Written));
    assert!(items(&backlog).await.iter().all(|item| item.status == BacklogStatus::Queued));
}
