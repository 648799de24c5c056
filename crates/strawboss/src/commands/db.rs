//! `strawboss db …`: the state's database, looked after.

use crate::backup::{self, Backup, Identity};
use crate::config::settings::{Database, DatabaseUrl, Settings};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure, io};
use crate::output::style::Tone;
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use crate::serve::data_dir::{self, DataDir};
use crate::serve::state;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strawboss_store::SqlStore;
use strawboss_store::transfer::{Summary, WAITING};
use tokio::sync::mpsc;

/// Migrate, back up, restore and copy the state
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  strawboss db backup --to /backups             while the service runs, or while it does not
  strawboss db restore /backups/strawboss-20261121T030000000Z.tar.gz
  strawboss db copy --from sqlite --to postgres://strawboss@localhost/strawboss")]
pub(crate) struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DbCommand {
    /// Bring the database's tables to this version, as every start does
    Migrate,
    /// Make a backup of state, mirrors and recordings; the service may run meanwhile
    Backup {
        /// The folder, instead of `backup.folder`
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List backups
    #[command(visible_alias = "ls")]
    List {
        /// The folder, instead of `backup.folder`
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read a backup to its end and say whether it is whole; nothing is changed
    Verify {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The file with the secret key of an encrypted one
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a backup in the place of what is there; the service must not run
    #[command(after_help = "\
The backup is read to its end first, then the database is replaced in one transaction that only ends well when it holds
what was backed up, by count and checksum. It may be restored into the other kind of database.

In Compose:
  docker compose stop strawboss
  docker compose run --rm strawboss db restore /backups/FILE --force
  docker compose --profile cpu up --detach --wait")]
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The file with the secret key of an encrypted one
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        /// Even when that replaces a state that holds something
        #[arg(long)]
        force: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy the state from one database to another, and compare them; the service must not run
    Copy {
        /// `sqlite` (the file of the data directory), `sqlite:PATH` or `postgres://…`
        #[arg(long, value_name = "DATABASE")]
        from: String,
        /// The same; it is made when it is not there
        #[arg(long, value_name = "DATABASE")]
        to: String,
        /// Even when that replaces a state that holds something
        #[arg(long)]
        force: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a pair of keys for encrypted backups: the secret one into a new file, the public one on standard output
    Key {
        /// The file; keep it where the backups are not
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// How long a database is waited for that does not answer yet.
const PATIENCE: Duration = Duration::from_secs(15);

/// Does what `db` says.
pub(crate) async fn run(args: DbArgs, context: &Context) -> Result<ExitStatus, Failure> {
    match args.command {
        DbCommand::Migrate => migrate(context).await?,
        DbCommand::Backup { to, json } => make(context, to, json).await?,
        DbCommand::List { folder, json } => list(context, folder, json)?,
        DbCommand::Verify { file, identity, json } => verify(context, &file, identity.as_deref(), json).await?,
        DbCommand::Restore { file, identity, force, json } => restore(context, &file, identity.as_deref(), force, json).await?,
        DbCommand::Copy { from, to, force, json } => copy(context, &from, &to, force, json).await?,
        DbCommand::Key { file } => {
            let public = backup::generate(&file)?;
            output::note(&format!(
                "The secret key is in {}: without it no backup opens. Keep it where the backups are not.",
                file.display()
            ));
            output::line(&public.to_string())?;
        }
    }
    Ok(ExitStatus::Success)
}

fn settings(context: &Context) -> Result<Settings, Failure> {
    Ok(context.config()?.settings)
}

async fn migrate(context: &Context) -> Result<(), Failure> {
    let settings = settings(context)?;
    let store = state::open(&settings.database, &settings.server.data_dir, PATIENCE).await?;
    store.close().await;
    output::line(&format!("The state in {} is of this version.", place(&settings.database, &settings.server.data_dir)))
}

fn place(database: &Database, data_dir: &Path) -> String {
    match database {
        Database::Sqlite => data_dir.join(state::SQLITE).display().to_string(),
        Database::Postgres(url) => url.to_string(),
    }
}

fn folder_of(settings: &Settings, named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    named.or_else(|| settings.backup.as_ref().map(|backup| backup.folder.clone())).ok_or_else(|| {
        Failure::usage("no folder for backups is configured")
            .fix("Name one: `--to FOLDER`, or `backup: { folder: … }` in strawboss.yaml.")
    })
}

/// A bar of bytes on standard error, when that is a terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {bytes} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

async fn make(context: &Context, to: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let settings = settings(context)?;
    let folder = folder_of(&settings, to)?;
    let recipients = settings.backup.as_ref().map(|backup| backup.recipients.clone()).unwrap_or_default();
    let data_dir = &settings.server.data_dir;
    if !data_dir.join(data_dir::INSTALLATION).is_file() {
        return Err(Failure::new(format!("there is nothing to back up in {}", data_dir.display()))
            .fix("Name the data directory with `server.data_dir` or STRAWBOSS_DATA_DIR."));
    }
    let store = state::open(&settings.database, data_dir, PATIENCE).await?;
    let progress = bar();
    let made = backup::make(&store, data_dir, &folder, &recipients, &progress).await;
    progress.finish_and_clear();
    store.close().await;
    let made = made?;
    if json {
        return output::json(&made);
    }
    output::line(&made.file.display().to_string())?;
    let secret = if made.encrypted { "encrypted" } else { "not encrypted: whoever can read the file has the admin token" };
    output::note(&format!(
        "{}, {}, {}; {secret}",
        words::size(made.bytes),
        words::counted(made.end.state.rows(), "row"),
        words::counted(made.end.entries, "file")
    ));
    Ok(())
}

fn list(context: &Context, folder: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let folder = match folder {
        Some(folder) => folder,
        None => folder_of(&settings(context)?, None)?,
    };
    let backups = backup::list(&folder)?;
    if json {
        return output::json(&backups);
    }
    let now = words::now();
    let mut table = Table::new(&["MADE", "SIZE", "ENCRYPTED", "FILE"]);
    for Backup { file, made_at, bytes, encrypted } in backups {
        let secret = if encrypted { cell("yes", Tone::Good) } else { cell("no", Tone::Doubt) };
        table.row(vec![
            plain(words::at(made_at, now)),
            plain(words::size(bytes)),
            secret,
            plain(words::clean(&file.display().to_string())),
        ]);
    }
    output::line(&table.finish(&format!("There is no backup in {}.", folder.display())))
}

fn identity(file: Option<&Path>) -> Result<Option<Identity>, Failure> {
    file.map(backup::identity).transpose()
}

async fn verify(context: &Context, file: &Path, key: Option<&Path>, json: bool) -> Result<(), Failure> {
    let key = identity(key)?;
    // On the disk of the state, where there is one: a folder for temporary files may be memory.
    let data_dir = context.config().ok().map(|config| config.settings.server.data_dir).filter(|path| path.is_dir());
    let staging = match data_dir {
        Some(data_dir) => backup::spool::folder(&data_dir, "verify"),
        None => tempfile::tempdir(),
    };
    let staging = staging.map_err(io("make a folder to unpack into"))?;
    let (file, into) = (file.to_owned(), staging.path().to_owned());
    let progress = bar();
    let shown = progress.clone();
    let unpacked = tokio::task::spawn_blocking(move || backup::unpack(&file, key.as_ref(), &into, &shown)).await;
    progress.finish_and_clear();
    let unpacked = unpacked.map_err(|error| Failure::new(format!("it was cut off: {error}")))??;
    for record in unpacked.records().map_err(io("read the state of the backup"))? {
        record.map_err(|why| Failure::new(format!("the backup cannot be used: {why}")).fix("Take another one."))?;
    }
    if json {
        return output::json(&json!({ "manifest": unpacked.manifest, "end": unpacked.end }));
    }
    let manifest = &unpacked.manifest;
    output::line(&format!(
        "The backup is whole: installation {}, made {} by version {} from {}, {}, {}.",
        words::one_line(&manifest.installation),
        words::at(manifest.made_at, words::now()),
        words::one_line(&manifest.version),
        words::one_line(&manifest.database),
        words::counted(unpacked.end.state.rows(), "row"),
        words::counted(unpacked.end.entries, "file"),
    ))
}

async fn restore(context: &Context, file: &Path, key: Option<&Path>, force: bool, json: bool) -> Result<(), Failure> {
    let settings = settings(context)?;
    let key = identity(key)?;
    if !file.is_file() {
        return Err(Failure::new(format!("there is no backup {}", file.display())).status(ExitStatus::NotFound));
    }
    // Its lock says that no control plane runs on it.
    let data_dir = DataDir::take(&settings.server.data_dir)?;
    let store = state::open(&settings.database, data_dir.path(), PATIENCE).await?;
    store.claim(&format!("restore, {}", data_dir::this_process())).await.map_err(|error| state::refused(&error))?;
    backup::refuse_to_overwrite(&store, data_dir.path(), force).await?;
    let progress = bar();
    let (file, at, shown) = (file.to_owned(), data_dir.path().to_owned(), progress.clone());
    let unpacked = tokio::task::spawn_blocking(move || backup::unpack_into(&file, key.as_ref(), &at, &shown)).await;
    let (_staging, unpacked) = unpacked.map_err(|error| Failure::new(format!("it was cut off: {error}")))??;
    progress.set_message("restoring");
    let restored = backup::restore(&unpacked, &store, &data_dir).await;
    progress.finish_and_clear();
    store.close().await;
    let restored = restored?;
    if json {
        return output::json(&restored);
    }
    output::line(&format!(
        "Restored: {} in {}, {}, the recordings and the tokens of installation {}, as of {}.",
        words::counted(restored.state.rows(), "row"),
        place(&settings.database, data_dir.path()),
        words::counted(restored.mirrors as u64, "mirror"),
        words::one_line(&restored.manifest.installation),
        words::at(restored.manifest.made_at, words::now())
    ))?;
    output::note("Start the service: runs that were live then are looked for, and known lost where their sandboxes are gone.");
    Ok(())
}

async fn open_named(text: &str, context: &Context) -> Result<(String, SqlStore), Failure> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let store = SqlStore::open_sqlite(Path::new(path)).await.map_err(|error| state::refused(&error))?;
        return Ok((path.to_owned(), store));
    }
    let database = match text {
        "sqlite" => Database::Sqlite,
        _ if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
            Database::Postgres(DatabaseUrl::new(text.to_owned()))
        }
        // Not repeated: it may hold a password.
        _ => return Err(Failure::usage("a database is `sqlite`, `sqlite:PATH` or `postgres://…`")),
    };
    let data_dir = match database {
        Database::Sqlite => settings(context)?.server.data_dir,
        Database::Postgres(_) => PathBuf::new(),
    };
    let store = state::open(&database, &data_dir, PATIENCE).await?;
    Ok((place(&database, &data_dir), store))
}

async fn copy(context: &Context, from: &str, to: &str, force: bool, json: bool) -> Result<(), Failure> {
    // Held while it lasts, where there is one: what is copied must not change.
    let _held = match context.config() {
        Ok(config) if config.settings.server.data_dir.join(data_dir::INSTALLATION).is_file() => {
            Some(DataDir::take(&config.settings.server.data_dir)?)
        }
        _ => None,
    };
    let (from_place, from) = open_named(from, context).await?;
    let (to_place, to) = open_named(to, context).await?;
    if from_place == to_place {
        return Err(Failure::usage(format!("{from_place} cannot be copied onto itself")));
    }
    let who = format!("copy, {}", data_dir::this_process());
    for store in [&from, &to] {
        store.claim(&who).await.map_err(|error| state::refused(&error))?;
    }
    let rows = to.rows_in_all().await.map_err(|error| Failure::new(format!("{to_place} cannot be read: {error}")))?;
    if rows > 0 && !force {
        return Err(Failure::new(format!("{to_place} holds {} already", words::counted(rows, "row")))
            .fix("Say --force to put the copy in their place.")
            .status(ExitStatus::Conflict));
    }
    let (sender, receiver) = mpsc::channel(WAITING);
    let (read, written) = tokio::join!(from.export(sender), to.import(receiver, None));
    let read = read.map_err(|error| Failure::new(format!("{from_place} could not be read: {error}")))?;
    let written = written
        .map_err(|error| Failure::new(format!("{to_place} could not be written: {error}")).fix("Nothing was changed in it."))?;
    if read != written {
        // Cut short on the way: the reader ended, and the writer took that for the end.
        return Err(Failure::new(format!(
            "{to_place} does not hold what {from_place} does: {}",
            read.difference(&written).join(", ")
        ))
        .fix("Copy again with --force."));
    }
    from.close().await;
    to.close().await;
    report(&from_place, &to_place, &written, json)
}

fn report(from: &str, to: &str, summary: &Summary, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(&json!({ "from": from, "to": to, "tables": summary.tables }));
    }
    let mut table = Table::new(&["TABLE", "ROWS", "SHA-256, THE SAME IN BOTH"]);
    for one in &summary.tables {
        table.row(vec![plain(one.table.clone()), plain(one.rows.to_string()), plain(one.sha256.clone())]);
    }
    output::line(&table.finish("Nothing was there to copy."))?;
    output::note(&format!("Copied from {from} to {to}. Name it in strawboss.yaml (`database:`) or DATABASE_URL."));
    Ok(())
}
