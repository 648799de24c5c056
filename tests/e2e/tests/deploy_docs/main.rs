//! Every command of docs/deploy is run, page by page as a stranger would, on real Compose; after each section it is looked at
//! whether what the page promises is true.
//!
//! What differs from a stranger's machine is said by the environment alone: names of images and project, ports, where
//! `localhost`, `crew.example.org` and `git.example.org` lead, and the model, which is scripted.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod stranger;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::time::Instant;
use stranger::{Stranger, Stream, root};

/// In the order in which a stranger reads them. All pages there are.
const PAGES: &[&str] = &[
    "README",
    "first-start",
    "tls",
    "backups",
    "restore",
    "upgrade",
    "monitoring",
    "models",
    "troubleshooting",
    "without-compose",
    "databases",
    "docker-proxy",
];

/// What no test machine can run: the first line of each block, its page and why. Nothing else may be fenced as `console`.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("first-start", "apt-get update && apt-get install -y ca-certificates curl git", "Docker's own site is out of reach"),
    ("first-start", "usermod --append --groups docker you", "it changes the machine's users"),
    ("first-start", "ssh -L 8443:localhost:443 you@server", "there is no second machine"),
    (
        "backups",
        "rsync --archive --relative /srv/strawboss/./{backups,backlog,secrets,.env,deploy/compose/config} you@other:/srv/strawboss-backups/",
        "there is no second machine",
    ),
    ("models", "docker compose --profile cpu --profile models up --detach --wait", "ollama and its models are out of reach"),
    ("models", "nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv", "there is no GPU"),
    ("models", "docker compose --profile gpu up --detach --wait", "there is no GPU"),
];

/// Fences of what is no command.
const NO_COMMANDS: &[&str] = &["yaml", "csv", "sql", "text", ""];

#[derive(Debug, Clone, PartialEq)]
struct Block {
    page: String,
    heading: String,
    line: usize,
    fence: String,
    text: String,
}

fn blocks(page: &str) -> Result<Vec<Block>> {
    let path = root().join("docs/deploy").join(format!("{page}.md"));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (mut found, mut heading, mut open) = (Vec::new(), String::new(), None::<Block>);
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(fence)) => {
                let fence = fence.to_owned();
                open = Some(Block { page: page.into(), heading: heading.clone(), line: index + 2, fence, text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => writeln!(block.text, "{line}")?,
            (None, None) => {
                if let Some(title) = line.strip_prefix('#') {
                    heading = title.trim_start_matches('#').trim().to_owned();
                }
            }
        }
    }
    ensure!(open.is_none(), "{page}.md: a fence is not closed");
    Ok(found)
}

#[test]
fn what_is_not_run_is_listed_with_its_reason() -> Result<()> {
    let mut pages: Vec<String> = fs::read_dir(root().join("docs/deploy"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().trim_end_matches(".md").to_owned()))
        .collect::<Result<_>>()?;
    pages.sort();
    let mut known: Vec<&str> = PAGES.to_vec();
    known.sort_unstable();
    assert_eq!(pages, known, "a page of docs/deploy that no test reads");

    let (mut not_run, mut run) = (Vec::new(), 0);
    for page in PAGES {
        for block in blocks(page)? {
            match block.fence.as_str() {
                "sh" => run += 1,
                "console" => not_run.push((block.page, block.text.lines().next().unwrap_or_default().to_owned())),
                fence => assert!(NO_COMMANDS.contains(&fence), "{page}.md:{}: the fence `{fence}`", block.line),
            }
        }
    }
    let listed: Vec<(String, String)> = NOT_RUN.iter().map(|(page, first, _)| ((*page).into(), (*first).into())).collect();
    assert_eq!(not_run, listed, "blocks that are not run");
    assert!(run >= 30, "only {run} blocks are run");
    Ok(())
}

/// What stands before a section's commands: what the stranger would have done by hand, or what happened to the machine.
fn before(stranger: &Stranger, section: (&str, &str), story: &mut Story) -> Result<()> {
    match section {
        // The scripted model is there before the first agent asks.
        ("first-start", "5. Up") => stranger.sh("docker compose --profile test up --detach mock-model").map(drop),
        ("first-start", "7. Approve it") => stranger.until_task("GREETING.md", "review").map(drop),
        ("tls", "A certificate of your own") => {
            ensure!(stranger.issuer()?.contains("CN = localhost"), "it is not self-signed");
            story.stream = Some(Stream::open(stranger)?);
            certificate(stranger, "fullchain.pem", "privkey.pem", "Own authority", "-days 90")
        }
        ("restore", "On the same machine") => {
            // The pages after this one are read by somebody who encrypts nothing.
            let plain = "grep ^BACKUP_RECIPIENTS= .env > recipients && sed -i '/^BACKUP_RECIPIENTS=/d' .env";
            stranger.sh(&format!("{plain} && docker compose --profile cpu up --detach --wait"))?;
            stranger.sh("docker compose exec strawboss strawboss db backup")?;
            story.tasks = stranger.tasks()?;
            // A row that comes and goes after the backup.
            stranger.append("my-app,8,Paused,,,Gone after the restore,,,")?;
            stranger.until("the new row", || Ok((stranger.tasks()? != story.tasks).then_some(())))?;
            stranger.sh("sed -i '/Gone after the restore/d' backlog/priorities.csv").map(drop)
        }
        ("restore", "One that is encrypted") => {
            stranger.sh("cat recipients >> .env && docker compose --profile cpu up --detach --wait")?;
            stranger.sh("docker compose exec strawboss strawboss db backup").map(drop)
        }
        ("restore", "On a new machine") => {
            // Nothing is left but files, and what was fetched from the outside.
            stranger.sh("docker compose --profile cpu down --timeout 30")?;
            let volumes =
                "docker volume ls --quiet --filter label=com.docker.compose.project=$COMPOSE_PROJECT_NAME | grep -v _cache";
            stranger.sh(&format!("{volumes} | xargs docker volume rm")).map(drop)
        }
        ("upgrade", "Forward") => {
            stranger.append("my-app,2,Pending,,,Work until told to end,,,Sonnet 4")?;
            story.run = Some(stranger.until("an agent that works", || works(stranger))?);
            let new = "cd ../../origin/strawboss && echo new > NEW && git add NEW && git commit -qm 'A new version' && cd - >/dev/null && echo new > dist/NEW";
            stranger.sh(new).map(drop)
        }
        _ => Ok(()),
    }
}

/// What the page promised is true.
fn after(stranger: &Stranger, section: (&str, &str), story: &mut Story) -> Result<()> {
    match section {
        ("first-start", "2. The checkout") => {
            // Programs that were built before, where a stranger's first `up` builds them.
            stranger.sh("cp -r ../../dist dist").map(drop)
        }
        ("first-start", "5. Up") => {
            let health = stranger.sh("curl --insecure --head --fail https://localhost/health")?;
            ensure!(health.starts_with("HTTP/2 200"), "{health}");
            let plain = stranger.sh("curl --head http://crew.example.org/board")?;
            ensure!(plain.contains("308") && plain.contains("https://crew.example.org"), "{plain}");
            let id = stranger.sh("docker compose exec -T strawboss cat /var/lib/strawboss/data/installation")?;
            fs::write(stranger.at("installation"), id.trim())?;
            Ok(())
        }
        ("first-start", "7. Approve it") => {
            stranger.until_task("GREETING.md", "done")?;
            stranger.until("the row is Completed", || {
                Ok(stranger.sh("cat backlog/priorities.csv")?.contains("Completed").then_some(()))
            })?;
            stranger
                .sh("git -C projects/my-app show HEAD:GREETING.md && test -O backlog/priorities.csv && test -O backups")
                .map(drop)
        }
        ("first-start", "Off and on") => {
            stranger.sh("docker compose --profile test up --detach mock-model")?;
            stranger.until_task("GREETING.md", "done").map(drop)
        }
        ("tls", "A certificate of your own") => {
            stranger.until_issuer("Own authority")?;
            bad_certificates(stranger)
        }
        ("tls", "Let's Encrypt") => {
            stranger.until_issuer("Stand-in authority")?;
            stranger.sh("curl --fail http://crew.example.org/.well-known/acme-challenge/token | grep crew.example.org")?;
            let owner = stranger.sh("docker compose exec -T edge stat -c %u:%g:%a /etc/edge/certificates/privkey.pem")?;
            ensure!(owner.trim() == "33:33:600", "{owner}");
            let mut stream = story.stream.take().context("no stream")?;
            stream.goes_on(stranger, "my-app,9,Paused,,,Later,,,")
        }
        ("backups", "Encrypted") => {
            let list = stranger.strawboss("db list --json")?;
            let list: Value = serde_json::from_str(&list)?;
            let encrypted: Vec<_> =
                list.as_array().context("no list")?.iter().map(|backup| backup["encrypted"] == true).collect();
            ensure!(encrypted.contains(&true) && encrypted.contains(&false), "{list}");
            Ok(())
        }
        ("restore", "On a new machine") => {
            stranger.sh("docker compose --profile test up --detach mock-model")?;
            same(stranger, story)
        }
        ("restore", "One that is encrypted") => {
            same(stranger, story)?;
            stranger.sh("sed -i '/^BACKUP_RECIPIENTS=/d' .env && docker compose --profile cpu up --detach --wait")?;
            stranger.sh("docker compose exec strawboss strawboss db backup").map(drop)
        }
        ("restore", "On the same machine" | "Into another database") => same(stranger, story),
        ("upgrade", "Forward") => {
            stranger.sh("docker compose exec -T strawboss cat /usr/lib/strawboss/NEW && test -e NEW")?;
            let now = stranger.until("the agent is found again", || works(stranger))?;
            ensure!(story.run.as_deref() == Some(&now), "another run or sandbox: {:?}, {now}", story.run);
            let sandbox = now.split(' ').next_back().context("no sandbox")?;
            stranger.sh(&format!("docker exec {sandbox} touch /tmp/told"))?;
            stranger.until_task("Work until told", "review").map(drop)
        }
        ("upgrade", "Back") => {
            stranger.sh("test ! -e NEW && docker compose exec -T strawboss test ! -e /usr/lib/strawboss/NEW")?;
            let (known, now) = (&story.tasks, stranger.tasks()?);
            ensure!(known.iter().all(|task| now.contains(task)), "{known:?}\n{now:?}");
            // Its sandbox is gone: the task goes on in a new one, which has to be told as well, or ends.
            stranger
                .until("the task of the lost run goes on", || {
                    if let Some(run) = works(stranger)? {
                        stranger
                            .sh(&format!("docker exec {} touch /tmp/told", run.split(' ').next_back().unwrap_or_default()))?;
                    }
                    Ok(stranger.tasks()?.into_iter().find(|task| task.2.contains("Work until told") && task.1 == "review"))
                })
                .map(drop)
        }
        ("monitoring", "Metrics") => {
            let ask = "curl --insecure --fail --header \"Authorization: Bearer $(cat secrets/strawboss-metrics-token)\" https://localhost/metrics";
            ensure!(stranger.sh(ask)?.contains("strawboss_part_ok{part=\"store\"} 1"), "no metrics");
            let refused =
                stranger.sh("curl --insecure --output /dev/null --write-out '%{http_code}' https://localhost/metrics")?;
            ensure!(refused == "401", "{refused}");
            Ok(())
        }
        ("troubleshooting", "Agents") => faults(stranger),
        ("models", "Rows") => stranger.until_task("LOCAL.md", "review").map(drop),
        _ => Ok(()),
    }
}

#[derive(Default)]
struct Story {
    tasks: Vec<(String, String, String)>,
    run: Option<String>,
    stream: Option<Stream>,
}

/// The run that works, its try, and its sandbox's id.
fn works(stranger: &Stranger) -> Result<Option<String>> {
    let runs: Value = serde_json::from_str(&stranger.strawboss("run list --json")?)?;
    let runs = runs.as_array().or_else(|| runs["items"].as_array()).context("no list of runs")?;
    let Some(run) = runs.iter().find(|run| run["state"] == "working") else { return Ok(None) };
    let id = fs::read_to_string(stranger.at("installation"))?;
    let ask = format!("docker ps --no-trunc --quiet --filter label=strawboss.installation={id} --filter label=strawboss.sandbox");
    let sandbox = stranger.sh(&ask)?;
    ensure!(sandbox.lines().count() == 1, "sandboxes: {sandbox}");
    Ok(Some(format!("{} {}", run["id"], sandbox.trim())))
}

fn same(stranger: &Stranger, story: &Story) -> Result<()> {
    let now = stranger.tasks()?;
    ensure!(now == story.tasks, "before: {:?}\nnow: {now:?}", story.tasks);
    Ok(())
}

/// A pair of files for the names of the edge.
fn certificate(stranger: &Stranger, chain: &str, key: &str, authority: &str, more: &str) -> Result<()> {
    stranger
        .sh(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=crew.example.org/O={authority}' \
             -addext subjectAltName=DNS:localhost,DNS:crew.example.org -keyout {key} -out {chain} {more} 2>&1"
        ))
        .map(drop)
}

/// None of them is taken, the reason is said in the words of the page, and the good one is served all the while.
fn bad_certificates(stranger: &Stranger) -> Result<()> {
    let page = fs::read_to_string(root().join("docs/deploy/tls.md"))?;
    certificate(stranger, "other.pem", "other.key", "Another authority", "-days 90")?;
    // A certificate that ended yesterday, by an authority that signs with any dates.
    stranger.sh("mkdir -p ca && : > ca/index && echo 01 > ca/serial && printf '[ca]\ndefault_ca=d\n[d]\ndatabase=ca/index\nserial=ca/serial\nnew_certs_dir=ca\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' > ca/config && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout expired.key -out expired.csr 2>/dev/null && openssl ca -batch -notext -config ca/config -selfsign -keyfile expired.key -in expired.csr -startdate 20200101000000Z -enddate 20200201000000Z -out expired.pem 2>/dev/null")?;
    for (sent, words) in [
        ("fullchain.pem other.key", "does not belong to the certificate"),
        ("expired.pem expired.key", "the certificate is not taken: it has expired ("),
        (".env", "there is no certificate in what came in"),
        ("fullchain.pem", "there is no key in what came in"),
    ] {
        let said = stranger.refused(&format!("cat {sent} | docker compose exec -T edge edge take"))?;
        ensure!(said.contains(words), "{sent}: {said}");
    }
    ensure!(page.contains("the certificate is not taken: it has expired ("), "tls.md says it otherwise");
    // By the volume itself, which is looked at.
    stranger.sh("docker compose exec -T edge cp /etc/edge/certificates/privkey.pem /tmp/key")?;
    stranger.sh("docker compose exec -T edge sh -c 'cat > /etc/edge/certificates/privkey.pem' < other.key")?;
    let words = "the new certificate is not taken: the key";
    stranger.until(words, || Ok(stranger.sh("docker compose logs edge")?.contains(words).then_some(())))?;
    ensure!(page.contains("the new certificate is not taken: "), "tls.md says it otherwise");
    ensure!(stranger.issuer()?.contains("Own authority"), "another certificate is served");
    stranger.sh("docker compose exec -T edge cp /tmp/key /etc/edge/certificates/privkey.pem").map(drop)
}

/// Compose understands what a page would have in `compose.override.yaml`.
fn overrides(stranger: &Stranger) -> Result<()> {
    let file = stranger.at("override.yaml");
    stranger.sh(&format!("docker compose --file compose.yaml --file {} --profile cpu config --quiet", file.display())).map(drop)
}

/// Faults that are made here, and the words of troubleshooting.md that are said then.
const FAULTS: &[(&str, &str)] = &[
    ("STRAWBOSS_UID=you docker compose run --rm --no-deps init", "STRAWBOSS_UID and STRAWBOSS_GID must be numbers"),
    ("STRAWBOSS_UID=0 docker compose run --rm --no-deps init", "STRAWBOSS_UID is 0: the control plane does not run as root"),
    (
        "docker compose run --rm --no-deps --volume ${COMPOSE_PROJECT_NAME}_data:/var/lib/strawboss/data:ro init",
        "the volume data cannot be written: it is mounted read-only, or its disk is full",
    ),
    (
        "docker compose run --rm --no-deps --env EDGE_NAMES='not a name!' edge",
        "EDGE_NAMES must be host names or addresses with blanks between them",
    ),
    ("docker compose run --rm --no-deps --publish 127.0.0.1:$EDGE_HTTPS_PORT:8443 edge", "port is already allocated"),
    (
        "docker compose run --rm --no-deps --env STRAWBOSS_CONFIG_TEXT='projets: {}' --env STRAWBOSS_CONFIG= strawboss config check",
        "nothing was started",
    ),
    ("docker compose run --rm --no-deps strawboss serve", "is in use by another control plane"),
    (
        "docker compose exec -T postgres psql -qU strawboss -c 'insert into _sqlx_migrations select 999999, description, now(), success, checksum, execution_time from _sqlx_migrations limit 1'
         docker compose run --rm --no-deps strawboss db migrate",
        "was written by a newer version of Strawboss",
    ),
    (
        "docker compose exec -T postgres psql -qU strawboss -c 'delete from _sqlx_migrations where version = 999999'
         head -c 300 \"$(ls backups/*.tar.gz | tail -n 1)\" > backups/cut.tar.gz
         docker compose exec -T strawboss strawboss db verify /backups/cut.tar.gz",
        "cannot be used: it was cut short",
    ),
    (
        "mkdir other-keys && docker compose run --rm --no-deps -T --volume \"$PWD/other-keys:/keys\" strawboss db key /keys/key
         docker compose run --rm --no-deps -T --volume \"$PWD/other-keys:/keys:ro\" strawboss db verify --identity /keys/key \"/backups/$(cd backups && ls *.age | tail -n 1)\"",
        "it was encrypted for another key",
    ),
    ("docker compose stop postgres && docker compose exec -T strawboss strawboss status", "the state cannot be written"),
];

fn faults(stranger: &Stranger) -> Result<()> {
    let page = fs::read_to_string(root().join("docs/deploy/troubleshooting.md"))?;
    for (fault, words) in FAULTS {
        let said = stranger.refused(fault)?;
        ensure!(said.contains(words), "{fault}\nsaid:\n{said}\nand not: {words}");
        ensure!(page.contains(words), "troubleshooting.md does not say: {words}");
    }
    stranger.until("/ready is 503", || {
        let code = stranger.sh("curl --insecure --output /dev/null --write-out '%{http_code}' https://localhost/ready")?;
        Ok((code == "503").then_some(()))
    })?;
    stranger.sh("docker compose start postgres")?;
    stranger.until("/ready is 200 again", || stranger.sh("curl --insecure --fail https://localhost/ready").map(Some))?;
    // A folder of root's.
    let said = stranger.sh("BACKLOG_DIR=/usr/share docker compose run --rm --no-deps init")?;
    ensure!(said.contains("BACKLOG_DIR belongs to root, and the control plane runs as"), "{said}");
    ensure!(page.contains("BACKLOG_DIR belongs to root, and the control plane runs as"), "troubleshooting.md says it otherwise");
    Ok(())
}

#[test]
fn a_stranger_comes_from_a_bare_server_to_a_system_that_is_looked_after() -> Result<()> {
    let stranger = Stranger::new()?;
    let mut story = Story::default();
    let began = Instant::now();
    for page in PAGES {
        let blocks = blocks(page)?;
        for block in blocks.iter().filter(|block| block.text.starts_with("services:\n")) {
            let place = format!("docs/deploy/{page}.md:{}", block.line);
            fs::write(stranger.at("override.yaml"), &block.text)?;
            overrides(&stranger).with_context(|| place)?;
        }
        let blocks: Vec<Block> = blocks.into_iter().filter(|block| block.fence == "sh").collect();
        for (index, block) in blocks.iter().enumerate() {
            let section = (block.page.as_str(), block.heading.as_str());
            let place = format!("docs/deploy/{page}.md:{}", block.line);
            if index == 0 || blocks[index - 1].heading != block.heading {
                before(&stranger, section, &mut story).with_context(|| format!("before {place}"))?;
            }
            let (good, said) = stranger.said(&block.text, "a-key-of-nobody\n")?;
            eprintln!("{:>5.1} s  {place}", began.elapsed().as_secs_f32());
            ensure!(good, "{place}:\n{}\nsaid:\n{said}", block.text);
            if blocks.get(index + 1).is_none_or(|next| next.heading != block.heading) {
                after(&stranger, section, &mut story).with_context(|| format!("after {place}"))?;
            }
        }
    }
    Ok(())
}
